"""The package holds everything that it reads at run time, and nothing that it must not."""

import fnmatch
import re
import subprocess
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
PACKAGES = ("reproduce", "paper_tables", "figures")


def tracked() -> list[Path]:
    done = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=False)
    if done.returncode:
        pytest.skip("this is not a git checkout")
    return [Path(name) for name in done.stdout.decode().split("\0") if name]


def test_every_data_file_is_in_the_package() -> None:
    patterns = PROJECT["tool"]["setuptools"]["package-data"]
    for path in tracked():
        if path.parts[0] in PACKAGES and path.suffix != ".py":
            inside = "/".join(path.parts[1:])
            wanted = [pattern.replace("**/", "*") for pattern in patterns.get(path.parts[0], [])]
            assert any(fnmatch.fnmatch(inside, pattern) for pattern in wanted), path


def test_every_folder_of_modules_is_a_package() -> None:
    for package in PACKAGES:
        for folder in {path.parent for path in (ROOT / package).rglob("*.py")}:
            assert (folder / "__init__.py").exists(), folder


def test_top_level_is_the_agreed_one() -> None:
    agreed = {
        "reproduce", "paper_tables", "figures", "cli.py", "tests", "pyproject.toml", "README.md", "LICENSE",
        "CHANGELOG.md", "Makefile", ".ci", "REPORT.md", "CONTRIBUTING.md", "docs", "examples",
    }  # fmt: skip
    for path in tracked():
        top = path.parts[0]
        assert top in agreed or top.startswith("."), path


def test_no_lock_file_or_host_of_packages() -> None:
    for path in tracked():
        assert not re.search(r"(^|/)(.*\.lock|constraints.*\.txt|pip\.conf)$", str(path)), path
        if path.suffix in (".py", ".toml", ".md", ".cfg", ".txt", "") and (ROOT / path).stat().st_size < 10**6:
            text = (ROOT / path).read_text(errors="replace")
            assert not re.search(r"(extra-)?index[-_]url\s*=", text), path


def test_no_large_file_is_tracked() -> None:
    for path in tracked():
        assert (ROOT / path).stat().st_size < 2**20, path
