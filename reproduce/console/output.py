"""What verbs print: documents and texts on stdout or into a file, everything else on stderr. No torch."""

import json
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import typer

from reproduce.console.options import OutputOptions

WIDEST = 140


def say(*lines: str) -> None:
    """Print lines for the user on stderr."""
    for line in lines:
        print(line, file=sys.stderr)


def show(document: Any) -> None:
    """Print one JSON document on stdout."""
    print(json.dumps(document, indent=2, ensure_ascii=False, default=str))


def write_out(text: str, out: Path | None, *, as_json: bool = False) -> None:
    """Print ``text``, or write it to ``out`` in one step; what was asked for ``as_json`` is printed in any case."""
    if out is None or as_json:
        print(text, end="")
    if out is None:
        return
    from reproduce.record.whole_files import write_whole

    write_whole(out, text.encode())
    say(f"wrote {out}")


def print_rendered(render: Callable[..., str], output: OutputOptions) -> None:
    """Render in the form and for the terminal that is asked for, and print it or write it to a file."""
    colour = output.out is None and takes_colour()
    write_out(render(output.settled, colour=colour, width=terminal_width()), output.out, as_json=output.as_json)


def ask_first(yes: bool) -> Callable[[str], bool]:
    """Return the question that is put before long runs; with ``yes`` it is answered, without a terminal refused."""

    def agree(duration: str) -> bool:
        say(f"this takes about {duration} here")
        return yes or (sys.stdin.isatty() and typer.confirm("start?", err=True))

    return agree


def show_plan(runs: list[dict[str, Any]], left_out: list[str], as_json: bool) -> None:
    """Print which runs would be done where, and on stderr what is left out."""
    show_records(runs, as_json)
    say(*left_out)


def takes_colour() -> bool:
    """Return whether stdout is a terminal whose user has not asked for plain text (no-color.org, TERM=dumb)."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def terminal_width() -> int | None:
    """Return the columns of the terminal, 140 at most; None where stdout is none."""
    return min(WIDEST, shutil.get_terminal_size().columns) if sys.stdout.isatty() else None


def show_records(records: list[dict[str, Any]], as_json: bool = False) -> None:
    """Print records as columns, or as one JSON document."""
    if as_json:
        show(records)
        return
    from reproduce.console.columns import columns

    print(columns(records))
