"""What verbs print: documents and texts on stdout or into a file, everything else on stderr. No torch."""

import json
import shutil
import sys
from pathlib import Path
from typing import Any

WIDEST = 140


def say(*lines: str) -> None:
    """Print lines for the user on stderr."""
    print(*lines, sep="\n", file=sys.stderr)


def show(document: Any) -> None:
    """Print one JSON document on stdout."""
    print(json.dumps(document, indent=2, ensure_ascii=False, default=str))


def write_out(text: str, out: Path | None) -> None:
    """Print ``text``, or write it to ``out`` in one step."""
    if out is None:
        print(text, end="")
        return
    from reproduce.files import write_whole

    write_whole(out, text.encode())
    say(f"wrote {out}")


def terminal_width() -> int | None:
    """Return the columns of the terminal, 140 at most; None where stdout is none."""
    return min(WIDEST, shutil.get_terminal_size().columns) if sys.stdout.isatty() else None


def show_records(records: list[dict[str, Any]], as_json: bool) -> None:
    """Print records as columns, or as one JSON document."""
    if as_json:
        show(records)
        return
    from reproduce.listing import columns

    print(columns(records))
