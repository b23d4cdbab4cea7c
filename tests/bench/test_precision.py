"""Suite `precision`: pairs of runs, their difference and its test."""

from pathlib import Path

import pytest
from scipy import stats

from reproduce.bench import precision
from reproduce.bench.suites import measure_suite, write_result
from reproduce.errors import UserError
from reproduce.recipes.registry import resolve
from reproduce.recipes.settings import override
from reproduce.record import ledger


@pytest.fixture(autouse=True)
def tiny(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ATTNREPRO_RESULTS", str(tmp_path / "results"))
    changes = {"data.train_limit": 100, "data.test_limit": 50, "epochs": 1}
    monkeypatch.setattr(precision, "resolve", lambda row, budget: override(resolve(row, budget=budget), changes))


def test_a_difference_is_that_of_pairs_and_runs_are_done_once(tmp_path: Path) -> None:
    result = measure_suite("precision", "cpu", ["learned"], 3)
    (case,) = result["cases"]
    rows = ledger.read().sort_values("seed")
    by = {name: list(rows[rows["precision"] == name]["top1_last"]) for name in ("fp32", "bf16")}
    assert len(by["fp32"]) == len(by["bf16"]) == case["n"] == 3
    each = [half - full for full, half in zip(by["fp32"], by["bf16"], strict=True)]
    assert case["difference"] == pytest.approx(sum(each) / 3, abs=1e-4)
    if len(set(each)) > 1:
        assert case["p_value"] == pytest.approx(stats.ttest_1samp(each, 0).pvalue, rel=1e-3)
        assert case["low"] < case["difference"] < case["high"]
    again = measure_suite("precision", "cpu", ["learned"], 3)
    assert again["cases"] == result["cases"]
    assert len(ledger.read()) == 6
    written = write_result(result, tmp_path)
    assert written.name.startswith("precision-")
    assert "threads" in written.read_text().splitlines()[0]


def test_the_test_is_paired() -> None:
    """Seeds differ by tenths, the two precisions of one by thousandths: only pairs show it."""
    exact = [0.30, 0.40, 0.50, 0.60]
    case = precision._compare(
        "x", exact, [value + gap for value, gap in zip(exact, (2e-3, 3e-3, 4e-3, 3e-3), strict=True)]
    )
    assert case["p_value"] < 0.01
    assert 0 < case["low"] < case["difference"] == pytest.approx(3e-3)
    assert precision._compare("x", exact, exact)["p_value"] == 1


def test_one_pair_is_refused() -> None:
    with pytest.raises(UserError, match="no spread"):
        measure_suite("precision", "cpu", ["learned"], 1)
