"""``attnrepro judge`` as a user types it: no training, no torch, one sentence for what is wrong."""

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cli import app

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    lines = [f"vit,{seed},{value}" for seed, value in enumerate((0.8431, 0.8452, 0.8419))]
    Path("runs.csv").write_text("row,seed,accuracy\n" + "\n".join(lines) + "\n")
    Path("printed.csv").write_text("row,accuracy\nvit,0.843\n")
    return tmp_path


def judge(*words):
    return CliRunner().invoke(app, ["judge", *words])


def test_a_table_of_ours_and_one_of_ones_own():
    for words in (("hierarchical",), ("3",), ("--published", "printed.csv")):
        found = judge(*words, "--measured", "runs.csv", "--json")
        assert found.exit_code == 0, found.stderr
        verdicts = {row["row"]: row["verdict"] for row in json.loads(found.stdout)["rows"]}
        assert verdicts["vit"] == "agrees"


def test_the_example_of_the_documents_says_what_they_say():
    text = (ROOT / "docs" / "claims-and-verdicts.md").read_text(encoding="utf-8")
    Path("runs.csv").write_text(re.findall(r"```csv\n(.*?)```", text, re.DOTALL)[0])
    command = next(line for line in text.splitlines() if line.startswith("attnrepro judge"))
    found = judge(*shlex.split(command, comments=True)[2:], "--json")
    assert found.exit_code == 0, found.stderr
    rows = json.loads(found.stdout)["rows"]
    verdicts = ", ".join(f"{row['row']} {row['verdict']}" for row in rows if row["verdict"] != "not run")
    wanted = command.partition("# ")[2].split(", ")
    assert sorted(verdicts.split(", ")) == sorted(wanted)


def test_the_form_follows_the_file():
    assert judge("3", "--measured", "runs.csv", "--out", "table.tex").exit_code == 0
    assert "\\begin{tabular}" in Path("table.tex").read_text()
    assert judge("3", "--measured", "runs.csv", "--format", "md").stdout.startswith("**Table 3")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "either a table of ours or a file"),
        (("3", "--published", "printed.csv"), "either a table of ours or a file"),
        (("3", "--margin", "0.02"), "the margin of a table of ours is its own"),
        (("--published", "nowhere.csv"), "there is no file nowhere.csv"),
        (("hierarchal",), "no table is called 'hierarchal'"),
        (("3", "--variant", "original"), "the table has no row 'vit'"),
    ],
)
def test_what_is_wrong_is_one_sentence_and_a_hint(words, said):
    found = judge(*words, "--measured", "runs.csv")
    assert found.exit_code == 2
    assert said in found.stderr
    assert found.stderr.count("\n") == 2
    assert found.stdout == ""


def test_nothing_heavy_is_imported_and_nothing_is_written(home):
    code = (
        "import sys\nfrom cli import app\n"
        "try: app(['judge', '3', '--measured', 'runs.csv'])\nexcept SystemExit: pass\n"
        "sys.exit(str({'torch', 'pandas', 'matplotlib'} & set(sys.modules)))"
    )
    before = sorted(home.iterdir())
    words, path = [sys.executable, "-c", code], {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(words, cwd=home, env=path, capture_output=True, text=True, check=False)
    assert done.stderr.strip() == "set()"
    assert "agrees" in done.stdout
    assert sorted(home.iterdir()) == before
