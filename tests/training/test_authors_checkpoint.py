"""Official SAN checkpoints: both layouts there and back, logits of the plain formulas, and what is refused and how."""

import collections
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from reproduce.errors import UserError
from reproduce.models.networks import build
from reproduce.models.official_san import count_blocks, from_official, is_pairwise, to_official
from reproduce.recipes.architectures import San
from reproduce.recipes.registry import resolve
from reproduce.training.authors_checkpoint import read_published
from reproduce.training.evaluate import open_weights

SMALL = {
    "image_size": 24,
    "classes": 7,
    "stem": 16,
    "widths": (32, 64),
    "layers": (2, 1),
    "kernels": (3, 5),
    "share": 4,
}
KINDS = {"pairwise": "subtraction", "patchwise": "concatenation"}


def network(attention: str, **changes: object) -> torch.nn.Module:
    torch.manual_seed(0)
    model = build(San(attention=attention, relation=KINDS[attention], **{**SMALL, **changes})).double().eval()
    with torch.no_grad():
        for name, value in model.state_dict().items():
            if value.is_floating_point():
                random = torch.randn(value.shape, dtype=torch.float64)
                value.copy_(random.abs() + 0.5 if name.endswith("var") else 0.3 * random + ("norm" in name))
    return model


# --- the official network, straight from its keys, by unfolding: nothing of ours in it ---


def norm(x: Tensor, state: dict[str, Tensor], name: str) -> Tensor:
    mean, var = state[f"{name}.running_mean"], state[f"{name}.running_var"]
    return F.batch_norm(x, mean, var, state[f"{name}.weight"], state[f"{name}.bias"], eps=1e-5)


def conv(x: Tensor, state: dict[str, Tensor], name: str) -> Tensor:
    return F.conv2d(x, state[f"{name}.weight"], state.get(f"{name}.bias"))


