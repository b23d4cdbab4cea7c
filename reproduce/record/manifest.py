"""The manifest of a run: what was run, with which code, on which machine. No torch is imported.

manifest = collect(recipe, "cifar10", fingerprint, seed=0, precision="fp32", device="cpu", command="attnrepro ...")
write(manifest, folder)     # folder/manifest.json
read(folder)["git"]["commit"]
"""

import contextlib
import datetime
import hashlib
import importlib.metadata
import json
import os
import platform
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

from reproduce.errors import UserError
from reproduce.recipes.recipe import Recipe
from reproduce.record.whole_files import UNSEALED, check_seal, seal, write_whole

FORMAT = "attnrepro manifest 2"
_UNSEALED_FORMAT = "attnrepro manifest 1"  # before there were checksums
NAME = "manifest.json"
_SEAL = "seal"
UNKNOWN = "unknown"
ROOT = Path(__file__).resolve().parents[2]
_GIT_SECONDS = 20
_CUPY = ("cupy", "cupy-cuda13x", "cupy-cuda12x", "cupy-cuda11x")  # one library, a distribution a CUDA release
_AGAIN = "delete the file and run the row again; its row in the ledger is not touched"


def collect(
    recipe: Recipe, source_name: str, data_sha256: str, seed: int, precision: str, device: str, command: str
) -> dict[str, Any]:
    """Return everything needed to make this run again, as plain JSON values; what cannot be found out is "unknown".

    Args:
        recipe: the recipe as resolved, all overrides applied.
        source_name: the data set's name as it enters the ledger, for example ``cifar10-jpeg75``.
        data_sha256: fingerprint of the images and labels that were used.
        seed: seed of the run.
        precision: ``fp32`` or ``bf16``.
        device: the device as torch names it.
        command: the command line that started the run.
    """
    return {
        "format": FORMAT,
        "started": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "command": command,
        "recipe": json.loads(recipe.to_json()),
        "recipe_sha256": recipe.sha256(),
        "dataset": source_name,
        "data_sha256": data_sha256,
        "seed": seed,
        "precision": precision,
        "device": device,
        "versions": versions(),
        "machine": machine(),
        "git": git_state(),
    }


def versions() -> dict[str, str]:
    """Return the versions of Python and of the libraries that make the numbers; "" where one is not installed."""
    found = {"python": platform.python_version()}
    for name in ("torch", "torchvision", "numpy", "scipy", "pandas"):
        found[name] = _version(name)
    found["cupy"] = next(filter(None, map(_version, _CUPY)), "")
    return found


def machine() -> dict[str, Any]:
    """Return the platform, the processor's model, and how many cores and threads this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)  # Linux: the cores we may use, which a container narrows
    return {
        "platform": platform.platform(),
        "cpu": _cpu_model(),
        "cores": len(affinity(0)) if affinity else os.cpu_count() or 0,
        "threads": _threads(),
    }


def git_state(root: Path = ROOT) -> dict[str, Any]:
    """Return the commit of ``root``, whether its files differ from it, and the digest of the difference.

    A ``root`` that is not itself a checkout (an installed package) is "unknown", even inside another repository.
    Without a git program the commit is read from the files of ``.git``; whether files differ is then "unknown".
    """
    unknown = {"commit": UNKNOWN, "dirty": UNKNOWN, "diff_sha256": UNKNOWN}
    if not (root / ".git").exists():
        return unknown
    commit = _git(root, "rev-parse", "--verify", "HEAD")
    status = _git(root, "status", "--porcelain")
    difference = _git(root, "diff", "HEAD", "--binary") if commit else None
    state: dict[str, Any] = unknown | {"commit": commit.decode().strip() if commit else _commit_by_hand(root)}
    if status is not None:
        state["dirty"] = bool(status.strip())
    if difference is not None:
        state["diff_sha256"] = hashlib.sha256(difference).hexdigest() if difference else ""
    return state


def write(manifest: dict[str, Any], folder: Path) -> Path:
    """Write ``manifest.json`` into ``folder`` in one step and return its path; raises UserError where that fails."""
    path = folder / NAME
    sealed = manifest | {_SEAL: UNSEALED.decode()}
    text = json.dumps(sealed, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
    write_whole(path, seal(text.encode("utf-8")))
    return path


def read(folder: Path) -> dict[str, Any]:
    """Return the manifest in ``folder``; raises UserError where it is missing, cut off or not one of ours."""
    path = folder / NAME
    try:
        raw = path.read_bytes()
        manifest = json.loads(raw.decode("utf-8"))
    except FileNotFoundError:
        raise UserError(f"there is no manifest at {path}", "name a folder results/ROW/RUN") from None
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror})", "check the path and its rights") from None
    except UnicodeDecodeError:
        raise UserError(f"{path} is not UTF-8 text", _AGAIN) from None
    except (json.JSONDecodeError, RecursionError) as error:
        where = f"line {error.lineno}" if isinstance(error, json.JSONDecodeError) else "too deep"
        raise UserError(f"{path} is not whole JSON ({where})", _AGAIN) from None
    if not isinstance(manifest, dict) or not str(manifest.get("format", "")).startswith("attnrepro manifest"):
        raise UserError(f"{path} is JSON, but not a manifest of a run", "name a folder results/ROW/RUN")
    if manifest["format"] not in (FORMAT, _UNSEALED_FORMAT):
        raise UserError(f"{path} is of another version ({manifest['format']})", f"this version reads '{FORMAT}'")
    check_seal(raw, path, _AGAIN, needed=manifest["format"] == FORMAT)
    missing = [key for key in ("recipe", "seed", "command", "git", "versions", "machine") if key not in manifest]
    if missing:
        raise UserError(f"{path} lacks '{missing[0]}'", _AGAIN)
    manifest.pop(_SEAL, None)
    return manifest


def _version(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return ""


def _cpu_model() -> str:
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine() or UNKNOWN


def _threads() -> int:
    torch = sys.modules.get("torch")  # ask it only where the run has loaded it already
    if torch is not None and hasattr(torch, "get_num_threads"):
        return int(torch.get_num_threads())
    asked = os.environ.get("OMP_NUM_THREADS", "")
    return int(asked) if asked.isdigit() else os.cpu_count() or 1


def _git(root: Path, *arguments: str) -> bytes | None:
    """Return what git prints, or None where git is absent or refuses."""
    try:
        done = subprocess.run(
            ["git", "-C", str(root), *arguments], capture_output=True, timeout=_GIT_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None


def _commit_by_hand(root: Path) -> str:
    """Read the commit from the files of ``.git``, for machines without a git program."""
    folder = root / ".git"
    with contextlib.suppress(OSError, UnicodeDecodeError):
        if folder.is_file():  # a linked worktree
            folder = root / folder.read_text(encoding="utf-8").partition("gitdir:")[2].strip()
        head = (folder / "HEAD").read_text(encoding="utf-8").strip()
        if not head.startswith("ref:"):
            return head if re.fullmatch(r"[0-9a-f]{40,64}", head) else UNKNOWN
        name = head.partition(":")[2].strip()
        common = folder / "commondir"
        shared = folder / common.read_text(encoding="utf-8").strip() if common.exists() else folder
        for place in (folder / name, shared / name):
            if place.is_file():
                return place.read_text(encoding="utf-8").strip()
        for line in (shared / "packed-refs").read_text(encoding="utf-8").splitlines():
            if line.endswith(f" {name}"):
                return line.split()[0]
    return UNKNOWN
