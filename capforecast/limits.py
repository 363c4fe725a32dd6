"""What holds for each series at a moment: capacity, thresholds, lead time and labels.

A line of limits.csv says something about every series whose host, metric and instance match its
globs (empty or ``*``: all; case counts). Of several lines that say the same thing the one with the
latest ``valid_from`` holds, and of those the last in the file; labels and lead times come from the
last matching line that names one. Thresholds that no line sets come from the metric kind; one name may
stand for a threshold above and another one below. The capacity of a metric that is a share itself, such
as a percentage, is the size of the whole in any unit: only its changes count.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from capforecast.globs import Names, Rows, matching
from capforecast.kinds import Kind, kind_of
from capforecast.limits_csv import COLUMNS, read
from capforecast.schema import LABELS

__all__ = ["COLUMNS", "Resolved", "capacity_steps", "matching", "read", "resolve"]

KEY = ("series", "threshold_name", "direction")
"""Columns that tell thresholds apart."""

Line = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Resolved:
    """What holds for each series at one moment.

    Attributes
    ----------
    thresholds : DataFrame
        One row per series, threshold name and direction, sorted by them: series (row of the series
        frame), threshold_name, threshold (unit of the metric), threshold_source, direction, capacity,
        lead_time_days.
    series : DataFrame
        One row per series, in their order: kind, capacity, lead_time_days and the labels.
    warnings : list of str
        Lines that could not be applied, and why.
    """

    thresholds: pl.DataFrame
    series: pl.DataFrame
    warnings: list[str]

    def sentences(self, series: pl.DataFrame) -> list[str]:
        """Say what the reader should know: limits that could not be applied, metrics without thresholds."""
        bare = series.with_columns(pl.int_range(pl.len()).alias("series")).join(
            self.thresholds.select("series").unique(), on="series", how="anti"
        )
        if bare.is_empty():
            return list(self.warnings)
        names = bare.get_column("metric").unique().sort().to_list()
        shown = ", ".join(names[:6]) + (" ..." if len(names) > 6 else "")
        return [
            *self.warnings,
            f"{bare.height} series of {len(names)} metrics have no threshold and so no breach rows ({shown}): "
            "add lines for them to limits.csv, such as *,METRIC,*,,critical,90",
        ]


def resolve(series: pl.DataFrame, limits: pl.DataFrame, kinds: Sequence[Kind], as_of_us: int) -> Resolved:
    """Return what the limits and the metric kinds say about each series at one moment.

    Parameters
    ----------
    series : DataFrame
        host, metric, instance and unit; one row per series. Where there is a column scale, numbers of the
        limits are multiplied by it: they are in the unit that the samples came in.
    limits : DataFrame
        Result of `read`.
    kinds : sequence of Kind
        Metric kinds of the configuration; they come before the built-in ones.
    as_of_us : int
        Lines that hold later are left out; microseconds since the epoch.
    """
    names = Names(series)
    held = _in_force(limits, as_of_us)
    base = _attributes(names, held).hstack(_kinds(series, kinds)).with_columns(_scale(series))
    own = pl.when("share").then("capacity").otherwise(pl.col("capacity") * pl.col("scale"))
    base = base.with_columns(capacity=own)
    assigned = _assigned(names, held, limits, base)
    defaults = _defaults(base).join(assigned, on=list(KEY), how="anti")
    thresholds = pl.concat([assigned.select(defaults.columns), defaults])
    thresholds = thresholds.filter(pl.col("threshold").is_not_null()).sort(KEY)
    attributes = base.select("kind", "capacity", "lead_time_days", *LABELS)
    return Resolved(thresholds, attributes, _warnings(assigned, series))


def capacity_steps(series: pl.DataFrame, limits: pl.DataFrame, as_of_us: int) -> pl.DataFrame:
    """Return all capacities up to one moment, oldest first: series, valid_from, capacity, line.

    `series` is the row of the series frame; valid_from is null where a capacity always held.
    """
    names = Names(series)
    held = [line for line in _in_force(limits, as_of_us) if line["capacity"] is not None]
    found = [names.match(*_globs(line)) for line in held]
    lines = np.repeat(np.array([line["line"] for line in held], np.int64), [rows.size for rows in found])
    steps = pl.DataFrame({"series": np.concatenate([np.empty(0, np.int64), *found]), "line": lines})
    steps = steps.join(limits.select("line", "valid_from", "capacity"), on="line", how="left")
    steps = steps.sort("series", "valid_from", "line", nulls_last=False)
    steps = steps.unique(["series", "valid_from"], keep="last", maintain_order=True)
    return steps.select("series", "valid_from", "capacity", "line")


def _in_force(limits: pl.DataFrame, as_of_us: int) -> Sequence[Line]:
    """Return the lines that hold, weakest first."""
    moment = pl.col("valid_from").dt.epoch("us")
    held = limits.with_columns(moment).filter(pl.col("valid_from").is_null() | (pl.col("valid_from") <= as_of_us))
    return held.sort("valid_from", "line", nulls_last=False).to_dicts()


def _globs(line: Line) -> tuple[str, str, str]:
    return line["pattern_host"], line["pattern_metric"], line["pattern_instance"]


def _winners(names: Names, lines: Iterable[Line]) -> Rows:
    """Return per series the number of the last of `lines` that matches it; -1 for none."""
    winner = np.full(names.rows, -1, np.int64)
    for line in lines:
        winner[names.match(*_globs(line))] = line["line"]
    return winner


def _attributes(names: Names, held: Sequence[Line]) -> pl.DataFrame:
    """Return series, capacity, lead_time_days and labels."""
    by_line = sorted(held, key=lambda line: int(line["line"]))
    columns: dict[str, pl.Series] = {"series": pl.int_range(names.rows, eager=True)}
    types = {"capacity": pl.Float64(), "lead_time_days": pl.Int64(), **dict.fromkeys(LABELS, pl.String())}
    for name, dtype in types.items():
        lines = [line for line in (held if name == "capacity" else by_line) if line[name] is not None]
        known = pl.DataFrame(
            {"line": [line["line"] for line in lines], name: [line[name] for line in lines]},
            schema={"line": pl.Int64(), name: dtype},
        )
        winner = pl.DataFrame({"line": _winners(names, lines)})
        columns[name] = winner.join(known, on="line", how="left", maintain_order="left").get_column(name)
    return pl.DataFrame(columns)


def _kinds(series: pl.DataFrame, kinds: Sequence[Kind]) -> pl.DataFrame:
    """Return per series what its kind says: kind, kind_direction, upper, share and its thresholds."""
    distinct = series.select("metric", "unit").unique(maintain_order=True)
    found = [kind_of(metric or "", unit or "", kinds) for metric, unit in distinct.iter_rows()]
    said = distinct.with_columns(
        pl.Series("kind", [kind.name for kind in found], pl.String()),
        pl.Series("kind_direction", [kind.direction for kind in found], pl.String()),
        pl.Series("upper", [kind.upper for kind in found], pl.Float64()),
        pl.Series("share", [kind.is_share for kind in found], pl.Boolean()),
        pl.Series("names", [[name for name, _ in kind.thresholds] for kind in found], pl.List(pl.String())),
        pl.Series("values", [[value for _, value in kind.thresholds] for kind in found], pl.List(pl.Float64())),
    )
    joined = series.select("metric", "unit").join(
        said, on=["metric", "unit"], how="left", maintain_order="left", nulls_equal=True
    )
    return joined.drop("metric", "unit")


def _scale(series: pl.DataFrame) -> pl.Series:
    """Return per series what one of the unit of its samples as they came is in the unit that they are kept in."""
    known = (
        series.get_column("scale") if "scale" in series.columns else pl.Series([1.0]).new_from_index(0, series.height)
    )
    return known.cast(pl.Float64).alias("scale")


def _assigned(names: Names, held: Sequence[Line], limits: pl.DataFrame, base: pl.DataFrame) -> pl.DataFrame:
    """Return one row per series, name and direction that limits.csv sets; null where it gives no value."""
    usual = (base.get_column("kind_direction") == "below").to_numpy()
    parts = [np.empty((0, 2), np.int64)]
    for name in sorted({line["threshold_name"] for line in held} - {None}):
        lines = [line for line in held if line["threshold_name"] == name]
        for below in (False, True):
            winner = np.full(names.rows, -1, np.int64)
            for line in lines:
                if line["direction"] in (None, "below" if below else "above"):
                    rows = names.match(*_globs(line))
                    winner[rows if line["direction"] else rows[usual[rows] == below]] = line["line"]
            rows = np.flatnonzero(winner >= 0)
            parts.append(np.column_stack([rows, winner[rows]]))
    pairs = np.concatenate(parts)
    said = limits.select(
        "line", "threshold_name", "percent", "direction", pl.col("threshold").alias("said"),
        pl.col("lead_time_days").alias("own_lead"),
    )  # fmt: skip
    whole = pl.coalesce(pl.when(~pl.col("share")).then("capacity"), pl.when(pl.col("upper").is_finite()).then("upper"))
    return (
        pl.DataFrame({"series": pairs[:, 0], "line": pairs[:, 1]})
        .join(said, on="line", how="left", maintain_order="left")
        .join(base.drop("names", "values"), on="series", how="left", maintain_order="left")
        .with_columns(
            pl.when("percent")
            .then(pl.col("said") / 100 * whole)
            .otherwise(pl.col("said") * pl.col("scale"))
            .alias("threshold"),
            pl.format("limits.csv:{}", "line").alias("threshold_source"),
            pl.coalesce("direction", "kind_direction").alias("direction"),
            pl.coalesce("own_lead", "lead_time_days").alias("lead_time_days"),
        )
    )


def _defaults(base: pl.DataFrame) -> pl.DataFrame:
    """Return one row per series and default threshold of its kind."""
    return (
        base.filter(pl.col("names").list.len() > 0)
        .explode("names", "values")
        .select(
            "series",
            pl.col("names").alias("threshold_name"),
            pl.col("values").alias("threshold"),
            pl.format("kind:{}", "kind").alias("threshold_source"),
            pl.col("kind_direction").alias("direction"),
            "capacity",
            "lead_time_days",
        )
    )


def _warnings(assigned: pl.DataFrame, series: pl.DataFrame) -> list[str]:
    """Return one sentence per line whose share has no capacity to be a share of."""
    lost = assigned.filter(pl.col("percent") & pl.col("threshold").is_null())
    found = []
    for line, rows in sorted(lost.group_by("line").agg("series").iter_rows()):
        host, metric, instance = series.select("host", "metric", "instance").row(min(rows))
        example = " ".join(part for part in (host, metric, instance) if part)
        found.append(
            f"limits.csv:{line}: the threshold is a share of a capacity that is not known for "
            f"{len(rows)} series, such as {example}; add a line with their capacity"
        )
    return found
