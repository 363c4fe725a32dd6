"""What moved a probability away from that of the paths: the inputs of what was learned, and how far each did."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from capforecast.learned import Learned, chance
from capforecast.lessons import Lessons, Watched, described_rows
from capforecast.panel import Floats

SHARES = (
    "paths", "past_windows", "past_windows_same_hour", "past_windows_same_weekday", "past_windows_shifted",
    "past_windows_scaled", "past_windows_same_wait",
)  # fmt: skip
"""Inputs that are log-odds of shares."""

LOGARITHMS = ("since_last_crossing", "wait_against_longest", "history")

FIRST = "usual"
"""What all windows of the kind and horizon have in common: where every sum of log-odds begins."""

DOUBT = "doubt"
"""What is taken back because few periods were seen."""


@dataclass(frozen=True, slots=True)
class Mover:
    """One thing that moved a probability.

    Attributes
    ----------
    name : str
        Input (see `windows.INPUTS`), ``usual`` or ``doubt``.
    known : float or None
        What was known of it: shares and chances from 0 to 1, waits and histories in days, crossings as their number,
        levels (``level_now``, ``highest_...``, ``mean_...``) as the distance to the threshold over its size.
    log_odds : float
        What it adds to the log-odds of the probability.
    """

    name: str
    known: float | None
    log_odds: float


@dataclass(frozen=True, slots=True)
class Correction:
    """How the probability of one threshold and horizon came about.

    Attributes
    ----------
    days : int
        Horizon.
    paths : float
        P(breach) by the forecast alone.
    said : float
        P(breach) as it was corrected; its log-odds are the sum of those of the movers.
    movers : tuple of Mover
        ``usual`` first, then the inputs in their order, then the doubt.
    windows, crossings, hosts : int
        Past windows that were learned from, how many of them crossed, and hosts that ever did.
    learned_until_us : int
        When every one of these windows had ended.
    """

    days: int
    paths: float
    said: float
    movers: tuple[Mover, ...]
    windows: int
    crossings: int
    hosts: int
    learned_until_us: int


def corrections(watched: Watched, row: int, curves: Floats, lessons: Lessons) -> tuple[Correction, ...]:
    """Return how the probabilities of one threshold came about, by rising horizon; empty where nothing corrects them.

    Parameters
    ----------
    watched : Watched
        The series of a shard and their thresholds.
    row : int
        Place of the threshold.
    curves : float64 (R, D)
        P(first crossing by day d) by the paths, not corrected.
    lessons : mapping of Learned
        By kind and days ahead.
    """
    newest = watched.daily[watched.owner[row], -1]
    if not newest < watched.threshold[row] or np.isnan(curves[row, 0]):
        return ()
    mine = sorted((days, one) for (kind, days), one in lessons.items() if kind == watched.kind[row])
    return tuple(
        _correction(watched, row, curves, learned, days)
        for days, learned in mine
        if learned.corrects and days <= curves.shape[1]
    )


def _correction(watched: Watched, row: int, curves: Floats, learned: Learned, days: int) -> Correction:
    paths = curves[row : row + 1, days - 1]
    x = described_rows(watched.daily, watched, np.array([row]), watched.threshold[[row]], days, watched.end_us, paths)
    *odds, doubt, usual = learned.contributions(x)[0].tolist()
    movers = [Mover(FIRST, learned.usual, usual)]
    movers += [Mover(name, _plain(name, x[0, i]), odds[i]) for i, name in enumerate(learned.inputs)]
    movers.append(Mover(DOUBT, learned.doubt, doubt))
    return Correction(
        days, float(paths[0]), float(learned.chances(x)[0]), tuple(movers),
        learned.windows, learned.crossings, learned.hosts, learned.until_us,
    )  # fmt: skip


def _plain(name: str, value: float) -> float:
    """Return an input as people count it."""
    if name in SHARES:
        return float(chance(np.array(value)))
    if name in LOGARITHMS:
        return float(np.exp(value))
    return float(np.expm1(value)) if name == "crossings" else float(value)
