"""Bad input of the SAN studies: missing and damaged images, foreign checkpoints, sizes that do not fit together."""

from pathlib import Path

import pytest
import torch
from PIL import Image
from typer.testing import CliRunner, Result

from cli import app
from reproduce.models.networks import build
from reproduce.models.official_san import to_official
from reproduce.recipes.registry import resolve

NAMES = ("buildings", "forest", "glacier", "mountain", "sea", "street")


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ATTNREPRO_RESULTS", str(tmp_path / "results"))
    monkeypatch.setenv("ATTNREPRO_DATA", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*words: str) -> Result:
    return CliRunner().invoke(app, list(words))


def refused(result: Result, *parts: str) -> None:
    """Exit code 2, an error line, a hint line, no traceback, and every part in what was said."""
    assert result.exit_code == 2, result.output
    assert "Traceback" not in result.stderr
    lines = [line for line in result.stderr.splitlines() if line]
    assert lines[-2].startswith("error: "), result.stderr
    assert lines[-1].startswith("hint: "), result.stderr
    for part in parts:
        assert part in result.stderr, (part, result.stderr)


SAID = [
    (["train", "san15-patch-scenes", "--budget", "paper", "--yes"], ["intel-scenes is not in", "Kaggle", "seg_train"]),
    (["table", "scenes", "--budget", "paper", "--yes"], ["intel-scenes is not in", "Kaggle"]),
    (["train", "san10-pair", "--budget", "paper", "--yes"], ["imagenet is not in", "val/<wnid>"]),
    (["train", "ece176-proposed-pair", "--set", "model.stem=64"], ["without transitions", "model.widths"]),
    (["train", "ece176-proposed-pair", "--set", "model.dropout=1"], ["model.dropout cannot be 1"]),
    (["train", "ece176-baseline-pair", "--set", "model.share=0"], ["model.share cannot be 0"]),
    (["train", "ece176-baseline-pair", "--set", "model.relation_ratio=0"], ["model.relation_ratio cannot be 0"]),
    (["train", "ece176-baseline-patch", "--set", "model.relation=dot"], ["no relation 'dot'", "star"]),
    (["train", "ece176-baseline-pair", "--set", "model.pool=true", "--set", "model.kernels=3,33"], ["33x33"]),
    (["train", "san10-pair", "--set", "augmentation.resized_crop=2,1"], ["augmentation.resized_crop cannot be"]),
    (["train", "san15-pair-scenes", "--set", "data.equalise=perhaps"], ["data.equalise", "perhaps"]),
    (["train", "san15-patch-scene"], ["no row is called", "san15-patch-scenes"]),
    (["table", "stackin"], ["no table is called", "stacking"]),
    (["eval", "missing.pth"], ["there is no checkpoint at missing.pth"]),
    (["figure", "ece4", "--format", "gif"], ["no format"]),
    (["figure", "scenes6", "--format", "gif"], ["no format"]),
]


@pytest.mark.parametrize(("words", "parts"), SAID, ids=lambda value: " ".join(value)[:60])
def test_bad_words_are_refused(words: list[str], parts: list[str], home: Path) -> None:
    refused(run(*words), *parts)
    assert not (home / "results" / "runs.csv").exists()


def scenes(root: Path) -> Path:
    for split in ("seg_train/seg_train", "seg_test/seg_test"):
        for name in NAMES:
            (root / split / name).mkdir(parents=True)
            for number in range(2):
                Image.new("RGB", (150, 150), (40 * number, 90, 10)).save(root / split / name / f"{number}.jpg")
    return root


def test_damaged_scenes_are_named(home: Path) -> None:
    root = scenes(home / "scenes")
    words = ["train", "san15-patch-scenes", "--budget", "short", "--yes", "--data", str(root)]
    image = root / "seg_train/seg_train/sea/1.jpg"
    image.write_bytes(image.read_bytes()[:200])
    refused(run(*words), "sea/1.jpg is no readable image")
    (root / "seg_test/seg_test/desert").mkdir()
    Image.new("RGB", (150, 150)).save(root / "seg_test/seg_test/desert/0.jpg")
    refused(run(*words), "class 'desert'")
    (root / "seg_test").rename(home / "elsewhere")
    refused(run(*words), "no test split")
    assert not (home / "results" / "runs.csv").exists()


def test_scenes_are_too_large_for_the_mini_network(home: Path) -> None:
    refused(run("train", "san15-patch-scenes", "--data", str(scenes(home / "scenes"))), "150x150", "32x32")


def test_unsorted_validation_images_are_named(home: Path) -> None:
    (home / "imagenet/val").mkdir(parents=True)
    Image.new("RGB", (300, 200)).save(home / "imagenet/val/ILSVRC2012_val_00000001.JPEG")
    refused(
        run("eval", str(official(home)), "--data", str(home / "imagenet")), "not sorted into class folders", "n01440764"
    )


def official(home: Path, **changes: torch.Tensor | None) -> Path:
    with torch.device("meta"):
        names = to_official(build(resolve("san10-pair").model).state_dict())
    state = {f"module.{name}": torch.zeros(value.shape) for name, value in names.items()}
    state = {k: v for k, v in {**state, **changes}.items() if v is not None}
    path = home / "san10-pair.pth"
    torch.save({"state_dict": state}, path)
    return path


def test_foreign_checkpoints_are_refused(home: Path) -> None:
    path = official(home, **{"module.bn_in.bias": None, "module.head.weight": torch.zeros(2)})
    refused(run("eval", str(path)), "san10-pair.pth is not san10-pair", "it lacks 1", "head.weight")
    whole = official(home)
    refused(run("eval", str(whole), "--data", "shapes"), "10 classes", "tells 1000 apart")
    refused(run("eval", str(whole)), "imagenet is not in")
    whole.write_bytes(whole.read_bytes()[:-1000])
    refused(run("eval", str(whole)), "san10-pair.pth is not a whole checkpoint")
    (home / "evil.pth").write_bytes(b"cos\nsystem\n(S'touch evil-ran'\ntR.")
    refused(run("eval", str(home / "evil.pth")), "evil.pth")
    assert not (home / "evil-ran").exists()
