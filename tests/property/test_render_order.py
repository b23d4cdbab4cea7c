"""A table is a function of the ledger as a set of runs, and every format escapes what it is given."""

import csv
import html.parser
import io
import json
import random
import re
import tempfile
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paper_tables import build as tables
from paper_tables.formats import markup
from paper_tables.formats.render import FORMATS, render
from paper_tables.formats.sheet import Block, Sheet, Text
from paper_tables.formats.text import text as terminal_text
from tests.golden.cases import DATA, EMPTY, OTHER_DATA, STRUCTURE, frame, recipes, run

PLAN = recipes("hierarchical")
RUNS = st.lists(
    st.fixed_dictionaries(
        {
            "row": st.sampled_from([*PLAN]),
            "seed": st.integers(0, 4),
            "top1": st.floats(0, 1),
            "day": st.integers(1, 28),
            "data": st.sampled_from([DATA, OTHER_DATA]),
            "status": st.sampled_from(["done", "done", "failed"]),
        }
    ),
    max_size=14,
)


def written(drawn) -> pd.DataFrame:
    runs = [
        run(
            PLAN[item["row"]],
            item["seed"],
            item["top1"],
            run_id=f"run {number}",
            started=f"2026-11-{item['day']:02d}",
            data_sha256=item["data"],
            status=item["status"],
        )
        for number, item in enumerate(drawn)
    ]
    with tempfile.TemporaryDirectory() as folder:
        return frame(runs, Path(folder))


@settings(max_examples=12, deadline=None)
@given(drawn=RUNS, seed=st.integers(0, 99))
def test_the_order_of_the_ledger_does_not_matter(drawn, seed):
    runs = written(drawn)
    order = random.Random(seed).sample(range(len(runs)), len(runs))
    shuffled = runs.iloc[order].reset_index(drop=True)
    built = [tables.build("3", PLAN, one, one, structure=STRUCTURE) for one in (runs, shuffled)]
    assert render(built[0], "json") == render(built[1], "json")
    assert render(built[0], "text") == render(built[1], "text")


@settings(max_examples=15, deadline=None)
@given(drawn=RUNS)
def test_what_was_not_run_is_never_filled_in(drawn):
    document = json.loads(render(tables.build("3", PLAN, written(drawn), EMPTY, structure={}), "json"))
    for row in document["rows"]:
        ran = [
            item
            for item in drawn
            if (item["row"], item["status"], item["data"]) == (row["row"], "done", document["data_sha256"])
        ]
        assert (row["verdict"] == "not run") == (not ran)
        assert bool(row["measured"]) == bool(ran)
        if ran:
            assert row["measured"]["top1"]["n"] == len({item["seed"] for item in ran})
            values = [item["top1"] for item in ran]
            assert min(values) - 1e-9 <= row["measured"]["top1"]["mean"] <= max(values) + 1e-9


ANY = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=12)
CELLS = st.builds(Text, ANY, ANY, st.sampled_from(["", "good", "bad", "unsure", "faint", "strong"]))


def sheet(rows, words) -> Sheet:
    block = Block(("a", words, "c"), (False, True, False), tuple(rows), frozenset({0}), words)
    return Sheet(words, words, (block, block), (words,), (("D1", words),), (("row", words),))


@settings(max_examples=60, deadline=None)
@given(rows=st.lists(st.tuples(CELLS, CELLS, CELLS), max_size=3), words=ANY)
def test_any_text_survives_every_markup(rows, words):
    given_ = sheet(rows, words)
    check_latex(markup.latex(given_, "tab:x"))
    page = Page()
    page.feed(markup.html(given_))
    assert page.open == []
    assert [cell.main for row in rows for cell in row] == page.cells[: 3 * len(rows)]
    for line in markup.markdown(given_).splitlines():
        if line.startswith("| "):
            assert len(re.findall(r"(?<!\\)(?:\\\\)*\|", line)) == 4
    assert max(map(len, terminal_text(given_, False, 60).splitlines())) <= 100


class Page(html.parser.HTMLParser):
    """The text of each cell (without its detail), and the elements left open."""

    def __init__(self):
        super().__init__()
        self.open, self.cells = [], []

    def handle_starttag(self, tag, attributes):
        if tag != "meta":
            self.open.append(tag)
        if tag == "td":
            self.cells.append("")
        assert not {"src", "href"} & {name for name, _ in attributes}  # nothing from elsewhere

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] == "td":
            self.cells[-1] += data


def check_latex(text: str) -> None:
    """Stand in for a compiler: braces and environments close, and no special character is bare."""
    depth, environments = 0, []
    body = "\n".join(line for line in text.splitlines() if not line.startswith("%"))
    for kind, name in re.findall(r"\\(begin|end)\{(\w+)\}", body):
        if kind == "begin":
            environments.append(name)
        else:
            assert environments.pop() == name
    assert environments == []
    bare = re.sub(r"\\[\\&%$#_{}]", "", body)
    for mark in bare:
        depth += (mark == "{") - (mark == "}")
        assert depth >= 0
    assert depth == 0
    assert not re.search(r"[$#~^%_]", re.sub(r"\\label\{[^}]*\}", "", bare))
    assert bare.isascii()
    for tabular in re.findall(r"\\begin\{tabular\}\{([lr]+)\}(.*?)\\end\{tabular\}", body, re.DOTALL):
        columns, rows = len(tabular[0]), tabular[1]
        for line in rows.splitlines():
            if line.endswith(r" \\"):
                assert len(re.findall(r"(?<!\\)&", line.replace(r"\textbackslash{}", ""))) == columns - 1


@pytest.mark.parametrize("form", FORMATS)
def test_formats_parse(form):
    runs = written([{"row": "vit", "seed": 0, "top1": 0.5, "day": 1, "data": DATA, "status": "done"}])
    text = render(tables.build("3", PLAN, runs, runs, structure=STRUCTURE), form)
    assert text.endswith("\n")
    if form == "json":
        json.loads(text)
    elif form == "csv":
        assert len(list(csv.DictReader(io.StringIO(text)))) == len(PLAN)
    elif form == "latex":
        check_latex(text)
    elif form == "html":
        page = Page()
        page.feed(text)
        assert page.open == []
        assert "prefers-color-scheme" in text
