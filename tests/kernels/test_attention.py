"""Pairwise and patchwise attention against the formulas, their gradients against the twins, and their laws."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from reproduce.kernels import PAIRWISE, PATCHWISE, Window, pairwise_attention, patchwise_attention, reference
from tests.kernels import formulas
from tests.kernels.cases import PAIR_ROWS, PATCH_ROWS, arrays, make_mapping, spell, trainable, windows

FEW = settings(max_examples=30, deadline=None)
KERNELS = (1, 3, 5)


def draw(*shape):
    return torch.randn(*shape, dtype=torch.float64)


def pair_case(relation, batch, width, height, columns, located, training=True, shared=2, share=2):
    rows = PAIR_ROWS.get(relation, lambda r: r)(width) + 2 * located
    maps = draw(batch, width, height, columns), draw(batch, width, height, columns)
    beta, position = draw(batch, shared * share, height, columns), draw(1, 2, height, columns) if located else None
    return *maps, beta, make_mapping(rows, 3, shared, training=training), position


def patch_case(relation, batch, width, height, columns, window, training=True, shared=2, share=2):
    mapping = make_mapping(PATCH_ROWS[relation](width, window.taps), 3, shared * window.taps, training=training)
    maps = draw(batch, width, height, columns), draw(batch, width, height, columns)
    return *maps, draw(batch, shared * share, height, columns), mapping


@FEW
@given(windows(KERNELS, 7), st.sampled_from(PAIRWISE), st.integers(1, 3), st.booleans())
def test_pairwise_is_the_formula(case, relation, batch, located):
    window, height, columns = case
    phi, psi, beta, mapping, position = pair_case(relation, batch + 1, 3, height, columns, located)
    place = None if position is None else position.numpy()
    want, weight = formulas.pairwise(phi.numpy(), psi.numpy(), beta.numpy(), arrays(mapping), window, place, relation)
    y, alpha = pairwise_attention(
        phi, psi, beta, mapping, position=position, relation=relation, return_weights=True, **spell(window)
    )
    np.testing.assert_allclose(y, want, rtol=1e-8, atol=1e-9)
    np.testing.assert_allclose(alpha, weight, rtol=1e-8, atol=1e-9)


@FEW
@given(windows((1, 3), 6), st.sampled_from(PATCHWISE), st.integers(1, 3))
def test_patchwise_is_the_formula(case, relation, batch):
    window, height, columns = case
    phi, psi, beta, mapping = patch_case(relation, batch + 1, 3, height, columns, window)
    want, weight = formulas.patchwise(phi.numpy(), psi.numpy(), beta.numpy(), arrays(mapping), window, relation)
    y, alpha = patchwise_attention(phi, psi, beta, mapping, relation=relation, return_weights=True, **spell(window))
    np.testing.assert_allclose(y, want, rtol=1e-8, atol=1e-8)
    np.testing.assert_allclose(alpha, weight, rtol=1e-8, atol=1e-8)


def run_both(call, twin, maps, mapping):
    """Gradients and running statistics of both, as two dicts."""
    found = []
    for function in (call, twin):
        inputs = {name: value.clone().requires_grad_() for name, value in maps.items() if value is not None}
        mine, leaves = trainable(mapping)
        y = function(inputs, mine)
        torch.manual_seed(7)
        y.backward(torch.randn_like(y))
        grads = {name: leaf.grad for name, leaf in (inputs | leaves).items()}
        stats = {name: getattr(mine, name) for name in mine._fields if name.startswith("running")}
        found.append({"y": y.detach()} | grads | stats)
    return found


def compare(mine, twin, **tolerance):
    for name, value in twin.items():
        other = mine[name] if mine[name] is not None else torch.zeros_like(value)
        value = torch.zeros_like(other) if value is None else value
        torch.testing.assert_close(other, value, msg=lambda text, n=name: f"{n}: {text}", **tolerance)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("located", [True, False])
@pytest.mark.parametrize("relation", PAIRWISE)
@pytest.mark.parametrize(
    ("window", "height", "columns"),
    [(Window(3), 5, 8), (Window(3, 2, 1, False), 5, 4), (Window(5, 1, 2), 6, 5), (Window(3, 3, 2), 7, 9)],
)
def test_pairwise_gradients_and_statistics(window, height, columns, relation, located, training):
    phi, psi, beta, mapping, position = pair_case(relation, 3, 4, height, columns, located, training)
    maps = {"phi": phi, "psi": psi, "beta": beta, "position": position}

    def call(m, mapping):
        place = m.get("position")
        return pairwise_attention(
            m["phi"], m["psi"], m["beta"], mapping, position=place, relation=relation, **spell(window)
        )

    def twin(m, mapping):
        weight = reference.pairwise_weights(m["phi"], m["psi"], mapping, window, m.get("position"), relation)
        return reference.aggregation(m["beta"], weight, window)

    compare(*run_both(call, twin, maps, mapping), rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("shift", [0.0, 0.3])
@pytest.mark.parametrize("scale", [0.4, 1e-3, -0.4, 0.0, 5e-324])
def test_any_scale_of_the_second_norm(scale, shift, training):
    """Scales above zero are taken out of the ReLU; others, and those that are too small to divide by, are not."""
    phi, psi, beta, mapping, _ = pair_case("subtraction", 3, 4, 5, 6, False, training)
    maps, window = {"phi": phi, "psi": psi, "beta": beta}, Window(3)
    mapping.scale2[0], mapping.shift2[0] = scale, shift

    def call(m, mapping):
        return pairwise_attention(*m.values(), mapping, 3)

    def twin(m, mapping):
        weight = reference.pairwise_weights(m["phi"], m["psi"], mapping, window, None, "subtraction")
        return reference.aggregation(m["beta"], weight, window)

    compare(*run_both(call, twin, maps, mapping), rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("relation", PATCHWISE)
@pytest.mark.parametrize(
    ("window", "height", "columns"),
    [(Window(3), 5, 8), (Window(3, 2, 1, False), 5, 4), (Window(3, 1, 2), 6, 5), (Window(3, 3, 2), 7, 9)],
)
def test_patchwise_gradients_and_statistics(window, height, columns, relation, training):
    phi, psi, beta, mapping = patch_case(relation, 3, 2, height, columns, window, training)

    def call(m, mapping):
        return patchwise_attention(m["phi"], m["psi"], m["beta"], mapping, relation=relation, **spell(window))

    def twin(m, mapping):
        weight = reference.patchwise_weights(m["phi"], m["psi"], mapping, window, relation)
        return reference.aggregation(m["beta"], weight, window)

    compare(*run_both(call, twin, {"phi": phi, "psi": psi, "beta": beta}, mapping), rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("relation", ["subtraction", "hadamard", "concatenation"])
def test_pairwise_second_derivatives(relation):
    phi, psi, beta, mapping, position = pair_case(relation, 2, 2, 3, 4, True, True)
    mapping, leaves = trainable(mapping._replace(running_mean1=None, running_mean2=None))
    inputs = [t.requires_grad_() for t in (phi, psi, beta, position)]

    def call(phi, psi, beta, position, weight1, weight2):
        mine = mapping._replace(weight1=weight1, weight2=weight2)
        return pairwise_attention(phi, psi, beta, mine, 3, position=position, relation=relation)

    inputs += [leaves["weight1"], leaves["weight2"]]
    assert torch.autograd.gradcheck(call, inputs, fast_mode=True)
    assert torch.autograd.gradgradcheck(call, inputs, fast_mode=True)


@pytest.mark.parametrize("relation", ["subtraction", "concatenation"])
def test_patchwise_second_derivatives(relation):
    phi, psi, beta, mapping = patch_case(relation, 2, 2, 3, 4, Window(3))
    mapping, leaves = trainable(mapping._replace(running_mean1=None, running_mean2=None))
    inputs = [t.requires_grad_() for t in (phi, psi, beta, leaves["weight1"], leaves["weight2"])]

    def call(phi, psi, beta, weight1, weight2):
        mine = mapping._replace(weight1=weight1, weight2=weight2)
        return patchwise_attention(phi, psi, beta, mine, 3, relation=relation)

    assert torch.autograd.gradcheck(call, inputs, fast_mode=True)
    assert torch.autograd.gradgradcheck(call, inputs, fast_mode=True)


@pytest.mark.parametrize("relation", PAIRWISE)
def test_pairwise_without_position_is_a_set_operator(relation):
    # Centre pixel of a 3x3 map with k = 3: permuting its eight neighbours leaves y at the centre as it was.
    phi, psi, beta, mapping, _ = pair_case(relation, 2, 4, 3, 3, False, False)
    order = torch.tensor([7, 3, 0, 1, 4, 8, 2, 6, 5])  # the centre (4) stays

    def shuffle(x):
        return x.flatten(2)[..., order].unflatten(2, (3, 3))

    y = pairwise_attention(phi, psi, beta, mapping, 3, pad_mode="zero", relation=relation)
    z = pairwise_attention(phi, shuffle(psi), shuffle(beta), mapping, 3, pad_mode="zero", relation=relation)
    torch.testing.assert_close(y[..., 1, 1], z[..., 1, 1])
    # Cardinality: with every neighbour alike, nine of them say what one says.
    flat = [t[..., :1, :1].expand(-1, -1, 12, 12).contiguous() for t in (phi, psi, beta)]
    one, many = (pairwise_attention(*flat, mapping, k, relation=relation) for k in (1, 7))
    torch.testing.assert_close(one, many)


def test_position_breaks_the_set():
    phi, psi, beta, mapping, position = pair_case("subtraction", 1, 4, 3, 3, True, False)
    y = pairwise_attention(phi, psi, beta, mapping, 3, position=position)
    z = pairwise_attention(phi, psi.flip(-1), beta.flip(-1), mapping, 3, position=position)
    assert (y[..., 1, 1] - z[..., 1, 1]).abs().max() > 1e-4


@pytest.mark.parametrize("relation", PATCHWISE)
def test_patchwise_can_be_a_convolution(relation):
    phi, psi, beta, mapping = patch_case(relation, 2, 2, 6, 5, Window(3))
    kernel = draw(2, 9)
    fixed = mapping._replace(weight2=torch.zeros_like(mapping.weight2), bias=kernel.flatten())
    y = patchwise_attention(phi, psi, beta, fixed, 3, pad_mode="zero", relation=relation)
    weight = kernel.repeat(2, 1).view(4, 1, 3, 3)
    torch.testing.assert_close(y, torch.nn.functional.conv2d(beta, weight, padding=1, groups=4))


def test_exactly_zero_gradients_of_pairwise_biases():
    phi, psi, beta, mapping, position = pair_case("subtraction", 3, 4, 5, 6, True)
    mapping, leaves = trainable(mapping)
    biases = [torch.zeros(t.shape[1], 1, 1, dtype=t.dtype, requires_grad=True) for t in (phi, psi, position)]
    y = pairwise_attention(phi + biases[0], psi + biases[1], beta, mapping, 3, position=position + biases[2])
    y.square().sum().backward()
    for bias in (*biases, leaves["bias"]):
        assert bias.grad.abs().max() < 1e-10


def test_exactly_zero_gradients_of_patchwise_biases():
    phi, psi, beta, mapping = patch_case("concatenation", 3, 2, 5, 6, Window(3))
    biases = [torch.zeros(t.shape[1], 1, 1, dtype=t.dtype, requires_grad=True) for t in (phi, psi)]
    patchwise_attention(phi + biases[0], psi + biases[1], beta, mapping, 3).square().sum().backward()
    for bias in biases:
        assert bias.grad.abs().max() < 1e-10
