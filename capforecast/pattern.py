"""What a series does again and again: its pattern, its ceiling, its month ends and its hours, from measured numbers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from capforecast.kernels.teeth import climb, episodes, peak_hours, teeth
from capforecast.monthly import stands_out
from capforecast.panel import DAY_US, HOUR_US, Floats, Ints
from capforecast.schema import PATTERNS

WINDOW_DAYS = 180
"""Days in which clean-ups are looked for."""

LEAST_CLEAN_UPS = 4
"""Clean-ups from whose tops a ceiling is read."""

LEAST_TOOTH_DAYS = 2.0
"""Shorter teeth show their height every day."""

LEAK_DAYS = 10
"""Days a leak climbs at least; teeth that are shorter are clean-ups."""

PEAK_DAYS = 28
SAMPLED = 128
"""Values from which medians and quartiles are taken."""


@dataclass(frozen=True, slots=True)
class Motion:
    """How some series move.

    Attributes
    ----------
    clean_ups : int64 (S,)
        Sudden drops, if the series is a sawtooth: rises that are as sudden are rare.
    ceiling : float64 (S,)
        Level that clean-ups keep it under, high hurts; infinite where none do.
    since_us : float64 (S,)
        Time since the last clean-up; NaN without one.
    apart_days : float64 (S,)
        Mean time between clean-ups; NaN unless there are three.
    bursts : int64 (S,)
        Times at which it was far above what it usually is.
    hours : int64 (S, 2)
        First hour of the day (UTC) and number of hours in which four fifths of the daily peaks fall; (-1, 0)
        where the days are too few or their steps too long to tell.
    """

    clean_ups: Ints
    ceiling: Floats
    since_us: Floats
    apart_days: Floats
    bursts: Ints
    hours: Ints


def motion(values: Floats, first: Ints, newest: Floats, step_us: int, end_us: int) -> Motion:
    """Return how some series move.

    Parameters
    ----------
    values : float64 (S, T)
        Levels on their step, high hurts, NaN where missing.
    first : int64 (S,)
        First known column.
    newest : float64 (S,)
        Newest level.
    step_us, end_us : int
        The step, and the end of the last column.
    """
    count, columns = values.shape
    per_day = max(DAY_US // step_us, 1)
    found = np.empty((count, 8))
    teeth(values, first, max(WINDOW_DAYS * DAY_US // step_us, 1), SAMPLED, found)
    drops, rises, low, high, slope, depth, since, span = found.T
    sawtooth = (drops >= 2) & (rises <= 0.25 * drops)
    # Tops that lie within half a tooth of each other, and do not climb from one to the next, are held there.
    with np.errstate(invalid="ignore"):
        level = (high - low <= 0.5 * depth) & (slope * columns <= 0.5 * depth) & (newest <= high)
        managed = sawtooth & (drops >= LEAST_CLEAN_UPS) & level
        ceiling = np.where(managed, high + 0.5 * (high - low), np.inf)
    often = sawtooth & (drops >= 3)
    apart = np.where(often, span / np.maximum(drops - 1, 1) * (step_us / DAY_US), np.nan)
    bursts, hours = np.empty(count, np.int64), np.full((count, 2), (-1, 0), np.int64)
    episodes(values, first, max(per_day // 4, 1), SAMPLED, bursts)
    if step_us < DAY_US and DAY_US % step_us == 0 and step_us <= HOUR_US:
        begins = end_us - step_us * np.arange(columns, 0, -1)
        peak_hours(values, per_day, begins // HOUR_US % 24, PEAK_DAYS, hours)
    return Motion(np.where(sawtooth, drops, 0).astype(np.int64), ceiling, since * step_us, apart, bursts, hours)


def envelope(daily: Floats, apart_days: Floats) -> tuple[Floats, Floats]:
    """Return daily peaks with those of sawtooths that take days at the height of their teeth.

    The peak of a day becomes the highest of as many days up to it as clean-ups are apart, and a few more,
    and that the mean of as many such days: what counts is when a tooth crosses a threshold, teeth have no
    phase that could be foretold for long, and of stairs a line is no good account.

    Parameters
    ----------
    daily : float64 (S, T)
        Daily peaks, high hurts; NaN where missing.
    apart_days : float64 (S,)
        Time between clean-ups; NaN for all other series.

    Returns
    -------
    height : float64 (S, T)
        The peaks, the height of the teeth where there are some.
    lift : float64 (S,)
        By how much the newest height lies above its mean, which trails behind.
    """
    rows = np.flatnonzero((apart_days >= LEAST_TOOTH_DAYS) & (apart_days <= daily.shape[1] / 3))
    lift = np.zeros(daily.shape[0])
    if not rows.size:
        return daily, lift
    height = daily.copy()
    for row in rows:
        width = int(np.ceil(1.25 * apart_days[row])) + 1
        tops = np.fmax.reduce(_trailing(daily[row], width), axis=1)
        days = _trailing(tops, width)
        known = ~np.isnan(days)
        height[row] = np.where(known, days, 0.0).sum(axis=1) / np.where(known.any(axis=1), known.sum(axis=1), np.nan)
        lift[row] = np.nan_to_num(tops[-1] - height[row, -1])
    return height, lift


def _trailing(row: Floats, width: int) -> Floats:
    """Return for each place the values of so many places up to it, NaN before the first."""
    padded = np.concatenate((np.full(width - 1, np.nan), row))
    out: Floats = np.lib.stride_tricks.sliding_window_view(padded, width)
    return out


def leaks(daily: Floats, start: Ints) -> np.ndarray:
    """Tell which daily peaks climb in a line from some column on, for ten days and by a fiftieth of their level."""
    line = np.empty((daily.shape[0], 2))
    climb(daily, start, line)
    straight, rise = line.T
    out: np.ndarray = (straight >= 0.85) & (rise >= 0.02) & (daily.shape[1] - start >= LEAK_DAYS)
    return out


def renamed(
    code: Ints, daily: tuple[Floats, Floats], first: Ints, change: Ints, clean_up_days: Floats, end_us: int
) -> Ints:
    """Return patterns with those that show in daily peaks alone: leaks and month ends.

    Parameters
    ----------
    code : int64 (S,)
        Places in `PATTERNS` of what was seen so far.
    daily : (float64 (S, T), float64 (S, T))
        Daily peaks, as they are and with gaps filled.
    first, change : int64 (S,)
        First known column, and that of the last lasting jump.
    clean_up_days : float64 (S,)
        Days since the last clean-up; NaN without one.
    end_us : int
        End of the last day.
    """
    days = daily[0].shape[1]
    since = np.nan_to_num(clean_up_days, nan=days).astype(np.int64)
    # Peaks of the day of the clean-up and of the day before it still show the top.
    start = np.minimum(np.maximum(change, days - since + 1), days)
    climbing = np.isin(code, _codes("steady", "bursty", "stepped", "sawtooth")) & leaks(daily[1], start)
    code = np.where(climbing, PATTERNS.index("leak"), code)
    plain = ~np.isin(code, _codes("flat", "sawtooth", "leak"))
    return np.where(plain & stands_out(daily[0], first, end_us), PATTERNS.index("month_end"), code)


def _codes(*names: str) -> list[int]:
    return [PATTERNS.index(name) for name in names]


def told(code: Ints, storage: np.ndarray, clean_ups: Ints) -> Ints:
    """Return patterns as they are told of a metric: storage that climbs is filled, not leaked into."""
    filled = np.where(clean_ups >= 2, PATTERNS.index("sawtooth"), PATTERNS.index("steady"))
    return np.where((code == PATTERNS.index("leak")) & storage, filled, code)
