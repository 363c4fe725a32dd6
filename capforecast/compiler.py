"""How kernels are compiled: on first use, and kept between processes by `capforecast.kernel_cache`.

The compiler's own cache ends the program where it finds no directory that can be written to, a damaged
file or a full disk, and it cannot tell a file that was changed.
"""

from __future__ import annotations

import hashlib
import logging
import pickle
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final, TypeVar

import llvmlite
import numba
from numba.core.caching import NullCache
from numba.core.compiler import CompileResult
from numba.core.registry import CPUDispatcher
from numba.core.serialize import dumps

from capforecast import kernel_cache

SECONDS_EACH = 0.7
"""What compiling a kernel takes, about."""

DIVISION: Final = "numpy"
"""Dividing by zero gives infinity or NaN, as in arrays; a check for it would keep loops from several values at once."""

_BLAS = "scipy.linalg.cython_blas"
_log = logging.getLogger("capforecast")
_kernels: list[Any] = []
_said = False

Kernel = TypeVar("Kernel")


def kernel(*fastmath: str) -> Callable[[Kernel], Kernel]:
    """Return the decorator of kernels: compiled when first called, without the interpreter's lock, and kept.

    All that a result depends on must lie in the function's file: the file's digest is what tells whether a
    kept result is that of this source.

    Parameters
    ----------
    *fastmath : str
        Liberties with floating-point numbers, such as "reassoc".
    """

    def decorate(function: Any) -> Any:
        compiled = numba.njit(nogil=True, fastmath=set(fastmath), error_model=DIVISION)(function)
        # Not where NUMBA_DISABLE_JIT is set, nor where the package comes without sources.
        path = Path(function.__code__.co_filename)
        if isinstance(compiled, CPUDispatcher) and path.is_file():
            dispatcher: Any = compiled
            dispatcher._cache = KernelCache(function, path)
            _kernels.append(dispatcher)
        return compiled

    return decorate


class KernelCache(NullCache):
    """The compiler's view of the kept results of one kernel.

    Parameters
    ----------
    function : function
        The kernel.
    path : Path
        Its source.
    """

    def __init__(self, function: Any, path: Path):
        found = path.stat()
        source = _digest(path, found.st_mtime_ns, found.st_size)
        self._name = f"{path.stem}.{sys.implementation.cache_tag}.{source}-{function.__qualname__}-"
        self.lost = 0

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """Return the kept result for the types of some arguments, None when it must be compiled."""
        _refresh(target_context)
        content = kernel_cache.load(self._file(sig, target_context.codegen()))
        if content is not None:
            return CompileResult._rebuild(target_context, *pickle.loads(content))  # type: ignore[no-untyped-call]
        _announce()
        return None

    def save_overload(self, sig: Any, data: Any) -> None:
        """Keep the result for the types of some arguments."""
        whole = not data.lifted and not data.library.has_dynamic_globals
        content = dumps(data._reduce()) if whole else b""  # type: ignore[no-untyped-call]
        if not (whole and kernel_cache.save(self._file(sig, data.codegen), content)):
            self.lost += 1

    def missing(self, names: set[str]) -> bool:
        """Tell whether nothing of this kernel is among the names of what is kept."""
        return not any(name.startswith(self._name) for name in names)

    def _file(self, signature: object, codegen: Any) -> str:
        key = hashlib.sha256(f"{signature}\0{_machine(codegen)}\0{DIVISION}".encode()).hexdigest()
        return f"{self._name}{key[:24]}{kernel_cache.ENDING}"


@dataclass(frozen=True, slots=True)
class Counts:
    """Kernels that this process compiled, one for each combination of types of arguments.

    Attributes
    ----------
    compiled, lost : int
        All of them; those that could not be kept.
    """

    compiled: int
    lost: int


def counts() -> Counts:
    """Return what this process compiled."""
    compiled = sum(sum(one.stats.cache_misses.values()) for one in _kernels)
    return Counts(compiled, sum(one._cache.lost for one in _kernels))


def _refresh(target_context: Any) -> None:
    """Load what the compiler needs for any kernel.

    It asks for scipy, a quarter of all that it loads, to see whether inner products could use it, which no
    kernel has. In a process of our own it is told that there is none; others may have such functions.
    """
    hide = kernel_cache.say is not None and _BLAS not in sys.modules
    if hide:
        sys.modules[_BLAS] = None  # type: ignore[assignment]  # so a module is not found
    try:
        target_context.refresh()
    finally:
        if hide:
            del sys.modules[_BLAS]


def _announce() -> None:
    """Tell the user, once, that the first use takes long, and how long."""
    global _said
    if _said:
        return
    _said = True
    names = kernel_cache.kept()
    seconds = SECONDS_EACH * sum(one._cache.missing(names) for one in _kernels)
    text = f"Compiling kernels, once: about {max(round(seconds), 1)} s ..."
    (kernel_cache.say or _log.warning)(text)


@cache
def _digest(path: Path, changed_ns: int, size: int) -> str:
    """Return the digest of a source file, as it is now, and of the compiler that reads it."""
    content = f"{numba.__version__} {llvmlite.__version__}".encode() + path.read_bytes()
    return hashlib.sha256(content).hexdigest()[:12]


@cache
def _machine(codegen: Any) -> str:
    return str(codegen.magic_tuple())
