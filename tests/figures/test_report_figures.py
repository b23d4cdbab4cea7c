"""The report's figures: each is the one drawn from the present ledger, and says what it shows, of how many runs."""

import csv
import re
import shutil

import pytest

from figures.curves import Curve, Point, name_published, read_points
from figures.report import drawings, picture, write
from figures.report.content import gather
from figures.report.forest import draw_forest
from figures.report.picture import FOLDER
from figures.report.seal import find_damage, seal
from figures.report.tables import show_table
from paper_tables.measured import committed_runs
from reproduce.errors import UserError
from reproduce.recipes.registry import TABLES
from reproduce.recipes.settings import override
from tests.golden.cases import OTHER_DATA, frame, recipes, run

SVG = b'<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg"><path d="M 0 0"/></svg>\n'


def test_a_seal_finds_other_numbers_and_any_change():
    sealed = seal(SVG, "0123")
    assert sealed.startswith(SVG.rstrip())
    assert find_damage(sealed, "0123") is None
    assert find_damage(sealed.replace(b"\n", b"\r\n"), "0123") is None  # a checkout's line ends
    assert "other numbers" in find_damage(sealed, "4567")
    assert "changed" in find_damage(sealed.replace(b"M 0 0", b"M 0 1"), "0123")
    assert "no seal" in find_damage(SVG, "0123")
    assert "no seal" in find_damage(b"", "0123")
    assert "no seal" in find_damage(sealed[:-20], "0123")


@pytest.fixture
def checkout(tmp_path, monkeypatch, content):
    """Return a checkout of its own: the committed attention figures, everything else drawn there."""
    folder = tmp_path / "paper_tables" / "measured" / "figures"
    folder.mkdir(parents=True)
    for path in [FOLDER / "captions.csv", *FOLDER.glob("attention-*")]:
        shutil.copy(path, folder)
    (tmp_path / "pyproject.toml").touch()
    monkeypatch.setattr(write, "ROOT", tmp_path)
    monkeypatch.setattr(write, "FOLDER", folder)
    monkeypatch.setattr(picture, "FOLDER", folder)
    monkeypatch.setattr(write, "gather", lambda: content)
    write.write_root()
    assert write.check_report()["written"] == []
    return folder


def test_a_destroyed_drawing_is_found(checkout):
    whole = {path: path.read_bytes() for path in sorted(checkout.glob("*.svg"))}
    assert len(whole) > 5
    first, second, *_ = whole
    for damaged in (b'<svg xmlns="http://www.w3.org/2000/svg"></svg>', b"", whole[second]):
        first.write_bytes(damaged)
        with pytest.raises(UserError, match=first.name) as caught:
            write.check_report()
        assert "make report" in caught.value.hint
        first.write_bytes(whole[first])
        assert write.check_report()
    first.unlink()
    with pytest.raises(UserError, match=first.name):
        write.check_report()


def test_an_exchanged_attention_figure_is_found_even_after_the_report_was_written_anew(checkout):
    path = next(checkout.glob("*.png"))
    path.write_bytes(b"\x89PNG something else")
    write.write_root()
    with pytest.raises(UserError, match=f"{path.name} is not the one to show: it is not the file"):
        write.check_report()
    text = (checkout / "captions.csv").read_text()
    (checkout / "captions.csv").write_text("\n".join(line.rpartition(",")[0] for line in text.splitlines()) + "\n")
    write.write_root()
    with pytest.raises(UserError, match=r"captions\.csv does not state its sha256"):
        write.check_report()


def test_a_figure_of_another_ledger_is_found(checkout, monkeypatch, content):
    """Where REPORT.md was written anew and its figures were not."""
    runs = committed_runs()
    changed = runs.assign(top1_val_selected=runs["top1_val_selected"] + 0.01)
    other = gather(changed)
    monkeypatch.setattr(write, "gather", lambda: other)
    drawn = {path: path.read_bytes() for path in checkout.glob("*.svg")}
    write.write_root()
    for path, old in drawn.items():
        path.write_bytes(old)
    with pytest.raises(UserError, match="it shows other numbers"):
        write.check_report()


def test_a_link_to_nowhere_is_found(checkout, monkeypatch):
    content, pictures, text = write._render_root()
    text += "\n![gone](paper_tables/measured/figures/gone.png)\n"
    monkeypatch.setattr(write, "_render_root", lambda: (content, pictures, text))
    (write.ROOT / "REPORT.md").write_text(text)
    with pytest.raises(UserError, match=r"links to paper_tables/measured/figures/gone\.png"):
        write.check_report()


