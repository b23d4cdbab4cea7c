"""The first image of a data set, from its head: its size, and what is done to images like it. No torch."""

import io
from pathlib import Path

from PIL import Image

from reproduce.data.decode import SIXTEEN_BITS, explain_damage
from reproduce.errors import UserError


def measure(encoded: bytes | Path, where: str) -> tuple[int, tuple[str, ...]]:
    """Return the side of a square image in pixels, and what of it is changed or left out.

    Raises:
        UserError: ``where``, the image, cannot be read, or is not square.
    """
    content = encoded.read_bytes() if isinstance(encoded, Path) else encoded
    try:
        with Image.open(io.BytesIO(content)) as image:
            (width, height), mode, frames = image.size, image.mode, getattr(image, "n_frames", 1)
    except (OSError, ValueError, SyntaxError, EOFError, Image.DecompressionBombError):
        raise explain_damage(content, where) from None
    if width != height:
        raise UserError(f"{where} is {width}x{height}, not square", hint="resize all images to one square size first")
    notes = [f"16-bit images ({mode}) are scaled to 8 bits by their high byte"] if mode in SIXTEEN_BITS else []
    if frames > 1:
        notes.append(f"only the first of {frames} frames of an image is read")
    return width, tuple(notes)
