"""What looks wrong in a store: units, counters, caches, clocks, names. It is said, and nothing is changed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from fnmatch import fnmatchcase

import numpy as np
import polars as pl

from capforecast import suspicions
from capforecast.config import Config
from capforecast.expected import levels
from capforecast.ineffective import NATURE_HOLDS, otherwise, unmatched
from capforecast.limits import Resolved, resolve
from capforecast.misfits import FAR, apart, misfits, nothing
from capforecast.panel import DAY_US, HOUR_US, MINUTE_US, Floats
from capforecast.store import Store, shards
from capforecast.suspicions import Traces
from capforecast.times import format_duration, format_moment
from capforecast.units import known

DAYS = 30
"""Newest days that are looked at."""
NAMED = 20
"""Findings of a sort that are named; the others are counted."""
AHEAD_US = 5 * MINUTE_US
SHARD = 16_384
COLUMNS = ("count", "min", "max", "last")
_COUNTER_NAMES = ("*_total", "*octets*", "*_bytes_sent", "*_bytes_recv*", "*_bytes_read", "*_bytes_written")
_MEMORY = ("*mem*used*", "*memory*used*", "*used*mem*", "*mem*pct*", "*mem*util*", "*memory*percent*")
_NOT_USED = ("*avail*", "*free*", "*swap*", "*cache*")


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that looks wrong.

    Attributes
    ----------
    code : str
        Sort of the finding, one of `CODES`.
    host, metric, instance : str
        Series; the metric is empty where it is about a host, all are where further ones are counted.
    message : str
        What looks wrong, and what to do.
    """

    code: str
    host: str
    metric: str
    instance: str
    message: str

    def row(self) -> dict[str, str]:
        """Return the finding as a dictionary."""
        return asdict(self)


CODES = {
    "clock": "a host's samples lie in the future",
    "unit": "a unit is not known, or was given in several ways",
    "beyond_100": "a percent goes beyond 100",
    "counter": "a cumulative counter is taken as a level",
    "cache": "memory in use seems to include the cache of files",
    "flat": "a series that moved does not move any more",
    "step": "samples come more often, or less, than they did",
    "capacity": "a level is above its capacity, or the two are in different units",
    "threshold": "a level and its threshold are of different magnitudes",
    "order": "a threshold lies beyond one that is worse",
    "unmatched": "a line matches no series",
    "nature": "a series is stored with another nature than the settings say",
    "renamed": "a host ends where another one like it begins",
}
"""Sorts of findings, in the order they are told."""

SAID = {
    "beyond_100": "reaches {value:.4g} percent, which is kept: is it a sum over processors, or no percent?",
    "counter": "only grows, but for restarts: give it a kind with nature = 'counter', so that its rate is forecast",
    "cache": "stays just below its whole: it may count the cache of files, which is free when it is needed; "
    "take what is available instead (MemTotal - MemAvailable)",
    "flat": f"moved before, and has been the same for {suspicions.LEAST} rollups: does its exporter still measure?",
    "step": "has {value:.3g} times as many samples in one half of the time as in the other: two exporters, "
    "or another interval",
    "capacity": "reaches {high:.4g} {unit}, its capacity is {whole:.4g}: {hint}",
}
"""What is said of a series."""


