"""The seasonal naive pool as a model."""

from __future__ import annotations

import numpy as np

from capforecast.kernels.seasonal_naive import seasonal_naive
from capforecast.panel import Floats, Ints


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
        m1 = seasons[0] if seasons else 1
        m2 = seasons[1] if len(seasons) > 1 else 1
        out = np.empty((values.shape[0], back.shape[1], len(self.members(seasons)), horizon))
        seasonal_naive(values, first, back, m1, m2, out)
        return out
