"""Examples in docstrings of modules: every call fits the function it names, and what stands alone runs.

An example is a paragraph of a module's docstring that reads as Python and calls something. Its names are the module's
own, or public ones of another module. What has no other free name is run, and a value in its comment is what comes out.
"""

import ast
import builtins
import importlib
import inspect
import re
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pytest
import torch
from torch import nn

ROOT = Path(__file__).resolve().parents[2]
SOURCES = [path for name in ("reproduce", "paper_tables", "figures") for path in sorted((ROOT / name).rglob("*.py"))]
LIBRARIES = {"Path": Path, "np": np, "torch": torch, "nn": nn, "Annotated": Annotated}
VARIABLES = {"model", "network", "phi", "psi", "beta", "conv_p"}  # modules of torch that a reader has
# what takes minutes, a network, a GPU or an installed extra; their calls are checked like all others
NOT_RUN = ("measure_suite", "measure_roof", "measure", "fetch", "download", "unpack", "act", "draw", "assess")
NOT_RUN += ("measure_overview", "find_place", "read_run", "read_official", "judge_table", "judge_file")


def module_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def find_examples(path: Path) -> Iterator[str]:
    docstring = ast.get_docstring(ast.parse(path.read_text()))
    for paragraph in re.split(r"\n\s*\n", docstring or ""):
        code = textwrap.dedent(paragraph)
        try:
            tree = ast.parse(code)
        except SyntaxError:
            continue
        if any(isinstance(node, ast.Call) for node in ast.walk(tree)):
            yield code


EXAMPLES = [(module_of(path), code) for path in SOURCES for code in find_examples(path)]


@pytest.fixture(scope="module")
def public() -> dict[str, Any]:
    """Public functions and classes of all modules by name; the importable ones."""
    found: dict[str, Any] = {}
    for path in SOURCES:
        try:
            module = importlib.import_module(module_of(path))
        except ImportError:  # an extra that is not installed
            continue
        own = {
            name: value for name, value in vars(module).items() if getattr(value, "__module__", "") == module.__name__
        }
        found |= {name: value for name, value in own.items() if not name.startswith("_") and callable(value)}
    return found


def names_of(code: str) -> tuple[set[str], set[str]]:
    """Return the names that an example reads and those that it makes."""
    nodes = [node for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Name)]
    read = {node.id for node in nodes if isinstance(node.ctx, ast.Load)}
    return read, {node.id for node in nodes if isinstance(node.ctx, ast.Store)}


def check_call(call: ast.Call, known: dict[str, Any], made: set[str]) -> None:
    assert not isinstance(call.func, ast.Call), f"what follows the example needs a '#': {ast.unparse(call)}"
    if not isinstance(call.func, ast.Name) or call.func.id in made | VARIABLES:
        return
    name = call.func.id
    function = known.get(name, getattr(builtins, name, None))
    assert function is not None, f"there is no function {name}"
    if not hasattr(function, "__module__") or not function.__module__.startswith(
        ("reproduce", "paper_tables", "figures")
    ):
        return
    if any(isinstance(value, ast.Constant) and value.value is ... for value in call.args):
        return
    starred = any(isinstance(value, ast.Starred) for value in call.args) or any(
        word.arg is None for word in call.keywords
    )
    if not starred and callable(function):
        inspect.signature(function).bind(*call.args, **{str(word.arg): word.value for word in call.keywords})


@pytest.mark.parametrize(("module", "code"), EXAMPLES, ids=[module for module, _ in EXAMPLES])
def test_calls_fit_what_they_call(module: str, code: str, public: dict[str, Any]) -> None:
    own = vars(pytest.importorskip(module, reason="an extra is not installed"))
    known = {**LIBRARIES, **public, **own}
    read, made = names_of(code)
    capitals = {name for name in read - made if name[0].isupper() and name not in known and not hasattr(builtins, name)}
    assert capitals == set(), "neither a constant nor a class"
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Call):
            check_call(node, known, made)


@pytest.mark.parametrize(("module", "code"), EXAMPLES, ids=[module for module, _ in EXAMPLES])
def test_what_stands_alone_runs(
    module: str, code: str, public: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = vars(pytest.importorskip(module, reason="an extra is not installed"))
    known = {**LIBRARIES, **public, **{name: value for name, value in own.items() if not name.startswith("__")}}
    read, made = names_of(code)
    called = {node.func.id for node in ast.walk(ast.parse(code)) if hasattr(node, "func") and hasattr(node.func, "id")}
    free = {name for name in read - made if name not in own and name not in LIBRARIES and not hasattr(builtins, name)}
    free -= called & set(public)
    if free or "..." in code or any(f"{name}(" in code for name in NOT_RUN) or code.startswith("raise "):
        pytest.skip("an example of a call, not a whole program")
    monkeypatch.setenv("ATTNREPRO_RESULTS", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    namespace = dict(known)
    for statement, line in zip(ast.parse(code).body, said_of(code), strict=True):
        if not isinstance(statement, ast.Expr):
            exec(compile(ast.unparse(statement), module, "exec"), namespace)
            continue
        value = eval(compile(ast.unparse(statement), module, "eval"), namespace)
        try:
            said = ast.literal_eval(line)
        except (SyntaxError, ValueError):
            continue  # a comment in words
        assert value == (pytest.approx(said, rel=0.05) if isinstance(said, float) else said)


def said_of(code: str) -> list[str]:
    """Return the comment behind each statement."""
    lines = code.splitlines()
    return [lines[(node.end_lineno or 1) - 1].partition("  # ")[2].strip() for node in ast.parse(code).body]
