"""How a command is spelled: the one that makes the runs of a cell, all of them and no others.

write_command("vit", budget="paper", seeds=(0, 1, 2))     # attnrepro train vit --budget paper --seeds 0-2
write_options(data="../photos", precision="bf16")         # --data ../photos --precision bf16
"""

import shlex
from collections.abc import Iterable, Sequence

from reproduce.errors import UserError

LARGEST_SEED = 2**63 - 1  # the ledger's whole numbers have 64 bits
_MOST_SEEDS = 100_000


def write_command(
    row: str,
    *,
    budget: str,
    variant: str = "described",
    seeds: Sequence[int] = (),
    precision: str = "fp32",
    options: str = "",
) -> str:
    """Return the command that trains ``row``.

    Args:
        row: what to train.
        budget: smoke, short or paper.
        variant: described, as-run or original.
        seeds: of the runs; none are named where there are none, and seed 0 alone is the default.
        precision: fp32, tf32 or bf16.
        options: further text at the end; an option that it has is not written a second time.
    """
    given = {word.partition("=")[0] for word in shlex.split(options)}
    own = write_options(
        variant="described" if "--variant" in given else variant,
        seeds="0" if not seeds or "--seeds" in given else spell_seeds(seeds),
        precision="fp32" if "--precision" in given else precision,
    )
    return " ".join(filter(None, (f"attnrepro train {row} --budget {budget}", own, options)))


def write_options(
    *,
    data: str | None = None,
    settings: Iterable[str] = (),
    precision: str = "fp32",
    variant: str = "described",
    seeds: str = "0",
) -> str:
    """Return the options that a command needs to repeat these choices; defaults are left out."""
    words = []
    if variant != "described":
        words += ["--variant", variant]
    if seeds != "0":
        words += ["--seeds", seeds]
    if data is not None:
        words += ["--data", data]
    for setting in settings:
        words += ["--set", setting]
    if precision != "fp32":
        words += ["--precision", precision]
    return shlex.join(words)


def spell_seeds(seeds: Sequence[int]) -> str:
    """Return seeds as ``--seeds`` takes them: ``3``, ``0,2``, ``0-4`` or ``0-2,5``; `parse_seeds` reads it back."""
    spans: list[list[int]] = []
    for seed in sorted(set(seeds)):
        if spans and seed == spans[-1][-1] + 1:
            spans[-1].append(seed)
        else:
            spans.append([seed])
    return ",".join(f"{span[0]}-{span[-1]}" if len(span) > 2 else ",".join(map(str, span)) for span in spans)


def parse_seeds(text: str) -> list[int]:
    """Read ``"0-4"``, ``"0,3"`` or ``"7"`` as seeds; raises UserError on anything else."""
    seeds: list[int] = []
    try:
        for part in text.split(","):
            first, dash, last = part.strip().partition("-")
            if dash and int(last) - int(first) >= _MOST_SEEDS:
                raise UserError(f"'{text}' names more than {_MOST_SEEDS} seeds", "write a shorter range, such as 0-4")
            seeds += range(int(first), int(last) + 1) if dash else [int(first)]
    except ValueError:
        raise UserError(f"'{text}' names no seeds", "write one (3), a list (0,2,5) or a range (0-4)") from None
    wrong = next((seed for seed in seeds if not 0 <= seed <= LARGEST_SEED), None)
    if wrong is not None:
        raise UserError(f"a seed of {wrong} cannot be recorded", f"give seeds from 0 to {LARGEST_SEED}")
    if not seeds or len(set(seeds)) < len(seeds):
        raise UserError(
            f"'{text}' names no seeds, or one twice", "write each seed once, the smaller of a range first: 0-4"
        )
    return seeds
