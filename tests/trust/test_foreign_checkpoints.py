"""Checkpoints of others and of before: nothing in them runs, and a missing checksum is seen."""

import json
import os
import pickle
from pathlib import Path

import pytest
import torch

from reproduce.errors import UserError
from reproduce.record import manifest
from reproduce.training.checkpoint import load_weights
from tests.trust.reading import same, state_of, weights_of


class Bomb:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, ("exploded",)


@pytest.mark.parametrize("form", ["pickle", "torch", "torch in a state"])
def test_a_bomb_in_a_checkpoint_does_not_go_off(form: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "last.pt"
    if form == "pickle":
        path.write_bytes(pickle.dumps(Bomb()))
    else:
        content = (
            {"format": "attnrepro checkpoint 2", "identity": "x", "progress": Bomb()} if "state" in form else Bomb()
        )
        torch.save(content, path)
    for read in (state_of, load_weights):
        with pytest.raises(UserError, match=r"last\.pt"):
            read(path)
    assert not (tmp_path / "exploded").exists()
    pickle.loads(path.read_bytes()) if form == "pickle" else torch.load(path, weights_only=False)  # a bomb indeed
    assert (tmp_path / "exploded").exists()


def test_a_checkpoint_whose_checksum_was_taken_away_is_refused(home: Path, tmp_path: Path) -> None:
    for name, read in (("last.pt", state_of), ("best.safetensors", weights_of)):
        content = (home / "run" / name).read_bytes()
        place = content.rindex(b"attnrepro-sha256:")
        path = tmp_path / name
        path.write_bytes(content[:place] + b"attnrepro-sha255:" + content[place + 17 :])
        with pytest.raises(UserError, match="checksum is gone"):
            read(path)


def test_checkpoints_from_before_there_were_checksums_are_read(home: Path, tmp_path: Path) -> None:
    state = torch.load(home / "run" / "last.pt", weights_only=True)
    torch.save(state | {"format": "attnrepro checkpoint 1"}, tmp_path / "last.pt")
    assert same(state_of(tmp_path / "last.pt")["model"], state["model"])
    facts = manifest.read(home / "run")
    (tmp_path / "manifest.json").write_text(json.dumps(facts | {"format": "attnrepro manifest 1"}))
    assert manifest.read(tmp_path)["recipe"] == facts["recipe"]
