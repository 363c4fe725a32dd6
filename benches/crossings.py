"""Plain rules that say whether a series will cross a threshold, from what was measured before the cutoff.

Each rule takes a `Past` and returns a `Said`. A crossing is sustained when ``k`` buckets in a row are there and all at
or above the threshold; it starts at the first of them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from math import erf, sqrt

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

YEAR = 365
LEAST_KNOWN = 0.8
"""Share of the buckets of a past window that must have been measured."""


@dataclass(frozen=True)
class Past:
    """What is known at the cutoff, and what is asked.

    Attributes
    ----------
    values : float64 (n,)
        Mean per bucket up to the cutoff, NaN where nothing was measured.
    threshold : float
        Level that must not be reached.
    horizon : int
        Buckets ahead.
    k : int
        Buckets in a row that make a crossing.
    day : int
        Buckets of a day.
    """

    values: np.ndarray
    threshold: float
    horizon: int
    k: int
    day: int

    @cached_property
    def held(self) -> np.ndarray:
        """Level that was held from each bucket on for ``k`` of them, -inf where one is missing."""
        return held(self.values, self.k)

    @cached_property
    def stride(self) -> int:
        """Buckets between the past windows: an hour, or a day for daily data."""
        return max(self.day // 24, 1)

    @cached_property
    def origins(self) -> np.ndarray:
        """First buckets of the past windows, newest first: those that are over, with most of their buckets known."""
        last = self.values.size - self.horizon - (self.k - 1)
        found = np.arange(last, -1, -self.stride)
        known = np.concatenate(([0], np.cumsum(~np.isnan(self.values))))
        return found[known[found + self.horizon] - known[found] >= LEAST_KNOWN * self.horizon]

    @cached_property
    def windows(self) -> np.ndarray:
        """Held levels of each past window, (J, horizon)."""
        if not self.origins.size:
            return np.empty((0, self.horizon))
        return sliding_window_view(self.held, self.horizon)[self.origins]

    @cached_property
    def tops(self) -> np.ndarray:
        """Highest held level of each past window, (J,)."""
        return self.windows.max(axis=1) if self.origins.size else np.empty(0)

    def level(self, at: np.ndarray, span: int) -> np.ndarray:
        """Return the mean of the buckets before each of some moments; NaN where none was measured."""
        known = ~np.isnan(self.values)
        total = np.concatenate(([0.0], np.cumsum(np.where(known, self.values, 0.0))))
        count = np.concatenate(([0], np.cumsum(known)))
        first = np.maximum(at - span, 0)
        size = count[at] - count[first]
        return np.where(size > 0, (total[at] - total[first]) / np.maximum(size, 1), np.nan)


@dataclass(frozen=True)
class Said:
    """Answer of a rule.

    Attributes
    ----------
    p : float
        Probability of a crossing.
    rank : float
        Orders cases; larger is more likely.
    after : float
        Buckets to the crossing, NaN where none is said.
    """

    p: float
    rank: float
    after: float = float("nan")


Rule = Callable[[Past], Said]


def held(values: np.ndarray, k: int) -> np.ndarray:
    """Return the level held for ``k`` steps from each step on, along the last axis, -inf where one is missing."""
    low = values[..., : values.shape[-1] - k + 1]
    for i in range(1, k):
        low = np.minimum(low, values[..., i : values.shape[-1] - k + 1 + i])
    return np.where(np.isnan(low), -np.inf, low)


def shared(levels: np.ndarray, threshold: np.ndarray | float) -> Said:
    """Return the share of possible futures, held levels (J, H), that reach a threshold, and when half of them have."""
    if not len(levels):
        return Said(0.0, 0.0)
    over = levels >= np.reshape(threshold, (-1, 1))
    met = over.any(axis=1)
    p = float(met.mean())
    if p < 0.5:
        return Said(p, p)
    first = np.sort(np.where(met, over.argmax(axis=1), levels.shape[1]))
    return Said(p, p, float(first[(met.size - 1) // 2]))


def climatology(past: Past) -> Said:
    """Return the share of past windows of the horizon's length that held a crossing."""
    return shared(past.windows, past.threshold)


