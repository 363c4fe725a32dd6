"""Rollups of counters: samples stay as they came, and what is rolled up are the rates that follow from them.

A rate belongs to the sample that ends its interval. So a sample decides about its own day and about that
of the sample after it, which is at most `LONGEST_US` later: those days of the counters of a block are
computed anew from the merged samples, whatever came, in whichever order.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import polars as pl
from numpy.typing import NDArray

from capforecast.kernels.rates import rates
from capforecast.store import rollups, samples, spans
from capforecast.store.identify import SeriesIndex
from capforecast.store.parquet import Part
from capforecast.store.pieces import Columns, Piece
from capforecast.times import DAY_US, HOUR_US

LONGEST_US = 25 * HOUR_US
"""Two samples of a counter further apart tell no rate: a day, and an hour for clocks that drift or change."""
REACH_DAYS = -(-LONGEST_US // DAY_US)
"""Days after that of a sample on which the next one may be."""
SERIES = ("host", "metric", "instance")
COUNTER = "counter"
GAUGE = "gauge"


@dataclass(frozen=True, slots=True)
class Natures:
    """Which series are counters.

    Attributes
    ----------
    counter : bool (S,)
        By sid, after this ingest.
    changed : bool (S,)
        Known series that were another thing before it.
    """

    counter: NDArray[np.bool_]
    changed: NDArray[np.bool_]

    @classmethod
    def of(cls, known: pl.Series, told: Mapping[int, set[str]], count: int) -> Natures:
        """Return what series are: as they were, unless an ingest tells otherwise.

        Parameters
        ----------
        known : Series
            Nature of the known series, by sid; counter or empty.
        told : mapping of int to set of str
            What the rows say of some series. Of both, gauge holds: only settings say so.
        count : int
            Series after the ingest.
        """
        before = np.zeros(count, np.bool_)
        before[: known.len()] = (known == COUNTER).to_numpy()
        now = before.copy()
        for sid, said in told.items():
            now[sid] = GAUGE not in said
        return cls(now, (now != before) & (np.arange(count) < known.len()))

    @property
    def apart(self) -> NDArray[np.bool_]:
        """Which series are not rolled up as they come, bool (S,)."""
        return self.counter | self.changed

    def names(self) -> pl.Series:
        """Return the nature of each series as the catalog has it."""
        return pl.select(pl.when(pl.Series(self.counter)).then(pl.lit(COUNTER)).otherwise(pl.lit(""))).to_series()


@dataclass(frozen=True, slots=True)
class Again:
    """What is rolled up anew of the series that are apart.

    Attributes
    ----------
    natures : Natures
        Which series these are.
    pieces : list of Piece
        Their rollups, by block.
    days : dict of int to int64 array
        Rising days that `pieces` replace, by block.
    """

    natures: Natures
    pieces: list[Piece]
    days: dict[int, NDArray[np.int64]]

    def emptied(self, parts: Sequence[Part]) -> list[Piece]:
        """Return, without rows, the days of rollup parts that rows may have to leave.

        Of a series that became another thing nothing stays, also where its samples were pruned.
        """
        changed = {int(block) for block in np.unique(np.flatnonzero(self.natures.changed) // spans.BLOCK)}
        out = []
        for part in parts:
            days = np.arange(part.first_day, part.last_day + 1, dtype=np.int64)
            if part.block not in changed:
                days = days[np.isin(days, self.days.get(part.block, days[:0]))]
            if days.size:
                none = {name: np.empty(0, dtype) for name, dtype in rollups.DTYPES.items()}
                out.append(Piece(days, np.zeros(days.size + 1, np.int64), none, part.block))
        return out

    def stays(self, old: Columns, block: int, day: NDArray[np.int64], plain: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Tell which rollups stay, where those of the other series go on some days (`plain`)."""
        apart = self.natures.apart[old["sid"]]
        again = np.isin(day, self.days.get(block, day[:0]))
        stays: NDArray[np.bool_] = ~np.where(apart, again, np.isin(day, plain)) & ~self.natures.changed[old["sid"]]
        return stays


