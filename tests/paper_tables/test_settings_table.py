"""Table 4: every printed setting beside that of the recipe."""

import json

import pytest

from paper_tables import settings_table
from paper_tables.formats.render import FORMATS, render
from reproduce.recipes.settings import override
from tests.golden.cases import recipes


def test_hyperparameters_come_from_the_recipes():
    built = settings_table.build()
    assert len(built.rows) == 10
    assert all(group.same for group in built.rows)
    assert "80 of 80 cells" in built.notes[0]
    as_run = settings_table.build(recipes("hyperparameters", variant="as-run", budget="paper"))
    group = next(group for group in as_run.rows if group.rows == ("san-patch-ha",))
    assert (group.cells["batch_size"].ours, group.cells["batch_size"].published) == ("40", "100")
    assert {name for name, cell in group.cells.items() if not cell.same} == {"batch_size", "lr"}
    document = json.loads(render(as_run, "json"))
    assert [row["verdict"] for row in document["rows"]].count("differs") == 1
    for form in FORMATS:
        assert "San" in render(as_run, form).title()
    with pytest.raises(ValueError, match="one budget"):
        settings_table.build({**recipes("heads"), **recipes("accuracy", budget="paper")})


def test_rows_of_one_group_that_differ_are_all_shown():
    plan = recipes("hyperparameters", budget="paper")
    plan["learned-content-ha"] = override(plan["learned-content-ha"], {"batch_size": 50})
    built = settings_table.build(plan)
    group = next(group for group in built.rows if "learned-content-ha" in group.rows)
    assert (group.cells["batch_size"].ours, group.same) == ("100 / 50", False)


def test_every_cell_is_read_from_the_recipe():
    plan = recipes("hyperparameters", budget="paper", **{"optimiser.kind": "adam"})
    built = settings_table.build(plan)
    assert {group.cells["optimiser"].ours for group in built.rows} == {"Adam"}
    assert not any(group.cells["optimiser"].same for group in built.rows)
