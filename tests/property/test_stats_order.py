"""Statistics do not know the order of runs, and an interval holds its mean."""

import random

from hypothesis import example, given, settings
from hypothesis import strategies as st

from reproduce.stats import intervals

SHARES = st.floats(0, 1, allow_subnormal=False)
RUNS = st.lists(SHARES, min_size=1, max_size=14)


@settings(max_examples=80, deadline=None)
@given(values=RUNS, seed=st.integers(0, 99))
@example(values=[0.0, 1.7266514121137805e-151], seed=0)
def test_order_does_not_matter(values, seed):
    shuffled = random.Random(seed).sample(values, len(values))
    assert intervals.summarise(shuffled) == intervals.summarise(values)
    given_, other = (intervals.compare(v, 1000, published=0.5, published_trials=1000) for v in (values, shuffled))
    assert given_ == other
    assert intervals.difference(shuffled, values) == intervals.difference(values, shuffled)


@settings(max_examples=80, deadline=None)
@given(values=RUNS)
def test_an_interval_holds_its_mean(values):
    found = intervals.summarise(values)
    assert found.n == len(values)
    if found.low is not None:
        assert found.low <= found.mean + 1e-12
        assert found.mean <= found.high + 1e-12


@given(trials=st.integers(1, 10**6), data=st.data())
def test_wilson_stays_between_zero_and_one(trials, data):
    found = intervals.wilson(data.draw(st.integers(0, trials)), trials)
    assert 0 <= found.low <= found.mean <= found.high <= 1


@given(values=RUNS, published=SHARES)
def test_p_values_are_shares_and_verdicts_are_words(values, published):
    found = intervals.compare(values, 1000, published=published, published_trials=1000)
    assert 0 <= found.p_value <= 1
    assert intervals.judge(found, sum(values) / len(values), published).word in ("agrees", "differs")
