"""Several runs at once in processes of their own, one thread each: mini models gain nothing from a second thread.

rows = finish_in_parallel(session, runs, command, jobs=2)
"""

import multiprocessing
import signal
import threading
from collections.abc import Sequence
from concurrent.futures import Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import astuple, replace
from multiprocessing.managers import SyncManager
from typing import Any

from reproduce.console.signals import die_with_parent, hold_signals, notes_of
from reproduce.errors import UserError
from reproduce.runs.progress import show_events
from reproduce.runs.session import Session
from reproduce.training.deadline import Deadline
from reproduce.training.run import Run

_HANDED: Any
_STOP: Any
_DEADLINE: Deadline | None
Rows = list[dict[str, Any] | None]


def finish_in_parallel(session: Session, runs: list[Run], command: str, jobs: int) -> Rows:
    """Do ``runs`` in ``jobs`` processes and return their rows in the same order; each worker appends its own row.

    On Ctrl-C and SIGTERM the workers stop after the step under way; the exception's notes say what each has saved.

    Raises:
        UserError: what a run raised, or a worker was killed; runs that have not begun are not started, those under
            way are finished.
    """
    context = multiprocessing.get_context("spawn")
    manager = SyncManager(ctx=context)
    manager.start(_serve)
    with manager:
        events: Any = manager.Queue()
        stop = context.Event()
        watcher = threading.Thread(target=show_events, args=(events, runs), daemon=True)
        watcher.start()
        pool = ProcessPoolExecutor(
            jobs, mp_context=context, initializer=_hand_over, initargs=(events, stop, session.deadline)
        )
        futures: list[Future[dict[str, Any] | None]] = []
        try:
            with hold_signals():
                futures += [pool.submit(_finish, session, run, command) for run in runs]
            return [future.result() for future in futures]
        except KeyboardInterrupt as interrupt:
            stop.set()
            _add_notes(interrupt, futures)
            raise
        except BrokenProcessPool:
            raise UserError(
                "a worker process was killed from outside, perhaps for want of memory",
                "the same command goes on from the last epochs; --jobs 1 takes the least memory",
            ) from None
        finally:
            pool.shutdown(cancel_futures=True)
            events.put(None)
            watcher.join()


def _add_notes(interrupt: KeyboardInterrupt, futures: Sequence[Future[Any]]) -> None:
    """Wait for the runs under way to stop and pass on what they say."""
    for future in futures:
        future.cancel()
    for future in wait(futures).done:
        if not future.cancelled():
            for note in notes_of(future.exception() or Exception()):
                interrupt.add_note(note)


def _serve() -> None:
    """Keep the queue's process alive while there is someone to serve; a signal may go to the whole group."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # Ctrl-C it ignores by itself
    die_with_parent()


def _hand_over(events: Any, stop: Any, deadline: Deadline | None) -> None:
    global _HANDED, _STOP, _DEADLINE
    _HANDED, _STOP, _DEADLINE = events, stop, deadline
    die_with_parent()


def _finish(session: Session, run: Run, command: str) -> dict[str, Any] | None:
    # a plain tuple: the process that holds the queue need not import what an Event is made of
    own = replace(session, deadline=_DEADLINE)  # which knows how long this worker's epochs took
    return own.finish(run, command, on_event=lambda event: _HANDED.put(astuple(event)), on_step=_obey)


def _obey(*_: int) -> None:
    if _STOP.is_set():
        raise KeyboardInterrupt
