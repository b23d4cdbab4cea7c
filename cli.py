"""The command line: one thin function a verb. Nothing heavy is imported before a verb needs it.

attnrepro table hierarchical
python cli.py table hierarchical        the same from a bare clone
"""

import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from figures.verbs import add_verbs
from reproduce.errors import UserError

GIVEN: list[str] = []  # the words after the program's name, as the user gave them


class Verbs(TyperGroup):
    """Runs a verb; what the user can mend is one sentence and one hint, exit code 2, without a traceback."""

    def main(self, args: Any = None, *positional: Any, **extra: Any) -> Any:
        """Take ``--debug`` at any place: with it, errors keep their traceback."""
        words = sys.argv[1:] if args is None else list(args)
        self.debug = "--debug" in words
        GIVEN[:] = words
        return super().main([word for word in words if word != "--debug"], *positional, **extra)

    def invoke(self, ctx: Any) -> Any:
        """Run the verb and turn what it raises into words."""
        try:
            return super().invoke(ctx)
        except UserError as error:
            if self.debug:
                raise
            say(f"error: {error.message}", f"hint: {error.hint}")
            raise typer.Exit(2) from None
        except KeyboardInterrupt:
            if self.debug:
                raise
            say("stopped: every finished epoch is saved", "hint: the same command goes on from there")
            raise typer.Exit(130) from None
        except BrokenPipeError:  # the reader of a pipe has closed it
            raise typer.Exit(0) from None
        except (typer.Exit, typer.Abort):
            raise
        except Exception as error:
            if self.debug or type(error).__module__.startswith("click") or hasattr(error, "format_message"):
                raise
            first = (str(error).splitlines() or [""])[0]
            say(f"error: {type(error).__name__}: {first}", "hint: this should not happen; --debug shows where")
            raise typer.Exit(1) from None


app = typer.Typer(
    cls=Verbs,
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    help="Reproduce published studies of attention for image classification: published | ours | interval | verdict.",
)

RowName = Annotated[str, typer.Argument(help="Row of a table, for example vit-ha.", show_default=False)]
Budget = Annotated[str, typer.Option(help="smoke (minutes on two cores) | short | paper (as published).")]
Variant = Annotated[str, typer.Option(help="described (the text) | as-run (the authors' code) | original.")]
Seeds = Annotated[str, typer.Option(help="One (3), a list (0,2) or a range (0-4).")]
Data = Annotated[str | None, typer.Option(help="Name of a data set, or a path.", show_default="the recipe's")]
Settings = Annotated[list[str] | None, typer.Option("--set", help="Change a setting: key=value, repeatable.")]
Device = Annotated[str, typer.Option(help="auto | cpu | cuda | cuda:1.")]
Precision = Annotated[str, typer.Option(help="fp32 | bf16.")]
Json = Annotated[bool, typer.Option("--json", help="One JSON document on stdout, all else on stderr.")]
Yes = Annotated[bool, typer.Option("--yes", help="Start long runs without asking.")]
Jobs = Annotated[int | None, typer.Option(min=1, help="Runs at once.", show_default="cores, for mini models on a CPU")]
Minutes = Annotated[float | None, typer.Option("--max-minutes", help="Stop after the epoch that passes so many.")]


def say(*lines: str) -> None:
    """Print lines for the user on stderr."""
    print(*lines, sep="\n", file=sys.stderr)


def show(document: Any) -> None:
    """Print one JSON document on stdout."""
    import json

    print(json.dumps(document, indent=2, ensure_ascii=False, default=str))


def write_out(text: str, out: Path | None) -> None:
    """Print ``text``, or write it to ``out`` in one step."""
    if out is None:
        print(text, end="")
        return
    from reproduce.files import write_whole

    write_whole(out, text.encode())
    say(f"wrote {out}")


def command_line() -> str:
    """Return the command as the user gave it."""
    import shlex

    return shlex.join(["attnrepro", *GIVEN])


def ask(yes: bool) -> Any:
    """Return the question that is put before long runs."""

    def agree(duration: str) -> bool:
        say(f"this takes about {duration} here")
        return yes or (sys.stdin.isatty() and typer.confirm("start?", err=True))

    return agree


