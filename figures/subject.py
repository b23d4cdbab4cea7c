"""What is drawn: a trained network, and all that a title must say about it.

subject = open_subject("learned-content", budget=None, variant="described")
subject.title        "learned-content, smoke, shapes, epoch 3"
"""

import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from figures.maps.layers import has_maps
from reproduce.console.logs import LOG
from reproduce.console.options import RecipeOptions, RunOptions
from reproduce.errors import UserError
from reproduce.recipes.command import write_command
from reproduce.recipes.recipe import BUDGETS, VARIANTS, Recipe
from reproduce.recipes.registry import ENTRIES, find_entry, resolve
from reproduce.record import ledger
from reproduce.record.folder import find_weights

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True, eq=False)
class Subject:
    """A network with its weights; ``data`` is what to call its images by, ``data_sha256`` their fingerprint."""

    model: "nn.Module"
    recipe: Recipe
    epoch: int | None
    name: str  # the run's id, or the checkpoint's path
    dataset: str
    data: str
    data_sha256: str | None
    checkpoint: Path

    @property
    def title(self) -> str:
        """Row, budget, variant where it is not the described one, changed sizes, dataset and epoch."""
        recipe = self.recipe
        variant = [] if recipe.variant == "described" else [recipe.variant]
        scale = ["changed sizes"] if recipe.scale == "custom" else []
        epoch = f"epoch {self.epoch}" if self.epoch else "untrained" if self.epoch == 0 else "epoch not recorded"
        return ", ".join([recipe.row, recipe.budget, *variant, *scale, self.dataset, epoch])

    @property
    def folder(self) -> Path:
        """Where figures of this network go unless told otherwise: ``figures`` beside its checkpoint."""
        return self.checkpoint.parent / "figures"


def open_subject(target: str, *, budget: str | None = None, variant: str = "described") -> Subject:
    """Return the network that ``target`` means: a row, a run or a checkpoint.

    A row is its newest finished run in ``variant`` at ``budget``; without a budget, at the largest that has been run.

    Raises:
        UserError: no such row or run (the command that makes it is named), no attention, a damaged checkpoint.
    """
    if target in ENTRIES:
        return open_run(find_line(target, budget, variant))
    path = Path(target)
    if path.suffix in (".safetensors", ".pt", ".pth", ".ckpt") or path.exists():
        from reproduce.runs.show import find_checkpoint

        checkpoint = find_checkpoint(target)
        runs = ledger.read()
        of_run = runs[runs["run_id"] == checkpoint.resolve().parent.name]
        if of_run.empty:
            return _load(checkpoint, str(checkpoint), None, None)
        line = {str(k): v for k, v in of_run.iloc[-1].to_dict().items()}
        return _load(checkpoint, str(line["run_id"]), line, _data_option(str(line["run_id"])))
    from reproduce.runs.show import find_run

    try:
        return open_run(find_run(target))
    except UserError as error:
        if error.message.startswith("the ledger has no run"):
            raise UserError(f"there is no row and no run called '{target}'", _suggest(target)) from None
        raise


def open_run(line: dict[str, Any]) -> Subject:
    """Return the network of a row of the ledger."""
    return _load(find_weights(line), str(line["run_id"]), line, _data_option(str(line["run_id"])))


def list_lines(row: str, budget: str | None, variant: str) -> list[dict[str, Any]]:
    """Return the finished runs of ``row`` in ``variant``, oldest first, of ``budget`` or of the largest there is."""
    check_choice("budget", budget, BUDGETS)
    check_choice("variant", variant, VARIANTS)
    runs = ledger.read()
    done = runs[(runs["row"] == row) & (runs["variant"] == variant) & (runs["status"] == "done")]
    for size in [budget] if budget else reversed(BUDGETS):
        found = done[done["budget"] == size]
        if not found.empty:
            return [{str(k): v for k, v in line.items()} for line in found.to_dict("records")]
    return []


def find_line(row: str, budget: str | None, variant: str) -> dict[str, Any]:
    """Return the newest row of :func:`list_lines`; raises UserError that names the command which makes one."""
    check_attention(row)
    lines = list_lines(row, budget, variant)
    if not lines:
        at = f" at budget {budget}" if budget else ""
        raise UserError(f"row '{row}' has no finished run{at} here", f"make one: {train_command(row, budget, variant)}")
    return lines[-1]


def train_command(row: str, budget: str | None, variant: str = "described") -> str:
    """Return the command that makes a run of ``row``."""
    return write_command(row, budget=budget or "smoke", variant=variant)


def ensure_smoke_run(row: str, say: Any, command: str) -> None:
    """Train the smoke run of ``row`` where the ledger has no run of it; says so first."""
    if list_lines(row, None, "described"):
        return
    from reproduce.runs.complete import complete

    say(f"there is no run to draw yet: training the smoke run of {row} first (under a minute on two cores)")
    plan = {row: resolve(row, budget="smoke")}
    complete(plan, RecipeOptions(), RunOptions(), agree=lambda _: True, command=command)


def check_attention(row: str) -> None:
    """Raise UserError where ``row`` is unknown or has no attention."""
    if not has_maps(find_entry(row).recipe):
        raise UserError(f"row '{row}' has no attention to show", "choose a row with attention, for example 'learned'")


def check_choice(what: str, name: str | None, known: tuple[str, ...]) -> None:
    """Raise UserError where ``name`` is given and not one of ``known``."""
    if name is not None and name not in known:
        raise UserError(f"no {what} is called '{name}'", f"choose one of: {', '.join(known)}")


def _load(checkpoint: Path, name: str, line: dict[str, Any] | None, data: str | None) -> Subject:
    from reproduce.models.networks import attentive, build
    from reproduce.training.checkpoint import fill
    from reproduce.training.evaluate import open_weights

    weights = open_weights(checkpoint)
    for note in weights.assumed:
        LOG.info("%s: %s", checkpoint, note)
    check_attention(weights.recipe.row)
    model = build(weights.recipe.model)
    attentive(model, weights.recipe.row)
    fill(model, weights.tensors, checkpoint)
    model.eval()
    dataset = weights.recipe.data.name
    sha = str(line["data_sha256"]) if line else None
    return Subject(model, weights.recipe, weights.epoch, name, dataset, data or dataset, sha, checkpoint)


def _data_option(run_id: str) -> str | None:
    """Return the ``--data`` of the command that repeats a run."""
    from reproduce.runs.show import read_run

    words = shlex.split(read_run(run_id)["command"])
    return words[words.index("--data") + 1] if "--data" in words else None


def _suggest(target: str) -> str:
    import difflib

    near = difflib.get_close_matches(target, ENTRIES, n=1, cutoff=0.5)
    return f"did you mean '{near[0]}'?" if near else "list them: attnrepro ls rows, attnrepro ls runs"
