"""Where shards run: the contract of an engine.

An engine calls one function for every task and yields the results in the order of the tasks. A task
is independent of all others, so any engine gives the same results.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol


class Engine(Protocol):
    """One way to run tasks."""

    def __call__(self, function: Callable[[Any], Any], tasks: Sequence[Any], threads: int) -> Iterator[Any]:
        """Yield ``function(task)`` for each task, in their order."""
        ...
