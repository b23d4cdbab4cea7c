r"""Lines of CSV that know whether they are still as they were written: a checksum in a last column, ``check``.

    header = write_header(["run_id", "top1_last"])
    line = write_line(["a", "0.5"], begin(["run_id", "top1_last"]))      # b"a,0.5,crc32:51d8c6be\n"

The checksum is of a row's text and of the names of its columns: a changed digit, a torn line and a renamed column are
all seen. It guards against damage and slips of the hand, not against someone who means it. Lines without one (written
by hand, or before there were checksums) are read as they are.
"""

import csv
import io
import re
import zlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from reproduce.errors import UserError
from reproduce.record.whole_files import write_whole

CHECK = "check"
PREFIX = "crc32:"
CHANGED = "was changed after it was written: its checksum does not fit"
_FORM = re.compile(r"crc32:[0-9a-f]{8}")


def write_cells(cells: Iterable[str]) -> bytes:
    """Return cells as one line of CSV in UTF-8 with its line end."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(cells)
    return text.getvalue().encode("utf-8")


def write_header(names: Sequence[str]) -> bytes:
    """Return the header of checked lines with these columns."""
    return write_cells([*names, CHECK])


def begin(names: Iterable[str]) -> int:
    """Return where the checksums of lines with these columns (without ``check``) begin."""
    return zlib.crc32(write_cells(names))


def write_line(cells: Sequence[str], start: int) -> bytes:
    """Return a row with its checksum, which begins at ``start``."""
    return seal_line(write_cells(cells)[:-1], start)


def seal_line(text: bytes, start: int) -> bytes:
    """Return the text of a row (without a line end) with its checksum and line end."""
    return text + b"," + PREFIX.encode() + b"%08x\n" % zlib.crc32(text, start)


def checksum(cells: Sequence[str], start: int) -> str:
    """Return the checksum of a row's cells as it stands in the column ``check``."""
    return f"{PREFIX}{zlib.crc32(write_cells(cells)[:-1], start):08x}"


def fits(cells: Sequence[str], check: str, start: int) -> bool:
    """Say whether ``check`` is the checksum of ``cells``; an empty one claims nothing and fits."""
    return not check or check == checksum(cells, start)


def all_fit(lines: Sequence[bytes], start: int) -> bool:
    """Say whether every line (without its line end) is exactly as :func:`write_line` wrote it. Half a µs a line."""
    crc32, width = zlib.crc32, len(PREFIX) + 8
    return all(line[-width:] == b"crc32:%08x" % crc32(line[: -width - 1], start) for line in lines)


def read_as_check(cell: str) -> bool:
    """Say whether a cell looks like a checksum, wherever it stands: its column was once called ``check``."""
    return _FORM.fullmatch(cell) is not None


def write_file(path: Path, names: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Write a whole file of checked lines in one step; each checksum goes on from the line before.

    The first goes on from the number of lines, so that a file that ends too early is seen, too.

    Raises:
        UserError: the folder cannot be written or the disk is full.
    """
    rows = list(rows)
    lines, start = [write_header(names)], _begin_file(names, len(rows))
    for row in rows:
        lines.append(write_line(row, start))
        start = zlib.crc32(lines[-1])
    write_whole(path, b"".join(lines))


def read_file(path: Path, again: str) -> list[Mapping[str, str]]:
    """Return the lines of a file of :func:`write_file`, one or more; a file without checksums is read as it is.

    Args:
        path: the file.
        again: the hint where it is damaged: how to get it back.

    Raises:
        FileNotFoundError: there is none.
        UserError: a line that is missing, cut off, changed, of a wrong length or not text; it is named.
    """
    try:
        text = path.read_bytes().decode("utf-8")
    except FileNotFoundError:
        raise
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path} cannot be read ({error})", again) from None
    if not text.endswith("\n"):
        raise UserError(f"{path}: the last line is cut off", again)
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        header, *rows = list(reader)
    except (csv.Error, ValueError) as error:
        raise UserError(f"{path}, line {reader.line_num}: cannot be split into cells ({error})", again) from None
    checked = header[-1:] == [CHECK]
    names = header[:-1] if checked else header
    start = _begin_file(names, len(rows))
    if not rows:  # checked or not: a cut that joins the first line with the last takes the column away, too
        raise UserError(f"{path} is cut off after its first line", again)
    for number, row in enumerate(rows, start=2):
        if len(row) != len(header):
            raise UserError(f"{path}, line {number}: has {len(row)} cells, the header has {len(header)}", again)
        if checked and (not row[-1] or not fits(row[:-1], row[-1], start)):
            raise UserError(f"{path}, line {number}: {CHANGED}, or a line is missing", again)
        if not checked and read_as_check(row[-1]):
            raise UserError(f"{path}, line 1: the column '{CHECK}' is gone", again)
        start = zlib.crc32(write_cells(row))
    return [dict(zip(names, row, strict=False)) for row in rows]


def _begin_file(names: Sequence[str], count: int) -> int:
    return zlib.crc32(b"%d" % count, begin(names))
