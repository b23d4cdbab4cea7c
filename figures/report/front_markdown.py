"""The first page as Markdown: the answer, and where every study stands."""

from collections.abc import Iterable, Sequence

from figures.report.summary.standing import Finding, Standing
from figures.report.summary.summary import Summary
from figures.report.summary.wording import explain_ways, say_open, say_slips
from paper_tables.formats.markup import escape_markdown


def write_answer(summary: Summary) -> list[str]:
    """Return the headline in bold and the paragraph after it."""
    made = "Made by `attnrepro report`; every number is from files in this repository or computed by its code."
    return [f"**{escape_markdown(summary.headline)}**", "", escape_markdown(summary.paragraph), "", made, ""]


def write_standings(summary: Summary) -> list[str]:
    """Return every study: settled, contradicted, open, and the cheapest next step."""
    lines = [escape_markdown(explain_ways()), ""]
    for standing in summary.standings:
        lines += [f"### {escape_markdown(standing.study.title)}", "", *_standing(standing)]
    return lines


def fold(title: str, lines: Iterable[str]) -> list[str]:
    """Return ``lines`` under a title that opens them."""
    shown = title.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return ["<details>", f"<summary>{shown}</summary>", "", *lines, "", "</details>", ""]


def _standing(standing: Standing) -> Iterable[str]:
    yield from _findings("Settled", standing.settled)
    yield from _findings("Contradicted", standing.contradicted)
    if standing.slips:
        slips = [f"- **{one.number}** {escape_markdown(one.title)}" for one in standing.slips]
        yield from fold(say_slips(standing), slips)
    yield from (f"**Open.** {escape_markdown(say_open(standing))}", "")
    if standing.step is None:
        yield from ("**Cheapest next step.** None: no number of runs would settle a printed accuracy more.", "")
        return
    said = escape_markdown(f"{standing.step.say()} {standing.step.say_hours()}")
    yield from (f"**Cheapest next step.** {said}", "", "```sh", *standing.step.commands, "```", "")


def _findings(title: str, findings: Sequence[Finding]) -> Iterable[str]:
    yield from (f"**{title}**" + ("" if findings else ": nothing yet."), "")
    if findings:
        yield from (f"- **{one.mark}** {escape_markdown(one.said)} *({one.way})*" for one in findings)
        yield ""
