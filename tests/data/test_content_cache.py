"""Content sums are kept: taken once, anew when a file changes, and never believed where they are damaged."""

import numpy as np
import pytest

from reproduce.data import content_cache, fingerprint
from reproduce.data.dataset import load
from reproduce.data.source import identify
from reproduce.errors import UserError
from reproduce.recipes.recipe import DataChoice
from tests.data.contents import SIZES, encode, one_pixel, put_folders


@pytest.fixture
def counted(monkeypatch):
    """Count how often images are decoded for a sum."""
    calls = []
    read = content_cache.read_content
    monkeypatch.setattr(content_cache, "read_content", lambda *given: calls.append(1) or read(*given))
    return calls


def test_a_sum_is_taken_once_and_anew_when_a_file_changes(tmp_path, counted, results):
    root = put_folders(tmp_path / "pictures", 1)
    first = identify(str(root))
    content_cache.forget()  # as in another process
    again = identify(str(root))
    assert len(counted) == 1
    assert (again, again.counts, again.older) == (first, first.counts, first.older)
    assert all(np.array_equal(again.orders[split], first.orders[split]) for split in SIZES)
    path = next(root.rglob("*.png"))
    content = path.read_bytes()
    path.write_bytes(encode(np.zeros((8, 8, 3), np.uint8)))
    assert identify(str(root)).sha256 != first.sha256
    path.write_bytes(content)
    assert identify(str(root)).sha256 == first.sha256


@pytest.mark.parametrize("damage", [b"", b"{}", b"[1]", b"\xff\x00", None])
def test_a_damaged_or_foreign_cache_is_made_anew(tmp_path, counted, results, damage):
    root = put_folders(tmp_path / "pictures", 1)
    first = identify(str(root))
    (path,) = (results / "data").iterdir()
    good = path.read_bytes()
    path.write_bytes(good.replace(first.older[0][:8].encode(), b"00000000") if damage is None else damage)
    content_cache.forget()
    assert identify(str(root)) == first
    assert len(counted) == 2
    assert path.read_bytes() == good


def test_it_is_said_once_how_long_the_first_reading_will_take(tmp_path, monkeypatch):
    told = []
    monkeypatch.setattr(content_cache, "_TOLD_FROM", 0.0)
    monkeypatch.setattr(content_cache.LOG, "info", lambda text, *values: told.append(text % values))
    monkeypatch.setattr(fingerprint, "_FIRST", 2)
    root = put_folders(tmp_path / "pictures", 1)
    identify(str(root))
    assert len(told) == 1
    assert str(root) in told[0]
    content_cache.forget()
    identify(str(root))
    assert len(told) == 1


def test_the_cache_of_other_data_is_not_taken(tmp_path, counted, results):
    one, two = put_folders(tmp_path / "one", 1), put_folders(tmp_path / "two", 1, change=one_pixel)
    first = identify(str(one))
    (path,) = (results / "data").iterdir()
    second = identify(str(two))
    (other,) = set((results / "data").iterdir()) - {path}
    other.write_bytes(path.read_bytes())
    content_cache.forget()
    assert identify(str(two)).sha256 == second.sha256 != first.sha256


def test_a_folder_of_results_that_cannot_be_written_is_no_error(tmp_path, monkeypatch, counted):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("ATTNREPRO_RESULTS", str(tmp_path / "file"))
    root = put_folders(tmp_path / "pictures", 1)
    assert identify(str(root)) == identify(str(root))
    assert len(counted) == 1  # this process remembers


def test_files_that_change_under_a_process_are_noticed(tmp_path):
    root = put_folders(tmp_path / "pictures", 1)
    source = identify(str(root))
    next((root / "train").rglob("*.png")).unlink()
    with pytest.raises(UserError, match="have changed since they were read"):
        load(source, DataChoice(test_limit=3))
