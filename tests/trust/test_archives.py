"""Archives and downloads: nothing is written outside, nothing half, nothing unknown, nothing without encryption."""

import hashlib
import http.client
import io
import pickle
import subprocess
import sys
import tarfile
import urllib.error
import urllib.request
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torchvision.datasets
from PIL import Image

from reproduce.data import download as net
from reproduce.data import fetch as fetch_module
from reproduce.data.catalogue import act
from reproduce.data.unpack import unpack
from reproduce.errors import UserError
from tests.trust.mutations import mutations

ROOT = Path(__file__).resolve().parents[2]


def make_tar(path: Path, *names: str, kind: bytes = tarfile.REGTYPE, target: str = "") -> Path:
    with tarfile.open(path, "w:gz") as tar:
        for name in ("whole/good.txt", *names):
            info = tarfile.TarInfo(name)
            info.type, info.linkname, info.size = (kind, target, 0) if name in names else (tarfile.REGTYPE, "", 4)
            tar.addfile(info, io.BytesIO(b"good"[: info.size]))
    return path


def make_zip(path: Path, *names: str, mode: int = 0) -> Path:
    with zipfile.ZipFile(path, "w") as opened:
        for name in ("whole/good.txt", *names):
            info = zipfile.ZipInfo(name)
            info.external_attr = mode << 16 if name in names else 0
            opened.writestr(info, b"good")
    return path


def files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize("make", [make_tar, make_zip])
def test_an_archive_appears_whole(make: Any, tmp_path: Path) -> None:
    unpack(make(tmp_path / "archive", "whole/more.txt"), tmp_path / "out")
    assert files(tmp_path / "out") == ["whole/good.txt", "whole/more.txt"]
    with pytest.raises(UserError, match="is there already"):
        unpack(tmp_path / "archive", tmp_path / "out")


@pytest.mark.parametrize("make", [make_tar, make_zip])
@pytest.mark.parametrize("name", ["../out.txt", "/etc/out.txt", "a/../../out.txt", "..\\out.txt", "C:/out.txt", "a/.."])
def test_a_member_that_leads_outside_is_refused(make: Any, name: str, tmp_path: Path) -> None:
    here = tmp_path / "here"
    here.mkdir()
    with pytest.raises(UserError, match="outside the folder"):
        unpack(make(tmp_path / "archive", name), here / "out")
    assert [path.name for path in here.iterdir() if path.suffix != ".lock"] == []
    assert not (tmp_path / "out.txt").exists()


LINKS = (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE)


