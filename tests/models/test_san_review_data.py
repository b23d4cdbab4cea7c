"""The SAN review's images: ImageNet's validation folder, the scenes as people unzip them, official weights on them."""

from pathlib import Path

import numpy as np
import pytest
import torch
import torchvision.transforms.functional as V
from PIL import Image
from typer.testing import CliRunner

from cli import app
from paper_tables.claims.measured_files import read_evaluations
from reproduce.data import dataset
from reproduce.data.dataset import load, stream
from reproduce.data.layouts import class_folders
from reproduce.data.source import identify
from reproduce.errors import UserError
from reproduce.models.networks import build
from reproduce.models.official_san import to_official
from reproduce.recipes.recipe import DataChoice
from reproduce.recipes.registry import resolve
from reproduce.record import evaluations
from reproduce.training.evaluate import evaluate_checkpoint


def save(path: Path, seed: int, size: tuple[int, int] = (40, 30)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), np.uint8)
    Image.fromarray(pixels).save(path)


@pytest.fixture
def validation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An ImageNet validation folder of three classes with two images each."""
    monkeypatch.setattr(class_folders, "_IMAGENET_CLASSES", 3)
    for number, name in enumerate(("n01440764", "n01443537", "n01484850")):
        for image in range(2):
            save(tmp_path / f"imagenet/val/{name}/ILSVRC2012_val_{number}{image}.JPEG", 10 * number + image)
    return tmp_path / "imagenet"


def test_a_validation_folder_alone_is_a_test_split(validation: Path) -> None:
    for place in (validation, validation / "val"):
        source = identify(str(place))
        assert (source.image_size, source.fit, len(source.classes)) == (224, "crop", 3)
        read = load(source, DataChoice(train_limit=0))
        assert sorted(read.test.labels.tolist()) == [0, 0, 1, 1, 2, 2]
        with pytest.raises(UserError, match="has no training split"):
            load(source, DataChoice())


def test_parts_are_the_whole_in_order(validation: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = identify(str(validation))
    whole = load(source, DataChoice(train_limit=0)).test
    monkeypatch.setattr(dataset, "_PART_BYTES", 4 * 3 * 224**2 + 1)
    parts = list(stream(source, DataChoice(), "test", 2))
    assert [len(part) for part in parts] == [4, 2]
    assert torch.equal(torch.cat([part.images for part in parts]), whole.images)
    assert torch.equal(torch.cat([part.labels for part in parts]), whole.labels)
    assert [len(part) for part in stream(source, DataChoice(), "test", 5)] == [5, 1]  # a part is whole batches


def test_official_weights_are_evaluated_on_it(validation: Path, tmp_path: Path) -> None:
    for image in validation.rglob("*1.JPEG"):
        image.unlink()
    torch.manual_seed(0)
    model = build(resolve("san10-patch", changes={"model.classes": 3}).model)
    path = tmp_path / "san10.pth"
    torch.save(
        {"epoch": 100, "state_dict": {f"module.{k}": v for k, v in to_official(model.state_dict()).items()}}, path
    )
    result = evaluate_checkpoint(path, str(validation), torch.device("cpu"), "fp32")
    assert (result["row"], result["images"], result["epoch"]) == ("san10-patch", 3, 100)
    images = load(identify(str(validation)), DataChoice(train_limit=0)).test.images
    normalised = V.normalize(images.float() / 255, [0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
    with torch.no_grad():
        logits = model.eval()(normalised)
    right = (logits.argmax(1) == torch.arange(3)).double().mean().item()
    assert result["top1"] == pytest.approx(right)
    loss = torch.nn.functional.cross_entropy(logits, torch.arange(3))
    assert result["loss"] == pytest.approx(loss.item(), abs=1e-4)
    assert not result["official"]  # three classes, not the paper's thousand
    even = evaluate_checkpoint(path, str(validation), torch.device("cpu"), "fp32", changes={"data.equalise": True})
    assert even["equalised"]
    assert even["loss"] != result["loss"]
    with pytest.raises(UserError, match="tells 3 apart"):
        evaluate_checkpoint(path, "shapes", torch.device("cpu"), "fp32")


def test_published_values_stand_beside_official_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = {"row": "san19-patch", "dataset": "imagenet", "top1": 0.7815, "top5": 0.9391, "loss": 0.9, "images": 50_000}
    found |= {"interval": [0.778, 0.785], "eval_mode": "eval", "official": True, "data_sha256": "d"}
    found |= {"equalised": False, "precision": "fp32"}
    monkeypatch.setenv("ATTNREPRO_RESULTS", str(tmp_path / "results"))
    monkeypatch.setattr("reproduce.training.evaluate.evaluate_checkpoint", lambda *_, **__: dict(found))
    (tmp_path / "x.pth").touch()
    told = CliRunner().invoke(app, ["eval", str(tmp_path / "x.pth")])
    assert "published with these weights: top-1 0.7820, top-5 0.9390" in told.output
    assert CliRunner().invoke(app, ["eval", str(tmp_path / "x.pth")]).exit_code == 0
    (kept,) = evaluations.read(evaluations.evaluations_path())  # the second time in place of the first
    assert (kept["row"], kept["top1"], kept["images"]) == ("san19-patch", "0.7815", "50000")
    assert read_evaluations(local=True) == {"san19-patch": (0.7815, 50_000)}
    assert read_evaluations(local=False) == {}
    found["official"] = False
    assert "published" not in CliRunner().invoke(app, ["eval", str(tmp_path / "x.pth")]).output


def test_intel_scenes_without_the_data_say_where_they_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ATTNREPRO_DATA", str(tmp_path))
    with pytest.raises(UserError, match="intel-scenes is not in") as caught:
        identify("intel-scenes")
    for part in ("puneet6060/intel-image-classification", "Kaggle", "seg_train", "seg_test", str(tmp_path)):
        assert part in caught.value.hint


@pytest.mark.parametrize("double", [True, False])
def test_intel_scenes_as_people_unzip_them(tmp_path: Path, double: bool) -> None:
    """Double or single folders, a grey image, one of another size, and images without labels beside them."""
    train = tmp_path / ("scenes/seg_train/seg_train" if double else "scenes/seg_train")
    test = tmp_path / ("scenes/seg_test/seg_test" if double else "scenes/seg_test")
    names = ("buildings", "forest", "glacier", "mountain", "sea", "street")
    for number, name in enumerate(names):
        save(train / name / "1.jpg", number, (150, 150))
        save(test / name / "2.jpg", 10 + number, (150, 113))
    Image.new("L", (150, 150), 99).save(train / "sea/grey.jpg")
    save(tmp_path / "scenes/seg_pred/seg_pred/3.jpg", 9)
    source = identify(str(tmp_path / "scenes"))
    assert (source.classes, source.image_size, source.fit) == (names, 150, "stretch")
    read = load(source, DataChoice(name="intel-scenes"))
    assert sorted(read.train.labels.tolist()) == [0, 1, 2, 3, 4, 4, 5]
    assert sorted(read.test.labels.tolist()) == [0, 1, 2, 3, 4, 5]
    assert read.test.images.shape == (6, 3, 150, 150)
    grey = (read.train.images[:, 0] == read.train.images[:, 1]).flatten(1).all(1)
    assert grey.sum() == 1
    assert read.train.labels[grey].tolist() == [4]
