"""The command line: one thin function a verb. Nothing heavy is imported before a verb needs it.

attnrepro table hierarchical
python cli.py table hierarchical        the same from a bare clone
"""

import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from figures.report.verbs import add_verbs as add_report
from figures.verbs import add_verbs as add_figures
from paper_tables.claims.verbs import add_verbs as add_claims
from reproduce.bench.verbs import add_verbs as add_bench
from reproduce.console.options import (
    Address,
    Budget,
    Cpus,
    Data,
    Deterministic,
    Device,
    DryRun,
    Execution,
    Gpus,
    HistEq,
    Jobs,
    Json,
    Minutes,
    On,
    Precision,
    RowName,
    Seeds,
    Settings,
    Variant,
    Yes,
)
from reproduce.console.output import refuse_usage, say, show, show_records, takes_colour, terminal_width, write_out
from reproduce.console.signals import exit_code, hear_sigterm, notes_of
from reproduce.errors import UserError

GIVEN: list[str] = []  # the words after the program's name, as the user gave them


class Verbs(TyperGroup):
    """Runs a verb; what the user can mend is one sentence and one hint, exit code 2, without a traceback."""

    def main(self, args: Any = None, *positional: Any, **extra: Any) -> Any:
        """Take ``--debug`` and ``--log-level`` at any place; with the first, errors keep their traceback."""
        words = sys.argv[1:] if args is None else list(args)
        GIVEN[:] = words
        self.debug = "--debug" in words
        words = [word for word in words if word != "--debug"]
        self.level = None
        for place, word in enumerate(words):
            if word.partition("=")[0] == "--log-level":
                self.level = word.partition("=")[2] or (words[place + 1 : place + 2] or [""])[0]
                del words[place : place + (1 if "=" in word else 2)]
                break
        return super().main(words, *positional, **extra)

    def make_context(self, *given: Any, **extra: Any) -> Any:
        """Read the words before the verb; what cannot be read is refused in words."""
        try:
            return super().make_context(*given, **extra)
        except Exception as error:
            refuse_usage(error)
            raise

    def invoke(self, ctx: Any) -> Any:
        """Run the verb and turn what it raises into words."""
        try:
            if self.level is not None:
                from reproduce.console.logs import choose_level

                choose_level(self.level)
            with hear_sigterm():
                return super().invoke(ctx)
        except UserError as error:
            if self.debug:
                raise
            say(f"error: {error.message}", f"hint: {error.hint}")
            raise typer.Exit(2) from None
        except KeyboardInterrupt as stop:
            if self.debug:
                raise
            saved = "; ".join(notes_of(stop)) or "every finished epoch is saved"
            again = command_line().replace("--resume never", "--resume auto")
            say(f"stopped: {saved}", f"hint: this goes on from there: {again}")
            raise typer.Exit(exit_code(stop)) from None
        except BrokenPipeError:  # the reader of a pipe has closed it
            raise typer.Exit(0) from None
        except (typer.Exit, typer.Abort):
            raise
        except Exception as error:
            if self.debug:
                raise
            refuse_usage(error)
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


def command_line() -> str:
    """Return the command as the user gave it."""
    import shlex

    return shlex.join(["attnrepro", *GIVEN])


