"""What ``attnrepro plot-attention`` draws: the module that a request's options call for. No torch.

draw(Request(target="learned-content", query=""), say=print)["figures"]        # ["results/.../query-14-16.png"]
"""

from collections.abc import Callable
from typing import Any

from figures.maps.query import OPTION, read_query
from figures.request import Request
from figures.style import check_format, check_scale
from figures.subject import ensure_smoke_run, open_subject
from figures.words import FORMS, STILLS
from reproduce.errors import UserError
from reproduce.recipes.registry import find_entry

DEFAULT_ROW = "learned-content"
CENTERS_ROW = "quadratic"


def draw(request: Request, say: Callable[[str], None], command: str = "") -> dict[str, Any]:
    """Draw what ``request`` asks for; return the run, the title and the paths of figures and data.

    ``say`` is told what takes time. ``command`` goes into the manifest of a run that has to be made first.

    Raises:
        UserError: options that do not go together, no run, a bad pixel, image, layer or format.
    """
    request = _settle(request)
    bare = request.target is None and request.budget is None and request.variant == "described"
    target = request.target or (CENTERS_ROW if request.centers else DEFAULT_ROW)
    if bare and request.query is not None:
        # a bad pixel is refused before the training, not after it
        read_query(request.query, find_entry(target).recipe.model.image_size)
        ensure_smoke_run(target, say, command)
    subject = open_subject(target, budget=request.budget, variant=request.variant)
    if request.centers:
        from figures.centers import draw_centers

        return draw_centers(subject, request, say)
    if request.form == "html":
        from figures.viewer.page import write_page

        other = open_subject(request.compare, budget=request.budget) if request.compare else None
        return write_page(subject, other, request)
    from figures.attention_grid import draw_attention

    return draw_attention(subject, request)


def _settle(request: Request) -> Request:
    """Fill in the format and refuse what does not go together."""
    from dataclasses import replace

    suffix = request.out.suffix[1:].lower() if request.out else ""
    form = check_format(request.form or suffix or "png", FORMS)
    if suffix and suffix != form:
        raise UserError(f"--out ends in .{suffix}, --format is {form}", "let them agree, or leave one out")
    modes = [request.query is not None, request.average, request.centers]
    if sum(modes) != 1 and not (form == "html" and not request.centers):
        raise UserError("say what to plot, and one thing only", f"add {OPTION} [ROW,COL], --average or --centers")
    if form == "gif" and not request.centers:
        raise UserError("only --centers has epochs to animate", f"choose one of: {', '.join(STILLS)}, html")
    if form == "html" and request.centers:
        raise UserError("the page shows attention, not centres", f"choose one of: {', '.join(STILLS)}, gif")
    if request.compare and form != "html":
        raise UserError("--compare puts two rows side by side on a page", "add --format html")
    if request.reading and not request.average:
        raise UserError("--reading is of average attention", "add --average")
    if request.slice and request.query is None:
        raise UserError("--slice is of a query pixel", f"add {OPTION}")
    if request.images is not None and request.image:
        raise UserError("--images takes the first test images, --image names one", "leave one of them out")
    if request.centers and (request.images is not None or request.image):
        raise UserError("centres do not depend on an image", "leave out --image and --images")
    check_scale(request.scale)
    return replace(request, form=form)
