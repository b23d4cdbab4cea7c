"""Where the report goes: a folder of one's own, or ``REPORT.md`` at the root of a checkout, which can be checked.

write_report(Path("report"))["written"]        report.html, report.md, figures/*.svg
check_report()                                 raises UserError where REPORT.md is not what the ledger says
"""

import difflib
import re
import tempfile
from pathlib import Path
from typing import Any

from figures.report.content import Content, gather
from figures.report.drawings import list_pictures
from figures.report.markdown import write_markdown
from figures.report.page import write_page
from figures.report.picture import COMMAND, FOLDER, Picture
from reproduce.errors import UserError
from reproduce.record.ledger import results_path
from reproduce.record.whole_files import write_whole

ROOT = Path(__file__).resolve().parents[2]
_LINK = re.compile(r"\]\(([^)#][^)]*)\)")  # of Markdown, to a file; not to a heading


def write_report(out: Path | None = None) -> dict[str, Any]:
    """Write page and Markdown into the folder ``out``, or the one that its suffix asks for; return what was written.

    Raises:
        UserError: a suffix that is neither .html nor .md, or a folder that cannot be written.
    """
    out = out or results_path() / "report"
    if out.suffix not in ("", ".html", ".md"):
        raise UserError(f"the report is written as .html or .md, not as {out.suffix}", "name a folder for both")
    content = gather()
    pictures = list_pictures(content)
    wanted = [out] if out.suffix else [out / "report.html", out / "report.md"]
    written: list[Path] = []
    for path in wanted:
        if path.suffix == ".html":
            write_whole(path, write_page(content, pictures, _draw(pictures)))
        else:
            folder = path.parent / (f"{path.stem}-figures" if out.suffix else "figures")
            for picture in _each(pictures):
                drawn = picture.draw(folder)
                if picture.make is None:
                    write_whole(folder / picture.name, drawn.read_bytes())
            write_whole(path, write_markdown(content, pictures, folder.name).encode())
        written.append(path)
    return _result(content, written)


def write_root() -> dict[str, Any]:
    """Write ``REPORT.md`` and its figures into the checkout; figures that no report shows any more are removed.

    Raises:
        UserError: this is an installed package, not a checkout.
    """
    content, pictures, text = _render_root()
    drawn = {picture.name for picture in _each(pictures) if picture.make is not None}
    for picture in _each(pictures):
        picture.draw(FOLDER)
    for stale in set(_generated()) - drawn:
        (FOLDER / stale).unlink()
    write_whole(ROOT / "REPORT.md", text.encode())
    return _result(content, [ROOT / "REPORT.md", *(FOLDER / name for name in sorted(drawn))])


def check_report() -> dict[str, Any]:
    """Return what the report counts; raises UserError where ``REPORT.md`` or its figures are not up to date.

    Drawn figures are checked by their seals, committed ones by the digests in ``captions.csv``: nothing is drawn.
    """
    content, pictures, text = _render_root()
    try:
        found = (ROOT / "REPORT.md").read_text(encoding="utf-8")
    except OSError:
        raise UserError("there is no REPORT.md", f"write it: {COMMAND}") from None
    if found != text:
        lines = difflib.unified_diff(found.splitlines(), text.splitlines(), lineterm="", n=0)
        first = next((line for line in lines if line[:1] in "+-" and line[:3] not in ("+++", "---")), "")
        raise UserError(
            f"REPORT.md is not up to date; the first line that differs: {first[:160]}", f"write it: {COMMAND}"
        )
    wanted = {picture.name for picture in _each(pictures) if picture.make is not None}
    if wanted != set(_generated()):
        odd = ", ".join(sorted(wanted ^ set(_generated())))
        raise UserError(f"the figures of REPORT.md are not up to date: {odd}", f"write them: {COMMAND}")
    for picture in _each(pictures):
        if damage := picture.find_damage():
            drawn = picture.make is not None
            hint = f"write it: {COMMAND}" if drawn else f"draw it again ({picture.command}), or restore the file"
            raise UserError(f"the figure {picture.name} is not the one to show: {damage}", hint)
    for target in _LINK.findall(found):
        if not (ROOT / target).is_file():
            raise UserError(f"REPORT.md links to {target}, which is not there", f"write it: {COMMAND}")
    return _result(content, [])


def _render_root() -> tuple[Content, dict[str, list[Picture]], str]:
    if not (ROOT / "pyproject.toml").exists():
        raise UserError("REPORT.md belongs to a checkout, and this is an installed package", "leave --markdown out")
    content = gather()
    pictures = list_pictures(content)
    place = FOLDER.relative_to(ROOT).as_posix()
    return content, pictures, write_markdown(content, pictures, place)


def _generated() -> list[str]:
    """Return the drawn figures that lie in the checkout; committed attention figures are none."""
    return sorted(path.name for kind in ("accuracy", "curves") for path in FOLDER.glob(f"{kind}-*.svg"))


def _draw(pictures: dict[str, list[Picture]]) -> dict[str, bytes]:
    with tempfile.TemporaryDirectory() as folder:
        return {picture.name: picture.draw(Path(folder)).read_bytes() for picture in _each(pictures)}


def _each(pictures: dict[str, list[Picture]]) -> list[Picture]:
    return [picture for group in pictures.values() for picture in group]


def _result(content: Content, written: list[Path]) -> dict[str, Any]:
    return {
        "written": [str(path) for path in written],
        "runs": len(content.runs.rows),
        "tables": sum(len(chapter.tables) for chapter in content.studies),
        "claims": content.count(),
        "published": content.count("published"),
    }
