"""Tables: what may share a cell, what may be compared, and what is said where nothing was run."""

import csv
import io
import json
import subprocess
import sys
from pathlib import Path

import pytest

from paper_tables import build as tables
from paper_tables.formats.render import FORMATS, render
from paper_tables.measured import committed_runs, read_counts
from reproduce.errors import UserError
from reproduce.record import ledger
from reproduce.stats import intervals
from reproduce.stats.against_published import WORDS
from tests.golden.cases import DATA, EMPTY, build, frame, recipes, row_of, run


def test_nothing_run_gives_dashes_and_commands(smoke):
    built = build("hierarchical", smoke)
    assert [row.row for row in built.rows] == [*smoke]
    for row in built.rows:
        assert (row.measured, row.committed, row.committed_verdict) == ({}, None, None)
        assert row.verdict.word == "not run"
        assert row.command == f"attnrepro train {row.row} --budget smoke"
    for form in ("text", "md", "latex", "html"):
        text = render(built, form)
        assert "attnrepro train vit-ha --budget smoke" in text.replace("{-}", "-")


def test_names_and_numbers_resolve_and_others_get_the_nearest(smoke):
    assert build("3", smoke) == build("hierarchical", smoke)
    with pytest.raises(UserError) as caught:
        build("hierarchial", smoke)
    assert "hierarchical" in caught.value.hint
    with pytest.raises(UserError, match="settings"):
        build("4", smoke)
    with pytest.raises(UserError) as caught:
        render(build("3", smoke), "latx")
    assert "latex" in caught.value.hint


def test_plans_do_not_mix(smoke, paper):
    with pytest.raises(ValueError, match="one budget"):
        build("3", {**smoke, "vit": paper["vit"]})
    with pytest.raises(ValueError, match="one budget"):
        build("3", {})


def test_mean_interval_and_headline(smoke, tmp_path):
    runs = frame([run(smoke["vit"], seed, top1) for seed, top1 in enumerate((0.5, 0.6, 0.7))], tmp_path)
    measured = row_of(build("3", smoke, runs), "vit").measured
    assert measured["top1"] == intervals.summarise([0.5, 0.6, 0.7])
    assert measured["top1"] == measured["top1_val_selected"]
    assert measured["top1_last"].mean == pytest.approx(0.59)
    assert measured["top1_best"].mean == pytest.approx(0.61)
    assert (measured["latency_ms"].mean, measured["latency_ms"].n) == (4.5, 3)


def test_headline_as_run_is_the_best_on_the_test_set(tmp_path):
    plan = recipes("hierarchical", variant="as-run")
    built = build("3", plan, frame([run(plan["vit"], 0, 0.5)], tmp_path))
    assert row_of(built, "vit").measured["top1"].mean == 0.51
    assert any("top1_best" in note for note in built.notes)


def test_one_run_has_a_wilson_interval_over_its_test_images(smoke, paper, tmp_path):
    found = row_of(build("3", smoke, frame([run(smoke["vit"], 0, 0.5)], tmp_path)), "vit").measured["top1"]
    limit = smoke["vit"].data.test_limit
    wanted = intervals.wilson(round(0.5 * limit), limit)
    assert (found.low, found.high, found.n, found.method) == (wanted.low, wanted.high, 1, "Wilson")
    found = row_of(build("3", paper, frame([run(paper["vit"], 0, 0.8431)], tmp_path)), "vit").measured["top1"]
    assert (found.mean, found.low) == (0.8431, intervals.wilson(8431, 10_000).low)
    unknown = frame([run(paper["vit"], 0, 0.8, dataset="elsewhere", test_images=None)], tmp_path)
    assert row_of(build("3", paper, unknown), "vit").measured["top1"].low is None
    counted = frame([run(paper["vit"], 0, 0.8, dataset="elsewhere", test_images=500)], tmp_path)
    assert row_of(build("3", paper, counted), "vit").measured["top1"].low == intervals.wilson(400, 500).low


def test_pairs(paper, tmp_path):
    runs = [run(paper["vit"], s, 0.84 + s / 1000) for s in range(3)]
    runs += [run(paper["vit-ha"], s, 0.87 + s / 1000, latency_ms=3.0) for s in range(3)]
    runs += [run(paper["san-pair"], 0, 0.82), run(paper["san-pair-ha"], 0, 0.85, device="cuda")]
    pairs = {pair.changed: pair for pair in build("3", paper, frame(runs, tmp_path)).pairs}
    vit, san, patch = pairs["vit-ha"], pairs["san-pair-ha"], pairs["san-patch-ha"]
    assert vit.gain.mean == pytest.approx(0.03)
    assert vit.gain.method == "Welch"
    assert vit.wall == pytest.approx(1.5)
    assert vit.params == pytest.approx(37_394_506 / 6_531_946)
    assert vit.gain_published == pytest.approx(0.034)
    assert (san.gain.method, san.wall) == ("Newcombe", None)  # two devices
    assert (patch.gain, patch.wall) == (None, None)
    assert patch.params_published == pytest.approx(3.74 / 0.36)


