"""In which range a setting means something, stated in its type: ``width: Annotated[int, Between(1, 10**5)] = 400``.

check_ranges(recipe)      # raises UserError, naming the key
"""

import dataclasses
import functools
import typing
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from reproduce.errors import UserError


@dataclass(frozen=True)
class Between:
    """A number, or every number of a tuple, lies between these two, both included."""

    low: float
    high: float


Count = Annotated[int, Between(1, 10**6)]
Size = Annotated[int, Between(1, 10**5)]  # of channels, or a ratio of them
Few = Annotated[int, Between(1, 1024)]  # heads, layers, pixels of a patch
ImageSize = Annotated[int, Between(4, 4096)]
Classes = Annotated[int, Between(2, 10**6)]
Dropout = Annotated[float, Between(0.0, 0.99)]
Share = Annotated[float, Between(0.0, 0.9)]


@functools.cache
def ranges_of(kind: type) -> Mapping[str, Between]:
    """Return the ranges that the fields of a dataclass state."""
    found = {}
    for name, hint in typing.get_type_hints(kind, include_extras=True).items():
        for mark in getattr(hint, "__metadata__", ()):
            if isinstance(mark, Between):
                found[name] = mark
    return found


def check_ranges(node: Any, prefix: str = "") -> None:
    """Refuse a number outside the range that its field states.

    Raises:
        UserError: it names the dotted key and the range.
    """
    ranges = ranges_of(node.__class__)
    for item in dataclasses.fields(node):
        value = getattr(node, item.name)
        if dataclasses.is_dataclass(value):
            check_ranges(value, f"{prefix}{item.name}.")
        between = ranges.get(item.name)
        if between is None or value is None:
            continue
        numbers = value if isinstance(value, tuple) else (value,)
        if not all(between.low <= number <= between.high for number in numbers):
            raise UserError(
                f"{prefix}{item.name} cannot be {value}", f"choose a value from {between.low:g} to {between.high:g}"
            )
