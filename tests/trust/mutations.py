"""Ways in which bytes go wrong: flipped, overwritten, zeroed, cut, left out, doubled, swapped."""

import random
from collections.abc import Iterator


def mutate(content: bytes, drawn: random.Random) -> bytes:
    """Return ``content`` with one thing wrong; small files are hit as often in their few bytes as large ones."""
    while True:
        changed = drawn.choice(WAYS)(content, drawn)
        if changed != content:
            return changed


def mutations(content: bytes, count: int, seed: int) -> Iterator[bytes]:
    """Yield ``count`` different damages, the same for the same seed."""
    drawn, seen = random.Random(seed), {content}
    while len(seen) <= count:
        changed = mutate(content, drawn)
        if changed not in seen:
            seen.add(changed)
            yield changed


def _place(content: bytes, drawn: random.Random) -> tuple[int, int]:
    """Return a piece: mostly of a few bytes, now and then of half the file, often near the ends, where headers are."""
    size = len(content)
    length = min(size, drawn.choice((1, 1, 2, 4, 8, 16, 64, 512, max(1, size // 2))))
    near = drawn.choice(("start", "end", "anywhere", "anywhere"))
    reach = size - length
    start = drawn.randint(0, reach)
    if near == "start":
        start = drawn.randint(0, min(reach, 256))
    elif near == "end":
        start = drawn.randint(max(0, reach - 256), reach)
    return start, start + length


def _flip(content: bytes, drawn: random.Random) -> bytes:
    start, _ = _place(content, drawn)
    return content[:start] + bytes([content[start] ^ 1 << drawn.randrange(8)]) + content[start + 1 :]


def _overwrite(content: bytes, drawn: random.Random) -> bytes:
    start, end = _place(content, drawn)
    return content[:start] + drawn.randbytes(end - start) + content[end:]


def _digit(content: bytes, drawn: random.Random) -> bytes:
    """Change a digit into another: the damage that looks most like health."""
    places = [place for place, byte in enumerate(content[:100_000]) if 48 <= byte <= 57]
    if not places:
        return _flip(content, drawn)
    place = drawn.choice(places)
    return content[:place] + b"%d" % drawn.randrange(10) + content[place + 1 :]


def _zero(content: bytes, drawn: random.Random) -> bytes:
    start, end = _place(content, drawn)
    return content[:start] + bytes(end - start) + content[end:]


def _cut(content: bytes, drawn: random.Random) -> bytes:
    return content[: _place(content, drawn)[0]]


def _leave_out(content: bytes, drawn: random.Random) -> bytes:
    start, end = _place(content, drawn)
    return content[:start] + content[end:]


def _double(content: bytes, drawn: random.Random) -> bytes:
    start, end = _place(content, drawn)
    return content[:end] + content[start:end] + content[end:]


def _swap(content: bytes, drawn: random.Random) -> bytes:
    start, end = _place(content, drawn)
    length = min(end - start, (len(content) - start) // 2)
    middle, end = start + length, start + 2 * length
    return content[:start] + content[middle:end] + content[start:middle] + content[end:]


WAYS = (_flip, _overwrite, _digit, _zero, _cut, _leave_out, _double, _swap)