def quiet_climatology(past: Past) -> Said:
    """Return the same share over those past windows before which it was quiet, as it is now."""
    span = max(past.day // 12, 1)
    before = np.concatenate((np.full(span, -np.inf), np.where(np.isnan(past.values), -np.inf, past.values)))
    quiet = sliding_window_view(before, span).max(axis=1)[past.origins] < past.threshold
    return shared(past.windows[quiet], past.threshold)


def level_adjusted(scaled: bool = False) -> Rule:
    """Return the share over the past windows of a year, moved from the level then to the level now.

    The level is the mean of a day; windows are moved by the difference or by the ratio of the two.
    """

    def rule(past: Past) -> Said:
        recent = past.origins >= past.values.size - past.horizon - YEAR * past.day
        now = past.level(np.array([past.values.size]), past.day)[0]
        then = past.level(past.origins, past.day)
        use = recent & np.isfinite(then) & np.isfinite(now)
        if scaled:
            use &= (then > 0) & bool(now > 0)
        threshold = past.threshold * then[use] / now if scaled else past.threshold + then[use] - now
        return shared(past.windows[use], threshold)

    return rule


def recency(past: Past) -> Said:
    """Say that a crossing comes when the last one is not longer ago than the horizon."""
    met = np.flatnonzero(past.held >= past.threshold)
    if not met.size:
        return Said(0.0, -np.inf)
    since = float(past.values.size - met[-1])
    return Said(float(since <= past.horizon), -since)


def last_value(past: Past) -> Said:
    """Say that the last level stays."""
    over = float(past.values[~np.isnan(past.values)][-1]) - past.threshold
    return Said(float(over >= 0), over / (abs(past.threshold) or 1.0), 0.0 if over >= 0 else float("nan"))


def line(values: np.ndarray) -> tuple[float, float, float]:
    """Return level at the end, growth per bucket and standard error of the least-squares line; NaN of one point."""
    known = np.flatnonzero(~np.isnan(values))
    if known.size < 2:
        return float("nan"), float("nan"), float("nan")
    t, y = known - float(values.size), values[known]
    mid, mean = t.mean(), y.mean()
    slope = float(((t - mid) * (y - mean)).sum() / ((t - mid) ** 2).sum())
    error = y - mean - slope * (t - mid)
    return float(mean - slope * mid), slope, float(np.sqrt((error**2).sum() / max(known.size - 2, 1)))


def time_left(now: float, slope: float, threshold: float) -> float:
    """Return the buckets until a line reaches the threshold; infinite where it never will or has already."""
    return (threshold - now) / slope if slope > 0 and now < threshold else float("inf")


def predict_linear(days: float) -> Rule:
    """Extend the line through the last days to the end of the horizon, as Prometheus does.

    Prometheus alerts when it ends at or above the threshold. To do it justice, cases are ranked by where the line ends,
    and the probability is that of a normal error of the size of the line's own residuals.
    """

    def rule(past: Past) -> Said:
        now, slope, error = line(past.values[-max(round(days * past.day), 1) :])
        if np.isnan(now):
            return Said(0.0, -np.inf)
        over = now + slope * past.horizon - past.threshold
        left = time_left(now, slope, past.threshold)
        p = 0.5 * (1.0 + erf(over / error / sqrt(2.0))) if error > 0 else float(over >= 0)
        return Said(p, over / (abs(past.threshold) or 1.0), left if left < past.horizon else float("nan"))

    return rule


def timeleft(days: float) -> Rule:
    """Ask when the line through the last days reaches the threshold, as Zabbix does: certain within the horizon."""

    def rule(past: Past) -> Said:
        now, slope, _ = line(past.values[-max(round(days * past.day), 1) :])
        left = time_left(now, slope, past.threshold) if not np.isnan(now) else float("inf")
        return Said(float(left <= past.horizon), -left, left if left < past.horizon else float("nan"))

    return rule


def seasonal_naive(days: int) -> Rule:
    """Repeat the last days, plus whole stretches of the errors that this made over the past year."""

    def rule(past: Past) -> Said:
        season, n, steps = days * past.day, past.values.size, np.arange(past.horizon + past.k - 1)
        origins = np.arange(n - steps.size, season - 1, -past.day)[:YEAR]
        if n < season or not origins.size:
            return Said(0.0, 0.0)
        copied = steps % season - season
        error = past.values[origins[:, None] + steps] - past.values[origins[:, None] + copied]
        paths = past.values[n + copied] + error
        known = (~np.isnan(paths)).mean(axis=1) >= LEAST_KNOWN
        return shared(held(paths[known], past.k), past.threshold)

    return rule


LINES = {"6 h": 0.25, "24 h": 1.0, "7 d": 7.0, "30 d": 30.0}
"""Stretches of history that lines are drawn through, days."""

RULES: dict[str, Rule] = {
    "climatology": climatology,
    "climatology when quiet": quiet_climatology,
    "level-adjusted climatology": level_adjusted(),
    "the same by ratio": level_adjusted(scaled=True),
    **{f"predict_linear {name}": predict_linear(days) for name, days in LINES.items()},
    **{f"timeleft {name}": timeleft(days) for name, days in LINES.items()},
    "last value": last_value,
    "last crossing": recency,
    "seasonal naive, day": seasonal_naive(1),
    "seasonal naive, week": seasonal_naive(7),
}
