"""One switch for batch-1 inference: a network's launches recorded once as a CUDA graph, replayed as one.

    classify = capture_inference(model.eval(), image)     # on CUDA, any network whose shapes stay the same
    logits = classify(another_image)

At batch 1 a network of small layers waits for its launches, not for its arithmetic; a replay is a single launch.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import NamedTuple, cast

import torch
from torch import Tensor, nn


def capture_inference(model: nn.Module, example: Tensor, warmups: int = 3) -> Callable[[Tensor], Tensor]:
    """Return a function that maps images shaped as ``example`` to what ``model`` returns for them, by a CUDA graph.

    The graph reads the weights where they lie now: load, move or train the model, and it must be captured again. All
    that it reads lives as long as the function does: the model, and what its modules keep of their weights for
    inference. Every module must have run once before the capture, so that this is built outside it; the warm-up does
    that. Under autocast the casts of the weights are part of the graph.

    Args:
        model: a network in evaluation mode, on the example's device, with one tensor in and one out.
        example: a CUDA tensor of the shape and dtype to come; its values do not matter.
        warmups: passes before the capture, one at least, in which kernels are compiled and caches filled.

    Raises:
        ValueError: if the example is not on CUDA, or the model is in training mode.
    """
    if example.device.type != "cuda":
        raise ValueError(f"example: needs a CUDA tensor for a CUDA graph, got one on {example.device}")
    if model.training:
        raise ValueError("model: needs evaluation mode for a CUDA graph, got training mode; call model.eval()")
    image, side = example.clone(), torch.cuda.Stream(example.device)
    with torch.cuda.device(example.device), torch.no_grad(), _without_cached_casts():
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):  # a capture may not follow first-time work on its own stream
            for _ in range(max(1, warmups)):
                model(image)
        torch.cuda.current_stream().wait_stream(side)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            output = cast(Tensor, model(image))

    return partial(_replay, _Captured(graph, image, output, model, _list_kept(model)))


class _Captured(NamedTuple):
    """A graph, and a reference to all memory that it reads and writes."""

    graph: torch.cuda.CUDAGraph
    image: Tensor
    output: Tensor
    model: nn.Module
    kept: list[object]


def _replay(captured: _Captured, fresh: Tensor) -> Tensor:
    image = captured.image
    if fresh.shape != image.shape or fresh.dtype != image.dtype:
        wanted = f"{tuple(image.shape)} of {image.dtype} as captured"
        raise ValueError(f"image: needs {wanted}, got {tuple(fresh.shape)} of {fresh.dtype}")
    image.copy_(fresh)
    captured.graph.replay()
    return captured.output.clone()


def _list_kept(model: nn.Module) -> list[object]:
    """Return the results that modules keep now (`reproduce.models.algebra.KeepingModule`) and may drop or replace."""
    kept = (getattr(module, "_kept", None) for module in model.modules())
    return [result for one in kept if one is not None for result in one.results()]


@contextmanager
def _without_cached_casts() -> Iterator[None]:
    """Let autocast cast a weight at each use: it frees what it cached when it is left, and a replay would read that."""
    cached = torch.is_autocast_cache_enabled()
    torch.set_autocast_cache_enabled(False)
    torch.clear_autocast_cache()
    try:
        yield
    finally:
        torch.set_autocast_cache_enabled(cached)
