"""Runs on a Ray cluster: one task a run, begun again from its last epoch where its machine is lost.

    rows = finish_on_ray(session, runs, command, place)

Tasks train and measure; this process alone appends to the ledger and shows the progress.
"""

import logging
import os
import socket
import sys
import threading
from dataclasses import astuple, replace
from pathlib import Path
from typing import Any

import ray
import torch
from ray.util.queue import Queue
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from reproduce.errors import UserError
from reproduce.record import ledger
from reproduce.runs.place import RETRIES, Place
from reproduce.runs.plan import find_done
from reproduce.runs.progress import show_events
from reproduce.runs.session import Session, choose_device
from reproduce.training.run import Run

_PATIENCE = 5.0  # seconds until an address counts as deaf
_PASSED_ON = ("ATTNREPRO_RESULTS", "ATTNREPRO_DATA", "ATTNREPRO_LOG_LEVEL")


def finish_on_ray(session: Session, runs: list[Run], command: str, place: Place) -> list[dict[str, Any] | None]:
    """Do ``runs`` on the cluster at ``place`` and return their rows in the same order.

    Each row is appended as it arrives; what is in the ledger by then is not added twice.

    Raises:
        UserError: no such cluster, no machine with what a run asks for, or what a run raised; the others finish first.
    """
    started = _connect(place)
    try:
        _check_room(place)
        # beside this process: the cluster's other machines may go
        here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
        events = Queue(actor_options={"num_cpus": 0, "scheduling_strategy": here})
        watcher = threading.Thread(target=show_events, args=(events, runs), daemon=True)
        watcher.start()
        try:
            return _collect(session, runs, command, place, events)
        finally:
            events.put(None)
            watcher.join(timeout=10)
    finally:
        if started:
            ray.shutdown()


def _collect(
    session: Session, runs: list[Run], command: str, place: Place, events: Queue
) -> list[dict[str, Any] | None]:
    task = ray.remote(_finish).options(
        num_cpus=place.cpus,
        num_gpus=place.gpus,
        max_retries=RETRIES,  # of machines lost; what a run raises is not repeated
        runtime_env={"env_vars": _environment(place)},
    )
    pending = {task.remote(session, run, command, place, events): index for index, run in enumerate(runs)}
    rows: list[dict[str, Any] | None] = [None] * len(runs)
    failed: list[UserError] = []
    while pending:
        (ready,), _ = ray.wait(list(pending), num_returns=1)
        index = pending.pop(ready)
        try:
            rows[index] = ray.get(ready)
        except ray.exceptions.RayTaskError as error:
            failed.append(_read_error(error, runs[index]))
        except ray.exceptions.RayError as error:
            reason = str(error).strip().splitlines()[0]
            hint = "the same command goes on from the last saved epoch"
            failed.append(UserError(f"{runs[index].run_id} was lost {RETRIES + 1} times ({reason[:100]})", hint))
        row = rows[index]
        if row is not None and find_done(ledger.read(), runs[index]) is None:
            ledger.append(row)
    if failed:
        more = f" (and {len(failed) - 1} more)" if len(failed) > 1 else ""
        raise UserError(failed[0].message + more, failed[0].hint)
    return rows


def _finish(session: Session, run: Run, command: str, place: Place, events: Queue) -> dict[str, Any] | None:
    """Do one run on the machine that this is; its row is returned, not appended."""
    torch.set_num_threads(place.cpus)
    device = choose_device("auto" if place.gpus else "cpu")
    own = replace(session, device=device, appends=False)
    return own.finish(run, command, on_event=lambda event: events.put(astuple(event)))


def _connect(place: Place) -> bool:
    """Join the cluster, or start one of this machine; return whether it is this process's to end."""
    if ray.is_initialized():
        return False
    if place.address not in (None, "auto"):
        _check_reachable(str(place.address))
    try:
        board = False if place.address is None else None  # a running cluster has settled it
        ray.init(address=place.address, log_to_driver=False, logging_level=logging.ERROR, include_dashboard=board)
    except (ConnectionError, ValueError, RuntimeError) as error:
        reason = str(error).strip().splitlines()[0]
        raise UserError(
            f"there is no Ray cluster at '{place.address}' ({reason[:100]})",
            "start one (ray start --head), or leave out --address to use this machine alone",
        ) from None
    return True


def _check_reachable(address: str) -> None:
    """Refuse an address at which nobody listens: Ray would try for minutes."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    try:
        socket.create_connection((host, int(port)), timeout=_PATIENCE).close()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UserError(
            f"there is no Ray cluster at '{address}' ({reason})",
            "start one (ray start --head), or leave out --address to use this machine alone",
        ) from None


def _check_room(place: Place) -> None:
    """Refuse what no machine of the cluster has: Ray would wait for it without a word."""
    machines = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    for name, asked in (("CPU", place.cpus), ("GPU", place.gpus)):
        most = max((machine.get(name, 0) for machine in machines), default=0)
        if asked > most:
            hint = "add --device cpu" if name == "GPU" else f"ask for --cpus {int(most)} at most"
            raise UserError(f"no machine of the cluster has {asked} {name}s, the largest has {most:g}", hint)


def _environment(place: Place) -> dict[str, str]:
    """Return what the tasks find in their environment: paths, threads, and this tree if it is not installed."""
    passed = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    # a relative results folder is of this process's working directory
    passed["ATTNREPRO_RESULTS"] = str(ledger.results_path().resolve())
    root = str(Path(__file__).resolve().parents[2])
    paths = [root, *os.environ.get("PYTHONPATH", "").split(os.pathsep)]
    return passed | {
        "OMP_NUM_THREADS": str(place.cpus),
        "PYTHONPATH": os.pathsep.join(path for path in paths if path),
        "PYTHONDONTWRITEBYTECODE": "1" if sys.dont_write_bytecode else "",
    }


def _read_error(error: "ray.exceptions.RayTaskError", run: Run) -> UserError:
    cause = error.cause
    if isinstance(cause, UserError):
        return cause
    return UserError(f"{run.run_id} failed: {type(cause).__name__}: {cause}", "train it alone with --debug")
