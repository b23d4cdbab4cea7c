"""The SAN models on these operators: every relation can be chosen, trains and shows its weights; positions are kept."""

import pytest
import torch
from torch.nn import functional as F

from reproduce.errors import UserError
from reproduce.kernels import PAIRWISE, PATCHWISE
from reproduce.models.networks import build
from reproduce.models.san import LocalAttention
from reproduce.recipes.architectures import San

RELATIONS = [("pairwise", name) for name in PAIRWISE] + [("patchwise", name) for name in PATCHWISE]


def tiny(attention, relation, **changes):
    sizes = {"image_size": 12, "stem": 8, "widths": (16, 32), "layers": (1, 1), "kernels": (3, 3)}
    narrow = {"relation_ratio": 4, "share": 4, "classes": 5}
    return San(attention=attention, relation=relation, **sizes, **narrow, **changes)


@pytest.mark.parametrize(("attention", "relation"), RELATIONS)
def test_every_relation_learns(attention, relation):
    torch.manual_seed(0)
    model = build(tiny(attention, relation))
    image, label = torch.randn(8, 3, 12, 12), torch.arange(8) % 5
    optimiser = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
    losses = []
    for _ in range(12):
        loss = F.cross_entropy(model(image), label)
        optimiser.zero_grad()
        loss.backward()
        assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in model.parameters())
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < 0.8 * losses[0]


@pytest.mark.parametrize(("attention", "relation"), RELATIONS)
def test_every_relation_shows_its_weights(attention, relation):
    model = build(tiny(attention, relation)).eval()
    image = torch.randn(2, 3, 12, 12)
    with torch.no_grad():
        logits, maps = model.forward_with_attention(image)
        torch.testing.assert_close(logits, model(image), rtol=1e-5, atol=1e-5)
    assert [tuple(weight.shape) for weight in maps] == [(2, 1, 9, 36), (2, 2, 9, 9)]
    if attention == "pairwise":
        for weight in maps:
            torch.testing.assert_close(weight.sum(2), torch.ones(weight.shape[0], weight.shape[1], weight.shape[3]))


@pytest.mark.parametrize(("attention", "relation"), [("pairwise", "star"), ("patchwise", "dot")])
def test_relations_of_the_other_attention_are_refused(attention, relation):
    with pytest.raises(UserError, match=relation):
        build(tiny(attention, relation))


def count_places(model, images):
    calls = []
    hooks = [
        layer.place.register_forward_hook(lambda *_: calls.append(1))
        for layer in model.modules()
        if isinstance(layer, LocalAttention) and layer.place is not None
    ]
    for image in images:
        model(image)
    for hook in hooks:
        hook.remove()
    return len(calls)


def test_positions_are_kept_at_evaluation_until_their_weights_change():
    model = build(tiny("pairwise", "subtraction")).eval()
    image = torch.randn(1, 3, 12, 12)
    with torch.no_grad():
        assert count_places(model, [image, image]) == 2  # once a block, not once a call
        assert count_places(model, [image, image]) == 0
        before = model(image)
        for layer in model.modules():
            if isinstance(layer, LocalAttention):
                layer.place.weight.mul_(3)
        assert count_places(model, [image]) == 2
        assert not torch.equal(model(image), before)
    model.train()
    assert count_places(model, [image.expand(4, -1, -1, -1)]) == 2
