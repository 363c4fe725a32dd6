"""Kernels: compiled once, kept, and compiled again where what is kept is not theirs."""

from __future__ import annotations

import importlib.util
import itertools
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

import capforecast
from capforecast import compiler, kernel_cache

KERNELS = Path(capforecast.__file__).parent / "kernels"
SOURCE = """
from capforecast.compiler import kernel
@kernel()
def _twice(x):
    return 2.0 * x
@kernel()
def total(values):
    whole = 0.0
    for t in range(values.shape[0]):
        whole += _twice(values[t])
    return whole
"""
VALUES = np.arange(5.0)
_numbers = itertools.count()
Load = Callable[..., ModuleType]


@pytest.fixture
def load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Load:
    """Import the source as a new process would: with new kernels, and nothing told yet."""
    monkeypatch.setenv(kernel_cache.VARIABLE, str(tmp_path / "cache"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(kernel_cache, "say", None)
    path = tmp_path / "sums.py"

    def loaded(source: str = SOURCE) -> ModuleType:
        monkeypatch.setattr(compiler, "_kernels", [])
        monkeypatch.setattr(compiler, "_said", False)
        monkeypatch.setattr(kernel_cache, "_warned", False)
        path.write_text(source, encoding="utf-8")
        # Python tells versions of a source apart by whole seconds.
        os.utime(path, (0, next(_numbers)))
        spec = importlib.util.spec_from_file_location(f"sums_{next(_numbers)}", path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[spec.name] = module
        spec.loader.exec_module(module)
        return module

    return loaded


def test_a_kernel_is_compiled_once(load: Load, caplog: pytest.LogCaptureFixture) -> None:
    """The second process reads it, gives the same, and has nothing to tell; the first says how long it takes."""
    assert load().total(VALUES) == 20.0
    assert compiler.counts() == compiler.Counts(compiled=2, lost=0)
    assert caplog.messages == ["Compiling kernels, once: about 1 s ..."]
    caplog.clear()
    assert load().total(VALUES) == 20.0
    assert compiler.counts() == compiler.Counts(compiled=0, lost=0)
    assert caplog.messages == []


def test_another_type_is_compiled_too(load: Load) -> None:
    """Each combination of types is kept by itself."""
    load().total(VALUES)
    module = load()
    assert module.total(VALUES.astype(np.float32)) == 20.0
    assert compiler.counts().compiled == 2
    module = load()
    assert module.total(VALUES) == module.total(VALUES.astype(np.float32)) == 20.0
    assert compiler.counts().compiled == 0


def test_an_edited_file_is_compiled_again(load: Load) -> None:
    """Also where only a kernel that the called one calls was edited; what was kept of it is cleared away."""
    load().total(VALUES)
    before = kernel_cache.kept()
    assert load(SOURCE.replace("2.0", "3.0")).total(VALUES) == 30.0
    assert compiler.counts().compiled == 2
    assert len(kernel_cache.kept()) == 2
    assert not kernel_cache.kept() & before
    assert load().total(VALUES) == 20.0


@pytest.mark.parametrize("damage", ["cut", "changed", "emptied", "of another numba"])
def test_a_damaged_file_changes_no_result(
    load: Load, tmp_path: Path, damage: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is compiled again with one warning, and whole for the next process."""
    load().total(VALUES)
    for path in (tmp_path / "cache").rglob("*.kernel"):
        data = path.read_bytes()
        middle = len(data) // 2
        path.write_bytes(
            {
                "cut": data[:middle],
                "changed": data[:middle] + bytes([data[middle] ^ 4]) + data[middle + 1 :],
                "emptied": b"",
                "of another numba": data[32:],
            }[damage]
        )
    capsys.readouterr()
    assert load().total(VALUES) == 20.0
    assert re.fullmatch(r"Warning: \S+ is damaged: the kernel is compiled again\n", capsys.readouterr().err)
    load().total(VALUES)
    assert compiler.counts() == compiler.Counts(compiled=0, lost=0)


def test_without_a_place_kernels_work(
    load: Load, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """They are lost at the end of the process, which is counted and told once."""
    for name in (kernel_cache.VARIABLE, "XDG_CACHE_HOME", "TMPDIR"):
        monkeypatch.setenv(name, "/proc/none")
    assert load().total(VALUES) == 20.0
    assert compiler.counts() == compiler.Counts(compiled=2, lost=2)
    assert capsys.readouterr().err.count("\n") == 1


def test_the_command_line_is_told_instead_of_the_log(
    load: Load, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """In its process, scipy is not looked for; it can be found again afterwards."""
    told: list[str] = []
    monkeypatch.setattr(kernel_cache, "say", told.append)
    monkeypatch.delitem(sys.modules, "scipy.linalg.cython_blas", raising=False)
    load().total(VALUES)
    assert told == ["Compiling kernels, once: about 1 s ..."]
    assert caplog.messages == []
    assert "scipy.linalg.cython_blas" not in sys.modules


def test_a_kernel_without_a_source_or_a_compiler_is_a_function(load: Load, tmp_path: Path) -> None:
    """Where sources are not installed nothing is kept; where compiling is switched off nothing is compiled."""
    made: dict[str, Callable[..., float]] = {}
    exec(compile(SOURCE, "/nowhere/sums.py", "exec"), made)  # noqa: S102
    assert made["total"](VALUES) == 20.0
    assert kernel_cache.kept() == set()
    load()
    code = f"import sys; sys.path.append({str(tmp_path)!r}); import sums; print(type(sums.total).__name__)"
    environment = {**os.environ, "NUMBA_DISABLE_JIT": "1", "PYTHONPATH": str(KERNELS.parents[1])}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout == "function\n"


def test_options_of_the_compiler_reach_it(load: Load) -> None:
    """A kernel may take liberties with the order of its sums."""
    module = load(SOURCE.replace("@kernel()\ndef total", '@kernel("reassoc")\ndef total'))
    assert module.total(VALUES) == 20.0
    assert module.total.targetoptions["fastmath"] == {"reassoc"}
    assert module.total.targetoptions["nogil"]


@pytest.mark.parametrize("path", sorted(KERNELS.glob("[a-z]*.py")), ids=lambda path: path.stem)
def test_every_kernel_is_kept_like_this(path: Path) -> None:
    """Kernels know the compiler by `capforecast.compiler` alone."""
    text = path.read_text(encoding="utf-8")
    assert "numba" not in text
    assert "from capforecast.compiler import kernel\n" in text
