"""Ours against its rivals, one case after another: what does not fit is left out, what fails is said and passed over.

seconds, peaks = contest({"ours": ours, "twin": twin, "chain": chain}, 5, device)      # "chain" lacks: no room for it
cases, failures = measure_each(plan(kind, rows), measure_case)
"""

import gc
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, TypeVar

import torch

from reproduce.bench.memory import peak_bytes
from reproduce.bench.timing import HEAD_START, time_on_device
from reproduce.errors import UserError

T = TypeVar("T")
_FLUSH = 1 << 28  # bytes: more than the L2 cache of any GPU


def contest(
    ways: Mapping[str, Callable[[], object]],
    repetitions: int,
    device: torch.device,
    warmups: int = 1,
    settle: int = 0,
) -> tuple[dict[str, list[float]], dict[str, int]]:
    """Return the seconds of every repetition, turn by turn, and the peak bytes of each way for which there is room.

    A rival that runs out of memory, alone or beside what timing holds, is in neither; the greediest goes first.

    Args:
        ways: ``ours`` and its rivals.
        repetitions: counted turns.
        device: where the ways run.
        warmups: as for `time_on_device`.
        settle: as for `time_on_device`.

    Raises:
        torch.OutOfMemoryError: where there is no room for ``ours``.
    """
    fitting, peaks = dict(ways), dict[str, int]()
    for name, work in ways.items():
        measure = partial(_measure_peak, work, device)
        peak = measure() if name == "ours" else _attempt(measure)
        if peak is None:
            del fitting[name]
        else:
            peaks[name] = peak
    time = partial(time_on_device, fitting, repetitions, device, warmups, _FLUSH, settle, HEAD_START)
    while len(fitting) > 1:
        seconds = _attempt(time)
        if seconds is not None:
            return seconds, peaks
        greediest = max(set(fitting) - {"ours"}, key=peaks.__getitem__)
        del fitting[greediest], peaks[greediest]
    return time(), peaks


def measure_each(
    planned: Sequence[dict[str, Any]], measure: Callable[[dict[str, Any]], dict[str, Any]]
) -> tuple[list[dict[str, Any]], list[str]]:
    """Return the measured cases and a sentence for each that failed, whatever it failed of: the next may well work.

    Raises:
        UserError: every case failed.
    """
    cases, failures = [], []
    for case in planned:
        try:
            cases.append(measure(case))
        except Exception as error:
            reason = next(iter(str(error).strip().splitlines()), "")
            failures.append(f"{case['case']}: {type(error).__name__}: {reason}".removesuffix(": "))
        _free()
    if failures and not cases:
        hint = "try a single case by its name, --rows CASE"
        raise UserError(f"no case could be measured, the first for this reason: {failures[0]}", hint)
    return cases, failures


def _attempt(work: Callable[[], T]) -> T | None:
    """Return what ``work`` returns, None where memory is not enough; no tensor of the failure is then alive."""
    try:
        return work()
    except torch.OutOfMemoryError:
        pass
    _free()  # here, not above: while the error is handled its frames hold their tensors
    return None


def _measure_peak(work: Callable[[], object], device: torch.device) -> int:
    """Return the peak bytes of ``work``, called once before: what libraries keep from then on is no way's own."""
    work()
    return peak_bytes(work, device)


def _free() -> None:
    gc.collect()
    torch.cuda.empty_cache()
