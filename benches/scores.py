"""Scores of the accuracy benches: per case, and how they are put together."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from series import repeated

CHANCES = np.round(np.arange(1, 10) / 10, 1)
CAP = 10.0
"""A case counts at most ten times its scale in the capped mean."""


@dataclass(frozen=True)
class Scores:
    """Scores per case, float64 (N,): CRPS and absolute error in the unit of the series, share inside the 80 % band."""

    crps: np.ndarray
    error: np.ndarray
    inside: np.ndarray


def score(truth: np.ndarray, bands: np.ndarray) -> Scores:
    """Score quantiles 0.1 ... 0.9, (N, H, 9), against what came; hours that were not measured do not count."""
    miss = truth[:, :, None] - bands
    loss = 2 * np.maximum(CHANCES * miss, (CHANCES - 1) * miss).mean(axis=2)
    inside = np.where(np.isnan(truth), np.nan, (truth >= bands[:, :, 0]) & (truth <= bands[:, :, 8]))
    return Scores(*(np.nanmean(part, axis=1) for part in (loss, np.abs(miss[:, :, 4]), inside)))


def scale_of(train: np.ndarray, season: int) -> np.ndarray:
    """Return the mean absolute difference between steps one season apart, of each training window.

    Where the step a season before was not measured, the newest one measured in that phase stands in.
    """
    change = np.abs(train[:, season:] - repeated(train, season)[:, :-season])
    known = ~np.isnan(change)
    count = np.maximum(known.sum(axis=1), 1)
    return np.where(known, change, 0.0).sum(axis=1) / count


def together(scores: Scores, naive: Scores, scale: np.ndarray, rows: np.ndarray) -> dict[str, float]:
    """Return the aggregates over some cases; those with scale zero are left out of all but the coverage."""
    use = rows & (scale > 0)
    unit = scale[use]
    crps, base = scores.crps[use] / unit, naive.crps[use] / unit
    return {
        "crps": float(crps.mean()),
        "capped": float(np.minimum(crps, CAP).mean()),
        # One hundredth of the scale is added to both, so that a perfect forecast of an idle series is no infinity.
        "ratio": float(np.exp(np.log((crps + 0.01) / (base + 0.01)).mean())),
        "mase": float((scores.error[use] / unit).mean()),
        "mase_capped": float(np.minimum(scores.error[use] / unit, CAP).mean()),
        "inside": float(scores.inside[rows].mean()),
    }
