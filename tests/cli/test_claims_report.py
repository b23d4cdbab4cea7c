"""The verbs ``claims`` and ``report`` as a user types them."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from cli import app


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ATTNREPRO_RESULTS", str(tmp_path / "results"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*words: str) -> Result:
    return CliRunner().invoke(app, list(words))


def refused(*words: str) -> str:
    result = run(*words)
    assert result.exit_code == 2, result.output
    assert "Traceback" not in result.stderr
    assert "hint: " in result.stderr
    return result.stderr


def test_claims_of_a_study_in_one_document() -> None:
    result = run("claims", "gates", "--json")
    assert result.exit_code == 0, result.stderr
    document = json.loads(result.stdout)
    assert [study["study"] for study in document["studies"]] == ["gates"]
    by_id = {claim["id"]: claim for claim in document["studies"][0]["claims"]}
    assert by_id["gate-4"]["published"]["verdict"] == "holds"
    assert by_id["gate-4"]["verdict"] in ("not run", "undecided", "holds", "fails")


def test_one_claim_shows_its_questions() -> None:
    result = run("claims", "c15b")
    assert result.exit_code == 0
    assert "C15b" in result.stdout
    assert "C14 " not in result.stdout
    assert "Parts" in result.stdout
    assert "10.59x" in result.stdout


@pytest.mark.parametrize("form", ["text", "md", "latex", "html", "json"])
def test_every_format_goes_to_a_file(form: str, home: Path) -> None:
    result = run("claims", "ece176", "--format", form, "--out", str(home / "claims"))
    assert result.exit_code == 0, result.stderr
    text = (home / "claims").read_text()
    assert "ece" in text
    assert "convolutional" in text
    assert "…" not in text


def test_mistakes_get_a_hint() -> None:
    assert "gates" in refused("claims", "gats")
    assert "json" in refused("claims", "--format", "jsn")
    assert "as-run" in refused("claims", "--variant", "as-rum")
    assert "name a folder" in refused("report", "--out", "report.pdf")
    assert "exclude" in refused("report", "--check", "--markdown")


def test_report_writes_page_markdown_and_figures(home: Path) -> None:
    result = run("report", "--out", str(home / "out"), "--json")
    assert result.exit_code == 0, result.stderr
    document = json.loads(result.stdout)
    assert document["written"] == [str(home / "out" / "report.html"), str(home / "out" / "report.md")]
    text = (home / "out" / "report.md").read_text()
    named = [line.split("](")[1].split(")")[0] for line in text.splitlines() if line.startswith("![")]
    assert named
    assert all((home / "out" / name).exists() for name in named)
    assert set(document["claims"]) == {"re", "ece176", "san-review", "augmented", "gates"}


def test_report_as_markdown_alone(home: Path) -> None:
    assert run("report", "--out", str(home / "mine.md")).exit_code == 0
    assert "(mine-figures/" in (home / "mine.md").read_text()
    assert list((home / "mine-figures").glob("*.svg"))
