"""Claims on attention maps: judged by the numbers beside the figures, over networks and not over heads."""

import pytest

from paper_tables.claims.assess import assess
from paper_tables.claims.render import render
from paper_tables.claims.studies.registry import STUDIES
from reproduce.errors import UserError


def test_maps_are_judged_by_the_numbers_beside_the_figures(draw):
    """Hand-made records: heads on one pixel early, wide late, and one image only."""
    both = draw("C08", "1,1,1,0.9,1.2,0.1,", "1,2,1,0.02,100,4,")[0]
    assert (both.word, both.outcome.effect, both.outcome.n) == ("holds", 0.5, 3)
    assert both.outcome.covers == "seeds"
    assert both.outcome.low < 0.5 < both.outcome.high  # equal runs have at least the rounding error of a share of heads
    assert draw("C08", "1,1,1,0.9,1.2,0.1,", "1,2,1,0.8,2,0.2,")[0].word == "fails"
    rising = [f"{layer},1,1,0.5,4,{layer / 2}," for layer in range(1, 7)]
    assert next(part for part in draw("C06", *rising) if part.part.rows == ("learned",)).word == "holds"
    falling = [f"{layer},1,1,0.5,4,{-layer / 2}," for layer in range(1, 7)]
    assert next(part for part in draw("C06", *falling) if part.part.rows == ("learned",)).word == "fails"


def test_maps_of_one_network_decide_nothing(draw):
    """The heads of one network are no independent draws: the others' figures are asked for."""
    one = draw("C08", "1,1,1,0.9,1.2,0.1,", "1,2,1,0.02,100,4,", seeds=(1,))[0]
    assert (one.word, one.leaning, one.outcome.n, one.outcome.low) == ("undecided", None, 1, None)
    assert one.reason == "one run per arm: seeds are not covered"
    assert one.commands == tuple(
        f"attnrepro plot-attention learned-paper-described-{seed} --query-pixel --images 50" for seed in (0, 2)
    )


def test_maps_disagreeing_between_seeds_are_within_the_error(draw):
    """Two of three networks have both kinds of head, the third has one."""
    lines = {seed: ["1,1,1,0.9,1.2,0.1,", f"1,2,1,0.02,{100 if seed else 2},4,"] for seed in range(3)}
    found = draw("C08", lines=lines)[0]
    assert (found.word, found.outcome.effect) == ("undecided", pytest.approx(1 / 3))
    assert 0 < found.outcome.p_value < 1


def test_maps_without_a_number_say_so(draw):
    """A column that is empty or missing is told from a figure of one image, and an infinite effect from a number."""
    assert draw("C08", "1,1,1,,1.2,0.1,")[0].reason == "a figure has no 'largest' of some head"
    images = draw("C24", "1,1,1,0.9,1.2,0.1,", kind="average")[0]
    assert images.reason == "the figure was drawn from a single image"
    with pytest.raises(UserError, match="has no column 'support'") as caught:
        draw("C08", "1,1,1,0.9,2", header="layer,head,images,largest,attended_distance")
    assert "plot-attention" in caught.value.hint
    spread = "layer,head,images,head_spread,image_variance,support"
    flat = [f"{layer},1,50,{0 if layer < 5 else 0.4},,4" for layer in range(1, 7)]
    parts = draw("C13", *flat, header=spread, row="learned-content")
    assert (parts[0].word, parts[0].outcome) == ("not run", None)
    assert "nothing to divide by" in parts[0].reason


@pytest.fixture
def draw(tmp_path, monkeypatch):
    """Return a function that writes figures' numbers for three paper-budget runs and returns a claim's parts."""
    from tests.golden.cases import frame, recipes, run

    monkeypatch.setattr("paper_tables.claims.measured_files.MEASURED", tmp_path)
    plan = recipes("accuracy", budget="paper")

    def answer(id_, *same, seeds=(0, 1, 2), lines=None, kind="query", row="learned",
               header="layer,head,images,largest,support,attended_distance,image_variance"):  # fmt: skip
        runs = frame([run(plan[row], seed, 0.9) for seed in range(3)], tmp_path)
        for seed in seeds:
            folder = tmp_path / "attention" / runs["run_id"][seed]
            folder.mkdir(parents=True, exist_ok=True)
            text = "\n".join([header, *(lines[seed] if lines else same), ""])
            (folder / f"{kind}-quantities.csv").write_text(text)
        study = STUDIES["re"]
        found = assess(study, runs, only=id_, local=False)
        for form in ("text", "json"):
            render([found], form, parts=True)  # whatever was found can be said
        return found.claims[0].ours.parts

    return answer


def test_strips_and_patches_are_both_asked_for(draw):
    header = "layer,head,images,sigma_short,condition,sigma_long,distance,layer_distinct_pixels"
    both = draw(
        "C29",
        "1,1,1,0.5,16,4,1,9",
        "1,2,1,5,1.2,4,1,9",
        "1,3,1,0.8,2,4,1,9",
        header=header,
        kind="centers",
        row="quadratic-aniso",
    )
    assert (both[0].word, both[0].outcome.effect) == ("holds", pytest.approx(1 / 3))
    one = draw(
        "C29",
        "1,1,1,0.5,16,4,1,9",
        "1,2,1,2,1.2,4,1,9",
        "1,3,1,0.8,2,4,1,9",
        header=header,
        kind="centers",
        row="quadratic-aniso",
    )
    assert one[0].word in ("fails", "undecided")
