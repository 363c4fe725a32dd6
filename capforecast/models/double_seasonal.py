"""Double-seasonal exponential smoothing as a model, on the scale of the data and on a log or logit scale."""

from __future__ import annotations

import itertools

import numpy as np

from capforecast.kernels.double_seasonal import double_seasonal, mean_size
from capforecast.models import Past
from capforecast.panel import Floats

ALPHAS = (0.0, 0.1)
GAMMAS1 = (0.05, 0.3)
GAMMAS2 = (0.05, 0.3)
PHIS = (0.0, 0.9)

MARGIN = 0.01
"""Share of the range that keeps the logarithm away from the bounds."""


class DoubleSeasonal:
    """A small grid of smoothing parameters instead of an optimiser, on two scales."""

    name = "double_seasonal"

    def members(self, seasons: tuple[int, ...]) -> tuple[str, ...]:
        """Return one name per cell and scale, such as ``smooth(0.1,0.3,0.05,0.9)`` and ``log(...)``."""
        cells = [f"({a:g},{g1:g},{g2:g},{p:g})" for a, g1, g2, p in _cells(seasons).T]
        return tuple(scale + cell for scale in ("smooth", "log") for cell in cells)

    def forecast(self, past: Past, out: Floats, start: int) -> None:
        """Forecast; see ``capforecast.models.Model``."""
        cells = np.ascontiguousarray(_cells(past.seasons))
        shape = past.first, past.back, past.short, past.long, cells
        plain = np.full(past.first.size, np.nan)
        double_seasonal(past.values, *shape, plain, plain, start, out)
        scaled, low, high = _to_scale(past)
        double_seasonal(scaled, *shape, low, high, start + cells.shape[1], out)


def _cells(seasons: tuple[int, ...]) -> Floats:
    gammas2 = GAMMAS2 if len(seasons) > 1 else (0.0,)
    alphas = ALPHAS if len(seasons) > 1 else (0.05, 0.1, 0.3, 0.6)
    return np.array(list(itertools.product(alphas, GAMMAS1, gammas2, PHIS))).T


def _to_scale(past: Past) -> tuple[Floats, Floats, Floats]:
    """Map each series to the logit of its place between its bounds, or to the logarithm above the lower one.

    The width of the margin comes from what the oldest origin knew, so no later value touches it.
    A series without a lower bound is NaN, one that leaves its bounds is NaN from there on.
    """
    values, lower, upper = past.values, past.lower, past.upper
    size = np.empty(values.shape[0])
    mean_size(values, past.first, past.back, size)
    bounded = np.isfinite(upper)
    margin = MARGIN * np.where(bounded, np.where(bounded, upper, 0.0) - np.where(bounded, lower, 0.0), size)
    margin = np.where(margin > 0.0, margin, 1.0)
    low = np.where(np.isfinite(lower), lower - margin, np.nan)
    high = np.where(bounded, upper + margin, np.inf)
    above = values - low[:, None]
    below = np.where(bounded[:, None], high[:, None] - values, 1.0)
    with np.errstate(invalid="ignore", divide="ignore"):
        inside = (above > 0.0) & (below > 0.0)
        scaled = np.where(inside, np.log(above) - np.log(below), np.nan)
    return scaled, low, high