def test_commands_name_what_is_not_the_default():
    plan = recipes("hierarchical", variant="as-run", budget="short")
    built = build("3", plan, precision="bf16", options="--data ../photos")
    assert row_of(built, "vit").command == (
        "attnrepro train vit --budget short --variant as-run --precision bf16 --data ../photos"
    )


def test_structure_file(tmp_path):
    assert read_counts(tmp_path / "none.csv") == {}
    path = tmp_path / "structure.csv"
    path.write_text("row,variant,params,macs_naive,macs_fast\nvit,described,37394506,1,2\n")
    assert read_counts(path) == {("vit", "described"): {"params": 37_394_506, "macs_naive": 1, "macs_fast": 2}}
    for damaged in ("row,variant\nvit,described\n", "row,variant,params\nvit,described,many\n"):
        path.write_text(damaged)
        with pytest.raises(UserError, match="cannot be read"):
            read_counts(path)
    built = tables.build("3", recipes("hierarchical"), EMPTY, EMPTY, structure={})
    assert [row.params for row in built.rows] == [None] * 8


def test_the_committed_ledger_reads():
    assert tuple(committed_runs().columns) == ledger.COLUMNS


def test_json_schema(smoke, tmp_path):
    runs = frame([run(smoke["vit"], seed, 0.5 + seed / 100) for seed in range(3)], tmp_path)
    document = json.loads(render(build("3", smoke, runs, runs), "json"))
    assert {"table", "budget", "variant", "dataset", "rows"} <= set(document)
    assert (document["table"], document["budget"], document["variant"]) == ("hierarchical", "smoke", "described")
    for row in document["rows"]:
        keys = {"row", "label", "params", "published", "measured", "committed", "verdict", "command"}
        assert keys <= set(row)
        assert row["verdict"] in WORDS
    vit = next(row for row in document["rows"] if row["row"] == "vit")
    assert {"mean", "low", "high", "n"} <= set(vit["measured"]["top1"])
    assert vit["committed"]["top1"] == vit["measured"]["top1"]
    assert vit["published"] == {"top1": 0.843, "params": 37.4e6, "wall_ms": 7.094}


@pytest.mark.parametrize("form", FORMATS)
def test_every_format_names_its_identity(smoke, tmp_path, form):
    built = build("3", smoke, frame([run(smoke["vit"], 0, 0.5)], tmp_path))
    text = render(built, form)
    for word in ("smoke", "described", "shapes", DATA[:12], "fp32", "mini"):
        assert word in text
    if form not in ("csv", "json"):
        assert "paper-scale model" in text
        assert "95" in text


def test_text_fits_and_needs_no_colour(smoke, tmp_path):
    runs = frame([run(recipe, seed, 0.5 + seed / 100) for recipe in smoke.values() for seed in range(3)], tmp_path)
    built = build("3", smoke, runs, runs)
    for width in (110, 118, 140):
        lines = render(built, "text", width=width).splitlines()
        assert max(map(len, lines)) <= width
    plain = render(built, "text")
    assert "\x1b" not in plain
    coloured = render(built, "text", colour=True)
    assert "\x1b[" in coloured
    for row in smoke:
        assert f"│ {row} " in plain  # no name is cut
    narrow = render(built, "text", width=40)
    assert all(row in narrow for row in smoke)
    assert "…" not in narrow


def test_csv_has_full_numbers_and_nothing_where_nothing_was_run(smoke, tmp_path):
    built = build("3", smoke, frame([run(smoke["vit"], 0, 0.123456789)], tmp_path))
    lines = {line["row"]: line for line in csv.DictReader(io.StringIO(render(built, "csv")))}
    assert lines["vit"]["top1_mean"] == "0.123456789"
    assert lines["vit-ha"]["top1_mean"] == ""
    assert lines["vit-ha"]["verdict"] == "not run"


def test_import_is_light():
    code = (
        "import sys, paper_tables.formats.render, paper_tables.build, paper_tables.settings_table; print(*sys.modules)"
    )
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=root, check=True)
    assert not {"torch", "pandas", "scipy", "numpy", "rich"} & set(done.stdout.split())