def rate_unit() -> pl.Expr:
    """Return the unit of the rollups of series, from their unit and nature: that of rates where they are counters."""
    unit = pl.col("unit")
    rate = pl.when(unit.is_in(["", "count"])).then(pl.lit("1/s")).otherwise(unit + "/s")
    return pl.when(pl.col("nature") == COUNTER).then(rate).otherwise(unit).alias("unit")


def as_rates(frame: pl.DataFrame) -> pl.DataFrame:
    """Return the rates of counters in the place of their samples.

    Parameters
    ----------
    frame : DataFrame
        host, metric, instance, ts (a moment), value and others, in any order. Of two values of one series and
        moment the larger holds, as in the store; what is no finite number, or lies before 1970, tells nothing.

    Returns
    -------
    DataFrame
        One row per series and moment: the rate of the interval that ends there, NaN where it has none.
    """
    sound = frame.select(
        (pl.col("value").is_finite() & (pl.col("ts").dt.epoch("us") >= 0)).fill_null(False)
    ).to_series()
    rows = frame.filter(sound).sort(*SERIES, "ts", "value")
    rows = rows.unique(subset=[*SERIES, "ts"], keep="last", maintain_order=True)
    ids = rows.select(pl.struct(SERIES).rle_id()).to_series().to_numpy().astype(np.int32)
    count = int(ids[-1]) + 1 if ids.size else 0
    ts = rows["ts"].dt.epoch("us").to_numpy().astype(np.int64)
    newest = Newest(0, np.full(count, -1, np.int64), np.zeros(count))
    found = newest.rates({"id": ids, "ts": ts, "value": rows["value"].to_numpy()})
    lost = frame.filter(~sound).with_columns(value=pl.lit(np.nan))
    return pl.concat([rows.with_columns(value=pl.Series(found)), lost])


def with_rates(frame: pl.DataFrame) -> pl.DataFrame:
    """Return samples in which those of counters are their rates, in the unit of rates.

    Parameters
    ----------
    frame : DataFrame
        As for `as_rates`, with unit, and nature as sources and settings tell it of each row: a series is a
        counter where one of its rows says so and none says gauge.
    """
    said = [(pl.col("nature").cast(pl.String) == name).any().over(SERIES) for name in (COUNTER, GAUGE)]
    counter = frame.select(said[0] & ~said[1]).to_series()
    if not counter.any():
        return frame.drop("nature")
    rated = as_rates(frame.filter(counter)).with_columns(nature=pl.lit(COUNTER)).with_columns(rate_unit())
    return pl.concat([frame.filter(~counter).drop("nature"), rated.drop("nature")])


