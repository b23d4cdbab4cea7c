"""The studies and their claims: what ``attnrepro claims`` knows."""

import itertools
import re

from paper_tables.claims.claim import Claim, Study
from paper_tables.claims.studies import (
    augmented,
    ece176,
    gates,
    operators,
    re_maps,
    re_runs,
    re_structure,
    re_training,
    scenes,
)
from reproduce.errors import UserError, did_you_mean


def _in_order(*groups: tuple[Claim, ...]) -> tuple[Claim, ...]:
    """Return claims by the number in their id."""
    return tuple(sorted(itertools.chain(*groups), key=lambda claim: (int(re.findall(r"\d+", claim.id)[0]), claim.id)))


STUDIES: dict[str, Study] = {
    study.name: study
    for study in (
        Study(
            name="re",
            title="[Re] On the Relationship between Self-Attention and Convolutional Layers",
            claims=_in_order(re_runs.CLAIMS, re_training.CLAIMS, re_structure.CLAIMS, re_maps.CLAIMS),
            tables=("accuracy", "heads", "hierarchical", "logged"),
            aliases=("relationship", "hierarchical-attention"),
        ),
        Study(
            name="ece176",
            title="ECE 176 report: stacked self-attention networks",
            claims=ece176.CLAIMS,
            tables=("stacking",),
            aliases=("stacking",),
        ),
        Study(
            name="san-review",
            title="Review of self-attention networks, and SAN15 on Intel scenes",
            claims=_in_order(operators.CLAIMS, scenes.CLAIMS),
            tables=("scenes", "imagenet"),
            aliases=("scenes", "san", "imagenet"),
            trials=3_000,
        ),
        Study(
            name="augmented",
            title="Attention-augmented convolution, quadratic and linear",
            claims=augmented.CLAIMS,
            tables=("augmented",),
            aliases=("aa",),
        ),
        Study(
            name="gates",
            title="Attention gates in a small CNN: ECA, CBAM, autoencoders",
            claims=gates.CLAIMS,
            tables=("gates",),
            seeds="0-15",
        ),
    )
}


def find_studies(name: str | None) -> list[Study]:
    """Return the study called ``name``, or all of them for None; raises UserError with the nearest name."""
    if name is None:
        return list(STUDIES.values())
    for study in STUDIES.values():
        if name in (study.name, *study.aliases):
            return [study]
    known = [word for study in STUDIES.values() for word in (study.name, *study.aliases)]
    raise UserError(f"no study is called '{name}'", did_you_mean(name, known))


def find_claim(id_: str) -> tuple[Study, str]:
    """Return the study of the claim called ``id_`` and its id as written; raises UserError with the nearest one."""
    for study in STUDIES.values():
        for claim in study.claims:
            if claim.id.lower() == id_.lower():
                return study, claim.id
    known = [claim.id for study in STUDIES.values() for claim in study.claims]
    raise UserError(f"no claim is called '{id_}'", did_you_mean(id_, known))