@app.command()
def train(
    row: RowName,
    seeds: Seeds = "0",
    budget: Budget = "smoke",
    variant: Variant = "described",
    data: Data = None,
    settings: Settings = None,
    device: Device = "auto",
    precision: Precision = "fp32",
    resume: Annotated[str, typer.Option(help="auto (go on from a checkpoint) | never.")] = "auto",
    jobs: Jobs = None,
    max_minutes: Minutes = None,
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Train one row, with one seed or several; every finished run adds a row to the ledger."""
    from reproduce.complete import Running, complete
    from reproduce.plan import find_done
    from reproduce.recipe import read_settings
    from reproduce.recipes import resolve

    if resume not in ("auto", "never"):
        raise UserError(f"--resume cannot be '{resume}'", "choose auto or never")
    plan = {row: resolve(row, variant=variant, budget=budget, changes=read_settings(settings or []))}
    running = Running(device=device, agree=ask(yes), resume=resume == "auto", jobs=jobs, max_minutes=max_minutes)
    state = complete(plan, data=data, seeds=seeds, precision=precision, running=running, command=command_line())
    lines = {run.run_id: find_done(state.ledger, run) for run in state.runs}
    if as_json:
        show({"runs": [line or {"run_id": run_id, "status": "unfinished"} for run_id, line in lines.items()]})
        return
    for run_id, line in lines.items():
        if line is None:
            print(f"{run_id}: not finished; the same command goes on")
        else:
            print(f"{run_id}: top-1 {line['top1_last']:.4f} last, {line['top1_best']:.4f} best on test")


@app.command(name="eval")
def evaluate(
    checkpoint: Annotated[str, typer.Argument(metavar="RUN|CHECKPOINT", show_default=False)],
    data: Data = None,
    eval_mode: Annotated[str | None, typer.Option(help="eval | train-bn | train.", show_default="the recipe's")] = None,
    device: Device = "auto",
    precision: Precision = "fp32",
    as_json: Json = False,
) -> None:
    """Measure a trained network on a test set."""
    from reproduce.evaluate import evaluate_checkpoint
    from reproduce.launch import choose_device
    from reproduce.recipe import read_eval_mode
    from reproduce.records import find_checkpoint
    from reproduce.run import check_precision

    check_precision(precision)
    mode = read_eval_mode(eval_mode) if eval_mode else None
    result = evaluate_checkpoint(find_checkpoint(checkpoint), data, mode, choose_device(device), precision)
    if as_json:
        show(result)
        return
    low, high = result["interval"]
    print(
        f"{result['row']} on {result['dataset']}: top-1 {result['top1']:.4f} (95 % {low:.4f}..{high:.4f}, Wilson),"
        f" top-5 {result['top5']:.4f}, loss {result['loss']:.4f}, {result['images']} images, mode {result['eval_mode']}"
    )


@app.command()
def table(
    name: Annotated[str, typer.Argument(metavar="NAME|NUMBER", show_default=False)],
    budget: Annotated[str | None, typer.Option(help="smoke | short | paper.", show_default="smoke")] = None,
    variant: Variant = "described",
    seeds: Seeds = "0",
    data: Data = None,
    settings: Settings = None,
    device: Device = "auto",
    precision: Precision = "fp32",
    no_run: Annotated[bool, typer.Option("--no-run", help="Render what the ledger has; train nothing.")] = False,
    form: Annotated[str, typer.Option("--format", help="text | md | latex | html | csv | json.")] = "text",
    out: Annotated[Path | None, typer.Option(help="Write to a file.", show_default="stdout")] = None,
    jobs: Jobs = None,
    max_minutes: Minutes = None,
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Reproduce a published table: train what is missing, then show published | ours | interval | verdict."""
    from paper_tables.render import check_format, render
    from reproduce.complete import Running, complete
    from reproduce.plan import write_options
    from reproduce.recipe import read_settings
    from reproduce.recipes import find_table, plan_table

    form = check_format("json" if as_json else form)
    paper = find_table(name)
    changes = read_settings(settings or [])
    if paper.train:
        from paper_tables.table import build, committed_runs

        running = Running(device=device, agree=ask(yes), jobs=jobs, max_minutes=max_minutes)
        state = complete(
            plan_table(paper, variant=variant, budget=budget or "smoke", changes=changes),
            data=data,
            seeds=seeds,
            precision=precision,
            running=None if no_run else running,
            command=command_line(),
        )
        built: Any = build(
            paper.name,
            state.plan,
            state.ledger,
            committed_runs(),
            precision=precision,
            data_sha256=state.source.sha256 if state.source else None,
            options=write_options(data=data, settings=settings or [], precision=precision),
        )
    else:
        from paper_tables.hyperparameters import build as list_settings

        built = list_settings(plan_table(paper, variant=variant, budget=budget or "paper", changes=changes))
    write_out(render(built, form, colour=out is None and sys.stdout.isatty(), width=_terminal_width()), out)


def _terminal_width() -> int | None:
    import shutil

    return min(140, shutil.get_terminal_size().columns) if sys.stdout.isatty() else None


@app.command(name="ls")
def list_things(
    what: Annotated[str, typer.Argument(help="rows | tables | figures | runs.")] = "tables",
    as_json: Json = False,
) -> None:
    """List rows, tables, published figures, or the runs of this machine."""
    if what == "figures":
        from figures.published import list_figures

        records = list_figures()
    else:
        from reproduce.records import list_records

        records = list_records(what)
    if as_json:
        show(records)
        return
    from reproduce.listing import columns

    print(columns(records))


@app.command(name="show")
def show_run(
    run: Annotated[str, typer.Argument(metavar="RUN", help="run_id, or the start of one.", show_default=False)],
    as_json: Json = False,
) -> None:
    """Show one run: its manifest, its curve and the command that repeats it."""
    from reproduce.records import describe_run, read_run

    record = read_run(run)
    if as_json:
        show(record)
    else:
        print(describe_run(record))


@app.command()
def data(
    action: Annotated[str, typer.Argument(help="ls | show | fetch.")] = "ls",
    name: Annotated[str | None, typer.Argument(help="Name of a data set, or a path.", show_default=False)] = None,
    as_json: Json = False,
) -> None:
    """Say which data sets there are, what one is, or fetch one."""
    from reproduce.data.shelf import act

    result = act(action, name)
    if as_json:
        show(result)
        return
    from reproduce.listing import columns

    print(columns(result if isinstance(result, list) else [result]))


@app.command()
def doctor(as_json: Json = False) -> None:
    """Say what this machine can do: versions, devices, and which kernels run, and why."""
    from reproduce.doctor import examine

    findings = examine()
    if as_json:
        show(findings)
        return
    for name, value in findings.items():
        print(f"{name:<12} {value}")


@app.command()
def bench(
    cpu: Annotated[bool, typer.Option("--cpu", help="Measure on the CPU.")] = False,
    gpu: Annotated[bool, typer.Option("--gpu", help="Measure on the first CUDA device.")] = False,
    suite: Annotated[str, typer.Option(help="models | kernels | san | latency | input | structure.")] = "models",
    rows: Annotated[str | None, typer.Option(help="Only these rows, or cases named so, comma-separated.")] = None,
    repetitions: Annotated[int | None, typer.Option(help="Measurements a case.", show_default="5; latency 300")] = None,
    out: Annotated[Path | None, typer.Option(help="Write a CSV file; a folder names it.", show_default="none")] = None,
    plot: Annotated[Path | None, typer.Option(help="Draw a roofline, .png or .svg.", show_default="none")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the plan and the predicted roofs only.")] = False,
    bandwidth: Annotated[float | None, typer.Option(help="A dry run's roof, GB/s.", show_default="measured")] = None,
    flops: Annotated[float | None, typer.Option(help="A dry run's roof, GFLOP/s.", show_default="measured")] = None,
    as_json: Json = False,
) -> None:
    """Measure speed in pairs within one process: fast against naive, ours against the usual."""
    from reproduce.bench import check_plot, draw_roofline, measure_suite, plan_suite, shorten, write_result

    if cpu == gpu:
        raise UserError("bench measures on one kind of device", "add --cpu or --gpu")
    if (bandwidth is None) != (flops is None) or (bandwidth is not None and not dry_run) or (plot and dry_run):
        hint = "a dry run takes --bandwidth and --flops together, and draws no --plot"
        raise UserError("these options do not go together", hint)
    kind, chosen = "cuda" if gpu else "cpu", rows.split(",") if rows else None
    if dry_run:
        roof = None if bandwidth is None or flops is None else (1e9 * bandwidth, 1e9 * flops)
        result = plan_suite(suite, kind, chosen, roof)
    else:
        if plot is not None:
            check_plot(suite, plot)
        result = measure_suite(suite, kind, chosen, repetitions)
    if out is not None:
        say(f"wrote {write_result(result, out)}")
    if plot is not None:
        draw_roofline(result, plot)
        say(f"wrote {plot}")
    if as_json:
        show(result)
        return
    from reproduce.listing import columns

    print(columns(shorten(result["cases"], suite)))
    for note in result["notes"]:
        print(note)


add_verbs(app)

if __name__ == "__main__":
    app()
