"""Numbers that are written with their unit in the cell: ``12.3 GiB``, ``45%``, ``250 ms``.

Read are shares, bytes, bytes a second and, after a blank, times; a cell with anything else after its number is text.
"""

from __future__ import annotations

import polars as pl

from capforecast.sources.decimals import pointed
from capforecast.sources.moments import kind_of
from capforecast.units import known

_CELL = r"^([-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?)(\s*[^0-9\s.,:+-][^0-9]{0,15})?$"
_SAMPLE = 1000
_SHORT = ("percent", "byte", "byte/s")
"""Quantities whose units may follow a number without a blank, but for those of one letter: 12B is a name as well."""


def split(cells: pl.Series) -> tuple[pl.Series, pl.Series]:
    """Return the numbers of cells, and their canonical units (null where a number has none).

    Parameters
    ----------
    cells : Series of text
        Without outer blanks.

    Returns
    -------
    (Series of float64, Series of text)
        The number in the canonical unit; null where the cell is something else.
    """
    parts = cells.str.extract_groups(_CELL).struct.unnest()
    number, suffix = (parts[name] for name in parts.columns)
    factors, units = {}, {}
    for text in suffix.drop_nulls().unique().to_list():
        if (found := _unit(text)) is not None:
            units[text], factors[text] = found
    bare = suffix.is_null()
    factor = suffix.replace_strict(factors, default=None, return_dtype=pl.Float64)
    unit = suffix.replace_strict(units, default=None, return_dtype=pl.String)
    value = number.cast(pl.Float64, strict=False)
    return pl.select(pl.when(bare).then(value).otherwise(value * factor)).to_series(), unit


def column_kind(cells: pl.Series, decimal: str | None = None) -> str:
    """Return what cells of text are: as `kind_of` says, or measured where most are numbers, and some have units."""
    cells = cells.head(_SAMPLE).str.strip_chars()
    if decimal is not None:
        cells = pl.select(pl.coalesce(pointed(cells, decimal), cells)).to_series()
    kind = kind_of(cells)
    if kind != "text":
        return kind
    filled = cells.filter((cells != "").fill_null(False))
    values, units = split(filled)
    with_unit = units.null_count() < len(units)
    return "measured" if with_unit and values.is_not_null().sum() * 2 >= len(filled) else kind


def _unit(text: str) -> tuple[str, float] | None:
    """Return the canonical unit and the factor of what follows a number, blanks included; None where it is no unit."""
    name = text.strip()
    found = known(name)
    if found is None or found.canonical not in (*_SHORT, "s"):
        return None
    if text == name and name != "%" and (found.canonical not in _SHORT or len(name) < 2):
        return None
    return found.canonical, found.factor
