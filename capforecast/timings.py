"""Where the time of a run goes: seconds per stage, summed over threads.

A stage is entered a few times per shard, so that measuring costs nothing that could be measured.
Nothing that is published depends on it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock
from time import perf_counter


class Timings:
    """Seconds of the stages of a run; threads may add to it side by side."""

    def __init__(self) -> None:
        self._seconds: dict[str, float] = {}
        self._turn = Lock()

    def add(self, stage: str, seconds: float) -> None:
        """Add to a stage."""
        with self._turn:
            self._seconds[stage] = self._seconds.get(stage, 0.0) + seconds

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Add the time that the body takes; a stage inside another one counts in both."""
        start = perf_counter()
        try:
            yield
        finally:
            self.add(name, perf_counter() - start)

    def seconds(self) -> dict[str, float]:
        """Return the seconds of each stage, in the order in which stages were first left."""
        with self._turn:
            return dict(self._seconds)
