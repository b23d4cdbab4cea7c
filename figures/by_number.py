"""The published figures: which call draws each, what it needs, and which of them can be drawn now. No torch.

    draw_published("3b", budget=None, ...)        attnrepro figure 3b
    list_figures()                                attnrepro ls figures

A figure of the [Re] report keeps its number (9 draws 9a and 9b); ``ece4`` is Figure 4 of the ECE 176 report and
``scenes6`` Figure 6 of the SAN review.
Images are named as in CIFAR-10's test split. Where a run was trained on other data an image of that data with the same
index stands in for them; the figure names the image.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from figures.curves import CurveRequest, draw_curves
from figures.maps.layers import last_of_pass
from figures.plot_attention import draw
from figures.request import Request
from figures.style import check_format
from figures.subject import list_lines, train_command
from figures.words import STILLS
from reproduce.errors import UserError, did_you_mean
from reproduce.recipes.recipe import Recipe
from reproduce.recipes.registry import ENTRIES

# By class and number within it, which copies of CIFAR-10 in another order keep: official test images 16, 17 and 5.
_DOG, _HORSE, _FROG = "test:dog:1", "test:horse:1", "test:frog:1"
_CAT_EAR, _DOG_SNOUT = "test:cat:236", "test:dog:891"
_STAND_INS = {_DOG: "test:16", _HORSE: "test:17", _FROG: "test:5", _CAT_EAR: "test:236", _DOG_SNOUT: "test:891"}
_VIT_QUERY = (2, 2, 16)  # flat index 34 of 16x16


@dataclass(frozen=True, kw_only=True)
class Published:
    """A published figure: its rows, and the options of the call that draws it."""

    name: str
    shows: str
    rows: tuple[str, ...]
    kind: str  # curves | query | average | centers | offsets | histograms
    image: str = _FROG
    images: int | None = None
    token: tuple[int, int, int] | None = None  # row, column, side; the published query where None


def _pair(number: int, row: str, image: str, what: str, token: tuple[int, int, int] | None = None) -> list[Published]:
    """Return a figure that shows a query pixel (a) and average attention (b)."""
    return [
        Published(name=f"{number}a", shows=f"query pixel, {what}", rows=(row,), kind="query", image=image, token=token),
        Published(name=f"{number}b", shows=f"average attention, {what}", rows=(row,), kind="average", image=image),
    ]


_NINE = ("resnet18", "quadratic", "learned", "learned-content")
_SIXTEEN = ("resnet18", "quadratic-16h", "learned-16h", "learned-content-16h")
_PLAIN, _CONTENT, _HA = "learned", "learned-content", "learned-content-ha"
_ALL = [
    Published(name="1a", shows="test accuracy by epoch, 9 heads", rows=_NINE, kind="curves"),
    Published(name="1b", shows="test accuracy by epoch, 16 heads", rows=_SIXTEEN, kind="curves"),
    Published(name="2a", shows="centres of isotropic heads", rows=("quadratic",), kind="centers"),
    Published(name="2b", shows="centres of non-isotropic heads", rows=("quadratic-aniso",), kind="centers"),
    Published(name="3a", shows="query pixel, w/o content", rows=(_PLAIN,), kind="query"),
    Published(name="3b", shows="query pixel, w/ content", rows=(_CONTENT,), kind="query"),
    Published(name="4a", shows="query pixel, 50 images, w/o content", rows=(_PLAIN,), kind="query", images=50),
    Published(name="4b", shows="query pixel, 50 images, w/ content", rows=(_CONTENT,), kind="query", images=50),
    Published(name="5a", shows="average attention, w/o content", rows=(_PLAIN,), kind="average"),
    Published(name="5b", shows="average attention, w/ content", rows=(_CONTENT,), kind="average"),
    *_pair(8, _HA, _FROG, "w/ content, hierarchical"),
    *_pair(9, _CONTENT, _DOG, "w/ content, dog"),
    *_pair(10, _CONTENT, _HORSE, "w/ content, horse"),
    *_pair(11, _PLAIN, _DOG, "w/o content, dog"),
    *_pair(12, _PLAIN, _HORSE, "w/o content, horse"),
    *_pair(13, _HA, _DOG, "w/ content, hierarchical, dog"),
    *_pair(14, _HA, _HORSE, "w/ content, hierarchical, horse"),
    *_pair(15, "learned-content-16h", _FROG, "w/ content, 16 heads"),
    *_pair(16, "learned-16h", _FROG, "w/o content, 16 heads"),
    *_pair(17, "learned-content-16h-ha", _FROG, "w/ content, 16 heads, hierarchical"),
    Published(name="18a", shows="offsets of pairwise HA SAN, first image", rows=("san-pair-ha",), kind="offsets"),
    Published(name="18b", shows="offsets of pairwise HA SAN, second image", rows=("san-pair-ha",), kind="offsets",
              image=_DOG),
    Published(name="19a", shows="offsets of patchwise HA SAN, first image", rows=("san-patch-ha",), kind="offsets"),
    Published(name="19b", shows="offsets of patchwise HA SAN, second image", rows=("san-patch-ha",), kind="offsets",
              image=_DOG),
    *_pair(20, "vit", _CAT_EAR, "Vision Transformer, cat's ear", _VIT_QUERY),
    *_pair(21, "vit", _DOG_SNOUT, "Vision Transformer, dog's snout", _VIT_QUERY),
    *_pair(22, "vit-ha", _CAT_EAR, "Vision Transformer, hierarchical, cat's ear", _VIT_QUERY),
    *_pair(23, "vit-ha", _DOG_SNOUT, "Vision Transformer, hierarchical, dog's snout", _VIT_QUERY),
    Published(name="ece4", shows="training loss of baseline and proposed SAN", kind="curves",
              rows=("ece176-baseline-pair", "ece176-baseline-patch", "ece176-proposed-pair", "ece176-proposed-patch")),
    Published(name="scenes6", shows="histogram equalisation of luminance", kind="histograms", rows=()),
]  # fmt: skip
FIGURES: dict[str, Published] = {figure.name: figure for figure in _ALL}
_SCHEMATICS = ("6", "7")


def find_figures(name: str) -> list[Published]:
    """Return the figure called ``name``, or all parts of a number; raises UserError with the nearest name."""
    name = name.lower().removeprefix("fig").strip(". ")
    if name in _SCHEMATICS:
        raise UserError(
            f"Figure {name} is a drawing of the model, with nothing measured", "list the others: attnrepro ls figures"
        )
    found = [figure for figure in FIGURES.values() if name in (figure.name, figure.name.rstrip("ab"))]
    if not found:
        raise UserError(f"no published figure is called '{name}'", did_you_mean(name, FIGURES))
    return found


def list_figures(budget: str | None = None) -> list[dict[str, Any]]:
    """Return every published figure with whether it can be drawn now, and if not the command that is missing."""
    known = {row: bool(list_lines(row, budget, "described")) for row in ENTRIES}
    records = []
    for figure in FIGURES.values():
        unknown = [row for row in figure.rows if row not in known]
        missing = [row for row in figure.rows if row in known and not known[row]]
        if unknown:
            state, needs = "no", f"rows that this version lacks: {', '.join(unknown)}"
        elif missing:
            # published curves can be drawn alone
            state = "in part" if figure.kind == "curves" else "no"
            needs = "; ".join(train_command(row, budget) for row in missing)
        else:
            state, needs = "yes", ""
        records.append({"figure": figure.name, "shows": figure.shows, "can be drawn": state, "needs": needs})
    return records


def draw_published(
    name: str, *, budget: str | None, form: str | None, out: Path | None, say: Callable[[str], None]
) -> list[dict[str, Any]]:
    """Draw the published figure ``name`` (all its parts for a bare number) from our runs; return a record a part.

    Raises:
        UserError: no such figure, a missing run (the command is named), or one ``out`` for several parts.
    """
    parts = find_figures(name)
    if out is not None and len(parts) > 1:
        names = ", ".join(part.name for part in parts)
        raise UserError(f"figure {name} has {len(parts)} parts, --out names one file", f"draw one of: {names}")
    return [_draw_part(part, budget, form, out, say) for part in parts]


def _draw_part(
    part: Published, budget: str | None, form: str | None, out: Path | None, say: Callable[[str], None]
) -> dict[str, Any]:
    unknown = [row for row in part.rows if row not in ENTRIES]
    if unknown:
        raise UserError(f"figure {part.name} needs the row '{unknown[0]}'", "this version lacks it: attnrepro ls rows")
    label = f"Fig. {part.name}: "
    if part.kind == "curves":
        metric = "train-loss" if part.name == "ece4" else "top1"
        request = CurveRequest(
            name=f"figure-{part.name}", label=label, metric=metric, budget=budget, form=form, out=out, rows=part.rows
        )
        return draw_curves(request) | {"figure": part.name}
    if part.kind == "histograms":
        from figures.histograms import draw_histograms

        return draw_histograms(form, out, label) | {"figure": part.name}
    if out is None:
        check_format(form or "png", (*STILLS, "gif") if part.kind == "centers" else (*STILLS, "html"))
    request_of = _ask(part, budget, label)
    record = draw(replace(request_of, form=form, out=out), say)
    return record | {"figure": part.name}


def _ask(part: Published, budget: str | None, label: str) -> Request:
    """Return the options of ``plot-attention`` that draw ``part``."""
    row = part.rows[0]
    request = Request(target=row, budget=budget, label=label)
    if part.kind == "centers":
        return replace(request, centers=True)
    recipe = ENTRIES[row].recipe
    lines = list_lines(row, budget, "described")
    dataset = str(lines[-1]["dataset"]) if lines else recipe.data.name
    image = part.image if dataset.startswith("cifar10") else _STAND_INS[part.image]
    images: dict[str, Any] = {"images": part.images} if part.images else {"image": (image,)}
    if part.kind == "query":
        return replace(request, query=_pixel(part, recipe), **images)
    if part.kind == "offsets":
        # at smoke scale a pass has one block and there are fewer passes: the last of each in any case
        size = str(lines[-1]["budget"]) if lines else "paper"
        return replace(request, average=True, layers=",".join(map(str, last_of_pass(_at(row, size)))), **images)
    return replace(request, average=True, **images)


def _at(row: str, budget: str) -> Recipe:
    from reproduce.recipes.registry import resolve

    return resolve(row, budget=budget)


def _pixel(part: Published, recipe: Recipe) -> str:
    if part.token is None:
        return ""
    row, column, side = part.token
    size = recipe.model.image_size
    return f"{row * size // side},{column * size // side}"
