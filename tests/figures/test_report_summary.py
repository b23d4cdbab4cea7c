"""The report's first page on forged ledgers: what it says follows from the runs, and from nothing else."""

import re

import pytest

from figures.report.content import open_chapter
from figures.report.forest import LEAD, draw_forest
from figures.report.front_html import write_answer as html_answer
from figures.report.front_html import write_standings as html_standings
from figures.report.front_markdown import write_answer, write_standings
from figures.report.summary.speeds import Speed, count_images, read_speeds
from figures.report.summary.summary import summarise
from paper_tables import deviations
from paper_tables.claims.studies.registry import STUDIES
from reproduce.data.cards import CARDS
from reproduce.recipes.settings import override
from tests.golden.cases import EMPTY, frame, recipes, run

PATCH, PAIR = "ece176-baseline-patch", "ece176-baseline-pair"  # printed .5973 and .5353
STRAY = (-0.002, 0.0, 0.001, 0.002, -0.001)


@pytest.fixture
def plan():
    return recipes("stacking", budget="paper")


def summarise_runs(runs, tmp_path, study="ece176"):
    ledger = frame(runs, tmp_path) if runs else EMPTY
    return summarise([open_chapter(STUDIES[study], ledger)], deviations.read(), ledger)


def seeds_around(recipe, mean, **more):
    return [run(recipe, seed, round(mean + stray, 4), **more) for seed, stray in enumerate(STRAY)]


def printed(row):
    (table,) = [shown.table for shown in open_chapter(STUDIES["ece176"], EMPTY).tables]
    return next(one.published["top1"].value for one in table.rows if one.row == row)


def test_without_runs_it_says_so_and_names_a_step(tmp_path):
    summary = summarise_runs([], tmp_path)
    assert summary.headline == "No published accuracy has been confirmed or refuted: no network has been trained."
    (standing,) = summary.standings
    assert standing.open_accuracies == standing.accuracies == 4
    assert {one.way for one in standing.settled} <= {"structure", "arithmetic"}
    assert "No claim is decided by training yet." in summary.paragraph
    assert standing.step.seeds == standing.step.missing == 3  # the least that a verdict takes
    assert standing.step.command == f"attnrepro train {PATCH} --budget paper --seeds 0-2"


def test_runs_on_other_images_confirm_nothing(plan, tmp_path):
    copied = override(plan[PATCH], {"data.name": "cifar10-jpeg75"})
    summary = summarise_runs(seeds_around(copied, printed(PATCH)), tmp_path)
    assert summary.headline == (
        "No published accuracy has been confirmed or refuted: no run used CIFAR-10 itself "
        "(5 used a JPEG copy of CIFAR-10)."
    )


def test_runs_at_another_budget_confirm_nothing(tmp_path):
    short = recipes("stacking", budget="short")[PATCH]
    said = summarise_runs(seeds_around(short, printed(PATCH)), tmp_path).headline
    assert said.endswith("no run had the paper's budget and size of network (5 had its data).")


def test_two_seeds_do_not_decide_and_the_step_asks_for_the_third(plan, tmp_path):
    summary = summarise_runs(seeds_around(plan[PATCH], printed(PATCH))[:2], tmp_path)
    assert summary.headline.endswith("the runs of 1 row at the paper's setting do not decide yet.")
    step = summary.standings[0].step
    assert (step.accuracy.row.row, step.seeds, step.missing) == (PATCH, 3, 1)
    assert "2 of them run already" in step.say()


def test_an_accuracy_that_agrees_is_confirmed(plan, tmp_path):
    summary = summarise_runs(seeds_around(plan[PATCH], printed(PATCH)), tmp_path)
    assert summary.headline.startswith(f"Of 4 published accuracies 1 is confirmed ({PATCH}: printed 0.5973, ours 0.597")
    assert "0 are refuted" in summary.headline
    (standing,) = summary.standings
    assert [one.mark for one in standing.settled if one.way == "runs"] == [PATCH]
    assert standing.open_accuracies == 3
    assert standing.step.accuracy.row.row != PATCH


def test_an_accuracy_that_differs_is_refuted(plan, tmp_path):
    summary = summarise_runs(seeds_around(plan[PAIR], printed(PAIR) + 0.08), tmp_path)
    assert "0 are confirmed and 1 is refuted" in summary.headline
    (standing,) = summary.standings
    assert [one.mark for one in standing.contradicted if one.way == "runs"] == [PAIR]


def test_mixed_runs_are_counted_side_by_side(plan, tmp_path):
    runs = seeds_around(plan[PATCH], printed(PATCH)) + seeds_around(plan[PAIR], printed(PAIR) + 0.08)
    runs += seeds_around(plan["ece176-proposed-patch"], 0.7)[:2]
    said = summarise_runs(runs, tmp_path).headline
    assert "1 is confirmed" in said
    assert "1 is refuted" in said
    assert said.endswith("1 is undecided after runs, 1 has no run that may be held against it.")


