"""Several runs at once in processes of their own, one thread each: mini models gain nothing from a second thread.

rows = finish_in_parallel(session, runs, command, jobs=2)
"""

import multiprocessing
import sys
import threading
from concurrent.futures import ProcessPoolExecutor
from dataclasses import astuple
from typing import Any

from tqdm import tqdm

from reproduce.launch import Event, Session
from reproduce.run import Run

_HANDED: Any


def finish_in_parallel(session: Session, runs: list[Run], command: str, jobs: int) -> list[dict[str, Any] | None]:
    """Do ``runs`` in ``jobs`` processes and return their rows in the same order; each worker appends its own row.

    Raises:
        UserError: what a run raised; runs that have not begun are not started, those under way are finished.
    """
    context = multiprocessing.get_context("spawn")
    with context.Manager() as manager:
        events: Any = manager.Queue()
        watcher = threading.Thread(target=_watch, args=(events, runs), daemon=True)
        watcher.start()
        pool = ProcessPoolExecutor(jobs, mp_context=context, initializer=_hand_over, initargs=(events,))
        try:
            futures = [pool.submit(_finish, session, run, command) for run in runs]
            return [future.result() for future in futures]
        finally:
            pool.shutdown(cancel_futures=True)
            events.put(None)
            watcher.join()


def _hand_over(events: Any) -> None:
    global _HANDED
    _HANDED = events


def _finish(session: Session, run: Run, command: str) -> dict[str, Any] | None:
    # a plain tuple: the process that holds the queue need not import what an Event is made of
    return session.finish(run, command, on_event=lambda event: _HANDED.put(astuple(event)))


def _watch(events: Any, runs: list[Run]) -> None:
    """Show what the workers report: one bar over all epochs on a terminal, a line an epoch elsewhere."""
    total = sum(run.recipe.total_epochs for run in runs)
    done: dict[str, int] = {}
    with tqdm(total=total, unit="epoch", dynamic_ncols=True, leave=False, disable=not sys.stderr.isatty()) as bar:
        while (parts := events.get()) is not None:
            event = Event(*parts)
            if bar.disable:
                print(event.line(), file=sys.stderr, flush=True)
                continue
            bar.update(event.epoch - done.get(event.name, 0))
            done[event.name] = event.epoch
            bar.set_postfix_str(f"{event.name}: {event.brought}")
