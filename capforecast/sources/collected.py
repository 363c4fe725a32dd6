"""Samples that are read one by one, put together as batches."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import polars as pl

from capforecast.sources import NATURE, ROWS, Batch
from capforecast.sources.labels import Series
from capforecast.sources.moments import Moments
from capforecast.sources.records import MAX_RAW
from capforecast.sources.samples import Bad, rejected

BATCH_ROWS = 200_000
"""Samples put together before a batch is made of them."""
_MOST = 1 << 63
_SCHEMA = {**ROWS, "nature": NATURE}


class Collected:
    """Samples and rejects of a source that become one batch."""

    def __init__(self) -> None:
        self._series: list[Series] = []
        self._ts: list[int | float | None] = []
        self._values: list[float] = []
        self._lines: list[int] = []
        self._natures: list[str | None] = []
        self._raws: list[str] = []
        self._bad: Bad = []

    def add(
        self, series: Series, ts: int | float | None, value: float, line: int, raw: str, nature: str | None
    ) -> None:
        """Add a sample; `ts` in microseconds, or as the clock given to `batch` reads them."""
        if series.wrong is not None:
            self.reject(line, series.wrong, raw)
            return
        self._series.append(series)
        self._ts.append(ts)
        self._values.append(value)
        self._lines.append(line)
        self._natures.append(nature)
        self._raws.append(raw)

    def extend(self, series: Series, ts: list[int], values: list[float], line: int, nature: str | None) -> None:
        """Add samples of a series that is not wrong, at times in microseconds; `line` is the number of the first."""
        count = len(ts)
        self._series += [series] * count
        self._ts += ts
        self._values += values
        self._lines += range(line, line + count)
        self._natures += [nature] * count
        self._raws += [""] * count

    def reject(self, line: int, reason: str, raw: str) -> None:
        """Add a row that could not be read."""
        self._bad.append((line, reason, raw[:MAX_RAW]))

    @property
    def full(self) -> bool:
        """Is it time for a batch."""
        return len(self._series) + len(self._bad) >= BATCH_ROWS

    @property
    def times(self) -> pl.Series:
        """Times as they were added, without those that are missing."""
        whole = set(map(type, self._ts)) <= {int, type(None)}
        return pl.Series(self._ts, dtype=pl.Int64 if whole else pl.Float64, strict=False)

    def batch(self, clock: Callable[[pl.Series], Moments] | None = None, default_us: int | None = None) -> Batch:
        """Return what was added.

        Parameters
        ----------
        clock : callable, optional
            Makes moments of the times; without it they are microseconds. What it cannot read is a reject.
        default_us : int, optional
            Time of samples without one; they are rejects otherwise.
        """
        times, bad = self.times, self._bad
        moments = Moments(times.cast(pl.Int64)) if clock is None else clock(times)
        absent = times.is_null()
        us = moments.us if default_us is None else moments.us.set(absent, default_us)
        rows = pl.DataFrame(
            {
                "host": [s.host for s in self._series],
                "metric": [s.metric for s in self._series],
                "instance": [s.instance for s in self._series],
                "unit": [s.unit for s in self._series],
                "ts": us,
                "value": self._values,
                "line": self._lines,
                "nature": self._natures,
            },
            schema=_SCHEMA,
        )
        lost = us.is_null()
        if lost.any():
            for i in lost.arg_true().to_list():
                reason = None if absent[i] or moments.reasons is None else moments.reasons[i]
                bad.append((self._lines[i], reason or "time is missing (see --start)", self._raws[i][:MAX_RAW]))
            rows = rows.filter(~lost)
        bad.sort(key=lambda reject: reject[0])
        return Batch(rows, rejected(bad))


def number(value: Any) -> float | None:
    """Return a number of a JSON document as a float; text that is one counts; None for all else.

    NaN and infinities are numbers here: whether they are acceptable is not decided by sources.
    """
    if isinstance(value, float):
        return value
    if isinstance(value, bool) or not isinstance(value, int | str):
        return None
    # Python also takes 1_000 and digits of other scripts; no program means a number by them.
    if isinstance(value, str) and ("_" in value or not value.isascii()):
        return None
    try:
        return float(value)
    except (ValueError, OverflowError):
        return None


def all_numbers(values: list[Any]) -> list[float] | None:
    """Return what `number` makes of each of many values; None where one is none, or numbers and texts are mixed."""
    kinds = set(map(type, values))
    text = kinds == {str}
    if text:
        joined = "".join(values)
        if "_" in joined or not joined.isascii():
            return None
    elif not kinds <= {int, float}:
        return None
    try:
        return list(map(float, values))
    except (ValueError, OverflowError):
        return None


def all_micros(values: list[Any], per_second: int) -> list[int] | None:
    """Return what `micros` makes of each of many whole numbers, None where one of them is something else."""
    if set(map(type, values)) != {int}:
        return None
    found = [value * 1_000_000 // per_second for value in values]
    return found if min(found) > -_MOST and max(found) < _MOST else None


def micros(value: Any, per_second: int) -> int | None:
    """Return a time since the epoch in microseconds, None if it is none that can be held.

    Parameters
    ----------
    value : int, float or str
        The time in units of which `per_second` make a second; whole numbers are exact.
    per_second : int
        1, 1_000, 1_000_000 or 1_000_000_000.
    """
    whole: int | None = None
    if isinstance(value, int) and not isinstance(value, bool):
        whole = value
    elif isinstance(value, str) and len(value) < 40 and value.isascii() and value.lstrip("-").isdigit():
        whole = int(value) if value.count("-") < 2 else None
    if whole is not None:
        found = whole * 1_000_000 // per_second
    else:
        real = number(value)
        if real is None or not math.isfinite(real) or abs(real) * (1_000_000 / per_second) >= _MOST:
            return None
        found = round(real * 1_000_000 / per_second)
    return found if -_MOST < found < _MOST else None
