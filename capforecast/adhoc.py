"""A forecast without a store: a frame of samples in, quantiles per future step out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import polars as pl

from capforecast.errors import ConfigError
from capforecast.forecast import forecast, quantiles, seasons_of
from capforecast.grouped import Grouped, group
from capforecast.kernels.grid import scatter
from capforecast.kinds import Kind, kind_of
from capforecast.panel import DAY_US, Floats, Ints, Panel
from capforecast.pool import families, recipes
from capforecast.times import parse_duration, parse_step

MINIMUM_STEPS = 14
HISTORY_DAYS = 60
"""History that is used on steps below a day."""
LONG_HISTORY_STEPS = 800
MOST_STEPS = 20_000
BLOCK_BYTES = 64_000_000


def forecast_frame(
    frame: pl.DataFrame,
    *,
    horizon: str,
    step: str,
    quantiles: Sequence[float] = (0.1, 0.5, 0.9),
    as_of_us: int | None = None,
    model: str = "pool",
    kinds: Sequence[Kind] = (),
) -> pl.DataFrame:
    """Forecast every series of a frame of samples on a regular step.

    Parameters
    ----------
    frame : DataFrame
        host, metric, ts (Datetime, Date or whole microseconds) and value; instance and unit are optional.
    horizon, step : str
        Such as "48h" and "1h"; the horizon is rounded up to whole steps. Samples of one step are averaged.
    quantiles : sequence of float
        Probabilities inside (0, 1).
    as_of_us : int, optional
        Last moment that may be known, microseconds since the epoch. Without it each series is
        forecast from the end of its own last step.
    model : str
        ``pool``, a registered family or ``statsforecast:NAME``.
    kinds : sequence of Kind
        Metric kinds of your own, for bounds.

    Returns
    -------
    DataFrame
        host, metric, instance, ts (start of the future step, UTC), mean, one column per quantile
        ("q0.1"), status (ok, constant, too_short or error). Every series of the input is there; those
        without a forecast have NULL levels.

    Raises
    ------
    SchemaError, ConfigError, DataError
    """
    step_us, horizon_us = parse_step(step), parse_duration(horizon, name="horizon")
    if horizon_us > MOST_STEPS * step_us:
        raise ConfigError(f"horizon must be at most {MOST_STEPS} steps", got=f"{horizon!r} with step {step!r}")
    chances = _probabilities(quantiles)
    data = group(frame, before_us=None if as_of_us is None else as_of_us // step_us * step_us).bucketed(step_us)
    ends = _ends(data, step_us, as_of_us)
    lower, upper = _bounds(data.series, kinds)
    near, far, origins = families(model)
    models, recipe = (near, recipes(origins)[0]) if step_us < DAY_US else (far, recipes(origins)[1])
    steps = -(-horizon_us // step_us)
    mean = np.full((data.series.height, steps), np.nan)
    levels = np.full((data.series.height, steps, len(chances)), np.nan)
    status = np.full(data.series.height, "too_short", object)
    members = sum(len(m.members(seasons_of(step_us))) for m in models)
    width = 8 * members * (recipe.origins + 1) * min(steps, seasons_of(step_us)[-1])
    for chosen, values in _blocks(data, ends, step_us, max(BLOCK_BYTES // width, 1)):
        low, high = np.nanmin(values, axis=1), np.nanmax(values, axis=1)
        # A metric that was seen beyond its bound is not bounded there.
        panel = Panel(values, step_us, ends[chosen], np.fmin(lower[chosen], low), np.fmax(upper[chosen], high))
        result = forecast(panel, models, steps, recipe)
        mean[chosen], levels[chosen] = result.mean, _quantiles(result, chances)
        with np.errstate(over="ignore"):
            flat = high - low <= 1e-9 * np.maximum(np.abs(low), np.abs(high))
        lost = ~(np.isfinite(mean[chosen]).all(axis=1) & np.isfinite(levels[chosen]).all(axis=(1, 2)))
        mean[chosen[lost]], levels[chosen[lost]] = np.nan, np.nan
        status[chosen] = np.where(lost, "error", np.where(flat, "constant", "ok"))
    return _long(data.series, ends * step_us, step_us, mean, levels, chances, status)


_quantiles = quantiles


def _probabilities(wanted: Sequence[float]) -> list[float]:
    chances = sorted({float(p) for p in wanted})
    if not chances or not all(0.0 < p < 1.0 for p in chances):
        raise ConfigError("quantiles must lie between 0 and 1", got=list(wanted), do="Write 0.1,0.5,0.9")
    return chances


def _ends(data: Grouped, step_us: int, as_of_us: int | None) -> Ints:
    """Return the number of the first future step of each series."""
    if as_of_us is not None:
        return np.full(data.series.height, as_of_us // step_us, np.int64)
    last = np.append(data.times, 0)[np.maximum(data.starts[1:] - 1, 0)] + 1
    return np.where(data.starts[1:] > data.starts[:-1], last, 0)


def _bounds(series: pl.DataFrame, kinds: Sequence[Kind]) -> tuple[Floats, Floats]:
    found = [kind_of(metric, unit, kinds) for metric, unit in series.select("metric", "unit").iter_rows()]
    return np.array([kind.lower for kind in found]), np.array([kind.upper for kind in found])


def _blocks(data: Grouped, ends: Ints, step_us: int, most: int) -> Iterator[tuple[Ints, Floats]]:
    """Yield blocks of series that are long enough, of similar length, with their levels."""
    longest = LONG_HISTORY_STEPS
    if step_us < DAY_US:
        longest = HISTORY_DAYS * DAY_US // step_us
    counts = np.diff(data.starts)
    order = np.lexsort((np.arange(counts.size), counts))
    order = order[counts[order] > 0]
    for start in range(0, order.size, min(most, 64)):
        chosen = order[start : start + min(most, 64)]
        oldest = data.times[data.starts[chosen]]
        columns = int(min(longest, (ends[chosen] - oldest).max()))
        values = np.empty((chosen.size, max(columns, 1)))
        for row, s in enumerate(chosen):
            one = np.array([s], np.int64)
            scatter(data.starts, data.times, data.values, one, int(ends[s]), 1, np.ones(1), values[row : row + 1])
        ready = (~np.isnan(values)).sum(axis=1) >= MINIMUM_STEPS
        if ready.any():
            yield chosen[ready], np.ascontiguousarray(values[ready])


def _long(
    series: pl.DataFrame, ends_us: Ints, step_us: int, mean: Floats, levels: Floats, chances: list[float],
    status: np.ndarray,
) -> pl.DataFrame:  # fmt: skip
    """Return one row per series and future step."""
    steps = mean.shape[1]
    owner = np.repeat(np.arange(series.height), steps)
    moments = ends_us[:, None] + step_us * np.arange(steps)[None, :]
    named = series.select("host", "metric", "instance")[owner]
    # Levels without a forecast, and times of series without any sample, are NULL.
    columns = [
        pl.when(pl.lit(pl.Series(np.repeat(ends_us > 0, steps)))).then(
            pl.lit(pl.Series(moments.ravel())).cast(pl.Datetime("us", "UTC"))
        ).alias("ts"),
        pl.lit(pl.Series(mean.ravel())).fill_nan(None).alias("mean"),
        *(
            pl.lit(pl.Series(levels[:, :, q].ravel())).fill_nan(None).alias(f"q{p}")
            for q, p in enumerate(chances)
        ),
        pl.lit(pl.Series(np.repeat(status.astype(str), steps), dtype=pl.String)).alias("status"),
    ]  # fmt: skip
    return named.with_columns(columns)
