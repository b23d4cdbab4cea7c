"""One switch for batch-1 inference: a network's launches recorded once as a CUDA graph, replayed as one.

    classify = capture_inference(model.eval(), image)     # on CUDA, any network whose shapes stay the same
    logits = classify(another_image)

At batch 1 a network of small layers waits for its launches, not for its arithmetic; a replay is a single launch.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, cast

import torch
from torch import Tensor, nn


def capture_inference(model: nn.Module, example: Tensor, warmups: int = 3) -> Callable[[Tensor], Tensor]:
    """Return a function that maps images shaped as ``example`` to what ``model`` returns for them, by a CUDA graph.

    The graph reads the weights where they lie now: load, move or train the model, and it must be captured again.

    Under autocast its cache of cast weights is left out: what it keeps is freed when autocast ends, not when the graph
    does. What the modules themselves keep for inference (positions, merged weights) lives as long as the function.

    Args:
        model: a network in evaluation mode, on the example's device, with one tensor in and one out.
        example: a CUDA tensor of the shape and dtype to come; its values do not matter.
        warmups: passes before the capture, in which kernels are compiled and caches filled.

    Raises:
        ValueError: if the example is not on CUDA, or the model is in training mode.
    """
    if example.device.type != "cuda":
        raise ValueError(f"example: needs a CUDA tensor for a CUDA graph, got one on {example.device}")
    if model.training:
        raise ValueError("model: needs evaluation mode for a CUDA graph, got training mode; call model.eval()")
    image, side = example.clone(), torch.cuda.Stream(example.device)
    with torch.cuda.device(example.device), torch.no_grad(), _without_cast_cache():
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):  # a capture may not follow first-time work on its own stream
            for _ in range(max(1, warmups)):
                model(image)
        torch.cuda.current_stream().wait_stream(side)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            output = cast(Tensor, model(image))
    kept = [cast(Any, module)._kept.results() for module in model.modules() if hasattr(module, "_kept")]

    def replay(fresh: Tensor) -> Tensor:
        if fresh.shape != image.shape or fresh.dtype != image.dtype:
            wanted = f"{tuple(image.shape)} of {image.dtype} as captured"
            raise ValueError(f"image: needs {wanted}, got {tuple(fresh.shape)} of {fresh.dtype}")
        image.copy_(fresh)
        graph.replay()
        return output.clone()

    replay.reads = (kept, output)  # type: ignore[attr-defined]  # what the graph reads and writes lives as long as it
    return replay


@contextmanager
def _without_cast_cache() -> Iterator[None]:
    enabled = torch.is_autocast_cache_enabled()
    torch.clear_autocast_cache()
    torch.set_autocast_cache_enabled(False)
    try:
        yield
    finally:
        torch.set_autocast_cache_enabled(enabled)
