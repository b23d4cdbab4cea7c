"""The rule for a cell: what each word takes, against scipy and by hand, and how often it is wrong, by simulation."""

import math

import numpy as np
import pytest
from scipy import stats as reference

from reproduce.stats import against_published
from reproduce.stats.against_published import Cell, Printed, at_chance, compare, judge, seeds_needed

FIVE = (0.941, 0.944, 0.939, 0.942, 0.943)
PRINTED = Printed(0.943, 0.0005)


def word(values, printed=PRINTED, family=1, margin=0.01, **more):
    return judge({"row": Cell(tuple(values), printed, **more)}, family=family, margin=margin)["row"].word


# -- the formulas ------------------------------------------------------------------------------------------------------


def test_the_gap_beyond_rounding_is_tested_as_one_new_draw():
    found = compare(Cell(FIVE, Printed(0.951, 0.0005)))
    # Student's two-sample test with a second sample of one, moved by half a unit of the last digit
    wanted = reference.ttest_ind(FIVE, [0.9505]).pvalue
    assert found.p_value == pytest.approx(wanted, rel=1e-9)
    assert found.test == "t, one new draw"
    assert compare(Cell(FIVE, Printed(np.mean(FIVE) + 0.0004, 0.0005))).p_value == 1.0  # within rounding


def test_the_farthest_is_the_upper_end_of_a_one_sided_interval():
    found = compare(Cell(FIVE, PRINTED))
    low, high = reference.t.interval(0.90, 4, loc=np.mean(FIVE), scale=reference.sem(FIVE))
    assert found.farthest == pytest.approx(0.943 - low + 0.0005, abs=1e-12)
    assert found.gap == pytest.approx(np.mean(FIVE) - 0.943)
    assert high - low == pytest.approx(2 * (found.farthest - abs(found.gap) - 0.0005))


def test_several_printed_runs_are_welchs():
    printed = Printed(0.95, 0.0, 16, 0.004)
    found = compare(Cell(FIVE, printed))
    wanted = reference.ttest_ind_from_stats(np.mean(FIVE), np.std(FIVE, ddof=1), 5, 0.95, 0.004, 16, equal_var=False)
    assert found.p_value == pytest.approx(wanted.pvalue, rel=1e-9)
    assert (found.test, found.error) == ("Welch", found.draw)


def test_chance_is_scipys_binomial_test():
    for right in (990, 1000, 1060, 1094, 1095, 1200):
        wanted = reference.binomtest(right, 10_000, 0.1, alternative="greater").pvalue >= 0.001
        assert at_chance(right / 10_000, 10_000, 10) == wanted
    assert at_chance(0.0, 50, 10)
    assert at_chance(0.1, 10_000, 10)
    assert not at_chance(0.1, 10_000, 100)


# -- the words ---------------------------------------------------------------------------------------------------------


def test_more_data_never_reverses_a_word_by_wording():
    """The audit's case: .893 alone 'differed' from .903, with .895 it 'agreed', with .894 it 'differed' again."""
    values, printed = (0.893, 0.895, 0.894), Printed(0.903, 0.0005)
    assert [word(values[:n], printed) for n in (1, 2, 3)] == ["undecided", "undecided", "differs"]


def test_rounding_alone_is_no_difference():
    assert word((0.9043, 0.9044, 0.9043), Printed(0.904, 0.0005)) == "agrees"
    assert word((0.9043, 0.9044, 0.9043), Printed(0.9, 0.0)) == "agrees"  # beyond chance, and within the margin
    assert word((0.9243, 0.9244, 0.9243), Printed(0.904, 0.0005)) == "differs"


def test_too_little_decides_nothing():
    found = judge({"two": Cell((0.18, 0.18), PRINTED), "one": Cell((0.943,), PRINTED)}, family=2)
    assert {verdict.word for verdict in found.values()} == {"undecided"}
    assert {verdict.seeds_needed for verdict in found.values()} == {3}
    assert word((0.943,) * 5) == "undecided"  # the same run five times, or a spread that nothing shows
    lost = judge({"row": Cell(FIVE, PRINTED, ("1 of 6 seeds diverged",))}, family=1)["row"]
    assert lost.word == "undecided"
    assert lost.reason.startswith("1 of 6 seeds diverged")


def test_a_word_names_its_numbers():
    found = judge(
        {"a": Cell(FIVE, PRINTED), "b": Cell((0.90, 0.902, 0.901), PRINTED), "c": Cell((0.92, 0.96, 0.94), PRINTED)},
        family=3,
    )
    assert {row: verdict.word for row, verdict in found.items()} == {"a": "agrees", "b": "differs", "c": "undecided"}
    assert "-0.0012 against the published 0.943" in found["a"].reason
    assert "within the margin of 1 point" in found["a"].reason
    assert "Holm over 3 rows" in found["b"].reason
    assert "seeds would settle it" in found["c"].reason
    assert str(found["c"].seeds_needed) in found["c"].reason


def test_holm_is_over_the_table_and_not_over_what_was_run():
    values, printed = (0.941, 0.944, 0.939), Printed(0.965, 0.0005)
    assert [word(values, printed, family=family) for family in (1, 9)] == ["differs", "undecided"]
    with pytest.raises(ValueError, match="family"):
        judge({"a": Cell(FIVE, PRINTED), "b": Cell(FIVE, PRINTED)}, family=1)


# -- how often a word is wrong, by simulation --------------------------------------------------------------------------


def draw(random, mean, deviation, runs, images=10_000):
    """Accuracies of ``runs`` seeds, as shares of so many test images."""
    return tuple(random.binomial(images, mean + random.normal(0, deviation, runs)) / images)


