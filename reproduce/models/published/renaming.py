"""Weights under other names: patterns with places, tried in order; nothing is computed.

    rename({"conv.feature_upscale.bias": w}, (("conv.feature_upscale.<n>", "embed.<n>"),))

``<b>``, ``<c>``, ``<s>`` stand for numbers, ``<n>`` for what follows, ``<r>`` for what follows with points.
"""

import re
from collections.abc import Mapping, Sequence

from torch import Tensor

_PARTS = {"s": r"\d+", "b": r"\d+", "c": r"\d+", "n": r"\w+", "r": r"[\w.]+"}
Names = Sequence[tuple[str, str]]  # (theirs, ours)


def rename(state: Mapping[str, Tensor], names: Names, ignored: Sequence[str] = ()) -> dict[str, Tensor]:
    """Return ``state`` under our names; what no pattern fits keeps its own, what fits ``ignored`` is left out."""
    compiled = [(_compile(theirs), ours) for theirs, ours in names]
    passed = [_compile(pattern) for pattern in ignored]
    found = {}
    for name, value in state.items():
        if any(pattern.fullmatch(name) for pattern in passed):
            continue
        found[_translate(name, compiled)] = value
    return found


def _translate(name: str, compiled: list[tuple[re.Pattern[str], str]]) -> str:
    for pattern, ours in compiled:
        match = pattern.fullmatch(name)
        if match:
            return re.sub(r"<(\w)>", lambda part, match=match: match[part[1]], ours)  # type: ignore[misc]
    return name


def _compile(template: str) -> re.Pattern[str]:
    escaped = re.escape(template)
    for part, form in _PARTS.items():
        escaped = escaped.replace(f"<{part}>", f"(?P<{part}>{form})")
    return re.compile(escaped)
