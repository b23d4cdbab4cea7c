"""The seal of a drawn figure: which numbers it shows, and that it is still the file that was drawn from them.

    sealed = seal(svg, numbers="8b6dc651cd3ad4ff")
    find_damage(sealed, "8b6dc651cd3ad4ff")         None, or what is wrong in words

A comment after the SVG's last tag. Another version of the drawing library may draw the same numbers in other bytes, so
that nothing is drawn again to check a file: the checksum is of the bytes that were drawn then.
"""

import hashlib
import re

_SEAL = re.compile(rb"<!-- attnrepro numbers (\S+) drawing (\S+) -->\n?\Z")


def digest(content: bytes) -> str:
    """Return the start of the SHA-256 of ``content``."""
    return hashlib.sha256(content).hexdigest()[:16]


def seal(svg: bytes, numbers: str) -> bytes:
    """Return ``svg`` with its seal; ``numbers`` is the digest of the numbers that it shows."""
    body = svg.rstrip() + b"\n"
    return body + f"<!-- attnrepro numbers {numbers} drawing {digest(body)} -->\n".encode()


def find_damage(svg: bytes, numbers: str) -> str | None:
    """Return what is wrong with a sealed file that should show ``numbers``; None where nothing is."""
    svg = svg.replace(b"\r\n", b"\n")  # a checkout may have changed the line ends
    found = _SEAL.search(svg)
    if found is None:
        return "it carries no seal of the report"
    shown, drawing = (part.decode(errors="replace") for part in found.groups())
    if shown != numbers:
        return f"it shows other numbers ({shown}) than the ledger has now ({numbers})"
    if digest(svg[: found.start()]) != drawing:
        return "it was changed after it was drawn"
    return None
