"""All series of a store, as of one moment: expected series, items, shards, tables."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from capforecast import registry
from capforecast.config import Config
from capforecast.globs import Names
from capforecast.history import Items, Rollups
from capforecast.kinds import by_name
from capforecast.limits import Resolved, resolve
from capforecast.panel import DAY_US
from capforecast.pool import families, recipes
from capforecast.reasons import ranked, with_changes, with_reasons
from capforecast.schema import BREACHES, SERIES, TABLES
from capforecast.shard import Plan, run
from capforecast.store import Store
from capforecast.tables import (
    TYPES,
    Stamp,
    breach_rows,
    conform,
    empty,
    forecast_rows,
    item_states,
    score_rows,
)

Progress = Callable[[str, int, int | None], None]

HISTORY_DAYS = 800
"""How far back rollups are read."""


@dataclass(frozen=True, slots=True)
class Survey:
    """Tables of a run that one moment alone decides, and sentences for the reader."""

    tables: dict[str, pl.DataFrame]
    messages: list[str]


def survey(
    store: Store,
    config: Config,
    stamp: Stamp,
    *,
    series: pl.DataFrame,
    before: pl.DataFrame | None = None,
    progress: Progress | None = None,
) -> Survey:
    """Forecast the expected series and lay their futures against their thresholds.

    Parameters
    ----------
    store : Store
        Open store.
    config : Config
        Settings.
    stamp : Stamp
        The run; rollups that end after its as_of are not read.
    series : DataFrame
        Rows of ``store.series()`` that are expected.
    before : DataFrame, optional
        Table ``breaches`` of the run before.
    progress : callable, optional
        Called with ("forecast", series done, all series).
    """
    series = series.filter(pl.col("first_ts").dt.epoch("us") < stamp.as_of_us).sort("sid")
    limits = resolve(series, store.limits(), config.metric_kinds, stamp.as_of_us)
    items, thresholds = _items(series, limits, config)
    near, far, origins = families(config.forecast.model)
    plan = Plan(
        stamp.as_of_us, max(config.run.horizon_us // DAY_US, 1), near, far, *recipes(origins),
        target=config.run.target_probability,
    )  # fmt: skip
    shard = _Shard(store, config, stamp, series, items, thresholds, plan)
    size = config.run.shard_series
    tasks = [(start, min(start + size, series.height)) for start in range(0, series.height, size)]
    parts: list[dict[str, pl.DataFrame]] = []
    engine = registry.load("engine", "serial" if config.run.threads == 1 else "threads")
    for done in engine(shard.tables, tasks, config.run.threads):
        parts.append(done)
        if progress is not None:
            progress("forecast", min(len(parts) * size, series.height), series.height)
    return Survey(_together(parts, before), _messages(limits, series))


@dataclass(frozen=True, slots=True)
class _Shard:
    """What every shard needs; each call of `tables` works on one range of series."""

    store: Store
    config: Config
    stamp: Stamp
    series: pl.DataFrame
    items: pl.DataFrame
    thresholds: pl.DataFrame
    plan: Plan

    def tables(self, task: tuple[int, int]) -> dict[str, pl.DataFrame]:
        start, stop = task
        part = self.series[start:stop]
        within = pl.col("series").is_between(start, stop, closed="left")
        items = self.items.filter(within).with_columns((pl.col("series") - start).alias("series"))
        rollups, samples = self._rollups(part, sorted(set(items.get_column("statistic"))))
        thresholds = self._owned(items, start, within)
        out = run(
            rollups,
            _arrays(items),
            thresholds.get_column("item").to_numpy().astype(np.int64),
            np.ascontiguousarray(thresholds.get_column("threshold").to_numpy().astype(np.float64)),
            self.plan,
        )
        carried = part.select("host", "metric", "instance", "unit", "first_ts", "last_ts").with_columns(samples=samples)
        items = pl.concat([items, carried[items.get_column("series").to_numpy()]], how="horizontal")
        # The grid starts where the rollup of the first sample does; a series without any rollup in reach
        # was last seen when its last sample before as_of came.
        first, last = pl.col("first_ts").dt.epoch("us"), pl.col("last_ts").dt.epoch("us")
        step_us = self.store.step_us
        items = items.with_columns(
            (first // step_us * step_us).alias("first_us"), pl.Series("last_us", out.last_us)
        ).with_columns(
            pl.when(pl.col("last_us") > 0)
            .then("last_us")
            .otherwise(pl.min_horizontal((last // step_us + 1) * step_us, pl.lit(self.stamp.as_of_us)))
            .alias("last_us")
        )
        states = item_states(
            items, out, self.stamp, stale_us=self.config.run.stale_after_us, least_us=self.config.run.min_history_us
        )
        return {
            "breaches": breach_rows(thresholds, states, out, self.stamp, target=self.plan.target),
            "forecasts": forecast_rows(states, out, self.stamp),
            "series": _series_rows(states, self.stamp),
            "backtests": score_rows(states, out, self.stamp),
        }

    def _owned(self, items: pl.DataFrame, start: int, within: pl.Expr) -> pl.DataFrame:
        """Return the shard's thresholds with the item that each one watches."""
        own = items.select("series", "direction").with_row_index("item").with_columns(pl.col("item").cast(pl.Int64))
        return (
            self.thresholds.filter(within)
            .with_columns((pl.col("series") - start).alias("series"))
            .join(own, on=["series", "direction"], how="left", maintain_order="left")
            .drop("series")
        )

    def _rollups(self, part: pl.DataFrame, statistics: Sequence[str]) -> tuple[Rollups, pl.Series]:
        """Return the history of some series as arrays, and the samples of each up to as_of."""
        read = self.store.rollups(
            part.get_column("sid").to_numpy(),
            statistics,
            from_us=self.stamp.as_of_us - HISTORY_DAYS * DAY_US,
            to_us=self.stamp.as_of_us,
        )
        rollups = Rollups(read.starts, read.bucket, read.values, self.store.step_us)
        return rollups, pl.Series("samples", read.samples)


