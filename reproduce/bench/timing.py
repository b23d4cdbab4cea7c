"""Timing in pairs: contestants take turns, and what is compared is the ratio within a turn."""

import statistics
import time
from collections.abc import Callable, Mapping

import torch


def time_in_turns(
    contestants: Mapping[str, Callable[[], object]], repetitions: int, device: torch.device, warmups: int = 1
) -> dict[str, list[float]]:
    """Return the seconds of every repetition of every contestant; turn by turn, after ``warmups`` uncounted turns."""
    seconds: dict[str, list[float]] = {name: [] for name in contestants}
    for turn in range(warmups + repetitions):
        for name, work in contestants.items():
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
