"""Double-seasonal exponential smoothing as a model, on the scale of the data and on a log or logit scale."""

from __future__ import annotations

import numpy as np

from capforecast.kernels.double_seasonal import double_seasonal, to_scale
from capforecast.models import Past
from capforecast.panel import Floats

TWO_SEASONS = (
    ((0.0, 0.05, 0.3, 0.0), (0.1, 0.05, 0.05, 0.0), (0.1, 0.3, 0.05, 0.0), (0.0, 0.0, 0.8, 0.0)),
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
        scaled, low, high = np.empty_like(past.values), np.empty(past.first.size), np.empty(past.first.size)
        to_scale(past.values, past.first, past.back, past.lower, past.upper, MARGIN, scaled, low, high)
        double_seasonal(
            past.values, scaled, past.first, past.back, past.short, past.long, cells, len(plain), low, high, start, out
        )


def _cells(seasons: tuple[int, ...]) -> tuple[tuple[tuple[float, float, float, float], ...], ...]:
    return TWO_SEASONS if len(seasons) > 1 else ONE_SEASON
