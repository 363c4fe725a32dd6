"""Noiseless shapes of resources over time.

A shape is a function of the clock alone. It reaches into the future as well, which is what makes
the true day of a breach known.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from capforecast.simulate.clock import Clock, Floats
from capforecast.times import DAY_US

Shape = Callable[[Clock], Floats]

_WEEKEND = 5


def constant(level: float) -> Shape:
    """Return a shape that never moves."""
    return lambda c: np.full(c.day.size, level)


def ramp(at_end: float, per_day: float, floor: float = 0.0) -> Shape:
    """Return a straight line through `at_end` at the end of the history, never below `floor`."""
    return lambda c: np.maximum(floor, at_end + per_day * c.day)


def steps(level: float, changes: tuple[tuple[float, float], ...]) -> Shape:
    """Return `level` plus every (day, size) change from its day on."""

    def shape(c: Clock) -> Floats:
        out = np.full(c.day.size, level)
        for day, size in changes:
            out[c.day >= day] += size
        return out

    return shape


def total(*parts: Shape) -> Shape:
    """Return the sum of shapes."""

    def shape(c: Clock) -> Floats:
        out = np.zeros(c.day.size)
        for part in parts:
            out += part(c)
        return out

    return shape


def scaled(by: Shape, part: Shape) -> Shape:
    """Return the product of two shapes."""
    return lambda c: by(c) * part(c)


def season(low: float, high: float, *, peak_hour: float = 14.0, weekend: float = 1.0) -> Shape:
    """Return a daily wave between `low` and `high`; on weekends it rises to a share of that only."""

    def shape(c: Clock) -> Floats:
        wave = 0.5 + 0.5 * np.cos((c.hour - peak_hour) * (2 * np.pi / 24))
        return low + (high - low) * wave * np.where(c.weekday >= _WEEKEND, weekend, 1.0)

    return shape


def office(low: float, high: float, *, opens: float = 8.0, closes: float = 18.0) -> Shape:
    """Return a plateau in the opening hours of the local wall clock, Monday to Friday."""

    def shape(c: Clock) -> Floats:
        inside = np.minimum(c.local_hour - opens, closes - c.local_hour)
        rise = np.clip(inside + 0.5, 0.0, 1.0)
        return low + (high - low) * rise * (c.local_weekday < _WEEKEND)

    return shape


def nightly(base: float, peak: float, *, hour: float = 2.0, width_hours: float = 0.75) -> Shape:
    """Return a bell of the given width every day around `hour` (UTC)."""

    def shape(c: Clock) -> Floats:
        away = (c.hour - hour + 12.0) % 24.0 - 12.0
        return base + (peak - base) * np.exp(-0.5 * (away / width_hours) ** 2)

    return shape


def month_end(base: float, peak: float) -> Shape:
    """Return `base`, and a half-day bell up to `peak` on the last day of each month."""

    def shape(c: Clock) -> Floats:
        bell = np.sin(c.hour * (np.pi / 24)) ** 2
        return base + (peak - base) * bell * c.month_end

    return shape


def sawtooth(floor: float, rise: float, *, every_days: int, floor_per_day: float = 0.0) -> Shape:
    """Return a level that climbs by `rise` and is cleaned up every so many days at midnight UTC.

    `floor` is what a clean-up at the end of the history would leave; each clean-up before it leaves
    `floor_per_day` less per day, each one after it more.
    """

    def shape(c: Clock) -> Floats:
        since = (c.ts_us % (every_days * DAY_US)) / DAY_US
        return floor + floor_per_day * (c.day - since) + rise * since / every_days

    return shape
