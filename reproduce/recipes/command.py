"""How choices are spelled on the command line, and read back. No torch."""

from reproduce.errors import UserError


def parse_seeds(text: str) -> list[int]:
    """Read ``"0-4"``, ``"0,3"`` or ``"7"`` as seeds; raises UserError on anything else."""
    seeds: list[int] = []
    try:
        for part in text.split(","):
            first, dash, last = part.strip().partition("-")
            seeds += range(int(first), int(last) + 1) if dash else [int(first)]
    except ValueError:
        raise UserError(f"'{text}' names no seeds", "write one (3), a list (0,2,5) or a range (0-4)") from None
    if not seeds or len(set(seeds)) < len(seeds):
        raise UserError(
            f"'{text}' names no seeds, or one twice", "write each seed once, the smaller of a range first: 0-4"
        )
    return seeds
