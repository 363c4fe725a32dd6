"""Families of candidate forecasts: the contract of a model.

A model maps numbers to numbers. It knows nothing of names, frames, thresholds or threads; scores,
weights, paths, quantiles and bounds are made once, for all models, in ``capforecast.forecast``.

Example of the smallest one::

    class LastValue:
        name = "last_value"

        def members(self, seasons):
            return ("last",)

        def forecast(self, values, first, back, horizon, seasons, lower, upper):
            known = values.shape[1] - back
            level = np.take_along_axis(values, np.maximum(known - 1, 0), axis=1)
            return np.repeat(level[:, :, None, None], horizon, axis=3)
"""

from __future__ import annotations

from typing import Protocol

from capforecast.panel import Floats, Ints


class Model(Protocol):
    """A family of candidate forecasts, its members."""

    name: str

    def members(self, seasons: tuple[int, ...]) -> tuple[str, ...]:
        """Return the names of the members for the given season lengths (steps, shortest first)."""
        ...

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
        """Forecast every series from every origin with every member.

        Parameters
        ----------
        values : float64 (S, T)
            Levels, right-aligned, gaps already filled; NaN only before ``first``.
        first : int64 (S,)
            Index of the first value of each series; T for a series without any.
        back : int64 (S, O)
            Steps at the right end that the origin must not know; -1 where there is no origin.
        horizon : int
            Steps ahead, H.
        seasons : tuple of int
            Season lengths in steps, shortest first; may be empty.
        lower, upper : float64 (S,)
            Physical bounds, for transformations; forecasts may leave them.

        Returns
        -------
        float64 (S, O, K, H)
            NaN where a member cannot forecast.
        """
        ...
