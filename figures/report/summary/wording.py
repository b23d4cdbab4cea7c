"""The sentences of the first page that both of its forms share."""

from figures.report.summary.standing import WAYS, Standing


def explain_ways() -> str:
    """Return what the words beside settled and contradicted claims mean."""
    ways = ", ".join(f"{way} ({meaning})" for way, meaning in WAYS.items())
    return f"How it is known: {ways}. The cheapest step is the one of the fewest multiply-accumulates, as counted."


def say_open(standing: Standing) -> str:
    """Return what is open in a study: its claims by what they wait for, and its printed accuracies."""
    claims = []
    if standing.not_run:
        claims.append(f"{len(standing.not_run)} without runs")
    if standing.undecided:
        claims.append(f"{len(standing.undecided)} with runs that do not decide")
    total = len(standing.open_claims)
    said = f"{total} claim{'s' * (total != 1)}" + (f" ({', '.join(claims)})" if claims else "")
    return f"{said}, and {standing.open_accuracies} of {standing.accuracies} printed accuracies."


def say_slips(standing: Standing) -> str:
    """Return in how many places text, tables and code of a study contradict each other."""
    count = len(standing.slips)
    return f"{count} place{'s' * (count != 1)} where its text and its tables or code disagree"