def list_settings(settings: list[str] | None, hist_eq: bool) -> list[str]:
    """Return what ``--set`` was given, with the setting that ``--hist-eq`` stands for."""
    return [*(settings or []), *(["data.equalise=true"] if hist_eq else [])]


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
    hist_eq: HistEq = False,
    device: Device = "auto",
    precision: Precision = "fp32",
    resume: Annotated[str, typer.Option(help="auto (go on from a checkpoint) | never.")] = "auto",
    jobs: Jobs = None,
    max_minutes: Minutes = None,
    tensorboard: Annotated[bool, typer.Option("--tensorboard", help="Write the curve for TensorBoard, too.")] = False,
    deterministic: Deterministic = False,
    execution: Execution = "eager",
    on: On = "here",
    address: Address = None,
    cpus: Cpus = None,
    gpus: Gpus = None,
    dry_run: DryRun = False,
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Train one row, with one seed or several; every finished run adds a row to the ledger."""
    from reproduce.recipes import resolve
    from reproduce.recipes.recipe import read_settings
    from reproduce.runs.complete import Running, complete
    from reproduce.runs.place import find_place
    from reproduce.runs.plan import find_done

    if resume not in ("auto", "never"):
        raise UserError(f"--resume cannot be '{resume}'", "choose auto or never")
    place = find_place(on, address=address, cpus=cpus, gpus=gpus, device=device)
    plan = {row: resolve(row, variant=variant, budget=budget, changes=read_settings(list_settings(settings, hist_eq)))}
    running = Running(
        device=device,
        agree=ask(yes),
        resume=resume == "auto",
        jobs=jobs,
        max_minutes=max_minutes,
        tensorboard=tensorboard,
        deterministic=deterministic,
        execution=execution,
        place=place,
    )
    doing = None if dry_run else running
    state = complete(plan, data=data, seeds=seeds, precision=precision, running=doing, command=command_line())
    if dry_run:
        show_records(place.plan(state.missing), as_json)
        say(*state.plan.explain_left_out())
        return
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
    hist_eq: HistEq = False,
    eval_mode: Annotated[str | None, typer.Option(help="eval | train-bn | train.", show_default="the recipe's")] = None,
    device: Device = "auto",
    precision: Precision = "fp32",
    as_json: Json = False,
) -> None:
    """Measure a trained network on a test set; what published weights reach is kept for `claims`."""
    from reproduce.recipes.recipe import read_eval_mode
    from reproduce.runs.launch import choose_device
    from reproduce.runs.show import find_checkpoint
    from reproduce.training.evaluate import evaluate_checkpoint
    from reproduce.training.run import check_precision

    check_precision(precision)
    mode = read_eval_mode(eval_mode) if eval_mode else None
    path, chosen = find_checkpoint(checkpoint), choose_device(device)
    result = evaluate_checkpoint(path, data, mode, chosen, precision, equalise=hist_eq)
    if result["official"]:
        from paper_tables.published import read_table
        from reproduce.record.evaluations import record

        printed = read_table("imagenet")
        result["published"] = {metric: printed[result["row"], metric].value for metric in ("top1", "top5")}
        record(result)
    if as_json:
        show(result)
        return
    low, high = result["interval"]
    print(
        f"{result['row']} on {result['dataset']}: top-1 {result['top1']:.4f} (95 % {low:.4f}..{high:.4f}, Wilson),"
        f" top-5 {result['top5']:.4f}, loss {result['loss']:.4f}, {result['images']} images, mode {result['eval_mode']}"
    )
    if "published" in result:
        print("published with these weights: top-1 {top1:.4f}, top-5 {top5:.4f}".format(**result["published"]))


@app.command()
def table(
    name: Annotated[str, typer.Argument(metavar="NAME|NUMBER", show_default=False)],
    budget: Annotated[str | None, typer.Option(help="smoke | short | paper.", show_default="smoke")] = None,
    variant: Variant = "described",
    seeds: Seeds = "0",
    data: Data = None,
    settings: Settings = None,
    hist_eq: HistEq = False,
    device: Device = "auto",
    precision: Precision = "fp32",
    no_run: Annotated[bool, typer.Option("--no-run", help="Render what the ledger has; train nothing.")] = False,
    form: Annotated[str, typer.Option("--format", help="text | md | latex | html | csv | json.")] = "text",
    out: Annotated[Path | None, typer.Option(help="Write to a file.", show_default="stdout")] = None,
    jobs: Jobs = None,
    max_minutes: Minutes = None,
    deterministic: Deterministic = False,
    execution: Execution = "eager",
    on: On = "here",
    address: Address = None,
    cpus: Cpus = None,
    gpus: Gpus = None,
    dry_run: DryRun = False,
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Reproduce a published table: train what is missing, then show published | ours | interval | verdict."""
    from paper_tables.formats.render import check_format, render
    from reproduce.recipes import find_table, plan_table
    from reproduce.recipes.command import parse_seeds, write_options
    from reproduce.recipes.recipe import read_settings
    from reproduce.runs.complete import Running, complete
    from reproduce.runs.place import find_place

    form = check_format("json" if as_json else form)
    paper = find_table(name)
    settings = list_settings(settings, hist_eq)
    changes = read_settings(settings)
    if paper.train:
        from paper_tables.build import build
        from paper_tables.measured import committed_runs

        place = find_place(on, address=address, cpus=cpus, gpus=gpus, device=device)
        running = Running(
            device=device,
            agree=ask(yes),
            jobs=jobs,
            max_minutes=max_minutes,
            deterministic=deterministic,
            execution=execution,
            place=place,
        )
        state = complete(
            plan_table(paper, variant=variant, budget=budget or "smoke", changes=changes),
            data=data,
            seeds=seeds,
            precision=precision,
            running=None if no_run or dry_run else running,
            command=command_line(),
        )
        if dry_run:
            show_records(place.plan(state.missing), as_json)
            say(*state.plan.explain_left_out())
            return
        built: Any = build(
            paper.name,
            state.plan.recipes,
            state.ledger,
            committed_runs(),
            precision=precision,
            data_sha256={row: source.sha256 for row, source in state.plan.sources.items()},
            left_out={} if no_run else {row: error.message for row, error in state.plan.left_out.items()},
            options=write_options(data=data, settings=settings, precision=precision),
            seeds=parse_seeds(seeds),
        )
    else:
        from paper_tables.hyperparameters import build as build_settings

        built = build_settings(plan_table(paper, variant=variant, budget=budget or "paper", changes=changes))
    write_out(render(built, form, colour=out is None and takes_colour(), width=terminal_width()), out, as_json=as_json)


