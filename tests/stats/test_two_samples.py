"""Tests of two sets of runs against scipy, closed forms, simulation and the numbers of a published study."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats as reference

from reproduce.stats.against_published import Cell, Printed, compare
from reproduce.stats.two_samples import (
    Sample,
    contrast,
    detectable,
    equivalence,
    holm,
    resample,
    same_ranks,
    same_spread,
)

ONE, OTHER = [0.941, 0.944, 0.939], [0.90, 0.91]


def test_welch_is_scipys():
    found = contrast(Sample.of(ONE), Sample.of(OTHER))
    wanted = reference.ttest_ind(ONE, OTHER, equal_var=False)
    low, high = wanted.confidence_interval()
    assert found.p_value == pytest.approx(wanted.pvalue, rel=1e-9)
    assert (found.interval.low, found.interval.high) == pytest.approx((low, high), rel=1e-9)
    assert (found.test, found.covers, found.interval.n) == ("Welch", "seeds", 2)
    shifted = contrast(Sample.of(ONE), Sample.of(OTHER), margin=0.02)
    wanted = reference.ttest_ind([value - 0.02 for value in ONE], OTHER, equal_var=False).pvalue
    assert shifted.p_value == pytest.approx(wanted, rel=1e-9)


def test_printed_summaries_are_tested_as_their_runs():
    runs = Sample.of(ONE)
    printed = Sample.printed(runs.mean, runs.deviation, 3)
    assert contrast(printed, Sample.of(OTHER)).p_value == contrast(runs, Sample.of(OTHER)).p_value
    assert Sample.printed(0.9, None, 16) == Sample.printed(0.9, 0.1, None) == Sample(0.9, None, 1)


def test_the_published_gates_come_out_as_in_their_own_statistics():
    """From the authors' summary numbers (population spreads, 16 runs): t and p worked out by hand elsewhere."""
    row = {
        "cnn": (0.66675, 0.01889),
        "eca": (0.66746, 0.02345),
        "cbam": (0.64184, 0.02558),
        "ae": (0.67464, 0.01988),
        "spatial": (0.66857, 0.01356),
    }
    arm = {name: Sample.printed(mean, spread * math.sqrt(16 / 15), 16) for name, (mean, spread) in row.items()}
    assert contrast(arm["ae"], arm["eca"]).p_value == pytest.approx(0.37, abs=0.005)
    assert contrast(arm["ae"], arm["cbam"]).p_value == pytest.approx(0.0005, abs=0.0001)
    assert contrast(arm["ae"], arm["cnn"]).p_value == pytest.approx(0.27, abs=0.005)
    assert equivalence(arm["ae"], arm["spatial"], 0.02).p_value == pytest.approx(0.017, abs=0.001)
    assert equivalence(arm["ae"], arm["eca"], 0.02).p_value == pytest.approx(0.059, abs=0.001)
    assert contrast(arm["ae"], arm["cnn"]).detectable == pytest.approx(0.02, abs=0.001)


def test_one_run_each_covers_the_test_images_alone():
    found = contrast(Sample.of([0.5711], 10_000), Sample.of([0.5291], 10_000))
    chi = reference.chi2_contingency([[5711, 4289], [5291, 4709]], correction=False)
    assert found.p_value == pytest.approx(chi.pvalue, rel=1e-9)
    assert (found.test, found.covers) == ("z, two proportions", "test images")
    assert found.interval.low < 0.042 < found.interval.high
    nothing = contrast(Sample.of([0.57]), Sample.of([0.53], 10_000))
    assert (nothing.p_value, nothing.covers, nothing.interval.low) == (None, "nothing", None)
    assert contrast(Sample.of([5.7], 100), Sample.of([5.3], 100)).p_value is None  # no shares


def test_runs_against_one_run_are_students_two_sample_test():
    found = contrast(Sample.of(ONE, 10_000), Sample.of([0.93], 10_000))
    assert found.p_value == pytest.approx(reference.ttest_ind(ONE, [0.93]).pvalue, rel=1e-9)
    assert found.p_value == pytest.approx(compare(Cell(tuple(ONE), Printed(0.93))).p_value, rel=1e-9)
    assert (found.test, found.covers) == ("t, one new draw", "seeds")