def lint(
    store: Store, config: Config, as_of_us: int, *, limits: pl.DataFrame | None = None, whole: bool = True
) -> list[Finding]:
    """Return what looks wrong, by sort and then by name; at most `NAMED` of a sort are named.

    Parameters
    ----------
    store : Store
        Open store; it is read shard by shard, the newest `DAYS` days of each series.
    config : Config
        Kinds of metrics; hosts renamed there are no candidates.
    as_of_us : int
        The clock.
    limits : DataFrame, optional
        Lines of limits.csv; those that the store took with its last run where they are left out.
    whole : bool
        Are the series all that limits and settings are about?
    """
    series = store.series()
    lines = store.limits() if limits is None else limits
    found = [*_clocks(series, as_of_us), *_units(series)]
    if whole:
        found += (Finding("unmatched", "", "", "", one) for one in unmatched(series, lines, config, as_of_us))
    natured = dict(otherwise(series, config))
    found += (Finding("nature", "", metric, "", f"{what}: {NATURE_HOLDS}") for metric, what in natured.items())
    resolved = resolve(series, lines, config.metric_kinds, as_of_us)
    order = np.argsort(series.get_column("sid").to_numpy(), kind="stable")
    levels = nothing(series.height)
    for start, stop in shards(series.get_column("sid").to_numpy()[order].astype(np.int32), SHARD):
        some = np.sort(order[start:stop])
        part = series[some]
        looked = _Part(part, _course(store, part), _whole(part, resolved, some))
        # Of a counter that the settings know is told above what it waits for.
        found += (one for one in looked.findings() if one.code != "counter" or one.metric not in natured)
        levels.low[some], levels.high[some] = suspicions.lowest(looked.course), suspicions.highest(looked.course)
        levels.middle[some] = suspicions.middle(looked.course)
    found += (Finding(code, *name, what) for code, name, what in misfits(series, lines, resolved, levels, as_of_us))
    found += _renamed(series.with_columns(level=pl.Series(levels.high)), config, as_of_us)
    return _shortened(found)


def _course(store: Store, part: pl.DataFrame) -> Traces:
    """Return what series did on the newest days of each shard, in the order of their rows."""
    sids = part.get_column("sid").to_numpy().astype(np.int32)
    newest = int(part.get_column("last_ts").dt.epoch("us").max() or 0)  # type: ignore[arg-type]
    read = store.rollups(sids, COLUMNS, from_us=newest - DAYS * DAY_US, to_us=newest + DAY_US)
    place = np.searchsorted(read.sids, sids)
    lengths = np.diff(read.starts)[place]
    rows = np.concatenate([np.arange(read.starts[p], read.starts[p + 1]) for p in place] or [np.empty(0, np.int64)])
    starts = np.append(0, np.cumsum(lengths)).astype(np.int64)
    count, low, high, last = (read.values[name][rows] for name in COLUMNS)
    return Traces(starts, read.bucket[rows], count, low, high, last)


def _whole(part: pl.DataFrame, limits: Resolved, rows: np.ndarray) -> Floats:
    """Return what each series can be at most: 100 of percents, else its capacity; NaN where it is not known."""
    percent = (part.get_column("unit") == "percent").to_numpy()
    return np.where(percent, 100.0, levels(limits.series.get_column("capacity"))[rows])


@dataclass(frozen=True, slots=True)
class _Part:
    series: pl.DataFrame
    course: Traces
    whole: Floats

    def findings(self) -> Iterator[Finding]:
        """Yield what the course of each series says."""
        metric = self.series.get_column("metric")
        gauge = (self.series.get_column("nature") == "").to_numpy()
        percent = (self.series.get_column("unit") == "percent").to_numpy()
        memory = _like(metric, _MEMORY) & ~_like(metric, _NOT_USED)
        counting = suspicions.counts_up(self.course) & (_like(metric, _COUNTER_NAMES) | self._restarts())
        high, step = suspicions.highest(self.course), suspicions.changed_step(self.course)
        with np.errstate(invalid="ignore", divide="ignore"):
            above = high / self.whole
            rules = (
                ("beyond_100", percent & (above > 1.000001), high),
                ("counter", gauge & ~percent & counting, high),
                ("cache", memory & suspicions.stays_full(self.course, self.whole), high),
                ("flat", suspicions.went_flat(self.course), high),
                ("step", step >= 1.5, step),
                ("capacity", ~percent & (above > 1.000001) & (above < FAR), above),
            )
        for code, which, value in rules:
            for s in np.flatnonzero(which).tolist():
                host, metric_, instance, unit = self.series.select("host", "metric", "instance", "unit").row(s)
                message = SAID[code].format(
                    value=value[s], high=high[s], whole=self.whole[s], unit=unit, hint=apart(value[s])
                )
                yield Finding(code, host, metric_, instance, message)

    def _restarts(self) -> np.ndarray:
        """Tell which series dropped to less than a tenth at least once."""
        last, starts = self.course.last, self.course.starts
        down = np.append(0, np.cumsum(np.append(False, last[1:] < 0.1 * last[:-1])))
        first = np.minimum(starts[:-1] + 1, last.size)
        return (down[np.maximum(starts[1:], first)] - down[first]) > 0 if last.size else np.zeros(starts.size - 1, bool)


