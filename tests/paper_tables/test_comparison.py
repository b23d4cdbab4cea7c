"""Every row against the plain one: the gates report's statistics, from its printed numbers and from runs."""

import pytest

from paper_tables import published
from paper_tables.comparison import compare_published, compare_runs
from reproduce.recipes.registry import TABLES

ROWS = TABLES["gates"].rows


@pytest.fixture(scope="module")
def printed():
    return {one.row: one for one in compare_published(published.read_table("gates"), ROWS, "cnn")}


def test_the_published_numbers_say_what_was_worked_out_by_hand(printed):
    assert list(printed) == [row for row in ROWS if row != "cnn"]
    significant = {row for row, one in printed.items() if one.corrected < 0.05}
    assert significant == {"cnn-cbam", "cnn-linae", "cnn-linae-eca"}
    assert all(printed[row].contrast.interval.mean < 0 for row in significant)  # all worse
    assert printed["cnn-cbam"].corrected == pytest.approx(0.031, abs=0.002)
    convae = printed["cnn-convae"]
    assert convae.contrast.interval.mean == pytest.approx(0.008)
    assert convae.contrast.p_value == pytest.approx(0.27, abs=0.02)
    assert convae.contrast.detectable == pytest.approx(0.02, abs=0.001)


def test_similar_is_shown_within_two_points_and_not_within_one(printed):
    assert printed["cnn-deep"].equivalent[0.01] > 0.05
    assert printed["cnn-spatial-eca"].equivalent[0.02] < 0.01
    assert all(one.equivalent[0.01] is None or one.equivalent[0.01] > 0.05 for one in printed.values())
    assert printed["cnn-linae"].equivalent == {0.01: None, 0.02: None}  # the means lie beyond


def test_printed_numbers_have_no_ranks_or_spreads(printed):
    assert all((one.ranks, one.spread, one.bootstrap) == (None, None, None) for one in printed.values())


def test_runs_have_all_of_it():
    base = tuple(0.66 + step / 500 for step in range(-8, 8))
    runs = {"cnn": base, "cnn-eca": tuple(value + 0.03 for value in base), "cnn-cbam": (0.6,)}
    eca, cbam = compare_runs(runs, 10_000, ROWS, "cnn")
    assert (eca.row, cbam.row) == ("cnn-eca", "cnn-cbam")
    assert eca.corrected >= eca.contrast.p_value
    assert eca.ranks < 0.01
    assert eca.spread == pytest.approx(1.0)
    assert eca.bootstrap.low < 0.03 < eca.bootstrap.high
    assert cbam.contrast.covers == "seeds"  # one run is one new draw of the plain row's spread
    alone = {"cnn": (0.66,), "cnn-cbam": (0.6,)}
    assert compare_runs(alone, 10_000, ROWS, "cnn")[0].contrast.covers == "test images"
    assert (cbam.ranks, cbam.spread, cbam.bootstrap) == (None, None, None)


def test_without_the_plain_row_there_is_nothing_to_compare():
    assert compare_runs({"cnn-eca": (0.6, 0.7)}, 10_000, ROWS, "cnn") == []
