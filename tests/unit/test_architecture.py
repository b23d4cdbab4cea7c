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
        *(f"reproduce.{n}" for n in ("models", "data", "errors", "training", "runs", "record", "recipes")),
    ),
    "reproduce.models": ("reproduce.training", "reproduce.data", "reproduce.record", "reproduce.runs"),
    "reproduce.data": ("reproduce.models", "reproduce.training", "reproduce.record.ledger"),
    "paper_tables": (
        "cli",
        "figures",
        "reproduce.models",
        "reproduce.training.train",
        "reproduce.runs.launch",
        "torch",
    ),
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
    "recipes.recipe",
    "recipes",
    "recipes.architectures",
    "training.run",
    "training.schedule",
    "runs.plan",
    "runs.complete",
    "runs.show",
    "record.ledger",
    "record.manifest",
    "stats.intervals",
    "stats.two_samples",
    "stats.against_published",
    "console.output",
)


LIGHT_TABLES = ("build", "judged", "formats.render")


@pytest.mark.parametrize(
    "name", [*(f"reproduce.{part}" for part in LIGHT), *(f"paper_tables.{part}" for part in LIGHT_TABLES)]
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


@pytest.mark.parametrize(
    "path", [*SOURCES, *sorted((ROOT / "reproduce/kernels/cuda").glob("*.cu*"))], ids=lambda p: p.name
)
def test_no_room_is_larger_than_400_lines(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= 400


# modules that run code found in data; of pickle the error alone may be named, which torch.load raises
UNSAFE = ("pickle", "dill", "cloudpickle", "joblib", "shelve", "marshal", "torch.hub", "torch.package", "torch.jit")
UNSAFE_CALLS = ("read_pickle", "Unpickler", "extractall", "unpack_archive", "unsafe_load", "full_load")


@pytest.mark.parametrize("path", SOURCES, ids=module_of)
def test_nothing_is_unpickled_and_no_archive_unpacks_itself(path: Path) -> None:
    """Foreign bytes never reach what runs code; CIFAR's pickles are torchvision's, which checks their sums first."""
    tree = ast.parse(path.read_text())
    named = {name for name in imports_of(path) if any(name == bad or name.startswith(bad + ".") for bad in UNSAFE)}
    used = {
        node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "pickle"
    }
    assert named <= ({"pickle"} if used == {"UnpicklingError"} else set())
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module in ("torch", "numpy"):
            assert not {alias.name for alias in node.names} & {"load", "hub", "jit", "package"}
        if not isinstance(node, ast.Call):
            continue
        name, words = ast.unparse(node.func), {word.arg: ast.unparse(word.value) for word in node.keywords}
        assert name not in ("eval", "exec", "compile", "__import__"), name
        assert name.rpartition(".")[2] not in UNSAFE_CALLS, name
        assert not name.startswith("pickle."), name
        assert words.get("allow_pickle", "False") == "False"
        assert words.get("shell", "False") == "False"
        if name == "torch.load":
            assert words.get("weights_only") == "True"


def test_the_search_for_unpickling_finds_it(tmp_path: Path) -> None:
    """The test above can fail: each of these lines alone is found."""
    for line in (
        "import pickle",
        "from torch import load",
        "import torch\ntorch.load('x')",
        "import torch\ntorch.load('x', weights_only=False)",
        "import numpy as np\nnp.load('x', allow_pickle=True)",
        "import pandas as pd\npd.read_pickle('x')",
        "import tarfile\ntarfile.open('x').extractall('y')",
        "eval('1')",
        "import subprocess\nsubprocess.run('ls', shell=True)",
    ):
        path = ROOT / "reproduce" / "not-there.py"
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Path, "read_text", lambda self, line=line: line)
            with pytest.raises(AssertionError):
                test_nothing_is_unpickled_and_no_archive_unpacks_itself(path)
