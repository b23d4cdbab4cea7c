"""Claims of the report on attention gates (ECA, CBAM, autoencoders) in a small CNN, CIFAR-10, 16 runs."""

from paper_tables.claims.claim import Claim
from paper_tables.claims.questions import better, no_gain, ratio, similar

_RUNS = "CIFAR-10, paper budget, 16 seeds"
_MARGIN = 0.02  # what 16 runs an arm with their spread of .02 can just find
_MARGIN_NOTE = "Two points is our margin: what 16 runs with their spread can tell."
CLAIMS = (
    Claim(
        id="gate-1",
        statement="The convolutional autoencoder gate does as well as the gates with channel attention.",
        source="gates report, section 3, after Table 1",
        needs=f"four networks, {_RUNS}",
        parts=tuple(similar("cnn-convae", row, _MARGIN) for row in ("cnn-eca", "cnn-spatial-eca", "cnn-cbam")),
        note=_MARGIN_NOTE,
    ),
    Claim(
        id="gate-1b",
        statement="It does better than CBAM.",
        source="ours, on the gates report's Table 1",
        needs=f"both networks, {_RUNS}",
        parts=(better("cnn-convae", "cnn-cbam"),),
    ),
    Claim(
        id="gate-2",
        statement="It does as well as a deeper CNN with 83 % of its parameters.",
        source="gates report, section 3, after Table 1",
        needs=f"structure; both networks, {_RUNS}",
        parts=(similar("cnn-convae", "cnn-deep", _MARGIN), ratio("cnn-convae", "cnn-deep", 0.825, 0.835)),
        note="The deeper network's third block is never called: it computes what the plain CNN does.",
    ),
    Claim(
        id="gate-3",
        statement="Hybrid gates bring no improvement of two points or more over their components.",
        source="gates report, sections 3 and 4",
        needs=f"six networks, {_RUNS}",
        parts=(
            no_gain("cnn-convae-eca", "cnn-convae", _MARGIN),
            no_gain("cnn-convae-eca", "cnn-eca", _MARGIN),
            no_gain("cnn-spatial-eca", "cnn-eca", _MARGIN),
            no_gain("cnn-spatial-eca", "cnn-cbam", _MARGIN),
            no_gain("cnn-linae-eca", "cnn-linae", _MARGIN),
        ),
        note="CBAM counts as the component of its spatial gate, which was not tried alone. Two points is our margin.",
    ),
    Claim(
        id="gate-3b",
        statement="One hybrid does improve: CBAM's spatial gate with ECA is ahead of CBAM.",
        source="ours, on the gates report's Table 1",
        needs=f"both networks, {_RUNS}",
        parts=(better("cnn-spatial-eca", "cnn-cbam"),),
        note="By the printed spreads it is beyond chance, though not surely beyond the margin of gate-3.",
    ),
    Claim(
        id="gate-4",
        statement="Linear autoencoder gates do worse than the plain CNN.",
        source="gates report, section 3, last paragraph",
        needs=f"three networks, {_RUNS}",
        parts=(better("cnn", "cnn-linae"), better("cnn", "cnn-linae-eca")),
        note="The printed spread of the linear gate belongs to another row: its data have .039.",
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
        statement="They are cheap in computation, too: at most a fifth more MACs.",
        source="ours, on the gates report",
        needs="structure",
        parts=tuple(
            ratio(row, "cnn", 0.0, 1.2, "macs_fast")
            for row in ("cnn-eca", "cnn-cbam", "cnn-convae", "cnn-linae", "cnn-spatial-eca")
        ),
    ),
    Claim(
        id="gate-7",
        statement="A head without ReLU and softmax gains more than any gate: five points or more.",
        source="ours, on the report's code",
        needs=f"the plain CNN with both heads, {_RUNS}",
        parts=(better("cnn model.head=logits", "cnn", by=0.05),),
    ),
)
