"""Content sums, kept beside the results, so that a data set is decoded for its sum once and not at every call.

A sum is kept under the paths, sizes and times of the files it was taken of: whatever of them changes, it is taken anew.
What cannot be read or was not written by us is taken anew too; where nothing can be written, nothing is kept.
"""

import base64
import contextlib
import hashlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from reproduce.console.logs import LOG
from reproduce.data.fingerprint import SPLITS, Content, read_content
from reproduce.data.stored import Kind
from reproduce.errors import UserError
from reproduce.record.folder import results_path
from reproduce.record.whole_files import UNSEALED, check_seal, seal, write_whole

FORMAT = "attnrepro content 2"
_TOLD_FROM = 3.0  # seconds
_MOST = 16
_KNOWN: dict[str, Content] = {}  # to identify is asked often, and not every folder of results can be written
Marked = Sequence[tuple[str, Path]]  # what a file is to the data set (its split, its class), and where it lies


def mark_files(kind: Kind, files: Marked) -> tuple[str, int]:
    """Return what the content of ``files`` is kept under, and how many bytes they have in all; none is opened."""
    digest, total = hashlib.sha256(f"{FORMAT} {kind}\n".encode()), 0
    for mark, path in files:
        found = path.stat()
        total += found.st_size
        digest.update(f"{mark} {path} {found.st_size} {found.st_mtime_ns} {found.st_ctime_ns}\n".encode())
    return digest.hexdigest(), total


def know_content(kind: Kind, root: Path, name: str, older: Callable[[], str]) -> Content:
    """Return the content of the data set at ``root``, from the cache where it is kept there under ``name``.

    ``older`` takes the files' own fingerprint, which is kept too.

    Raises:
        UserError: an image or a file that cannot be read.
    """
    content = _KNOWN.get(name) or _read(results_path() / "data" / f"{name}.json", name)
    if content is None:
        content = read_content(kind, root, older(), lambda seconds: _tell(root, seconds))
        with contextlib.suppress(UserError):
            write_whole(results_path() / "data" / f"{name}.json", _dump(content, name))
    _KNOWN[name] = content
    if len(_KNOWN) > _MOST:
        _KNOWN.pop(next(iter(_KNOWN)))
    return content


def forget() -> None:
    """Forget what this process knows; what is kept on disk stays."""
    _KNOWN.clear()


def _tell(root: Path, seconds: float) -> None:
    if seconds >= _TOLD_FROM:
        LOG.info("reading every image of %s once, to know what it holds: about %.0f s", root, seconds)


def _dump(content: Content, key: str) -> bytes:
    document = {
        "format": FORMAT,
        "key": str(key),
        "older": content.older,
        "splits": dict(content.splits),
        "orders": {
            split: base64.b64encode(order_N.astype("<u4").tobytes()).decode()
            for split, order_N in content.orders.items()
        },
        "seal": UNSEALED.decode(),
    }
    return seal(json.dumps(document, indent=1).encode())


def _read(path: Path, key: str) -> Content | None:
    """Return what is kept at ``path``, or None where that is not what :func:`_dump` wrote for ``key``."""
    try:
        raw = path.read_bytes()
        check_seal(raw, path, "", needed=True)
        document = json.loads(raw)
        if (document["format"], document["key"]) != (FORMAT, key):
            return None
        orders = {
            split: np.frombuffer(base64.b64decode(document["orders"][split]), "<u4").astype(np.int64)
            for split in SPLITS
        }
        return Content({split: str(document["splits"][split]) for split in SPLITS}, orders, str(document["older"]))
    except (OSError, UserError, ValueError, KeyError, TypeError):
        return None
