"""Scratch memory: kept by name and thread, never seen outside an operator."""

from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from reproduce.kernels import pairwise_attention, patchwise_attention
from reproduce.kernels.cpu import scratch
from tests.kernels.cases import PATCH_ROWS, make_mapping

LIKE = torch.empty(0)


def test_a_name_keeps_its_memory():
    one = scratch.take("a test", (4, 5), LIKE)
    assert scratch.take("a test", (2, 3), LIKE).data_ptr() == one.data_ptr()
    assert scratch.take("another", (4, 5), LIKE).data_ptr() != one.data_ptr()
    assert scratch.take("a test", (4, 5), LIKE.double()).dtype == torch.float64
    assert scratch.take("a test", (40, 50), LIKE).shape == (40, 50)


def test_large_tensors_are_not_kept():
    size = (scratch.KEPT // 4 + 1,)
    assert scratch.take("large", size, LIKE).data_ptr() != scratch.take("large", size, LIKE).data_ptr()
    assert scratch.take("large", (3,), torch.empty(0, device="meta")).device.type == "meta"


def test_threads_have_their_own():
    mine = scratch.take("a test", (4, 5), LIKE).data_ptr()
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(lambda: scratch.take("a test", (4, 5), LIKE).data_ptr()).result() != mine


def test_what_was_taken_in_inference_serves_training():
    with torch.inference_mode():
        scratch.take("inference", (4,), LIKE).zero_()
    assert not scratch.take("inference", (4,), LIKE).is_inference()


@pytest.mark.parametrize("kind", ["pairwise", "patchwise"])
def test_results_are_their_own(kind):
    """A second call changes nothing that the first one returned."""
    rows, outputs = (5, 4) if kind == "pairwise" else (PATCH_ROWS["concatenation"](5, 9), 36)
    mapping, attend = make_mapping(rows, 6, outputs), pairwise_attention if kind == "pairwise" else patchwise_attention

    def learn(seed):
        torch.manual_seed(seed)
        maps = [torch.randn(2, channels, 6, 7, dtype=torch.float64).requires_grad_() for channels in (5, 5, 8)]
        own = mapping._replace(running_mean1=None, running_var1=None, running_mean2=None, running_var2=None)
        y, weights = attend(*maps, own, 3, return_weights=True)
        return [y.detach(), weights.detach(), *torch.autograd.grad(y.square().sum() + weights.square().sum(), maps)]

    alone = [[t.clone() for t in learn(seed)] for seed in range(4)]
    held = [learn(seed) for seed in range(4)]
    torch.testing.assert_close(held, alone, rtol=0, atol=0)