@app.command(name="ls")
def list_things(
    what: Annotated[str, typer.Argument(help="rows | tables | figures | runs.")] = "tables",
    as_json: Json = False,
) -> None:
    """List rows, tables, published figures, or the runs of this machine."""
    if what == "figures":
        from figures.by_number import list_figures

        records = list_figures()
    else:
        from reproduce.runs.show import list_records

        records = list_records(what)
    show_records(records, as_json)


@app.command(name="show")
def show_run(
    run: Annotated[str, typer.Argument(metavar="RUN", help="run_id, or the start of one.", show_default=False)],
    as_json: Json = False,
) -> None:
    """Show one run: its manifest, its curve and the command that repeats it."""
    from reproduce.runs.show import describe_run, read_run

    record = read_run(run)
    if as_json:
        show(record)
    else:
        print(describe_run(record))


@app.command()
def data(
    action: Annotated[str, typer.Argument(help="ls | show | fetch | unpack.")] = "ls",
    name: Annotated[
        str | None, typer.Argument(help="Name of a data set, a path, or an archive.", show_default=False)
    ] = None,
    as_json: Json = False,
) -> None:
    """Say which data sets there are, what one is, fetch one, or unpack its archive."""
    from reproduce.data.catalogue import act

    result = act(action, name)
    if as_json:
        show(result)
    else:
        show_records(result if isinstance(result, list) else [result], as_json)


@app.command()
def doctor(as_json: Json = False) -> None:
    """Say what this machine can do: versions, devices, and which kernels run, and why."""
    from reproduce.bench.doctor import examine

    findings = examine()
    if as_json:
        show(findings)
        return
    for name, value in findings.items():
        print(f"{name:<12} {value}")


add_bench(app)
add_figures(app)
add_claims(app)
add_report(app)

if __name__ == "__main__":
    app()
