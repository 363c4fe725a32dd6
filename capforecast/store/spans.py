"""Which rows share one Parquet file: days by the day where rows are many, by month or year where few.

Pure integer arithmetic on days since the epoch. Series go by blocks of consecutive sids, so that a file
and the memory to make it stay bounded however many series there are; within a block a day belongs to
exactly one span.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

import numpy as np
from numpy.typing import NDArray

_EPOCH = date(1970, 1, 1).toordinal()
BLOCK = 16_384
"""Most series of one file."""
CROWDED = 2
"""A span that holds this many times the rows that would have led to a finer one is split."""


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """Days `first` to `last`, both inclusive, counted from 1970-01-01."""

    first: int
    last: int

    @property
    def name(self) -> str:
        """The span as text for file names."""
        return f"{day_name(self.first)}_{day_name(self.last)}"


@dataclass(frozen=True, slots=True)
class Density:
    """Rows per day from which a span is a `day`, or a `month`; below it is a year."""

    day: int
    month: int


SAMPLES = Density(day=50_000, month=1_000)
ROLLUPS = Density(day=50_000, month=2_000)


def day_name(day: int) -> str:
    """Return a day since the epoch as YYYY-MM-DD."""
    return date.fromordinal(_EPOCH + day).isoformat()


def _day(year: int, month: int) -> int:
    return date(year + (month > 12), (month - 1) % 12 + 1, 1).toordinal() - _EPOCH


def _overlaps(span: Span, taken: list[Span]) -> bool:
    at = bisect_left(taken, Span(span.first, span.first))
    return (at > 0 and taken[at - 1].last >= span.first) or (at < len(taken) and taken[at].first <= span.last)


def plan(days: NDArray[np.int64], rows: NDArray[np.int64], taken: Iterable[Span], density: Density) -> list[Span]:
    """Return the spans for days that no span covers yet.

    Parameters
    ----------
    days, rows : int64 (N,)
        Rising days with data, and the number of their rows.
    taken : iterable of Span
        Spans that exist; no new one overlaps them.
    density : Density
        What makes a span fine or coarse.

    Returns
    -------
    list of Span
        Rising, disjoint, covering all of `days`.
    """
    existing = sorted(taken)
    dates = [date.fromordinal(_EPOCH + int(d)) for d in days]
    years = np.array([d.year for d in dates], np.int64)
    months = years * 12 + np.array([d.month - 1 for d in dates], np.int64)
    spans: list[Span] = []
    for year in np.unique(years).tolist():
        in_year = years == year
        whole = Span(_day(year, 1), _day(year, 13) - 1)
        if rows[in_year].mean() < density.month and not _overlaps(whole, existing):
            spans.append(whole)
            continue
        for key in np.unique(months[in_year]).tolist():
            in_month = months == key
            month = Span(_day(year, key % 12 + 1), _day(year, key % 12 + 2) - 1)
            if rows[in_month].mean() < density.day and not _overlaps(month, existing):
                spans.append(month)
            else:
                spans += [Span(d, d) for d in days[in_month].tolist()]
    return spans


def crowded(span: Span, rows: int, days: int, density: Density) -> bool:
    """Tell whether a span got so many rows per day with data that it should be split."""
    if span.first == span.last or days == 0:
        return False
    limit = density.day if span.last - span.first < 31 else density.month
    return rows / days >= CROWDED * limit
