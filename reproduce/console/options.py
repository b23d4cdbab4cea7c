"""The options that several verbs share, with what ``--help`` says of each; nothing heavy is imported."""

from typing import Annotated

import typer

RowName = Annotated[str, typer.Argument(help="Row of a table, for example vit-ha.", show_default=False)]
Budget = Annotated[str, typer.Option(help="smoke (minutes on two cores) | short | paper (as published).")]
Variant = Annotated[str, typer.Option(help="described (the text) | as-run (the authors' code) | original.")]
Seeds = Annotated[str, typer.Option(help="One (3), a list (0,2) or a range (0-4).")]
Data = Annotated[str | None, typer.Option(help="Name of a data set, or a path.", show_default="the recipe's")]
Settings = Annotated[list[str] | None, typer.Option("--set", help="Change a setting: key=value, repeatable.")]
HistEq = Annotated[bool, typer.Option("--hist-eq", help="Equalise luminance: as --set data.equalise=true.")]
Device = Annotated[str, typer.Option(help="auto | cpu | cuda | cuda:1.")]
Precision = Annotated[str, typer.Option(help="fp32 | tf32 (CUDA) | bf16.")]
Json = Annotated[bool, typer.Option("--json", help="One JSON document on stdout, all else on stderr.")]
Yes = Annotated[bool, typer.Option("--yes", help="Start long runs without asking.")]
Jobs = Annotated[int | None, typer.Option(min=1, help="Runs at once.", show_default="cores, for mini models on a CPU")]
Minutes = Annotated[
    float | None, typer.Option("--max-minutes", help="End before so many have passed; the same command goes on.")
]
On = Annotated[str, typer.Option("--on", help="Where runs are done: here | ray | slurm.")]
Address = Annotated[str | None, typer.Option(help="Ray cluster, or auto.", show_default="one on this machine")]
Cpus = Annotated[int | None, typer.Option(min=1, help="Cores a run on Ray or SLURM gets.", show_default="1")]
Gpus = Annotated[
    int | None, typer.Option(min=0, help="GPUs a run on Ray or SLURM gets.", show_default="1, or 0 on cpu")
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Print which runs would be done where, and do none.")]
Execution = Annotated[str, typer.Option(help="How passes are carried out: eager | compiled | graphed (CUDA).")]
Deterministic = Annotated[bool, typer.Option("--deterministic", help="Deterministic operators only (CUDA: slower).")]
