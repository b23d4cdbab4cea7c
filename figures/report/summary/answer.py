"""The answer in a paragraph: which published accuracies are confirmed or refuted, and what is known without runs.

Every word of it follows from counts: of verdicts, of claims, of runs and of the data that they used.
"""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from figures.report.chapter import Accuracy, Chapter
from figures.report.summary.standing import Standing
from reproduce.data.cards import CARDS
from reproduce.recipes.registry import ENTRIES

if TYPE_CHECKING:
    import pandas as pd

_WORDS = ("No", "One", "Two", "Three", "Four", "Five", "Six", "Seven", "Eight", "Nine", "Ten")
_NAMED = 4  # accuracies that a sentence names; more are counted


def answer(chapters: Sequence[Chapter], standings: Sequence[Standing], runs: "pd.DataFrame") -> tuple[str, str]:
    """Return the sentence that matters most, and the paragraph that follows it.

    Args:
        chapters: every study with its tables.
        standings: the same studies, in the same order.
        runs: the ledger behind them.
    """
    accuracies = [one for chapter in chapters for one in chapter.accuracies]
    return say_accuracies(accuracies, runs), " ".join(_say_claims(chapters, standings, accuracies))


def say_accuracies(accuracies: Sequence[Accuracy], runs: "pd.DataFrame") -> str:
    """Return what is known of the printed accuracies; where nothing is, why not."""
    confirmed, refuted = (_of_word(accuracies, word) for word in ("agrees", "differs"))
    total = len({one.place for one in accuracies})
    if not confirmed and not refuted:
        return f"No published accuracy has been confirmed or refuted: {explain_silence(accuracies, runs)}."
    told = f"Of {total} published accuracies {_count(confirmed)} confirmed{_list(confirmed)} and {_count(refuted)} "
    told += f"refuted{_list(refuted)}"
    both = len({one.place for one in confirmed} & {one.place for one in refuted})
    told += f" ({both} of them in one variant and not in another)" if both else ""
    settled = {one.place for one in (*confirmed, *refuted)}
    undecided = {one.place for one in _of_word(accuracies, "undecided")} - settled
    rest = total - len(settled) - len(undecided)
    waiting = f"{len(undecided)} {_is(len(undecided))} undecided after runs" if undecided else ""
    untold = f"{rest} {_has(rest)} no run that may be held against {'it' if rest == 1 else 'them'}" if rest else ""
    return ". ".join(filter(None, (told, ", ".join(filter(None, (waiting, untold)))))) + "."


def explain_silence(accuracies: Iterable[Accuracy], runs: "pd.DataFrame") -> str:
    """Return why no accuracy has a verdict: no runs, other data, other budgets, or too little of the right ones."""
    done = runs[(runs["status"] == "done") & runs["row"].isin(list(ENTRIES))]
    if done.empty:
        return "no network has been trained"
    wanted = done["row"].map(lambda row: ENTRIES[row].recipe.data.name)
    official = done[done["dataset"] == wanted]
    if official.empty:
        names = " or ".join(sorted({CARDS[name].title for name in wanted}))
        used = " or ".join(sorted({CARDS[name].title if name in CARDS else name for name in done["dataset"]}))
        return f"no run used {names} itself ({len(done)} used {used})"
    if undecided := {one.place for one in accuracies if one.verdict.word == "undecided"}:
        rows = f"the runs of {len(undecided)} row{'s' * (len(undecided) > 1)}"
        return f"{rows} at the paper's setting do not decide yet"
    whole = official[(official["budget"] == "paper") & (official["scale"] == "paper")]
    if whole.empty:
        return f"no run had the paper's budget and size of network ({len(official)} had its data)"
    return f"no run had all of the paper's settings ({len(whole)} had its data, budget and size of network)"


def _say_claims(
    chapters: Sequence[Chapter], standings: Sequence[Standing], accuracies: Sequence[Accuracy]
) -> Iterable[str]:
    """Yield the sentences on all studies together."""
    claims = sum(len(chapter.claims.claims) for chapter in chapters)
    printed = len({one.place for one in accuracies})
    yield (
        f"{_spell(len(chapters))} published studies of attention for image classification were put to the test: "
        f"{printed} printed accuracies and {claims} claims."
    )
    without = _count_sides(standings, "structure", "arithmetic")
    yield f"Without training, by counting and computing, {without[0]} claims hold and {without[1]} fail."
    ran = _count_sides(standings, "runs")
    yield f"By training, {ran[0]} hold and {ran[1]} fail." if any(ran) else "No claim is decided by training yet."
    print_ = _count_sides(standings, "printed numbers", "single printed numbers")
    single = sum(_count_sides(standings, "single printed numbers"))
    of_one = f" ({single} by numbers of one run each)" if single else ""
    yield f"The papers' own numbers bear out {print_[0]} more, and contradict {print_[1]}{of_one}."
    slips = sum(len(one.slips) for one in standings)
    yield f"In {slips} places text, tables and code of the studies contradict each other."
    waiting = sum(len(one.open_claims) for one in standings)
    yield f"{waiting} claims wait for runs. What was not run says so; nothing is estimated or filled in."


def _count_sides(standings: Iterable[Standing], *ways: str) -> tuple[int, int]:
    """Return how many claims are settled and how many contradicted in one of ``ways``."""
    settled = [one for found in standings for one in found.settled if one.claim and one.way in ways]
    contradicted = [one for found in standings for one in found.contradicted if one.claim and one.way in ways]
    return len(settled), len(contradicted)


def _of_word(accuracies: Iterable[Accuracy], word: str) -> list[Accuracy]:
    return [one for one in accuracies if one.verdict.word == word]


def _count(found: Sequence[Accuracy]) -> str:
    count = len({one.place for one in found})
    return f"{count} {_is(count)}"


def _list(found: Sequence[Accuracy]) -> str:
    return f" ({'; '.join(one.name for one in found)})" if 0 < len(found) <= _NAMED else ""


def _is(count: int) -> str:
    return "is" if count == 1 else "are"


def _has(count: int) -> str:
    return "has" if count == 1 else "have"


def _spell(count: int) -> str:
    return _WORDS[count] if count < len(_WORDS) else str(count)
