"""Forecasts of the nights before that still hold: what is kept of a forecast, and when it may be used again.

A forecast is used again, moved on by the days that have passed, while nothing speaks against it: what came
since lay inside the band that was foretold (near it where no threshold of the series has a breach date), no
value came late, and it is not older than some nights. All else is fitted anew.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from capforecast.panel import Floats, Ints
from capforecast.scores import LEGS, MIX, Records

MARGIN = 1.0
"""How far beyond the 80 % band a day may lie, in widths of its upper or lower half, where no breach is near."""

DATED = 0.1
"""Probability of a breach within the horizon from which a threshold has a date."""

WEEK = 7


def kept_type(days: int) -> np.dtype[np.void]:
    """Return the record of one item's forecast over so many days.

    `fitted_us` is the moment of the forecast, `known` how many of the steps before it held a value, and the
    rest is as in `capforecast.outcome.Outcome`, as of then.
    """
    return np.dtype(
        [
            ("sid", np.int32), ("below", bool), ("fitted_us", np.int64), ("known", np.int64),
            *((name, np.float64) for name in ("growth", "change_days", "gap", "skill", "coverage", "needed")),
            ("pattern", np.int8), ("constant", bool),
            ("clean_ups", np.int32), ("ceiling", np.float64), ("peak_hours", np.int8, (2,)),
            ("mixes", MIX, (LEGS,)), ("quantiles", np.float32, (days, 3)),
        ]
    )  # fmt: skip


def crossing_type(days: int) -> np.dtype[np.void]:
    """Return the record of one threshold: place of its item, its level and P(first crossing by each day)."""
    return np.dtype([("item", np.int32), ("level", np.float64), ("cumulative", np.float32, (days,))])


@dataclass(frozen=True, slots=True)
class Kept:
    """What is kept of the items of a shard.

    Attributes
    ----------
    age : int64 (I,)
        Days since each item was fitted; 0 where nothing is kept.
    items : kept_type (I,)
        The forecasts; their members are numbered by `names`.
    cumulative : float32 (R, D)
        Of each threshold, as of the day of the fit.
    scores : SCORE
        Of items, by place.
    names : list of str
        Members.
    """

    age: Ints
    items: Records
    cumulative: np.ndarray
    scores: Records
    names: list[str]


def moved_quantiles(quantiles: np.ndarray, age: int) -> Floats:
    """Return quantiles as of some days later, float64 (I, D, 3).

    Beyond the horizon they go on as the last week did: the same days, risen by what they rose in a week.
    """
    days = int(quantiles.shape[1])
    out = np.empty((quantiles.shape[0], days, 3))
    out[:, : max(days - age, 0)] = quantiles[:, age:]
    week = min(WEEK, days)
    shift = np.zeros((out.shape[0], 3)) if days <= week else quantiles[:, -1] - quantiles[:, -1 - week]
    for day in range(max(days - age, 0), days):
        beyond = day + age - days
        source = days - week + beyond % week
        out[:, day] = quantiles[:, source] + (beyond // week + 1) * shift
    # Bands that widen unevenly could cross.
    out.sort(axis=2)
    return out


def moved_probabilities(cumulative: np.ndarray, age: int) -> Floats:
    """Return P(first crossing by each day) as of some days later, when none has come, float64 (R, D).

    P(T <= d + a | T > a) = (F(d + a) - F(a)) / (1 - F(a)); beyond the horizon F rises as in its last week.
    """
    given = np.asarray(cumulative, np.float64)
    days = given.shape[1]
    week = min(WEEK, days - 1)
    rise = (given[:, -1] - given[:, -1 - week]) / max(week, 1)
    beyond = given[:, -1:] + rise[:, None] * np.arange(1, age + 1)
    longer = np.minimum(np.concatenate([given, beyond], axis=1), 1.0)
    sure = longer[:, age - 1 : age]
    with np.errstate(invalid="ignore", divide="ignore"):
        later = (longer[:, age:] - sure) / (1.0 - sure)
    return np.where(sure < 1.0, later, 1.0)


def foretold(quantiles: np.ndarray, peaks: Floats, margin: Floats) -> np.ndarray:
    """Tell which items' newest daily peaks lay inside the band of the first days or near it, bool (I,).

    Parameters
    ----------
    quantiles : (I, D, 3)
        As of the fit.
    peaks : float64 (I, A)
        Of the days since; NaN where nothing was measured.
    margin : float64 (I,)
        How far beyond they may lie, in widths of the upper or lower half of the band.
    """
    low, middle, high = np.moveaxis(quantiles[:, : peaks.shape[1]].astype(np.float64), 2, 0)
    # Quantiles are kept in single precision.
    slack, wider = 1e-6 * np.abs(middle), margin[:, None]
    with np.errstate(invalid="ignore"):
        outside = (peaks > high + wider * (high - middle) + slack) | (peaks < low - wider * (middle - low) - slack)
    inside: np.ndarray = ~outside.any(axis=1)
    return inside


def undated(cumulative: np.ndarray, owner: Ints, items: int) -> np.ndarray:
    """Tell which of some items have no threshold with a breach date, bool (items,)."""
    out = np.ones(items, bool)
    out[owner[~(cumulative[:, -1] < DATED)]] = False
    return out
