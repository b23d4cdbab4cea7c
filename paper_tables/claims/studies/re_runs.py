"""Claims of the [Re] report that accuracies, curves and times decide: C01-C04, C10-C12, C14, C17, C20, C23, C25-C27.

Source lines are those of the submitted text's own numbering.
"""

import itertools
import math

from paper_tables.claims.claim import Claim, Part
from paper_tables.claims.costs import faster
from paper_tables.claims.curves import settles, sooner
from paper_tables.claims.evidence import Evidence
from paper_tables.claims.outcome import Missing, Outcome
from paper_tables.claims.questions import better, fact, near, no_gain, ratio, similar
from paper_tables.claims.tested import Limit
from paper_tables.hierarchical import DEFINITION

PAIRS = DEFINITION.pairs
_FIVE = ("resnet18", "quadratic", "quadratic-aniso", "learned", "learned-content")
_LEVEL = 0.85  # accuracy that every published curve reaches
_RUNS = "CIFAR-10, paper budget, several seeds"


def _overfits(row: str) -> tuple[Part, Part]:
    """Return the parts that training loss vanishes, and that test loss climbs a tenth or more above its least value."""
    gone = settles(row, "training loss vanishes", "train_loss", lambda curve: curve[-1][1],
                   Limit(0.05, "nats", "last training loss is at most 0.05", reached=False))  # fmt: skip
    rise = settles(row, "test loss ends above its least", "test_loss",
                   lambda curve: curve[-1][1] / min(value for _, value in curve),
                   Limit(1.1, "x", "last over least test loss is at least 1.1"))  # fmt: skip
    return gone, rise


