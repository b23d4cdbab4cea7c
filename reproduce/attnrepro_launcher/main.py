"""What the installed command ``attnrepro`` calls: our own modules, whatever is called ``cli`` or ``figures`` elsewhere.

A ``cli.py``, ``figures/`` or ``reproduce/`` in a folder of PYTHONPATH would be imported instead of ours. So this module
is installed under a name of its own (``attnrepro_launcher``, see pyproject.toml) and answers every import of ours, in
this process and, since it stands in the command's own script, in the workers that are started from it.
"""

import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType

OWN = ("cli", "reproduce", "paper_tables", "figures")


class OwnModules(MetaPathFinder):
    """Finds our top-level modules in one folder alone."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return where ``name`` is loaded from, if it is one of ours; what is within a package it finds by itself."""
        return PathFinder.find_spec(name, [str(self.root)], target) if name in OWN else None


def find_root() -> Path:
    """Return the folder that holds our modules: of a checkout, or of installed packages."""
    above = Path(__file__).resolve().parents
    return next(folder for folder in above if all(_holds(folder, name) for name in OWN))


def _holds(folder: Path, name: str) -> bool:
    return (folder / f"{name}.py").is_file() or (folder / name / "__init__.py").is_file()


sys.meta_path.insert(0, OwnModules(find_root()))


def main() -> None:
    """Run the command line."""
    from cli import app

    app()
