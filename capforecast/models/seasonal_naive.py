"""The seasonal naive pool as a model."""

from __future__ import annotations

from capforecast.kernels.seasonal_naive import seasonal_naive
from capforecast.models import Past
from capforecast.panel import Floats


class SeasonalNaive:
    """Repeat the last value, the last seasons, averages of them, or seasons that grow."""

    name = "seasonal_naive"

    def members(self, seasons: tuple[int, ...]) -> tuple[str, ...]:
        """Return the names of the members."""
        return (
            "last", "season_mean", "season", "season5", "season10", "season_median7", "long_season",
            "season_and_long", "long_season_shifted", "long_season_scaled", "long_season_median", "season_growing",
            "long_season_growing",
        )  # fmt: skip

    def forecast(self, past: Past, out: Floats, start: int) -> None:
        """Forecast; see ``capforecast.models.Model``."""
        seasonal_naive(past.values, past.first, past.back, past.short, past.long, start, out)
