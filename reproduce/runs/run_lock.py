"""One process a run: whoever trains a run holds it, and everyone else is told so. No torch.

with hold(run):
    ...

The lock is the operating system's (flock), beside the run's checkpoints: it ends with the process that holds it,
however that ends, and the file that stays behind holds nobody up.
"""

import contextlib
from collections.abc import Iterator
from contextlib import contextmanager

from reproduce.errors import UserError
from reproduce.training.run import Run

NAME = "train.lock"


@contextmanager
def hold(run: Run) -> Iterator[None]:
    """Hold ``run`` until the end of the block.

    Raises:
        UserError: another process trains it, or its folder cannot be written or locked.
    """
    import filelock

    lock = filelock.FileLock(run.folder / NAME, timeout=0)
    try:
        run.folder.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except filelock.Timeout:
        raise UserError(
            f"{run.run_id} is being trained by another process",
            "wait until it has finished (the same command then shows its result), or end it and go on from its epoch",
        ) from None
    except (OSError, NotImplementedError) as error:
        raise UserError(
            f"{run.folder} cannot be written ({getattr(error, 'strerror', None) or error})",
            "free some space or set ATTNREPRO_RESULTS to a folder that can be written and locked",
        ) from None
    try:
        for piece in run.folder.glob("*.tmp"):  # of a writer that was killed: nobody else writes here now
            with contextlib.suppress(OSError):
                piece.unlink()
        yield
    finally:
        lock.release()
