"""Scores of forecasts of an event: will it come within the horizon, and when.

All take the cases as rows: ``hit`` (bool) what happened, ``p`` the probability said, ``rank`` any number that
orders the cases (larger is more likely), ``weight`` how many candidates a case stands for. With weights of one
they are the scores on the cases as they were selected.
"""

from __future__ import annotations

import numpy as np


def ranked(rank: np.ndarray) -> tuple[np.ndarray, int]:
    """Return the number of each case's value, the likeliest first, and how many values there are."""
    values, place = np.unique(rank, return_inverse=True)
    return values.size - 1 - place, values.size


def auc(hit: np.ndarray, rank: np.ndarray, weight: np.ndarray) -> float:
    """Return the chance that an event ranks above a quiet case, ties counting half; NaN where either is missing."""
    place, count = ranked(rank)
    events, quiet = np.bincount(place, weight * hit, count), np.bincount(place, weight * ~hit, count)
    if events.sum() == 0 or quiet.sum() == 0:
        return float("nan")
    below = quiet.sum() - np.cumsum(quiet)
    return float((events * (below + 0.5 * quiet)).sum() / (events.sum() * quiet.sum()))


def brier(hit: np.ndarray, p: np.ndarray, weight: np.ndarray) -> float:
    """Return the mean squared error of the probabilities."""
    return float(np.average((p - hit) ** 2, weights=weight))


def brier_skill(hit: np.ndarray, p: np.ndarray, weight: np.ndarray) -> float:
    """Return the share of the base rate's Brier score that is saved; NaN where all cases ended alike."""
    base = np.average(hit, weights=weight)
    if base in (0.0, 1.0):
        return float("nan")
    return float(1.0 - brier(hit, p, weight) / (base * (1.0 - base)))
