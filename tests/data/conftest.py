"""Results, and with them the sums of data that are kept, in a folder of each test's own."""

import pytest

from reproduce.data import content_cache


@pytest.fixture(autouse=True)
def results(tmp_path_factory, monkeypatch):
    results = tmp_path_factory.mktemp("home") / "results"  # not beside a test's images: it would be a folder of them
    monkeypatch.setenv("ATTNREPRO_RESULTS", str(results))
    content_cache.forget()
    return results
