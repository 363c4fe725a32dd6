"""Cases of the accuracy benches: hourly panels with rolling origins out of the public server data sets.

A case is one series at one origin. Series are sorted by name and metric and numbered; even and odd numbers
are the two halves.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import polars as pl

from capforecast.kinds import kind_of

DATA = Path(__file__).resolve().parents[2] / "shared" / "datasets"
HOUR_MS = 3_600_000
HISTORY = 60 * 24
LEAST_KNOWN = {24: 3 * 24, 168: 9 * 24}
"""Hours that must be known before an origin, by horizon."""

ORIGINS = {
    "bitbrains_faststorage": (4, 2),
    "smd": (4, 2),
    "nab": (6, 2),
    "kpi_aiops": (12, 9),
    "planetlab": (1, 0),
    "isp_traffic_a": (24, 1),
}
"""Data set: most origins per series, and whole days between two of them."""

PLANETLAB_ORIGIN = 1_302_566_400_000 // HOUR_MS
"""12 April 2011, the only day whose day before was measured as well."""


@dataclass(frozen=True)
class Cases:
    """Training windows and what came after them.

    Attributes
    ----------
    train : float64 (N, T)
        History before each origin, aligned at the right; NaN where nothing was measured.
    truth : float64 (N, H)
        What came; NaN where nothing was measured.
    names : list of str
        Series and metric of each case.
    origins : int64 (N,)
        Origins, in steps since the epoch.
    number : int64 (N,)
        Number of the series of each case.
    lower, upper : float64 (N,)
        Bounds of the metric's kind, infinite where there are none; a series seen beyond its bound in
        training is not bounded there.
    """

    train: np.ndarray
    truth: np.ndarray
    names: list[str]
    origins: np.ndarray
    number: np.ndarray
    lower: np.ndarray
    upper: np.ndarray

    def __len__(self) -> int:
        return len(self.names)

    def pick(self, rows: np.ndarray) -> Cases:
        """Return some of the cases."""
        names = [self.names[i] for i in rows]
        parts = (self.origins, self.number, self.lower, self.upper)
        return Cases(self.train[rows], self.truth[rows], names, *(part[rows] for part in parts))

    def newest(self, hours: int) -> Cases:
        """Return the cases with so many hours of history at most, those in which three days of it are known."""
        train = self.train.copy()
        train[:, : max(train.shape[1] - hours, 0)] = np.nan
        return replace(self, train=train).pick(np.flatnonzero((~np.isnan(train)).sum(axis=1) >= LEAST_KNOWN[24]))


def hourly(dataset: str) -> pl.DataFrame:
    """Return mean and max per series and hour of the epoch; the cut hours at both ends of a series are left out."""
    names = pl.col("series_id", "metric", "unit").cast(pl.String)
    # Rows are sorted, so a repeated timestamp follows its first row.
    new = pl.any_horizontal(pl.col(c).ne_missing(pl.col(c).shift()) for c in ("series_id", "metric", "ts"))
    rows = (
        pl.scan_parquet(DATA / f"{dataset}.parquet")
        .filter(new)
        .group_by("series_id", "metric", "unit", hour=pl.col("ts").dt.epoch("ms") // HOUR_MS)
        .agg(mean=pl.col("value").mean(), max=pl.col("value").max())
        .with_columns(names)
    )
    keys = ["series_id", "metric"]
    if dataset != "planetlab":
        first, last = pl.col("hour").min().over(keys), pl.col("hour").max().over(keys)
        rows = rows.filter((pl.col("hour") > first) & (pl.col("hour") < last))
    return rows.sort(*keys, "hour").collect()


def windows(hours: np.ndarray, values: np.ndarray, origin: int, horizon: int, history: int) -> np.ndarray:
    """Return the history before an origin and the steps after it as one row, NaN where nothing was measured."""
    row = np.full(history + horizon, np.nan)
    place = hours - (origin - history)
    inside = (place >= 0) & (place < row.size)
    row[place[inside]] = values[inside]
    return row


def repeated(train: np.ndarray, season: int) -> np.ndarray:
    """Fill each missing step with the one a season before, where there is one."""
    out = train.copy()
    for t in range(season, out.shape[1]):
        out[:, t] = np.where(np.isnan(out[:, t]), out[:, t - season], out[:, t])
    return out


def bounds(metric: str, unit: str, train: np.ndarray) -> tuple[float, float]:
    """Return the bounds of a metric, as wide as what was seen."""
    kind = kind_of(metric, unit)
    return float(np.fmin(kind.lower, np.nanmin(train))), float(np.fmax(kind.upper, np.nanmax(train)))


def cases(frame: pl.DataFrame, dataset: str, statistic: str, horizon: int) -> Cases:
    """Return the cases of a data set.

    The last origin of a series leaves just the horizon to measure; each one before it is some whole days and
    five hours earlier, so that weekdays and hours differ. A case needs enough known hours before the origin
    and half of the hours after it.
    """
    most, days = ORIGINS[dataset]
    kept: list[tuple[np.ndarray, str, int, int, float, float]] = []
    groups = frame.group_by("series_id", "metric", "unit", maintain_order=True).agg("hour", statistic)
    for number, (name, metric, unit, hour, value) in enumerate(groups.iter_rows()):
        hours, values = np.array(hour, np.int64), np.array(value, float)
        for k in range(most):
            origin = int(hours[-1]) + 1 - horizon - k * (24 * days + 5)
            if dataset == "planetlab":
                origin = PLANETLAB_ORIGIN
            row = windows(hours, values, origin, horizon, HISTORY)
            known = ~np.isnan(row)
            if known[:HISTORY].sum() >= LEAST_KNOWN[horizon] and known[HISTORY:].sum() >= horizon // 2:
                kept.append((row, f"{name} {metric}", origin, number, *bounds(metric, unit, row[:HISTORY])))
    rows = np.array([case[0] for case in kept]).reshape(len(kept), HISTORY + horizon)
    lower, upper = (np.array([case[i] for case in kept], float) for i in (4, 5))
    return Cases(
        np.ascontiguousarray(rows[:, :HISTORY]),
        np.ascontiguousarray(rows[:, HISTORY:]),
        [case[1] for case in kept],
        np.array([case[2] for case in kept], np.int64),
        np.array([case[3] for case in kept], np.int64),
        lower,
        upper,
    )
