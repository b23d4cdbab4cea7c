"""Pages from templates: Jinja's, whose parts are HTML already."""

from pathlib import Path

import jinja2


def fill(template: Path, **parts: str) -> bytes:
    """Return the text of ``template`` with each place filled once, so that nothing in a part is taken for a place.

    Raises:
        ValueError: the template has a place that ``parts`` lacks.
    """
    text = template.read_text(encoding="utf-8")
    try:
        made = jinja2.Template(text, undefined=jinja2.StrictUndefined, keep_trailing_newline=True)
        return made.render(parts).encode()
    except jinja2.UndefinedError as error:
        raise ValueError(f"the template has an unknown place ({error})") from None
