"""Lines through the recent past as a model."""

from __future__ import annotations

import itertools

import numpy as np

from capforecast.kernels.trend import trend
from capforecast.panel import Floats, Ints

WINDOW = 365
PAIRS = 56
GRID = tuple(itertools.product((0.2, 0.6), (0.05, 0.2), (0.9, 0.98)))


class Trend:
    """Drift, suffix lines, median slopes, theta and damped smoothing."""

    name = "trend"

    def members(self, seasons: tuple[int, ...]) -> tuple[str, ...]:
        """Return the names of the members."""
        lines = (
            "drift", "drift28", "suffix_line", "suffix_damped", "median_slope", "half_slope", "theta0.2", "theta0.6",
        )  # fmt: skip
        return lines + tuple(f"holt({a:g},{b:g},{p:g})" for a, b, p in GRID)

    def forecast(
        self,
        values: Floats,
        first: Ints,
        back: Ints,
        horizon: int,
        seasons: tuple[int, ...],
        lower: Floats,
        upper: Floats,
    ) -> Floats:
        """Forecast; see ``capforecast.models.Model``."""
        out = np.empty((values.shape[0], back.shape[1], len(self.members(seasons)), horizon))
        grid = np.ascontiguousarray(np.array(GRID).T)
        trend(values, first, back, WINDOW, PAIRS, grid, out)
        return out
