"""A finished run with all its files, which the tests of damage copy and change."""

import os
from pathlib import Path

import pytest
import torch

from reproduce.data.source import identify
from reproduce.recipes.registry import resolve
from reproduce.record import ledger
from reproduce.runs.session import Session
from reproduce.training.run import Run, fit_to_data

TINY = {"data.train_limit": 40, "data.test_limit": 10, "batch_size": 20, "model.width": 8, "model.hidden": 8}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run with all its files, and small data sets."""
    home = tmp_path_factory.mktemp("home")
    before = os.environ.get("ATTNREPRO_RESULTS")
    os.environ["ATTNREPRO_RESULTS"] = str(home / "results")
    try:
        source = identify("shapes")
        recipe = fit_to_data(resolve("quadratic", budget="smoke", changes=TINY | {"epochs": 4}), source)
        run = Run(recipe=recipe, source=source)
        Session(torch.device("cpu")).finish(run, "attnrepro train quadratic")
        for seed in range(1, 4):
            ledger.append({"run_id": f"run-{seed}", "row": "quadratic", "seed": seed, "top1_last": seed / 7})
        (home / "run").symlink_to(run.folder)
    finally:
        if before is None:
            del os.environ["ATTNREPRO_RESULTS"]
        else:
            os.environ["ATTNREPRO_RESULTS"] = before
    return home
