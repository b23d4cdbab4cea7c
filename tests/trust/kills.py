"""Kills a training run at given moments and lets it go on; says in JSON what the end differs in from a run left alone.

    python tests/trust/kills.py FOLDER KILLS SEED

One process imports everything once and forks a child a run, so that a run costs half a second and fifty kills a minute.
Half of the moments are spread over the whole run; the others are those at which a file is under way: a state, weights,
a curve, a row of the ledger.
"""

import contextlib
import csv
import json
import os
import random
import signal
import sys
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))
ROW, EPOCHS = "quadratic", 8
WORDS = f"train {ROW} --jobs 1 --resume auto --set epochs={EPOCHS}".split()
for setting in ("data.train_limit=40", "data.test_limit=10", "batch_size=20", "model.width=8", "model.hidden=8"):
    WORDS += ["--set", setting]
TIMED = {"latency_ms", "train_seconds", "images_per_second", "peak_memory_mb", "started", "checkpoint"}
Moment = tuple[str, float]


def run(results: Path, moment: Moment | None = None) -> tuple[int, str]:
    """Run the command in a child; kill it at the moment. Return its exit code, and what there was when it died."""
    child = os.fork()
    if child == 0:
        _run_here(results)
    if moment is None:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), ""
    seen = _wait_for(child, results, moment)
    if seen is None:
        return 0, "finished first"
    os.kill(child, signal.SIGKILL)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), seen


def _run_here(results: Path) -> None:
    from cli import app

    os.environ["ATTNREPRO_RESULTS"] = str(results)
    with (results / "said.txt").open("a") as said:
        os.dup2(said.fileno(), 1)
        os.dup2(said.fileno(), 2)
    code = 1
    try:
        app(WORDS)
    except SystemExit as end:
        code = int(end.code or 0)
    finally:
        os._exit(code)


def _wait_for(child: int, results: Path, moment: Moment) -> str | None:
    """Wait for a time, or for the n-th file of a kind to be under way; None where the child ends before."""
    kind, number = moment
    deadline, seen, count = time.monotonic() + number, set[str](), 0
    while not os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT):
        if kind == "time":
            if time.monotonic() >= deadline:
                return "time"
            time.sleep(0.0005)
            continue
        now = {name for name in _files(results) if kind in name}
        count += len(now - seen)
        if count >= number:
            return min(now - seen)
        seen = now
    os.waitpid(child, 0)
    return None


def _files(results: Path) -> set[str]:
    folders = [results]
    with contextlib.suppress(OSError):
        folders += [Path(entry.path) for entry in os.scandir(results / ROW)]
    found: set[str] = set()
    for folder in folders:
        with contextlib.suppress(OSError):
            found |= set(os.listdir(folder))  # noqa: PTH208 (this loop must be quick)
    return found


def outcome(results: Path) -> dict[str, Any]:
    """Return everything that a finished run has left and that no clock decides, as plain values."""
    from reproduce.record import ledger
    from reproduce.runs.show import read_run
    from reproduce.training.checkpoint import load_state, load_weights

    name = next(iter(sorted((results / ROW).iterdir()))).name
    folder = results / ROW / name
    os.environ["ATTNREPRO_RESULTS"] = str(results)
    line = ledger.read().set_index("run_id").loc[name].to_dict()
    import torch

    state = load_state(folder / "last.pt", None, torch.device("cpu"))
    for line_of_epoch in state["progress"]["history"]:
        line_of_epoch.pop("seconds")
    state["progress"].pop("seconds")
    with (results / "runs.csv").open(newline="") as file:
        rows = sum(cells[0] == name for cells in csv.reader(file))
    found = {
        "ledger": {key: str(value) for key, value in line.items() if key not in TIMED},
        "rows of the run": rows,
        "state": _plain(state),
        "weights": _plain(load_weights(folder / "best.safetensors").tensors),
        "history": [{k: v for k, v in point.items() if k != "seconds"} for point in read_run(name)["history"]],
        "positions": (folder / "positions.csv").read_text(),
        "files left": sorted(path.name for path in results.rglob("*") if path.suffix in (".tmp", ".next")),
    }
    return json.loads(json.dumps(found))


def _plain(value: Any) -> Any:
    """Return tensors as the hexadecimal of their bytes, so that equal means equal to the bit."""
    if hasattr(value, "numpy"):
        return value.detach().contiguous().numpy().tobytes().hex()
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value


def choose(count: int, seed: int, seconds: float) -> list[Moment]:
    """Return the moments: half of them times, a quarter files of the run, a quarter the ledger's."""
    drawn = random.Random(seed)
    moments: list[Moment] = []
    for number in range(count):
        if number % 4 in (0, 2):
            moments.append(("time", seconds * (number + drawn.random()) / count))
        elif number % 4 == 1:
            moments.append((".tmp", drawn.randint(1, 3 * EPOCHS)))
        else:
            moments.append((drawn.choice(("runs.csv.lock", "runs.csv.")), 1))
    return moments


def main() -> None:
    """Run once undisturbed, then kill and go on as often as asked."""
    folder, count, seed = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    import pyarrow.csv  # noqa: F401 (imported here, not once a child)

    import reproduce.runs.complete
    import reproduce.runs.launch  # noqa: F401
    from reproduce.data import shapes
    from reproduce.record import ledger

    for split in ("train", "test"):
        shapes.draw(split)
    whole = folder / "whole"
    whole.mkdir(parents=True)
    begun = time.monotonic()
    assert run(whole)[0] == 0, (whole / "said.txt").read_text()
    seconds, expected = time.monotonic() - begun, outcome(whole)
    report = []
    for number, moment in enumerate(choose(count, seed, seconds)):
        for attempt in range(8):  # a run that ended before its moment is done anew, and killed sooner
            results = folder / f"{number}-{attempt}"
            results.mkdir()
            if moment[0] == "runs.csv." or number % 8 > 3:  # a ledger that is there is added to, a new one is made
                ledger.append({"run_id": "another", "status": "done"}, results / "runs.csv")
            code, seen = run(results, moment)
            if code == -signal.SIGKILL:
                break
            moment = ("time", 0.8**attempt * 0.9 * seconds)
        again, _ = run(results)
        said = (results / "said.txt").read_text()
        found = outcome(results) if again == 0 else {}
        differs = [key for key in expected if found.get(key) != expected[key]]
        report.append({"moment": moment, "seen": seen, "code": code, "exit": again, "differs": differs})
        report[-1] |= {"said": said} if differs else {}
    print(json.dumps({"seconds": seconds, "kills": report}))


if __name__ == "__main__":
    main()
