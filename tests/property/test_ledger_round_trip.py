"""Whatever is appended is read back, in any order, whatever the file held before."""

import tempfile
from pathlib import Path

import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from reproduce.errors import UserError
from reproduce.record import ledger

TEXT = st.text(st.characters(codec="utf-8", exclude_categories=("Cs",)), max_size=20)
ONE_LINE = TEXT.map(lambda text: " ".join(text.replace("\0", " ").split("\n")).replace("\r", " "))


def cell(column: str) -> st.SearchStrategy:
    if column == "run_id":
        return st.text("abc\"',; é", min_size=1, max_size=6)
    if column in ledger.INTEGERS:
        return st.none() | st.integers(-(2**63), 2**63 - 1)
    if column in ledger.NUMBERS:
        return st.none() | st.floats(allow_nan=False)
    return ONE_LINE


ROWS = st.lists(st.fixed_dictionaries({column: cell(column) for column in ledger.COLUMNS}), min_size=1, max_size=3)


@settings(max_examples=25, deadline=None)
@given(rows=ROWS, known=st.permutations(ledger.COLUMNS), keep=st.integers(1, len(ledger.COLUMNS)))
def test_rows_come_back_as_they_went_in(rows, known, keep):
    older = list(dict.fromkeys(["run_id", *known[:keep], "their own"]))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "runs.csv"
        path.write_text(",".join(older) + "\n", encoding="utf-8")
        for row in rows:
            ledger.append(row, path)
        frame = ledger.read(path)
    last = {row["run_id"]: row for row in rows}
    assert set(frame["run_id"]) == set(last)
    for _, found in frame.iterrows():
        for column, value in last[found["run_id"]].items():
            if value is None:
                assert pd.isna(found[column])
            elif column in ledger.NUMBERS:
                assert float(found[column]) == value
            else:
                assert found[column] == value


@settings(max_examples=150, deadline=None)
@given(data=st.binary(max_size=200) | st.text('run_id,"\n\r 1.é', max_size=120).map(str.encode))
def test_any_bytes_are_a_ledger_or_one_sentence(data):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "runs.csv"
        path.write_bytes(data)
        try:
            before = ledger.read(path)
        except UserError as error:
            assert str(path) in error.message  # noqa: PT017
            before = None
        assert path.read_bytes() == data
        try:
            ledger.append({"run_id": "mine"}, path)
        except UserError:
            assert path.read_bytes() == data
            return
        assert data.rstrip(b"\r\n")[-20:] in path.read_bytes()
        if before is not None:
            assert set(ledger.read(path)["run_id"]) == {*before["run_id"], "mine"}


@settings(max_examples=60, deadline=None)
@given(cut=st.integers(0, 10_000))
def test_a_ledger_cut_anywhere_is_never_read_as_whole(cut):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "runs.csv"
        for number in range(3):
            ledger.append(
                {"run_id": f"run {number}", "top1_last": 0.123456, "status": 'do"ne', "checkpoint": "a/b"}, path
            )
        whole = path.read_bytes()
        short = whole[: cut % len(whole)]
        path.write_bytes(short)
        try:
            runs = list(ledger.read(path)["run_id"])
        except UserError:
            assert not short.endswith(b"\n")
            return
        assert short == b"" or short.endswith(b"\n")
        assert runs == [f"run {number}" for number in range(max(0, short.count(b"\n") - 1))]
