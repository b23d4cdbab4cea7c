"""Files as other trainers write them: our own weights under their names give our own logits, whatever wraps them."""

import re

import pytest
import safetensors.torch
import torch
from typer.testing import CliRunner

from cli import app
from reproduce.errors import UserError
from reproduce.models.networks import build
from reproduce.models.official_san import to_official
from reproduce.recipes.registry import resolve
from reproduce.training.authors_checkpoint import read_published
from reproduce.training.evaluate import open_weights

SMALL = {"model.width": 12, "model.hidden": 8, "model.patch": 4}
VIT = {**SMALL, "model.stem_width": 4, "model.depth": 2}
SAN_HA = {"model.stem": 32, "model.widths": (32, 32, 32, 32)}


def change(state, *pairs):
    """Rename by regular expressions, the first that fits."""
    found = {}
    for name, value in state.items():
        for ours, theirs in pairs:
            if re.fullmatch(ours, name):
                found[re.sub(ours, theirs, name)] = value
                break
        else:
            raise AssertionError(name)
    return found


def parts(state):
    """One dictionary per part, as the report's code saves them, with the optimiser's."""
    found = {"optim": {"state": {}, "param_groups": [{"lr": 0.1}]}, "scheduler": {"last_epoch": 3}}
    for name, value in state.items():
        part, _, rest = name.partition(".")
        found.setdefault(part, {})[rest] = value
    return found


def as_main(state, hierarchical=False):
    block = r"encoder.block" if hierarchical else r"encoder.blocks.\1"
    content = any(".key." in name for name in state)
    projected = any(".attention.value." in name for name in state)
    row, column = ("row", "col") if content else ("col", "row")
    theirs = change(
        state,
        (r"embed\.(.*)", r"conv.feature_upscale.\1"),
        (r"classify\.(.*)", r"clf.fc.\1"),
        (r"blocks\.(\d+)\.attention_norm\.(.*)", block + r".attention.layer_norm.\2"),
        (r"blocks\.(\d+)\.output_norm\.(.*)", block + r".feedfwd.layer_norm.\2"),
        (r"blocks\.(\d+)\.expand\.(.*)", block + r".feedfwd.fc1.\2"),
        (r"blocks\.(\d+)\.contract\.(.*)", block + r".feedfwd.fc2.\2"),
        (
            r"blocks\.(\d+)\.attention\.output\.(.*)",
            block + r".attention." + ("out" if projected else "value") + r".\2",
        ),
        (r"blocks\.(\d+)\.attention\.positions\.row_table\.(.*)", block + rf".attention.{row}_embeddings.\2"),
        (r"blocks\.(\d+)\.attention\.positions\.column_table\.(.*)", block + rf".attention.{column}_embeddings.\2"),
        (r"blocks\.(\d+)\.attention\.positions\.row_score\.(.*)", block + rf".attention.head_keys_{row}.\2"),
        (r"blocks\.(\d+)\.attention\.positions\.column_score\.(.*)", block + rf".attention.head_keys_{column}.\2"),
        (r"blocks\.(\d+)\.attention\.positions\.centres", block + r".attention.attention_centers"),
        (r"blocks\.(\d+)\.attention\.positions\.spreads", block + r".attention.attention_spreads"),
        (r"blocks\.(\d+)\.attention\.(.*)", block + r".attention.\2"),
    )
    first = "encoder.block." if hierarchical else "encoder.blocks.0."
    return parts(theirs | {f"{first}attention.relative_indices": torch.zeros(3), f"{first}attention.R": torch.zeros(2)})


def as_vit(state, hierarchical=False):
    block = r"encoder.block" if hierarchical else r"encoder.blocks.\1"
    theirs = change(
        state,
        (r"stem\.0\.(\d)\.(.*)", r"patcher.resnet.\1.\2"),
        (r"stem\.1\.(.*)", r"patcher.resnet.3.\1"),
        (r"embed\.(.*)", r"patcher.feature_upscale.\1"),
        (r"position\.(.*)", r"patcher.position_embedding.\1"),
        (r"classify\.(.*)", r"clf.fc.\1"),
        (r"blocks\.(\d+)\.attention_norm\.(.*)", block + r".attention.layer_norm.\2"),
        (r"blocks\.(\d+)\.feed_norm\.(.*)", block + r".feedfwd.layer_norm.\2"),
        (r"blocks\.(\d+)\.expand\.(.*)", block + r".feedfwd.fc_1.\2"),
        (r"blocks\.(\d+)\.contract\.(.*)", block + r".feedfwd.fc_2.\2"),
        (r"blocks\.(\d+)\.attention\.output\.(.*)", block + r".attention.out.\2"),
        (r"blocks\.(\d+)\.attention\.(.*)", block + r".attention.\2"),
    )
    weight = theirs["patcher.feature_upscale.weight"]  # (y, x, c) -> (c, y, x), with 4 channels
    laid = weight.view(len(weight), 4, 4, 4).permute(0, 3, 1, 2).reshape(weight.shape)
    return parts(theirs | {"patcher.feature_upscale.weight": laid})


