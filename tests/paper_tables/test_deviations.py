"""Deviations: each numbered once, with rows, tables, variants and switches that exist."""

import pytest

from paper_tables import deviations, published
from reproduce.errors import UserError
from reproduce.recipes.registry import ENTRIES, TABLES, resolve
from reproduce.recipes.settings import keys


def test_all_numbers_are_there():
    numbers = [entry.number for entry in deviations.read()]
    assert [n for n in numbers if n[0] == "B"] == [f"B{n}" for n in range(1, 21)]
    assert [n for n in numbers if n[0] == "D"] == [f"D{n}" for n in range(1, 18)]


def test_rows_tables_variants_and_switches_exist():
    for entry in deviations.read():
        assert entry.body, entry.number
        for pattern in entry.rows:
            assert any(deviations.fnmatch.fnmatchcase(row, pattern.lstrip("!")) for row in (*ENTRIES, "all")), pattern
        assert set(entry.tables) <= {"all", *TABLES}, entry.number
        assert set(entry.variants) <= {"all", "described", "as-run", "original"}, entry.number
        for row in ENTRIES:
            if entry.concerns(row):
                assert set(entry.switches) <= set(keys(resolve(row))), (entry.number, row)


def test_a_slip_shown_as_run_is_switched_there():
    """A footnote of the as-run variant names a switch that this variant turns, in every row that it marks."""
    turned = {}
    for row, entry in ENTRIES.items():
        if "as-run" not in entry.variant_names():
            continue
        described, as_run = (dict(settings_of(resolve(row, variant=name))) for name in ("described", "as-run"))
        turned[row] = {key for key in described if described[key] != as_run[key]}
    for entry in deviations.read():
        if entry.variants == ("as-run",) and entry.number != "B16":
            for row in turned:
                if entry.concerns(row):
                    assert turned[row] & set(entry.switches), (entry.number, row)


def settings_of(recipe):
    for key in keys(recipe):
        value = recipe
        for name in key.split("."):
            value = getattr(value, name)
        yield key, value


def test_the_numbers_quoted_in_the_entries_follow_from_the_published_values():
    one, three = published.read_table("accuracy"), published.read_table("hierarchical")
    gaps = [
        round(100 * (one[row, "top1"].value - one[row, "top1_original"].value), 1) for row in TABLES["accuracy"].rows
    ]
    assert gaps == [0.8, 0.5, 0.5, -1.4, -0.7]  # D1
    pairs = [(row, f"{row}-ha") for row in ("learned-content", "san-pair", "san-patch", "vit")]
    gains = [100 * (three[ha, "top1"].value - three[sa, "top1"].value) for sa, ha in pairs]
    assert [round(gain, 1) for gain in gains] == [3.9, 3.5, 5.5, 3.4]  # D3
    relative = [gain / three[sa, "top1"].value for gain, (sa, _) in zip(gains, pairs, strict=True)]
    assert [round(share, 1) for share in relative] == [4.5, 4.3, 6.4, 4.0]
    ratios = [three[sa, "params"].value / three[ha, "params"].value for sa, ha in pairs]
    assert [round(ratio, 1) for ratio in ratios] == [6.2, 10.7, 10.4, 5.7]  # D4


def test_footnotes():
    numbers = [entry.number for entry in deviations.footnotes("hierarchical", "learned-content", "described")]
    assert numbers == ["B1", "B4", "B20", "D2", "D17", "W1"]  # how the published number was made is said in any case
    as_run = {entry.number for entry in deviations.footnotes("hierarchical", "san-pair", "as-run")}
    assert not {"B1", "B5", "B6"} & as_run  # trained with the official code


@pytest.mark.parametrize(
    "text",
    ["### D1 x\nSwitch: a\n", "### nonsense\nRows: all; Switch: none\n", "### D1 x\nRows: a; Switch: b; Colour: c\n"],
)
def test_a_damaged_entry_is_named(tmp_path, text):
    path = tmp_path / "deviations.md"
    path.write_text("# Title\n\n" + text)
    with pytest.raises(UserError, match="line 3"):
        deviations.read.__wrapped__(path)  # past the cache
    path.write_text("### D1 a\nRows: all; Switch: none\n### D1 b\nRows: all; Switch: none\n")
    with pytest.raises(UserError, match="two entries"):
        deviations.read.__wrapped__(path)
