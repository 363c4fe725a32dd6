"""What goes into the engine and what comes out of it: arrays with their meaning.

A `Panel` holds many series on one regular grid, dense and aligned at the right: column ``T-1`` of
every row is the last step before that series' origin. Missing steps are NaN. The engine never sees
names, frames or time zones.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from capforecast.times import DAY_US, HOUR_US, MINUTE_US, WEEK_US

__all__ = ["DAY_US", "HOUR_US", "MINUTE_US", "WEEK_US", "Floats", "Forecast", "Ints", "Panel"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Panel:
    """Series on one grid.

    Attributes
    ----------
    values : float64 (S, T)
        Level per step, C-contiguous and writeable; NaN where nothing was measured.
    step_us : int
        Width of a step in microseconds.
    end_us : int64 (S,)
        Origin of each series: the end of its last step, microseconds since the epoch.
    lower, upper : float64 (S,)
        Physical bounds of each series; -inf and inf where there are none.
    """

    values: Floats
    step_us: int
    end_us: Ints
    lower: Floats
    upper: Floats

    def __len__(self) -> int:
        return int(self.values.shape[0])

    def rows(self, start: int, stop: int) -> Panel:
        """Return the series ``start:stop`` as views."""
        cut = slice(start, stop)
        return Panel(self.values[cut], self.step_us, self.end_us[cut], self.lower[cut], self.upper[cut])


@dataclass(frozen=True, slots=True)
class Forecast:
    """Possible futures of the series of a panel.

    Attributes
    ----------
    mean : float64 (S, H)
        Combined point forecast.
    paths : float64 (S, P, H)
        Possible futures, each inside the bounds of its series; NaN rows where there is no forecast.
    path_weights : float64 (S, P)
        Probability of each path; rows sum to one.
    members : tuple of str
        Names of the candidate forecasts.
    weights : float64 (S, B, K)
        Weight of each member per bucket of the horizon.
    error, error_naive : float64 (S, B)
        Mean absolute rolling-origin error of the combination and of the seasonal naive member.
    coverage : float64 (S, B)
        Share of the backtested values inside the 80 % band, leave-one-origin-out.
    origins : int64 (S, B)
        Rolling origins that were scored.
    buckets : tuple of (first, last)
        Steps ahead of each bucket, 1-based and inclusive.
    step_us : int
        Width of a step in microseconds.
    """

    mean: Floats
    paths: Floats
    path_weights: Floats
    members: tuple[str, ...]
    weights: Floats
    error: Floats
    error_naive: Floats
    coverage: Floats
    origins: Ints
    buckets: tuple[tuple[int, int], ...]
    step_us: int = field(default=HOUR_US)
