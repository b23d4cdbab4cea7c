"""Timing in pairs: contestants take turns, and what is compared is the ratio within a turn."""

import statistics
import time
from collections.abc import Callable, Mapping

import torch

_HEAD_START = 10_000_000  # clock cycles, about 5 ms: longer than the host takes to queue an operator's launches


def time_in_turns(
    contestants: Mapping[str, Callable[[], object]],
    repetitions: int,
    device: torch.device,
    warmups: int = 1,
    settle: int = 0,
) -> dict[str, list[float]]:
    """Return the seconds of every repetition of every contestant; turn by turn, after ``warmups`` uncounted turns.

    With ``settle`` a contestant's counted call follows so many uncounted ones of its own: it then finds the heap and
    the caches as its own loop leaves them. After an opponent that frees much, the C library has given memory back.
    """
    seconds: dict[str, list[float]] = {name: [] for name in contestants}
    for turn in range(warmups + repetitions):
        for name, work in contestants.items():
            for _ in range(settle):
                work()
            start = time.perf_counter()
            work()
            if device.type == "cuda":
                torch.cuda.synchronize(device)
            if turn >= warmups:
                seconds[name].append(time.perf_counter() - start)
    return seconds


def ratios(slow: list[float], fast: list[float]) -> tuple[float, float, float]:
    """Return the median, minimum and maximum of slow / fast, turn by turn."""
    each = [one / other for one, other in zip(slow, fast, strict=True)]
    return statistics.median(each), min(each), max(each)


def time_on_device(
    contestants: Mapping[str, Callable[[], object]],
    repetitions: int,
    device: torch.device,
    warmups: int = 1,
    flush_bytes: int = 0,
    settle: int = 0,
    hide_host: bool = True,
) -> dict[str, list[float]]:
    """Return the seconds of every repetition as `time_in_turns` does, on CUDA between two events of the stream.

    With ``hide_host`` the device is kept busy first, until the host has queued the work: what is timed then is the
    device. Without, a device that waits for the host's next launch is counted as waiting, as in a single request.

    With ``flush_bytes`` so much device memory is written before every repetition: a small kernel then does not find
    its inputs in the L2 cache, where they would not be in a network. ``settle`` is for the CPU: torch keeps what a
    CUDA tensor frees.
    """
    if device.type != "cuda":
        return time_in_turns(contestants, repetitions, device, warmups, settle)
    rubbish = torch.empty(flush_bytes, dtype=torch.uint8, device=device)
    seconds: dict[str, list[float]] = {name: [] for name in contestants}
    for turn in range(warmups + repetitions):
        for name, work in contestants.items():
            rubbish.zero_()
            if hide_host:
                torch.cuda._sleep(_HEAD_START)
            begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
            begin.record()
            work()
            end.record()
            torch.cuda.synchronize(device)
            if turn >= warmups:
                seconds[name].append(begin.elapsed_time(end) / 1e3)
    return seconds


def quartiles(values: list[float]) -> tuple[float, float, float]:
    """Return lower quartile, median and upper quartile; one value is all three."""
    if len(values) == 1:
        return values[0], values[0], values[0]
    low, median, high = statistics.quantiles(values, n=4, method="inclusive")
    return low, median, high
