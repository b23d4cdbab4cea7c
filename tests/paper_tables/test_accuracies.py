"""CSVs of somebody else's: what is read, and that the first wrong cell is named by file, line and column."""

import pytest

from paper_tables.accuracies import read_measured, read_printed
from reproduce.errors import UserError

ROWS = ("vit", "vit-ha", "san-pair")


@pytest.fixture
def path(tmp_path):
    return tmp_path / "runs.csv"


def test_columns_in_any_order_and_what_may_be_left_out(path):
    path.write_text("\ufeffseed, accuracy ,row\n1,0.84,vit\n0,.83,vit\n\n0,diverged,vit-ha\n", encoding="utf-8")
    found = read_measured(path, ROWS)
    assert dict(found["vit"].seeds) == {0: 0.83, 1: 0.84}
    assert found["vit"].finished == (0.83, 0.84)
    assert found["vit"].test_images == {None}
    assert (dict(found["vit-ha"].seeds), found["vit-ha"].finished) == ({0: None}, ())
    path.write_text("row,seed,accuracy,test_images\nvit,0,1,10000\nvit,1,0,50\n")
    assert read_measured(path, ROWS)["vit"].test_images == {10_000, 50}


@pytest.mark.parametrize(
    ("text", "place", "words", "hint"),
    [
        ("row,seed,accuracy\nvit,0,93.8\n", "line 2, column 'accuracy'", "percentage", "0.938"),
        ("row,seed,accuracy\nvit,0,938\n", "line 2, column 'accuracy'", "no accuracy", "0 to 1"),
        ("row,seed,accuracy\nvit,0,-0.1\n", "line 2, column 'accuracy'", "no accuracy", "0 to 1"),
        ("row,seed,accuracy\nvit,0,0.8\nvit,1,nan\n", "line 3, column 'accuracy'", "'nan' is not a number", "diverged"),
        ("row,seed,accuracy\nvit,0,inf\n", "line 2, column 'accuracy'", "not a number", "diverged"),
        ("row,seed,accuracy\nvit,0,\n", "line 2, column 'accuracy'", "empty", "diverged"),
        ('row,seed,accuracy\nvit,0,"0,938"\n', "line 2, column 'accuracy'", "not a number", "0 to 1"),
        ("row,seed,accuracy\nvit,0,0.8\n\nvit,0,0.8\n", "line 4, column 'seed'", "line 2 already", "one line per row"),
        ("row,seed,accuracy\nvit,one,0.8\n", "line 2, column 'seed'", "not a number", "whole number from 0"),
        ("row,seed,accuracy\nvit,0.5,0.8\n", "line 2, column 'seed'", "whole number", "0"),
        ("row,seed,accuracy\nvit,-1,0.8\n", "line 2, column 'seed'", "whole number", "0"),
        ("row,seed,accuracy\nvit,,0.8\n", "line 2, column 'seed'", "empty", "0, 1, 2"),
        ("row,seed,accuracy\nvit-hq,0,0.8\n", "line 2, column 'row'", "no row 'vit-hq'", "vit-ha"),
        ("row,seed,accuracy\n,0,0.8\n", "line 2, column 'row'", "no row is named", "name the row"),
        ("row,seed,accuracy,test_images\nvit,0,0.8,0\n", "line 2, column 'test_images'", "whole number", "1"),
        ("row,seed,accuracy,test_images\nvit,0,0.8,1e4.5\n", "line 2, column 'test_images'", "not a number", ""),
        ("row,seed,top1\nvit,0,0.8\n", "line 1, column 'top1'", "not known", "row,seed,accuracy"),
        ("row,seed,seed,accuracy\nvit,0,0,0.8\n", "line 1, column 'seed'", "twice", "row,seed,accuracy"),
        ("row,accuracy\nvit,0.8\n", "line 1, column 'seed'", "missing", "row,seed,accuracy"),
        ("row;seed;accuracy\nvit;0;0.8\n", "line 1, column 'row;seed;accuracy'", "not known", "row,seed,accuracy"),
        ("row,seed,accuracy\nvit,0\n", "line 2", "2 cells", "a cell per column"),
        ('row,seed,accuracy\nvit,0,"0.8\n', "line 2", "not a line of a CSV", ""),
        ("row,seed,accuracy\n", "runs.csv", "no accuracies", "a line per run"),
        ("", "line 1, column 'row'", "missing", "row,seed,accuracy"),
    ],
)
def test_the_first_wrong_cell_is_named(path, text, place, words, hint):
    path.write_text(text)
    with pytest.raises(UserError) as caught:
        read_measured(path, ROWS)
    message = caught.value.message
    assert str(path) in message
    assert place in message
    assert words in message
    assert hint in caught.value.hint
    assert "\n" not in message


def test_files_that_are_none(path, tmp_path):
    with pytest.raises(UserError, match="there is no file"):
        read_measured(path, ROWS)
    with pytest.raises(UserError, match="cannot be read"):
        read_measured(tmp_path, ROWS)
    path.write_bytes(b"row,seed\xff")
    with pytest.raises(UserError, match="cannot be read"):
        read_measured(path, ROWS)


def test_printed_accuracies_keep_their_digits(path):
    path.write_text("row,accuracy,deviation,n,test_images,classes\na,0.910,,,10000,10\nb,0.667,0.019,16,,\n")
    found = read_printed(path)
    assert found["a"].value.printed() == "0.910"
    assert found["a"].value.half_unit == pytest.approx(0.0005)
    assert (found["a"].test_images, found["a"].classes, found["a"].value.n) == (10_000, 10, None)
    assert (found["b"].value.deviation, found["b"].value.n, found["b"].test_images) == (0.019, 16, None)
    assert found["b"].value.source == f"{path}, line 3"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("row,accuracy\na,91.0\n", "line 2, column 'accuracy': 91.0 is a percentage"),
        ("row,accuracy\na,0.9\na,0.8\n", "line 3, column 'row': 'a' stands twice"),
        ("row,accuracy,deviation,n\na,0.9,0.01,\n", "line 2, column 'n': a deviation"),
        ("row,accuracy,deviation,n\na,0.9,,16\n", "line 2, column 'n': a deviation"),
        ("row,accuracy,classes\na,0.9,1\n", "line 2, column 'classes'"),
        ("row,accuracy\n", "has no rows"),
    ],
)
def test_printed_accuracies_that_are_wrong(path, text, words):
    path.write_text(text)
    with pytest.raises(UserError) as caught:
        read_printed(path)
    assert words in caught.value.message
