"""Claims of the [Re] report that training curves and times decide: C04, C11, C17, C20, C23.

Source lines are those of the submitted text's own numbering.
"""

from paper_tables.claims.claim import Claim, Part
from paper_tables.claims.convergence import settles, sooner
from paper_tables.claims.costs import faster
from paper_tables.claims.questions import ratio
from paper_tables.claims.studies.re_runs import PAIRS
from paper_tables.claims.tested import Limit

_LEVELS = "Epochs to a test accuracy, averaged over all levels that both curves reach."


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
        id="C04",
        statement="The convolutional network converges faster than the attention networks.",
        source="[Re] section 3.2, lines 111-112, Figure 1a",
        needs="training curves of Figure 1a, several seeds",
        parts=tuple(sooner("resnet18", row) for row in ("quadratic-aniso", "learned", "learned-content")),
        note=f"{_LEVELS} Figure 1a's quadratic curve is of the non-isotropic form (D15).",
    ),
    Claim(
        id="C11",
        statement="With 16 heads training takes longer to converge.",
        source="[Re] section 3.3, lines 158-159, Figure 1b",
        needs="training curves of Figures 1a and 1b, several seeds",
        parts=tuple(sooner(row, f"{row}-16h") for row in ("quadratic-aniso", "learned", "learned-content")),
        note=f"{_LEVELS} On the published curves it is the other way round for attention with content.",
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
        statement="Hierarchical attention converges after fewer epochs.",
        source="[Re] Methodology, lines 15-17; curves of the authors' notebook",
        needs="training curves of both 9-head and both 16-head rows, several seeds",
        parts=tuple(sooner(f"{row}-ha", row) for row in ("learned-content", "learned-content-16h")),
        note=_LEVELS,
    ),
    Claim(
        id="C20b",
        statement="Epochs of hierarchical attention take less time: fewer of them are fewer hours (10 to 12, not 20).",
        source="[Re] Methodology, lines 15-17, of hours to convergence; the two factors are ours",
        needs="training speed of both rows on one device, several runs",
        parts=(
            faster("learned-content-ha", "learned-content", "an epoch"),
            faster("learned-content-16h-ha", "learned-content-16h", "an epoch"),
        ),
        note="Hours to convergence are the epochs of C20 times the time of one, which is tested here.",
    ),
    Claim(
        id="C20c",
        statement="As many epochs of it take at most 12 hours where the normal form takes 20.",
        source="[Re] Methodology, lines 15-17",
        needs="training speed of both rows on one device, several runs",
        parts=(faster("learned-content-ha", "learned-content", "an epoch", by=20 / 12),),
        note="The hours are said of convergence, on an RTX 2060; equal numbers of epochs are our reading.",
    ),
    Claim(
        id="C20d",
        statement="That saving of hours is one of arithmetic: hierarchical attention needs at most 12/20 of the MACs.",
        source="ours, on [Re] Methodology, lines 15-17",
        needs="structure",
        parts=(ratio("learned-content-ha", "learned-content", 0.0, 0.6, "macs_naive"),),
    ),
    Claim(
        id="C23",
        statement="Attention with content overfits: training loss vanishes while test loss rises again.",
        source="[Re] section 3.4.2, lines 175-177",
        needs="histories of both rows with content, several seeds",
        parts=(*_overfits("learned-content"), *_overfits("learned-content-16h")),
    ),
)