def as_resnet(state):
    return {
        "model": change(
            state,
            (r"stem\.(\d)\.(.*)", r"backbone.\1.\2"),
            *((rf"stages\.{stage}\.(.*)", rf"backbone.{stage + 3}.\1") for stage in range(4)),
            (r"classify\.(.*)", r"fc_out.\1"),
        ),
        "optim": {},
    }


def as_epfl(state):
    content = any(".key." in name for name in state)
    row, column = ("row", "col") if content else ("col", "row")
    layer = r"encoder.layer.\1"
    theirs = change(
        state,
        (r"embed\.(.*)", r"features_upscale.\1"),
        (r"classify\.(.*)", r"classifier.\1"),
        (r"blocks\.(\d+)\.dense\.(.*)", layer + r".attention.output.dense.\2"),
        (r"blocks\.(\d+)\.attention_norm\.(.*)", layer + r".attention.output.LayerNorm.\2"),
        (r"blocks\.(\d+)\.expand\.(.*)", layer + r".intermediate.dense.\2"),
        (r"blocks\.(\d+)\.contract\.(.*)", layer + r".output.dense.\2"),
        (r"blocks\.(\d+)\.output_norm\.(.*)", layer + r".output.LayerNorm.\2"),
        (r"blocks\.(\d+)\.attention\.output\.(.*)", layer + r".attention.self.value.\2"),
        (r"blocks\.(\d+)\.attention\.positions\.row_table\.(.*)", layer + rf".attention.self.{row}_embeddings.\2"),
        (
            r"blocks\.(\d+)\.attention\.positions\.column_table\.(.*)",
            layer + rf".attention.self.{column}_embeddings.\2",
        ),
        (r"blocks\.(\d+)\.attention\.positions\.row_score\.(.*)", layer + rf".attention.self.head_keys_{row}.\2"),
        (r"blocks\.(\d+)\.attention\.positions\.column_score\.(.*)", layer + rf".attention.self.head_keys_{column}.\2"),
        (r"blocks\.(\d+)\.attention\.positions\.centres", layer + r".attention.self.attention_centers"),
        (r"blocks\.(\d+)\.attention\.positions\.spreads", layer + r".attention.self.attention_spreads"),
        (r"blocks\.(\d+)\.attention\.(.*)", layer + r".attention.self.\2"),
    )
    return {"epoch": 7, "model_state_dict": {f"module.{name}": value for name, value in theirs.items()}}


def as_san(state):
    return {"encoder": {f"module.{name}": value for name, value in to_official(state).items()}}


def as_san_ha(state):
    inside = {
        name.replace("layer0.", "enc_layer.").replace(".sam.", ".attention."): value
        for name, value in to_official(state).items()
    }
    return {"encoder": {**inside, "layer0.0.bn1.weight": torch.zeros(2), "layer3.0.conv.bias": torch.zeros(1)}}


LAYOUTS = [
    ("quadratic", "as-run", SMALL, as_main),
    ("quadratic-aniso", "as-run", SMALL, as_main),
    ("learned", "as-run", SMALL, as_main),
    ("learned-content", "as-run", SMALL, as_main),
    ("learned-content-ha", "as-run", SMALL, lambda state: as_main(state, hierarchical=True)),
    ("vit", "as-run", VIT, as_vit),
    ("vit-ha", "as-run", VIT, lambda state: as_vit(state, hierarchical=True)),
    ("resnet18", "as-run", {"model.width": 4}, as_resnet),
    ("san-pair", "described", {}, as_san),
    ("san-patch-ha", "as-run", SAN_HA, as_san_ha),
    ("quadratic", "original", SMALL, as_epfl),
    ("learned", "original", SMALL, as_epfl),
    ("learned-content", "original", SMALL, as_epfl),
]


def draw(row, variant, changes):
    torch.manual_seed(0)
    model = build(resolve(row, variant=variant, changes=changes).model).eval()
    with torch.no_grad():
        for name, value in model.state_dict().items():
            if value.is_floating_point():
                value.copy_(
                    torch.randn_like(value).abs() + 0.5 if name.endswith("var") else 0.2 * torch.randn_like(value)
                )
    return model


def logits(model):
    torch.manual_seed(1)  # the report's class token is noise
    with torch.no_grad():
        return model(torch.linspace(-1, 1, 2 * 3 * 32 * 32).sin().view(2, 3, 32, 32))


