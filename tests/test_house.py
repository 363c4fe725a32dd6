"""The rules of the house that no linter knows: sizes, names, homes of libraries, a light start, a whole registry."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

import capforecast
from capforecast import registry

ROOT = Path(capforecast.__file__).parent
TESTS = Path(__file__).parent
FILES = sorted(path for path in ROOT.rglob("*.py"))
NAMES = [path.relative_to(ROOT).as_posix() for path in FILES]
LINES = 350
FORBIDDEN = {"utils", "util", "helpers", "helper", "manager", "managers"}
HOMES = {
    "click": ("cli",),
    "rich": ("cli", "report"),
    "duckdb": ("store",),
    "numba": ("kernels", "compiler.py"),
    "statsforecast": ("models/statsforecast_adapter.py",),
    "lightgbm": ("learners/trees.py",),
    "urllib3": ("exchange.py",),
    "adbc_driver_postgresql": ("servers/postgresql.py",),
    "sqlite3": ("servers/sqlite.py",),
}
HEAVY = {
    "click", "duckdb", "jinja2", "lightgbm", "numba", "numpy", "pandas", "polars", "pyarrow", "pydantic", "rich",
    "statsforecast",
}  # fmt: skip
PARTS = [(kind, name) for kind in registry.PARTS for name in registry.PARTS[kind]]
Function = ast.FunctionDef | ast.AsyncFunctionDef


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def imported(node: ast.AST) -> list[str]:
    """Return the modules that an import statement names."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        return [node.module or ""]
    return []


def in_home(name: str, homes: tuple[str, ...]) -> bool:
    return any(name == home or name.startswith(home + "/") for home in homes)


def public(tree: ast.Module) -> Iterator[tuple[str, ast.ClassDef | Function]]:
    """Yield public functions and classes of a module, and the public methods of those classes."""
    for node in tree.body:
        if isinstance(node, ast.ClassDef | Function) and not node.name.startswith("_"):
            yield node.name, node
            if isinstance(node, ast.ClassDef):
                for part in node.body:
                    if isinstance(part, Function) and not part.name.startswith("_"):
                        yield f"{node.name}.{part.name}", part


# --- registry -----------------------------------------------------------------------------------


@pytest.mark.parametrize(("kind", "name"), PARTS)
def test_every_registry_line_loads(kind: str, name: str) -> None:
    """The target exists, can be called, lives in the folder of its kind, and bears the name it has there."""
    target = registry.PARTS[kind][name]
    part = registry.load(kind, name)
    assert callable(part)
    folder = {
        "model": "models",
        "source": "sources",
        "server": "servers",
        "storage": "storages",
        "report": "report",
        "learner": "learners",
        "engine": "engine",
    }[kind]
    assert target.startswith(f"capforecast.{folder}.")
    if isinstance(getattr(part, "name", None), str):
        assert part.name == name
    else:
        module = target.partition(":")[0].rpartition(".")[2]
        assert module.startswith(name) or name == "md"


@pytest.mark.parametrize(
    ("kind", "folder"),
    [("model", "models"), ("server", "servers"), ("report", "report"), ("learner", "learners"), ("engine", "engine")],
)
def test_every_part_is_registered(kind: str, folder: str) -> None:
    """No model, report or engine lies in its folder unknown to the registry."""
    registered = {target.partition(":")[0].rpartition(".")[2] for target in registry.PARTS[kind].values()}
    there = {path.stem for path in (ROOT / folder).glob("*.py")} - {"__init__"}
    assert {name for name in there if not name.startswith("_")} == registered


def test_unknown_parts_are_refused_with_the_nearest_name() -> None:
    """A wrong kind and a wrong name are usage errors that propose the right one."""
    with pytest.raises(registry.UnknownNameError, match="Did you mean 'trend'"):
        registry.load("model", "trends")
    with pytest.raises(registry.UnknownNameError, match="Did you mean 'model'"):
        registry.names("models")


# --- files, names, imports ----------------------------------------------------------------------


def test_files_are_short() -> None:
    """A file that grows beyond a few screens is two files."""
    lengths = {n: len(p.read_text(encoding="utf-8").splitlines()) for p, n in zip(FILES, NAMES, strict=True)}
    assert {name: length for name, length in lengths.items() if length > LINES} == {}


def test_names_say_what_things_do() -> None:
    """No drawers for everything: not as a file, a folder, a class or a function."""
    found = [name for name in NAMES if FORBIDDEN & set(re.split(r"[/_.]", name))]
    for path, name in zip(FILES, NAMES, strict=True):
        for node in ast.walk(tree_of(path)):
            if isinstance(node, ast.ClassDef | Function):
                words = {w.lower() for w in re.findall(r"[A-Z]?[a-z]+", node.name)}
                if FORBIDDEN & words:
                    found.append(f"{name}:{node.lineno} {node.name}")
    assert found == []