def test_a_claim_that_runs_decide_is_counted_as_such(plan, tmp_path):
    runs = [found for row, top1 in ((PATCH, 0.6), (PAIR, 0.5)) for found in seeds_around(plan[row], top1)]
    runs += seeds_around(plan["ece176-proposed-patch"], 0.75) + seeds_around(plan["ece176-proposed-pair"], 0.64)
    summary = summarise_runs(runs, tmp_path)
    ways = {one.mark: one.way for one in summary.standings[0].settled}
    assert ways["ece-1"] == ways["ece-2"] == "runs"
    assert re.search(r"By training, \d+ hold and \d+ fail\.", summary.paragraph)


def test_older_fingerprints_are_the_same_data(plan, tmp_path):
    card = CARDS["cifar10"]
    runs = seeds_around(plan[PATCH], printed(PATCH), data_sha256=card.content)
    runs[:2] = [one | {"data_sha256": card.older[0]} for one in runs[:2]]
    chapter = open_chapter(STUDIES["ece176"], frame(runs, tmp_path))
    found = next(row for row in chapter.tables[0].table.rows if row.row == PATCH)
    assert found.measured["top1"].n == 5
    assert chapter.tables[0].table.data_sha256 == card.content


def test_hours_follow_from_the_measured_rate_of_the_row(plan, tmp_path):
    recipe = recipes("stacking", budget="short")[PATCH]
    timed = [run(recipe, seed, 0.4, images_per_second=rate, device="Some GPU") for seed, rate in enumerate((90, 100))]
    timed += [run(recipe, 2, 0.4, images_per_second=5000, device="Other GPU")]
    speeds = read_speeds(frame(timed, tmp_path), tmp_path / "none")
    assert speeds == {PATCH: Speed(95.0, "Some GPU, committed runs")}
    assert count_images(plan[PATCH]) == 45_000 * plan[PATCH].total_epochs  # a tenth is held out
    step = summarise_runs(timed, tmp_path).standings[0].step
    assert step.hours == pytest.approx(3 * count_images(plan[PATCH]) / 95 / 3600)
    assert "(Some GPU, committed runs)" in step.say_hours()
    assert len(step.commands) == 1


def test_mini_models_and_untimed_runs_tell_no_hours(tmp_path):
    smoke = recipes("stacking")[PATCH]
    assert read_speeds(frame([run(smoke, 0, 0.4, images_per_second=900.0)], tmp_path), tmp_path / "none") == {}
    step = summarise_runs([], tmp_path).standings[0].step
    assert step.hours is None
    assert "not measured here" in step.say_hours()
    assert step.commands[1] == f"attnrepro bench --cpu --suite train --rows {PATCH}/fp32"


def test_printed_means_are_planned_for_with_their_own_spread(tmp_path):
    (standing,) = summarise_runs([], tmp_path, "gates").standings
    assert standing.step.seeds > 3
    assert "if ours spread as the paper's runs do" in standing.step.say()
    ways = {one.mark: one.way for one in (*standing.settled, *standing.contradicted)}
    assert ways["gate-4"] == "printed numbers"  # 16 runs each: tested


def test_single_printed_numbers_contradict_and_never_settle(tmp_path):
    summary = summarise_runs([], tmp_path, "augmented")
    (standing,) = summary.standings
    assert {"aa-3", "aa-4"} <= {one.mark for one in standing.contradicted if one.way == "single printed numbers"}
    assert "single printed numbers" not in {one.way for one in standing.settled}
    assert {one.number for one in standing.slips} >= {"A3", "A8"}
    assert "bear out 0 more, and contradict 3 (3 by numbers of one run each)." in summary.paragraph


def test_both_forms_say_the_same(plan, tmp_path):
    summary = summarise_runs(seeds_around(plan[PATCH], printed(PATCH)), tmp_path)
    counts = {"ece176": {"holds": 1, "fails": 1}}
    page = html_answer(summary) + "".join(html_standings(summary, counts))
    text = "\n".join([*write_answer(summary), *write_standings(summary)])
    plain = re.sub(r"\\(.)", r"\1", text)
    (standing,) = summary.standings
    for found in (*standing.settled, *standing.contradicted):
        assert found.mark in page
        assert found.mark in text
    for command in standing.step.commands:
        assert command in page
        assert command in text
    assert summary.headline in plain
    assert summary.headline in page


def test_a_forest_has_every_row_with_what_may_be_compared(plan, tmp_path):
    runs = seeds_around(plan[PATCH], printed(PATCH))
    runs += seeds_around(override(plan[PAIR], {"data.name": "cifar10-jpeg75"}), 0.5)
    table = open_chapter(STUDIES["ece176"], frame(runs, tmp_path)).tables[0].table
    picture = draw_forest(table)
    assert "2 of 6 rows were run, 1 of them so that the two may be compared." in picture.caption
    assert all(row.row in picture.alt for row in table.rows)
    axes = picture.make().axes[0]
    faces = {line.get_markerfacecolor() for line in axes.lines if line.get_marker() == "o"}
    assert faces == {"white", "#0072b2"}
    bands = [patch.get_width() for patch in axes.patches]
    assert bands == pytest.approx([2 * table.paper.margin] * 4)  # two rows print nothing
    assert "margin" in LEAD
