"""Output for streams that cannot take every sign: boxes, dashes and Greek letters in ASCII instead of an error.

make_printable()        # stdout and stderr, whatever their encoding
"""

import codecs
import os
import sys
import unicodedata
from pathlib import Path

_NAME = "attnrepro.plain"
_SIGNS = {
    "±": "+-", "×": "x", "·": "-", "–": "-", "—": "-", "−": "-", "…": "...", "→": "->", "≤": "<=", "≥": ">=", "≈": "~",
    "α": "alpha", "β": "beta", "γ": "gamma", "σ": "sigma", "µ": "u", "μ": "u", "‘": "'", "’": "'", "“": '"', "”": '"',
    "•": "*", "✓": "yes", "✗": "no", "√": "sqrt", "∆": "delta", "Δ": "delta", "²": "^2", "\u202f": " ", "\u00a0": " ",
}  # fmt: skip


def make_printable() -> None:
    """Let stdout and stderr write in ASCII what their encoding lacks; one that was closed takes all, keeps nothing."""
    # opened even so: the next file would else get its number, and what libraries print
    sys.stdin, sys.stdout, sys.stderr = (
        stream or Path(os.devnull).open(mode)  # noqa: SIM115 (for as long as the process)
        for stream, mode in ((sys.stdin, "r"), (sys.stdout, "w"), (sys.stderr, "w"))
    )
    codecs.register_error(_NAME, _replace)
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None and not (getattr(stream, "encoding", "") or "").lower().startswith("utf"):
            reconfigure(errors=_NAME)


def spell(sign: str) -> str:
    """Return one sign in ASCII: a rule for a rule, the letter without its accent, else a question mark."""
    if sign in _SIGNS:
        return _SIGNS[sign]
    if "\u2500" <= sign <= "\u257f":  # box drawing
        name = unicodedata.name(sign)
        return "-" if name.endswith("HORIZONTAL") else "|" if name.endswith("VERTICAL") else "+"
    if "\u2580" <= sign <= "\u259f":  # blocks, of which curves are made: by their height
        return "#"
    return unicodedata.normalize("NFKD", sign).encode("ascii", "ignore").decode() or "?"


def _replace(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(map(spell, error.object[error.start : error.end])), error.end
