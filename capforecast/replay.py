"""Were past crossings foreseen? Probabilities and dates as of each case's cutoff, from earlier samples only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import polars as pl

from capforecast.asof import Answer, Forecaster, Rule, buckets, foreseen, levels_before, step_of
from capforecast.breach import days_to
from capforecast.errors import SchemaError
from capforecast.fleet import taught
from capforecast.grouped import Grouped, group
from capforecast.kinds import Kind, kind_of
from capforecast.panel import DAY_US, Floats
from capforecast.pool import families, recipes

FINE_HORIZON_US = 14 * DAY_US
"""Longer horizons are answered on daily peaks."""

BLOCK = 64

ASKED = ("host", "metric", "threshold", "cutoff_us", "horizon_us")
NEEDED = ("case_id", "host", "metric", "threshold", "cutoff", "horizon_s")


def replay(
    cases: pl.DataFrame,
    samples: pl.DataFrame,
    *,
    model: str = "pool",
    kinds: Sequence[Kind] = (),
    learning: bool = True,
) -> pl.DataFrame:
    """Forecast each case as of its cutoff.

    Parameters
    ----------
    cases : DataFrame
        case_id, host (or series_id), metric, threshold, cutoff (Datetime), horizon_s; instance,
        direction (above or below; else that of the metric's kind) and sustain_s (how long the level
        must stay beyond the threshold) are optional.
    samples : DataFrame
        host (or series_id), metric, ts, value; instance and unit are optional.
    model : str
        ``pool``, a registered family or ``statsforecast:NAME``.
    kinds : sequence of Kind
        Metric kinds of your own, for bounds.
    learning : bool
        Correct the paths by what past windows of all series of the metric kind teach; a case is judged by
        windows that had ended before its cutoff.

    Returns
    -------
    DataFrame
        The cases' rows and order with p_breach, breach_p10, breach_p50, breach_p90 (Datetime; NULL
        beyond the horizon) and status (ok, breached, too_short, unknown_series, or error: the case lacks a
        number or its horizon is not positive, or there is no forecast).

    Raises
    ------
    SchemaError
        A column is missing.

    Notes
    -----
    Samples are averaged over five minutes, or over their own distance where that is longer, and
    reduced to the level that each hour (or longer step) sustains; daily data stay daily. Only samples
    before the cutoff are used.
    """
    work = _asked(cases)
    data = group(_named(samples, "samples", ("host", "metric", "ts", "value")))
    data = _with_kinds(data, kinds)
    known_names = data.series.select("host", "metric", "instance").with_row_index("series")
    work = work.join(
        known_names.cast({"series": pl.Int64}), on=["host", "metric", "instance"], how="left", maintain_order="left"
    ).with_row_index("row")
    whole = work.select(pl.all_horizontal(pl.col(*ASKED).is_not_null(), pl.col("horizon_us") > 0)).to_series()
    status = np.where(whole, "unknown_series", "error").astype(object)
    known = work.filter(whole & pl.col("series").is_not_null())
    known = known.with_columns(data.series[known.get_column("series")].select("kind", "lower", "upper", "usual"))
    known = known.with_columns(pl.coalesce("direction", "usual").alias("direction"))
    width = buckets(data, known)
    step = step_of(width, known.get_column("horizon_us").to_numpy(), FINE_HORIZON_US)
    known = known.with_columns(pl.Series("bucket_us", width, pl.Int64), pl.Series("step_us", step, pl.Int64))
    averaged = {int(one): data.bucketed(int(one)) for one in np.unique(width)}
    forecasters = _forecasters(model, np.unique(step))
    answers = _paths(known, averaged, forecasters, status)
    if learning and known.height:
        answers, _ = taught(known, answers, averaged, forecasters)
    chance, dates = np.full(work.height, np.nan), np.full((work.height, 3), np.nan)
    for answer in answers:
        chance[answer.rows], dates[answer.rows] = _said(answer)
        failed = np.where(np.isnan(answer.curves[:, 0]), "error", "ok")
        status[answer.rows] = np.where(answer.over, "breached", failed)
    return cases.with_columns(
        pl.Series("p_breach", chance).fill_nan(None),
        *(
            pl.Series(name, dates[:, i]).fill_nan(None).cast(pl.Int64).cast(pl.Datetime("us", "UTC"))
            for i, name in enumerate(("breach_p10", "breach_p50", "breach_p90"))
        ),
        pl.Series("status", status.astype(str), pl.String()),
    )


def _with_kinds(data: Grouped, own: Sequence[Kind]) -> Grouped:
    """Return the samples with the kind of each series: name, bounds and the direction that hurts."""
    kinds = [kind_of(metric, unit or "", own) for metric, unit in data.series.select("metric", "unit").iter_rows()]
    series = data.series.with_columns(
        pl.Series("kind", [kind.name for kind in kinds], pl.String),
        pl.Series("lower", [kind.lower for kind in kinds], pl.Float64),
        pl.Series("upper", [kind.upper for kind in kinds], pl.Float64),
        pl.Series("usual", [kind.direction for kind in kinds], pl.String),
    )
    return Grouped(series, data.starts, data.times, data.values)


def _forecasters(model: str, steps: np.ndarray) -> dict[int, Forecaster]:
    """Return the forecast for each width of a step."""
    near, far, origins = families(model)
    recipe_near, recipe_far = recipes(origins)
    return {
        int(step): Forecaster(*((near, recipe_near) if step < DAY_US else (far, recipe_far)), int(step), 1)
        for step in steps
    }


def _paths(
    known: pl.DataFrame, averaged: Mapping[int, Grouped], forecasters: Mapping[int, Forecaster], status: np.ndarray
) -> list[Answer]:
    """Return what the paths foresee, block by block; cases without enough history get their status at once."""
    answers = []
    same = ("step_us", "bucket_us", "sustain_us", "horizon_us")
    for part in known.sort("row").partition_by(*same, maintain_order=True):
        rule = Rule(part.item(0, "bucket_us"), part.item(0, "step_us"), part.item(0, "sustain_us"))
        steps = max(-(-part.item(0, "horizon_us") // rule.step_us), 1)
        forecaster = replace(forecasters[rule.step_us], steps=steps)
        for start in range(0, part.height, BLOCK):
            block = part[start : start + BLOCK]
            status[block.get_column("row").to_numpy()] = "too_short"
            levels, high = levels_before(averaged[rule.bucket_us], block, rule)
            answers.append(foreseen(block, levels, high, forecaster))
    return answers


def _said(answer: Answer) -> tuple[Floats, Floats]:
    """Return the probability and the dates (microseconds) of the cases of a block."""
    curves, over = answer.curves, answer.over
    dates = np.full((over.size, 3), np.nan)
    for i, p in enumerate((0.1, 0.5, 0.9)):
        step = np.where(over, 0.0, days_to(np.nan_to_num(curves), p) - 1.0)
        dates[:, i] = answer.end_us + step * answer.step_us
    return np.where(over, 1.0, curves[:, -1]), dates


def _named(frame: pl.DataFrame, what: str, needed: Sequence[str]) -> pl.DataFrame:
    """Return the frame with series_id taken for host, checked for the needed columns."""
    if "host" not in frame.columns and "series_id" in frame.columns:
        frame = frame.rename({"series_id": "host"})
    missing = [name for name in needed if name not in frame.columns]
    if missing:
        raise SchemaError(
            f"{what} must have the columns {', '.join(needed)}", got=f"{frame.columns} without {missing}",
            do=f"Rename with --map {missing[0]}=YOUR_COLUMN",
        )  # fmt: skip
    return frame


def _asked(cases: pl.DataFrame) -> pl.DataFrame:
    """Return what each case asks: names, threshold, direction and times in microseconds."""
    frame = _named(cases, "cases", NEEDED)

    def column(name: str, default: object, dtype: pl.DataType) -> pl.Expr:
        if name in frame.columns:
            return pl.col(name).cast(dtype).fill_null(pl.lit(default, dtype)).alias(name)
        return pl.lit(default, dtype).alias(name)

    cutoff = pl.col("cutoff")
    if frame.schema["cutoff"] == pl.String:
        cutoff = cutoff.str.to_datetime(time_unit="us", time_zone="UTC", strict=False)
    asked = frame.select(
        pl.col("host").cast(pl.String),
        pl.col("metric").cast(pl.String),
        column("instance", "", pl.String()),
        pl.col("direction").cast(pl.String)
        if "direction" in frame.columns
        else pl.lit(None, pl.String).alias("direction"),
        pl.col("threshold").cast(pl.Float64, strict=False).fill_nan(None),
        cutoff.cast(pl.Datetime("us"), strict=False).dt.epoch("us").alias("cutoff_us"),
        _seconds("horizon_s").alias("horizon_us"),
        (_seconds("sustain_s").fill_null(0) if "sustain_s" in frame.columns else pl.lit(0, pl.Int64)).alias(
            "sustain_us"
        ),
    )
    odd = asked.filter(~pl.col("direction").is_in(["above", "below"]).fill_null(True))
    if odd.height:
        raise SchemaError("direction must be above or below", got=repr(odd.item(0, "direction")), where="cases")
    return asked


def _seconds(name: str) -> pl.Expr:
    """Return a column of seconds in microseconds; NULL for what is no number."""
    return (pl.col(name).cast(pl.Float64, strict=False).fill_nan(None) * 1e6).cast(pl.Int64, strict=False)
