"""Every table in every format: text byte for byte, numbers to nine digits; ``ATTNREPRO_REGEN=1`` writes them anew."""

import os
import re
from pathlib import Path

import pytest

from paper_tables import build as tables
from paper_tables import settings_table
from paper_tables.formats.render import FORMATS, render
from tests.golden.cases import DATA, EMPTY, OTHER_DATA, STRUCTURE, frame, recipes, run

FOLDER = Path(__file__).parents[1] / "golden"
ENDINGS = {"text": "txt", "md": "md", "latex": "tex", "html": "html", "csv": "csv", "json": "json"}
TABLES = ("accuracy", "heads", "hierarchical", "hyperparameters", "gates")


def accuracy(folder):
    """As run, at the paper's budget: rows that agree, that differ, on one and on ten seeds."""
    plan = recipes("accuracy", "as-run", "paper")
    runs = [run(plan["resnet18"], seed, 0.935 + step / 1000) for seed, step in enumerate((0, 2, -1, 3, 1))]
    runs += [run(plan["quadratic"], seed, 0.92 + step / 1000) for seed, step in enumerate(range(10))]
    runs += [run(plan["learned"], 0, 0.8951)]
    runs += [run(plan["learned-content"], 0, 0.81, status="failed")]
    return tables.build("accuracy", plan, frame(runs, folder), EMPTY, structure=STRUCTURE)


def heads(folder):
    """Short, nothing of one's own yet; the committed ledger has some."""
    plan = recipes("heads", budget="short")
    committed = [run(plan["quadratic-16h"], seed, 0.88 + seed / 500) for seed in range(3)]
    paper = recipes("heads", budget="paper")["learned-16h"]
    committed += [run(paper, seed, 0.91 + seed / 500) for seed in range(3)]
    return tables.build("heads", plan, EMPTY, frame(committed, folder), structure={})


def hierarchical(folder):
    """The smoke table of a newcomer, one row failed, older runs on other data left out."""
    plan = recipes("hierarchical")
    runs = [run(recipe, 0, 0.55 + place / 50) for place, recipe in enumerate(plan.values())]
    runs += [run(recipe, seed, 0.56 + seed / 50) for recipe in (plan["vit"], plan["vit-ha"]) for seed in (1, 2)]
    runs = [row for row in runs if row["row"] != "san-patch"]
    runs += [run(plan["vit"], 9, 0.3, data_sha256=OTHER_DATA, started="2026-01-01T00:00:00+00:00")]
    short = recipes("hierarchical", budget="short")["learned-content-ha"]
    committed = [run(short, seed, 0.86 + seed / 250, dataset="cifar10-jpeg75") for seed in range(3)]
    return tables.build(
        "hierarchical",
        plan,
        frame(runs, folder),
        frame(committed, folder),
        data_sha256=dict.fromkeys(plan, DATA),
        structure=STRUCTURE,
        options="--data shapes",
    )


def gates(folder):
    """Twelve seeds of some rows, one of another: tests where there are runs, sampling alone where there is one."""
    plan = recipes("gates", budget="paper")
    seeds = [((7 * seed) % 12 - 5.5) / 300 for seed in range(12)]
    runs = [run(plan["cnn"], seed, 0.66 + gap) for seed, gap in enumerate(seeds)]
    runs += [run(plan["cnn-eca"], seed, 0.662 + 0.5 * gap) for seed, gap in enumerate(seeds)]
    runs += [run(plan["cnn-linae"], seed, 0.60 + 2 * gap) for seed, gap in enumerate(seeds)]
    runs += [run(plan["cnn-convae"], 0, 0.671)]
    return tables.build("gates", plan, frame(runs, folder), EMPTY, structure={})


def build(name, folder):
    if name == "hyperparameters":
        return settings_table.build()
    return {"accuracy": accuracy, "heads": heads, "hierarchical": hierarchical, "gates": gates}[name](folder)


NUMBER = re.compile(r"-?\d+\.\d+(?:e[-+]?\d+)?")


def same_numbers(found, golden):
    """All text between the decimal numbers is the same, and the numbers agree to nine digits."""
    assert NUMBER.sub("#", found) == NUMBER.sub("#", golden)
    pairs = zip(NUMBER.findall(found), NUMBER.findall(golden), strict=True)
    for one, other in pairs:
        assert float(one) == pytest.approx(float(other), rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("name", TABLES)
def test_golden(name, form, tmp_path):
    path = FOLDER / f"{name}.{ENDINGS[form]}"
    found = render(build(name, tmp_path), form)
    if os.environ.get("ATTNREPRO_REGEN") == "1":
        path.write_text(found, encoding="utf-8", newline="")
    golden = path.read_bytes().decode("utf-8")
    if form in ("json", "csv"):  # full precision: another scipy may differ in the last digits
        same_numbers(found, golden)
    else:
        assert found == golden
