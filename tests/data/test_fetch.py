"""A fetch that fails leaves no trace; an archive that was fetched by hand lands where its name looks."""

import tarfile

import pytest

from reproduce.data import fetch as fetching
from reproduce.data.fetch import fetch, unpack_named
from reproduce.data.source import identify
from reproduce.errors import UserError


def fail(url, path, kind, digest):
    raise UserError("no network", "later")


def stop_halfway(url, path, kind, digest):
    path.with_name(path.name + ".part").write_bytes(b"some of it")
    raise UserError("no network", "later")


def hint() -> str:
    with pytest.raises(UserError, match="cifar10 is not in") as caught:
        identify("cifar10")
    return caught.value.hint


@pytest.mark.parametrize("there", [True, False])
def test_a_failed_fetch_leaves_no_trace(tmp_path, monkeypatch, there):
    root = tmp_path / "data"
    if there:
        root.mkdir()
    monkeypatch.setenv("ATTNREPRO_DATA", str(root))
    monkeypatch.setattr(fetching, "download", fail)
    before = hint()
    assert "data fetch cifar10" in before
    assert "data unpack" in before
    with pytest.raises(UserError, match="no network"):
        fetch("cifar10")
    assert hint() == before
    assert root.exists() == there
    assert not there or not list(root.iterdir())


def test_what_came_of_a_download_is_kept_and_hides_nothing(tmp_path, monkeypatch):
    monkeypatch.setenv("ATTNREPRO_DATA", str(tmp_path))
    monkeypatch.setattr(fetching, "download", stop_halfway)
    before = hint()
    with pytest.raises(UserError, match="no network"):
        fetch("cifar10")
    assert hint() == before
    assert [path.name for path in tmp_path.rglob("*.part")] == ["cifar-10-python.tar.gz.part"]


def test_an_empty_folder_is_no_data(tmp_path, monkeypatch):
    monkeypatch.setenv("ATTNREPRO_DATA", str(tmp_path))
    before = hint()
    (tmp_path / "cifar10").mkdir()
    (tmp_path / "cifar10/.lock").touch()
    assert hint() == before


@pytest.mark.parametrize(("folder", "name"), [("cifar-10-batches-py", "cifar10"), ("cifar-100-python", "cifar100")])
def test_cifars_archive_lands_where_its_name_looks(tmp_path, monkeypatch, folder, name):
    monkeypatch.setenv("ATTNREPRO_DATA", str(tmp_path / "data"))
    (tmp_path / folder).mkdir()
    (tmp_path / folder / "one").write_text("not the official file")
    with tarfile.open(tmp_path / "downloaded.tar.gz", "w:gz") as tar:
        tar.add(tmp_path / folder, folder)
    with pytest.raises(UserError, match="lacks the file"):  # found by its name, and not taken for the official one
        unpack_named(tmp_path / "downloaded.tar.gz")
    assert (tmp_path / "data" / name / folder / "one").is_file()


def test_an_archive_is_no_data_set_and_says_what_to_do(tmp_path):
    (tmp_path / "photos.zip").write_bytes(b"PK")
    with pytest.raises(UserError, match="is a file, not a data set") as caught:
        identify(str(tmp_path / "photos.zip"))
    assert "data unpack" in caught.value.hint
