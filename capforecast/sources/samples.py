"""From columns to `Batch`: the same for every source.

Every row of a long table becomes one sample or one reject. A row of a wide table becomes a sample for
each filled cell; empty cells are absent, unreadable ones rejects, and a row without a time is one reject.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Protocol

import numpy as np
import numpy.typing as npt
import polars as pl

from capforecast.sources import REJECTS, ROWS, Batch, ReadOptions
from capforecast.sources.columns import Layout, Metric
from capforecast.sources.decimals import FORMATTED, pointed
from capforecast.sources.measured import split
from capforecast.sources.moments import Moments

Bad = list[tuple[int, str, str]]
REJECT_ROWS = 50
"""What one reject counts in rows when batches are joined: its text, of up to a few thousand signs, is kept."""


class Cells(Protocol):
    """Rows of a source by column; `lines` and `ordinals` are their numbers from 1 and from 0."""

    lines: npt.NDArray[np.int64]
    ordinals: npt.NDArray[np.int64]

    def text(self, index: int) -> pl.Series:
        """Return a column as text without outer blanks; empty cells are null."""
        ...

    def numbers(self, index: int) -> tuple[pl.Series, pl.Series]:
        """Return a column as float64 (null where empty or unreadable), and which cells are empty."""
        ...

    def moments(self, index: int) -> Moments:
        """Return a column as times."""
        ...

    def raw(self, row: int) -> str:
        """Return a row as it stood."""
        ...


class TextCells:
    """Cells that are text, as in delimited files and JSON lines.

    Parameters
    ----------
    frame : polars.DataFrame
        Text columns named by their numbers; null or an empty text where nothing is.
    numbered : (lines, ordinals)
        Numbers of the rows.
    clock : function
        Turns a column of text into moments.
    raw : function
        Gives the text of a row.
    decimal : str, optional
        How numbers are written, as in `ReadOptions`.
    """

    def __init__(
        self,
        frame: pl.DataFrame,
        numbered: tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]],
        clock: Callable[[pl.Series], Moments],
        raw: Callable[[int], str],
        decimal: str | None = None,
    ):
        self._frame, self._clock, self._raw, self._decimal = frame, clock, raw, decimal
        self.lines, self.ordinals = numbered

    def text(self, index: int) -> pl.Series:
        """Return a column as text without outer blanks; empty cells are null."""
        cells = self._frame[str(index)].str.strip_chars()
        empty = cells == ""
        return cells.set(empty, None) if empty.any() else cells

    def numbers(self, index: int) -> tuple[pl.Series, pl.Series]:
        """Return a column as float64 (null where empty or unreadable), and which cells are empty."""
        return text_numbers(self.text(index), self._decimal)

    def moments(self, index: int) -> Moments:
        """Return a column as times."""
        return self._clock(self._frame[str(index)])

    def raw(self, row: int) -> str:
        """Return a row as it stood."""
        return self._raw(row)


def text_numbers(cells: pl.Series, decimal: str | None) -> tuple[pl.Series, pl.Series]:
    """Return text as float64 (null where empty or unreadable), and which cells are empty."""
    written = cells if decimal is None else pointed(cells, decimal)
    return written.cast(pl.Float64, strict=False), cells.is_null()


def assemble(cells: Cells, layout: Layout, options: ReadOptions) -> Batch:
    """Turn rows into samples and rejects."""
    batch = _long(cells, layout, options) if layout.kind == "long" else _wide(cells, layout, options)
    return replace(batch, left_out=tuple(layout.left_out.values()))


def rejected(bad: Bad) -> pl.DataFrame:
    """Return rejects as a table."""
    return pl.DataFrame(bad, schema=REJECTS, orient="row")


def joined(batches: Iterator[Batch], most: int) -> Iterator[Batch]:
    """Put small batches together and cut large ones, so that none has more than `most` rows, or as many rejects
    as take their place.
    """
    waiting: list[Batch] = []
    count = 0
    for batch in batches:
        size = batch.rows.height + REJECT_ROWS * batch.rejects.height
        if waiting and count + size > most:
            yield _together(waiting)
            waiting, count = [], 0
        while batch.rows.height > most:
            yield Batch(batch.rows.head(most), rejected([]), batch.left_out)
            batch = replace(batch, rows=batch.rows.slice(most))
        if size:
            waiting.append(batch)
            count += batch.rows.height + REJECT_ROWS * batch.rejects.height
    if waiting:
        yield _together(waiting)


def _together(batches: list[Batch]) -> Batch:
    if len(batches) == 1:
        return batches[0]
    left_out = tuple(dict.fromkeys(name for b in batches for name in b.left_out))
    return Batch(pl.concat([b.rows for b in batches]), pl.concat([b.rejects for b in batches]), left_out)


def _values(cells: Cells, metric: Metric, options: ReadOptions) -> tuple[pl.Series, pl.Series, pl.Series | None]:
    """Return the values of a column, which cells are empty, and the units of those that name one."""
    if not metric.measured:
        return *cells.numbers(metric.index), None
    text = cells.text(metric.index)
    values, units = split(text if options.decimal is None else pointed(text, options.decimal))
    return values, text.is_null(), units


def _names(cells: Cells, layout: Layout, role: str, default: str | None) -> pl.Series:
    """Return the names of a role; null where a name that must be there is not."""
    if role in layout.roles:
        found = cells.text(layout.roles[role])
        if role == "instance":
            if layout.sysstat:
                found = pl.select(pl.when(found == "-1").then(pl.lit("all")).otherwise(found)).to_series()
            return found.fill_null("").rename(role)
        return (found if default is None else found.fill_null(default)).rename(role)
    return pl.Series(role, [default or ""], dtype=pl.String).new_from_index(0, len(cells.lines))


def _times(cells: Cells, layout: Layout, options: ReadOptions) -> Moments:
    if "ts" in layout.roles:
        return cells.moments(layout.roles["ts"])
    assert options.start_us is not None
    assert options.step_us is not None
    return Moments(pl.Series(cells.ordinals * options.step_us + options.start_us))


def _long(cells: Cells, layout: Layout, options: ReadOptions) -> Batch:
    (metric,) = layout.metrics
    host = _names(cells, layout, "host", None if "host" in layout.roles else layout.host)
    name = _names(cells, layout, "metric", None if "metric" in layout.roles else metric.name)
    times = _times(cells, layout, options)
    values, empty, units = _values(cells, metric, options)
    unit = _names(cells, layout, "unit", layout.unit)
    rows = pl.DataFrame(
        {
            "host": host,
            "metric": name,
            "instance": _names(cells, layout, "instance", ""),
            "unit": unit if units is None else pl.select(pl.coalesce(units, unit)).to_series(),
            "ts": times.us,
            "value": values,
            "line": cells.lines,
        },
        schema=ROWS,
    )
    if not any(rows[c].null_count() for c in ("host", "metric", "ts", "value")):
        return Batch(rows, rejected([]))
    none = pl.lit(None, dtype=pl.String)
    reasons = rows.select(
        pl.when(pl.col("host").is_null())
        .then(pl.lit("host is empty"))
        .when(pl.col("metric").is_null())
        .then(pl.lit("metric is empty"))
        .when(pl.col("ts").is_null())
        .then(pl.lit("time is not readable") if times.reasons is None else times.reasons)
        .when(empty)
        .then(pl.lit("value is empty"))
        .when(pl.col("value").is_null())
        .then("value " + _no_number(cells, metric))
        .otherwise(none)
    ).to_series()
    wrong = reasons.is_not_null()
    bad = [(int(cells.lines[i]), reasons[i], cells.raw(i)) for i in wrong.arg_true().to_list()]
    return Batch(rows.filter(~wrong), rejected(bad))


def _wide(cells: Cells, layout: Layout, options: ReadOptions) -> Batch:
    count, width = len(cells.lines), len(layout.metrics)
    bad: Bad = []
    host = _names(cells, layout, "host", None if "host" in layout.roles else layout.host)
    if layout.kind == "rows":
        lost = host.is_null()
        reasons = pl.Series(["host is empty"]).new_from_index(0, count)
        us = _step_times(count, width, options)
    else:
        times = _times(cells, layout, options)
        lost = times.us.is_null() | host.is_null()
        reasons = host.is_null().replace_strict({True: "host is empty", False: None}, return_dtype=pl.String)
        reasons = pl.select(pl.coalesce(reasons, times.reasons if times.reasons is not None else reasons)).to_series()
        us = np.repeat(times.us.fill_null(0).to_numpy(), width)
    bad += [(int(cells.lines[i]), reasons[i], cells.raw(i)) for i in lost.arg_true().to_list()]
    usable = ~lost.to_numpy()
    values = np.empty((count, width))
    present = np.empty((count, width), dtype=bool)
    given = {}
    for j, metric in enumerate(layout.metrics):
        found, empty, of_cells = _values(cells, metric, options)
        if of_cells is not None:
            given[j] = of_cells
        values[:, j] = found.fill_null(0.0).to_numpy()
        present[:, j] = found.is_not_null().to_numpy() & usable
        unreadable = found.is_null() & ~empty & pl.Series(usable)
        bad += _unreadable(cells, metric, unreadable)
    kept = np.flatnonzero(present.ravel())
    row, column = np.divmod(kept, width)
    names = pl.Series([m.name for m in layout.metrics], dtype=pl.String)
    hosts = pl.Series([m.host or layout.host for m in layout.metrics], dtype=pl.String)
    instances = pl.Series([m.instance for m in layout.metrics], dtype=pl.String)
    units = pl.Series([m.unit or layout.unit for m in layout.metrics], dtype=pl.String)
    unit = _names(cells, layout, "unit", None).gather(row) if "unit" in layout.roles else units.gather(column)
    for j, of_cells in given.items():
        in_column = pl.Series(column == j)
        unit = pl.select(pl.coalesce(pl.when(in_column).then(of_cells.gather(row)), unit)).to_series()
    rows = pl.DataFrame(
        {
            "host": host.gather(row) if "host" in layout.roles else hosts.gather(column),
            "metric": names.gather(column),
            "instance": (
                _names(cells, layout, "instance", "").gather(row)
                if "instance" in layout.roles
                else instances.gather(column)
            ),
            "unit": unit.fill_null(""),
            "ts": us[kept],
            "value": values.ravel()[kept],
            "line": cells.lines[row],
        },
        schema=ROWS,
    )
    return Batch(rows, rejected(sorted(bad, key=lambda reject: reject[0])))


def _step_times(count: int, width: int, options: ReadOptions) -> npt.NDArray[np.int64]:
    assert options.start_us is not None
    assert options.step_us is not None
    return np.tile(np.arange(width, dtype=np.int64) * options.step_us + options.start_us, count)


def _unreadable(cells: Cells, metric: Metric, wrong: pl.Series) -> Bad:
    if not wrong.any():
        return []
    why = _no_number(cells, metric)
    return [(int(cells.lines[i]), f"{metric.header!r} {why[i]}", cells.raw(i)) for i in wrong.arg_true().to_list()]


def _no_number(cells: Cells, metric: Metric) -> pl.Series:
    """Return of each row what is wrong with its value if it is no number."""
    formatted = cells.text(metric.index).str.contains(FORMATTED).fill_null(False)
    reasons = {True: "has a decimal comma or grouped thousands (see --decimal)", False: "is not a number"}
    return formatted.replace_strict(reasons, return_dtype=pl.String)
