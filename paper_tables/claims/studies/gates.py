"""Claims of the report on attention gates (ECA, CBAM, autoencoders) in a small CNN, CIFAR-10, 16 runs."""

from paper_tables.claims.claim import Claim
from paper_tables.claims.questions import adds, better, either, no_gain, no_loss, ratio, similar

_RUNS = "CIFAR-10, paper budget, 16 seeds"
_MARGIN = 0.02
_MARGIN_NOTE = "Two points is our margin; how many runs it takes is said beside the verdict."
_PLAIN = ("cnn", "cnn-eca", "cnn-cbam", "cnn-deep", "cnn-convae", "cnn-linae")
_HYBRIDS = ("cnn-convae-eca", "cnn-linae-eca", "cnn-spatial-eca")
_WITH_CHANNELS = ("cnn-eca", "cnn-cbam", *_HYBRIDS)
CLAIMS = (
    Claim(
        id="gate-1",
        statement="The convolutional autoencoder gate does like all gates with channel attention.",
        source="gates report, section 3, after Table 1; abstract",
        needs=f"six networks, {_RUNS}",
        parts=tuple(similar("cnn-convae", row, _MARGIN) for row in _WITH_CHANNELS),
        note=f"{_MARGIN_NOTE} By the printed means it is far better than the linear gate with ECA.",
    ),
    Claim(
        id="gate-1c",
        statement="The convolutional autoencoder gate does no worse than gates with channel attention, to two points.",
        source="ours, on the same sentence",
        needs=f"six networks, {_RUNS}",
        parts=tuple(no_loss("cnn-convae", row, _MARGIN) for row in _WITH_CHANNELS),
        note=_MARGIN_NOTE,
    ),
    Claim(
        id="gate-1b",
        statement="The convolutional autoencoder gate does better than CBAM.",
        source="ours, on the gates report's Table 1",
        needs=f"both networks, {_RUNS}",
        parts=(better("cnn-convae", "cnn-cbam"),),
    ),
    Claim(
        id="gate-2",
        statement="The convolutional autoencoder gate does as well as a deeper CNN with 83 % of its parameters.",
        source="gates report, section 3, after Table 1",
        needs=f"structure; both networks, {_RUNS}",
        parts=(similar("cnn-convae", "cnn-deep", _MARGIN), ratio("cnn-convae", "cnn-deep", 0.825, 0.835)),
        note="The deeper network's third block is never called: it computes what the plain CNN does.",
    ),
    Claim(
        id="gate-3",
        statement="Hybrid gates bring no improvement of two points or more over their components.",
        source="gates report, section 4",
        needs=f"six networks, {_RUNS}",
        parts=(
            no_gain("cnn-convae-eca", "cnn-convae", _MARGIN),
            no_gain("cnn-convae-eca", "cnn-eca", _MARGIN),
            no_gain("cnn-spatial-eca", "cnn-eca", _MARGIN),
            no_gain("cnn-linae-eca", "cnn-linae", _MARGIN),
            no_gain("cnn-linae-eca", "cnn-eca", _MARGIN),
        ),
        note=f"CBAM is a hybrid itself, and its spatial gate was not tried alone. {_MARGIN_NOTE}",
    ),
    Claim(
        id="gate-3c",
        statement="No hybrid gate improves on all the other models by two points or more.",
        source="gates report, section 3, after Table 1 (the hybrids, over the other models)",
        needs=f"all networks, {_RUNS}",
        parts=tuple(
            either(
                f"{hybrid} gains less than 2 points on one of the others",
                [no_gain(hybrid, row, _MARGIN) for row in _PLAIN],
            )
            for hybrid in _HYBRIDS
        ),
        note=f"Over the others is read as over each of them. {_MARGIN_NOTE}",
    ),
    Claim(
        id="gate-3b",
        statement="One hybrid gate does improve: CBAM's spatial gate with ECA is ahead of CBAM.",
        source="ours, on the gates report's Table 1",
        needs=f"both networks, {_RUNS}",
        parts=(better("cnn-spatial-eca", "cnn-cbam"),),
        note="CBAM is a hybrid, too: both have ECA or its like before the same spatial gate.",
    ),
    Claim(
        id="gate-4",
        statement="Linear autoencoder gates do worse than the plain CNN.",
        source="gates report, section 3, last paragraph",
        needs=f"three networks, {_RUNS}",
        parts=(better("cnn", "cnn-linae"), better("cnn", "cnn-linae-eca")),
        note="The printed spread of the linear gate belongs to another row (G17): the recorded .039 is used.",
    ),
    Claim(
        id="gate-5",
        statement="No gate improves on the plain CNN by two points or more.",
        source="ours, on the gates report's Table 1",
        needs=f"all networks, {_RUNS}",
        parts=tuple(
            no_gain(row, "cnn", _MARGIN)
            for row in (
                "cnn-eca",
                "cnn-cbam",
                "cnn-convae",
                "cnn-convae-eca",
                "cnn-linae",
                "cnn-linae-eca",
                "cnn-spatial-eca",
            )
        ),
        note=_MARGIN_NOTE,
    ),
    Claim(
        id="gate-6",
        statement="The gates are cheap: at most 12 % more parameters.",
        source="gates report, Table 1 (2.62M to 2.92M)",
        needs="structure",
        parts=tuple(
            ratio(row, "cnn", 0.0, 1.12)
            for row in ("cnn-eca", "cnn-cbam", "cnn-convae", "cnn-linae", "cnn-spatial-eca")
        ),
    ),
    Claim(
        id="gate-6b",
        statement="The gates are cheap in computation, too: at most a fifth more multiply-accumulates.",
        source="ours, on the gates report",
        needs="structure",
        parts=tuple(
            ratio(row, "cnn", 0.0, 1.2, "macs_fast")
            for row in ("cnn-eca", "cnn-cbam", "cnn-convae", "cnn-linae", "cnn-spatial-eca")
        ),
    ),
    Claim(
        id="gate-6c",
        statement="ECA adds a few parameters only: at most a hundred.",
        source="gates report, section 1.2, on ECA",
        needs="structure",
        parts=(adds("cnn-eca", "cnn", 100), adds("cnn-convae-eca", "cnn-convae", 100)),
        note="A hundred is our reading of a few; the printed sizes are rounded to ten thousand.",
    ),
    Claim(
        id="gate-7",
        statement="A head without ReLU and softmax gains more than any gate: five points or more.",
        source="ours, on the report's code",
        needs=f"the plain CNN with both heads, {_RUNS}",
        parts=(better("cnn model.head=logits", "cnn", by=0.05),),
    ),
)
