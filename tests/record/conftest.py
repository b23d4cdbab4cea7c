"""A ledger in a folder that is not there yet."""

import pytest


@pytest.fixture
def path(tmp_path):
    return tmp_path / "results" / "runs.csv"
