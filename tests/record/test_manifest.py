"""The manifest: what it records, on machines with and without git, and what it says to damage."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from reproduce.errors import UserError
from reproduce.recipes.recipe import Recipe
from reproduce.recipes.registry import resolve
from reproduce.record import manifest


@pytest.fixture
def collected():
    return manifest.collect(resolve("vit-ha"), "cifar10", "ab" * 32, 3, "bf16", "cpu", "attnrepro train vit-ha")


@pytest.fixture
def checkout(tmp_path):
    if shutil.which("git") is None:
        pytest.skip("needs git")
    root = tmp_path / "repository"
    root.mkdir()
    for arguments in (
        ("init", "-q"),
        ("config", "user.email", "a@b.c"),
        ("config", "user.name", "a"),
        ("commit", "-q", "--allow-empty", "-m", "first"),
    ):
        subprocess.run(
            ["git", "-C", str(root), *arguments], check=True, env={**os.environ, "GIT_CONFIG_GLOBAL": "/dev/null"}
        )
    return root


def head(root: Path) -> str:
    return subprocess.run(["git", "-C", str(root), "rev-parse", "HEAD"], capture_output=True, text=True).stdout.strip()


def test_it_holds_what_a_second_run_needs(collected):
    assert Recipe.from_json(json.dumps(collected["recipe"])) == resolve("vit-ha")
    assert collected["recipe_sha256"] == resolve("vit-ha").sha256()
    assert (collected["dataset"], collected["data_sha256"], collected["seed"]) == ("cifar10", "ab" * 32, 3)
    assert (collected["precision"], collected["device"]) == ("bf16", "cpu")
    assert collected["command"] == "attnrepro train vit-ha"
    assert collected["started"].endswith("+00:00")
    assert {"python", "torch", "torchvision", "numpy", "cupy"} <= set(collected["versions"])
    assert {"platform", "cpu", "cores", "threads"} == set(collected["machine"])
    assert collected["machine"]["cores"] >= 1
    assert {"commit", "dirty", "diff_sha256"} == set(collected["git"])


def test_round_trip(collected, tmp_path):
    path = manifest.write(collected, tmp_path / "vit-ha" / "run")
    assert manifest.read(path.parent) == collected
    assert [item.name for item in path.parent.iterdir()] == ["manifest.json"]


def test_git_state_of_a_clean_and_a_changed_tree(checkout):
    (checkout / "a").write_text("1")
    for arguments in (("add", "a"), ("commit", "-q", "-m", "second")):
        subprocess.run(["git", "-C", str(checkout), *arguments], check=True)
    assert manifest.git_state(checkout) == {"commit": head(checkout), "dirty": False, "diff_sha256": ""}
    (checkout / "a").write_text("2")
    changed = manifest.git_state(checkout)
    assert changed["dirty"] is True
    assert len(changed["diff_sha256"]) == 64
    (checkout / "a").write_text("3")
    assert manifest.git_state(checkout)["diff_sha256"] != changed["diff_sha256"]


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("detached", [False, True])
def test_commit_without_a_git_program(checkout, monkeypatch, packed, detached):
    commit = head(checkout)
    if packed:
        subprocess.run(["git", "-C", str(checkout), "pack-refs", "--all"], check=True)
    if detached:
        subprocess.run(["git", "-C", str(checkout), "checkout", "-q", "--detach"], check=True)
    monkeypatch.setenv("PATH", "")
    assert manifest.git_state(checkout) == {"commit": commit, "dirty": "unknown", "diff_sha256": "unknown"}


def test_linked_worktree_without_a_git_program(checkout, monkeypatch, tmp_path):
    linked = tmp_path / "linked"
    subprocess.run(["git", "-C", str(checkout), "worktree", "add", "-q", "-b", "side", str(linked)], check=True)
    commit = head(linked)
    monkeypatch.setenv("PATH", "")
    assert manifest.git_state(linked)["commit"] == commit


def test_an_installed_package_inside_another_repository_is_unknown(checkout):
    package = checkout / "site-packages"
    package.mkdir()
    assert manifest.git_state(package) == {"commit": "unknown", "dirty": "unknown", "diff_sha256": "unknown"}


def test_a_repository_without_commits_and_a_broken_one(tmp_path, monkeypatch):
    (tmp_path / ".git").mkdir()
    assert manifest.git_state(tmp_path)["commit"] == "unknown"
    (tmp_path / ".git" / "HEAD").write_bytes(b"\xff\xfe")
    monkeypatch.setenv("PATH", "")
    assert manifest.git_state(tmp_path)["commit"] == "unknown"


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "not whole JSON"),
        (b'{"format": "attnrepro manif', "not whole JSON"),
        (b"[1, 2]", "not a manifest"),
        (b'{"name": "other"}', "not a manifest"),
        (b'{"format": "attnrepro manifest 9"}', "another version"),
        (b'{"format": "attnrepro manifest 1", "seed": 1}', "lacks 'recipe'"),
        (b"\xff\xfe\x00", "UTF-8"),
        (b"[" * 100_000, "not whole JSON"),
    ],
)
def test_damaged_and_foreign_files(tmp_path, data, words):
    (tmp_path / "manifest.json").write_bytes(data)
    with pytest.raises(UserError, match=words) as caught:
        manifest.read(tmp_path)
    assert "manifest.json" in caught.value.message
    assert (tmp_path / "manifest.json").read_bytes() == data


def test_a_manifest_cut_anywhere_is_refused(collected, tmp_path):
    path = manifest.write(collected, tmp_path)
    whole = path.read_bytes()
    for size in range(0, len(whole) - 2, 97):
        path.write_bytes(whole[:size])
        with pytest.raises(UserError):
            manifest.read(tmp_path)


def test_missing_folder_and_folder_that_cannot_be_written(collected, tmp_path):
    with pytest.raises(UserError, match="no manifest"):
        manifest.read(tmp_path / "nowhere")
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot be written"):
        manifest.write(collected, tmp_path / "file" / "run")


def test_a_second_write_takes_the_place_in_one_step(collected, tmp_path):
    path = manifest.write(collected, tmp_path)
    os.link(path, tmp_path / "reader")  # stands for a reader that has the old file open
    before = path.read_bytes()
    manifest.write({**collected, "seed": 4}, tmp_path)
    assert (tmp_path / "reader").read_bytes() == before
    assert manifest.read(tmp_path)["seed"] == 4


def test_a_full_disk_keeps_the_old_manifest(collected, tmp_path, monkeypatch):
    manifest.write(collected, tmp_path)

    def fail(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(UserError, match="No space left"):
        manifest.write({**collected, "seed": 4}, tmp_path)
    assert manifest.read(tmp_path)["seed"] == 3
    assert [item.name for item in tmp_path.iterdir()] == ["manifest.json"]


def test_every_committed_run_has_its_manifest() -> None:
    """As `train` wrote it, but that the images' folder goes by its name."""
    from paper_tables.measured import MEASURED
    from reproduce.record import ledger

    runs = ledger.read(MEASURED / "runs.csv")
    assert sorted(runs["run_id"]) == sorted(path.name for path in (MEASURED / "manifests").iterdir())
    for run in runs.to_dict("records"):
        folder = MEASURED / "manifests" / str(run["run_id"])
        found = manifest.read(folder)  # checks its seal
        assert (found["seed"], found["precision"]) == (run["seed"], run["precision"])
        assert found["data_sha256"] == run["data_sha256"]
        assert found["git"]["commit"].startswith(str(run["git"]))
        assert not found["git"]["dirty"]
        assert not Path(found["data_path"]).is_absolute()
