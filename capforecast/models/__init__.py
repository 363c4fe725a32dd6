"""Families of candidate forecasts: the contract of a model.

A model maps numbers to numbers. It knows nothing of names, frames, thresholds or threads; scores,
weights, paths, quantiles and bounds are made once, for all models, in ``capforecast.forecast``.

Example of the smallest one::

    class LastValue:
        name = "last_value"

        def members(self, seasons):
            return ("last",)

        def forecast(self, past, out, start):
            known = past.values.shape[1] - past.back
            level = np.take_along_axis(past.values, np.maximum(known - 1, 0), axis=1)
            out[:, :, start] = np.where(past.back < 0, np.nan, level)[:, :, None]
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from capforecast.panel import Floats, Ints


@dataclass(frozen=True, slots=True)
class Past:
    """What a model may know of some series.

    Attributes
    ----------
    values : float64 (S, T)
        Levels, right-aligned, gaps already filled; NaN only before ``first``.
    first : int64 (S,)
        Index of the first value of each series; T for a series without any.
    back : int64 (S, O)
        Steps at the right end that the origin must not know; -1 where there is no origin.
    seasons : tuple of int
        Season lengths in steps, shortest first; may be empty.
    lower, upper : float64 (S,)
        Physical bounds, for transformations; forecasts may leave them.
    """

    values: Floats
    first: Ints
    back: Ints
    seasons: tuple[int, ...]
    lower: Floats
    upper: Floats

    @property
    def short(self) -> int:
        """Steps of the short season, 1 without any."""
        return self.seasons[0] if self.seasons else 1

    @property
    def long(self) -> int:
        """Steps of the long season, 1 without any."""
        return self.seasons[1] if len(self.seasons) > 1 else 1

    def rows(self, part: slice) -> Past:
        """Return some of the series, as views."""
        ends = self.lower[part], self.upper[part]
        return Past(self.values[part], self.first[part], self.back[part], self.seasons, *ends)


class Model(Protocol):
    """A family of candidate forecasts, its members."""

    name: str

    def members(self, seasons: tuple[int, ...]) -> tuple[str, ...]:
        """Return the names of the members for the given season lengths (steps, shortest first)."""
        ...

    def forecast(self, past: Past, out: Floats, start: int) -> None:
        """Forecast every series from every origin with every member.

        Parameters
        ----------
        past : Past
            S series with O origins.
        out : float64 (S, O, K, H)
            Receives the forecasts of H steps of the model's members at ``start``, ``start + 1`` and so on
            along K; NaN where a member cannot forecast. The other members are not touched.
        start : int
            Place of the first member.
        """
        ...