def _like(metric: pl.Series, patterns: tuple[str, ...]) -> np.ndarray:
    names = {name: any(fnmatchcase(name.lower(), one) for one in patterns) for name in metric.unique()}
    return np.array([names[name] for name in metric], bool)


def _clocks(series: pl.DataFrame, as_of_us: int) -> Iterator[Finding]:
    newest = series.group_by("host").agg(pl.col("last_ts").dt.epoch("us").max().alias("us")).sort("host")
    for host, us in newest.filter(pl.col("us") > as_of_us + AHEAD_US).iter_rows():
        ahead = format_duration(max((us - as_of_us) // MINUTE_US, 1) * MINUTE_US)
        until = format_moment(us // 1_000_000 * 1_000_000)
        message = f"has samples up to {until}, {ahead} ahead: set its clock, or name the zone of its times"
        yield Finding("clock", host, "", "", message)


def _units(series: pl.DataFrame) -> Iterator[Finding]:
    for unit, part in sorted(series.filter(pl.col("given") != "").group_by("given"), key=lambda both: str(both[0][0])):
        if known(str(unit[0])) is None:
            host, metric, instance = part.select("host", "metric", "instance").sort(pl.all()).row(0)
            message = f"the unit {unit[0]!r} of {part.height} series is not known and nothing is converted"
            yield Finding("unit", host, metric, instance, message)


def _renamed(series: pl.DataFrame, config: Config, as_of_us: int) -> Iterator[Finding]:
    """Yield pairs of hosts: one ended when another one with the same series and like levels had just begun."""
    if series.is_empty():
        return
    said = {(rename.old, rename.new) for rename in config.renames}
    us = (pl.col("first_ts").dt.epoch("us").min().alias("first"), pl.col("last_ts").dt.epoch("us").max().alias("last"))
    sorted_ = series.sort("host", "metric", "instance")
    hosts = sorted_.group_by("host", maintain_order=True).agg(
        *us, "level", names=pl.concat_str("metric", "instance", separator="\0").str.join("\n").hash(seed=0)
    )
    begin, end = int(hosts["first"].min()), min(int(hosts["last"].max()), as_of_us)  # type: ignore[arg-type]
    ended = hosts.filter(pl.col("last") < end - DAY_US)
    began = hosts.filter(pl.col("first") > begin + DAY_US).sort("first", "host")
    for names, part in began.group_by("names", maintain_order=True):
        first = part["first"].to_numpy()
        for old, _, last, level, _ in ended.filter(pl.col("names") == names[0]).iter_rows():
            start = int(np.searchsorted(first, last - HOUR_US))
            for new, at, _, other, _ in part[start : start + 3].iter_rows():
                near = at <= last + 2 * DAY_US and new != old and (old, new) not in said
                if near and np.allclose(np.array(level), np.array(other), rtol=0.25, atol=1e-9, equal_nan=True):
                    when = format_moment(at // 1_000_000 * 1_000_000)
                    message = f"ends where {new!r} with the same series begins, {when}: [[renames]] joins them"
                    yield Finding("renamed", old, "", "", message)


def _shortened(found: list[Finding]) -> list[Finding]:
    out: list[Finding] = []
    for code in CODES:
        mine = sorted((one for one in found if one.code == code), key=lambda one: (one.host, one.metric, one.instance))
        out += mine[:NAMED]
        if len(mine) > NAMED:
            out.append(Finding(code, "", "", "", f"{len(mine) - NAMED} more: {CODES[code]}"))
    return out
