"""Month ends: days that stand out each month are told apart from the rest before the rest is forecast.

What the days around a month's end have above ordinary days is taken off the history and laid on the
futures of the month ends to come, each path that of one month of the past.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from capforecast.calendar import day_up_to, last_of_month
from capforecast.kernels.teeth import month_ends
from capforecast.panel import DAY_US, Floats, Ints, Panel

NEAR = np.arange(-1, 3)
"""Days that belong to a month's end, counted from its last day."""

FAR = 12
"""Days on either side, ordinary ones, with which they are compared."""

LEAST = 3
"""Months whose end has to stand out, and four of five of them."""


@dataclass(frozen=True, slots=True)
class Monthly:
    """What month ends add to the daily peaks of some series.

    Attributes
    ----------
    rows : int64 (C,)
        The series.
    past : float64 (C, T)
        What was added in each column of the history.
    ahead : float64 (C, M, H)
        What each of M months of the past would add on each day ahead.
    """

    rows: Ints
    past: Floats
    ahead: Floats

    def without(self, values: Floats) -> Floats:
        """Return a history without what month ends added."""
        out = values.copy()
        out[self.rows] -= self.past
        return out

    def onto(self, mean: Floats, paths: Floats) -> None:
        """Lay month ends on a forecast, float64 (S, H), and on its paths, float64 (S, P, H), in place."""
        mean[self.rows] += self.ahead.mean(axis=1)
        paths[self.rows] += self.ahead[:, np.arange(paths.shape[1]) % self.ahead.shape[1]]


def last_days(end_us: int, days: int, ahead: int = 0) -> Ints:
    """Return the columns of the days, so many up to a moment and more after it, that are the last of a month."""
    dates = day_up_to(end_us) + np.arange(1 - days, ahead + 1)
    return np.flatnonzero(last_of_month(dates)).astype(np.int64)


def stands_out(daily: Floats, first: Ints, end_us: int) -> np.ndarray:
    """Tell of which series, float64 (S, T), the ends of months stand out among days nearby."""
    judged = np.empty((daily.shape[0], 2), np.int64)
    month_ends(daily, first, last_days(end_us, daily.shape[1]), -int(NEAR[0]), FAR, judged)
    months, out = judged.T
    return (out >= LEAST) & (5 * out >= 4 * months)


def monthly(panel: Panel, horizon: int) -> Monthly | None:
    """Return what month ends add to the series of a daily panel; None where no month ends stand out.

    Parameters
    ----------
    panel : Panel
        Series on one grid; they are looked at where the step is a day and all end at one moment.
    horizon : int
        Days ahead.
    """
    if panel.step_us != DAY_US or not panel.values.size or np.any(panel.end_us != panel.end_us[0]):
        return None
    known = ~np.isnan(panel.values)
    columns = panel.values.shape[1]
    first = np.where(known.any(axis=1), known.argmax(axis=1), columns).astype(np.int64)
    end_us = int(panel.end_us[0])
    rows = np.flatnonzero(stands_out(panel.values, first, end_us))
    if not rows.size:
        return None
    ends = last_days(end_us, columns, horizon)
    added = _added(panel.values[rows], first[rows], ends)
    usual = np.nanmean(added, axis=1, keepdims=True)
    added = np.where(np.isnan(added), usual, added)
    past, ahead = np.zeros((rows.size, columns)), np.zeros((rows.size, ends.size, horizon))
    for month, end in enumerate(ends):
        for place, day in enumerate(end + NEAR):
            if 0 <= day < columns:
                past[:, day] = added[:, month, place]
            elif columns <= day < columns + horizon:
                ahead[:, :, day - columns] = added[:, :, place]
    # A month of which nothing is known says the usual, as often as there are such months.
    seen = np.flatnonzero(ends + NEAR[-1] < columns)
    return Monthly(rows, past, np.ascontiguousarray(ahead[:, seen]))


def _added(values: Floats, first: Ints, ends: Ints) -> Floats:
    """Return by how much days around month ends exceed the mean of ordinary days nearby, float64 (C, M, 4).

    NaN where a day is not known, lies ahead, or has no ordinary days on both sides.
    """
    columns = values.shape[1]
    out = np.full((values.shape[0], ends.size, NEAR.size), np.nan)
    for month, end in enumerate(ends):
        if end - FAR < 0 or end + NEAR[-1] >= columns:
            continue
        around = np.arange(end - FAR, min(end + FAR + 2, columns))
        ordinary = values[:, around[~np.isin(around, end + NEAR)]]
        count = (~np.isnan(ordinary)).sum(axis=1)
        mean = np.nansum(ordinary, axis=1) / np.where(count > 0, count, np.nan)
        told = (end - FAR >= first)[:, None]
        out[:, month] = np.where(told, values[:, end + NEAR] - mean[:, None], np.nan)
    return out
