"""Tables with the day in one column and the time of day in another, put together as the moment they are."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from capforecast.sources.naming import ALIASES, plain

_DAY, _CLOCK = "date", "time"
_OF_DAY = r"^\d{1,2}:\d{2}(?::\d{2}(?:[.,]\d+)?)?(?:\s*[AaPp][Mm])?$"
_SAMPLE = 1000

Pair = tuple[int, int]
"""Numbers of the columns of the day and of the time of day."""


def pair_of(names: Sequence[str], cells: pl.DataFrame) -> Pair | None:
    """Return which two columns hold day and time of day, None where there are none or another one holds the time.

    Parameters
    ----------
    names : sequence of str
        Of the columns.
    cells : DataFrame of text
        Their first rows, by number.
    """
    times = {plain(name): i for i, name in enumerate(names) if plain(name) in ALIASES["ts"]}
    if set(times) != {_DAY, _CLOCK} or sum(plain(name) in times for name in names) > len(times):
        return None
    filled = cells[str(times[_CLOCK])].head(_SAMPLE).str.strip_chars()
    filled = filled.filter(filled != "")
    of_day = len(filled) > 0 and filled.str.contains(_OF_DAY).sum() * 2 >= len(filled)
    return (times[_DAY], times[_CLOCK]) if of_day else None


def together(cells: pl.DataFrame, pair: Pair) -> pl.DataFrame:
    """Return cells whose column of the day has the time of day, too; where that is missing, so is the moment."""
    day, clock = (pl.col(str(i)).str.strip_chars() for i in pair)
    moment = pl.when((day != "") & (clock != "")).then(day + pl.lit(" ") + clock).otherwise(pl.lit(""))
    return cells.with_columns(moment.alias(str(pair[0])), pl.lit("").alias(str(pair[1])))