def test_every_committed_figure_names_its_data_images_and_digest():
    with (FOLDER / "captions.csv").open(encoding="utf-8", newline="") as source:
        for line in csv.DictReader(source):
            assert len(line["sha256"]) == 64
            assert "budget" in line["caption"]
            assert "n=" in line["caption"]
            train, _, plot = line["command"].partition(" && ")
            assert train.startswith("attnrepro train ")
            assert "--data PATH" in train or "cifar10-jpeg75" not in line["caption"]
            assert plot.startswith("attnrepro plot-attention ")


def test_what_is_drawn_here_names_the_command_that_draws_it(pictures):
    for group in pictures.values():
        for one in group:
            assert (one.make is None) == one.command.startswith("attnrepro train ")
            assert one.make is None or one.command == "make report"


def test_the_origin_of_published_points_is_the_true_one(pictures):
    captions = {one.name: one.caption for group in pictures.values() for one in group}
    for name in ("curves-stacking.svg", "curves-gates.svg"):
        assert "No curve is published for these rows." in captions[name]
        assert "read off" not in captions[name]
        assert re.search(r"n=\d+( or \d+)* a curve", captions[name])
    assert "saved numbers" in captions["curves-augmented.svg"]
    assert "read off" not in captions["curves-augmented.svg"]
    for name in ("curves-accuracy.svg", "curves-stacking-loss.svg"):
        assert "read off the plots; the band is the error of reading, 0.0" in captions[name]
    both = [Point("vit", 1, 0.5, 0.003), Point("vit", 2, 0.6, 0.0)]
    assert "0.003, others are the authors' saved numbers" in drawings._tell_points(both)
    assert {bool(point.error) for point in read_points("top1")} == {True, False}


def test_a_legend_names_the_data_once_and_how_the_points_were_got():
    read, saved = [Point("vit", 1, 0.5, 0.003)], [Point("vit", 1, 0.5, 0.0)]
    assert name_published("resnet18", read) == "ResNet18: published, cifar10, digitised"
    assert name_published("wrn-c100", saved) == "Wide-ResNet, CIFAR-100: published, saved numbers"
    assert (
        name_published("wrn-tiny", read + saved) == "Wide-ResNet, Tiny-ImageNet: published, digitised and saved numbers"
    )


def test_our_curves_say_how_many_seeds_they_are_of():
    curves = [Curve("vit", "", "paper", "cifar10", [1], [0.5], [None], [None], seeds, 1) for seeds in (1, 3)]
    assert drawings._tell_ours(curves) == "paper (cifar10, n=1 or 3 a curve)"


def test_dots_name_budget_data_n_and_what_diverged(tmp_path):
    plan = recipes("hierarchical", budget="paper")
    runs = [run(plan["vit"], seed, 0.84) for seed in (0, 1)] + [run(plan["vit"], 2, 0.1, status="diverged")]
    shown = show_table(TABLES["hierarchical"], frame(runs, tmp_path))[0]
    assert (
        "vit: printed 0.843, ours 0.840 [0.840, 0.840] (paper, cifar10, n=2, 1 diverged)"
        in draw_forest(shown.table).alt
    )


def test_commands_name_the_data_of_the_rows_that_read_other_data(tmp_path):
    plan = recipes("hierarchical", budget="paper")
    copied = override(plan["vit-ha"], {"data.name": "cifar10-jpeg75"})
    runs = [run(plan["vit"], 0, 0.84), *(run(copied, seed, 0.8, data_sha256=OTHER_DATA) for seed in range(3))]
    commands = dict(show_table(TABLES["hierarchical"], frame(runs, tmp_path))[0].commands)
    assert commands["vit"] == "attnrepro train vit --budget paper"
    assert commands["vit-ha"] == (
        f"attnrepro train vit-ha --budget paper --seeds 0-2 --data PATH  # of cifar10-jpeg75, {OTHER_DATA[:12]}"
    )


def test_hours_are_of_the_runs_that_were_timed(tmp_path):
    plan = recipes("hierarchical")
    runs = [run(plan["vit"], 0, 0.4, train_seconds=7200), run(plan["vit-ha"], 0, 0.4)]
    runs += [run(plan["san-pair"], 0, 0.1, status="diverged", train_seconds=3600)]
    content = gather(frame(runs, tmp_path))
    said = " ".join(content.measured)
    assert "2.0 hours of training in the 1 of 2 runs that were timed" in said
    assert "Runs that diverged, besides: 1;" in said
    assert ["seed 0, diverged" in row[0].detail for row in content.runs.rows] == [True, False, False]
    assert "no run was timed" in " ".join(gather(frame(runs[1:2], tmp_path)).measured)
