"""Thresholds and capacities that were moved away after a prediction, from the dated limits."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from capforecast.config import Config
from capforecast.limits import resolve
from capforecast.panel import DAY_US, Floats, Ints
from capforecast.store import Store
from capforecast.times import from_us

KEYS = ("host", "metric", "instance")


@dataclass(frozen=True, slots=True)
class Moved:
    """What became of the thresholds of R predictions by the end of their horizon of H days.

    Attributes
    ----------
    away : bool (R,)
        Is the threshold, or the capacity, farther away than it was.
    place : int64 (R,)
        Row of `daily`; -1 for thresholds that stayed, or moved at a date that is not known.
    daily : float64 (M, H)
        Threshold in force on each day.
    """

    away: np.ndarray
    place: Ints
    daily: Floats

    def levels(self, rows: Ints, limit: Floats, sign: Floats) -> Floats:
        """Return the level that counts as crossed on each day, float64 (R, H), or (R, 1) where none moved.

        Parameters
        ----------
        rows : int64 (R,)
            Predictions.
        limit : float64 (R,)
            Their thresholds, high hurts.
        sign : float64 (R,)
            -1 where low values hurt.
        """
        level = limit[:, None]
        those = np.flatnonzero(self.place[rows] >= 0)
        if those.size:
            level = np.repeat(level, self.daily.shape[1], axis=1)
            dated = self.daily[self.place[rows[those]]] * sign[those, None]
            level[those] = np.fmax(level[those], dated)
        return level


def moved(store: Store, config: Config, rows: pl.DataFrame, said: tuple[int, int]) -> Moved:
    """Return which thresholds or capacities were moved away.

    Parameters
    ----------
    store : Store
        Open store, with the limits as they are known now.
    config : Config
        Metric kinds.
    rows : DataFrame
        host, metric, instance, unit, threshold_name, direction, threshold and capacity of the predictions.
    said : (int, int)
        When they were made, and for how many days.
    """
    as_of_us, days = said
    sign = np.where(rows.get_column("direction").to_numpy() == "below", -1.0, 1.0)
    then = rows.select(pl.col("threshold", "capacity").fill_null(np.nan)).to_numpy()
    limits = store.limits()
    scales = store.series().select(*KEYS, "scale")

    def in_force(those: Ints, moment_us: int) -> Floats:
        asked = rows[those]
        series = asked.select(*KEYS, "unit").unique(maintain_order=True)
        series = series.join(scales, on=KEYS, how="left", maintain_order="left").with_columns(
            pl.col("scale").fill_null(1.0)
        )
        said = resolve(series, limits, config.metric_kinds, moment_us)
        numbered = series.with_row_index("series").cast({"series": pl.Int64})
        known = said.thresholds.select(pl.col("series").cast(pl.Int64), "threshold_name", "direction", "threshold")
        sized = numbered.select("series").with_columns(said.series.get_column("capacity"))
        return (
            asked.select(*KEYS, "unit", "threshold_name", "direction")
            .join(numbered, on=[*KEYS, "unit"], how="left", maintain_order="left", nulls_equal=True)
            .join(known, on=["series", "threshold_name", "direction"], how="left", maintain_order="left")
            .join(sized, on="series", how="left", maintain_order="left")
            .select(pl.col("threshold", "capacity").fill_null(np.nan))
            .to_numpy()
        )

    now = in_force(np.arange(rows.height), as_of_us + days * DAY_US)
    with np.errstate(invalid="ignore"):
        raised = now[:, 0] * sign > then[:, 0] * sign
        away = raised | (now[:, 1] > then[:, 1])
    place = np.full(rows.height, -1, np.int64)
    dates = _changes(limits, as_of_us, days)
    those = np.flatnonzero(raised) if dates else np.empty(0, np.int64)
    place[those] = np.arange(those.size)
    daily = np.repeat(then[those, :1], days, axis=1)
    for date_us in dates:
        # A day on which a threshold moved is told by the new one.
        daily[:, (date_us - as_of_us) // DAY_US :] = in_force(those, date_us)[:, :1]
    return Moved(away, place, daily)


def _changes(limits: pl.DataFrame, as_of_us: int, days: int) -> list[int]:
    """Return the moments within the horizon from which lines of the limits hold, in order."""
    inside = pl.col("valid_from").is_between(from_us(as_of_us), from_us(as_of_us + days * DAY_US), closed="right")
    return limits.filter(inside).select(pl.col("valid_from").dt.epoch("us")).to_series().unique().sort().to_list()
