"""Past windows of many series: which origins are drawn, what was known there, and whether a crossing followed.

Windows are drawn by a hash of names and time, so that what is drawn depends neither on the order of rows nor on
what comes later.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import blake2b

import numpy as np

from capforecast.kernels.features import FEATURES, window_features
from capforecast.learned import log_odds
from capforecast.panel import DAY_US, HOUR_US, Floats, Ints

INPUTS = ("paths", *FEATURES, "hour", "weekday", "highest_just_now")
"""Names of the inputs that are learned from."""

MOST_ORIGINS = 8_000
"""Origins that are drawn by any one moment."""

SPACING_FINE_US, SPACING_DAILY_US = 6 * HOUR_US, 7 * DAY_US
"""Distance of origins, for steps below a day and others."""

LEAST_FINE, LEAST_DAILY = 12, 30
"""Steps that must be known before an origin."""

KNOWN_SHARE = 0.8
"""Share of a window's steps that must be known."""

QUIET_US = 2 * HOUR_US
"""The question is asked of levels that were below the threshold for as long (at least one step)."""

SLACKS = (0.01, 0.7)
"""Thresholds that stand to the level at the origin are drawn with a slack between these, evenly in its logarithm."""

BLOCK = 64

Futures = Callable[[Floats, Ints, Ints, Ints, Floats], Floats]
"""From levels (B, T), ends in microseconds (B,), series places (B,), owners (R,) and thresholds (R,) to P(crossed by
step d), float64 (R, D)."""


@dataclass(frozen=True, slots=True)
class Fleet:
    """Sustained levels of series that are alike, high hurts.

    Attributes
    ----------
    levels : float64 (S, T)
        Left-aligned, NaN where missing.
    peaks : float64 (S, T)
        Highest levels however short, of the same shape.
    begin : int64 (S,)
        Number of the first step of each series, in steps since the epoch.
    step_us : int
        Width of a step.
    names : sequence of str
        Name of each series, for the draw.
    hosts : sequence of str
        Host of each series.
    thresholds : sequence of float64 (any,)
        Thresholds that watch each series, high hurts; empty where they stand to the level at the origin.
    """

    levels: Floats
    peaks: Floats
    begin: Ints
    step_us: int
    names: Sequence[str]
    hosts: Sequence[str]
    thresholds: Sequence[Floats]


@dataclass(frozen=True, slots=True)
class Windows:
    """Past windows of one metric kind and horizon.

    Attributes
    ----------
    inputs : tuple of str
        Names of the columns of `x`; the first is the log-odds of the paths.
    x : float64 (W, F)
        What was known at each origin, never NaN.
    crossed : bool (W,)
        Did the level cross within the horizon.
    series : int64 (W,)
        A number for each series.
    host : int64 (W,)
        A number for each host: odd ones are tested on what was learned from even ones and the other way round.
    origin_us, end_us : int64 (W,)
        Begin and end of each window.
    overlap : float
        Windows of one series that share a moment; 1 where they do not overlap.
    """

    inputs: tuple[str, ...]
    x: Floats
    crossed: np.ndarray
    series: Ints
    host: Ints
    origin_us: Ints
    end_us: Ints
    overlap: float = 1.0

    def rows(self, which: np.ndarray) -> Windows:
        """Return some of the windows."""
        return Windows(
            self.inputs, self.x[which], self.crossed[which], self.series[which], self.host[which],
            self.origin_us[which], self.end_us[which], self.overlap,
        )  # fmt: skip


def numbered(name: str) -> int:
    """Return a number of 63 bits that stands for a name everywhere."""
    return int.from_bytes(blake2b(name.encode(), digest_size=8).digest(), "little") >> 1