def test_imports_stand_at_the_top() -> None:
    """Only the command line and the registry import inside functions."""
    late = [
        f"{name}:{inner.lineno} {imported(inner)}"
        for path, name in zip(FILES, NAMES, strict=True)
        if not in_home(name, ("cli", "registry.py"))
        for node in ast.walk(tree_of(path))
        if isinstance(node, Function)
        for inner in ast.walk(node)
        if imported(inner)
    ]
    assert late == []


def test_imports_are_absolute() -> None:
    """A module is named in full wherever it is imported."""
    relative = [
        f"{name}:{node.lineno}"
        for path, name in zip(FILES, NAMES, strict=True)
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.ImportFrom) and node.level
    ]
    assert relative == []


def test_libraries_stay_in_their_homes() -> None:
    """A foreign library is known only where the design says."""
    strangers = [
        f"{name}: {module}"
        for path, name in zip(FILES, NAMES, strict=True)
        for node in ast.walk(tree_of(path))
        for module in imported(node)
        if not in_home(name, HOMES.get(module.partition(".")[0], (name,)))
    ]
    assert strangers == []


def test_no_error_is_swallowed() -> None:
    """No handler that catches everything does nothing, and nothing is left to be written."""
    found = []
    for path, name in zip(FILES, NAMES, strict=True):
        text = path.read_text(encoding="utf-8")
        for node in ast.walk(tree_of(path)):
            if isinstance(node, ast.ExceptHandler):
                broad = node.type is None or ast.unparse(node.type) in ("Exception", "BaseException")
                if broad and all(isinstance(part, ast.Pass | ast.Continue) for part in node.body):
                    found.append(f"{name}:{node.lineno}")
        found += [f"{name}: {word}" for word in re.findall(r"\b(?:TODO|FIXME|XXX|NotImplementedError)\b", text)]
    assert found == []


# --- documentation ------------------------------------------------------------------------------


def test_public_things_are_documented() -> None:
    """Every module, and every public class, function and method has a docstring."""
    missing = []
    for path, name in zip(FILES, NAMES, strict=True):
        tree = tree_of(path)
        missing += [] if ast.get_docstring(tree) else [name]
        missing += [f"{name}: {thing}" for thing, node in public(tree) if not ast.get_docstring(node)]
    assert missing == []


def documented(node: Function) -> list[str]:
    """Return the parameters that the docstring of a function describes."""
    text = ast.get_docstring(node) or ""
    section = re.search(r"^Parameters\n-+\n(.*?)(?=^\w[^\n]*\n-+\n|\Z)", text, re.M | re.S)
    heads = re.findall(r"^(\*{0,2}\w[\w, *]*?)(?: : .*)?$", section[1], re.M) if section else []
    return [word.strip().lstrip("*") for head in heads for word in head.split(",")]


def test_documented_parameters_exist() -> None:
    """A Parameters section names parameters of the signature, in its order."""
    wrong = []
    for path, name in zip(FILES, NAMES, strict=True):
        for thing, node in public(tree_of(path)):
            if isinstance(node, Function):
                spec, told = node.args, documented(node)
                known = [a.arg for a in (*spec.posonlyargs, *spec.args, *spec.kwonlyargs)]
                known += [a.arg for a in (spec.vararg, spec.kwarg) if a]
                if told != [k for k in known if k in told]:
                    wrong.append(f"{name}: {thing} tells {told} of {known}")
    assert wrong == []


def test_every_kernel_has_a_twin_test() -> None:
    """Each kernel file has its test file, which calls every public kernel of it."""
    missing = []
    for path in sorted((ROOT / "kernels").glob("*.py")):
        if path.stem == "__init__":
            continue
        test = TESTS / "kernels" / f"test_{path.stem}.py"
        text = test.read_text(encoding="utf-8") if test.exists() else ""
        kernels = [name for name, node in public(tree_of(path)) if isinstance(node, Function)]
        missing += [f"{path.stem}.{name}" for name in kernels if not re.search(rf"\b{name}\(", text)]
    assert missing == []


# --- start --------------------------------------------------------------------------------------


def modules_after(program: str) -> set[str]:
    """Return the top-level modules that a fresh interpreter has loaded after a program."""
    code = f"{program}\nimport sys\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return {name.partition(".")[0] for name in done.stdout.split()}


@pytest.mark.parametrize(
    "program",
    [
        "import capforecast",
        "from capforecast import registry; registry.names('model')",
        "import capforecast.schema, capforecast.kinds, capforecast.errors, capforecast.times",
    ],
)
def test_a_light_start(program: str) -> None:
    """Importing the package, its registry, tables, kinds, times and errors loads no large library."""
    assert modules_after(program) & HEAVY == set()


def test_public_names_are_loaded_on_first_use() -> None:
    """Every public name is there, and a wrong one is an AttributeError."""
    for name in capforecast.__all__:
        assert getattr(capforecast, name) is not None
    assert set(capforecast.__all__) <= set(dir(capforecast))
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        capforecast.nothing  # noqa: B018
