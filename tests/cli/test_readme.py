"""Every command of the README is one that the command line takes, and the quick ones run."""

import os
import re
import shlex
from pathlib import Path

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from cli import app
from paper_tables.measured import MEASURED
from reproduce.recipes.registry import find_table, resolve
from reproduce.recipes.settings import read_settings

README = (Path(__file__).resolve().parents[2] / "README.md").read_text()
EXAMPLES = [code for code in re.findall(r"```python\n(.*?)```", README, re.DOTALL) if "import torch" in code]
BLOCKS = re.findall(r"```sh\n(.*?)```", README, re.DOTALL)
FENCED = [line for block in BLOCKS for line in block.splitlines() if line.startswith("attnrepro ")]
COMMANDS = [shlex.split(line, comments=True)[1:] for line in FENCED]
INLINE = [shlex.split(text)[1:] for text in re.findall(r"`(attnrepro [a-z][^`]*)`", README)]


def test_the_readme_has_commands() -> None:
    assert len(COMMANDS) >= 6


@pytest.mark.parametrize("words", COMMANDS + INLINE, ids=" ".join)
def test_a_command_is_one_that_the_verb_takes(words: list[str]) -> None:
    group = get_command(app)
    verb = group.commands[words[0]]  # type: ignore[attr-defined]
    context = verb.make_context(words[0], words[1:])
    given = context.params
    if words[0] == "train" and given["row"].islower():
        resolve(
            given["row"],
            variant=given["variant"],
            budget=given["budget"] or "smoke",
            changes=read_settings(given["settings"] or []),
        )
    if words[0] == "table" and given["name"] != "NAME":
        find_table(given["name"])


@pytest.mark.parametrize(
    "words",
    [words for words in COMMANDS + INLINE if words[0] in ("doctor", "ls", "data") or "--no-run" in words],
    ids=" ".join,
)
def test_quick_commands_run(words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ATTNREPRO_RESULTS", str(tmp_path / "results"))
    monkeypatch.setenv("ATTNREPRO_DATA", str(tmp_path / "data"))
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 0, result.output


def test_make_targets_of_the_readme_exist() -> None:
    makefile = (Path(__file__).resolve().parents[2] / "Makefile").read_text()
    for target in re.findall(r"^make (\w+)", "\n".join(BLOCKS), re.MULTILINE):
        assert f"\n{target}:" in makefile


def test_the_first_table_is_that_of_the_committed_demo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its runs lie in measured/demo.csv; ``ATTNREPRO_REGEN=1`` writes the table anew from them."""
    monkeypatch.setenv("ATTNREPRO_RESULTS", str(tmp_path))
    (tmp_path / "runs.csv").write_bytes((MEASURED / "demo.csv").read_bytes())
    told = CliRunner().invoke(app, ["table", "hierarchical", "--no-run", "--format", "md"])
    assert told.exit_code == 0, told.output
    first = "| row | published |"
    wanted = first + told.output.partition(first)[2].partition("\n\n")[0]
    shown = first + README.partition(first)[2].partition("\n\n")[0]
    if os.environ.get("ATTNREPRO_REGEN"):
        path = Path(__file__).resolve().parents[2] / "README.md"
        path.write_text(README.replace(shown, wanted))
        return
    assert wanted.count("n=1") == 16  # ours and the committed one of eight rows
    assert shown == wanted


@pytest.mark.parametrize(
    "code", [c for c in re.findall(r"```python\n(.*?)```", README, re.DOTALL) if "import torch" in c]
)
def test_python_examples_run_and_print_what_they_say(code: str, capsys: pytest.CaptureFixture[str]) -> None:
    exec(compile(code, "README.md", "exec"), {})
    said = [line.partition("# ")[2] for line in code.splitlines() if line.startswith("print(")]
    assert capsys.readouterr().out.splitlines() == said
