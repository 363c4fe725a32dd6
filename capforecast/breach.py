"""Paths times thresholds: probabilities and dates of breaches, as arrays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from capforecast.calendar import day_up_to
from capforecast.kernels.grid import path_peaks
from capforecast.kernels.passage import couple, passage, path_maxima
from capforecast.kernels.quantiles import weighted_quantiles
from capforecast.panel import DAY_US, Floats, Forecast, Ints

BAND = (0.1, 0.5, 0.9)
"""Quantiles of dates and levels that are published."""

SPANS = (7, 30, 90)
"""Days ahead within which the probabilities of a crossing are published."""

NEEDED_DAYS = 90
"""Days for which the capacity that is needed has to last."""


@dataclass(frozen=True, slots=True)
class Outlook:
    """Sustained peaks per day of the possible futures of some series, high hurts.

    Attributes
    ----------
    peaks : float64 (S, P, D)
        Peak of each path per day.
    weights : float64 (S, P)
        Probability of each path.
    """

    peaks: Floats
    weights: Floats

    @property
    def days(self) -> int:
        """Days ahead."""
        return int(self.peaks.shape[2])


def outlook(result: Forecast, recent: Floats, k: int, n: int) -> Outlook:
    """Reduce the paths of a forecast to sustained peaks per day (per step, where a step is a day or more).

    Parameters
    ----------
    result : Forecast
        Paths of S series.
    recent : float64 (S, n - 1)
        Newest measured levels.
    k, n : int
        A crossing is sustained when k of n consecutive steps are beyond the threshold; steps of a day
        or more hold peaks that are sustained already.
    """
    if result.step_us >= DAY_US:
        repeat = result.step_us // DAY_US
        peaks = np.repeat(result.paths, repeat, axis=2) if repeat > 1 else result.paths
        return Outlook(peaks, result.path_weights)
    per_day = DAY_US // result.step_us
    peaks = np.empty((*result.paths.shape[:2], result.paths.shape[2] // per_day))
    path_peaks(np.ascontiguousarray(recent), result.paths, result.path_weights, per_day, k, n, peaks)
    return Outlook(peaks, result.path_weights)


def joined(near: Outlook, far: Outlook, coarse: np.ndarray | None = None) -> Outlook:
    """Continue futures on a fine step with futures on a coarse one, high ones with high ones.

    Parameters
    ----------
    near, far : Outlook
        Futures of S series.
    coarse : bool (S,), optional
        Series of which only the coarse futures count.
    """
    count = near.peaks.shape[1] + far.peaks.shape[1]
    peaks = np.empty((far.peaks.shape[0], count, far.days))
    weights = np.empty(peaks.shape[:2])
    couple(near.peaks, near.weights, far.peaks, far.weights, peaks, weights)
    if coarse is not None and coarse.any():
        most = far.peaks.shape[1]
        peaks[coarse, :most], weights[coarse, :most] = far.peaks[coarse], far.weights[coarse]
        peaks[coarse, most:], weights[coarse, most:] = np.nan, 0.0
    return Outlook(peaks, weights)


def probabilities(future: Outlook, owner: Ints, threshold: Floats) -> Floats:
    """Return P(first sustained crossing by day d), float64 (R, D), for each threshold.

    Parameters
    ----------
    future : Outlook
        Futures over D days.
    owner : int64 (R,)
        Series of each threshold.
    threshold : float64 (R,)
        Levels, high hurts.
    """
    out = np.empty((owner.size, future.days))
    passage(future.peaks, future.weights, owner, threshold, out)
    return out


def seen_from(future: Outlook, owner: Ints, threshold: Floats) -> Outlook:
    """Return futures as thresholds that change see them: each as if it stayed at its level of now.

    Parameters
    ----------
    future : Outlook
        Futures over D days.
    owner : int64 (R,)
        Series of each threshold.
    threshold : float64 (R, 1 + D)
        Levels now and on each day ahead, high hurts; infinite where there is none.

    Returns
    -------
    Outlook
        One series per threshold. A day's peak is as far from the level of now as it is from the level of
        its day.
    """
    now, then = threshold[:, :1, None], threshold[:, None, 1:]
    peaks = future.peaks[owner]
    with np.errstate(invalid="ignore"):
        moved = now + (peaks - then)
    # Rounding must not carry a peak over a threshold that it does not reach, nor keep one that it meets.
    moved = np.where(peaks >= then, np.maximum(moved, now), np.minimum(moved, np.nextafter(now, -np.inf)))
    return Outlook(np.where(np.isnan(peaks), np.nan, moved), future.weights[owner])


def dated(
    future: Outlook, owner: Ints, threshold: Floats, target: float, days: int | None = None
) -> tuple[Floats, Floats]:
    """Return probabilities and the level needed now of thresholds that change, float64 (R, D) and (R,).

    As `probabilities` and `level_needed` with the arguments of `seen_from`; the changes come on top of the
    level needed now.
    """
    seen = seen_from(future, owner, threshold)
    cumulative = probabilities(seen, np.arange(owner.size), np.ascontiguousarray(threshold[:, 0]))
    return cumulative, level_needed(seen, target, days)


def days_to(cumulative: Floats, probability: float) -> Floats:
    """Return the first day, counted from 1, by which the probability is reached; NaN beyond the horizon."""
    reached = cumulative >= probability - 1e-12
    return np.where(reached.any(axis=1), reached.argmax(axis=1) + 1.0, np.nan)


def date_by(cumulative: Floats, probability: float, as_of_us: int) -> Floats:
    """Return the date by which the probability is reached, in days since the epoch; NaN beyond the horizon.

    Parameters
    ----------
    cumulative : float64 (R, D)
        Probability of a crossing by each day ahead.
    probability : float
        What is reached.
    as_of_us : int
        Where the days ahead begin; they are called by the dates of their middles, as in the table forecasts.
    """
    return day_up_to(as_of_us) + days_to(cumulative, probability)


def levels(near: Outlook | None, far: Outlook, coarse: np.ndarray | None = None) -> Floats:
    """Return the published quantiles of the peak of each day ahead, float64 (S, D, 3).

    The first days are those of the fine paths, where there are any: joining them with coarse ones changes
    nothing on a single day. Where only the `coarse` futures count, bool (S,), they are those of these.
    """
    out = np.empty((far.peaks.shape[0], far.days, len(BAND)))
    first = 0
    if near is not None:
        first = near.days
        lead = np.empty((out.shape[0], first, len(BAND)))
        weighted_quantiles(near.peaks, near.weights, np.array(BAND), 0, lead)
        out[:, :first] = lead
    if first < far.days:
        rest = np.empty((out.shape[0], far.days - first, len(BAND)))
        weighted_quantiles(far.peaks, far.weights, np.array(BAND), first, rest)
        out[:, first:] = rest
    if first and coarse is not None and coarse.any():
        out[coarse] = levels(None, Outlook(far.peaks[coarse], far.weights[coarse]))
    return out


def level_needed(future: Outlook, target: float, days: int | None = None) -> Floats:
    """Return the level that the futures exceed with probability `target` within some days, float64 (S,).

    Without `days`, and where the horizon is no farther, within the horizon.
    """
    out = np.empty(future.peaks.shape[0])
    path_maxima(np.ascontiguousarray(future.peaks[:, :, :days]), future.weights, target, out)
    return out


def chance_quantiles(values: Floats, weights: Floats, probabilities: Sequence[float]) -> Floats:
    """Return the least values that so much of the probability lies at or below; inf where nothing does.

    Parameters
    ----------
    values, weights : float64 (P,)
        One value per path, and the probability of the path; those without weight do not count.
    probabilities : sequence of float
        Inside (0, 1].
    """
    held = weights > 0.0
    order = np.argsort(values[held], kind="stable")
    sums = np.cumsum(weights[held][order])
    places = np.searchsorted(sums, np.array(probabilities) - 1e-12)
    return np.append(values[held][order], np.inf)[np.minimum(places, sums.size)]


def growth_needed(peaks: Floats, weights: Floats, threshold: float | Floats, days: int, chance: float) -> float:
    """Return by how much more a day the futures must grow to cross a threshold within some days.

    A future with the peak m(d) on day d that grows by g a day more crosses the threshold L exactly for g of
    min over d of (L - m(d)) / d and more: the result is the quantile of these.

    Parameters
    ----------
    peaks, weights : float64 (P, D), float64 (P,)
        One series of an `Outlook`.
    threshold : float or float64 (D,)
        Level, or level of each day, high hurts.
    days : int
        Days within which it is crossed, at least 1.
    chance : float
        Probability with which it is.

    Returns
    -------
    float
        Growth per day on top of that of the futures; negative when they would cross with less.
    """
    level = np.broadcast_to(np.asarray(threshold, float), peaks.shape[1:])
    least = ((level - peaks)[:, :days] / np.arange(1, days + 1)).min(axis=1)
    return float(chance_quantiles(least, weights, (chance,))[0])
