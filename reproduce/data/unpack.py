"""Archives of images to folders, trusting nothing that an archive says of itself.

unpack(Path("tiny-imagenet-200.zip"), data_root() / "tiny-imagenet")

Members may only lie below the folder that is made: absolute names, ``..``, links and devices are refused before a byte
is written. The folder appears in one step when everything is in it; a second process waits for the first.
"""

import contextlib
import lzma
import os
import re
import shutil
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import IO

from reproduce.errors import UserError

_FOREIGN = "get the archive from its publisher again; nothing of it was unpacked"
_DAMAGE = (zipfile.BadZipFile, tarfile.TarError, EOFError, zlib.error, lzma.LZMAError, RuntimeError, ValueError)
Member = tuple[str, int, IO[bytes]]  # name, bytes, content


def unpack(archive: Path, folder: Path) -> None:
    """Unpack a zip or tar archive into ``folder``, which must not be there yet.

    Raises:
        UserError: no archive, a damaged one, one that would write elsewhere, no room, or the folder is there.
    """
    import filelock

    if folder.exists():
        raise UserError(f"{folder} is there already", "move it away, or use what is in it: --data " + str(folder))
    fresh = folder.with_name(f"{folder.name}.{os.getpid()}.part")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with filelock.FileLock(f"{folder}.lock"):
            if folder.exists():  # another process was quicker
                return
            try:
                _check(archive, folder.parent)
                for name, size, content in _members(archive):
                    _write(fresh / name, size, content, archive)
                fresh.replace(folder)
            finally:
                shutil.rmtree(fresh, ignore_errors=True)
    except _DAMAGE as error:
        raise UserError(f"{archive} is damaged ({error})", _FOREIGN) from None
    except OSError as error:
        what = error.filename or archive
        raise UserError(f"{what} cannot be read or written ({error.strerror or error})", "check the disk") from None


def list_folders(archive: Path) -> set[str]:
    """Return the names of all folders in an archive, by which data sets are told apart; UserError where it is none."""
    try:
        return {part for name, _, _ in _entries(archive) for part in PurePosixPath(name).parts[:-1]}
    except (*_DAMAGE, OSError) as error:
        what = (str(error).splitlines() or [type(error).__name__])[0]
        raise UserError(f"{archive} is no readable archive ({what})", _FOREIGN) from None


def _check(archive: Path, disk: Path) -> None:
    """Refuse the whole archive for one member that is no plain file or folder below, or for want of room."""
    total = 0
    for name, size, kind in _entries(archive):
        path = PurePosixPath(name)
        if kind != "plain":
            raise UserError(f"{archive} holds {name!r}, which is a {kind}", _FOREIGN)
        odd = "\\" in name or "\0" in name or re.match(r"[A-Za-z]:", name)
        if not name or path.is_absolute() or ".." in path.parts or odd:
            raise UserError(f"{archive} would write to {name!r}, outside the folder it is unpacked to", _FOREIGN)
        total += size
    free = shutil.disk_usage(disk).free
    if total > free:
        raise UserError(f"{archive} unpacks to {total / 1e9:.3g} GB, {free / 1e9:.3g} GB are free", "free some space")


def _entries(archive: Path) -> Iterator[tuple[str, int, str]]:
    """Yield name, size and kind (plain, link, device) of every member, folders included."""
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as opened:
            for info in opened.infolist():
                mode = info.external_attr >> 16
                plain = stat.S_IFMT(mode) in (0, stat.S_IFREG, stat.S_IFDIR)
                yield info.filename, info.file_size, "plain" if plain else "link" if stat.S_ISLNK(mode) else "device"
        return
    with tarfile.open(archive) as tar:
        for member in tar:
            link = member.issym() or member.islnk()
            plain = member.isfile() or member.isdir()
            yield member.name, member.size, "plain" if plain else "link" if link else "device"


def _members(archive: Path) -> Iterator[Member]:
    """Yield every file with its content, to be read before the next is asked for."""
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as opened:
            for info in opened.infolist():
                if not info.is_dir():
                    with opened.open(info) as content:
                        yield info.filename, info.file_size, content
        return
    with tarfile.open(archive) as tar:
        for member in tar:
            found = tar.extractfile(member) if member.isfile() else None
            if found is not None:
                with found as content:
                    yield member.name, member.size, content


def _write(path: Path, size: int, content: IO[bytes], archive: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("xb") as target, contextlib.closing(content):
        left = size
        while piece := content.read(1 << 20):
            left -= len(piece)
            if left < 0:
                break
            target.write(piece)
    if left:
        raise UserError(f"{archive} holds {path.name!r} in another size than it says", _FOREIGN)
