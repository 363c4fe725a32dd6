"""Scores of the breach bench alone: how well calibrated, what warning of the likeliest brings, how far dates are off.

Cases are rows, with arguments as in `capforecast.event_scores`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from capforecast.event_scores import ranked

BINS = 10


@dataclass(frozen=True)
class Alerts:
    """What comes of warning of the likeliest cases, up to a share of all.

    Attributes
    ----------
    precision : float
        Share of the warnings that came true.
    recall : float
        Share of the events that were warned of.
    lead : float
        Median time from the cutoff to the event, over the warnings that came true; NaN without any.
    """

    precision: float
    recall: float
    lead: float


def calibration_error(hit: np.ndarray, p: np.ndarray, weight: np.ndarray) -> float:
    """Return the mean distance between what was said and what came, over ten bins of probability of one width."""
    place = np.minimum((p * BINS).astype(np.int64), BINS - 1)
    gap = np.bincount(place, weight * (p - hit), BINS)
    return float(np.abs(gap).sum() / weight.sum())


def alerts(hit: np.ndarray, rank: np.ndarray, weight: np.ndarray, lead: np.ndarray, share: float) -> Alerts:
    """Return what comes of warning of the likeliest cases, up to a share of the whole weight.

    Cases of one rank of which not all fit are warned of in part, as if drawn by lot among them. ``lead`` is the
    time to the event, NaN where there was none.
    """
    place, count = ranked(rank)
    size = np.bincount(place, weight, count)
    left = np.clip(share * weight.sum() - (np.cumsum(size) - size), 0.0, size)
    warned = weight * (left / size)[place]
    true = warned * hit
    events = (weight * hit).sum()
    return Alerts(
        float(true.sum() / warned.sum()),
        float(true.sum() / events) if events > 0 else float("nan"),
        weighted_median(lead[true > 0], true[true > 0]),
    )


def weighted_median(values: np.ndarray, weight: np.ndarray) -> float:
    """Return the smallest value that holds half of the weight at or below it; NaN of nothing."""
    if not values.size:
        return float("nan")
    order = np.argsort(values, kind="stable")
    total = np.cumsum(weight[order])
    return float(values[order][np.searchsorted(total, total[-1] / 2)])


def date_error(lead: np.ndarray, said: np.ndarray, horizon: float, weight: np.ndarray) -> float:
    """Return the censored date error, as a share of the horizon: 0 is perfect, 1 as wrong as can be.

    It is the mean of ``|min(said, horizon) - min(lead, horizon)| / horizon``: what lies beyond the horizon, or
    never came or was not said (NaN), counts as the end of the horizon. So a missed event costs the time that was
    left after it, a false date the time from it to the end, and no answer beyond the horizon is rewarded.
    """
    came, told = (np.clip(np.where(np.isnan(part), horizon, part), 0.0, horizon) for part in (lead, said))
    return float(np.average(np.abs(told - came), weights=weight) / horizon)
