"""The runs that claims are judged by: the committed ledger, and this machine's."""

from typing import TYPE_CHECKING

from paper_tables.measured import committed_runs

if TYPE_CHECKING:
    import pandas as pd


def gather_runs(committed_only: bool = False) -> "pd.DataFrame":
    """Return the committed runs and, unless told otherwise, those of this machine; a run counts once.

    Raises:
        UserError: a ledger that cannot be read.
    """
    import pandas as pd

    from reproduce.record import ledger

    ours = committed_runs()
    if committed_only:
        return ours
    mine = ledger.read()
    parts = [frame for frame in (ours, mine) if not frame.empty]
    if len(parts) < 2:
        return parts[0] if parts else ours
    # of a run that is in both the one here counts: its files are beside it
    return pd.concat(parts, ignore_index=True).drop_duplicates("run_id", keep="last", ignore_index=True)
