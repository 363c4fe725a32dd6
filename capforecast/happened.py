"""What happened after predictions: first crossings, gaps and falls, from the rollups of the horizon alone.

A crossing is sustained as it is in the forecast: k of n natural steps of the series, and one step where that is a
day or more.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from capforecast import registry
from capforecast.config import Config
from capforecast.hindsight import WEEK, Seen, fell
from capforecast.history import History, Items, grid, groups, natural_steps
from capforecast.kernels.crossing import first_crossings
from capforecast.kernels.grid import natural_gaps, sustained_peaks
from capforecast.kinds import kind_of
from capforecast.marks import Marks
from capforecast.moved import Moved, moved
from capforecast.panel import DAY_US, Floats, Ints
from capforecast.store import Store, shards

BLOCK = 256
"""Series alike in step and rule that are looked at together."""

SHARD = 2048
"""Neighbouring series that are read at a time."""


@dataclass(frozen=True, slots=True)
class Due:
    """The predictions of one run for one horizon."""

    run_id: str
    as_of_us: int
    days: int
    one_in: int

    @property
    def due_us(self) -> int:
        """End of the horizon."""
        return self.as_of_us + self.days * DAY_US


def happened(store: Store, config: Config, due: Due, rows: pl.DataFrame) -> Seen:
    """Return what happened to predictions.

    Parameters
    ----------
    store : Store
        Open store; it is read shard by shard.
    config : Config
        Metric kinds and threads.
    due : Due
        When the predictions were made, and how far they reach.
    rows : DataFrame
        host, metric, instance, unit, statistic, threshold_name, direction, threshold, capacity and sid.
    """
    seen = _nothing(rows.height)
    if not rows.height:
        return seen
    names = rows.select("metric", "unit").unique(maintain_order=True)
    rules = [kind_of(metric, unit or "", config.metric_kinds).sustain for metric, unit in names.iter_rows()]
    rules_of = names.with_columns(pl.Series("k", [k for k, _ in rules]), pl.Series("n", [n for _, n in rules]))
    both = rows.select("metric", "unit").join(
        rules_of, on=["metric", "unit"], how="left", maintain_order="left", nulls_equal=True
    )
    statistics = sorted(rows.get_column("statistic").unique().to_list())
    sid = rows.get_column("sid").to_numpy()
    task = _Task(
        store, due, sid, np.where(rows.get_column("direction").to_numpy() == "below", -1.0, 1.0),
        rows.get_column("threshold").to_numpy(),
        np.searchsorted(statistics, rows.get_column("statistic").to_numpy().astype(str)), statistics,
        both.select("k", "n").to_numpy(), moved(store, config, rows, (due.as_of_us, due.days)),
        Marks.of(store.series(), config),
    )  # fmt: skip
    order = np.argsort(sid, kind="stable")
    edges = [stop for _, stop in shards(sid[order].astype(np.int32), SHARD)]
    tasks = [order[start:stop] for start, stop in zip([0, *edges], edges, strict=False)]
    engine: Any = registry.load("engine", "serial" if config.run.threads == 1 else "threads")
    for chosen, part in engine(task.seen, tasks, config.run.threads):
        seen.crossed_us[chosen], seen.known[chosen], seen.eased[chosen] = part.crossed_us, part.known, part.eased
    return seen


@dataclass(frozen=True, slots=True)
class _Task:
    """What the judging of each shard needs."""

    store: Store
    due: Due
    sid: Ints
    sign: Floats
    threshold: Floats
    statistic: Ints
    statistics: Sequence[str]
    rule: Ints
    moved: Moved
    marks: Marks

    def seen(self, chosen: Ints) -> tuple[Ints, Seen]:
        """Return what happened to some rows."""
        sids, place = np.unique(self.sid[chosen], return_inverse=True)
        read, _ = self.marks.read(
            self.store, sids, self.statistics, from_us=self.due.as_of_us - WEEK * DAY_US, to_us=self.due.due_us
        )
        rollups = History(read.starts, read.bucket, read.values, self.store.step_us)
        items, owner = self._items(chosen, place)
        gaps = np.empty(sids.size, np.int64)
        natural_gaps(rollups.starts, rollups.buckets, self.due.due_us // rollups.step_us, gaps)
        steps = natural_steps(gaps * rollups.step_us, rollups.step_us)[items.series]
        out = _nothing(chosen.size)
        by_item = np.argsort(owner, kind="stable")
        starts = np.searchsorted(owner[by_item], np.arange(items.series.size + 1))
        for block in groups(items, steps, rollups, np.arange(steps.size), BLOCK):
            local = np.concatenate([by_item[starts[item] : starts[item + 1]] for item in block])
            of = np.repeat(np.arange(block.size), starts[block + 1] - starts[block])
            self._block(rollups, items, block, int(steps[block[0]]), (chosen, local, of), out)
        return chosen, out

    def _items(self, chosen: Ints, place: Ints) -> tuple[Items, Ints]:
        """Return the distinct items of some rows, and the item of each row."""
        keys = np.column_stack((place, self.sign[chosen].astype(np.int64), self.statistic[chosen], self.rule[chosen]))
        distinct, owner = np.unique(keys, axis=0, return_inverse=True)
        series, sign, statistic, k, n = (np.array(column, np.int64) for column in distinct.T)
        unbounded = np.full(series.size, np.inf)
        names = np.array(self.statistics, object)[statistic]
        return Items(series, sign.astype(np.float64), names, -unbounded, unbounded, k, n), owner.ravel()

    def _block(
        self, rollups: History, items: Items, block: Ints, step_us: int, rows: tuple[Ints, Ints, Ints], out: Seen
    ) -> None:
        """Look at the rows of items alike in step, statistic and rule."""
        due, (chosen, local, of) = self.due, rows
        values = grid(rollups, items, block, step_us, due.due_us)
        fine, per_day = step_us < DAY_US, max(DAY_US // step_us, 1)
        k, n = (int(items.k[block[0]]), int(items.n[block[0]])) if fine else (1, 1)
        steps = due.days * per_day if fine else max(due.days * DAY_US // step_us, 1)
        begin = values.shape[1] - steps
        limit = (self.threshold * self.sign)[chosen[local]]
        first = np.empty(local.size, np.int64)
        level = self.moved.levels(chosen[local], limit, self.sign[chosen[local]])
        first_crossings(values, of, level, begin, per_day, k, n, first)
        out.crossed_us[local] = np.where(first >= 0, due.due_us - (values.shape[1] - first) * step_us, -1)
        out.known[local] = ((~np.isnan(values[:, max(begin, 0) :])).sum(axis=1) / steps)[of]
        if fine:
            peaks = np.empty((block.size, WEEK + due.days))
            sustained_peaks(values, per_day, k, n, peaks)
        else:
            peaks = _daily(values, step_us // DAY_US, WEEK + due.days)
        out.eased[local] = self.moved.away[chosen[local]] | fell(peaks[of], limit)


def _daily(values: Floats, width: int, days: int) -> Floats:
    """Return levels of steps of some days as those of the newest days."""
    out = np.full((values.shape[0], days), np.nan)
    spread = np.repeat(values, width, axis=1)[:, -days:]
    out[:, days - spread.shape[1] :] = spread
    return out


def _nothing(rows: int) -> Seen:
    """Return that nothing is known of some rows."""
    return Seen(np.full(rows, -1, np.int64), np.zeros(rows), np.zeros(rows, bool))