def _items(series: pl.DataFrame, limits: Resolved, config: Config) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return one item per series and direction, and the thresholds, both sorted by series."""
    kinds = by_name(config.metric_kinds)
    rules = pl.DataFrame(
        [
            {
                "kind": kind.name,
                "usual": kind.direction,
                "high": "max" if kind.statistic == "min" else kind.statistic,
                "lower": kind.lower,
                "upper": kind.upper,
                "k": kind.sustain[0],
                "n": kind.sustain[1],
            }
            for kind in kinds.values()
        ]
    )
    attributes = limits.series.join(rules, on="kind", how="left", maintain_order="left")
    attributes = attributes.with_columns(
        pl.int_range(pl.len()).alias("series"), pl.Series("excluded", _excluded(series, config))
    )
    counted = limits.thresholds.group_by("series").agg(pl.len().alias("thresholds"))
    watched = limits.thresholds.select("series", "direction")
    usual = attributes.join(watched, on="series", how="anti").select("series", pl.col("usual").alias("direction"))
    pairs = pl.concat([watched, usual]).unique().sort("series", "direction")
    items = (
        pairs.join(attributes, on="series", how="left", maintain_order="left")
        .join(counted, on="series", how="left", maintain_order="left")
        .with_columns(
            pl.col("thresholds").fill_null(0),
            pl.when(pl.col("direction") == "below").then(pl.lit("min")).otherwise("high").alias("statistic"),
        )
    )
    ceiling = pl.when(pl.col("upper").is_finite()).then("upper")
    thresholds = limits.thresholds.join(
        attributes.select("series", "upper"), on="series", how="left", maintain_order="left"
    ).with_columns(pl.coalesce("capacity", ceiling).alias("capacity"))
    return items, thresholds.drop("upper")


def _excluded(series: pl.DataFrame, config: Config) -> np.ndarray:
    names = Names(series)
    out = np.zeros(series.height, bool)
    for rule in config.exclude:
        out[names.match(rule.host, rule.metric, rule.instance)] = True
    return out


def _arrays(items: pl.DataFrame) -> Items:
    def column(name: str, dtype: type) -> np.ndarray:
        return np.ascontiguousarray(items.get_column(name).to_numpy().astype(dtype))

    return Items(
        series=column("series", np.int64),
        sign=np.where(items.get_column("direction").to_numpy() == "below", -1.0, 1.0),
        statistic=np.array(items.get_column("statistic").to_list(), object),
        lower=column("lower", np.float64),
        upper=column("upper", np.float64),
        k=column("k", np.int64),
        n=column("n", np.int64),
    )


def _series_rows(states: pl.DataFrame, stamp: Stamp) -> pl.DataFrame:
    """Return the rows of the table ``series``: the first item of each series speaks for it."""
    moment = TYPES["timestamp"]
    frame = states.unique("series", keep="first", maintain_order=True).with_columns(
        pl.col("item_status").alias("status"),
        pl.col("last_us").cast(moment).alias("last_ts"),
        *stamp.columns(),
    )
    return conform(frame, SERIES)


def _together(parts: Sequence[Mapping[str, pl.DataFrame]], before: pl.DataFrame | None) -> dict[str, pl.DataFrame]:
    """Put the shards' frames together, ranked or sorted by name so that shards leave no trace."""
    keys = ["host", "metric", "instance"]
    tables = {"outcomes": empty("outcomes")}
    for name in ("forecasts", "series", "backtests"):
        frames = [part[name] for part in parts]
        order = [*keys, *(c for c in ("direction", "day") if c in TABLES[name].names)]
        tables[name] = pl.concat(frames).sort(order, maintain_order=True) if frames else empty(name)
    frames = [part["breaches"] for part in parts if part["breaches"].height]
    if not frames:
        return {"breaches": empty("breaches"), **tables}
    rows = ranked(with_changes(pl.concat(frames), before)).with_columns(pl.col(pl.Float64).fill_nan(None))
    return {"breaches": conform(with_reasons(rows), BREACHES), **tables}


def _messages(limits: Resolved, series: pl.DataFrame) -> list[str]:
    """Say what the reader should know: limits that could not be applied, metrics without thresholds."""
    bare = series.with_columns(pl.int_range(pl.len()).alias("series")).join(
        limits.thresholds.select("series").unique(), on="series", how="anti"
    )
    messages = list(limits.warnings)
    if bare.height:
        names = bare.get_column("metric").unique().sort().to_list()
        shown = ", ".join(names[:6]) + (" ..." if len(names) > 6 else "")
        messages.append(
            f"{bare.height} series of {len(names)} metrics have no threshold and so no breach rows ({shown}): "
            "add lines for them to limits.csv, such as *,METRIC,*,,critical,90"
        )
    return messages
