"""Image files below a folder, as deep as they lie, and a count of the files beside them that are none."""

import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

# what Pillow opens as a picture (tests compare with its registry); .heic and camera files it does not
_KINDS = """
    apng avif avifs bmp bw dib dds gif icns ico im j2c j2k jfif jp2 jpc jpe jpeg jpf jpg jpx msp pbm pcx pfm pgm png pnm
    ppm psd qoi ras rgb rgba sgi tga tif tiff webp xbm xpm
"""
SUFFIXES = tuple(f".{kind}" for kind in _KINDS.split())
_MOST = 4  # names that a note lists


@dataclass
class LeftOut:
    """What is passed over while files are listed, told once at the end."""

    suffixes: Counter[str] = field(default_factory=Counter)
    notes: list[str] = field(default_factory=list)

    def tell(self) -> tuple[str, ...]:
        """Return the notes, that of the files last."""
        if not self.suffixes:
            return tuple(self.notes)
        parts = ", ".join(f"{count} {suffix or 'without suffix'}" for suffix, count in sorted(self.suffixes.items()))
        return (*self.notes, f"left out {self.suffixes.total()} files that are no images known here ({parts})")


def is_image(name: str) -> bool:
    """Say whether a file is an image by its name."""
    return name.lower().endswith(SUFFIXES)


def subfolders(root: Path) -> list[Path]:
    """Return the folders in ``root`` by name, hidden ones and macOS's and Python's own left out."""
    return sorted(path for path in root.iterdir() if path.is_dir() and not path.name.startswith((".", "__")))


def walk(folder: str, above: str = "", ancestors: tuple[str, ...] = ()) -> Iterator[tuple[str, bool]]:
    """Yield every file below ``folder`` relative to it, with whether it is an image; names are quicker than paths."""
    inside: list[str] = []
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith((".", "__")):
                continue
            if entry.is_dir():
                inside.append(entry.name)
            else:
                yield above + entry.name, is_image(entry.name)
    here = (*ancestors, os.path.realpath(folder)) if inside else ancestors
    for name in inside:
        deeper = f"{folder}{os.sep}{name}"
        if os.path.realpath(deeper) not in here:  # a link to a folder above
            yield from walk(deeper, f"{above}{name}/", here)


def holds_images(folder: Path, deep: bool = True) -> bool:
    """Say whether there is an image below ``folder``, or, not ``deep``, directly in it."""
    if deep:
        return any(image for _, image in walk(str(folder)))
    return any(is_image(entry.name) and entry.name[0] != "." and not entry.is_dir() for entry in os.scandir(folder))


def list_below(folder: Path, left: LeftOut) -> list[str]:
    """Return the images below ``folder`` as sorted relative names; other files are counted in ``left``."""
    names = []
    for name, image in walk(str(folder)):
        if image:
            names.append(name)
        else:
            left.suffixes[Path(name).suffix.lower()] += 1
    return sorted(names)


def some(names: list[str]) -> str:
    """Return a few of ``names`` for a note."""
    return ", ".join(names[:_MOST]) + (", ..." if len(names) > _MOST else "")
