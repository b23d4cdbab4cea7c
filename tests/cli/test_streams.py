"""Streams as people have them: pipes that close, full disks, closed descriptors, encodings without boxes."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TABLE = ("table", "3", "--no-run")


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    return {**os.environ, "ATTNREPRO_RESULTS": str(tmp_path / "results"), "OMP_NUM_THREADS": "1"}


def shell(line: str, environment: dict[str, str]) -> "subprocess.CompletedProcess[str]":
    command = f"{sys.executable} {ROOT / 'cli.py'}"
    return subprocess.run(
        ["bash", "-c", line.replace("attnrepro", command)], env=environment, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize("words", ["--help", "-h", "table --help", "ls rows", "table 3 --no-run", "ls rows --json"])
def test_a_reader_that_has_enough_is_no_error(words: str, environment: dict[str, str]) -> None:
    done = shell(f"attnrepro {words} | head -1 > /dev/null; exit ${{PIPESTATUS[0]}}", environment)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here")
@pytest.mark.parametrize("words", ["--help", "ls rows", "table 3 --no-run --format csv", "claims gates"])
def test_a_full_disk_is_one_sentence_and_one_hint(words: str, environment: dict[str, str]) -> None:
    done = shell(f"attnrepro {words} > /dev/full", environment)
    assert done.returncode == 2
    first, second = done.stderr.splitlines()
    assert first.startswith("error: the output cannot be written")
    assert second.startswith("hint: ")


def test_closed_streams_are_no_error(environment: dict[str, str]) -> None:
    tiny = "--set epochs=1 --set data.train_limit=100 --set data.test_limit=50"
    for line in ("attnrepro table 3 --no-run >&-", f"attnrepro train cnn {tiny} 2>&- > /dev/null"):
        assert shell(line, environment).returncode == 0


@pytest.mark.parametrize("encoding", ["cp1252", "latin-1", "ascii"])
def test_what_an_encoding_lacks_is_written_in_ascii(encoding: str, environment: dict[str, str]) -> None:
    lines = {}
    for name in (encoding, "utf-8"):
        done = subprocess.run(
            [sys.executable, str(ROOT / "cli.py"), *TABLE],
            env={**environment, "PYTHONIOENCODING": name},
            capture_output=True,
            check=False,
        )
        assert done.returncode == 0
        lines[name] = done.stdout.decode(name).splitlines()
    assert len(lines[encoding]) == len(lines["utf-8"])
    assert "published" in "\n".join(lines[encoding])


def test_modules_of_the_same_name_elsewhere_are_not_taken_for_ours(tmp_path: Path, environment: dict[str, str]) -> None:
    script = Path(sys.executable).with_name("attnrepro")
    if not script.exists():
        pytest.skip("attnrepro is not installed beside this Python")
    for name in ("cli.py", "figures/__init__.py", "reproduce/__init__.py", "paper_tables/__init__.py"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("raise SystemExit('not ours')")
    done = subprocess.run(
        [str(script), "ls", "tables"],
        env={**environment, "PYTHONPATH": str(tmp_path)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "hierarchical" in done.stdout
