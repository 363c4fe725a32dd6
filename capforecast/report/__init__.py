"""Renderings of a run: each file turns the published tables into the bytes of one format."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import polars as pl

from capforecast.errors import UnknownNameError


@dataclass(frozen=True, slots=True)
class RenderOptions:
    """How to render.

    Attributes
    ----------
    top : int, optional
        Only the first rows of the ranked table.
    width : int
        Columns of the terminal.
    colour : bool
        May the text carry terminal colours.
    table : str
        Which published table, for the formats that render any table.
    """

    top: int | None = None
    width: int = 100
    colour: bool = False
    table: str = "breaches"

    def chosen(self, tables: Mapping[str, pl.DataFrame]) -> pl.DataFrame:
        """Return the first rows of the table asked for.

        Raises
        ------
        UnknownNameError
            There is no such table.
        """
        if self.table not in tables:
            raise UnknownNameError("table", self.table, tables)
        frame = tables[self.table]
        return frame if self.top is None else frame.head(self.top)


class Renderer(Protocol):
    """One output format."""

    def __call__(self, tables: Mapping[str, pl.DataFrame], options: RenderOptions) -> bytes:
        """Return the rendering of the published tables (names and columns of `capforecast.schema`)."""
        ...
