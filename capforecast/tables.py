"""From a shard's arrays to the columns of the published tables.

Everything here is arithmetic on columns: one frame per table and shard, put together and ranked by
``capforecast.run``.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
import polars as pl

from capforecast.breach import days_to
from capforecast.grades import grades, severity
from capforecast.panel import DAY_US, Floats
from capforecast.schema import DAYS_BUCKETS, PATTERNS, SEVERITIES, TABLES, Table
from capforecast.scores import joined
from capforecast.shard import Outcome
from capforecast.texts import mix_texts, model_texts
from capforecast.times import format_duration

TYPES: dict[str, pl.DataType] = {
    "text": pl.String(),
    "double": pl.Float64(),
    "int64": pl.Int64(),
    "bool": pl.Boolean(),
    "date": pl.Date(),
    "timestamp": pl.Datetime("us", "UTC"),
}


@dataclass(frozen=True, slots=True)
class Stamp:
    """What all rows of a run carry."""

    run_id: str
    as_of_us: int

    def columns(self) -> list[pl.Expr]:
        """Return run_date, run_id and as_of."""
        moment = pl.lit(self.as_of_us, pl.Int64).cast(TYPES["timestamp"])
        return [
            moment.dt.date().alias("run_date"),
            pl.lit(self.run_id).alias("run_id"),
            moment.alias("as_of"),
        ]

    @property
    def day(self) -> int:
        """Days from the epoch to as_of."""
        return self.as_of_us // DAY_US


def conform(frame: pl.DataFrame, table: Table) -> pl.DataFrame:
    """Return the table's columns in order and type; columns that are absent are NULL, NaN and inf become NULL."""
    columns = []
    for column in table.columns:
        dtype = TYPES[column.type]
        if column.name not in frame.columns:
            columns.append(pl.lit(None, dtype).alias(column.name))
            continue
        value = pl.col(column.name).cast(dtype)
        if column.type == "double":
            value = pl.when(value.is_finite()).then(value)
        columns.append(value.alias(column.name))
    return frame.select(columns)


def empty(name: str) -> pl.DataFrame:
    """Return a published table without rows."""
    return conform(pl.DataFrame(), TABLES[name]).clear()


def item_states(items: pl.DataFrame, out: Outcome, stamp: Stamp, *, stale_us: int, least_us: int) -> pl.DataFrame:
    """Add to each item (series, direction) what was seen: status, grade, quality.

    Parameters
    ----------
    items : DataFrame
        One row per item: host, metric, instance, unit, direction, statistic, upper, excluded, first_us,
        last_us and whatever else is to be carried along.
    out : Outcome
        The shard's results, aligned with `items`.
    stamp : Stamp
        The run.
    stale_us : int
        Age of the newest sample from which a series is stale (three usual distances at least).
    least_us : int
        A shorter history is too short.
    """
    step = out.step_us
    age = stamp.as_of_us - items.get_column("last_us").to_numpy()
    history = (items.get_column("last_us") - items.get_column("first_us")).to_numpy() / DAY_US
    excluded = items.get_column("excluded").to_numpy()
    failed = out.enough & np.isnan(out.quantiles[:, 0, 1])
    stale = age > np.maximum(stale_us, 3 * np.maximum(step, out.distance_us))
    short = ~out.enough | (history * DAY_US < least_us)
    status = np.select(
        [excluded, stale, short, failed, out.constant],
        ["excluded", "stale", "too_short", "error", "constant"],
        "ok",
    )
    grade, reasons = grades(status, history, out)
    # Without any rollup in reach nobody knows the step.
    steps = {us: format_duration(int(us)) if us else None for us in np.unique(step)}
    return items.with_columns(
        pl.Series("item_status", status.astype(str), pl.String()),
        pl.Series("grade", grade, pl.String()),
        pl.Series("grade_reasons", reasons, pl.String()),
        pl.Series("step", [steps[us] for us in step], pl.String()),
        pl.Series("history_days", np.round(history, 3)),
        pl.Series("gap_pct", np.where(step > 0, 100.0 * out.gap, np.nan)),
        pl.Series("above_bound_pct", 100.0 * out.beyond),
        pl.Series("current", out.last),
        pl.Series("current_p95", out.recent_p95),
        pl.Series("held", out.sustained_now),
        pl.Series("growth_per_day", out.growth),
        pl.Series("pattern", [PATTERNS[p] if p >= 0 else None for p in out.pattern], pl.String()),
        model_texts(out.mixes, list(out.names)).alias("model"),
        pl.Series("skill_vs_naive", out.skill),
        pl.Series("coverage_80", out.coverage),
        pl.Series("last_change", _dates(stamp.day - out.change_days)),
    ).with_columns(
        pl.when(pl.col("item_status") == "error")
        .then(pl.lit("the model gives no forecast for this history"))
        .alias("detail")
    )


def _dates(days: Floats) -> pl.Series:
    """Return days since the epoch as dates; NULL for NaN."""
    whole = pl.Series(days).fill_nan(None).floor()
    return whole.cast(pl.Int32).cast(pl.Date)