def neighbours(x: Tensor, k: int) -> Tensor:
    """(N, C, H, W) -> (N, C, k*k, L), borders reflected."""
    columns = F.unfold(F.pad(x, [k // 2] * 4, mode="reflect"), k)
    return columns.view(len(x), x.shape[1], k * k, -1)


def attend(x: Tensor, state: dict[str, Tensor], name: str, k: int) -> Tensor:
    count, _, height, width = x.shape
    phi, psi, beta = (conv(x, state, f"{name}.conv{i}") for i in (1, 2, 3))
    if f"{name}.conv_p.weight" in state:
        across = torch.linspace(-1, 1, width, dtype=x.dtype).expand(height, width)
        down = torch.linspace(-1, 1, height, dtype=x.dtype)[:, None].expand(height, width)
        place = conv(torch.stack([across, down])[None], state, f"{name}.conv_p")
        offset = place.flatten(2)[:, :, None] - neighbours(place, k)
        delta = phi.flatten(2)[:, :, None] - neighbours(psi, k)
        seen = torch.cat([delta, offset.expand(count, -1, -1, -1)], 1)
    else:
        seen = torch.cat([phi.flatten(2), neighbours(psi, k).flatten(1, 2)], 1)[:, :, None]
    hidden = conv(F.relu(norm(seen, state, f"{name}.conv_w.0")), state, f"{name}.conv_w.2")
    weight = conv(F.relu(norm(hidden, state, f"{name}.conv_w.3")), state, f"{name}.conv_w.5")
    pairwise = f"{name}.conv_p.weight" in state
    weight = weight.softmax(2) if pairwise else weight.view(count, -1, k * k, height * width)
    values = neighbours(beta, k)
    shared = weight.repeat(1, values.shape[1] // weight.shape[1], 1, 1)  # channel c takes weight c mod Cw
    return (values * shared).sum(2).view(count, -1, height, width)


def official_logits(image: Tensor, state: dict[str, Tensor], kernels: tuple[int, ...]) -> Tensor:
    x = F.relu(norm(conv(image, state, "conv_in"), state, "bn_in"))
    for stage, blocks in enumerate(count_blocks(state)):
        x = conv(F.max_pool2d(x, 2), state, f"conv{stage}")
        for block in range(blocks):
            name = f"layer{stage}.{block}"
            inside = attend(F.relu(norm(x, state, f"{name}.bn1")), state, f"{name}.sam", kernels[stage])
            x = x + conv(F.relu(norm(inside, state, f"{name}.bn2")), state, f"{name}.conv")
        x = F.relu(norm(x, state, f"bn{stage}"))
    return F.linear(x.mean((2, 3)), state["fc.weight"], state["fc.bias"])


@pytest.mark.parametrize("attention", KINDS)
def test_logits_are_those_of_the_official_layout(attention: str) -> None:
    model = network(attention)
    image = torch.randn(2, 3, 24, 24, dtype=torch.float64)
    state = to_official(model.state_dict())
    with torch.no_grad():
        wanted = official_logits(image, state, SMALL["kernels"])
        assert wanted.std() > 0.1
        assert torch.allclose(model(image), wanted, rtol=1e-9, atol=1e-9)
        fresh = network(attention)
        fresh.load_state_dict(from_official({f"module.{name}": value for name, value in state.items()}))
        assert torch.equal(fresh(image), model(image))


@pytest.mark.parametrize("attention", KINDS)
def test_there_and_back(attention: str) -> None:
    ours = network(attention).state_dict()
    state = to_official(ours)
    assert is_pairwise(state) == (attention == "pairwise")
    assert count_blocks(state) == (2, 1)
    back = from_official(state)
    assert list(back) == list(ours)
    assert all(torch.equal(back[name], ours[name]) for name in ours)
    assert to_official(back).keys() == state.keys()


ENTRIES = {"san10": (368, 348), "san15": (533, 503), "san19": (665, 627)}


@pytest.mark.parametrize("depth", ENTRIES)
def test_keys_are_as_many_as_the_official_ones(depth: str) -> None:
    for kind, count in zip(("pair", "patch"), ENTRIES[depth], strict=True):
        with torch.device("meta"):
            state = to_official(build(resolve(f"{depth}-{kind}").model).state_dict())
        assert len(state) == count
        block = {name.removeprefix("layer3.0.") for name in state if name.startswith("layer3.0.")}
        shapes = {name: tuple(state[f"layer3.0.{name}"].shape) for name in block}
        assert shapes["bn1.running_mean"] == (1024,)
        assert shapes["sam.conv1.weight"] == shapes["sam.conv2.weight"] == (64, 1024, 1, 1)
        assert shapes["sam.conv_w.2.weight"] == ((64, 66, 1, 1) if kind == "pair" else (32, 64 * 50, 1, 1))
        assert shapes["sam.conv_w.5.weight"] == ((32, 64, 1, 1) if kind == "pair" else (49 * 32, 32, 1, 1))
        assert ("sam.conv_p.weight" in block) == (kind == "pair")


# --- files ---


@pytest.fixture(scope="module")
def state() -> dict[str, Tensor]:
    """SAN10 pairwise, 5 classes, as the authors' training writes it."""
    torch.manual_seed(0)
    model = build(resolve("san10-pair", changes={"model.classes": 5}).model)
    return {f"module.{name}": value for name, value in to_official(model.state_dict()).items()}


def write(path: Path, content: object, **options: object) -> Path:
    torch.save(content, path, **options)
    return path


@pytest.mark.parametrize("zipped", [True, False])
def test_a_training_checkpoint_is_recognised(tmp_path: Path, state: dict[str, Tensor], zipped: bool) -> None:
    content = {
        "epoch": 98,
        "state_dict": collections.OrderedDict(state),
        "optimizer": {"state": {}, "param_groups": [{"lr": 0.1}]},
        "scheduler": {"T_max": 100, "last_epoch": 98},
        "top1_val": np.float64(0.749),
        "top5_val": np.float32(0.921),
    }
    path = write(tmp_path / "model_best.pth", content, _use_new_zipfile_serialization=zipped)
    weights = open_weights(path)
    assert (weights.recipe.row, weights.epoch, weights.recipe.model.classes) == ("san10-pair", 98, 5)
    model = build(weights.recipe.model)
    model.load_state_dict(weights.tensors)
    assert torch.equal(model.classify.weight, state["module.fc.weight"])


def test_a_bare_state_dictionary_is_recognised(tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = build(resolve("san15-patch", changes={"model.classes": 3}).model)
    weights = read_published(write(tmp_path / "san15.pth", to_official(model.state_dict())))
    assert (weights.recipe.row, weights.epoch) == ("san15-patch", None)
    assert all(torch.equal(weights.tensors[name], value) for name, value in model.state_dict().items())


def changed(state: dict[str, Tensor], **changes: Tensor | None) -> dict[str, Tensor]:
    names = {name.replace("__", "."): value for name, value in changes.items()}
    return {name: value for name, value in {**state, **names}.items() if value is not None}


def test_what_is_refused_and_how(tmp_path: Path, state: dict[str, Tensor]) -> None:
    path = tmp_path / "san.pth"
    zero = torch.zeros(1)
    cases = (
        (changed(state, module__bn0__bias=None), r"is not san10-pair: it lacks 1 weights \(first: norms.0.bias\)"),
        (changed(state, module__head=zero), r"has 1 that it does not know \(first: head\)"),
        (changed(state, module__bn0__bias=None, module__head=zero), "lacks 1 .* and has 1"),
        (changed(state, module__bn0__bias=zero), r"'norms.0.bias' is \(1,\), not \(64,\)"),
        ({name: value for name, value in state.items() if "layer3.3" not in name}, "2-1-2-3-1 blocks, which no row is"),
        ({"weight": zero}, "none of the studies"),
        ({"state_dict": {}}, "holds no state_dict"),
        ({"state_dict": {"epoch": 3}}, "holds no state_dict"),
        ([1, 2], "holds no state_dict"),
    )
    for content, words in cases:
        with pytest.raises(UserError, match=words) as caught:
            read_published(write(path, content))
        assert caught.value.hint
        assert "\n" not in caught.value.message


def test_foreign_bytes_are_not_run(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self):
            return (pytest.fail, ("unpickled",))

    path = tmp_path / "trap.pth"
    torch.save({"state_dict": Trap()}, path)
    with pytest.raises(UserError, match="more than weights"):
        read_published(path)
    path.write_bytes(pickle.dumps(Trap()))
    with pytest.raises(UserError, match="more than weights"):
        read_published(path)
    whole = write(path, {"state_dict": {"a": torch.zeros(1000)}}).read_bytes()
    for content in (b"", b"no archive", whole[:300], whole[:-200]):
        path.write_bytes(content)
        with pytest.raises(UserError, match=r"not a whole checkpoint|is damaged"):
            read_published(path)
    with pytest.raises(UserError, match="there is no checkpoint"):
        read_published(tmp_path / "none.pth")
