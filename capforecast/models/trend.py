"""Lines through the recent past as a model."""

from __future__ import annotations

import itertools

import numpy as np

from capforecast.kernels.trend import trend
from capforecast.models import Past
from capforecast.panel import Floats

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

    def forecast(self, past: Past, out: Floats, start: int) -> None:
        """Forecast; see ``capforecast.models.Model``."""
        grid = np.ascontiguousarray(np.array(GRID).T)
        trend(past.values, past.first, past.back, WINDOW, PAIRS, grid, start, out)
