"""A published table reproduced: what it plans is done, and the ledger is built into the table. No torch.

built, state = build_trained_table(find_table("3"), RecipeOptions(), None, agree=ask, command="attnrepro table 3")
"""

from paper_tables import settings_table
from paper_tables.build import build
from paper_tables.measured import committed_runs
from paper_tables.settings_table import Settings
from paper_tables.table import Table
from reproduce.console.options import RecipeOptions, RunOptions
from reproduce.recipes.command import parse_seeds, write_options
from reproduce.recipes.paper_table import PaperTable
from reproduce.recipes.registry import plan_table
from reproduce.recipes.settings import read_settings
from reproduce.runs.complete import Agree, Completed, complete


def build_trained_table(
    paper: PaperTable, asked: RecipeOptions, options: RunOptions | None, *, agree: Agree, command: str
) -> tuple[Table, Completed]:
    """Do the runs that ``paper`` lacks and return the table with what was found and done.

    Args:
        paper: a table of the registry whose rows are trained.
        asked: budget, variant, seeds, data, settings and precision of its runs.
        options: how missing runs are done; None: none are, and the table shows what the ledger has.
        agree: what is asked before long runs.
        command: goes into the manifests.

    Raises:
        UserError: as :func:`complete`.
    """
    settings = asked.settings or []
    state = complete(
        plan_table(
            paper, variant=asked.variant, budget=asked.budget or "smoke", changes=read_settings(settings)
        ),
        asked,
        options,
        agree=agree,
        command=command,
    )  # fmt: skip
    built = build(
        paper.name,
        state.plan.recipes,
        state.ledger,
        committed_runs(),
        precision=asked.precision,
        data_sha256={row: source.sha256 for row, source in state.plan.sources.items()},
        left_out={} if options is None else {row: error.message for row, error in state.plan.left_out.items()},
        options=write_options(data=asked.data, settings=settings, precision=asked.precision),
        seeds=parse_seeds(asked.seeds),
    )
    return built, state


def build_settings_table(paper: PaperTable, asked: RecipeOptions) -> Settings:
    """Return the table of settings, each cell read from the recipes that ``asked`` makes; at paper budget by default.

    Raises:
        UserError: an unknown setting, or a value of another type.
    """
    changes = read_settings(asked.settings or ())
    return settings_table.build(
        plan_table(paper, variant=asked.variant, budget=asked.budget or "paper", changes=changes)
    )
