"""Timing in pairs: contestants take turns, and what is compared is the ratio within a turn."""

import statistics
import time
from collections.abc import Callable, Mapping

import torch

HEAD_START = 2e-3  # s: what the host takes for the launches of a small case, several times over
_CLOCK = 2e9  # Hz: where the device does not tell its own; an H200's is 1.98e9 at most


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
    head_start: float = 0.0,
) -> dict[str, list[float]]:
    """Return the seconds of every repetition as `time_in_turns` does, on CUDA between two events of the stream.

    With ``flush_bytes`` so much device memory is written before every repetition: a small kernel then does not find
    its inputs in the L2 cache, where they would not be in a network. ``settle`` is for the CPU: torch keeps what a
    CUDA tensor frees.

    With ``head_start`` (seconds, `HEAD_START`) the device is kept waiting so long before the first event. After every
    turn its queue is empty: without that both events would wait for Python to launch what lies between them, and the
    time of a small case would be the host's. Only what takes the host longer than the head start and the work together
    is its time still. A latency, which means the host's time, has no head start.
    """
    if device.type != "cuda":
        return time_in_turns(contestants, repetitions, device, warmups, settle)
    rubbish = torch.empty(flush_bytes, dtype=torch.uint8, device=device)
    cycles = int(head_start * _read_clock(device)) if head_start else 0
    seconds: dict[str, list[float]] = {name: [] for name in contestants}
    for turn in range(warmups + repetitions):
        for name, work in contestants.items():
            begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
            rubbish.zero_()
            if cycles:
                torch.cuda._sleep(cycles)
            begin.record()
            work()
            end.record()
            torch.cuda.synchronize(device)
            if turn >= warmups:
                seconds[name].append(begin.elapsed_time(end) / 1e3)
    return seconds


def _read_clock(device: torch.device) -> float:
    """Return the device's highest clock rate in Hz."""
    kilohertz = getattr(torch.cuda.get_device_properties(device), "clock_rate", 0)  # older torch does not say
    return 1e3 * kilohertz if kilohertz else _CLOCK


def quartiles(values: list[float]) -> tuple[float, float, float]:
    """Return lower quartile, median and upper quartile; one value is all three."""
    if len(values) == 1:
        return values[0], values[0], values[0]
    low, median, high = statistics.quantiles(values, n=4, method="inclusive")
    return low, median, high
