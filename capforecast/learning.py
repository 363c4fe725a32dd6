"""Learn P(breach) from past windows with known outcome, tested on other hosts and later times before it is believed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from capforecast import registry
from capforecast.learned import NO_TREES, Learned, Trees, chance, mixed
from capforecast.panel import Floats, Ints
from capforecast.windows import Windows

LEAST_CROSSINGS, LEAST_HOSTS = 20, 2
"""With fewer past crossings, or hosts that crossed, the paths are left as they are."""

TRUSTED_HOSTS = 15
"""Hosts that crossed, at which the trees and what stands beside them weigh the same."""

RULES = ("past_windows_shifted", "past_windows_scaled")
"""Plain rules among the inputs that may stand beside the paths: how often past stretches would cross from here."""

MANY_HOSTS = 40
"""A fleet of so many hosts teaches enough to do without the rules; the fewer there are, the more they weigh."""

MOST_PER_SERIES = 4
"""Crossings of one series that count where series are to count alike."""

CALIBRATION_PRIOR = 20.0
"""Independent windows of many hosts that the calibration must outweigh before it moves away from leaving things as
they are; of few hosts more, as hosts are alike in themselves."""


@dataclass(frozen=True, slots=True)
class Manner:
    """How windows are weighed and believed.

    Attributes
    ----------
    alike : float
        0: every window counts the same, so that probabilities are those of the fleet. 1: series count alike: of one
        series at most MOST_PER_SERIES crossings count, and half of the quiet windows' weight goes to series that
        crossed. Between: the geometric mean.
    doubted : float
        Periods of the horizon's length, at which the usual share of crossings weighs as much as what was learned.
    rules : float
        Weight of RULES beside the paths in the smallest of fleets; none from MANY_HOSTS on.
    """

    alike: float = 0.0
    doubted: float = 1.0
    rules: float = 0.0


@dataclass(slots=True)
class _Tests:
    """Windows forecast by what was learned before them from other hosts: their places and the log-odds of the trees."""

    place: list[Ints] = field(default_factory=list)
    odds: list[Floats] = field(default_factory=list)


def learn(windows: Windows, moments: Sequence[int], manner: Manner = Manner()) -> list[Learned]:
    """Learn from the windows that had ended by each of some moments.

    Parameters
    ----------
    windows : Windows
        Past windows.
    moments : sequence of int
        Rising moments in microseconds. What is learned at one is tested on the windows between it and the next;
        these tests decide at later moments.
    manner : Manner
        How windows are weighed and believed.

    Returns
    -------
    list of Learned
        One per moment; the paths alone where there is too little to learn from.
    """
    tests = _Tests()
    out = []
    for number, moment in enumerate(moments):
        known = np.flatnonzero(windows.end_us <= moment)
        out.append(_learned(windows, known, tests, int(moment), manner))
        if number + 1 < len(moments):
            late = (windows.origin_us >= moment) & (windows.origin_us < moments[number + 1])
            _test(windows, known, np.flatnonzero(late), tests, manner.alike)
    return out


def _test(windows: Windows, known: Ints, late: Ints, tests: _Tests, alike: float) -> None:
    """Forecast later windows of each half of the hosts by what was learned from the other half."""
    for half in (0, 1):
        place = late[windows.host[late] % 2 == half]
        train = windows.rows(known[windows.host[known] % 2 != half])
        if place.size and _enough(train.crossed):
            tests.place.append(place)
            tests.odds.append(_grown(train, alike)[0].scores(windows.x[place]))


def _enough(crossed: np.ndarray) -> bool:
    hits = int(crossed.sum())
    return LEAST_CROSSINGS <= hits < crossed.size


def _learned(windows: Windows, known: Ints, tests: _Tests, moment: int, manner: Manner) -> Learned:
    """Return what the windows known at a moment teach, and by the tests so far, how far to believe it."""
    now = windows.rows(known)
    hits = int(now.crossed.sum())
    hosts = np.unique(now.host[now.crossed]).size
    facts: dict[str, Any] = {"windows": known.size, "crossings": hits, "hosts": hosts, "until_us": moment}
    if not _enough(now.crossed) or hosts < LEAST_HOSTS:
        return Learned(windows.inputs, **facts)
    trees, weight = _grown(now, manner.alike)
    periods = (moment - int(now.origin_us.min())) / int((now.end_us - now.origin_us)[0])
    doubt = manner.doubted / (manner.doubted + periods)
    usual = float(weight[now.crossed].sum() / weight.sum())
    facts |= {"doubt": doubt, "usual": usual}
    place = np.concatenate([np.empty(0, np.int64), *tests.place])
    ended = windows.end_us[place] <= moment
    place, odds = place[ended], np.concatenate([np.empty(0), *tests.odds])[ended]
    share = hosts / (hosts + TRUSTED_HOSTS)
    fleet = np.unique(now.host).size
    mix = _mix(windows.inputs, manner.rules * max(1.0 - fleet / MANY_HOSTS, 0.0))
    crossed = windows.crossed[place]
    if int(crossed.sum()) < LEAST_CROSSINGS:
        return Learned(windows.inputs, trees, mix, share, **facts)
    paths, beside = windows.x[place, 0], mixed(windows.x[place], mix)
    weight = weights(crossed, windows.series[place], manner.alike)
    losses = {
        one: _loss(crossed, chance((1.0 - one) * beside + one * odds), weight)
        for one in (share, share / 2.0, (1.0 + share) / 2.0, 0.0)
    }
    best = min(losses, key=lambda one: losses[one])
    # A small gain in the tests is no reason to leave the rule.
    share = share if losses[share] <= losses[best] * 1.005 else best
    blend = (1.0 - share) * beside + share * odds
    prior = CALIBRATION_PRIOR * (1.0 + TRUSTED_HOSTS / hosts) ** 2
    shift, slope = calibration(blend, crossed, weight / windows.overlap, prior)
    said = (1.0 - doubt) * chance(shift + slope * blend) + doubt * usual
    return Learned(
        windows.inputs, trees if share > 0.0 else NO_TREES, mix, share, shift, slope, **facts,
        tested=place.size, loss_paths=_loss(crossed, chance(paths), weight), loss=_loss(crossed, said, weight),
    )  # fmt: skip


def _mix(inputs: Sequence[str], rules: float) -> tuple[float, ...]:
    """Return the weights of what stands beside the trees; empty where it is the paths alone."""
    if rules == 0.0:
        return ()
    return (1.0 - rules, *(rules / len(RULES) if name in RULES else 0.0 for name in inputs[1:]))


def _loss(crossed: np.ndarray, chances: Floats, weight: Floats) -> float:
    """Return the weighted mean log loss."""
    p = np.clip(chances, 1e-4, 1.0 - 1e-4)
    return float(-(weight * np.where(crossed, np.log(p), np.log(1.0 - p))).sum() / weight.sum())


def calibration(odds: Floats, crossed: np.ndarray, weight: Floats, prior: float) -> tuple[float, float]:
    """Return shift and slope of a logistic calibration of log-odds, held near 0 and 1 by `prior` windows."""
    shift, slope = 0.0, 1.0
    x, y = np.stack((np.ones(odds.size), odds)), crossed.astype(float)
    for _ in range(50):
        p = chance(shift + slope * odds)
        gradient = x @ (weight * (p - y)) + prior * np.array([shift, slope - 1.0])
        curvature = (x * (weight * p * (1.0 - p))) @ x.T + prior * np.eye(2)
        move = np.linalg.solve(curvature, gradient)
        # Steps stay short, so that one far away does not overshoot.
        move *= min(1.0, 1.0 / max(float(np.abs(move).max()), 1e-12))
        shift, slope = shift - float(move[0]), slope - float(move[1])
        if float(np.abs(move).max()) < 1e-9:
            break
    return shift, max(slope, 0.0)


def weights(crossed: np.ndarray, series: Ints, alike: float) -> Floats:
    """Return the weight of each window; those that crossed and those that did not keep their sums.

    Parameters
    ----------
    crossed : bool (W,)
        Did the window cross.
    series : int64 (W,)
        Number of its series.
    alike : float
        How far series count alike; see `Manner`.
    """
    out = np.ones(crossed.size)
    if alike == 0.0 or not crossed.any() or crossed.all():
        return out
    _, place = np.unique(series, return_inverse=True)
    hits = np.bincount(place, crossed)[place]
    out[crossed] = (np.minimum(hits, MOST_PER_SERIES) / np.maximum(hits, 1.0))[crossed]
    quiet = ~crossed
    ever = quiet & (hits > 0)
    never = quiet & (hits == 0)
    if ever.any() and never.any():
        out[ever], out[never] = 0.5 / ever.sum(), 0.5 / never.sum()
    out **= alike
    for part in (crossed, quiet):
        out[part] *= part.sum() / out[part].sum()
    return out


def _grown(windows: Windows, alike: float) -> tuple[Trees, Floats]:
    """Return the trees that windows teach, and the weights of the windows."""
    weight = weights(windows.crossed, windows.series, alike)
    trees: Trees = registry.load("learner", "trees")(windows.x, windows.crossed, weight)
    return trees, weight
