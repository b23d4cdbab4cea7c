"""Files that are either whole or not there: write beside, flush, rename."""

import contextlib
import os
from pathlib import Path

from reproduce.errors import UserError


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
            fresh.replace(path)
        finally:
            with contextlib.suppress(OSError):
                fresh.unlink(missing_ok=True)
    except OSError as error:
        raise UserError(
            f"{path} cannot be written ({error.strerror or error})",
            "free some space or set ATTNREPRO_RESULTS to a folder that can be written",
        ) from None
