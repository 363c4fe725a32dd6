"""One task after the other, in this thread."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any


def run(function: Callable[[Any], Any], tasks: Sequence[Any], threads: int) -> Iterator[Any]:
    """Yield ``function(task)`` for each task; `threads` is not used."""
    yield from map(function, tasks)
