"""Being asked to stop: SIGTERM is heard as Ctrl-C is, and what was saved is said before the process ends.

    with hear_sigterm():
        train(...)          # raises Terminated where the program stands; its notes say which epoch is saved

Nothing is finished halfway: files are written in one step or not at all, so stopping anywhere loses the epoch under way
and no more. A second SIGTERM ends the process at once.
"""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

INTERRUPTED, TERMINATED = 130, 143  # exit codes: 128 + the signal's number, as shells count


class Terminated(KeyboardInterrupt):
    """SIGTERM has come; whatever lets Ctrl-C through lets this through."""


@contextmanager
def hear_sigterm() -> Iterator[None]:
    """Turn the first SIGTERM into :class:`Terminated`; in another thread than the main one nothing changes."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, _raise_terminated)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def hold_signals() -> Iterator[None]:
    """Keep Ctrl-C and SIGTERM waiting; processes started meanwhile never hear them, their parent tells them to stop."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def die_with_parent() -> None:
    """End this worker when the process that started it is gone: an orphan would hold its run's lock for hours."""
    import multiprocessing
    from multiprocessing.connection import wait

    parent = multiprocessing.parent_process()
    if parent is None:
        return

    def watch() -> None:
        wait([parent.sentinel])
        os._exit(1)  # as if killed: files are whole or not there

    threading.Thread(target=watch, daemon=True).start()


def exit_code(stop: KeyboardInterrupt) -> int:
    """Return the exit code of a process that was stopped so."""
    return TERMINATED if isinstance(stop, Terminated) else INTERRUPTED


def notes_of(stop: BaseException) -> list[str]:
    """Return what was said on the way out: which epoch of which run is saved."""
    return list(getattr(stop, "__notes__", []))


def _raise_terminated(number: int, frame: FrameType | None) -> None:
    del frame
    signal.signal(number, signal.SIG_DFL)
    raise Terminated
