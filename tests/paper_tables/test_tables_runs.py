"""Commands and counts of a table's cells: a command makes exactly its cell's runs, and no run is dropped in silence."""

import csv
import io
import json

import pytest

from paper_tables.formats.render import render
from paper_tables.notes import LATENCIES
from reproduce.recipes.command import parse_seeds, spell_seeds, write_command, write_options
from reproduce.training import cost
from tests.golden.cases import DATA, OTHER_DATA, build, frame, recipes, row_of, run


@pytest.mark.parametrize("precision", ["fp32", "tf32", "bf16"])
def test_no_option_is_written_twice(precision):
    """As ``table --precision`` builds it: the precision is in the options, too."""
    options = write_options(data="../photos", settings=["epochs=3"], precision=precision)
    for row in build("3", recipes("hierarchical"), precision=precision, options=options).rows:
        assert row.command.count("--precision") == (precision != "fp32")
        assert row.command.endswith(options)
    with_all = write_command("vit", budget="paper", variant="as-run", seeds=(1,), options="--seeds=7 --variant as-run")
    assert with_all == "attnrepro train vit --budget paper --seeds=7 --variant as-run"


@pytest.mark.parametrize(
    ("seeds", "text"),
    [((3,), "3"), ((0, 2), "0,2"), ((4, 3, 1, 2, 0), "0-4"), ((0, 1), "0,1"), ((0, 1, 2, 5, 7, 8), "0-2,5,7,8")],
)
def test_seeds_are_spelt_as_the_command_line_reads_them(seeds, text):
    assert spell_seeds(seeds) == text
    assert parse_seeds(text) == sorted(seeds)


def test_the_command_of_a_cell_makes_its_runs_and_no_others(paper, tmp_path):
    runs = [run(paper["vit"], seed, 0.84) for seed in range(5)]
    runs += [run(paper["vit-ha"], seed, 0.87) for seed in (0, 2)] + [run(paper["san-pair"], 3, 0.8)]
    runs += [run(paper["san-patch"], 0, 0.8), run(recipes("hierarchical")["vit"], 9, 0.4)]
    built = build("3", paper, frame(runs, tmp_path), seeds=range(3))
    said = {row.row: row.command.removeprefix(f"attnrepro train {row.row} --budget paper") for row in built.rows}
    assert said["vit"] == " --seeds 0-4"
    assert said["vit-ha"] == " --seeds 0,2"
    assert said["san-pair"] == " --seeds 3"
    assert said["san-patch"] == ""  # seed 0 alone is the default
    assert said["san-pair-ha"] == " --seeds 0-2"  # not run: what was asked for
    for row in built.rows:
        shown = row.measured["top1"].n if row.measured else 3
        assert len(parse_seeds(said[row.row].removeprefix(" --seeds ") or "0")) == shown


def test_diverged_runs_are_counted_in_every_format(tmp_path):
    plan = recipes("accuracy", "as-run", "paper")
    gone = {"top1_last": None, "top1_best": None, "top1_val_selected": None, "status": "diverged"}
    runs = [run(plan["resnet18"], 0, 0.936), run(plan["resnet18"], 1, 0.1, **gone)]
    runs += [run(plan["learned"], seed, 0.1, **gone) for seed in (0, 1)]
    built = build("accuracy", plan, frame(runs, tmp_path), frame(runs, tmp_path))
    one, none = row_of(built, "resnet18"), row_of(built, "learned")
    assert (one.measured["top1"].n, one.diverged, one.committed_diverged) == (1, 1, 1)
    assert one.command.endswith("--seeds 0,1")
    assert (none.measured, none.diverged, none.committed_diverged) == ({}, 2, 2)
    assert none.verdict.word == "undecided"
    assert "2 of 2 seeds diverged" in none.verdict.reason
    assert row_of(built, "quadratic").verdict.word == "not run"
    for form in ("text", "md", "latex", "html", "json"):
        text = " ".join(render(built, form).split())
        assert "in no mean and no test: resnet18 1, learned 2." in text, form
    assert "n=1, 1 diverged" in render(built, "md")
    lines = {line["row"]: line for line in csv.DictReader(io.StringIO(render(built, "csv")))}
    assert [lines[row]["diverged"] for row in ("resnet18", "quadratic", "learned")] == ["1", "0", "2"]
    document = {row["row"]: row for row in json.loads(render(built, "json"))["rows"]}
    assert (document["learned"]["diverged"], document["resnet18"]["committed_diverged"]) == (2, 1)


def test_diverged_runs_of_another_identity_are_not_counted(smoke, tmp_path):
    odd = [{"precision": "bf16"}, {"recipe_sha256": "0" * 64}, {"data_sha256": OTHER_DATA}, {"status": "failed"}]
    runs = [run(smoke["vit"], 0, 0.5)]
    runs += [run(smoke["vit"], 1, 0.5, run_id=f"odd{i}", **{"status": "diverged"} | each) for i, each in enumerate(odd)]
    again = run(smoke["vit"], 0, 0.5, run_id="first", started="2026-01-01T00:00:00+00:00", status="diverged")
    row = row_of(build("3", smoke, frame([again, *runs], tmp_path), data_sha256={"vit": DATA}), "vit")
    assert (row.measured["top1"].n, row.diverged) == (1, 0)  # seed 0 has finished since


def test_runs_without_an_accuracy_are_counted(paper, tmp_path):
    runs = [run(paper["vit"], 0, 0.84), run(paper["vit"], 1, 0.84, top1_val_selected=None)]
    built = build("3", paper, frame(runs, tmp_path))
    row = row_of(built, "vit")
    assert (row.measured["top1"].n, row.unscored, row.diverged) == (1, 1, 0)
    assert "n=1, 1 unscored" in render(built, "md")
    assert any("without a finite top1_val_selected, in no mean of it: vit 1." in note for note in built.notes)
    assert not any("iverged" in note for note in built.notes)


def test_the_repetitions_behind_a_wall_time_are_those_that_are_made(monkeypatch):
    made = []
    monkeypatch.setattr(cost, "latency_ms", lambda *_, repetitions, **__: made.append(repetitions) or [1.0])
    for full in (True, False):
        cost.mean_latency_ms(None, 32, full=full)
    assert made == [LATENCIES["full"], LATENCIES["smoke"]]


def test_costs_say_their_n_where_it_is_another_than_the_accuracys(smoke, tmp_path):
    runs = [run(smoke["vit"], 0, 0.5, device="cuda:0"), run(smoke["vit"], 1, 0.5), run(smoke["vit-ha"], 0, 0.5)]
    text = render(build("3", smoke, frame(runs, tmp_path)), "md")
    assert "4.500 (n=1, paper 7.094)" in text
    assert "4.500 (paper 6.302)" in text
    assert "mean of 30 per run, of mini models; n as of the accuracy where no other stands" in text


def test_single_runs_are_compared_with_their_n(tmp_path):
    plan = recipes("gates", budget="paper")
    text = render(
        build("gates", plan, frame([run(plan["cnn"], 0, 0.66), run(plan["cnn-eca"], 0, 0.67)], tmp_path)), "md"
    )
    assert "n=1, test images alone" in text
    assert "from our runs (budget paper)" in text
