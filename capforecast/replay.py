"""Were past crossings foreseen? Probabilities and dates as of each case's cutoff, from earlier samples only."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl

from capforecast.breach import days_to
from capforecast.errors import SchemaError
from capforecast.forecast import Recipe, forecast
from capforecast.grouped import Grouped, group
from capforecast.kernels.grid import sustained_peaks
from capforecast.kernels.passage import passage
from capforecast.kinds import Kind, kind_of
from capforecast.models import Model
from capforecast.panel import DAY_US, HOUR_US, MINUTE_US, Floats, Panel
from capforecast.pool import families, recipes

BUCKETS_US = tuple(m * MINUTE_US for m in (5, 10, 15, 20, 30, 60, 120, 180, 240, 360, 480, 720, 1440))
"""Samples are averaged over the first of these that holds one each, so that one odd sample is no crossing."""

FINE_HISTORY_DAYS = 60
LONG_HISTORY_DAYS = 800
FINE_HORIZON_US = 14 * DAY_US
"""Longer horizons are answered on daily peaks."""

RECENT_SAMPLES = 500
"""Newest samples that tell how far apart a series is measured."""

MINIMUM_STEPS = 14
BLOCK = 64

ASKED = ("host", "metric", "threshold", "cutoff_us", "horizon_us")
NEEDED = ("case_id", "host", "metric", "threshold", "cutoff", "horizon_s")


def replay(
    cases: pl.DataFrame, samples: pl.DataFrame, *, model: str = "pool", kinds: Sequence[Kind] = ()
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
    series = data.series.with_row_index("series").cast({"series": pl.Int64})
    work = work.join(series, on=["host", "metric", "instance"], how="left", maintain_order="left").with_row_index("row")
    usual = [kind_of(metric, unit or "", kinds).direction for metric, unit in work.select("metric", "unit").iter_rows()]
    work = work.with_columns(pl.coalesce("direction", pl.Series(usual, dtype=pl.String)).alias("direction"))
    chance = np.full(work.height, np.nan)
    dates = np.full((work.height, 3), np.nan)
    whole = work.select(pl.all_horizontal(pl.col(*ASKED).is_not_null(), pl.col("horizon_us") > 0)).to_series()
    status = np.where(whole, "unknown_series", "error").astype(object)
    known = work.filter(whole & pl.col("series").is_not_null())
    known = known.with_columns(pl.Series("bucket_us", _buckets(data, known), pl.Int64))
    bucket, horizon = known.get_column("bucket_us").to_numpy(), known.get_column("horizon_us").to_numpy()
    step = np.where(horizon > FINE_HORIZON_US, DAY_US, np.maximum(bucket, HOUR_US))
    known = known.with_columns(pl.Series("step_us", step, pl.Int64))
    averaged = {int(width): data.bucketed(int(width)) for width in np.unique(bucket)}
    near, far, origins = families(model)
    for part in known.sort("row").partition_by("step_us", "bucket_us", "sustain_us", "horizon_us", maintain_order=True):
        fine = part.item(0, "step_us") < DAY_US
        models, recipe = (near, recipes(origins)[0]) if fine else (far, recipes(origins)[1])
        for start in range(0, part.height, BLOCK):
            block = part[start : start + BLOCK]
            rows = block.get_column("row").to_numpy()
            levels = _levels(averaged[block.item(0, "bucket_us")], block)
            chance[rows], dates[rows], status[rows] = _foreseen(block, levels, models, recipe, kinds)
    return cases.with_columns(
        pl.Series("p_breach", chance).fill_nan(None),
        *(
            pl.Series(name, dates[:, i]).fill_nan(None).cast(pl.Int64).cast(pl.Datetime("us", "UTC"))
            for i, name in enumerate(("breach_p10", "breach_p50", "breach_p90"))
        ),
        pl.Series("status", status.astype(str), pl.String()),
    )


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


def _buckets(data: Grouped, cases: pl.DataFrame) -> np.ndarray:
    """Return the width that holds one sample each before the cutoff of each case."""
    out = np.full(cases.height, BUCKETS_US[0])
    for row, (s, cutoff_us) in enumerate(cases.select("series", "cutoff_us").iter_rows()):
        times = data.times[data.starts[s] : data.starts[s + 1]]
        end = int(np.searchsorted(times, cutoff_us))
        times = times[max(end - RECENT_SAMPLES, 0) : end]
        if times.size > 1:
            # Sources drift by seconds; a twentieth more is still the same distance.
            distance = np.median(np.diff(times)) / 1.05
            out[row] = BUCKETS_US[min(int(np.searchsorted(BUCKETS_US, distance)), len(BUCKETS_US) - 1)]
    return out


def _levels(data: Grouped, block: pl.DataFrame) -> Floats:
    """Return the levels before each case's cutoff on the step, high hurts: what each step sustained."""
    width, step_us = block.item(0, "bucket_us"), block.item(0, "step_us")
    span = (LONG_HISTORY_DAYS if step_us == DAY_US else FINE_HISTORY_DAYS) * DAY_US
    sustain = max(block.item(0, "sustain_us") // width, 1)
    out = np.full((block.height, span // step_us), np.nan)
    fine = np.empty((1, span // width))
    for row, (s, cutoff_us, direction) in enumerate(block.select("series", "cutoff_us", "direction").iter_rows()):
        end = cutoff_us // width
        low, high = np.searchsorted(data.times[data.starts[s] : data.starts[s + 1]], (end - fine.shape[1], end))
        part = slice(data.starts[s] + low, data.starts[s] + high)
        fine[:] = np.nan
        fine[0, data.times[part] - (end - fine.shape[1])] = data.values[part] * (-1.0 if direction == "below" else 1.0)
        sustained_peaks(fine, step_us // width, sustain, sustain, out[row : row + 1])
    first = np.flatnonzero(~np.isnan(out).all(axis=0))
    return np.ascontiguousarray(out[:, first[0] if first.size else -1 :])


def _foreseen(
    block: pl.DataFrame, levels: Floats, models: Sequence[Model], recipe: Recipe, own: Sequence[Kind]
) -> tuple[Floats, Floats, np.ndarray]:
    """Return the probability, the dates (microseconds) and the status of each case of a block."""
    step_us = block.item(0, "step_us")
    steps = max(-(-block.item(0, "horizon_us") // step_us), 1)
    chance, dates = np.full(block.height, np.nan), np.full((block.height, 3), np.nan)
    status = np.full(block.height, "too_short", object)
    ready = np.flatnonzero((~np.isnan(levels)).sum(axis=1) >= MINIMUM_STEPS)
    if not ready.size:
        return chance, dates, status
    values = np.ascontiguousarray(levels[ready])
    sign = np.where(block.get_column("direction").to_numpy() == "below", -1.0, 1.0)[ready]
    kinds = [kind_of(metric, unit, own) for metric, unit in block.select("metric", "unit").iter_rows()]
    lower, upper = np.array([(kinds[i].lower, kinds[i].upper) for i in ready]).T
    low, high = np.nanmin(values, axis=1), np.nanmax(values, axis=1)
    panel = Panel(
        values, step_us, block.get_column("cutoff_us").to_numpy()[ready],
        np.fmin(np.where(sign > 0, lower, -upper), low), np.fmax(np.where(sign > 0, upper, -lower), high),
    )  # fmt: skip
    result = forecast(panel, models, steps, recipe)
    threshold = block.get_column("threshold").to_numpy()[ready] * sign
    cumulative = np.empty((ready.size, steps))
    passage(result.paths, result.path_weights, np.arange(ready.size), threshold, cumulative)
    over = values[:, -1] >= threshold
    chance[ready] = np.where(over, 1.0, cumulative[:, -1])
    for i, p in enumerate((0.1, 0.5, 0.9)):
        step = np.where(over, 0.0, days_to(np.nan_to_num(cumulative), p) - 1.0)
        dates[ready, i] = panel.end_us + step * step_us
    status[ready] = np.where(np.isnan(result.mean[:, 0]), "error", np.where(over, "breached", "ok"))
    return chance, dates, status
