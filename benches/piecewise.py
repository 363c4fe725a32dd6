"""A piecewise linear trend after the manner of Prophet, as a peer on daily growth.

The model is the one of Taylor and Letham (2018): 25 potential changes of slope in the first four fifths of the
history with a Laplace prior, a weekly pattern of three harmonics, normal noise, all fitted at the maximum of the
posterior; futures go on changing slope as often and as much as the past did.
"""

from __future__ import annotations

import numpy as np

CHANGES = 25
PRIOR_CHANGE, PRIOR_LINE, PRIOR_WEEK = 0.05, 5.0, 10.0
DRAWS = 1000


def weekly(day: np.ndarray) -> np.ndarray:
    """Return three harmonics of the week, (n, 6)."""
    angle = 2 * np.pi * day[:, None] * np.arange(1, 4) / 7
    return np.concatenate([np.sin(angle), np.cos(angle)], axis=1)


def fit(y: np.ndarray, design: np.ndarray, precision: np.ndarray) -> tuple[np.ndarray, float]:
    """Return the coefficients at the maximum of the posterior, and the standard deviation of the noise.

    The absolute values of the Laplace prior are majorised by squares around the last solution until nothing moves.
    """
    gram, side = design.T @ design, design.T @ y
    change = slice(2, 2 + CHANGES)
    size = np.full(CHANGES, 0.1)
    variance = float(np.var(y)) + 1e-12
    beta = np.zeros(design.shape[1])
    for _ in range(200):
        weight = precision.copy()
        weight[change] = 1 / (PRIOR_CHANGE * np.maximum(size, 1e-7))
        new = np.linalg.solve(gram + variance * np.diag(weight), side)
        moved = np.abs(new - beta).max()
        beta, size = new, np.abs(new[change])
        variance = float(np.mean((y - design @ beta) ** 2)) + 1e-12
        if moved < 1e-7:
            break
    return beta, variance**0.5


def piecewise(y: np.ndarray, horizon: int, chances: np.ndarray) -> np.ndarray:
    """Return quantiles (H, Q) of a history of daily values without gaps."""
    top = np.abs(y).max() or 1.0
    day = np.arange(y.size + horizon, dtype=float)
    t = day / (y.size - 1)
    places = t[np.linspace(0, int(0.8 * y.size) - 1, CHANGES + 1).round().astype(int)[1:]]
    design = np.concatenate(
        [np.ones((t.size, 1)), t[:, None], np.maximum(t[:, None] - places, 0.0), weekly(day)], axis=1
    )
    precision = np.full(design.shape[1], PRIOR_WEEK**-2)
    precision[:2] = PRIOR_LINE**-2
    beta, noise = fit(y / top, design[: y.size], precision)
    random = np.random.default_rng(1)
    ahead = t[y.size :]
    span = ahead[-1] - 1.0
    jump = np.abs(beta[2 : 2 + CHANGES]).mean() + 1e-8
    paths = np.tile(design[y.size :] @ beta, (DRAWS, 1))
    for path in paths:
        count = random.poisson(CHANGES * span)
        where, slope = 1.0 + span * random.random(count), random.laplace(0.0, jump, count)
        path += np.maximum(ahead[:, None] - where, 0.0) @ slope
    paths += random.normal(0.0, noise, paths.shape)
    return top * np.quantile(paths, chances, axis=0).T
