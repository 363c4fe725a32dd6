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
from capforecast.kinds import kind_of
from capforecast.models import Model
from capforecast.panel import DAY_US, HOUR_US, MINUTE_US, Floats, Panel
from capforecast.pool import families, recipes

BUCKET_US = 5 * MINUTE_US
"""Samples below a day are averaged over this before anything else, so that one odd sample is no crossing."""

FINE_HISTORY_DAYS = 60
LONG_HISTORY_DAYS = 800
FINE_HORIZON_US = 14 * DAY_US
"""Longer horizons are answered on daily peaks."""

RECENT_SAMPLES = 500
"""Newest samples that tell how far apart a series is measured."""

MINIMUM_STEPS = 14
BLOCK = 64

NEEDED = ("case_id", "host", "metric", "threshold", "cutoff", "horizon_s")


def replay(cases: pl.DataFrame, samples: pl.DataFrame, *, model: str = "pool") -> pl.DataFrame:
    """Forecast each case as of its cutoff.

    Parameters
    ----------
    cases : DataFrame
        case_id, host (or series_id), metric, threshold, cutoff (Datetime), horizon_s; instance,
        direction (above or below) and sustain_s (how long the level must stay beyond the threshold)
        are optional.
    samples : DataFrame
        host (or series_id), metric, ts, value; instance and unit are optional.
    model : str
        ``pool``, a registered family or ``statsforecast:NAME``.

    Returns
    -------
    DataFrame
        The cases' rows and order with p_breach, breach_p10, breach_p50, breach_p90 (Datetime; NULL
        beyond the horizon) and status (ok, breached, constant, too_short, error or unknown_series).

    Raises
    ------
    SchemaError
        A column is missing.

    Notes
    -----
    Data finer than a day are averaged over five minutes and reduced to the level that each hour
    sustains; daily data stay daily. Only samples before the cutoff are used.
    """
    work = _asked(cases)
    data = group(_named(samples, "samples", ("host", "metric", "ts", "value")))
    series = data.series.with_row_index("series").cast({"series": pl.Int64})
    work = work.join(series, on=["host", "metric", "instance"], how="left", maintain_order="left").with_row_index("row")
    known = work.filter(pl.col("series").is_not_null())
    daily = _is_daily(data, known)
    long = known.get_column("horizon_us").to_numpy() > FINE_HORIZON_US
    known = known.with_columns(pl.Series("step_us", np.where(daily | long, DAY_US, HOUR_US)), pl.Series("daily", daily))
    chance = np.full(work.height, np.nan)
    dates = np.full((work.height, 3), np.nan)
    status = np.full(work.height, "unknown_series", object)
    fine = data.bucketed(BUCKET_US)
    near, far, origins = families(model)
    keys = ["step_us", "daily", "sustain_us", "horizon_us"]
    for part in known.sort("row").partition_by(keys, maintain_order=True):
        step_us, is_daily = part.item(0, "step_us"), part.item(0, "daily")
        models, recipe = (near, recipes(origins)[0]) if step_us < DAY_US else (far, recipes(origins)[1])
        for start in range(0, part.height, BLOCK):
            block = part[start : start + BLOCK]
            rows = block.get_column("row").to_numpy()
            levels = _levels(data.bucketed(DAY_US), block, DAY_US) if is_daily else _levels(fine, block, step_us)
            chance[rows], dates[rows], status[rows] = _foreseen(block, levels, models, recipe)
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

    asked = frame.select(
        pl.col("host").cast(pl.String),
        pl.col("metric").cast(pl.String),
        column("instance", "", pl.String()),
        column("direction", "above", pl.String()),
        pl.col("threshold").cast(pl.Float64),
        pl.col("cutoff").cast(pl.Datetime("us")).dt.epoch("us").alias("cutoff_us"),
        (pl.col("horizon_s").cast(pl.Float64) * 1e6).cast(pl.Int64).alias("horizon_us"),
        (column("sustain_s", 0.0, pl.Float64()) * 1e6).cast(pl.Int64).alias("sustain_us"),
    )
    odd = asked.filter(~pl.col("direction").is_in(["above", "below"]))
    if odd.height:
        raise SchemaError("direction must be above or below", got=repr(odd.item(0, "direction")), where="cases")
    return asked


def _is_daily(data: Grouped, cases: pl.DataFrame) -> np.ndarray:
    """Tell for each case whether the samples before its cutoff are a day or more apart."""
    out = np.zeros(cases.height, bool)
    for row, (s, cutoff_us) in enumerate(cases.select("series", "cutoff_us").iter_rows()):
        times = data.times[data.starts[s] : data.starts[s + 1]]
        times = times[max(np.searchsorted(times, cutoff_us) - RECENT_SAMPLES, 0) : np.searchsorted(times, cutoff_us)]
        out[row] = times.size > 1 and np.median(np.diff(times)) >= DAY_US
    return out


def _levels(data: Grouped, block: pl.DataFrame, step_us: int) -> Floats:
    """Return the levels before each case's cutoff on the step, high hurts: what each step sustained.

    ``data`` holds days for steps of a day when a series has no finer samples, else buckets of five minutes.
    """
    daily = bool(block.item(0, "daily"))
    width = DAY_US if daily else BUCKET_US
    span = (LONG_HISTORY_DAYS if step_us == DAY_US else FINE_HISTORY_DAYS) * DAY_US
    per_step = step_us // width
    sustain = 1 if daily else max(block.item(0, "sustain_us") // width, 1)
    out = np.full((block.height, span // step_us), np.nan)
    fine = np.empty((1, span // width))
    cases = block.select("series", "cutoff_us", "direction").iter_rows()
    for row, (s, cutoff_us, direction) in enumerate(cases):
        end = cutoff_us // width
        low, high = np.searchsorted(data.times[data.starts[s] : data.starts[s + 1]], (end - fine.shape[1], end))
        part = slice(data.starts[s] + low, data.starts[s] + high)
        fine[:] = np.nan
        fine[0, data.times[part] - (end - fine.shape[1])] = data.values[part] * (-1.0 if direction == "below" else 1.0)
        if per_step == 1:
            out[row] = fine[0]
        else:
            sustained_peaks(fine, per_step, sustain, sustain, out[row : row + 1])
    first = np.flatnonzero(~np.isnan(out).all(axis=0))
    return np.ascontiguousarray(out[:, first[0] if first.size else -1 :])


def _foreseen(
    block: pl.DataFrame, levels: Floats, models: Sequence[Model], recipe: Recipe
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
    kinds = [kind_of(metric, unit) for metric, unit in block.select("metric", "unit").iter_rows()]
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
