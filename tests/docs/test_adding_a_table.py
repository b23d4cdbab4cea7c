"""docs/adding-a-table.md, followed to the letter in a copy of the repository: the new table is trained and rendered."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "adding-a-table.md").read_text(encoding="utf-8")
FILES = dict(re.findall(r"```\w+\n# file: (\S+)\n(.*?)```", PAGE, re.DOTALL))


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The repository's modules and published values with the page's files, and nothing else added."""
    for name in ("reproduce", "paper_tables", "figures", "cli.py"):
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, tmp_path / name)
    for name, text in FILES.items():
        assert not (tmp_path / name).exists()
        (tmp_path / name).write_text(text, encoding="utf-8")
    return tmp_path


def attnrepro(copy: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    environment = {**os.environ, "ATTNREPRO_RESULTS": str(copy / "results"), "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [sys.executable, str(copy / "cli.py"), *words],
        cwd=copy,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_page_has_a_module_and_a_file_of_values() -> None:
    assert [Path(name).suffix for name in FILES] == [".py", ".csv"]


def test_a_table_is_one_module_and_one_file(copy: Path) -> None:
    assert "patches" in attnrepro(copy, "ls", "tables").stdout
    done = attnrepro(copy, "table", "patches")
    assert done.returncode == 0, done.stderr
    for part in ("patches-2", "patches-4", "0.880", "0.843", "not comparable", "n=1"):
        assert part in done.stdout
    sizes = copy / "sizes.csv"
    made = attnrepro(copy, "bench", "--cpu", "--suite", "structure", "--rows", "patches-2", "--out", str(sizes))
    assert made.returncode == 0, made.stderr
    assert sizes.read_text().splitlines()[1].startswith("patches-2,described,")


def test_what_is_missing_is_named(copy: Path) -> None:
    published = copy / "paper_tables" / "published" / "patches.csv"
    published.unlink()
    done = attnrepro(copy, "table", "patches", "--no-run")
    assert done.returncode == 2
    assert "patches.csv" in done.stderr
    published.write_text("table,row,metric\npatches,patches-2,top1\n")
    done = attnrepro(copy, "table", "patches", "--no-run")
    assert done.returncode == 2
    assert "patches.csv" in done.stderr