@pytest.mark.parametrize("kind", LINKS)
def test_links_and_devices_in_a_tar_are_refused(kind: bytes, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"link|device"):
        unpack(make_tar(tmp_path / "archive", "link", kind=kind, target="/etc/passwd"), tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("mode", [0o120777, 0o010644, 0o060644])
def test_links_and_devices_in_a_zip_are_refused(mode: int, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"link|device"):
        unpack(make_zip(tmp_path / "archive", "link", mode=mode), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_more_than_the_disk_holds_is_refused_before_a_byte_is_written(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda _: type("Usage", (), {"free": 5})())
    with pytest.raises(UserError, match="are free"):
        unpack(make_zip(tmp_path / "archive", "more"), tmp_path / "out")


@pytest.mark.parametrize("make", [make_tar, make_zip])
def test_damaged_archives_are_refused_or_whole(make: Any, tmp_path: Path) -> None:
    path = make(tmp_path / "archive", *(f"whole/{number}" for number in range(5)))
    for number, changed in enumerate(mutations(path.read_bytes(), 60, seed=0)):
        path.write_bytes(changed)
        try:
            unpack(path, tmp_path / str(number) / "out")
        except UserError:
            assert not (tmp_path / str(number) / "out").exists()
        assert not list(tmp_path.rglob("*.part"))


UNPACKER = """
import sys
from pathlib import Path
from reproduce.data.unpack import unpack
from reproduce.errors import UserError
try:
    unpack(Path(sys.argv[1]), Path(sys.argv[2]))
except UserError as error:
    sys.exit("there already" not in str(error))
"""


def test_two_processes_do_not_clash(tmp_path: Path) -> None:
    archive = make_tar(tmp_path / "archive", *(f"whole/{number}" for number in range(300)))
    words = [sys.executable, "-c", UNPACKER, str(archive), str(tmp_path / "out")]
    processes = [subprocess.Popen(words, cwd=ROOT) for _ in range(3)]
    assert [process.wait() for process in processes] == [0, 0, 0]
    assert len(files(tmp_path / "out")) == 301


def test_data_unpack_puts_a_known_set_where_it_is_looked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ATTNREPRO_DATA", str(tmp_path / "data"))
    buffer = io.BytesIO()
    Image.new("RGB", (150, 150)).save(buffer, "PNG")
    with zipfile.ZipFile(tmp_path / "archive.zip", "w") as opened:
        for split in ("seg_train/seg_train", "seg_test/seg_test"):
            for name in ("sea/1.png", "street/2.png"):
                opened.writestr(f"{split}/{name}", buffer.getvalue())
    found = act("unpack", str(tmp_path / "archive.zip"))
    assert isinstance(found, dict)
    assert (found["name"], found["classes"], found["root"]) == (
        "local-intel-scenes",  # four images are not its content
        2,
        str(tmp_path / "data" / "intel-scenes"),
    )
    with pytest.raises(UserError, match="there is no archive"):
        act("unpack", str(tmp_path / "nothing.zip"))
    with pytest.raises(UserError, match="no readable archive"):
        act("unpack", str(Path(__file__)))


# --- downloads ---

CONTENT = bytes(range(256)) * 5000
MD5 = hashlib.md5(CONTENT).hexdigest()
URL = "https://example.org/file.tar.gz"


class Answer(io.BytesIO):
    def __init__(self, content: bytes, status: int, headers: dict[str, str], whole: int) -> None:
        super().__init__(content)
        self.status, self.headers = status, {**headers, "Content-Length": str(whole)}


class Server:
    """Breaks off after so many bytes of each answer; understands ranges unless told not to."""

    def __init__(self, content: bytes, breaks: list[int], ranges: bool = True) -> None:
        self.content, self.breaks, self.ranges, self.asked = content, breaks, ranges, list[int]()

    def open(self, request: urllib.request.Request) -> Answer:
        first = int((request.get_header("Range") or "bytes=0-")[6:-1])
        self.asked.append(first)
        first = first if self.ranges else 0
        if first >= len(self.content):
            raise urllib.error.HTTPError(URL, 416, "no such range", http.client.HTTPMessage(), None)
        rest = self.content[first:]
        sent = rest[: self.breaks.pop(0)] if self.breaks else rest
        headers = {"Content-Range": f"bytes {first}-"} if first else {}
        return Answer(sent, 206 if first else 200, headers, len(rest))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "file.tar.gz"


def test_a_download_goes_on_where_it_broke_off(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    server = Server(CONTENT, [1000, 2000])
    monkeypatch.setattr(net, "_open", server.open)
    net.download(URL, path, "md5", MD5)
    assert path.read_bytes() == CONTENT
    assert server.asked == [0, 1000, 3000]
    assert [item.name for item in path.parent.iterdir()] == [path.name]


def test_a_later_call_goes_on_and_a_server_without_ranges_begins_again(path: Path, monkeypatch: Any) -> None:
    part = path.with_name(path.name + ".part")
    for ranges in (True, False):
        part.write_bytes(CONTENT[:5000])
        server = Server(CONTENT, [], ranges)
        monkeypatch.setattr(net, "_open", server.open)
        net.download(URL, path, "sha256", hashlib.sha256(CONTENT).hexdigest())
        assert server.asked == [5000]
        assert path.read_bytes() == CONTENT
    part.write_bytes(CONTENT)  # killed between the last byte and the check
    net.download(URL, path, "md5", MD5)
    assert path.read_bytes() == CONTENT


def test_another_file_than_expected_is_removed(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(net, "_open", Server(CONTENT[:-1] + b"x", []).open)
    with pytest.raises(UserError, match="md5 differs"):
        net.download(URL, path, "md5", MD5)
    assert not list(path.parent.iterdir())


def test_a_net_that_fails_for_good_is_one_sentence(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: Any) -> None:
        raise urllib.error.URLError("no route to host")

    monkeypatch.setattr(net, "_open", fail)
    with pytest.raises(UserError, match="no route to host"):
        net.download(URL, path, "md5", MD5)


def test_only_encrypted_addresses(path: Path) -> None:
    with pytest.raises(UserError, match="not encrypted"):
        net.download("http://example.org/file", path, "md5", MD5)
    with pytest.raises(UserError, match="not encrypted"):
        net._HttpsOnly().redirect_request(urllib.request.Request(URL), None, 301, "", {}, "http://example.org/file")
    for kind in (torchvision.datasets.CIFAR10, torchvision.datasets.CIFAR100):
        assert kind.url.startswith("https://")


def test_cifar_is_fetched_checked_and_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kind = torchvision.datasets.CIFAR10
    names = [f"data_batch_{number}" for number in range(1, 6)] + ["test_batch", "batches.meta"]
    batch = pickle.dumps({"data": np.zeros((2, 3072), np.uint8), "labels": [0, 1]})
    contents = {name: batch for name in names} | {"batches.meta": pickle.dumps({"label_names": ["cat", "dog"]})}
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name, content in contents.items():
            info = tarfile.TarInfo(f"{kind.base_folder}/{name}")
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    sums = {name: hashlib.md5(content).hexdigest() for name, content in contents.items()}
    monkeypatch.setattr(kind, "train_list", [[name, sums[name]] for name in names[:5]])
    monkeypatch.setattr(kind, "test_list", [["test_batch", sums["test_batch"]]])
    monkeypatch.setattr(kind, "meta", {**kind.meta, "md5": sums["batches.meta"]})
    monkeypatch.setattr(kind, "tgz_md5", hashlib.md5(buffer.getvalue()).hexdigest())
    monkeypatch.setenv("ATTNREPRO_DATA", str(tmp_path))
    server = Server(buffer.getvalue(), [])
    monkeypatch.setattr(net, "_open", server.open)
    assert fetch_module.fetch("cifar10").name == "local-cifar10"  # twelve images are not its content
    here = [name for name in files(tmp_path / "cifar10") if not name.endswith(".lock")]
    assert here == [f"{kind.base_folder}/{name}" for name in sorted(names)]
    fetch_module.fetch("cifar10")
    assert server.asked == [0]  # it is there
    (tmp_path / "cifar10" / kind.base_folder / "test_batch").write_text("damaged")
    fetch_module.fetch("cifar10")
    assert (tmp_path / "cifar10" / kind.base_folder / "test_batch").read_bytes() == batch
