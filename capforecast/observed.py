"""What was measured of the items of a shard: levels, gaps, shape, growth, pattern."""

from __future__ import annotations

import numpy as np

from capforecast.forecast import seasons_of
from capforecast.history import Items, patterns
from capforecast.kernels.origins import fill_gaps
from capforecast.kernels.shape import describe, newest
from capforecast.kernels.trend import slopes
from capforecast.models.trend import PAIRS, WINDOW
from capforecast.outcome import Outcome
from capforecast.panel import DAY_US, WEEK_US, Floats, Ints
from capforecast.pattern import motion, renamed
from capforecast.schema import PATTERNS

SHAPE = (4, 128)
"""Newest long seasons and number of values from which a pattern is named."""


def observe(
    values: Floats, known: np.ndarray, items: Items, chosen: Ints, step_us: int,
    rule: tuple[int, int], out: Outcome,
) -> None:  # fmt: skip
    """Record the newest levels.

    Parameters
    ----------
    values, known : float64 (C, T), bool (C, T)
        Levels on their step, high hurts, and which of them there are.
    items : Items
        All items.
    chosen : int64 (C,)
        Those that the levels are of.
    step_us : int
        The step.
    rule : (int, int)
        A level is held when k of n steps reach it.
    out : Outcome
        Receives it.
    """
    columns = values.shape[1]
    per_day = max(DAY_US // step_us, 1)
    has = known.any(axis=1)
    last = (columns - 1 - known[:, ::-1].argmax(axis=1)).astype(np.int64)
    first = np.where(has, known.argmax(axis=1), columns).astype(np.int64)
    rows = np.arange(chosen.size)
    sign = items.sign[chosen]
    out.last[chosen] = np.where(has, values[rows, last] * sign, np.nan)
    fine = step_us < DAY_US
    now = np.empty((chosen.size, 3))
    ceiling = np.where(sign > 0, items.upper[chosen], -items.lower[chosen])
    newest(values, first, last, 28 * per_day, rule[0] if fine else 1, rule[1] if fine else 1, ceiling, now)
    out.recent_p95[chosen], out.sustained_now[chosen] = now[:, 0] * sign, now[:, 1] * sign
    out.beyond[chosen] = now[:, 2]


def tell_shape(
    values: Floats, known: np.ndarray, items: Items, chosen: Ints, axis: tuple[int, int], out: Outcome
) -> None:  # fmt: skip
    """Record gaps, patterns and how items move.

    Parameters
    ----------
    values, known, items, chosen
        As for `observe`, which comes before.
    axis : (int, int)
        The step, and the end of the last column.
    out : Outcome
        Receives it.
    """
    step_us, end_us = axis
    has, sign, seasons = known.any(axis=1), items.sign[chosen], seasons_of(step_us)
    first = np.where(has, known.argmax(axis=1), values.shape[1]).astype(np.int64)
    shape = np.empty((chosen.size, 8))
    describe(values, first, seasons[0], seasons[1] if len(seasons) > 1 else 1, *SHAPE, shape)
    out.gap[chosen] = shape[:, 0]
    out.constant[chosen] = has & (shape[:, 1] <= 1e-9 * shape[:, 2])
    moves = motion(values, first, out.last[chosen] * sign, step_us, end_us)
    out.clean_ups[chosen], out.since_clean_up_us[chosen] = moves.clean_ups, moves.since_us
    out.clean_up_apart_days[chosen] = moves.apart_days
    out.ceiling[chosen] = np.where(np.isinf(moves.ceiling), np.nan, moves.ceiling) * sign
    seasonal = np.fmax(shape[:, 3], shape[:, 4]) >= 0.3
    out.peak_hours[chosen] = np.where(seasonal[:, None], moves.hours, (-1, 0))
    out.pattern[chosen] = patterns(shape, out.constant[chosen], moves.clean_ups, moves.bursts)


def record_growth(daily: Floats, keep: Ints, sign: Floats, out: Outcome) -> None:
    """Record the growth of the daily peaks and their last jump."""
    filled, first = np.empty_like(daily), np.empty(keep.size, np.int64)
    fill_gaps(daily, 1, filled, first)
    slope, change = np.empty(keep.size), np.empty(keep.size, np.int64)
    slopes(filled, first, WINDOW, PAIRS, slope, change)
    far_step = max(int(out.step_us[keep[0]]), DAY_US)
    out.growth[keep] = slope * sign * (DAY_US / far_step)
    changed = change > np.maximum(first, daily.shape[1] - 365)
    out.change_days[keep] = np.where(changed, (daily.shape[1] - change) * (far_step / DAY_US), np.nan)


def name_patterns(daily: Floats, keep: Ints, end_us: int, out: Outcome) -> None:
    """Name what shows in daily peaks alone: jumps, leaks and month ends.

    Parameters
    ----------
    daily : float64 (K, T)
        Peaks of the days, or levels of longer steps, up to now.
    keep : int64 (K,)
        The items; the days since their last jump are known.
    end_us : int
        End of the last day.
    out : Outcome
        Receives it.
    """
    code = out.pattern[keep]
    jumped = ~np.isnan(out.change_days[keep])
    plain = np.isin(code, (PATTERNS.index("steady"), PATTERNS.index("bursty")))
    out.pattern[keep] = code = np.where(jumped & plain, PATTERNS.index("stepped"), code)
    if keep.size == 0 or out.step_us[keep[0]] > DAY_US:
        return
    columns = daily.shape[1]
    filled, first = np.empty_like(daily), np.empty(keep.size, np.int64)
    fill_gaps(daily, 1, filled, first)
    jump = columns - np.where(jumped, out.change_days[keep], columns).astype(np.int64)
    since = np.ceil(out.since_clean_up_us[keep] / DAY_US)
    out.pattern[keep] = renamed(code, (daily, filled), first, np.maximum(jump, first), since, end_us)


def record_past(daily: Floats, keep: Ints, sign: Floats, out: Outcome) -> None:
    """Record the newest daily peaks."""
    if keep.size == 0:
        return
    far_step = max(int(out.step_us[keep[0]]), DAY_US)
    if far_step == DAY_US:
        shown = min(daily.shape[1], out.history.shape[1])
        out.history[keep, out.history.shape[1] - shown :] = daily[:, daily.shape[1] - shown :] * sign[:, None]
    elif far_step == WEEK_US:
        weeks = min(daily.shape[1], out.history.shape[1] // 7)
        places = out.history.shape[1] - 1 - 7 * np.arange(weeks)
        out.history[np.ix_(keep, places)] = daily[:, ::-1][:, :weeks] * sign[:, None]
