"""Curves: the numbers are the histories' and the digitised ones; runs of different identity never share a curve."""

import csv
from pathlib import Path

import pytest

from figures.by_number import draw_published
from figures.curves import CurveRequest, draw_curves, find_rows, read_runs
from paper_tables.published import read_curves, read_losses
from reproduce.errors import UserError
from reproduce.stats.intervals import summarise
from tests.browser.runs import make_run


@pytest.fixture(autouse=True)
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ATTNREPRO_RESULTS", str(tmp_path))
    return tmp_path


def test_a_band_is_the_interval_over_seeds() -> None:
    for seed, top1 in enumerate((0.4, 0.5, 0.8)):
        make_run("learned", seed=seed, top1=top1)
    make_run("learned", seed=0, top1=0.1, optimiser__lr=0.5)
    curves = read_runs("learned", CurveRequest(name="learned"))
    assert [curve.seeds for curve in curves] == [3, 1]
    expected = summarise([0.4, 0.5, 0.8], share=True)
    found = (curves[0].mean[-1], curves[0].low[-1], curves[0].high[-1])
    assert found == pytest.approx((expected.mean, expected.low, expected.high))
    assert curves[0].epochs == [1, 2, 3]
    assert curves[1].mean[-1] == pytest.approx(0.1)
    assert curves[1].low == [None] * 3


def test_the_csv_holds_what_is_drawn(results: Path) -> None:
    make_run("learned", top1=0.6)
    record = draw_curves(CurveRequest(name="accuracy"))
    assert record["axis"] == "progress"  # three epochs beside 301
    assert any("attnrepro train vit" in note or "attnrepro train resnet18" in note for note in record["notes"])
    with Path(record["data"][0]).open() as file:
        lines = list(csv.DictReader(file))
    published = [point for point in read_curves() if point.row == "learned"]
    found = [line for line in lines if line["row"] == "learned" and line["of"] == "published"]
    assert [(int(line["epoch"]), float(line["test_top1"])) for line in found] == [(p.epoch, p.top1) for p in published]
    ours = [float(line["test_top1"]) for line in lines if line["of"] == "ours"]
    assert ours == pytest.approx([0.2, 0.4, 0.6])
    assert Path(record["figures"][0]).stat().st_size > 20_000


def test_losses_have_no_published_curve() -> None:
    make_run("learned")
    record = draw_curves(CurveRequest(name="learned", metric="train-loss", form="svg"))
    assert record["axis"] == "epochs"
    assert "published" not in Path(record["data"][0]).read_text()


def test_published_losses_lie_under_ours() -> None:
    """Figure 4 of the ECE 176 report: read-offs of four curves, and our runs where there are any."""
    make_run("ece176-proposed-pair")
    record = draw_published("ece4", budget=None, form="svg", out=None, say=print)[0]
    with Path(record["data"][0]).open() as file:
        lines = list(csv.DictReader(file))
    published = [
        (line["row"], int(line["epoch"]), float(line["train_loss"])) for line in lines if line["of"] == "published"
    ]
    assert sorted(published) == sorted((p.row, p.epoch, p.loss) for p in read_losses())
    assert {line["row"] for line in lines if line["of"] == "ours"} == {"ece176-proposed-pair"}
    alone = draw_curves(CurveRequest(name="stacking", metric="train-loss", variant="as-run"))
    assert "published only" in alone["title"]


def test_what_cannot_be_drawn_is_said() -> None:
    with pytest.raises(UserError, match="no row of 'vit'"):
        draw_curves(CurveRequest(name="vit"))
    with pytest.raises(UserError, match="no metric"):
        draw_curves(CurveRequest(name="accuracy", metric="top2"))
    with pytest.raises(UserError, match="no format"):
        draw_curves(CurveRequest(name="accuracy", form="gif"))
    with pytest.raises(UserError, match="no axis"):
        draw_curves(CurveRequest(name="accuracy", axis="hours"))
    with pytest.raises(UserError, match="no table or row"):
        find_rows("acuracy")
