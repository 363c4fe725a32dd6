"""Series that a table tells apart by a column without a role: they must not become one series.

Rows of one series at one time that differ are two measurements of one thing, now and then; where there are many, and
a column that is not read tells them apart, it is a name: of a file system, of a host. Numbers are names where they
are whole and come again and again, also in a column that would be a metric otherwise: of a processor.
"""

from __future__ import annotations

from collections.abc import Iterable

import polars as pl

from capforecast.errors import SchemaError
from capforecast.sources import Batch
from capforecast.sources.columns import Layout
from capforecast.sources.content import shown
from capforecast.sources.samples import Cells

_KEY = ["host", "metric", "instance", "ts"]
_MANY = 0.1
"""Share of rows that must differ from another one of their series and time before a column is blamed for it."""
CHECKED_ROWS = 200_000
"""First rows that are looked at."""
_SHOWN = 40


def refuse_merged(batch: Batch, cells: Cells, layout: Layout, location: str, columns: Iterable[int]) -> None:
    """Raise SchemaError where rows would become one series that a column tells apart.

    Parameters
    ----------
    batch : Batch
        Samples of the first rows.
    cells : Cells
        Those rows.
    layout : Layout
        What their columns mean.
    location : str
        What messages name.
    columns : iterable of int
        Numbers of columns that are not read, text before numbers.
    """
    rows = batch.rows.head(CHECKED_ROWS)
    twice = rows.filter(rows.select(pl.struct(_KEY).is_duplicated()).to_series())
    if not _differing(twice, _KEY) > _MANY * rows.height:
        return
    measured = {metric.index: metric.header for metric in layout.metrics} if layout.kind == "wide" else {}
    for i, column in {**{i: layout.left_out[i] for i in columns}, **measured}.items():
        names = pl.DataFrame({"line": cells.lines, "name": cells.text(i)})
        named = twice.join(names, on="line", how="left", maintain_order="left")
        if _differing(named, [*_KEY, "name"]) > _MANY * rows.height or not _are_names(named["name"]):
            continue
        two = pl.col("value").min() != pl.col("value").max()
        apart = named.filter((two & (pl.col("name").n_unique() > 1)).over(_KEY))
        first = apart.join(apart.head(1).select(_KEY), on=_KEY, how="semi", maintain_order="left")
        raise _merged(first.unique("name", keep="first", maintain_order=True), layout, location, column)


def _differing(rows: pl.DataFrame, key: list[str]) -> int:
    """Return how many rows are of a key with several values."""
    each = rows.group_by(key).agg(pl.len().alias("rows"), (pl.col("value").min() != pl.col("value").max()).alias("two"))
    return int(each.filter("two")["rows"].sum())


def _are_names(cells: pl.Series) -> bool:
    if cells.cast(pl.Float64, strict=False).null_count():
        return True
    return bool(cells.str.contains(r"^[0-9]+$").all()) and cells.n_unique() * 2 <= len(cells)


def _merged(rows: pl.DataFrame, layout: Layout, location: str, name: str) -> SchemaError:
    one, two = rows.head(2).iter_rows(named=True)
    series = " ".join(filter(None, (one["host"], one["metric"], one["instance"])))
    role = "instance" if "host" in layout.roles else "host"
    return SchemaError(
        "rows of one series must be of different times",
        got=f"{one['value']:g} and {two['value']:g} of {series!r} at one time; "
        f"the column {name!r} tells them apart ({_cell(one['name'])} and {_cell(two['name'])})",
        where=f"{shown(location)}:{one['line']} and {two['line']}",
        do=f"Add --map {role}={name}, or the role it has (host, metric or instance)",
    )


def _cell(text: str | None) -> str:
    return "empty" if text is None else repr(text[:_SHOWN])
