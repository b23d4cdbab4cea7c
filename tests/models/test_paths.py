"""The fast path equals the readable one, forward and backward, and attention comes from the same weights."""

import pytest
import torch
from torch import nn

from reproduce.models.networks import attentive, build, use_path
from reproduce.recipes.architectures import AttentionCnn, San, VisionTransformer
from reproduce.recipes.registry import ENTRIES, resolve
from reproduce.recipes.settings import override

ENCODERS = (AttentionCnn, VisionTransformer)
ATTENTION_ROWS = [row for row, entry in ENTRIES.items() if isinstance(entry.recipe.model, (*ENCODERS, San))]
ENCODER_ROWS = [row for row, entry in ENTRIES.items() if isinstance(entry.recipe.model, ENCODERS)]
POSITION_ROWS = [row for row in ENCODER_ROWS if "content" not in row and "vit" not in row]


def make(row: str, variant: str, **changes: object) -> nn.Module:
    torch.manual_seed(0)
    recipe = resolve(row, variant=variant, budget="smoke")
    small = {"model.width": 12, "model.hidden": 10} if hasattr(recipe.model, "heads") else {}
    dotted = {key.replace("__", "."): value for key, value in changes.items()}
    return build(override(recipe, {**small, **dotted}).model).double()


def pairs(rows: list[str]) -> list[tuple[str, str]]:
    return [(row, variant) for row in rows for variant in ENTRIES[row].variant_names()]


@pytest.mark.parametrize(("row", "variant"), pairs(ENCODER_ROWS))
def test_fast_path_equals_naive_in_float64(row: str, variant: str) -> None:
    model = make(row, variant).eval()
    image = torch.randn(3, 3, 32, 32, dtype=torch.float64)
    torch.manual_seed(1)
    with torch.no_grad():
        fast = model(image)
        torch.manual_seed(1)  # the noise class token is drawn anew at every pass
        naive = use_path(model, "naive")(image)
    assert torch.allclose(fast, naive, rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize(("row", "variant"), pairs(ENCODER_ROWS))
def test_fast_gradients_equal_naive(row: str, variant: str) -> None:
    model = make(row, variant, model__attention_dropout=0.0).train()
    for layer in model.modules():
        if isinstance(layer, nn.Dropout):
            layer.p = 0.0
    image = torch.randn(2, 3, 32, 32, dtype=torch.float64)
    gradients = {}
    for path in ("fast", "naive"):
        use_path(model, path)
        torch.manual_seed(1)
        model.zero_grad()
        model(image).square().sum().backward()
        gradients[path] = {
            name: weight.grad.clone() for name, weight in model.named_parameters() if weight.grad is not None
        }
    assert gradients["fast"].keys() >= {n for n, g in gradients["naive"].items() if g.abs().max() > 1e-9}
    for name, gradient in gradients["naive"].items():
        found = gradients["fast"].get(name, torch.zeros_like(gradient))
        assert torch.allclose(found, gradient, rtol=1e-8, atol=1e-9), name


@pytest.mark.parametrize(("row", "variant"), pairs(POSITION_ROWS))
def test_shared_map_gradients_equal_naive(row: str, variant: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With dropout on, position-only maps take the batch-shared product; both paths are given one mask."""

    def drop(x: torch.Tensor, probability: float, training: bool = True, *_: object) -> torch.Tensor:
        del training
        mask = torch.rand(x.shape, generator=torch.Generator().manual_seed(x.numel())) >= probability
        return x * mask / (1 - probability)

    monkeypatch.setattr("reproduce.models.position_attention.drop", drop)
    monkeypatch.setattr("reproduce.models.position_attention.F.dropout", drop)
    model = make(row, variant, model__dropout_mask="batch")
    image = torch.randn(2, 3, 32, 32, dtype=torch.float64)
    found = []
    for path in ("fast", "naive"):
        use_path(model, path).train()
        torch.manual_seed(1)
        model.zero_grad()
        model(image).square().sum().backward()
        found.append([w.grad.clone() for w in model.parameters() if w.grad is not None])
    for fast, naive in zip(*found, strict=True):
        assert torch.allclose(fast, naive, rtol=1e-8, atol=1e-9)


@pytest.mark.parametrize(("row", "variant"), pairs(ATTENTION_ROWS))
def test_attention_on_request_agrees_with_the_fast_path(row: str, variant: str) -> None:
    model = make(row, variant).eval()
    image = torch.randn(2, 3, 32, 32, dtype=torch.float64)
    with torch.no_grad():
        torch.manual_seed(1)
        logits = model(image)
        torch.manual_seed(1)
        shown, maps = attentive(model, row).forward_with_attention(image)
    assert torch.allclose(logits, shown, rtol=1e-10, atol=1e-10)
    spec = resolve(row).model
    if isinstance(spec, San) and spec.attention == "patchwise":
        return  # patchwise weights are not normalised
    axis = 2 if isinstance(spec, San) else -1
    for weights in maps:
        assert weights.shape[0] == 2
        assert torch.allclose(weights.sum(axis), torch.ones((), dtype=torch.float64))


def test_merged_weights_follow_an_update() -> None:
    model = make("learned-content", "described").eval()
    image = torch.randn(1, 3, 32, 32, dtype=torch.float64)
    with torch.no_grad():
        before = model(image)
        for weight in model.parameters():
            weight.add_(0.01)
        after = model(image)
        assert not torch.allclose(before, after)
        assert torch.allclose(after, use_path(model, "naive")(image), rtol=1e-11)


def test_merged_weights_follow_a_load() -> None:
    model, other = make("vit", "described").eval(), make("vit", "described").eval()
    image = torch.randn(1, 3, 32, 32, dtype=torch.float64)
    with torch.no_grad():
        model(image)
        for weight in other.parameters():
            weight.mul_(1.5)
        model.load_state_dict(other.state_dict())
        assert torch.equal(model(image), other(image))


def test_kept_results_are_not_reused_under_autocast() -> None:
    torch.manual_seed(0)
    model = build(resolve("learned-content", budget="smoke").model).eval()
    image = torch.randn(4, 3, 32, 32)
    with torch.no_grad():
        exact = model(image)
        with torch.autocast("cpu", torch.bfloat16):
            rounded = model(image).float()
        assert torch.equal(model(image), exact)
    assert not torch.equal(rounded, exact)
    assert torch.allclose(rounded, exact, atol=0.05)


def test_training_forgets_what_was_kept_even_where_no_version_is_counted() -> None:
    model = make("vit", "described").eval()
    image = torch.randn(1, 3, 32, 32, dtype=torch.float64)
    with torch.no_grad():
        model(image)
        model.train()
        for weight in model.parameters():
            weight.data.mul_(1.5)  # .data hides the write from the version counter
        model.eval()
        assert torch.allclose(model(image), use_path(model, "naive")(image), rtol=1e-10)