def breach_rows(
    thresholds: pl.DataFrame, states: pl.DataFrame, out: Outcome, stamp: Stamp, *, target: float
) -> pl.DataFrame:
    """Return one row per threshold with everything of the table ``breaches`` that one run alone can know.

    Parameters
    ----------
    thresholds : DataFrame
        item, threshold_name, threshold, threshold_source, direction, capacity, lead_time_days; aligned
        with ``out.cumulative``.
    states : DataFrame
        Result of `item_states`.
    out : Outcome
        The shard's results.
    stamp : Stamp
        The run.
    target : float
        Accepted probability of a breach.
    """
    owner = thresholds.get_column("item").to_numpy()
    level = thresholds.get_column("threshold").to_numpy()
    sign = np.where(thresholds.get_column("direction").to_numpy() == "below", -1.0, 1.0)
    item_status = states.get_column("item_status").to_numpy()[owner]
    seen = np.isin(item_status, ("ok", "constant"))
    history = states.get_column("history_days").to_numpy()[owner]
    # Where one step alone is no crossing, one that was sustained at any hour of the last day still holds.
    peaks = out.history[owner][:, -7:] * sign[:, None]
    several = states.get_column("n").to_numpy()[owner] > 1
    with np.errstate(invalid="ignore"):
        over = seen & ((out.sustained_now[owner] * sign >= level * sign) | (several & (peaks[:, -1] >= level * sign)))
        days_over = (peaks >= (level * sign)[:, None]).sum(axis=1)
    # Nothing is said beyond the length of the history.
    days = out.cumulative.shape[1]
    ahead = np.arange(1, days + 1)
    cumulative = np.where(seen[:, None] & (ahead <= history[:, None] + 0.5), out.cumulative, np.nan)
    cumulative = np.where(over[:, None] & ~np.isnan(cumulative), 1.0, cumulative)
    # A day ahead ends at as_of's time of day; it is called by the date of its middle, as in the table forecasts.
    middle = stamp.as_of_us / DAY_US - stamp.day - 0.5
    dates = {p: np.where(over, 0.0, np.floor(days_to(np.nan_to_num(cumulative), p) + middle)) for p in (0.1, 0.5, 0.9)}
    chance = {d: cumulative[:, d - 1] if d <= days else np.full(owner.size, np.nan) for d in (7, 30, 90)}
    levels = {d: _level(out, owner, d, seen & (history + 0.5 >= d)) for d in (30, 90)}
    needed = np.where(~np.isnan(chance[90]), out.needed[owner], np.nan)
    capacity = thresholds.get_column("capacity").to_numpy()
    with np.errstate(invalid="ignore", divide="ignore"):
        whole = np.where(
            (sign > 0) & (level > 0), needed * np.where(np.isnan(capacity), level, capacity) / level, np.nan
        )
    farthest = np.nanmax(np.nan_to_num(cumulative), axis=1) if days else np.zeros(owner.size)
    growth = out.growth[owner]
    with np.errstate(invalid="ignore"):
        idle = (farthest < 0.02) & (np.abs(growth) * 90 < 0.02 * np.maximum(np.abs(level), 1e-300))
    status = np.select(
        [~seen, over, item_status == "constant", ~np.isnan(dates[0.5]), idle],
        [item_status, "breached", "constant", "will_breach", "no_trend"],
        "ok",
    )
    lead = thresholds.get_column("lead_time_days").to_numpy().astype(float)
    rank = severity(status, chance, dates, lead)
    headroom = (level - out.last[owner]) * sign
    p10, p50, p90 = (_dates(stamp.day + dates[p]) for p in (0.1, 0.5, 0.9))
    start_by = _dates(stamp.day + dates[0.1] - lead)
    frame = thresholds.drop("item").with_columns(
        pl.Series("status", status.astype(str), pl.String()),
        pl.Series("severity", [SEVERITIES[r - 1] for r in rank], pl.String()),
        pl.Series("severity_rank", rank),
        pl.Series("headroom", headroom),
        pl.Series("headroom_pct", 100.0 * headroom / np.where(level != 0.0, np.abs(level), np.nan)),
        pl.Series("p_breach_7d", chance[7]),
        pl.Series("p_breach_30d", chance[30]),
        pl.Series("p_breach_90d", chance[90]),
        p10.alias("breach_date_p10"),
        p50.alias("breach_date_p50"),
        p90.alias("breach_date_p90"),
        pl.Series("days_to_breach_p10", dates[0.1]).fill_nan(None).cast(pl.Int64),
        pl.Series("days_to_breach_p50", dates[0.5]).fill_nan(None).cast(pl.Int64),
        pl.Series("days_bucket", _bucket(dates[0.5]), pl.String()),
        pl.Series("forecast_30d_p50", levels[30][:, 1]),
        pl.Series("forecast_30d_p90", levels[30][:, 2]),
        pl.Series("forecast_90d_p50", levels[90][:, 1]),
        pl.Series("forecast_90d_p90", levels[90][:, 2]),
        pl.Series("capacity_needed_90d", whole),
        pl.Series("add_needed_90d", np.where(np.isnan(capacity), np.nan, np.maximum(whole - capacity, 0.0))),
        start_by.alias("start_by_date"),
        pl.Series("peak", peaks[:, -1] * sign),
        pl.Series("days_over", days_over),
        pl.Series("reach", np.minimum(np.floor(history + 0.5), days)),
        pl.Series("p_reach", farthest),
    )
    carried = states[owner].drop("direction", "capacity", "lead_time_days", strict=False)
    frame = pl.concat([frame, carried.drop(set(carried.columns) & set(frame.columns))], how="horizontal")
    frame = frame.with_columns(pl.Series("risk_id", _risk_ids(frame), pl.String()), *stamp.columns())
    quiet = pl.col("status").is_in(["excluded", "error", "too_short", "stale"])
    return frame.with_columns(
        pl.when(~quiet).then(c).alias(c) for c in ("growth_per_day", "skill_vs_naive", "coverage_80", "model")
    )


