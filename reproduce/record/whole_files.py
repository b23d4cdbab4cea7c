"""Files that are either whole or not there (write beside, flush, rename), and that know whether they were changed.

write_whole(path, seal(content))        # content holds one UNSEALED, somewhere
check_seal(path.read_bytes(), path, "train it again", needed=True)     # raises where a byte has changed since
"""

import contextlib
import hashlib
import os
import re
import shutil
from pathlib import Path

from reproduce.errors import UserError

_MARK = b"attnrepro-sha256:"
UNSEALED = _MARK + b"0" * 64  # the place of the digest: of the content with zeros in that place
SUMS = "SHA256SUMS"
_SEAL = re.compile(_MARK + rb"([0-9a-f]{64})")


def seal(content: bytes) -> bytes:
    """Return ``content`` with the digest of all of it in the place of its last :data:`UNSEALED`."""
    before, mark, after = content.rpartition(UNSEALED)
    assert mark, "there is no place for the digest"
    return before + _MARK + hashlib.sha256(content).hexdigest().encode() + after


def check_seal(content: bytes, path: Path, again: str, *, needed: bool) -> None:
    """Refuse content that is not as :func:`seal` left it.

    Args:
        content: the file's bytes.
        path: the file, for the sentence.
        again: the hint: how to get the file back.
        needed: whether content without a seal is refused too.

    Raises:
        UserError: a byte has changed, or the seal is missing.
    """
    found = next(reversed(list(_SEAL.finditer(content))), None)
    if found is None:
        if needed:
            raise UserError(f"{path} is damaged: its checksum is gone", again)
        return
    zeroed = content[: found.start()] + UNSEALED + content[found.end() :]
    if hashlib.sha256(zeroed).hexdigest().encode() != found[1]:
        raise UserError(f"{path} was changed after it was written: its checksum does not fit", again)


def check_listed(content: bytes, path: Path, again: str) -> None:
    """Refuse content that differs from what ``SHA256SUMS`` beside it says; files that no list names pass.

    For files that people edit and the project ships: ``sha256sum *.csv > SHA256SUMS`` makes the list anew.

    Args:
        content: the file's bytes.
        path: the file, for its name and the sentence.
        again: the hint: how to get the file back.

    Raises:
        UserError: the content is not the listed one, or the list cannot be read.
    """
    sums = path.with_name(SUMS)
    try:
        listed = {name: digest for digest, name in map(str.split, sums.read_text(encoding="utf-8").splitlines())}
    except FileNotFoundError:
        return
    except (OSError, ValueError) as error:
        raise UserError(f"{sums} cannot be read ({error})", again) from None
    known = listed.get(path.name)
    if known is not None and known != hashlib.sha256(content).hexdigest():
        raise UserError(f"{path} is not the file that {SUMS} lists: its checksum differs", again)


def read_listed(path: Path, again: str) -> str:
    """Return the text of a file that the project ships, as :func:`check_listed` wants it.

    Raises:
        FileNotFoundError: there is none.
        UserError: it cannot be read, or is not the listed one.
    """
    try:
        content = path.read_bytes()
        check_listed(content, path, again)
        return content.decode("utf-8")
    except FileNotFoundError:
        raise
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path} cannot be read ({error})", again) from None


def write_whole(path: Path, content: bytes) -> None:
    """Put ``content`` at ``path`` in one step, so that a reader or a killed writer never leaves half of it.

    Raises:
        UserError: the folder cannot be written or the disk is full; what was at ``path`` stays.
    """
    fresh = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with fresh.open("wb") as target:
                target.write(content)
                target.flush()
                os.fsync(target.fileno())
            if path.exists():
                shutil.copymode(path, fresh)
            fresh.replace(path)
            _sync_folder(path.parent)
        finally:
            with contextlib.suppress(OSError):
                fresh.unlink(missing_ok=True)
    except OSError as error:
        raise UserError(
            f"{path} cannot be written ({error.strerror or error})",
            "free some space or choose a place that can be written: --out, or ATTNREPRO_RESULTS for results",
        ) from None


def _sync_folder(folder: Path) -> None:
    """Bring the folder's new entry down to the disk, where the file system lets a folder be opened."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
