"""The options that verbs share, and the groups in which they travel from a verb to the trainer. Nothing heavy.

resolve(row, budget=asked.budget or "smoke")             # asked: RecipeOptions
train(run, dataset, device=device, options=options)      # options: RunOptions
"""

import time
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from reproduce.console.grouped import one_of
from reproduce.errors import UserError
from reproduce.recipes.recipe import BUDGETS, EXECUTIONS, PRECISIONS, VARIANTS

PLACES = ("here", "ray", "slurm")
# a table's forms and the suffixes of files that ask for them
FORMATS = {"text": ".txt", "md": ".md", "latex": ".tex", "html": ".html", "csv": ".csv", "json": ".json"}
_ALSO = {"tex": "latex", "markdown": "md", "txt": "text", "htm": "html"}
_SUFFIXES = {suffix: form for form, suffix in FORMATS.items()} | {".htm": "html", ".markdown": "md"}

# the groups in which --help shows options, and what declares one in each
_WHAT, _HOW, _WHERE, _OUT = "What is trained", "How it is done", "Where it is done", "What is printed"
_what, _word_of_what = partial(typer.Option, rich_help_panel=_WHAT), partial(one_of, rich_help_panel=_WHAT)
_how, _word_of_how = partial(typer.Option, rich_help_panel=_HOW), partial(one_of, rich_help_panel=_HOW)
_where, _word_of_where = partial(typer.Option, rich_help_panel=_WHERE), partial(one_of, rich_help_panel=_WHERE)
_out, _word_of_out = partial(typer.Option, rich_help_panel=_OUT), partial(one_of, rich_help_panel=_OUT)

RowName = Annotated[str, typer.Argument(metavar="ROW", help="Row of a table, for example vit-ha.", show_default=False)]
Budget = Annotated[
    str | None,
    _word_of_what("budget", BUDGETS, "Minutes on two cores, some epochs, or as published", show_default="smoke"),
]
Variant = Annotated[str, _word_of_what("variant", VARIANTS, "The text, the authors' code, or an older paper")]
Data = Annotated[str | None, _what(help="Name of a data set, or a path.", show_default="the recipe's")]
Settings = Annotated[list[str] | None, _what("--set", metavar="KEY=VALUE", help="Change a setting; repeatable.")]
Precision = Annotated[str, _word_of_how("precision", PRECISIONS, "Arithmetic; tf32 on CUDA")]
Device = Annotated[str, _how(help="auto | cpu | cuda | cuda:1 | mps.")]
Json = Annotated[bool, _out("--json", help="One JSON document on stdout, all else on stderr.")]
Out = Annotated[Path | None, _out(help="Write to a file.", show_default="stdout")]
Format = Annotated[
    str | None,
    _word_of_out("format", tuple(FORMATS), "Form", flag="--format", also=_ALSO, show_default="text, or as --out ends"),
]


@dataclass(frozen=True, kw_only=True)
class RecipeOptions:
    """What is trained: which variant and budget of rows, on which data, with which seeds, changed how."""

    budget: Budget = None
    variant: Variant = "described"
    seeds: Annotated[str, _what(help="One (3), a list (0,2) or a range (0-4).")] = "0"
    data: Data = None
    settings: Settings = None
    precision: Precision = "fp32"


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """How and where runs are done; none of it is part of what fixes a result."""

    device: Device = "auto"
    resume: Annotated[str, _word_of_how("way to resume", ("auto", "never"), "Go on from a checkpoint")] = "auto"
    jobs: Annotated[int | None, _how(min=1, help="Runs at once.", show_default="cores, for small models on a CPU")] = (
        None
    )
    max_minutes: Annotated[
        float | None, _how(help="End before so many have passed; the same command goes on.")
    ] = None  # fmt: skip
    deterministic: Annotated[
        bool, _how("--deterministic", help="Deterministic operators only (CUDA: slower).")
    ] = False  # fmt: skip
    execution: Annotated[str, _word_of_how("execution", EXECUTIONS, "How a step is carried out; graphed on CUDA")] = (
        "eager"
    )
    tensorboard: Annotated[bool, _how("--tensorboard", help="Write the curve for TensorBoard, too.")] = False
    yes: Annotated[bool, _how("--yes", help="Start long runs without asking.")] = False
    on: Annotated[str, _word_of_where("place", PLACES, "Machines", flag="--on")] = "here"
    address: Annotated[str | None, _where(help="Ray cluster, or auto.", show_default="one on this machine")] = None
    cpus: Annotated[int | None, _where(min=1, help="Cores per run on Ray or SLURM.", show_default="1")] = None
    gpus: Annotated[
        int | None, _where(min=0, help="GPUs per run on Ray or SLURM.", show_default="1, or 0 on cpu")
    ] = None  # fmt: skip
    dry_run: Annotated[bool, _where("--dry-run", help="Print which runs would be done where, and do none.")] = False
    begun: float = field(default_factory=time.time)  # of the command, in seconds since 1970; no option

    @property
    def resumes(self) -> bool:
        """Whether a run goes on from its last checkpoint."""
        return self.resume == "auto"


@dataclass(frozen=True, kw_only=True)
class OutputOptions:
    """In which form something is printed, and where it goes."""

    form: Format = None
    out: Out = None
    as_json: Json = False

    @property
    def settled(self) -> str:
        """Return the form: of ``--json``, ``--format``, the suffix of ``--out``, or text.

        Raises:
            UserError: a suffix that no form has, or that of another form than the one asked for.
        """
        if self.as_json:
            return "json"
        suffix = self.out.suffix.lower() if self.out else ""
        if self.form is None:
            if suffix and suffix not in _SUFFIXES:
                raise UserError(
                    f"no format ends in '{suffix}'", f"end --out in {', '.join(_SUFFIXES)}, or add --format"
                )
            return _SUFFIXES.get(suffix, "text")
        if _SUFFIXES.get(suffix, self.form) != self.form:
            raise UserError(f"--out ends in {suffix}, --format is {self.form}", "let them agree, or leave one out")
        return self.form