def _level(out: Outcome, owner: np.ndarray, day: int, allowed: np.ndarray) -> Floats:
    """Return the quantiles of the level some days ahead, NaN where nothing may be said."""
    if day > out.quantiles.shape[1]:
        return np.full((owner.size, 3), np.nan)
    return np.where(allowed[:, None], out.quantiles[owner, day - 1], np.nan)


def _bucket(days: Floats) -> list[str]:
    """Return the days bucket of each median date; ``none`` beyond the horizon."""
    edges = np.array([7.0, 30.0, 60.0, 90.0])
    place = np.searchsorted(edges, np.nan_to_num(days, nan=0.0))
    return [DAYS_BUCKETS[-1] if np.isnan(d) else DAYS_BUCKETS[p] for d, p in zip(days, place, strict=True)]


def _risk_ids(frame: pl.DataFrame) -> list[str]:
    """Return a hash of host, metric, instance, threshold name and direction for each row."""
    keys = frame.select("host", "metric", "instance", "threshold_name", "direction")
    return [hashlib.sha256("\0".join(key).encode()).hexdigest()[:16] for key in keys.iter_rows()]


def forecast_rows(states: pl.DataFrame, out: Outcome, stamp: Stamp) -> pl.DataFrame:
    """Return the rows of the table ``forecasts``: measured daily peaks, then quantiles, per item with a forecast.

    The quantiles end with the evidence: as far ahead as the history reaches back, a week at least.
    """
    days = out.quantiles.shape[1]
    shown = np.isin(states.get_column("item_status").to_numpy(), ("ok", "constant"))
    reach = np.clip(np.ceil(states.get_column("history_days").to_numpy()), 7, days)
    back = ~np.isnan(out.history)
    ahead = ~np.isnan(out.quantiles[:, :, 1]) & (np.arange(1, days + 1)[None, :] <= reach[:, None])
    parts = []
    for chosen, offset in ((back & shown[:, None], -days), (ahead & shown[:, None], 0)):
        item, day = np.nonzero(chosen)
        past = offset < 0
        values = {"actual": out.history[item, day]} if past else dict(
            zip(("q10", "q50", "q90"), out.quantiles[item, day].T, strict=True)
        )  # fmt: skip
        columns = {name: pl.Series(name, column) for name, column in values.items()}
        # A day's window ends at as_of's time of day; it is labelled by the date of its middle.
        middle = stamp.as_of_us + (day + offset) * DAY_US + DAY_US // 2
        parts.append(
            pl.DataFrame({"item": item, "day": pl.Series(middle // DAY_US).cast(pl.Int32).cast(pl.Date), **columns})
        )
    named = states.select("host", "metric", "instance", "unit", "statistic", "direction")
    rows = pl.concat(parts, how="diagonal").sort("item", "day", maintain_order=True)
    frame = pl.concat([rows, named[rows.get_column("item").to_numpy()]], how="horizontal")
    return conform(frame.with_columns(stamp.columns()), TABLES["forecasts"])


def score_rows(states: pl.DataFrame, out: Outcome, stamp: Stamp) -> pl.DataFrame:
    """Return the rows of the table ``backtests``."""
    scores = joined(out.scores)
    rows = pl.DataFrame({name: scores[name] for name in ("item", "step_us", "first", "last", "origins")}).with_columns(
        pl.format("{}-{}", "first", "last").alias("horizon"),
        *(pl.Series(name, scores[name]) for name in ("mae", "mae_naive")),
        pl.Series("coverage_80", scores["coverage"]),
        mix_texts(scores["mix"], list(out.names)).alias("model"),
    )
    named = states.select("host", "metric", "instance", "direction")[rows.get_column("item").to_numpy()]
    steps = {us: format_duration(us) for us in rows.get_column("step_us").unique()}
    frame = pl.concat([rows, named], how="horizontal").with_columns(
        pl.Series("step", [steps[us] for us in rows.get_column("step_us")], pl.String()),
        pl.when(pl.col("mae_naive") > 0).then(1.0 - pl.col("mae") / pl.col("mae_naive")).alias("skill_vs_naive"),
        *stamp.columns(),
    )
    return conform(frame, TABLES["backtests"])
