"""Claims of the ECE 176 report on stacked self-attention (SAN on CIFAR-10)."""

from paper_tables.claims.claim import Claim
from paper_tables.claims.convergence import lower, sooner
from paper_tables.claims.costs import faster, lighter
from paper_tables.claims.questions import better, proven, ratio

_RUNS = "CIFAR-10, paper budget, several seeds"
_KINDS = ("pair", "patch")


def count_convolutions(pairwise: bool, blocks: int, transitions: int) -> int:
    """Return the convolutions of a SAN: 7 per pairwise block, 6 per patchwise one, a stem, and one per transition."""
    return (7 if pairwise else 6) * blocks + 1 + transitions


def _fewer_convolutions(pairwise: bool) -> tuple[bool, float]:
    proposed, baseline = count_convolutions(pairwise, 7, 0), count_convolutions(pairwise, 10, 5)
    return proposed < baseline, float(proposed - baseline)


CLAIMS = (
    Claim(
        id="ece-1",
        statement="The proposed network is more accurate than the baseline, pairwise and patchwise.",
        source="ECE 176 report, section 5, Table 1",
        needs=f"both networks of each kind, {_RUNS}",
        parts=tuple(better(f"ece176-proposed-{kind}", f"ece176-baseline-{kind}") for kind in _KINDS),
    ),
    Claim(
        id="ece-1b",
        statement="The proposed network is ahead by five points or more.",
        source="ECE 176 report, Table 1 (10.6 and 15.5 points; the margin is ours)",
        needs=f"both networks of each kind, {_RUNS}",
        parts=tuple(better(f"ece176-proposed-{kind}", f"ece176-baseline-{kind}", by=0.05) for kind in _KINDS),
    ),
    Claim(
        id="ece-2",
        statement="Patchwise attention is more accurate than pairwise, in both networks.",
        source="ECE 176 report, section 5, after Table 1",
        needs=f"both networks of each kind, {_RUNS}",
        parts=tuple(better(f"ece176-{net}-patch", f"ece176-{net}-pair") for net in ("baseline", "proposed")),
    ),
    Claim(
        id="ece-3",
        statement="The proposed network needs less computation than the baseline.",
        source="ECE 176 report, abstract and section 5",
        needs="structure; training speed and memory on one device, several runs",
        parts=(
            *(
                ratio(f"ece176-proposed-{kind}", f"ece176-baseline-{kind}", 0.0, 1.0, column)
                for column in ("params", "macs_fast")
                for kind in _KINDS
            ),
            *(faster(f"ece176-proposed-{kind}", f"ece176-baseline-{kind}", "an epoch") for kind in _KINDS),
            *(lighter(f"ece176-proposed-{kind}", f"ece176-baseline-{kind}") for kind in _KINDS),
        ),
        note="Against the baseline of the published code: 16 channels throughout.",
    ),
    Claim(
        id="ece-4",
        statement="Pairwise: the proposed network's training loss starts lower and ends lower.",
        source="ECE 176 report, section 5, inference 1, Figure 4",
        needs="training histories of both, several seeds",
        parts=tuple(lower("ece176-proposed-pair", "ece176-baseline-pair", when) for when in ("first", "last")),
        note="Figure 4 shows 200 epochs of the proposed network and 250 of the baseline.",
    ),
    Claim(
        id="ece-4b",
        statement="Pairwise: the proposed network's loss falls in fewer epochs.",
        source="ECE 176 report, section 5, inference 1 (page with Figure 4)",
        needs="training histories of both, several seeds",
        parts=(sooner("ece176-proposed-pair", "ece176-baseline-pair", "train_loss"),),
        note="Averaged over all levels of the loss that both reach; the printed plot was read at four epochs.",
    ),
    Claim(
        id="ece-5",
        statement="Patchwise: the proposed network's training loss falls in fewer epochs, and ends lower.",
        source="ECE 176 report, section 5, inference 2, Figure 4",
        needs="training histories of both, several seeds",
        parts=(
            sooner("ece176-proposed-patch", "ece176-baseline-patch", "train_loss"),
            lower("ece176-proposed-patch", "ece176-baseline-patch", "last"),
        ),
        note="On the authors' own curve it ends higher, 1.105 against 1.00, flat from epoch 60 on.",
    ),
    Claim(
        id="ece-6",
        statement="At equal width, stacking attention beats alternating it with 1x1 convolutions.",
        source="ECE 176 report, section 5, after Table 1",
        needs=f"the baseline at the proposed network's 128 channels, {_RUNS}",
        parts=tuple(
            better(f"ece176-proposed-{kind}", f"ece176-baseline-{kind} model.stem=128 model.widths=128,128,128,128,128")
            for kind in _KINDS
        ),
        note="The report compares 128 channels with 16, so that its Table 1 cannot tell.",
    ),
    Claim(
        id="ece-7",
        statement="Dropout in the bottleneck raises test accuracy.",
        source="ECE 176 report, section 3.4",
        needs=f"the proposed networks with and without it, {_RUNS}",
        parts=tuple(better(f"ece176-proposed-{kind}", f"ece176-proposed-{kind} model.dropout=0") for kind in _KINDS),
        note="Our reading: the text says that dropout mitigates overfitting.",
    ),
    Claim(
        id="ece-7b",
        statement="The proposed network is ahead of SAN10 itself, at SAN10's own widths.",
        source="ECE 176 report, abstract; the control is ours",
        needs=f"the proposed networks and SAN10 under the same recipe, {_RUNS}",
        parts=tuple(better(f"ece176-proposed-{kind}", f"san10-cifar-{kind}") for kind in _KINDS),
        note="The report calls its 16-channel baseline SAN10.",
    ),
    Claim(
        id="ece-8",
        statement="The proposed network has fewer convolutional layers.",
        source="ECE 176 report, section 1",
        needs="closed form of the counts",
        parts=tuple(
            proven(
                f"{kind}wise: convolutions, proposed minus baseline",
                lambda pairwise=kind == "pair": _fewer_convolutions(pairwise),  # type: ignore[misc]
                "convolutions",
                "50 against 76" if kind == "pair" else "43 against 66",
            )
            for kind in _KINDS
        ),
    ),
)
