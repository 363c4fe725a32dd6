"""How the forecasts of a run did on their own past, over all series: a summary of its table ``backtests``."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from capforecast.conditions import matching, parse
from capforecast.errors import DataError, UnknownNameError
from capforecast.schema import BACKTESTS, LABELS, SERIES, Table
from capforecast.times import format_duration, parse_duration

KEYS = ("host", "metric", "instance")
OWN = (*KEYS, "direction", "step", "horizon")
OF_SERIES = ("unit", "kind", "statistic", "pattern", "status", "grade", *LABELS)
FILTERS = Table(
    "backtests",
    "what conditions on tests may ask for",
    BACKTESTS.key,
    (
        *(column for column in BACKTESTS.columns if column.name in OWN),
        *(column for column in SERIES.columns if column.name in OF_SERIES),
    ),
)
"""Columns that rows can be chosen by: those of the tests, and those of their series."""


def summary(
    tests: pl.LazyFrame, series: pl.LazyFrame, *, metric: str | None = None, where: Sequence[str] = ()
) -> pl.DataFrame:
    """Return how far forecasts were better than naive ones, by metric and range of steps ahead.

    Parameters
    ----------
    tests, series : LazyFrame
        Tables ``backtests`` and ``series`` of a run.
    metric : str, optional
        Only metrics that match this glob.
    where : sequence of str
        Conditions on the columns of `FILTERS`, as in `capforecast.conditions`: only what meets all of them.

    Returns
    -------
    DataFrame
        metric (NULL for all together, last), step, horizon (range of steps ahead), series (tested; one that is
        watched in two directions counts twice), origins (tests of all of them), skill_median and skill_mean (over
        series; of those with a skill), better_than_naive (share of those), without_skill (series of which the
        naive forecast made no error, so that there is no skill), coverage_80 (share of values in the 80 % band, mean
        over series).

    Raises
    ------
    UnknownNameError
        There is no such column or metric; the nearest is proposed.
    ConfigError
        A text is no condition.
    DataError
        No test is left.
    """
    conditions = [parse(text, FILTERS) for text in where]
    if metric is not None:
        _check_metric(tests, metric)
        conditions.append(matching("metric", metric, "glob"))
    asked = {name for condition in conditions for name in condition.meta.root_names()} - set(OWN)
    chosen = tests if not asked else tests.join(series.select(*KEYS, *asked), on=KEYS, how="left")
    chosen = chosen.filter(conditions) if conditions else chosen
    found = chosen.select("metric", "step", "horizon", "origins", "skill_vs_naive", "coverage_80").collect()
    if found.is_empty():
        raise DataError(
            "there must be tests to sum up", got="none",
            do="Take a wider filter, or a longer history: tests need room before the moment of the run",
        )  # fmt: skip
    parts = [found.group_by("metric", "step", "horizon").agg(_scores())]
    parts.append(found.group_by("step", "horizon").agg(_scores()).with_columns(metric=pl.lit(None, pl.String)))
    rows = pl.concat(parts, how="diagonal")
    length = pl.col("step").map_elements(parse_duration, pl.Int64)
    first = pl.col("horizon").str.split("-").list.first().cast(pl.Int64)
    return rows.sort("metric", length, first, "horizon", nulls_last=True)


def ahead(step: str, horizon: str) -> str:
    """Return a range of steps ahead as a span of time: ``1d to 7d, 1h steps`` for 25-168 of 1h."""
    first, last = (int(edge) for edge in horizon.split("-"))
    length = parse_duration(step)
    since = f"{format_duration((first - 1) * length)} to" if first > 1 else "up to"
    return f"{since} {format_duration(last * length)}, {step} steps"


def _check_metric(tests: pl.LazyFrame, metric: str) -> None:
    """Refuse a name without wildcards that no test has."""
    if not any(special in metric for special in "*?"):
        known = tests.select(pl.col("metric").unique()).collect().to_series().to_list()
        if metric not in known:
            raise UnknownNameError("metric", metric, known)


def _scores() -> list[pl.Expr]:
    skill = pl.col("skill_vs_naive")
    return [
        pl.len().cast(pl.Int64).alias("series"),
        pl.col("origins").sum(),
        skill.median().alias("skill_median"),
        skill.mean().alias("skill_mean"),
        (skill > 0).mean().alias("better_than_naive"),
        skill.null_count().cast(pl.Int64).alias("without_skill"),
        pl.col("coverage_80").mean(),
    ]
