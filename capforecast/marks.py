"""What people say about times and names: windows that do not count, resets, hosts that were renamed.

Samples stay in the store as they came. What is marked is left out, or put under another name, where
history is read: for forecasts as for what became of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from capforecast.config import Config
from capforecast.globs import Names
from capforecast.mark_settings import Rename
from capforecast.panel import Ints
from capforecast.store import Rollups, Store

_ALWAYS = np.iinfo(np.int64).min


@dataclass(frozen=True, slots=True)
class Hidden:
    """A time of some series that does not count.

    Attributes
    ----------
    sids : int64 (N,)
        The series, rising.
    from_us, to_us : int
        The time, its end not included; microseconds since the epoch.
    every_us : int
        After how long it comes again; 0: never.
    """

    sids: Ints
    from_us: int
    to_us: int
    every_us: int = 0

    def covers(self, begins: Ints, step_us: int) -> np.ndarray:
        """Tell which steps, given by their begins, share a moment with the time."""
        if not self.every_us:
            return (begins < self.to_us) & (begins + step_us > self.from_us)
        # What counts is the newest occurrence that begins before the step ends: those before it are over by then.
        since = (begins + step_us - 1 - self.from_us) % self.every_us
        covered: np.ndarray = (begins + step_us > self.from_us) & (since < self.to_us - self.from_us + step_us - 1)
        return covered


@dataclass(frozen=True, slots=True)
class Marks:
    """Marks of the series of a store.

    Attributes
    ----------
    hidden : tuple of Hidden
        Times that do not count.
    later, earlier, until_us : int64 (R,)
        Series `later` goes on where `earlier` stopped, which counts before `until_us`; by `later`.
    """

    hidden: tuple[Hidden, ...]
    later: Ints
    earlier: Ints
    until_us: Ints

    @classmethod
    def nothing(cls) -> Marks:
        """Return that nothing is marked."""
        none = np.empty(0, np.int64)
        return cls((), none, none, none)

    @classmethod
    def of(cls, series: pl.DataFrame, config: Config) -> Marks:
        """Return the marks of series; `series` are all rows of ``store.series()``."""
        if not (config.windows or config.resets or config.renames):
            return cls.nothing()
        names, sid = Names(series), series.get_column("sid").to_numpy().astype(np.int64)
        hidden = []
        for window in config.windows:
            sids = np.sort(sid[names.match(window.host, window.metric, window.instance)])
            hidden.append(Hidden(sids, window.from_us, window.to_us, window.every_us))
        for reset in config.resets:
            sids = np.sort(sid[names.match(reset.host, reset.metric, reset.instance)])
            hidden.append(Hidden(sids, _ALWAYS, reset.at_us))
        return cls(tuple(hidden), *_continued(series, config.renames))

    def current(self, series: pl.DataFrame) -> pl.DataFrame:
        """Return series without those that go on under another name, and with the begin of their history."""
        if not self.later.size:
            return series
        first = dict(series.select("sid", "first_ts").iter_rows())
        last_us = dict(series.select("sid", pl.col("last_ts").dt.epoch("us")).iter_rows())
        begins: dict[int, object] = {}
        gone = set()
        for later, earlier, until_us in zip(
            self.later.tolist(), self.earlier.tolist(), self.until_us.tolist(), strict=True
        ):
            if later in first and earlier in first:
                begins[later] = min(begins.get(later, first[later]), first[earlier])
                if last_us[earlier] < until_us:
                    gone.add(earlier)
        changed = pl.DataFrame(
            {"sid": list(begins), "begin": list(begins.values())},
            schema={"sid": series.schema["sid"], "begin": series.schema["first_ts"]},
        )
        out = series.filter(~pl.col("sid").is_in(list(gone)))
        out = out.join(changed, on="sid", how="left", maintain_order="left")
        return out.with_columns(first_ts=pl.coalesce("begin", "first_ts")).drop("begin")

    def read(
        self, store: Store, sids: Ints, columns: Sequence[str], *, from_us: int, to_us: int
    ) -> tuple[Rollups, Ints]:
        """Return the rollups of series that count, and how many do not, of each series.

        Parameters and errors are those of `Store.rollups`.
        """
        wanted = np.unique(sids)
        if not self.hidden and not self.later.size:
            plain = store.rollups(wanted.astype(np.int32), columns, from_us=from_us, to_us=to_us)
            return plain, np.zeros(wanted.size, np.int64)
        chosen = np.isin(self.later, wanted)
        every = np.unique(np.concatenate([wanted, self.earlier[chosen]]))
        read = store.rollups(every.astype(np.int32), columns, from_us=from_us, to_us=to_us)
        if chosen.any():
            read = _joined(
                read, wanted, (self.later[chosen], self.earlier[chosen], self.until_us[chosen]), store.step_us
            )
        covered = np.zeros(len(read), bool)
        sid = read.sid
        for one in self.hidden:
            if np.isin(read.sids, one.sids).any():
                covered |= np.isin(sid, one.sids) & one.covers(read.bucket * store.step_us, store.step_us)
        place = np.repeat(np.arange(wanted.size), np.diff(read.starts))
        counts = np.bincount(place[covered], minlength=wanted.size).astype(np.int64)
        rows = np.flatnonzero(~covered)
        return (_rows(read, place[rows], rows) if covered.any() else read), counts


def _continued(series: pl.DataFrame, renames: Sequence[Rename]) -> tuple[Ints, Ints, Ints]:
    """Return which series go on where others stopped, those of a chain of names all under the last one."""
    hosts = {name for rename in renames for name in (rename.old, rename.new)}
    by_host: dict[str, dict[tuple[str, str], int]] = {}
    some = series.filter(pl.col("host").is_in(list(hosts))).select("host", "metric", "instance", "sid")
    for host, metric, instance, sid in some.iter_rows():
        by_host.setdefault(host, {})[metric, instance] = sid
    links = []
    for rename in renames:
        older, newer = by_host.get(rename.old, {}), by_host.get(rename.new, {})
        links += [(newer[key], older[key], rename.at_us) for key in sorted(older.keys() & newer.keys())]
    before: dict[int, list[tuple[int, int]]] = {}
    for later, earlier, until_us in links:
        before.setdefault(later, []).append((earlier, until_us))
    rows = []
    for later in sorted(before):
        waiting, met = list(before[later]), {later}
        while waiting:
            earlier, until_us = waiting.pop()
            if earlier not in met:
                met.add(earlier)
                rows.append((later, earlier, until_us))
                waiting += [(older, min(until_us, at)) for older, at in before.get(earlier, [])]
    table = np.array(sorted(rows), np.int64).reshape(-1, 3)
    return table[:, 0].copy(), table[:, 1].copy(), table[:, 2].copy()


def _joined(read: Rollups, wanted: Ints, links: tuple[Ints, Ints, Ints], step_us: int) -> Rollups:
    """Put the rollups of series that others continue before those of the others, which count where both have some."""
    place, row, own = [], [], []
    starts = dict(zip(read.sids.tolist(), range(read.sids.size), strict=True))
    for at, sid in enumerate(wanted.tolist()):
        s = starts[sid]
        rows = np.arange(int(read.starts[s]), int(read.starts[s + 1]))
        place.append(np.full(rows.size, at))
        row.append(rows)
        own.append(np.zeros(rows.size, np.int64))
    for later, earlier, until_us in zip(*(column.tolist() for column in links), strict=True):
        s = starts[earlier]
        rows = np.arange(int(read.starts[s]), int(read.starts[s + 1]))
        rows = rows[(read.bucket[rows] + 1) * step_us <= until_us]
        place.append(np.full(rows.size, int(np.searchsorted(wanted, later))))
        row.append(rows)
        own.append(np.ones(rows.size, np.int64))
    where, which, second = (np.concatenate(column) for column in (place, row, own))
    order = np.lexsort((second, read.bucket[which], where))
    where, which = where[order], which[order]
    first = np.ones(which.size, bool)
    first[1:] = (where[1:] != where[:-1]) | (read.bucket[which[1:]] != read.bucket[which[:-1]])
    samples = np.array([read.samples[starts[sid]] for sid in wanted.tolist()], np.int64)
    np.add.at(samples, np.searchsorted(wanted, links[0]), [read.samples[starts[sid]] for sid in links[1].tolist()])
    joined = Rollups(wanted.astype(np.int32), np.zeros(wanted.size + 1, np.int64), read.bucket, read.values, samples)
    return _rows(joined, where[first], which[first])


def _rows(read: Rollups, owner: Ints, rows: Ints) -> Rollups:
    """Return some rows; `owner` is the place of the series of each."""
    starts = np.append(0, np.cumsum(np.bincount(owner, minlength=read.sids.size))).astype(np.int64)
    values = {name: column[rows] for name, column in read.values.items()}
    return Rollups(read.sids, starts, read.bucket[rows], values, read.samples)
