"""Statistics do not know the order of runs, and an interval holds its mean."""

import random

from hypothesis import example, given, settings
from hypothesis import strategies as st

from reproduce.stats import intervals
from reproduce.stats.against_published import Cell, Printed, compare, judge

SHARES = st.floats(0, 1, allow_subnormal=False)
RUNS = st.lists(SHARES, min_size=1, max_size=18)


@settings(max_examples=80, deadline=None)
@given(values=RUNS, seed=st.integers(0, 99))
@example(values=[0.0, 1.7266514121137805e-151], seed=0)
def test_order_does_not_matter(values, seed):
    shuffled = random.Random(seed).sample(values, len(values))
    assert intervals.summarise(shuffled) == intervals.summarise(values)
    printed = Printed(0.5, 0.0005)
    given_, other = (compare(Cell(tuple(runs), printed)) for runs in (values, shuffled))
    assert given_ == other


@settings(max_examples=80, deadline=None)
@given(values=RUNS)
def test_an_interval_holds_its_mean(values):
    found = intervals.summarise(values, share=True)
    assert found.n == len(values)
    if found.low is not None:
        assert -1e-12 <= found.low <= found.mean + 1e-12
        assert found.mean - 1e-12 <= found.high <= 1 + 1e-12


@given(trials=st.integers(1, 10**6), data=st.data())
def test_wilson_stays_between_zero_and_one(trials, data):
    found = intervals.wilson(data.draw(st.integers(0, trials)), trials)
    assert 0 <= found.low <= found.mean <= found.high <= 1


@settings(max_examples=80, deadline=None)
@given(values=RUNS, published=SHARES, spread=st.sampled_from([None, 0.02]))
def test_p_values_are_shares_and_verdicts_are_words(values, published, spread):
    cell = Cell(tuple(values), Printed(published, 0.0005, 16 if spread else 1, spread))
    found = compare(cell)
    verdict = judge({"row": cell}, family=3)["row"]
    if found is None:
        assert verdict.word == "undecided"
    else:
        assert 0 <= found.p_value <= 1
        assert verdict.word in ("agrees", "differs", "undecided")
        assert found.farthest >= abs(found.gap)


@settings(max_examples=60, deadline=None)
@given(cells=st.lists(st.tuples(RUNS, SHARES), min_size=2, max_size=6), less=st.integers(1, 5))
def test_a_word_does_not_fall_with_the_rows_that_were_run(cells, less):
    """Running another row of the table can settle a row or not; it never turns one word into the opposite."""
    named = {str(place): Cell(tuple(runs), Printed(value, 0.0005)) for place, (runs, value) in enumerate(cells)}
    few = judge(dict([*named.items()][:-less]), family=len(named))
    every = judge(named, family=len(named))
    for row, verdict in few.items():
        assert verdict.word == every[row].word or (verdict.word, every[row].word) == ("undecided", "differs")