def rates(gap, *, deviation=0.002, n=5, repetitions=3000, at=0.9):
    """Return the share of (agrees, differs, undecided) where the printed number is one run, rounded to three digits."""
    random = np.random.default_rng(1)
    words = []
    for _ in range(repetitions):
        printed = Printed(round(draw(random, at, deviation, 1)[0], 3), 0.0005)
        words.append(word(draw(random, at + gap, deviation, n), printed))
    return tuple(words.count(name) / repetitions for name in ("agrees", "differs", "undecided"))


@pytest.fixture(autouse=True)
def plans_are_not_needed(request, monkeypatch):
    if "simulated" in request.node.name:
        monkeypatch.setattr(against_published, "seeds_needed", lambda *_, **__: None)


@pytest.mark.parametrize(
    ("gap", "expected"), [(0.0, (0.86, 0.02, 0.12)), (0.01, (0.17, 0.39, 0.44)), (0.02, (0.0, 0.94, 0.06))]
)
def test_simulated_rates_are_those_that_were_worked_out(gap, expected):
    """Seeds' deviation .002 and 10,000 test images, five seeds; another program's figures, at an accuracy near .89."""
    assert rates(gap, at=0.885) == pytest.approx(expected, abs=0.05)


def test_simulated_agreement_with_a_gap_is_rare():
    """False 'agrees': the truth lies at the margin or beyond, whatever the seeds' spread and number."""
    random = np.random.default_rng(2)
    for deviation, n in ((0.002, 3), (0.005, 5), (0.01, 10), (0.02, 16)):
        printed = Printed(0.9, 0.0005)  # the printed number stands for itself
        at_margin = [word(random.normal(0.9 + 0.01, deviation, n), printed) for _ in range(2000)]
        assert at_margin.count("agrees") / 2000 <= 0.05 + 0.01
    assert rates(0.05, deviation=0.005, n=3)[0] == 0.0  # the audit: 59 % at two seeds


def test_simulated_difference_where_there_is_none_is_rare():
    """False 'differs', for one row: at most 5 %; with two of the audit's deviations."""
    for deviation in (0.002, 0.005):
        for n in (3, 5):
            assert rates(0.0, deviation=deviation, n=n, repetitions=2000)[1] <= 0.05 + 0.01


@pytest.mark.parametrize(("deviation", "n"), [(0.002, 5), (0.005, 5), (0.005, 3)])
def test_simulated_nine_true_rows_stay_without_a_difference(deviation, n):
    """Family-wise: of nine rows as the paper prints them at least one 'differs' in at most 5 % (the audit: 37 %)."""
    random, wrong = np.random.default_rng(3), 0
    for _ in range(800):
        cells = {}
        for row in range(9):
            printed = Printed(round(draw(random, 0.9, deviation, 1)[0], 3), 0.0005)
            cells[str(row)] = Cell(draw(random, 0.9, deviation, n), printed)
        wrong += "differs" in {verdict.word for verdict in judge(cells, family=9).values()}
    assert wrong / 800 <= 0.05 + 0.01


@pytest.mark.parametrize(
    ("gap", "expected"), [(0.0, (0.70, 0.04, 0.26)), (0.02, (0.04, 0.75, 0.21)), (0.04, (0.0, 1.0, 0.0))]
)
def test_simulated_gates_sixteen_runs_against_sixteen(gap, expected):
    """Two points' margin, deviation .02: at the margin 'agrees' is wrong in at most 5 %."""
    random, words = np.random.default_rng(4), []
    for _ in range(2000):
        theirs = random.normal(0.66, 0.02, 16)
        printed = Printed(round(theirs.mean(), 3), 0.0005, 16, float(theirs.std(ddof=1)))
        words.append(word(random.normal(0.66 + gap, 0.02, 16), printed, margin=0.02))
    found = [words.count(name) / 2000 for name in ("agrees", "differs", "undecided")]
    assert found == pytest.approx(expected, abs=0.03)


# -- the seeds that would settle it ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("deviation", "gap", "printed"),
    [
        (0.01, 0.0, Printed(0.9, 0.0005)),  # to be shown the same
        (0.01, 0.004, Printed(0.9, 0.0005)),
        (0.01, 0.05, Printed(0.9, 0.0005)),  # to be shown different
        (0.02, 0.0, Printed(0.66, 0.0005, 400, 0.02)),
        (0.02, 0.06, Printed(0.66, 0.0005, 16, 0.02)),
    ],
)
def test_simulated_plans_have_the_power_that_they_claim(deviation, gap, printed):
    margin = 0.02 if printed.n > 1 else 0.01
    plan = seeds_needed(deviation, gap, printed, family=1, margin=margin, above=0)
    random = np.random.default_rng(5)

    def power(n):
        words = []
        for _ in range(1500):
            value = printed.value + (random.normal(0, printed.deviation / math.sqrt(printed.n)) if printed.n > 1 else 0)
            cell = Printed(value, printed.half_unit, printed.n, printed.deviation)
            words.append(word(random.normal(printed.value + gap, deviation, n), cell, margin=margin))
        return 1 - words.count("undecided") / 1500

    assert power(plan) >= 0.8 - 0.03
    if plan > 4:
        assert power(plan - 2) < 0.8 + 0.03  # and it is not much more than is needed


def test_what_no_number_of_seeds_settles_has_no_plan():
    assert seeds_needed(0.02, 0.0105, Printed(0.9, 0.0005), family=9, margin=0.01, above=5) is None
    verdict = judge({"row": Cell((0.89, 0.93, 0.9115), Printed(0.9, 0.0005))}, family=9)["row"]
    assert (verdict.word, verdict.seeds_needed) == ("undecided", None)
    assert "would not settle it" in verdict.reason
