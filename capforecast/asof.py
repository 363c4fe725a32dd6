"""Levels and forecasts as of many cutoffs: what each step sustained before them, and the curve of a crossing after."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from capforecast.forecast import Recipe, forecast
from capforecast.grouped import Grouped
from capforecast.kernels.grid import sustained_peaks
from capforecast.kernels.passage import passage
from capforecast.models import Model
from capforecast.panel import DAY_US, HOUR_US, MINUTE_US, Floats, Ints, Panel
from capforecast.windows import QUIET_US, Questions, described

BUCKETS_US = tuple(m * MINUTE_US for m in (5, 10, 15, 20, 30, 60, 120, 180, 240, 360, 480, 720, 1440))
"""Samples are averaged over the first of these that holds one each, so that one odd sample is no crossing."""

FINE_HISTORY_DAYS = 60
LONG_HISTORY_DAYS = 800

RECENT_SAMPLES = 500
"""Newest samples that tell how far apart a series is measured."""

MINIMUM_STEPS = 14


@dataclass(frozen=True, slots=True)
class Rule:
    """How levels are made of samples.

    Attributes
    ----------
    bucket_us : int
        Width of the means that are taken of samples.
    step_us : int
        Width of a step, a multiple of the bucket or shorter than it.
    sustain_us : int
        How long a level must be held.
    """

    bucket_us: int
    step_us: int
    sustain_us: int

    @property
    def span(self) -> int:
        """Steps of history that a forecast sees."""
        return (LONG_HISTORY_DAYS if self.step_us == DAY_US else FINE_HISTORY_DAYS) * DAY_US // self.step_us

    @property
    def held(self) -> int:
        """Buckets that a level must be held."""
        return max(self.sustain_us // self.bucket_us, 1)


@dataclass(frozen=True, slots=True)
class Answer:
    """What is foreseen of a block of cases that can be forecast.

    Attributes
    ----------
    rows : int64 (N,)
        Rows of the cases.
    curves : float64 (N, D)
        P(crossed by step d); NaN where nothing can be forecast.
    over : bool (N,)
        Is the newest level beyond the threshold.
    inputs : float64 (N, F)
        What can be learned from, see `windows.INPUTS`.
    end_us : int64 (N,)
        Cutoffs.
    step_us : int
        Width of a step.
    """

    rows: Ints
    curves: Floats
    over: np.ndarray
    inputs: Floats
    end_us: Ints
    step_us: int


def buckets(data: Grouped, cases: pl.DataFrame) -> np.ndarray:
    """Return the width that holds one sample each before the cutoff of each case."""
    out = np.full(cases.height, BUCKETS_US[0])
    for row, (s, cutoff_us) in enumerate(cases.select("series", "cutoff_us").iter_rows()):
        times = data.times[data.starts[s] : data.starts[s + 1]]
        end = int(np.searchsorted(times, cutoff_us))
        times = times[max(end - RECENT_SAMPLES, 0) : end]
        if times.size > 1:
            # Sources drift by seconds; a twentieth more is still the same distance.
            distance = np.median(np.diff(times)) / 1.05
            out[row] = BUCKETS_US[min(int(np.searchsorted(BUCKETS_US, distance)), len(BUCKETS_US) - 1)]
    return out


def levels_before(data: Grouped, block: pl.DataFrame, rule: Rule) -> tuple[Floats, Floats]:
    """Return the levels before each case's cutoff on the step, high hurts, and the highest just before it.

    Returns
    -------
    levels : float64 (N, T)
        What each step sustained, right-aligned.
    high : float64 (N,)
        Highest bucket of the last `windows.QUIET_US`; NaN where none is known.
    """
    width = rule.bucket_us
    out, high = np.full((block.height, rule.span), np.nan), np.empty(block.height)
    fine = np.empty((1, rule.span * rule.step_us // width))
    newest = max(QUIET_US, rule.step_us) // width
    for row, (s, cutoff_us, direction) in enumerate(block.select("series", "cutoff_us", "direction").iter_rows()):
        end = cutoff_us // width
        first, last = np.searchsorted(data.times[data.starts[s] : data.starts[s + 1]], (end - fine.shape[1], end))
        part = slice(data.starts[s] + first, data.starts[s] + last)
        fine[:] = np.nan
        fine[0, data.times[part] - (end - fine.shape[1])] = data.values[part] * (-1.0 if direction == "below" else 1.0)
        sustained_peaks(fine, rule.step_us // width, rule.held, rule.held, out[row : row + 1])
        high[row] = np.fmax.reduce(fine[0, -newest:])
    known = np.flatnonzero(~np.isnan(out).all(axis=0))
    return np.ascontiguousarray(out[:, known[0] if known.size else -1 :]), high


def levels_of(data: Grouped, series: Ints, sign: float, rule: Rule) -> tuple[Floats, Floats, Ints]:
    """Return the levels of whole series and their highest buckets, and the number of the first step of each.

    Both are float64 (S, T), left-aligned, high hurts.
    """
    per_step = rule.step_us // rule.bucket_us
    begin, count = np.zeros(series.size, np.int64), np.zeros(series.size, np.int64)
    for i, s in enumerate(series):
        times = data.times[data.starts[s] : data.starts[s + 1]]
        if times.size:
            begin[i] = times[0] // per_step
            count[i] = times[-1] // per_step + 1 - begin[i]
    out = np.full((series.size, int(count.max(initial=1))), np.nan)
    peaks = out.copy()
    for i, s in enumerate(series):
        part = slice(data.starts[s], data.starts[s + 1])
        fine = np.full((1, count[i] * per_step), np.nan)
        fine[0, data.times[part] - begin[i] * per_step] = data.values[part] * sign
        sustained_peaks(fine, per_step, rule.held, rule.held, out[i : i + 1, : count[i]])
        sustained_peaks(fine, per_step, 1, 1, peaks[i : i + 1, : count[i]])
    return out, peaks, begin


@dataclass(frozen=True, slots=True)
class Forecaster:
    """The forecast of some steps ahead by some models."""

    models: Sequence[Model]
    recipe: Recipe
    step_us: int
    steps: int

    def curves(
        self, levels: Floats, end_us: Ints, bounds: tuple[Floats, Floats], owner: Ints, threshold: Floats
    ) -> Floats:
        """Return P(crossed by step d) of thresholds, float64 (R, steps); NaN where nothing can be forecast.

        Parameters
        ----------
        levels : float64 (S, T)
            History, right-aligned, high hurts; every series has a level.
        end_us : int64 (S,)
            Cutoffs.
        bounds : pair of float64 (S,)
            Lowest and highest possible level; a series seen beyond them is not bounded there.
        owner : int64 (R,)
            Series of each threshold.
        threshold : float64 (R,)
            Levels that must not be met.
        """
        lower, upper = bounds
        low, high = np.nanmin(levels, axis=1), np.nanmax(levels, axis=1)
        panel = Panel(levels, self.step_us, end_us, np.fmin(lower, low), np.fmax(upper, high))
        result = forecast(panel, self.models, self.steps, self.recipe)
        out = np.empty((owner.size, self.steps))
        passage(result.paths, result.path_weights, owner, threshold, out)
        out[np.isnan(result.mean[owner, 0])] = np.nan
        return out


def foreseen(block: pl.DataFrame, levels: Floats, high: Floats, forecaster: Forecaster) -> Answer:
    """Return what is foreseen of the cases of a block that are long enough."""
    ready = np.flatnonzero((~np.isnan(levels)).sum(axis=1) >= MINIMUM_STEPS)
    values = np.ascontiguousarray(levels[ready])
    sign = np.where(block.get_column("direction").to_numpy() == "below", -1.0, 1.0)[ready]
    lower, upper = (block.get_column(name).to_numpy()[ready] for name in ("lower", "upper"))
    end_us = block.get_column("cutoff_us").to_numpy()[ready]
    threshold = block.get_column("threshold").to_numpy()[ready] * sign
    each = np.arange(ready.size)
    curves = np.empty((0, forecaster.steps))
    if ready.size:
        bounds = np.where(sign > 0, lower, -upper), np.where(sign > 0, upper, -lower)
        curves = forecaster.curves(values, end_us, bounds, each, threshold)
    asked = Questions(
        each, threshold, np.full(ready.size, forecaster.steps), end_us, np.fmax(high[ready], values[:, -1])
    )
    inputs = described(values, asked, forecaster.step_us, curves[:, -1])
    rows = block.get_column("row").to_numpy()[ready].astype(np.int64)
    over = values[:, -1] >= threshold if ready.size else np.empty(0, bool)
    return Answer(rows, curves, over, inputs, end_us, forecaster.step_us)


def step_of(bucket_us: np.ndarray, horizon_us: np.ndarray, fine_horizon_us: int) -> np.ndarray:
    """Return the step on which each case is answered: a day for long horizons, else an hour or the bucket."""
    return np.where(horizon_us > fine_horizon_us, DAY_US, np.maximum(bucket_us, HOUR_US))
