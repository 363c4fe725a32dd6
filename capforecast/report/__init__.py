"""Renderings of a run: each file turns the published tables into the bytes of one format."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import polars as pl

from capforecast.errors import UnknownNameError

Tables = Mapping[str, pl.DataFrame] | Mapping[str, pl.LazyFrame]
"""The published tables by name: in memory, or in files."""


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
    only : str
        Which rows these are, in words, where they are not all: renderings for people say so.
    """

    top: int | None = None
    width: int = 100
    colour: bool = False
    table: str = "breaches"
    only: str = ""

    def chosen(self, tables: Tables) -> pl.DataFrame:
        """Return the first rows of the table asked for.

        Raises
        ------
        UnknownNameError
            There is no such table.
        """
        if self.table not in tables:
            raise UnknownNameError("table", self.table, tables)
        rows = tables[self.table].lazy()
        return (rows if self.top is None else rows.head(self.top)).collect()


class Renderer(Protocol):
    """One output format."""

    def __call__(self, tables: Tables, options: RenderOptions) -> bytes:
        """Return the rendering of the published tables (names and columns of `capforecast.schema`).

        No more should be read of tables that lie in files than is shown.
        """
        ...
