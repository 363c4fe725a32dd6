"""A history described by a trend, dated level shifts and seasons, fitted together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from capforecast.calendar import last_of_month, weekday
from capforecast.kernels.trend import slopes
from capforecast.panel import Floats, Ints

MOST_SHIFTS = 6
LEAST_FOR_WEEK = 21
LEAST_FOR_KNOT = 40
KNOT_MARGIN = 10
"""Steps on either side of a bend of the trend."""

KNOT_GAIN = 0.5
"""A bend must take so much of the squared residuals."""

WEEK_GAIN = 0.3
"""Weekdays must take so much of the mean distance from the running level."""

SHIFT_SPREADS = 3.0
"""A shift must be so many times as large as what is left over usually is."""

TAKEN_BACK = 0.15
"""A shift takes the one before it back when no more than this share of it is left."""

ROUNDS = 20
HUBER = 1.345
MAD = 1.4826


@dataclass(frozen=True, slots=True)
class Fit:
    """What was fitted to n steps.

    Attributes
    ----------
    start, rise : float
        Level of the trend at the first step, and what it adds until the last.
    slope : float
        What it adds per step at the end.
    knot : int or None
        Step at which it bends.
    places, shifts : list
        First steps of the lasting jumps, oldest first, and their sizes.
    week : float64 (7,)
        Effects of the weekdays, Monday first; their sum is zero.
    month : float
        Effect of the last day of a month.
    spread : float
        Usual size of what is left over.
    """

    start: float
    rise: float
    slope: float
    knot: int | None
    places: list[int]
    shifts: list[float]
    week: Floats
    month: float
    spread: float

    def in_force(self) -> list[tuple[int, float]]:
        """Return the shifts that no later one took back."""
        kept: list[tuple[int, float]] = []
        for at, size in zip(self.places, self.shifts, strict=True):
            if kept and abs(kept[-1][1] + size) <= TAKEN_BACK * abs(size):
                kept.pop()
            else:
                kept.append((at, size))
        return kept


@dataclass(frozen=True, slots=True)
class _Seasons:
    """Columns of the design for weekdays (n, 6 or 0) and last days of months (n, 1 or 0), and first guesses of both."""

    week: Floats
    month: Floats
    guess: Floats

    @classmethod
    def of(cls, y: Floats, days: Ints, step_days: int) -> _Seasons:
        """Find which seasons stand out of the running median."""
        n = y.size
        none = cls(np.empty((n, 0)), np.empty((n, 0)), np.zeros(n))
        if step_days > 1 or n < LEAST_FOR_WEEK:
            return none
        around = y - _running_median(y, 15)
        ends = last_of_month(days)
        guess, month = np.zeros(n), none.month
        spread = MAD * float(np.median(np.abs(around)))
        raised = around[ends]
        if raised.size >= 2 and abs(float(np.median(raised))) > 0.0:
            up = raised * np.sign(np.median(raised))
            if up.min() > 2.0 * spread and np.median(up) > 4.0 * spread:
                month = ends[:, None].astype(np.float64)
                guess += np.where(ends, np.median(raised), 0.0)
        rest = around - guess
        effect = np.array([np.median(rest[weekday(days) == day]) for day in range(7)])
        effect -= effect.mean()
        before, after = _spread(rest), _spread(rest - effect[weekday(days)]) * n / (n - 6)
        if before == 0.0 or after > (1.0 - WEEK_GAIN) * before:
            return cls(none.week, month, guess)
        # The seventh effect is minus the sum of the six others.
        codes = np.vstack([np.eye(6), -np.ones(6)])
        return cls(codes[weekday(days)], month, guess + effect[weekday(days)])


def _spread(levels: Floats) -> float:
    """Return the mean distance from the median."""
    return float(np.abs(levels - np.median(levels)).mean())


def _running_median(y: Floats, width: int) -> Floats:
    half = width // 2
    return np.array([np.median(y[max(t - half, 0) : t + half + 1]) for t in range(y.size)])


def fitted(y: Floats, days: Ints, step_days: int) -> Fit:
    """Describe levels by trend, shifts and seasons.

    Parameters
    ----------
    y : float64 (n,)
        Levels without gaps, of a size near one.
    days : int64 (n,)
        Their days since the epoch.
    step_days : int
        Days between them; seasons are looked for where it is one.
    """
    n = y.size
    seasons = _Seasons.of(y, days, step_days)
    places = _jumps(y - seasons.guess)
    found = _solved(y, places, None, seasons)
    kept = [at for at, size in zip(places, found.shifts, strict=True) if abs(size) > SHIFT_SPREADS * found.spread]
    if len(places) > 1 and _undone(found, n):
        kept = []
    if kept != places:
        places, found = kept, _solved(y, kept, None, seasons)
    knot = _knot(y, places, seasons) if n >= LEAST_FOR_KNOT else None
    if knot is not None:
        found = _solved(y, places, knot, seasons)
    return found


def month_stands_out(y: Floats, days: Ints, step_days: int) -> bool:
    """Tell whether the last days of months stand out of levels; see `fitted`."""
    return bool(_Seasons.of(y, days, step_days).month.any())


def _undone(found: Fit, n: int) -> bool:
    """Tell whether the trend takes back what jumps bring: a sawtooth."""
    return found.slope * sum(found.shifts) < 0.0 and abs(found.slope) * n > 0.5 * abs(sum(found.shifts))


def _jumps(y: Floats) -> list[int]:
    """Return where lasting jumps are, oldest first; none where there are more than a few."""
    places: list[int] = []
    known, first = y.size, np.zeros(1, np.int64)
    slope, change = np.empty(1), np.empty(1, np.int64)
    while len(places) <= MOST_SHIFTS:
        slopes(np.ascontiguousarray(y[None, :known]), first, y.size, 2, slope, change)
        at = int(change[0])
        if at <= 0:
            return places[::-1]
        places.append(at)
        known = at
    return []


def _design(n: int, places: Sequence[int], knot: int | None, seasons: _Seasons) -> Floats:
    """Return the columns: one, time, time since the bend, steps, month, week."""
    t = np.arange(n, dtype=np.float64) / max(n - 1, 1)
    columns = [np.ones(n), t]
    if knot is not None:
        columns.append(np.maximum(t - t[knot], 0.0))
    columns += [(np.arange(n) >= at).astype(np.float64) for at in places]
    return np.column_stack([*columns, seasons.month, seasons.week])


def _solved(y: Floats, places: Sequence[int], knot: int | None, seasons: _Seasons) -> Fit:
    """Fit all parts together, robustly."""
    n = y.size
    design = _design(n, places, knot, seasons)
    if n < 3:
        design[:, 1:] = 0.0
    found = _huber(design, y)
    bends = int(knot is not None)
    rise, slope = float(found[1]), float(found[1]) / max(n - 1, 1)
    if knot is not None:
        rise += float(found[2]) * (n - 1 - knot) / (n - 1)
        slope += float(found[2]) / (n - 1)
    at = 2 + bends
    shifts = [float(c) for c in found[at : at + len(places)]]
    at += len(places)
    month = float(found[at]) if seasons.month.shape[1] else 0.0
    six = found[at + seasons.month.shape[1] :]
    week = np.append(six, -six.sum()) if six.size else np.zeros(7)
    apart = np.abs(y - design @ found)
    spread = max(MAD * float(np.median(apart)), float(apart.mean()))
    return Fit(float(found[0]), rise, slope, knot, list(places), shifts, week, month, spread)


def _huber(design: Floats, y: Floats) -> Floats:
    """Return the coefficients of robust least squares: large residuals count by their size, not its square."""
    root: Floats = np.ones(y.size)
    found: Floats = np.zeros(design.shape[1])
    for _ in range(ROUNDS):
        found = np.linalg.lstsq(design * root[:, None], y * root, rcond=1e-10)[0].astype(np.float64)
        apart = np.abs(y - design @ found)
        spread = MAD * float(np.median(apart))
        if spread < 1e-12:
            break
        root = np.sqrt(np.minimum(1.0, HUBER * spread / np.maximum(apart, 1e-300)))
    return found


def _knot(y: Floats, places: Sequence[int], seasons: _Seasons) -> int | None:
    """Return where a bend of the trend takes most of the squared residuals, if it takes enough."""

    def left(knot: int | None) -> float:
        design = _design(y.size, places, knot, seasons)
        found = np.linalg.lstsq(design, y, rcond=1e-10)[0]
        return float(((y - design @ found) ** 2).sum())

    straight = left(None)
    if straight <= 1e-20 * y.size:
        return None
    least = {knot: left(knot) for knot in range(KNOT_MARGIN, y.size - KNOT_MARGIN)}
    best = min(least, key=lambda knot: least[knot])
    return best if least[best] <= (1.0 - KNOT_GAIN) * straight else None
