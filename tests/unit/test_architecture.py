"""The house: who may import whom, what stays light, how large a room may be."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("reproduce", "paper_tables", "figures")
SOURCES = [ROOT / "cli.py", *(path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py")))]


def imports_of(path: Path) -> set[str]:
    """Return the modules that a file imports, at any level; relative ones in full."""
    found = set()
    package = ".".join(path.relative_to(ROOT).parent.parts)
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add(f"{package}.{node.module or ''}" if node.level else node.module or "")
    return found


def module_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts)


# part of the house -> parts that it must not import
FORBIDDEN = {
    "reproduce": ("cli", "paper_tables", "figures"),
    "reproduce.kernels": (
        "cli",
        "paper_tables",
        "figures",
        *(f"reproduce.{n}" for n in ("models", "data", "errors", "train")),
    ),
    "reproduce.models": ("reproduce.train", "reproduce.data", "reproduce.ledger", "reproduce.launch"),
    "reproduce.data": ("reproduce.models", "reproduce.train", "reproduce.ledger"),
    "paper_tables": ("cli", "figures", "reproduce.models", "reproduce.train", "reproduce.launch", "torch"),
    "figures": ("cli",),
}


@pytest.mark.parametrize("path", SOURCES, ids=module_of)
def test_imports_go_one_way(path: Path) -> None:
    module = module_of(path)
    for part, forbidden in FORBIDDEN.items():
        if module == part or module.startswith(part + "."):
            for name in imports_of(path):
                assert not any(name == bad or name.startswith(bad + ".") for bad in forbidden), (module, name)


LIGHT = (
    "recipe",
    "recipes",
    "architectures",
    "run",
    "plan",
    "schedule",
    "ledger",
    "manifest",
    "stats",
    "records",
    "complete",
)


@pytest.mark.parametrize(
    "name", [*(f"reproduce.{part}" for part in LIGHT), "paper_tables.table", "paper_tables.render"]
)
def test_the_record_needs_no_torch(name: str) -> None:
    script = f"import sys, {name}; sys.exit('torch' in sys.modules or 'pandas' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=False).returncode == 0


def test_help_imports_nothing_heavy() -> None:
    script = (
        "import sys\nfrom cli import app\n"
        "try: app(['--help'])\nexcept SystemExit: pass\n"
        "heavy = {'torch', 'pandas', 'numpy', 'matplotlib', 'scipy'} & set(sys.modules)\n"
        "sys.exit(f'imported {heavy}' if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("path", [*SOURCES, *sorted((ROOT / "reproduce/kernels").glob("*.cu*"))], ids=lambda p: p.name)
def test_no_room_is_larger_than_400_lines(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= 400


def test_nothing_is_unpickled() -> None:
    """Foreign bytes never reach pickle: torch.load asks for weights only, and no module of ours loads pickles."""
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Call):
                continue
            name = ast.unparse(node.func)
            assert name not in ("pickle.load", "pickle.loads", "joblib.load", "pandas.read_pickle", "pd.read_pickle"), (
                path
            )
            if name == "torch.load":
                assert any(
                    word.arg == "weights_only" and ast.unparse(word.value) == "True" for word in node.keywords
                ), path
            if name == "np.load":
                assert not any(word.arg == "allow_pickle" for word in node.keywords), path
