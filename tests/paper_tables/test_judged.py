"""Accuracies from elsewhere get the verdict that our own runs with the same accuracies get."""

import csv
import io
import json

import pytest

from paper_tables.formats.render import FORMATS, render
from paper_tables.judged import judge_file, judge_table
from reproduce.errors import UserError
from tests.golden.cases import build, frame, recipes, row_of, run

ARMS = {
    "vit": (0.8431, 0.8452, 0.8419),
    "vit-ha": (0.8610, 0.8622, 0.8599, 0.8630),
    "san-pair": (0.83,),
    "san-patch": (0.857, 0.10, 0.858, 0.859),
    "learned-content": (0.871, 0.872, 0.873),
}


def write(path, arms, test_images=10_000):
    lines = ["row,seed,accuracy,test_images"]
    lines += [f"{row},{seed},{value},{test_images}" for row, of in arms.items() for seed, value in enumerate(of)]
    path.write_text("\n".join(lines) + "\n")
    return path


def test_the_engine_is_that_of_our_own_tables(paper, tmp_path):
    runs = [run(paper[row], seed, value) for row, of in ARMS.items() for seed, value in enumerate(of)]
    ours, theirs = build("3", paper, frame(runs, tmp_path)), judge_table("3", write(tmp_path / "runs.csv", ARMS))
    assert [row.row for row in theirs.rows] == [row.row for row in ours.rows]
    for row in ARMS:
        assert row_of(theirs, row).verdict == row_of(ours, row).verdict
        assert row_of(theirs, row).measured["top1"] == row_of(ours, row).measured["top1"]
    words = [row_of(theirs, row).verdict.word for row in (*ARMS, "vit-ha")]
    assert words == ["agrees", "differs", "undecided", "undecided", "not comparable", "differs"]
    assert "no better than chance" in row_of(theirs, "san-patch").verdict.reason
    assert [pair.gain for pair in theirs.pairs] == [pair.gain for pair in ours.pairs]


def test_the_paper_s_sixteen_runs_are_welchs_here_too(tmp_path):
    plan = recipes("gates", budget="paper")
    values = [0.66 + step / 500 for step in range(-8, 8)]
    runs = frame([run(plan[row], s, v) for row in ("cnn", "cnn-eca") for s, v in enumerate(values)], tmp_path)
    ours = build("gates", plan, runs)
    theirs = judge_table("gates", write(tmp_path / "runs.csv", {"cnn": values, "cnn-eca": values}))
    assert row_of(theirs, "cnn").verdict == row_of(ours, "cnn").verdict
    assert row_of(theirs, "cnn").verdict.word == "agrees"
    assert [one.row for one in theirs.against_published] == [one.row for one in ours.against_published]
    assert theirs.against == ours.against


def test_test_images_are_held_against_the_official_number(tmp_path):
    fifty = judge_table("3", write(tmp_path / "runs.csv", {"vit": (0.84, 0.85, 0.86)}, test_images=50))
    assert row_of(fifty, "vit").verdict.word == "not comparable"
    assert "50 test images, not 10,000" in row_of(fifty, "vit").verdict.reason
    silent = judge_table("3", write(tmp_path / "runs.csv", {"vit": (0.843, 0.844, 0.842)}, test_images=""))
    assert row_of(silent, "vit").verdict.word == "agrees"
    assert any("taken for granted" in note for note in silent.notes)


def test_a_diverged_seed_decides_nothing(tmp_path):
    arms = {"vit": (0.843, 0.844, 0.842, "diverged"), "vit-ha": ("diverged", "diverged")}
    found = judge_table("3", write(tmp_path / "runs.csv", arms))
    assert "1 of 4 seeds diverged" in row_of(found, "vit").verdict.reason
    assert (row_of(found, "vit").measured["top1"].n, row_of(found, "vit").diverged) == (3, 1)
    assert "2 of 2 seeds diverged" in row_of(found, "vit-ha").verdict.reason
    assert {row_of(found, row).verdict.word for row in arms} == {"undecided"}
    assert row_of(found, "san-pair").verdict.word == "not run"


@pytest.mark.parametrize("form", FORMATS)
def test_every_format(form, tmp_path):
    printed = tmp_path / "printed.csv"
    printed.write_text("row,accuracy,deviation,n,test_images,classes\na,0.930,,,10000,10\nb,0.667,0.019,16,,\n")
    measured = write(tmp_path / "runs.csv", {"a": (0.9312, 0.9291, 0.93)}, test_images="")
    for built in (judge_file(printed, measured), judge_table("3", write(tmp_path / "m.csv", ARMS))):
        text = render(built, form)
        assert "agrees" in text
        assert str(tmp_path) not in text
        if form == "json":
            rows = json.loads(text)["rows"]
            assert len(rows) == len(built.rows)
        elif form == "csv":
            assert [line["row"] for line in csv.DictReader(io.StringIO(text))] == [row.row for row in built.rows]


def test_a_table_of_ones_own(tmp_path):
    printed = tmp_path / "printed.csv"
    printed.write_text("row,accuracy,test_images,classes\na,0.930,10000,10\nb,0.51,10000,10\nc,0.3,10000,10\n")
    arms = {"a": (0.9312, 0.9291, 0.93), "b": (0.6012, 0.6, 0.6007), "c": (0.1, 0.3, 0.31)}
    found = judge_file(printed, write(tmp_path / "runs.csv", arms))
    assert [row.verdict.word for row in found.rows] == ["agrees", "differs", "undecided"]
    assert "Holm over 3 rows" in row_of(found, "b").verdict.reason
    narrow = judge_file(printed, write(tmp_path / "runs.csv", arms), margin=0.001)
    assert row_of(narrow, "a").verdict.word == "undecided"
    assert "margin is 0.1 points" in row_of(narrow, "a").verdict.reason


def test_what_cannot_be_judged(tmp_path):
    measured = write(tmp_path / "runs.csv", {"vit": (0.84,)})
    with pytest.raises(UserError, match="no table is called"):
        judge_table("hierarchal", measured)
    with pytest.raises(UserError, match="has no accuracies"):
        judge_table("4", measured)
    with pytest.raises(UserError, match="no row 'vit'"):
        judge_table("gates", measured)
    with pytest.raises(UserError, match="no share"):
        judge_file(measured, measured, margin=1)
