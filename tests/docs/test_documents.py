"""README, docs and CONTRIBUTING: commands are ones the command line takes, examples run, links lead somewhere."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from cli import app
from paper_tables.measured import MEASURED
from reproduce.recipes.registry import find_table, resolve
from reproduce.recipes.settings import read_settings

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
TEXT = {page.name: page.read_text(encoding="utf-8") for page in PAGES}
README = TEXT["README.md"]
OWN = "adding-a-table.md"  # its table is not in this tree: tests/docs/test_adding_a_table.py follows it


def fenced(kind: str, text: str) -> list[str]:
    return re.findall(rf"```{kind}\n(.*?)```", text, re.DOTALL)


def commands(text: str) -> list[list[str]]:
    lines = [line for block in fenced("sh", text) for line in block.splitlines() if line.startswith("attnrepro ")]
    lines += re.findall(r"`(attnrepro [a-z][^`]*)`", text)
    return [shlex.split(line, comments=True)[1:] for line in lines]


COMMANDS = {" ".join(words): words for name, text in TEXT.items() if name != OWN for words in commands(text)}
PLACES = ("NAME", "ROW", "RUN", "TABLE", "FILE", "PATH")


@pytest.mark.parametrize("words", COMMANDS.values(), ids=COMMANDS)
def test_a_command_is_one_that_the_verb_takes(words: list[str]) -> None:
    verb = get_command(app).commands[words[0]]  # type: ignore[attr-defined]
    given = verb.make_context(words[0], words[1:]).params
    if words[0] == "train" and given["row"] not in PLACES:
        changes = read_settings(given["settings"] or [])
        resolve(given["row"], variant=given["variant"], budget=given["budget"] or "smoke", changes=changes)
    if words[0] == "table" and given["name"] not in PLACES:
        find_table(given["name"])


QUICK = {
    name: words
    for name, words in COMMANDS.items()
    if (words[0] in ("doctor", "ls", "data") and not set(words) & set(PLACES)) or {"--no-run", "--dry-run"} & set(words)
}


@pytest.mark.parametrize("words", QUICK.values(), ids=QUICK)
def test_quick_commands_run(words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ATTNREPRO_RESULTS", str(tmp_path / "results"))
    monkeypatch.setenv("ATTNREPRO_DATA", str(tmp_path / "data"))
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 0, result.output


def test_make_targets_exist() -> None:
    makefile = (ROOT / "Makefile").read_text()
    asked = {
        target for text in TEXT.values() for target in re.findall(r"\bmake ([a-z-]+)", "\n".join(fenced("sh", text)))
    }
    assert {target for target in asked if f"\n{target}:" not in makefile} == set()
    assert {"demo", "test"} <= asked


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        if not target.startswith(("http", "#")):
            assert (page.parent / target.partition("#")[0]).exists(), target


def test_links_to_lines_name_what_stands_there() -> None:
    """``[`name`](file#L12)``: line 12 defines ``name``; ``ATTNREPRO_REGEN=1`` writes the numbers anew."""
    path = ROOT / "docs" / "how-a-number-is-made.md"
    text = path.read_text(encoding="utf-8")

    def renew(found: re.Match[str]) -> str:
        name, file = found[1], found[2]
        lines = (path.parent / file).read_text(encoding="utf-8").splitlines()
        places = [number for number, line in enumerate(lines, 1) if re.match(rf"(def|class) {name}\b", line)]
        assert len(places) == 1, f"{file} defines {name} {len(places)} times"
        return f"[`{name}`]({file}#L{places[0]})"

    renewed, count = re.subn(r"\[`(\w+)`\]\(([^)#]+)#L\d+\)", renew, text)
    assert count >= 12
    if os.environ.get("ATTNREPRO_REGEN"):
        path.write_text(renewed, encoding="utf-8")
        return
    assert text == renewed


EXAMPLES = {
    f"{name}-{i}": code for name, text in TEXT.items() for i, code in enumerate(fenced("python", text)) if name != OWN
}


@pytest.mark.parametrize("code", EXAMPLES.values(), ids=EXAMPLES)
def test_python_examples_run_and_print_what_they_say(code: str, capsys: pytest.CaptureFixture[str]) -> None:
    exec(compile(code, "example", "exec"), {})
    said = [line.partition("# ")[2] for line in code.splitlines() if line.startswith("print(")]
    assert said
    assert capsys.readouterr().out.splitlines() == said


@pytest.mark.parametrize("path", sorted((ROOT / "examples").glob("*.py")), ids=lambda path: path.name)
def test_scripts_run(path: Path, tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "ATTNREPRO_RESULTS": str(tmp_path), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, str(path)], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("\n") >= 1


def test_the_readme_fits_on_its_page() -> None:
    assert len(README.splitlines()) <= 150


def test_what_the_readme_says_the_demo_prints_is_printed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its runs lie in measured/demo.csv; ``ATTNREPRO_REGEN=1`` writes the lines anew from them."""
    monkeypatch.setenv("ATTNREPRO_RESULTS", str(tmp_path))
    (tmp_path / "runs.csv").write_bytes((MEASURED / "demo.csv").read_bytes())
    told = CliRunner().invoke(app, ["table", "hierarchical", "--no-run"])
    assert told.exit_code == 0, told.output
    table = told.output.partition("╭")[2].partition("╯")[0].splitlines()
    last = max(number for number, line in enumerate(table) if "vit-ha" in line)
    first = next(number for number, line in enumerate(table) if line.startswith("├"))
    why = told.output[told.output.index("All rows that were run") :].partition(".\n")[0] + "."
    wanted = "\n".join([*table[1 : first + 1], *table[last : last + 3], "", *why.splitlines()])
    shown = fenced("text", README)[0].rstrip("\n")
    if os.environ.get("ATTNREPRO_REGEN"):
        (ROOT / "README.md").write_text(README.replace(shown, wanted), encoding="utf-8")
        return
    assert shown == wanted
