"""Pairwise and patchwise attention at the edges: empty batches, refusals, derivatives of derivatives, large means."""

import pytest
import torch

from reproduce.kernels import PAIRWISE, PATCHWISE, Window, pairwise_attention, patchwise_attention, reference
from tests.kernels.test_attention import draw, pair_case, patch_case


@pytest.mark.parametrize("training", [True, False])
def test_empty_batch(training):
    phi, psi, beta, mapping, position = pair_case("subtraction", 0, 4, 5, 6, True, training)
    before = mapping.running_mean1.clone(), mapping.running_var2.clone()
    y, alpha = pairwise_attention(phi, psi, beta, mapping, 3, position=position, return_weights=True)
    assert y.shape == (0, 4, 5, 6)
    assert alpha.shape == (0, 2, 9, 30)
    phi, psi, beta, patch = patch_case("concatenation", 0, 2, 5, 6, Window(3), training)
    assert patchwise_attention(phi, psi, beta, patch, 3).shape == (0, 4, 5, 6)
    assert torch.equal(before[0], mapping.running_mean1)
    assert torch.equal(before[1], mapping.running_var2)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"psi": draw(2, 3, 5, 6)}, ["psi", "(2, 4, 5, 6)", "(2, 3, 5, 6)"]),
        ({"beta": draw(2, 4, 5, 5)}, ["beta", "(2, 4, 5, 6)", "(2, 4, 5, 5)"]),
        ({"beta": draw(2, 3, 5, 6)}, ["mapping.weight2", "3", "2"]),
        ({"position": draw(2, 2, 5, 6)}, ["position", "(1, 2, 5, 6)", "(2, 2, 5, 6)"]),
        ({"position": None}, ["mapping.weight1", "(3, 4)", "(3, 6)"]),
        ({"relation": "star"}, ["relation", "star", "hadamard"]),
        ({"kernel_size": 2}, ["kernel_size", "2"]),
        ({"beta": draw(2, 4, 5, 6).float()}, ["beta", "float64", "float32"]),
        ({"backend": "gpu"}, ["backend", "gpu", "cupy"]),
    ],
)
def test_refusals_name_the_argument_and_both_values(change, words):
    phi, psi, beta, mapping, position = pair_case("subtraction", 2, 4, 5, 6, True)
    options = {"phi": phi, "psi": psi, "beta": beta, "mapping": mapping, "position": position, "kernel_size": 3}
    with pytest.raises(ValueError, match=r"^\w+[.\w]*: ") as caught:
        pairwise_attention(**(options | change))
    for word in words:
        assert word in str(caught.value)


def both_orders(call, inputs, create_graph):
    """First derivatives of the sum of squares, and with ``create_graph`` those of their sum of squares."""
    first = torch.autograd.grad(call().square().sum(), inputs, create_graph=create_graph)
    second = torch.autograd.grad(sum(g.square().sum() for g in first), inputs) if create_graph else ()
    return [t.detach() for t in first], [t.detach() for t in second]


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize(("kind", "relation"), [("pair", r) for r in PAIRWISE] + [("patch", r) for r in PATCHWISE])
def test_a_gradient_to_be_differentiated_again_is_the_same_gradient(kind, relation, training):
    """The folded scale comes from phi and psi, too: a way that must be walked once."""
    window, located = Window(3), kind == "pair"
    case = pair_case if located else patch_case
    sizes = (relation, 2, 3, 5, 4)
    phi, _, beta, mapping, *rest = case(*sizes, True if located else window, training)
    psi, position = phi, rest[0] if rest else None  # the same map in both places, as a caller may have it
    inputs = [t.requires_grad_() for t in (phi, beta, position) if t is not None]
    mapping = mapping._replace(running_mean1=None, running_mean2=None) if training else mapping

    def mine():
        if located:
            return pairwise_attention(phi, psi, beta, mapping, 3, position=position, relation=relation)
        return patchwise_attention(phi, psi, beta, mapping, 3, relation=relation)

    def twin():
        if located:
            weight = reference.pairwise_weights(phi, psi, mapping, window, position, relation)
        else:
            weight = reference.patchwise_weights(phi, psi, mapping, window, relation)
        return reference.aggregation(beta, weight, window)

    plain, _ = both_orders(mine, inputs, create_graph=False)
    for call in (mine, twin):
        first, second = both_orders(call, inputs, create_graph=True)
        for one, other in zip(first, plain, strict=True):
            torch.testing.assert_close(one, other, rtol=1e-8, atol=1e-9)
        if call is mine:
            found = second
    for one, other in zip(found, second, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-7, atol=1e-8)


@pytest.mark.parametrize("relation", PAIRWISE)
def test_no_derivative_adds_in_an_order_of_its_own(relation):
    """Reflection's own backward does on CUDA, where it would run in training: see `window.mirror`."""
    phi, psi, beta, mapping, position = pair_case(relation, 2, 3, 5, 4, True)
    y = pairwise_attention(phi.requires_grad_(), psi, beta, mapping, 3, position=position.requires_grad_(),
                           relation=relation)  # fmt: skip
    names, ahead = set(), [y.grad_fn]
    while ahead:
        node = ahead.pop()
        if node is not None and node not in names:
            names.add(node)
            ahead += [parent for parent, _ in node.next_functions]
    assert not [node.name() for node in names if "Reflection" in node.name()]


@pytest.mark.parametrize(("kind", "relation"), [("pair", "subtraction"), ("patch", "concatenation")])
def test_shapes_can_be_asked_for_on_the_meta_device(kind, relation):
    case = (relation, 2, 4, 6, 5)
    maps = pair_case(*case, True) if kind == "pair" else patch_case(*case, Window(3))
    phi, psi, beta, mapping = (on_meta(part) for part in maps[:4])
    call = pairwise_attention if kind == "pair" else patchwise_attention
    assert call(phi, psi, beta, mapping, 3, relation=relation, **place(maps)).shape == maps[2].shape


def on_meta(part):
    return part.to("meta") if isinstance(part, torch.Tensor) else part._replace(
        **{name: value.to("meta") for name, value in part._asdict().items() if isinstance(value, torch.Tensor)}
    )  # fmt: skip


def place(maps):
    return {"position": maps[4].to("meta")} if len(maps) > 4 else {}


@pytest.mark.parametrize("bias", [100.0, 3000.0])
def test_statistics_of_h_survive_a_large_mean(bias):
    """float32, the first BatchNorm's bias far from zero: h has then a mean far above its spread."""
    phi, psi, beta, mapping, _ = pair_case("subtraction", 4, 4, 9, 8, False)
    mapping = mapping._replace(shift1=mapping.shift1 + bias)
    want = pairwise_attention(phi, psi, beta, mapping, 3)
    lower = mapping._replace(**{n: v.float() for n, v in mapping._asdict().items() if isinstance(v, torch.Tensor)})
    got = pairwise_attention(phi.float(), psi.float(), beta.float(), lower, 3)
    window = Window(3)
    weight = reference.pairwise_weights(phi.float(), psi.float(), lower, window, None, "subtraction")
    plain = reference.aggregation(beta.float(), weight, window)

    def off(y):
        return float((y.double() - want).norm() / want.norm())

    assert off(got) < 4 * off(plain) + 1e-6
