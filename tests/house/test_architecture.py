"""The house: who may import whom, what stays light, how large a room and a function may be."""

import ast
import re
import subprocess
import sys
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("reproduce", "paper_tables", "figures")
SOURCES = [ROOT / "cli.py", *(path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py")))]
TEXTS = [
    *SOURCES,
    *sorted((ROOT / "reproduce/kernels/cuda").glob("*.cu*")),
    *sorted((ROOT / "figures").rglob("*.js")),
    *sorted((ROOT / "tests").rglob("*.py")),
    *sorted((ROOT / "examples").rglob("*.py")),
]
# the rooms from the ground up: each imports only from rooms before it
FLOORS = (
    "reproduce.errors",
    "reproduce.stats",
    "reproduce.kernels",
    "reproduce.recipes",
    "reproduce.record",
    "reproduce.console",
    "reproduce.data",
    "reproduce.models",
    "reproduce.training",
    "reproduce.runs",
    "paper_tables",
    "reproduce.bench",
    "figures",
    "cli",
    "reproduce.attnrepro_launcher",
)


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def module_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


MODULES = {module_of(path): path for path in SOURCES}


def imports_of(path: Path) -> set[str]:
    """Return the modules that a file imports, at any level and within functions; relative ones in full."""
    found = set()
    package = ".".join(path.relative_to(ROOT).parent.parts)
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            source = f"{package}.{node.module or ''}" if node.level else node.module or ""
            found.add(source)
            found |= {f"{source}.{alias.name}" for alias in node.names if f"{source}.{alias.name}" in MODULES}
    return found


def room_of(module: str) -> str:
    return next(room for room in FLOORS if module == room or module.startswith(f"{room}."))


def find_circle(graph: dict[str, set[str]]) -> list[str]:
    """Return a circle of imports, or nothing."""
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def own_imports(path: Path) -> set[str]:
    """Return the modules of ours that a file takes names from; a package that only holds one of them is none."""
    found = {name for name in imports_of(path) if name in MODULES} - {module_of(path)}
    return {name for name in found if not any(other.startswith(f"{name}.") for other in found)}


GRAPH = {module: own_imports(path) for module, path in MODULES.items()}


def test_no_imports_go_round() -> None:
    assert find_circle(GRAPH) == []


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_no_import_goes_up(path: Path) -> None:
    module = module_of(path)
    if module in PACKAGES:
        return
    floor = FLOORS.index(room_of(module))
    upward = [name for name in GRAPH[module] if name not in PACKAGES and FLOORS.index(room_of(name)) > floor]
    assert upward == []


def test_the_search_for_circles_finds_one() -> None:
    assert find_circle({"a": {"b"}, "b": {"c"}, "c": {"a"}})


def test_the_trees_first_floor_fits_on_a_page() -> None:
    entries = [path for path in (ROOT / "reproduce").iterdir() if path.name not in ("__init__.py", "__pycache__")]
    assert len(entries) <= 12


# what a room must not import besides: libraries, and parts that would make it heavy
FORBIDDEN = {"paper_tables": ("torch", "reproduce.models", "reproduce.runs.launch"), "reproduce.recipes": ("torch",)}


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_rooms_that_judge_stay_light(path: Path) -> None:
    for part, forbidden in FORBIDDEN.items():
        if module_of(path).startswith(f"{part}."):
            for name in imports_of(path):
                assert not any(name == bad or name.startswith(f"{bad}.") for bad in forbidden), name


@pytest.mark.parametrize("path", TEXTS, ids=name_of)
def test_no_file_is_longer_than_300_lines(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= 300


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_no_function_is_longer_than_50_lines(path: Path) -> None:
    functions = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.FunctionDef)]
    long = {node.name: node.end_lineno - node.lineno + 1 for node in functions if node.end_lineno is not None}
    assert {name: lines for name, lines in long.items() if lines > 50} == {}


@pytest.mark.parametrize("path", [path for path in SOURCES if path.name == "__init__.py"], ids=name_of)
def test_a_package_file_holds_no_code(path: Path) -> None:
    """A docstring; of the operators' package, which users import from, its public names too."""
    for node in ast.parse(path.read_text()).body:
        names = isinstance(node, ast.ImportFrom) or (isinstance(node, ast.Assign) and "__all__" in ast.unparse(node))
        assert isinstance(node, ast.Expr) or (names and module_of(path) == "reproduce.kernels"), ast.unparse(node)


def test_a_file_name_means_one_thing() -> None:
    """Two rooms may each have a file of one name only where it is the same thing of two studies or devices."""
    same = {
        "verbs",
        "render",
        "sheet",
        "page",
        "registry",
    }  # one per kind of thing
    same |= {"gates", "augmented", "scenes"}  # a study: its recipes, its networks, its claims
    same |= {"pair", "patch", "local"}  # an operator: on a CPU, on CUDA
    same |= {"train", "precision", "san"}  # a suite of measurements is called after what it measures
    places: dict[str, list[str]] = {}
    for module, path in MODULES.items():
        if path.name != "__init__.py":
            places.setdefault(path.stem, []).append(module)
    assert {name: found for name, found in places.items() if len(found) > 1 and name not in same} == {}


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


@pytest.mark.parametrize("path", TEXTS, ids=name_of)
def test_no_reference_points_nowhere(path: Path) -> None:
    """Codes of shortcuts are written out in docs/sources.md; unpublished notes are no source."""
    text, sources = path.read_text(), (ROOT / "docs" / "sources.md").read_text()
    assert "doss" + "ier" not in text
    assert {code for code in re.findall(r"\bS[1-9]\b", text) if f"| {code} |" not in sources} == set()


# modules that run code found in data; of pickle the error alone may be named, which torch.load raises
UNSAFE = ("pickle", "dill", "cloudpickle", "joblib", "shelve", "marshal", "torch.hub", "torch.package", "torch.jit")
UNSAFE_CALLS = ("read_pickle", "Unpickler", "extractall", "unpack_archive", "unsafe_load", "full_load")


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
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


def test_every_test_file_has_a_name_of_its_own() -> None:
    """pytest imports test files by their bare names, where their folder is no package."""
    names = [
        path.name for path in sorted((ROOT / "tests").rglob("test_*.py")) if not (path.parent / "__init__.py").exists()
    ]
    assert sorted(names) == sorted(set(names))
