"""Pages from templates: ``%name%`` marks a place."""

from pathlib import Path


def fill(template: Path, **parts: str) -> bytes:
    """Return the text of ``template`` with each place filled once, so that nothing in a part is taken for a place.

    Raises:
        ValueError: the template has a place that ``parts`` lacks.
    """
    text = template.read_text(encoding="utf-8")
    pieces: list[str] = []
    while "%" in text:
        before, name, after = text.split("%", 2)
        if name not in parts:
            raise ValueError(f"the template has an unknown place '{name[:40]}'")
        pieces += [before, parts[name]]
        text = after
    return "".join([*pieces, text]).encode()