CLAIMS = (
    Claim(
        id="C01",
        statement="Every result of Table 1 lies within one point of the original paper's.",
        source="[Re] section 3.2, lines 109-110",
        needs=f"Table 1's rows, {_RUNS}",
        parts=tuple(near(row, 0.01, of="top1_original") for row in _FIVE),
        table="accuracy",
        note="By its own table the embedding without content is 1.4 points below (D1).",
    ),
    Claim(
        id="C02",
        statement="ResNet18 is ahead of isotropic, non-isotropic, learned and content attention, in this order.",
        source="[Re] Table 1",
        needs=f"Table 1's rows, {_RUNS}",
        parts=tuple(better(first, second) for first, second in itertools.pairwise(_FIVE)),
        table="accuracy",
    ),
    Claim(
        id="C03",
        statement="Non-isotropic heads bring no gain of half a point or more over isotropic ones.",
        source="[Re] section 3.2.1, lines 123-125",
        needs=f"both quadratic rows, {_RUNS}",
        parts=(no_gain("quadratic-aniso", "quadratic", 0.005),),
        table="accuracy",
        note="Half a point is our margin; the report names none.",
    ),
    Claim(
        id="C04",
        statement="The convolutional network converges faster than the attention networks.",
        source="[Re] section 3.2, lines 111-112, Figure 1a",
        needs="training curves of Figure 1a, several seeds",
        parts=tuple(sooner("resnet18", row) for row in ("quadratic", "learned", "learned-content")),
        note=f"Read as: fewer epochs to a test accuracy of {_LEVEL}.",
    ),
    Claim(
        id="C10",
        statement="Going from 9 heads of width 400 to 16 of width 256 changes accuracy little: at most 1.5 points.",
        source="[Re] section 3.3, lines 157-158, Table 2",
        needs=f"Table 2's rows and their 9-head forms, {_RUNS}",
        parts=(
            similar("quadratic-16h", "quadratic", 0.015),
            similar("learned-16h", "learned", 0.015),
            similar("learned-content-16h", "learned-content", 0.015),
        ),
        table="accuracy",
        note="1.5 points is our margin. Table 2 does not say which quadratic form it means (D14).",
    ),
    Claim(
        id="C11",
        statement="With 16 heads training takes longer to converge.",
        source="[Re] section 3.3, lines 158-159, Figure 1b",
        needs="training curves of Figures 1a and 1b, several seeds",
        parts=tuple(sooner(row, f"{row}-16h") for row in ("quadratic", "learned", "learned-content")),
        note="On the published curves it is the other way round for attention with content.",
    ),
    Claim(
        id="C12",
        statement="Attention that sees content does worse than attention by position alone.",
        source="[Re] section 3.4.1, lines 161-163",
        needs=f"Table 1's attention rows, {_RUNS}",
        parts=(better("learned", "learned-content"), better("quadratic", "learned")),
        table="accuracy",
    ),
    Claim(
        id="C14",
        statement="Hierarchical attention raises the accuracy of every model it is put into.",
        source="[Re] section 4.4, lines 225-226, Table 3",
        needs=f"Table 3's pairs, {_RUNS}",
        parts=tuple(better(changed, plain) for plain, changed in PAIRS),
        table="hierarchical",
        note="The pairs differ in more than the attention (D5, D17).",
    ),
    Claim(
        id="C14b",
        statement="It raises it by at least five points in each case.",
        source="[Re] section 4.4, lines 225-226",
        needs=f"Table 3's pairs, {_RUNS}",
        parts=tuple(better(changed, plain, by=0.05) for plain, changed in PAIRS),
        table="hierarchical",
        note="Read as relative gains they are 4.5, 4.3, 6.4 and 4.0 % (D3).",
    ),
    Claim(
        id="C17",
        statement="Hierarchical attention classifies an image in less time.",
        source="[Re] Table 3, wall time",
        needs="paper-scale rows timed on one device, several runs; any budget but smoke",
        parts=tuple(faster(changed, plain) for plain, changed in PAIRS),
        table="hierarchical",
    ),
    Claim(
        id="C17b",
        statement="The saving in time is one of arithmetic: the hierarchical form needs no more MACs.",
        source="ours, on [Re] Table 3",
        needs="structure",
        parts=tuple(ratio(changed, plain, 0.0, 1.0, "macs_naive") for plain, changed in PAIRS),
        note="Hierarchical SAN never shrinks its map: it multiplies some 22 times as much, and still took less time.",
    ),
    Claim(
        id="C20",
        statement="Hierarchical attention reaches the same accuracy after fewer epochs.",
        source="[Re] Methodology, lines 15-17; curves of the authors' notebook",
        needs="training curves of both 9-head and both 16-head rows, several seeds",
        parts=(
            sooner("learned-content-ha", "learned-content"),
            sooner("learned-content-16h-ha", "learned-content-16h"),
        ),
    ),
    Claim(
        id="C20b",
        statement="Its epochs take less time, so that fewer of them are fewer hours, too (10 to 12 against 20).",
        source="[Re] Methodology, lines 15-17, of hours to convergence; the two factors are ours",
        needs="training speed of both rows on one device, several runs",
        parts=(
            faster("learned-content-ha", "learned-content", "an epoch"),
            faster("learned-content-16h-ha", "learned-content-16h", "an epoch"),
        ),
        note="Hours to convergence are the epochs of C20 times the time of one, which is tested here.",
    ),
    Claim(
        id="C23",
        statement="Attention with content overfits: training loss vanishes while test loss rises again.",
        source="[Re] section 3.4.2, lines 175-177",
        needs="histories of both rows with content, several seeds",
        parts=(*_overfits("learned-content"), *_overfits("learned-content-16h")),
    ),
    Claim(
        id="C25",
        statement="With 16 heads, too, the hierarchical form is ahead.",
        source="log of the report's runs, in no table (D13)",
        needs=f"the 16-head pair, {_RUNS}",
        parts=(better("learned-content-16h-ha", "learned-content-16h"),),
        table="logged",
        note="In this pair the slip B4 plays no part (D17). The blocks also share their MLPs and LayerNorms.",
    ),
    *(
        Claim(
            id=f"C26{letter}",
            statement=f"{what} costs or gains the content model more than half a point.",
            source=f"ours, on the report's code ({slip})",
            needs="the row with and without the slip, several seeds",
            parts=(
                fact(
                    f"{setting} against described",
                    lambda evidence, setting=setting: _moves(evidence, setting),  # type: ignore[misc]
                    ("learned-content", f"learned-content {setting}"),
                ),
            ),
        )
        for letter, slip, what, setting in (
            ("a", "B1", "Testing in training mode", "eval_mode=train"),
            ("b", "B2", "Scoring the transposed image", "model.transpose_content=true"),
            ("d", "B4", "Leaving out the LayerNorm after attention", "model.skip_attention_norm=true"),
        )
    ),
    Claim(
        id="C26c",
        statement="Adding where it should multiply moves the Gaussian heads' accuracy by less than half a point.",
        source="ours, on the report's code (B3)",
        needs="the row with and without the slip, several seeds",
        parts=(similar("quadratic model.add_centre=true", "quadratic", 0.005),),
    ),
    Claim(
        id="C27",
        statement="Patchwise attention is ahead of pairwise, in normal and in hierarchical SAN.",
        source="[Re] Table 3",
        needs=f"Table 3's SAN rows, {_RUNS}",
        parts=(better("san-patch", "san-pair"), better("san-patch-ha", "san-pair-ha")),
        table="hierarchical",
    ),
)


def _moves(evidence: Evidence, setting: str) -> Outcome | Missing:
    """Return whether a slip moves the mean by more than half a point, in either direction."""
    answer = similar(f"learned-content {setting}", "learned-content", 0.005).examine(evidence)
    if isinstance(answer, Missing) or answer.effect is None or math.isnan(answer.effect):
        return answer
    turned = {"holds": "fails", "fails": "holds"}
    return Outcome(**{**vars(answer), "toward": turned[answer.toward]})