def shuffled(number: Ints, place: Ints) -> Ints:
    """Mix two numbers into one without pattern (splitmix64), 0 to 2**63 - 1."""
    z = number.astype(np.uint64) + (place.astype(np.uint64) + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    out: Ints = ((z ^ (z >> np.uint64(31))) >> np.uint64(1)).astype(np.int64)
    return out


@dataclass(frozen=True, slots=True)
class Questions:
    """Will the level cross a threshold within a horizon: one question per row.

    Attributes
    ----------
    row : int64 (W,)
        Series of each question, as a row of the levels that were known.
    threshold : float64 (W,)
        Its threshold, high hurts.
    steps : int64 (W,)
        Its steps ahead.
    end_us : int64 (W,)
        Its origin.
    just_now : float64 (W,)
        Highest level, however short, of the last QUIET_US; NaN where none is known.
    """

    row: Ints
    threshold: Floats
    steps: Ints
    end_us: Ints
    just_now: Floats


def described(levels: Floats, asked: Questions, step_us: int, paths: Floats) -> Floats:
    """Return the inputs of some questions.

    Parameters
    ----------
    levels : float64 (S, T)
        What was known, right-aligned at each origin, high hurts.
    asked : Questions
        The questions.
    step_us : int
        Width of a step.
    paths : float64 (W,)
        P(breach) by the paths.

    Returns
    -------
    float64 (W, len(INPUTS))
    """
    count = asked.row.size
    out = np.empty((count, len(INPUTS)))
    middle = np.empty((count, len(FEATURES)))
    ends = np.full(count, levels.shape[1])
    window_features(levels, asked.row, ends, asked.threshold, asked.steps, max(DAY_US // step_us, 1), middle)
    out[:, 0] = log_odds(paths)
    out[:, 1:-3] = middle
    out[:, -3] = asked.end_us % DAY_US // HOUR_US
    out[:, -2] = (asked.end_us // DAY_US + 3) % 7
    high = (asked.just_now - asked.threshold) / (np.abs(asked.threshold) + 1e-12)
    out[:, -1] = np.where(np.isnan(high), middle[:, FEATURES.index("level_now")], high)
    return out


def just_now(peaks: Floats, step_us: int) -> Floats:
    """Return the highest known level of the last QUIET_US (at least a step) before the end, float64 (S,)."""
    out: Floats = np.fmax.reduce(peaks[:, -max(QUIET_US // step_us, 1) :], axis=1)
    return out


def draw(fleet: Fleet, horizons: Sequence[int], moments: Sequence[int], span: int, futures: Futures) -> list[Windows]:
    """Draw windows that had ended by the last of some moments, as many by each of them as MOST_ORIGINS allows.

    Parameters
    ----------
    fleet : Fleet
        Series to draw from.
    horizons : sequence of int
        Rising lengths of windows, in steps.
    moments : sequence of int
        Rising moments in microseconds.
    span : int
        Steps before an origin that may be known.
    futures : callable
        The forecast as of an origin.

    Returns
    -------
    list of Windows
        One per horizon.
    """
    fine = fleet.step_us < DAY_US
    usual = SPACING_FINE_US if fine else SPACING_DAILY_US
    spacing = max(min(usual, horizons[0] * fleet.step_us) // fleet.step_us, 1)
    series, origin = _origins(fleet, horizons[0], moments, spacing)
    parts: list[list[Windows]] = [[] for _ in horizons]
    for start in range(0, series.size, BLOCK):
        some = slice(start, start + BLOCK)
        for found, one in zip(parts, _block(fleet, series[some], origin[some], horizons, span, futures), strict=True):
            found.append(one)
    return [_joined(found, horizon / spacing) for found, horizon in zip(parts, horizons, strict=True)]


def _origins(fleet: Fleet, shortest: int, moments: Sequence[int], spacing: int) -> tuple[Ints, Ints]:
    """Return series and column of the origins that are drawn, in the order of series and time."""
    known = ~np.isnan(fleet.levels)
    least = LEAST_FINE if fleet.step_us < DAY_US else LEAST_DAILY
    before = np.cumsum(known, axis=1)
    # Known at the column before, enough known so far, and on the common grid of moments.
    possible = np.zeros_like(known)
    possible[:, 1:] = known[:, :-1] & (before[:, :-1] >= least)
    column = np.arange(known.shape[1])
    possible &= (fleet.begin[:, None] + column) % spacing == 0
    numbers = np.array([numbered(name) for name in fleet.names], np.int64)
    series, origin = np.nonzero(possible)
    step = fleet.begin[series] + origin
    rank = shuffled(numbers[series], step)
    ended = (step + shortest) * fleet.step_us
    chosen = np.zeros(series.size, bool)
    for moment in moments:
        ready = np.flatnonzero(ended <= moment)
        if ready.size > MOST_ORIGINS:
            ready = ready[rank[ready] <= np.partition(rank[ready], MOST_ORIGINS - 1)[MOST_ORIGINS - 1]]
        chosen[ready] = True
    return series[chosen].astype(np.int64), origin[chosen].astype(np.int64)


def _block(
    fleet: Fleet, series: Ints, origin: Ints, horizons: Sequence[int], span: int, futures: Futures
) -> list[Windows]:
    """Return the windows of some origins, per horizon."""
    levels = np.full((series.size, min(span, int(origin.max()))), np.nan)
    high = np.empty(series.size)
    for i, (s, e) in enumerate(zip(series, origin, strict=True)):
        have = min(e, levels.shape[1])
        levels[i, levels.shape[1] - have :] = fleet.levels[s, e - have : e]
        high[i] = just_now(fleet.peaks[s : s + 1, :e], fleet.step_us)[0]
    step = fleet.begin[series] + origin
    row, threshold = _questions(fleet, series, step, levels)
    end_us = step * fleet.step_us
    curves = futures(levels, end_us, series, row, threshold)
    names = np.array([numbered(fleet.names[s]) for s in series], np.int64)
    hosts = np.array([numbered(fleet.hosts[s]) for s in series], np.int64)
    out = []
    for horizon in horizons:
        known, top = _ahead(fleet, series, origin, horizon)
        crossed = top[row] >= threshold
        settled = (known[row] >= KNOWN_SHARE * horizon) & ~np.isnan(curves[:, horizon - 1])
        rows, limit = row[settled], threshold[settled]
        ends = end_us[rows]
        asked = Questions(rows, limit, np.full(rows.size, horizon), ends, high[rows])
        x = described(levels, asked, fleet.step_us, curves[settled, horizon - 1])
        reach = ends + horizon * fleet.step_us
        out.append(Windows(INPUTS, x, crossed[settled], names[rows], hosts[rows], ends, reach))
    return out


def _questions(fleet: Fleet, series: Ints, step: Ints, levels: Floats) -> tuple[Ints, Floats]:
    """Return row and threshold of each question: levels that were quiet below it."""
    now = levels[:, -1]
    recent = just_now(levels, fleet.step_us)
    row, threshold = [], []
    for i, s in enumerate(series):
        watched = fleet.thresholds[s]
        if not watched.size:
            share = (int(shuffled(np.array([numbered(fleet.names[s])]), step[i : i + 1] + 7)[0]) % 9973) / 9973.0
            slack = SLACKS[0] * (SLACKS[1] / SLACKS[0]) ** share
            watched = np.array([now[i] + slack * abs(now[i])])
        watched = watched[watched > recent[i]]
        row += [i] * watched.size
        threshold += list(watched)
    return np.array(row, np.int64), np.array(threshold, float)


def _ahead(fleet: Fleet, series: Ints, origin: Ints, horizon: int) -> tuple[Ints, Floats]:
    """Return how many steps of each window are known, and the highest of them (-inf where none is)."""
    known, top = np.zeros(series.size, np.int64), np.full(series.size, -np.inf)
    for i, (s, e) in enumerate(zip(series, origin, strict=True)):
        ahead = fleet.levels[s, e : e + horizon]
        ahead = ahead[~np.isnan(ahead)]
        known[i] = ahead.size
        if ahead.size:
            top[i] = ahead.max()
    return known, top


def _joined(parts: Sequence[Windows], overlap: float) -> Windows:
    """Return the windows of all blocks."""
    if not parts:
        whole = np.empty(0, np.int64)
        return Windows(INPUTS, np.empty((0, len(INPUTS))), np.empty(0, bool), whole, whole, whole, whole)
    x = np.concatenate([part.x for part in parts])
    crossed = np.concatenate([part.crossed for part in parts])
    names = ("series", "host", "origin_us", "end_us")
    series, host, origin_us, end_us = (np.concatenate([getattr(part, name) for part in parts]) for name in names)
    return Windows(INPUTS, x, crossed, series, host, origin_us, end_us, max(overlap, 1.0))
