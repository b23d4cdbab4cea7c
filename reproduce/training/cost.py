"""What a network costs on this machine: latency by the report's protocol, peak memory.

latency_ms(model, image_size=32, warmups=20, repetitions=300)
"""

import contextlib
import gc
import resource
import statistics
import sys
import time
from pathlib import Path

import torch
from torch import nn

from reproduce.training.malloc import return_freed_memory
from reproduce.training.precision import arithmetic

PROTOCOL_WARMUPS, PROTOCOL_REPETITIONS = 10, 300


@torch.no_grad()
def latency_ms(
    model: nn.Module, image_size: int, *, warmups: int, repetitions: int, precision: str = "fp32"
) -> list[float]:
    """Return the milliseconds of each of ``repetitions`` forward passes of one image ([Re] report, Table 3).

    Evaluation mode, batch 1, ``warmups`` passes before; on CUDA each pass is between two events and waited for.
    """
    device = next(model.parameters()).device
    was_training = model.training
    model.eval()
    image = torch.randn(1, 3, image_size, image_size, device=device)
    times = []
    with arithmetic(precision, device):
        for _ in range(warmups):
            model(image)
        for _ in range(repetitions):
            times.append(_time_once(model, image, device))
    model.train(was_training)
    return times


def mean_latency_ms(model: nn.Module, image_size: int, *, full: bool, precision: str = "fp32") -> float:
    """Return the mean latency: 10 warm-ups and 300 repetitions where ``full``, 3 and 30 otherwise."""
    warmups, repetitions = (PROTOCOL_WARMUPS, PROTOCOL_REPETITIONS) if full else (3, 30)
    return statistics.fmean(
        latency_ms(model, image_size, warmups=warmups, repetitions=repetitions, precision=precision)
    )


def _time_once(model: nn.Module, image: torch.Tensor, device: torch.device) -> float:
    if device.type != "cuda":
        start = time.perf_counter()
        model(image)
        return 1e3 * (time.perf_counter() - start)
    begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
    begin.record()
    model(image)
    end.record()
    torch.cuda.synchronize(device)
    return begin.elapsed_time(end)


def reset_peak_memory(device: torch.device) -> None:
    """Begin a new peak, on Linux and on CUDA; elsewhere the process's peak stays what it was."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    gc.collect()
    return_freed_memory()
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def peak_memory_mb(device: torch.device) -> float:
    """Return the peak since the last reset in MB: allocated on a CUDA device, resident in this process elsewhere."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 1e6
    with contextlib.suppress(OSError, StopIteration):
        status = Path("/proc/self/status").read_text().splitlines()
        return int(next(line for line in status if line.startswith("VmHWM")).split()[1]) * 1024 / 1e6
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1e6 if sys.platform == "darwin" else peak * 1024 / 1e6