def test_equivalence_is_the_larger_of_two_one_sided_tests():
    first, second = np.random.default_rng(3).normal(0.9, 0.01, (2, 8))
    found = equivalence(Sample.of(first), Sample.of(second), 0.02)
    up = reference.ttest_ind(first + 0.02, second, equal_var=False, alternative="greater").pvalue
    down = reference.ttest_ind(first - 0.02, second, equal_var=False, alternative="less").pvalue
    assert found.p_value == pytest.approx(max(up, down), rel=1e-9)
    apart = equivalence(Sample.of(first + 0.1), Sample.of(second), 0.02)
    wanted = reference.ttest_ind(first + 0.08, second, equal_var=False, alternative="greater").pvalue
    assert apart.p_value == pytest.approx(wanted, rel=1e-6)
    with pytest.raises(ValueError, match="margin"):
        equivalence(Sample.of(first), Sample.of(second), 0.0)


def test_runs_without_spread():
    same = Sample.of([0.5, 0.5])
    assert contrast(same, same).p_value == 1.0
    assert contrast(same, Sample.of([0.4, 0.4, 0.4])).p_value == 0.0
    assert equivalence(same, Sample.of([0.4, 0.4]), 0.05).p_value == 0.0
    for values in ([], [math.nan], [0.5, math.inf]):
        with pytest.raises(ValueError, match="finite"):
            Sample.of(values)


def test_holm_is_the_textbook_one():
    # Holm 1979's procedure on Wikipedia's worked example
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([]) == []
    assert holm([0.9, 0.8]) == [1.0, 1.0]


@given(values=st.lists(st.floats(0, 1), max_size=12))
def test_holm_lies_between_none_and_bonferroni_and_keeps_the_order(values):
    found = holm(values)
    for raw, corrected in zip(values, found, strict=True):
        assert raw <= corrected <= min(1.0, raw * len(values)) or corrected == 1.0
    ranked = sorted(zip(values, found, strict=True))
    assert [corrected for _, corrected in ranked] == sorted(found)


@given(values=st.lists(st.floats(0, 1, allow_subnormal=False), min_size=2, max_size=9), shift=st.floats(0, 0.5))
def test_a_contrast_turns_with_its_sides(values, shift):
    one, two = Sample.of(values), Sample.of([value * (1 - shift) for value in values])
    there, back = contrast(one, two), contrast(two, one)
    assert there.p_value == pytest.approx(back.p_value)
    assert there.interval.mean == -back.interval.mean
    assert there.interval.low == pytest.approx(-back.interval.high)


def test_ranks_spread_and_bootstrap_are_scipys():
    random = np.random.default_rng(4)
    first, second = random.normal(0.66, 0.02, 16), random.normal(0.60, 0.04, 16)
    assert same_ranks(Sample.of(first), Sample.of(second)) == pytest.approx(
        reference.mannwhitneyu(first, second).pvalue
    )
    assert same_spread(first, second) == pytest.approx(reference.levene(first, second, center="median").pvalue)
    assert same_spread([1, 1, 1], [1, 1, 1]) == 1.0
    assert same_spread([1, 2], [1, 2, 3]) is None
    found = resample(Sample.of(first), Sample.of(second))
    welch = contrast(Sample.of(first), Sample.of(second)).interval
    assert found == resample(Sample.of(first[::-1]), Sample.of(second))
    assert (found.high - found.low) == pytest.approx(welch.high - welch.low, rel=0.2)
    assert resample(Sample.of(first[:9]), Sample.of(second)) is None
    assert same_ranks(Sample.printed(0.6, 0.02, 16), Sample.of(second)) is None


def test_tests_keep_their_level_and_power():
    random = np.random.default_rng(9)
    draws = random.normal(0.66, 0.02, (3000, 32))
    level = np.mean([contrast(Sample.of(row[:16]), Sample.of(row[16:])).p_value < 0.05 for row in draws])
    assert level == pytest.approx(0.05, abs=0.012)
    # at the edge of the margin an equivalence is found in 5 % of cases
    edge = np.mean([equivalence(Sample.of(row[:16] + 0.02), Sample.of(row[16:]), 0.02).p_value < 0.05 for row in draws])
    assert edge == pytest.approx(0.10, abs=0.02)  # 5 % on each side of it
    gap = detectable(0.02 * math.sqrt(2 / 16), 30)
    power = np.mean([contrast(Sample.of(row[:16] + gap), Sample.of(row[16:])).p_value < 0.05 for row in draws])
    assert power == pytest.approx(0.8, abs=0.025)
