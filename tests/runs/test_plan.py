"""Plans that read more than one data set: each row its own, and what is not here is left out with its reason."""

from pathlib import Path

import pytest
from PIL import Image

from paper_tables import build as tables
from paper_tables.formats.render import render
from reproduce.data.dataset import load
from reproduce.data.source import identify
from reproduce.errors import UserError
from reproduce.recipes.recipe import DataChoice
from reproduce.recipes.registry import TABLES, plan_table, resolve
from reproduce.recipes.settings import override
from reproduce.runs.plan import fit_plan, list_runs
from tests.golden.cases import EMPTY, frame, run


@pytest.fixture(autouse=True)
def nothing_is_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ATTNREPRO_DATA", str(tmp_path / "data"))


def mixed() -> dict:
    return {"cnn2": resolve("cnn2", budget="smoke"), "wrn-tiny": resolve("wrn-tiny")}


def test_a_row_whose_data_is_not_here_is_left_out() -> None:
    plan = fit_plan(mixed(), None, needed=True)
    assert {row: source.name for row, source in plan.sources.items()} == {"cnn2": "shapes"}
    assert "tiny-imagenet is not in" in plan.left_out["wrn-tiny"].message
    assert [found.recipe.row for found in list_runs(plan, [0, 1], "fp32")] == ["cnn2", "cnn2"]
    assert plan.recipes["wrn-tiny"].sha256() == resolve("wrn-tiny").sha256()


def test_where_no_row_fits_it_is_an_error() -> None:
    paper = plan_table(TABLES["augmented"], variant="described", budget="paper")
    with pytest.raises(UserError, match="cifar100 is not in"):
        fit_plan(paper, None, needed=True)
    assert fit_plan(paper, None, needed=False).sources == {}
    with pytest.raises(UserError, match="32x32 images"):
        fit_plan({"wrn-tiny": resolve("wrn-tiny")}, "shapes", needed=False)


def test_each_data_set_of_a_table_has_its_own_content(tmp_path: Path) -> None:
    plan = plan_table(TABLES["augmented"], variant="described", budget="paper")
    old, new, tiny = "1" * 64, "2" * 64, "3" * 64
    runs = frame(
        [
            run(plan["cnn2"], 0, 0.4, data_sha256=old, started="2026-11-09"),
            run(plan["cnn2-aa"], 0, 0.4, data_sha256=new),
            run(plan["cnn2-laa"], 0, 0.4, data_sha256=new),
            run(plan["wrn-tiny"], 0, 0.4, data_sha256=tiny, started="2026-10-01"),
        ],
        tmp_path,
    )
    built = tables.build("augmented", plan, runs, EMPTY, left_out={"wrn-aa-tiny": "tiny-imagenet is not here"})
    shown = {row.row for row in built.rows if row.verdict.word != "not run"}
    assert shown == {"cnn2-aa", "cnn2-laa", "wrn-tiny"}
    assert set(built.data_sha256.split(" + ")) == {new, tiny}
    assert any("left out: cnn2 1" in note for note in built.notes)
    assert "Not run here: wrn-aa-tiny: tiny-imagenet is not here." in built.notes
    assert f"({new[:12]} + {tiny[:12]})" in render(built) or f"({tiny[:12]} + {new[:12]})" in render(built)


def test_grey_images_are_left_out_where_the_recipe_says_so(tmp_path: Path) -> None:  # A4
    for split, count in (("train", 6), ("test", 3)):
        for label in ("a", "b"):
            folder = tmp_path / "small" / split / label
            folder.mkdir(parents=True)
            for number in range(count):
                mode = "L" if number % 3 == 0 else "RGB"
                Image.new(mode, (32, 32), number).save(folder / f"{number}.png")
    source = identify(str(tmp_path / "small"))
    every, coloured = load(source, DataChoice()), load(source, DataChoice(drop_grey=True))
    assert (len(every.train), len(every.test)) == (12, 6)
    assert (len(coloured.train), len(coloured.test)) == (8, 4)
    assert resolve("wrn-tiny").data.drop_grey
    assert not override(resolve("wrn-tiny"), {"data.drop_grey": "false"}).data.drop_grey
