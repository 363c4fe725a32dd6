"""Double-seasonal exponential smoothing as a model, on the scale of the data and on a log or logit scale."""

from __future__ import annotations

import numpy as np

from capforecast.kernels.double_seasonal import double_seasonal, known_sizes
from capforecast.models import Past
from capforecast.panel import Floats

TWO_SEASONS = (
    ((0.0, 0.05, 0.3, 0.0), (0.1, 0.05, 0.05, 0.0), (0.1, 0.3, 0.05, 0.0)),
    ((0.0, 0.05, 0.3, 0.0), (0.1, 0.05, 0.3, 0.0), (0.1, 0.3, 0.05, 0.9)),
)
ONE_SEASON = (((0.3, 0.3, 0.0, 0.0), (0.6, 0.05, 0.0, 0.0)), ((0.05, 0.3, 0.0, 0.0), (0.1, 0.3, 0.0, 0.0)))
"""alpha, gamma1, gamma2 and phi of the cells on the scale of the data, and on the log or logit scale.

They are what backward elimination left of 16 cells on either scale; see ``benches/README.md``.
"""

MARGIN = 0.01
"""Share of the range that keeps the logarithm away from the bounds."""


class DoubleSeasonal:
    """A small grid of smoothing parameters instead of an optimiser, on two scales."""

    name = "double_seasonal"

    def members(self, seasons: tuple[int, ...]) -> tuple[str, ...]:
        """Return one name per cell and scale, such as ``smooth(0.1,0.3,0.05,0.9)`` and ``log(...)``."""
        named = zip(("smooth", "log"), _cells(seasons), strict=True)
        return tuple(f"{scale}({a:g},{g1:g},{g2:g},{p:g})" for scale, cells in named for a, g1, g2, p in cells)

    def forecast(self, past: Past, out: Floats, start: int) -> None:
        """Forecast; see ``capforecast.models.Model``."""
        plain, logs = _cells(past.seasons)
        cells = np.ascontiguousarray(np.array(plain + logs).T)
        scaled, low, high = _to_scale(past)
        double_seasonal(
            past.values, scaled, past.first, past.back, past.short, past.long, cells, len(plain), low, high, start, out
        )


def _cells(seasons: tuple[int, ...]) -> tuple[tuple[tuple[float, float, float, float], ...], ...]:
    return TWO_SEASONS if len(seasons) > 1 else ONE_SEASON


def _to_scale(past: Past) -> tuple[Floats, Floats, Floats]:
    """Map each series to the logit of its place between its bounds, or to the logarithm above the lower one.

    The width of the margin comes from what the oldest origin knew, so no later value touches it, and a
    series without a lower bound that was never negative until then counts as bounded by zero.
    Any other without one is NaN; one that leaves its bounds is NaN from there on.
    """
    values, upper = past.values, past.upper
    size, least = np.empty(values.shape[0]), np.empty(values.shape[0])
    known_sizes(values, past.first, past.back, size, least)
    lower = np.where(np.isfinite(past.lower), past.lower, np.where(least >= 0.0, 0.0, -np.inf))
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
