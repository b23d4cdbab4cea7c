"""Questions of cost: time and memory as measured on one kind of device. Ratios, tested on logarithms over runs.

faster("vit-ha", "vit")                    milliseconds of an image at batch 1
faster("cnn2-laa", "cnn2-aa", "an epoch")  images a second of training
lighter("cnn2-laa", "cnn2-aa")             peak memory of training
"""

import math

from paper_tables.claims.claim import Part
from paper_tables.claims.evidence import Evidence, Found
from paper_tables.claims.measured_files import read_bench
from paper_tables.claims.outcome import Missing, Obstacle, Outcome
from paper_tables.claims.tested import side
from reproduce.stats.sample import Sample
from reproduce.stats.two_samples import Contrast, contrast

_TIMES = {"an image": "latency_ms", "an epoch": "images_per_second"}
_BENCH = "attnrepro bench --cpu --suite latency --out paper_tables/measured/bench"


def faster(winner: str, loser: str, what: str = "an image", by: float = 1.0) -> Part:
    """Return the part that ``loser`` takes more than ``by`` times as long as ``winner``.

    ``what``: for ``an image`` at batch 1, or to train ``an epoch``.
    """
    factor = "" if by == 1 else f", by {by:.3g}x"
    return _cheaper(winner, loser, _TIMES[what], by, f"{winner} takes less time for {what} than {loser}{factor}")


def lighter(winner: str, loser: str) -> Part:
    """Return the part that ``winner`` needs less memory in training."""
    return _cheaper(winner, loser, "peak_memory_mb", 1.0, f"{winner} trains in less memory than {loser}")


def _cheaper(winner: str, loser: str, metric: str, by: float, label: str) -> Part:
    def examine(evidence: Evidence) -> Outcome | Missing:
        found = evidence.samples((winner, loser), metric)
        if evidence.side == "published":
            return found if isinstance(found, Missing) else _as_printed(found, by)
        decides = isinstance(found, Found) and not found.obstacles and min(one.n for one in found.samples) > 1
        if metric == "latency_ms" and not decides:
            # weights make no difference to a time: what was measured on random ones says as much
            timed = _by_bench(winner, loser, by)
            if timed is not None:
                return timed
        if isinstance(found, Missing):
            return Missing(found.reason, (*found.commands, _BENCH)) if metric == "latency_ms" else found
        return _by_runs(found, by, metric == "images_per_second")

    return Part(label=label, examine=examine, rows=(winner, loser), random=True)


def _as_printed(found: Found, by: float) -> Outcome:
    """Return what a paper's mean times say; papers print seconds, never images a second."""
    first, second = found.samples
    effect = second.mean / first.mean
    return Outcome(toward=side(effect > by), effect=effect, unit="x", n=min(first.n, second.n),
                   test="ratio of mean times", covers="nothing", basis=found.basis)  # fmt: skip


def _by_runs(found: Found, by: float, rate: bool) -> Outcome:
    first, second = (Sample.of([math.log(value) for value in sample.values]) for sample in found.samples)
    tested = contrast(first, second, math.log(by)) if rate else contrast(second, first, math.log(by))
    # all that the ledger says of a CPU is that it was one
    note = "the ledger tells no two CPUs apart" if found.basis.endswith(", cpu") else ""
    return _ratio(tested, by, min(first.n, second.n), found.basis, found.obstacles, note)


def _by_bench(winner: str, loser: str, by: float) -> Outcome | None:
    """Return what the committed latency benchmarks say: one ratio per session, both rows timed in it."""
    ratios = []
    for session in read_bench("latency"):
        times = {line["case"]: float(line["ms"]) for line in session}
        pair = times.get(f"{loser}/eager"), times.get(f"{winner}/eager")
        if pair[0] and pair[1]:
            ratios.append(math.log(pair[0] / pair[1]))
    if not ratios:
        return None
    # one is what equal times give, known exactly: a paired t test over sessions
    tested = contrast(Sample.of(ratios), Sample.fixed(0.0, len(ratios)), math.log(by))
    return _ratio(tested, by, len(ratios), "latency benchmark, random weights", (), "")


def _ratio(tested: Contrast, by: float, n: int, basis: str, obstacles: tuple[Obstacle, ...], note: str) -> Outcome:
    interval = tested.interval
    known = tested.p_value is not None
    return Outcome(
        toward=side(interval.mean > math.log(by)),
        effect=math.exp(interval.mean),
        low=None if interval.low is None else math.exp(interval.low),
        high=None if interval.high is None else math.exp(interval.high),
        unit="x",
        n=n,
        p_value=tested.p_value,
        test=f"{tested.test} on logarithms" if known else tested.test,
        covers="runs on one kind of device" if known else "nothing",
        basis=basis,
        obstacles=obstacles,
        tested=tested,
        note=note,
    )
