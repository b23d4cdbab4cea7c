"""Networks are measured on data of their own classes: matched by name, or refused; checkpoints carry the names."""

import pytest
import torch

from reproduce.data.dataset import load
from reproduce.data.source import identify
from reproduce.errors import UserError
from reproduce.models.networks import build
from reproduce.recipes.recipe import DataChoice
from reproduce.recipes.registry import resolve
from reproduce.training.checkpoint import load_weights, save_state, save_weights
from reproduce.training.class_match import match_classes
from reproduce.training.evaluate import evaluate_checkpoint
from reproduce.training.run import fit_to_data
from tests.data.folders import save

CPU = torch.device("cpu")


def put(root, names, first=0):
    """Images of 32 pixels, those of class k the same whatever it is called."""
    for split in ("train", "test"):
        for number, name in enumerate(names):
            for image in range(3):
                save(root / split / name / f"{image}.png", first + 10 * number + image, (32, 32))
    return root


@pytest.fixture
def trained(tmp_path, monkeypatch):
    monkeypatch.setenv("ATTNREPRO_RESULTS", str(tmp_path / "results"))
    source = identify(str(put(tmp_path / "trained", ("ant", "bee", "cat"))))
    recipe = fit_to_data(resolve("cnn"), source)
    torch.manual_seed(0)
    save_weights(tmp_path / "w.safetensors", build(recipe.model), recipe, 3, source)
    return tmp_path


def test_checkpoints_carry_the_names(trained):
    weights = load_weights(trained / "w.safetensors")
    source = identify(str(trained / "trained"))
    assert (weights.classes, weights.data_sha256) == (("ant", "bee", "cat"), source.sha256)
    state = {"recipe": weights.recipe.to_json(), "epoch": 1, "model": weights.tensors, "classes": ["ant", "bee", "cat"]}
    save_state(trained / "last.pt", "identity", state | {"data_sha256": source.sha256})
    assert load_weights(trained / "last.pt").classes == ("ant", "bee", "cat")


def test_the_same_images_under_other_names_or_in_another_order(trained):
    def top1(data) -> float:
        return evaluate_checkpoint(trained / "w.safetensors", str(data), CPU, "fp32")["top1"]

    whole = evaluate_checkpoint(trained / "w.safetensors", str(trained / "trained"), CPU, "fp32")
    assert (whole["images"], whole["notes"]) == (9, [])  # all of them, whatever the recipe's limit
    with pytest.raises(UserError, match="other classes than the network was trained on: 'wasp' where that had 'bee'"):
        top1(put(trained / "renamed", ("ant", "wasp", "cat"), 1000))
    put(trained / "same", ("x-ant", "y-bee", "z-cat"))  # the very same images and labels: names change nothing
    assert top1(trained / "same") == whole["top1"]
    with pytest.raises(UserError, match="other classes"):
        top1(put(trained / "numbered", ("1", "10", "9"), 1000))


def test_classes_are_matched_by_name():
    assert match_classes(("b", "a", "c"), ("a", "b", "c"), "it") == (
        [1, 0, 2],
        "classes were matched by name: their order differs",
    )
    assert match_classes(("a", "b"), ("a", "b"), "it") == (None, "")
    assert "in the order" in match_classes(("a", "b"), ("0", "1"), "it")[1]
    assert "no names" in match_classes(None, ("a", "b"), "it")[1]
    with pytest.raises(UserError, match="'a2' where that had 'a'"):
        match_classes(("a", "b"), ("a2", "b"), "it")


def test_labels_go_to_the_outputs_of_their_names(trained):
    """A network that answers with the class of its training data is right on data whose names sort otherwise."""
    path = trained / "w.safetensors"
    weights = load_weights(path)
    source = identify(str(trained / "trained"))
    model = build(weights.recipe.model)
    save_weights(path, model, weights.recipe, 3, source)
    other = put(trained / "other", ("ant", "bee", "cat"), 500)
    before = evaluate_checkpoint(path, str(other), CPU, "fp32")
    shuffled = tuple(reversed(source.classes))

    class Renamed:
        classes, sha256 = shuffled, "0"

    save_weights(path, model, weights.recipe, 3, Renamed())
    after = evaluate_checkpoint(path, str(other), CPU, "fp32")
    with torch.no_grad():
        split = load(identify(str(other)), DataChoice()).test
        mean, std = (torch.tensor(getattr(weights.recipe.data, name))[:, None, None] for name in ("mean", "std"))
        answers = model.eval()((split.images.float() / 255 - mean) / std).argmax(1)
    assert before["top1"] == pytest.approx((answers == split.labels).double().mean().item())
    assert after["top1"] == pytest.approx((answers == 2 - split.labels).double().mean().item())
    assert "matched by name" in after["notes"][0]
