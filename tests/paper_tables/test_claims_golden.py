"""Claims in every format: text byte for byte, JSON's numbers to nine digits; ``ATTNREPRO_REGEN=1`` writes anew."""

import math
import os

import pytest

from paper_tables.claims.assess import assess
from paper_tables.claims.claim import Claim, Study
from paper_tables.claims.costs import faster
from paper_tables.claims.questions import better, proven, ratio, similar
from paper_tables.claims.render import FORMATS, render
from tests.golden.cases import frame, recipes, run
from tests.paper_tables.test_tables_golden import ENDINGS, FOLDER, same_numbers

COUNTS = {
    ("vit", "described"): {"params": 37_394_506},
    ("vit-ha", "described"): {"params": 6_531_946},
    ("san-pair", "described"): {"params": 3_737_056},
    ("san-pair-ha", "described"): {"params": 352_750},
}


def claim(id_, statement, *parts, **more):
    return Claim(id=id_, statement=statement, source="a table", needs="several seeds", parts=parts, **more)


# Every word, one part and several, tests, arithmetic and proofs, and evidence that may not decide.
STUDY = Study(
    name="golden",
    title="Claims of every kind",
    tables=("hierarchical",),
    claims=(
        claim("T1", "HA raises the ViT's accuracy.", better("vit-ha", "vit"), note="Five seeds each."),
        claim("T2", "It does so by five points.", better("vit-ha", "vit", by=0.05)),
        claim("T3", "Both SANs are alike.", similar("san-pair", "san-pair-ha", 0.02)),
        claim("T4", "HA is small.", *(ratio(row, f"{row}-ha", 6, math.inf) for row in ("vit", "san-pair"))),
        claim("T5", "HA takes less time.", faster("vit-ha", "vit"), faster("san-pair-ha", "san-pair")),
        claim("T6", "One and one are two.", proven("a sum", lambda: (True, 2.0), "", "arithmetic")),
        claim("T7", "Patches | beat <pairs>.", better("san-patch", "san-pair"), better("no-such-row", "san-pair")),
    ),
)  # fmt: skip


def assessed(folder):
    paper, smoke = recipes("hierarchical", budget="paper"), recipes("hierarchical")
    steps = (-2, 1, 0, 2, -1)
    runs = [run(paper["vit"], seed, 0.84 + step / 500) for seed, step in enumerate(steps)]
    runs += [run(paper["vit-ha"], seed, 0.87 + step / 1000, latency_ms=3.5) for seed, step in enumerate(steps)]
    runs += [run(smoke["san-pair"], 0, 0.41), run(smoke["san-pair-ha"], 0, 0.33, latency_ms=9.0)]
    return assess(STUDY, frame(runs, folder), counts=COUNTS, local=False)


@pytest.mark.parametrize("form", FORMATS)
def test_golden(form, tmp_path):
    path = FOLDER / f"claims.{ENDINGS[form]}"
    found = render([assessed(tmp_path)], form, parts=True)
    if os.environ.get("ATTNREPRO_REGEN") == "1":
        path.write_text(found, encoding="utf-8", newline="")
    golden = path.read_bytes().decode("utf-8")
    if form == "json":  # full precision: another scipy may differ in the last digits
        same_numbers(found, golden)
    else:
        assert found == golden


def test_the_golden_claims_have_every_word(tmp_path):
    words = [one.ours.word for one in assessed(tmp_path).claims]
    assert words == ["holds", "fails", "undecided", "fails", "undecided", "holds", "not run"]


def test_text_fits_and_needs_no_colour(tmp_path):
    found = assessed(tmp_path)
    for width in (100, 118, 140):
        assert max(map(len, render([found], "text", width=width).splitlines())) <= width
    assert "\x1b" not in render([found], "text")
    assert "\x1b[" in render([found], "text", colour=True)
