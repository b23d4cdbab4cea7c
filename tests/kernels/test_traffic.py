"""Bytes that the launchers move, against a count by hand and against what the recording stand-in saw."""

import pytest
import torch

from reproduce.kernels import Window
from reproduce.kernels.cuda import launcher
from reproduce.kernels.cuda.traffic import PASSES, count_bytes, list_parameters
from reproduce.kernels.operands import Pair
from reproduce.kernels.twins import PAIR
from tests.kernels import host
from tests.kernels.test_cuda_text import make_pair

GIVEN = {"eps": 1e-5, "window": Window(7), "form": "difference"}


def on_meta(batch, side, r, mid, shared):
    def empty(*shape):
        return torch.empty(*shape, device="meta")

    maps = empty(batch, r, side, side), empty(batch, r, side, side), empty(batch, mid, side, side)
    rest = empty(r), empty(r, r), empty(r, 49, side * side), empty(r), empty(r), empty(shared, r)
    return Pair(*maps, *rest)


def train(pair):
    out = PAIR["cuda"].attend(pair, None, None, **GIVEN)
    PAIR["cuda"].attend_backward(torch.empty_like(out.y), None, pair, *out[1:], True, **GIVEN)


def test_a_training_step_of_san10s_first_stage_by_hand():
    """In gigabytes h has 0.63, alpha and the gradient of its logits half of that, at batch 64."""
    with count_bytes() as moved:
        train(on_meta(64, 56, 16, 64, 8))
    h, alpha = 4 * 64 * 16 * 49 * 56**2, 4 * 64 * 8 * 49 * 56**2
    wide = {
        "pair_project": h, "pair_attend": h + alpha, "aggregate": alpha, "pair_unweigh": 2 * alpha,
        "aggregate_to_map": alpha, "pair_unactivate": alpha + 2 * h, "pair_weight2": alpha + h,
        "pair_unnormalize": 3 * h, "pair_weight1": h, "pair_to_centre": h, "pair_to_neighbour": h, "torch": h,
    }  # fmt: skip
    assert set(moved.by_kernel) == set(wide)
    for kernel, least in wide.items():
        assert least <= moved.by_kernel[kernel] <= least + 0.17e9, kernel  # the maps, and partial sums
    assert moved.total / 1e9 == pytest.approx(10.5, abs=0.5)


@pytest.mark.skipif(host.COMPILER is None, reason="no g++ to compile the kernels with")
def test_meta_tensors_count_as_real_ones_do(monkeypatch):
    """The same launches, with tensors of the same sizes, as where kernels run."""
    pair, seen = make_pair(Window(3), 5, 6, 3, 5, 2, 2, "difference", dtype=torch.float32), []
    options = GIVEN | {"window": Window(3)}
    with count_bytes() as moved:
        PAIR["cuda"].attend(Pair(*(t.to("meta") for t in pair)), None, None, **options)
    monkeypatch.setattr(launcher, "run", lambda *a: seen.append(a) or host.run(*a))
    PAIR["cuda"].attend(pair, None, None, **options)
    for _, kernel, _, grid, *arguments in seen:
        assert grid[1] == 1
        assert moved.by_kernel[kernel] == sum(a.nbytes for a in arguments if isinstance(a, torch.Tensor))
    assert set(moved.by_kernel) - {"torch"} == {kernel for _, kernel, *_ in seen}


def test_every_pass_names_a_parameter():
    sources = {"pair_weight1": "pair_weights", "pair_weight2": "pair_weights", "pair_to_centre": "pair_maps",
               "pair_to_neighbour": "pair_maps", "patch_weight": "patch_weight"}  # fmt: skip
    for kernel, name in PASSES:
        assert name in list_parameters(sources.get(kernel, kernel.split("_")[0]), kernel)


def test_bench_says_what_is_moved_beside_the_least():
    from reproduce.bench.kernels import plan

    cases = {case["case"]: case for case in plan("cuda", ["san10-stage1"])}
    train_case, eval_case = (cases[f"pairwise/san10-stage1/{phase}"] for phase in ("train", "eval"))
    assert train_case["moved_gbyte"] == pytest.approx(10.3, abs=0.1)
    assert eval_case["cost"].bytes / 1e9 <= eval_case["moved_gbyte"] < 1.2 * eval_case["cost"].bytes / 1e9
    assert "moved_gbyte" not in cases["aggregation/san10-stage1/eval"]
    assert "moved_gbyte" not in plan("cpu", ["pairwise/san10-stage1"])[0]
