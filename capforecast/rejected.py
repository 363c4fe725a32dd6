"""Rows that were not taken: how many for which reason, and where the first of each stands."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import polars as pl


def by_reason(rejects: pl.DataFrame) -> tuple[dict[str, int], dict[str, int]]:
    """Return how many rows (columns reason and line) each reason has, and its first line where lines are known."""
    why = rejects.group_by("reason").agg(pl.len().alias("rows"), pl.col("line").min()).sort("reason")
    return dict(why.select("reason", "rows").iter_rows()), dict(why.select("reason", "line").drop_nulls().iter_rows())


@dataclass(slots=True)
class Rejected:
    """Rejected rows of some sources.

    Attributes
    ----------
    reasons : dict of int
        Rows by reason.
    places : dict of str
        By reason, the first place that it was met at, such as ``de.csv:4``.
    """

    reasons: dict[str, int] = field(default_factory=dict)
    places: dict[str, str] = field(default_factory=dict)

    def add(self, source: str, reasons: Mapping[str, int], lines: Mapping[str, int]) -> None:
        """Add the rows of a source; `lines` has the first line of reasons, where it is known."""
        for reason, count in sorted(reasons.items()):
            self.reasons[reason] = self.reasons.get(reason, 0) + count
            self.places.setdefault(reason, f"{source}:{lines[reason]}" if reason in lines else source)

    @property
    def rows(self) -> int:
        """Rows of all reasons."""
        return sum(self.reasons.values())

    def __str__(self) -> str:
        """Name the most frequent reason and where it was first met, and count the rows of others."""
        if not self.reasons:
            return "none"
        reason, count = min(self.reasons.items(), key=lambda both: (-both[1], both[0]))
        rest = self.rows - count
        others = f"; {rest} for {len(self.reasons) - 1} other reason{'s' * (len(self.reasons) > 2)}" if rest else ""
        return f'{count} x "{reason}", first at {self.places[reason]}{others}'
