"""The seasonal naive pool as a model."""

from __future__ import annotations

from capforecast.kernels.seasonal_naive import seasonal_naive
from capforecast.models import Past
from capforecast.panel import Floats


class SeasonalNaive:
    """Repeat the last value, the last season, a season that grows, or what is usual in a season."""

    name = "seasonal_naive"

    def members(self, seasons: tuple[int, ...]) -> tuple[str, ...]:
        """Return the names of the members."""
        return ("last", "season_mean", "season", "season_growing", "long_season_median")

    def forecast(self, past: Past, out: Floats, start: int) -> None:
        """Forecast; see ``capforecast.models.Model``."""
        seasonal_naive(past.values, past.first, past.back, past.short, past.long, start, out)