@pytest.mark.parametrize(("row", "variant", "changes", "lay"), LAYOUTS)
def test_our_weights_under_their_names_give_our_logits(tmp_path, row, variant, changes, lay):
    model = draw(row, variant, changes)
    path = tmp_path / "best_model.ckpt"
    torch.save(lay(model.state_dict()), path)
    weights = read_published(path, changes=changes)
    assert (weights.recipe.row, weights.recipe.variant) == (row, variant)
    assert weights.assumed
    again = build(weights.recipe.model).eval()
    again.load_state_dict(weights.tensors)
    wanted = logits(model)
    assert wanted.std() > 0
    assert torch.equal(logits(again), wanted)


def test_what_the_file_does_not_say_is_stated_and_can_be_chosen(tmp_path):
    model = draw("learned-content", "as-run", SMALL)
    torch.save(as_main(model.state_dict()), tmp_path / "w")
    told = read_published(tmp_path / "w", changes=SMALL).assumed[0]
    for words in (
        "row learned-content, variant as-run",
        "skip_attention_norm=True",
        "transpose_content=True",
        "assumed",
    ):
        assert words in told
    chosen = read_published(tmp_path / "w", variant="described", changes=SMALL)
    assert not chosen.recipe.model.skip_attention_norm
    off = read_published(tmp_path / "w", changes={**SMALL, "model.skip_attention_norm": False})
    assert (off.recipe.variant, off.recipe.model.skip_attention_norm) == ("as-run", False)
    with pytest.raises(UserError, match="which row 'vit' is not"):
        read_published(tmp_path / "w", row="vit")


# --- what wraps them, and what is refused ---


@pytest.fixture(scope="module")
def state():
    return draw("learned", "as-run", SMALL).state_dict()


@pytest.mark.parametrize("name", ["w.pt", "w.bin", "W.PTH", "w", "w.safetensors"])
@pytest.mark.parametrize("wrap", [lambda s: s, lambda s: {f"_orig_mod.module.{k}": v for k, v in s.items()}])
def test_a_file_of_ones_own_with_any_suffix(tmp_path, state, name, wrap):
    content = {key: value.clone() for key, value in wrap(state).items()}
    if name.endswith("safetensors"):
        safetensors.torch.save_file(content, tmp_path / name)
    else:
        torch.save(content, tmp_path / name)
    weights = open_weights(tmp_path / name, changes=SMALL)
    assert weights.recipe.row == "learned"
    assert all(torch.equal(weights.tensors[key], value) for key, value in state.items())


@pytest.mark.parametrize("key", ["net", "model", "model_state_dict", "state_dict", "ema_of_mine"])
def test_the_one_network_inside_is_found(tmp_path, state, key):
    torch.save({key: state, "acc": 75.0, "epoch": 4}, tmp_path / "w.pth")
    weights = open_weights(tmp_path / "w.pth", changes=SMALL)
    assert (weights.recipe.row, weights.epoch) == ("learned", 4)


def test_what_is_refused_and_no_hint_costs_a_file(tmp_path, state):
    whole = tmp_path / "whole"
    torch.save(state, whole)
    cases = {
        "nan": ({**state, "classify.weight": state["classify.weight"] * float("nan")}, "1 weights that are not finite"),
        "two": ({"a": state, "b": state}, r"several networks \(a, b\)"),
        "none": ({"epoch": 3}, "no state_dict"),
        "foreign": ({"layers.0.w": torch.zeros(2)}, "none of the studies"),
        "head": ({**state, "classify.bias": torch.zeros(3)}, r"'classify.bias' is \(3,\), not \(10,\)"),
    }
    for name, (content, words) in cases.items():
        torch.save(content, tmp_path / f"{name}.pt")
        with pytest.raises(UserError, match=words) as caught:
            open_weights(tmp_path / f"{name}.pt", changes=SMALL)
        assert "delete" not in caught.value.hint
    raw = whole.read_bytes()
    for content in (
        b"",
        b"<html>not found</html>",
        raw[:300],
        raw[:-200],
        b"version https://git-lfs.github.com/spec/v1\n",
    ):
        (tmp_path / "own.pt").write_bytes(content)
        with pytest.raises(UserError) as caught:
            open_weights(tmp_path / "own.pt")
        assert "delete" not in caught.value.hint
        assert "\n" not in caught.value.message


def test_counters_of_batches_may_be_missing(tmp_path):
    model = draw("resnet18", "as-run", {"model.width": 4})
    content = {name: value for name, value in model.state_dict().items() if not name.endswith("num_batches_tracked")}
    torch.save(as_resnet(content), tmp_path / "w.pth")
    weights = open_weights(tmp_path / "w.pth", changes={"model.width": 4})
    assert weights.tensors.keys() == model.state_dict().keys()


def test_the_command_shows_such_a_file(tmp_path):
    torch.save(draw("resnet18", "described", {}).state_dict(), tmp_path / "w.bin")
    told = CliRunner().invoke(app, ["show", str(tmp_path / "w.bin"), "--json"])
    assert told.exit_code == 0
    assert '"row": "resnet18"' in told.output
