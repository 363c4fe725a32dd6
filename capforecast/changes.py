"""What changed since the run before, threshold by threshold."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
import polars as pl

from capforecast.panel import Ints
from capforecast.schema import STATUSES
from capforecast.texts import worded

NEEDED = ("risk_id", "status", "breach_date_p50", "change_class", "days_slipped")
"""Columns of the table ``breaches`` that the next run looks back at."""


@dataclass(frozen=True, slots=True)
class Before:
    """The breach rows of the run before, by risk.

    Attributes
    ----------
    risk : uint64 (N,)
        Rising risk ids.
    status : int64 (N,)
        Place in `capforecast.schema.STATUSES`.
    date : Series (N,)
        breach_date_p50 as it was last told: a row that was the same told nothing, however far its date had slipped.
    """

    risk: np.ndarray
    status: Ints
    date: pl.Series

    @classmethod
    def of(cls, rows: pl.DataFrame) -> Self:
        """Return the columns `NEEDED` of a table ``breaches`` in order."""
        number = pl.col("risk_id").str.to_integer(base=16, dtype=pl.UInt64)
        untold = pl.when(pl.col("change_class") == "same").then(pl.duration(days="days_slipped"))
        told = pl.col("breach_date_p50") - untold.fill_null(pl.duration(days=0))
        known = rows.select(number.alias("risk"), pl.col("status").cast(pl.Enum(STATUSES)), told).sort("risk")
        status = known.get_column("status").to_physical().to_numpy().astype(np.int64)
        return cls(known.get_column("risk").to_numpy(), status, known.get_column("breach_date_p50"))

    def statuses(self, risk: np.ndarray) -> Ints:
        """Return the places of the statuses of some risks; -1 for those that were not there."""
        if not self.risk.size:
            return np.full(risk.size, -1, np.int64)
        place = np.minimum(np.searchsorted(self.risk, risk), self.risk.size - 1)
        return np.where(self.risk[place] == risk, self.status[place], -1)

    def columns(self, risk: np.ndarray) -> list[pl.Series]:
        """Return status_before and date_before of some risks; NULL for those that were not there."""
        if not self.risk.size:
            return [
                pl.Series("status_before", [None] * risk.size, pl.String),
                self.date.alias("date_before").extend_constant(None, risk.size),
            ]
        place = np.minimum(np.searchsorted(self.risk, risk), self.risk.size - 1)
        there = self.risk[place] == risk
        date = self.date.gather(place.astype(np.uint32)).zip_with(pl.Series(there), pl.Series([None], dtype=pl.Date))
        return [worded(self.statuses(risk), STATUSES).alias("status_before"), date.alias("date_before")]


def with_changes(rows: pl.DataFrame, before: Before | None) -> pl.DataFrame:
    """Add ``change_class`` and ``days_slipped`` against the rows of the run before.

    A row is at risk when its status is breached or will_breach. It is new when it was not before, and
    cleared when it no longer is, if anything can be said of it; among rows at risk both times it is
    worse (or better) when the median date moved by more than three days and a tenth of the days left from where
    it was when the row was last new, worse or better, so that one that creeps is told as well, or when it breached
    (or recovered). A row is worse, too, when it went stale: nobody knows any more; it is
    better when samples came again and it is not at risk.
    Both columns are NULL without a run before, days_slipped also where the threshold was exceeded both times:
    such a row has no date that could slip.
    """
    if before is None:
        return rows.with_columns(
            pl.lit(None, pl.String).alias("change_class"), pl.lit(None, pl.Int64).alias("days_slipped")
        )
    risky = ["breached", "will_breach"]
    now, then = pl.col("status").is_in(risky), pl.col("status_before").is_in(risky).fill_null(False)
    silent, silenced = pl.col("status") == "stale", pl.col("status_before") == "stale"
    known = pl.col("status").is_in(["ok", "no_trend", "constant"])
    standing = (pl.col("status") == "breached") & (pl.col("status_before") == "breached")
    slipped = pl.when(~standing.fill_null(False)).then(
        (pl.col("breach_date_p50") - pl.col("date_before")).dt.total_days()
    )
    both = (pl.col("status") == "will_breach") & (pl.col("status_before") == "will_breach")
    moved = slipped.abs() > pl.max_horizontal(pl.lit(3.0), 0.1 * pl.col("days_to_breach_p50"))
    change = (
        pl.when(now & ~then).then(pl.lit("new"))
        .when(silent & pl.col("status_before").is_not_null() & ~silenced).then(pl.lit("worse"))
        .when(~now & then & known).then(pl.lit("cleared"))
        .when(known & silenced).then(pl.lit("better"))
        .when(~now).then(pl.lit("same"))
        .when((pl.col("status") == "breached") & (pl.col("status_before") == "will_breach")).then(pl.lit("worse"))
        .when((pl.col("status") == "will_breach") & (pl.col("status_before") == "breached")).then(pl.lit("better"))
        .when(both & moved & (slipped < 0)).then(pl.lit("worse"))
        .when(both & moved).then(pl.lit("better"))
        .otherwise(pl.lit("same"))
    )  # fmt: skip
    seen = rows.with_columns(before.columns(rows.get_column("risk").to_numpy()))
    return seen.with_columns(change.alias("change_class"), slipped.alias("days_slipped")).drop(
        "status_before", "date_before"
    )
