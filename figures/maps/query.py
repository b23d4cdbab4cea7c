"""Which pixel asks: from ``--query-pixel [ROW,COL]`` to a pixel of the image and a token of a map. No torch.

read_query("", 32)        (14, 16): the published figures' token (7, 8) of 16x16
find_token((14, 16), 32, 16)        (7, 8)
"""

import re
from collections.abc import Sequence
from typing import Any

from typer.core import TyperCommand

from reproduce.errors import UserError

OPTION = "--query-pixel"
Pixel = tuple[int, int]
# flat index 120 of 16x16 tokens: row 7, column 8, of which the first pixel is (14, 16) of 32x32
_PUBLISHED = (7, 8, 16)


class QueryCommand(TyperCommand):
    """A verb whose ``--query-pixel`` may stand without a value."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Give a bare ``--query-pixel`` its empty value, then parse as usual."""
        return super().parse_args(ctx, complete_option(args))


def complete_option(words: Sequence[str]) -> list[str]:
    """Return the argument list with ``--query-pixel`` joined to its value, empty where it has none.

    The next word is the value where it could be meant as one: digits, or anything with a comma. A row's name, another
    option or the end of the line is not.
    """
    joined: list[str] = []
    rest = list(words)
    while rest:
        word = rest.pop(0)
        if word == "--":
            return [*joined, word, *rest]
        if word == OPTION:
            is_value = bool(rest) and (re.fullmatch(r"[-+.\d]+", rest[0]) or re.match(r"[^=/]*,", rest[0]))
            word = f"{OPTION}={rest.pop(0) if is_value else ''}"
        joined.append(word)
    return joined


def read_query(text: str, image_size: int) -> Pixel:
    """Return the pixel (row, column) that ``text`` names in an image of ``image_size`` pixels a side.

    The empty text is the pixel of the published figures, scaled to the image.

    Raises:
        UserError: not of the form ROW,COL, or outside the image.
    """
    if not text.strip():
        row, column, side = _PUBLISHED
        return row * image_size // side, column * image_size // side
    found = re.fullmatch(r"\s*([-+]?\d+)\s*,\s*([-+]?\d+)\s*", text)
    if not found:
        raise UserError(f"'{text}' is no pixel", f"write {OPTION} ROW,COL, for example {OPTION} 14,16")
    row, column = int(found[1]), int(found[2])
    if not (0 <= row < image_size and 0 <= column < image_size):
        raise UserError(
            f"pixel ({row}, {column}) is outside the image of {image_size}x{image_size} pixels",
            f"rows and columns count from 0 to {image_size - 1}; the top left is 0,0",
        )
    return row, column


def find_token(pixel: Pixel, image_size: int, side: int) -> Pixel:
    """Return (row, column) of the token that holds ``pixel`` on a map of ``side`` tokens a side."""
    return pixel[0] * side // image_size, pixel[1] * side // image_size


def read_layers(text: str | None, count: int) -> list[int]:
    """Return layer numbers, from 1: ``"1,3"``, ``"2-4"``; all where ``text`` is None.

    Raises:
        UserError: not numbers, or a layer that does not exist.
    """
    if text is None:
        return list(range(1, count + 1))
    layers: list[int] = []
    try:
        for part in text.split(","):
            first, dash, last = part.strip().partition("-")
            layers += range(int(first), int(last) + 1) if dash else [int(first)]
    except ValueError:
        raise UserError(f"'{text}' names no layers", "write one (3), a list (1,6) or a range (2-4)") from None
    wrong = next((layer for layer in layers if not 1 <= layer <= count), None)
    if wrong is not None or not layers:
        missing = f"there is no layer {wrong}" if layers else f"'{text}' names no layers"
        raise UserError(missing, f"this network has layers 1 to {count}")
    return list(dict.fromkeys(layers))
