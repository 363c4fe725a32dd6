"""Lines through the recent past as a model."""

from __future__ import annotations

from capforecast.kernels.trend import trend
from capforecast.models import Past
from capforecast.panel import Floats

WINDOW = 365
PAIRS = 21


class Trend:
    """Drift, suffix lines, median slopes, theta and damped smoothing."""

    name = "trend"

    def members(self, seasons: tuple[int, ...]) -> tuple[str, ...]:
        """Return the names of the members."""
        return (
            "drift", "drift28", "suffix_line", "suffix_damped", "half_slope", "theta", "damped_trend",
        )  # fmt: skip

    def forecast(self, past: Past, out: Floats, start: int) -> None:
        """Forecast; see ``capforecast.models.Model``."""
        trend(past.values, past.first, past.back, WINDOW, PAIRS, start, out)
