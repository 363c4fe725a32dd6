"""Taking in the batches of one ingest: names become numbers, rows are grouped by day."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np
import polars as pl
from numpy.typing import NDArray

from capforecast.errors import SchemaError
from capforecast.store import conversion, durable, spans
from capforecast.store.conversion import Conversion
from capforecast.store.identify import KEY, SeriesIndex, identify
from capforecast.store.pieces import Columns, Piece, stable_order
from capforecast.store.quarantine import Rejects
from capforecast.times import DAY_US, format_moment

HUGE = 1e280
"""From here on values are not converted into smaller units."""
WHOLE = 100.0 * (1 + 1e-9)
"""A percent beyond this is flagged; a sum of shares may round a little above 100."""


def as_text(columns: Sequence[str]) -> pl.Expr:
    """Return rows that were read as one text each: the columns with commas between, nothing for null.

    A row that was turned into numbers and names has lost the text it came from, so this stands for it
    in quarantine: times are microseconds since the epoch and values as they were read.
    """
    return pl.concat_str([pl.col(name).cast(pl.String).fill_null("") for name in columns], separator=",")


class Batch(Protocol):
    """What a source hands over: good rows and rows that could not be read."""

    @property
    def rows(self) -> pl.DataFrame:
        """Columns host, metric, instance, unit, ts (microseconds), value, line; nature where rows tell it."""
        ...

    @property
    def rejects(self) -> pl.DataFrame:
        """Columns line, reason, raw."""
        ...


@dataclass(slots=True)
class Intake:
    """All batches of one ingest.

    Attributes
    ----------
    index : SeriesIndex
        Numbers of the series.
    staging : Path
        Where batches go when there are several.
    retained_us : int
        Older rows belong to samples that were pruned.
    units : Conversion
        In which unit each series is kept, and in which ones its rows came.
    rejects : Rejects
        Rows for quarantine.
    pieces : list of Piece
        The good rows, columns id, ts, value.
    beyond : set of int
        Series of percents with rows beyond 100.
    natures : dict
        What rows say of series, counter or gauge, by series number.
    batches : int
        Batches with good rows.
    rows_in, rows_good : int
        All rows, and those in `pieces`.
    """

    index: SeriesIndex
    staging: Path
    retained_us: int
    units: Conversion
    rejects: Rejects = field(init=False)
    pieces: list[Piece] = field(default_factory=list)
    beyond: set[int] = field(default_factory=set)
    natures: dict[int, set[str]] = field(default_factory=dict)
    batches: int = 0
    rows_in: int = 0
    rows_good: int = 0
    first_us: int | None = None
    last_us: int | None = None

    def __post_init__(self) -> None:
        self.rejects = Rejects(self.staging)

    @property
    def spilled(self) -> bool:
        """Did the batches not fit into one."""
        return self.batches > 1

    def take(self, batches: Iterable[Batch]) -> None:
        """Take in all batches."""
        for batch in batches:
            self.rows_in += batch.rows.height + batch.rejects.height
            self.rejects.add(batch.rejects)
            rows = self._retained(batch.rows)
            if rows.height:
                self._add(rows)

    def _retained(self, rows: pl.DataFrame) -> pl.DataFrame:
        if not self.retained_us or not rows.height or int(rows["ts"].min()) >= self.retained_us:  # type: ignore[arg-type]
            return rows
        late = rows.filter(pl.col("ts") < self.retained_us)
        self._reject(late, f"older than the retained samples, which begin at {format_moment(self.retained_us)}")
        return rows.filter(pl.col("ts") >= self.retained_us)

    def _add(self, rows: pl.DataFrame) -> None:
        sids, factor, name = self._named(rows)
        ts, value = _numbers(rows)
        foreign = np.isnan(factor)[name]
        # What no double could hold in the unit that is kept.
        large = (factor > 1.0)[name] & (np.abs(value) >= HUGE) if (factor > 1.0).any() else np.zeros_like(foreign)
        if foreign.any() or large.any():
            self._reject(rows.filter(pl.Series(foreign)), "unit is of another quantity than that of the series")
            self._reject(rows.filter(pl.Series(large)), "value is too large in the canonical unit")
            left = ~(foreign | large)
            name, ts, value = name[left], ts[left], value[left]
        if not name.size:
            return
        if (factor != 1.0).any():
            value = value * factor[name]
        percent = np.array([self.units.kept[sid] == "percent" for sid in sids.tolist()])
        if percent.any():
            self.beyond.update(np.unique(sids[name[(value > WHOLE) & percent[name]]]).tolist())
        ids = sids[name]
        low, high = int(ts.min()), int(ts.max())
        self.first_us = low if self.first_us is None else min(low, self.first_us)
        self.last_us = high if self.last_us is None else max(high, self.last_us)
        self.rows_good += ids.size
        self.pieces += _by_block({"id": ids, "ts": ts, "value": value})
        self.batches += 1
        if self.spilled:
            durable.make_directory(self.staging)
            for number, piece in enumerate(self.pieces):
                if piece.path is None:
                    piece.spill(self.staging / f"batch-{number}")

    def _reject(self, rows: pl.DataFrame, reason: str) -> None:
        raw = as_text([*KEY, "unit", "ts", "value"])
        self.rejects.add(rows.select("line", reason=pl.lit(reason), raw=raw))

    def _named(self, rows: pl.DataFrame) -> tuple[NDArray[np.int32], NDArray[np.float64], NDArray[np.int32]]:
        """Return the series of distinct names, by what their values are multiplied, and the name of each row.

        The factor is NaN where the unit does not fit the series.
        """
        told = [] if "nature" not in rows.columns or rows["nature"].null_count() == rows.height else ["nature"]
        found = identify(rows.with_columns(pl.col(told).cast(pl.String)), [*KEY, "unit", *told])
        names = found.names.with_columns(pl.col("instance", "unit").fill_null(""))
        if names["host"].null_count() or names["metric"].null_count():
            raise SchemaError("every row must name a host and a metric", got="null")
        # New series get their sids by name, so that series of one host are near each other in rollups.
        placed = names.with_row_index("row").with_columns(conversion.order(names["unit"]))
        order = placed.sort(*KEY, "place", "unit")["row"].to_numpy()
        ids, factor = np.empty(order.size, np.int32), np.empty(order.size)
        ids[order] = self.index.ids(names[order].select(KEY))
        named = names[order].select("metric", "unit").iter_rows()
        for row, sid, (metric, unit) in zip(order.tolist(), ids[order].tolist(), named, strict=True):
            factor[row] = self.units.factor(sid, unit, metric)
        for number, nature in zip(ids.tolist(), names["nature"].to_list() if told else (), strict=bool(told)):
            if nature:
                self.natures.setdefault(number, set()).add(nature)
        return ids, factor, found.spread(np.arange(order.size, dtype=np.int32))


def _by_block(columns: Columns) -> list[Piece]:
    """Group rows by block of series, then by day."""
    block = columns["id"] // spans.BLOCK
    if not block.any():
        return [Piece.of(columns["ts"] // DAY_US, columns)]
    order = stable_order(block)
    columns = {name: column[order] for name, column in columns.items()}
    block = block[order]
    starts = np.flatnonzero(np.concatenate([[True], block[1:] != block[:-1]]))
    pieces = []
    for start, stop in zip(starts, np.append(starts[1:], block.size), strict=True):
        rows = {name: column[start:stop] for name, column in columns.items()}
        pieces.append(Piece.of(rows["ts"] // DAY_US, rows, int(block[start])))
    return pieces


def _numbers(rows: pl.DataFrame) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    if rows["ts"].null_count() or rows["value"].null_count():
        raise SchemaError("every row must have a time and a value", got="null")
    ts = rows["ts"].to_numpy()
    # Adding zero turns -0.0 into 0.0: which of two equal values stays must not show.
    value = rows["value"].to_numpy() + 0.0
    if ts.dtype != np.int64 or int(ts.min()) < 0 or not np.isfinite(value).all():
        raise SchemaError("times must be whole microseconds from 1970 on and values finite", got=f"{ts.dtype} times")
    return ts, value
