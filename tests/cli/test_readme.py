"""Every command of the README is one that the command line takes, and the quick ones run."""

import re
import shlex
from pathlib import Path

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from cli import app
from reproduce.recipe import read_settings
from reproduce.recipes import find_table, resolve

README = (Path(__file__).resolve().parents[2] / "README.md").read_text()
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
            budget=given["budget"],
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
