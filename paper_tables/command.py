"""The command that makes the runs of a cell, all of them and no others. No torch.

write_command("vit", budget="paper", seeds=(0, 1, 2))     # attnrepro train vit --budget paper --seeds 0-2
"""

import shlex
from collections.abc import Sequence


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
    from reproduce.runs.plan import write_options  # which can read images, and imports what that needs

    given = {word.partition("=")[0] for word in shlex.split(options)}
    own = write_options(
        data=None,
        settings=(),
        variant="described" if "--variant" in given else variant,
        seeds="0" if not seeds or "--seeds" in given else spell_seeds(seeds),
        precision="fp32" if "--precision" in given else precision,
    )
    return " ".join(filter(None, (f"attnrepro train {row} --budget {budget}", own, options)))


def spell_seeds(seeds: Sequence[int]) -> str:
    """Return seeds as ``--seeds`` takes them: ``3``, ``0,2``, ``0-4`` or ``0-2,5``; `parse_seeds` reads it back."""
    spans: list[list[int]] = []
    for seed in sorted(set(seeds)):
        if spans and seed == spans[-1][-1] + 1:
            spans[-1].append(seed)
        else:
            spans.append([seed])
    return ",".join(f"{span[0]}-{span[-1]}" if len(span) > 2 else ",".join(map(str, span)) for span in spans)