def touched_days(fresh: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the days whose rates samples of some days decide about."""
    return np.unique(np.concatenate([fresh + more for more in range(REACH_DAYS + 1)] or [fresh]))


class Workplace(Protocol):
    """What the work needs to know of the ingest."""

    @property
    def store(self) -> Path:
        """Directory of the store."""
        ...

    @property
    def index(self) -> SeriesIndex:
        """Numbers of the series, complete by now."""
        ...

    @property
    def step_us(self) -> int:
        """Width of a rollup."""
        ...


def rolled_again(
    place: Workplace,
    natures: Natures,
    anchors: pl.DataFrame,
    parts: Sequence[Part],
    fresh: Mapping[int, NDArray[np.int64]],
    spill: Path | None,
) -> Again:
    """Compute the rollups of the series that are apart on the days that fresh samples decide about.

    Parameters
    ----------
    place : Workplace
        Where the store is and what its series are.
    natures : Natures
        What the series are.
    anchors : DataFrame
        sid, ts and value of the newest sample of counters that were pruned.
    parts : sequence of Part
        All sample parts as they will be.
    fresh : mapping of int to int64 array
        By block, the days on which series that are apart have new samples.
    spill : Path, optional
        Where rollups go that should not stay in memory.
    """
    changed = {int(block) for block in np.unique(np.flatnonzero(natures.changed) // spans.BLOCK)}
    work = _Work(place, natures, anchors, spill)
    todo = []
    for block in sorted({*fresh, *changed}):
        mine = sorted((part for part in parts if part.block == block), key=lambda part: part.first_day)
        if block in changed:
            every = [np.arange(part.first_day, part.last_day + 1, dtype=np.int64) for part in mine]
            wanted = np.concatenate([np.empty(0, np.int64), *every])
        else:
            wanted = touched_days(fresh[block])
        todo.append((block, mine, wanted))
    with ThreadPoolExecutor(2, thread_name_prefix="counters") as pool:
        found = list(pool.map(lambda one: work.block(*one), todo))
    days = {block: wanted for block, _, wanted in todo}
    return Again(natures, [piece for pieces in found for piece in pieces], days)


@dataclass(frozen=True, slots=True)
class _Work:
    place: Workplace
    natures: Natures
    anchors: pl.DataFrame
    spill: Path | None

    def block(self, block: int, parts: Sequence[Part], days: NDArray[np.int64]) -> list[Piece]:
        """Return the rollups of a block on some days, part by part in the order of time."""
        pieces = []
        newest = Newest.of(self.anchors, block)
        context = np.unique(np.concatenate([days - back for back in range(REACH_DAYS + 1)]))
        for part in parts:
            inside = days[(days >= part.first_day) & (days <= part.last_day)]
            if not np.any((context >= part.first_day) & (context <= part.last_day)):
                continue
            rows = samples.read_samples(self.place.store / part.path, self.place.index)
            piece = self._rolled(_only(rows, self.natures.apart[rows["id"]]), newest, inside, block)
            if piece.days.size and self.spill is not None:
                piece.spill(self.spill / f"rates-{block}-{part.first_day}")
            pieces.append(piece)
        return [piece for piece in pieces if piece.days.size]

    def _rolled(self, rows: Columns, newest: Newest, days: NDArray[np.int64], block: int) -> Piece:
        values = newest.rates(rows)
        counter = self.natures.counter[rows["id"]]
        values = np.where(counter, values, rows["value"])
        keep = ~np.isnan(values) & np.isin(rows["ts"] // DAY_US, days)
        return rollups.compute(rows["id"][keep], rows["ts"][keep], values[keep], self.place.step_us, block)


def _only(rows: Columns, which: NDArray[np.bool_]) -> Columns:
    return rows if which.all() else {name: column[which] for name, column in rows.items()}


@dataclass(frozen=True, slots=True)
class Newest:
    """The newest sample so far of each series of a block.

    Attributes
    ----------
    first : int
        Sid of the block's first series.
    ts, value : int64, float64 (S,)
        The samples; ts is -1 where there is none.
    """

    first: int
    ts: NDArray[np.int64]
    value: NDArray[np.float64]

    @classmethod
    def of(cls, anchors: pl.DataFrame, block: int) -> Newest:
        """Return the newest pruned samples of a block."""
        out = cls(block * spans.BLOCK, np.full(spans.BLOCK, -1, np.int64), np.zeros(spans.BLOCK))
        mine = anchors.filter(pl.col("sid") // spans.BLOCK == block)
        place = mine["sid"].to_numpy() - out.first
        out.ts[place], out.value[place] = mine["ts"].to_numpy(), mine["value"].to_numpy()
        return out

    def rates(self, rows: Columns) -> NDArray[np.float64]:
        """Return the rates of samples that follow, sorted by series and time, and take the newest of them."""
        out = np.empty(rows["ts"].size)
        rates(
            (rows["id"] - self.first).astype(np.int32), rows["ts"], rows["value"], self.ts, self.value, LONGEST_US, out
        )
        return out


def pruned_anchors(
    store: Path, index: SeriesIndex, counter: NDArray[np.bool_], anchors: pl.DataFrame, parts: Sequence[Part]
) -> pl.DataFrame:
    """Return the newest sample of each counter in parts that will be pruned, or pruned before.

    Parameters
    ----------
    store, index, counter, anchors
        As they are before.
    parts : sequence of Part
        What goes.
    """
    found = []
    for block in sorted({part.block for part in parts}):
        newest = Newest.of(anchors, block)
        for part in sorted((p for p in parts if p.block == block), key=lambda part: part.first_day):
            rows = samples.read_samples(store / part.path, index)
            newest.rates(_only(rows, counter[rows["id"]]))
        sids = np.flatnonzero(newest.ts >= 0)
        found.append(
            pl.DataFrame(
                {"sid": (sids + newest.first).astype(np.int32), "ts": newest.ts[sids], "value": newest.value[sids]}
            )
        )
    return pl.concat([anchors.clear(), *found])
