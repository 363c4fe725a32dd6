"""From records to the columns of the published tables, a stretch of rows at a time.

Each function makes some rows of one table; where they begin and end leaves no trace in them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import polars as pl

from capforecast.breach import SPANS
from capforecast.expected import Expected, levels
from capforecast.findings import NEVER
from capforecast.grades import is_unknown, reason_codes
from capforecast.panel import DAY_US, Floats, Ints
from capforecast.schema import (
    DAYS_BUCKETS,
    DIRECTIONS,
    GRADES,
    PATTERNS,
    SEVERITIES,
    STATUSES,
    TABLES,
    Table,
)
from capforecast.schema_polars import TYPES, types_of
from capforecast.scores import Records
from capforecast.texts import hex_texts, mapped, model_texts, worded
from capforecast.times import format_duration

KEYS = ("host", "metric", "instance")


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

    @property
    def date(self) -> date:
        """UTC date of as_of."""
        return date(1970, 1, 1) + timedelta(days=self.day)


@dataclass(frozen=True, slots=True)
class Found:
    """Everything that a run found, to make tables of.

    Attributes
    ----------
    expected : Expected
        Series, items and thresholds.
    states : STATE (I,)
        One record per item.
    verdicts : VERDICT (R,)
        One record per threshold.
    names : sequence of str
        Members of forecasts.
    stamp : Stamp
        The run.
    """

    expected: Expected
    states: Records
    verdicts: Records
    names: Sequence[str]
    stamp: Stamp


def conform(frame: pl.DataFrame, table: Table) -> pl.DataFrame:
    """Return the table's columns in order and type; columns that are absent are NULL, NaN and inf become NULL."""
    columns = []
    for name, dtype in types_of(table).items():
        if name not in frame.columns:
            columns.append(pl.lit(None, dtype).alias(name))
            continue
        value = pl.col(name).cast(dtype)
        if dtype == pl.Float64:
            value = pl.when(value.is_finite()).then(value)
        columns.append(value.alias(name))
    return frame.select(columns)


def empty(name: str) -> pl.DataFrame:
    """Return a published table without rows."""
    return pl.DataFrame(schema=types_of(TABLES[name]))


def dictionary_rows(stamp: Stamp) -> pl.DataFrame:
    """Return the table ``dictionary``: what the columns of all tables mean."""
    rows = [
        {
            "table_name": table.name,
            "column_name": column.name,
            "position": position,
            "type": column.type,
            "unit": column.unit or None,
            "is_key": column.name in table.key,
            "meaning": column.meaning,
        }
        for table in TABLES.values()
        for position, column in enumerate(table.columns, start=1)
    ]
    return conform(pl.DataFrame(rows).with_columns(stamp.columns()), TABLES["dictionary"])


def series_rows(found: Found, start: int, stop: int) -> pl.DataFrame:
    """Return the rows of the table ``series`` of the series `start` to `stop`: the first item of each speaks for it."""
    expected, stamp = found.expected, found.stamp
    items = expected.first_item[start:stop]
    state = found.states[items]
    watched = np.diff(expected.first_threshold[start : stop + 1])
    frame = _seen(expected.series[start:stop], state).with_columns(
        pl.Series("statistic", expected.statistics(items).astype(str), pl.String()),
        _steps(state).alias("step"),
        pl.Series("first_ts", expected.first_us[start:stop]).cast(TYPES["timestamp"]),
        pl.Series("last_ts", state["last_us"]).cast(TYPES["timestamp"]),
        pl.Series("samples", state["samples"]),
        pl.Series("rollups_hidden", state["hidden"]),
        pl.Series("above_bound_pct", state["above_bound_pct"]),
        _dates(state["last_change"]).alias("last_change"),
        _dates(state["fitted"]).alias("fitted"),
        pl.Series("thresholds", watched),
        worded(state["status"], STATUSES).alias("status"),
        *stamp.columns(),
    )
    failed = pl.when(pl.col("status") == "error").then(pl.lit("the model gives no forecast for this history"))
    return conform(frame.with_columns(failed.alias("detail")), TABLES["series"])


def _seen(series: pl.DataFrame, state: Records) -> pl.DataFrame:
    """Return names and labels, and what the tables series and breaches say of a series alike."""
    return series.with_columns(
        worded(state["grade"], GRADES).alias("grade"),
        mapped(state["reasons"], reason_codes).alias("grade_reasons"),
        worded(state["pattern"], PATTERNS).alias("pattern"),
        pl.Series("history_days", state["history_days"]),
        pl.Series("gap_pct", state["gap_pct"]),
    )


def _steps(state: Records) -> pl.Series:
    # Without any rollup in reach nobody knows the step.
    return mapped(state["step_us"], lambda us: format_duration(us) if us else None)


def _whole(days: np.ndarray) -> pl.Series:
    """Return numbers of days; NULL for `NEVER`."""
    known = pl.Series(days.astype(np.int64))
    return pl.select(pl.when(known != NEVER).then(known)).to_series()


def _dates(days: np.ndarray) -> pl.Series:
    """Return days since the epoch as dates; NULL for `NEVER`."""
    return _whole(days).cast(pl.Int32).cast(pl.Date)


def urgency(found: Found) -> Ints:
    """Return the thresholds most urgent first: severity, early date, probability, headroom, then names."""
    expected, verdicts = found.expected, found.verdicts
    level = levels(expected.thresholds.get_column("threshold"))
    headroom = _headroom_pct(level, found.states["current"][expected.item], _sign(expected, expected.item))
    calm = np.isin(verdicts["status"], [STATUSES.index(name) for name in ("ok", "no_trend")])
    early = np.where(verdicts["days"][:, 0] == NEVER, np.iinfo(np.int32).max, verdicts["days"][:, 0])
    # NaN comes last, and thresholds of a series stand in the order of their names already.
    keys = (level, expected.owner[expected.item], headroom, ~calm, -verdicts["chance"][:, 1], early)
    return np.lexsort((*keys, verdicts["severity"]))


def _sign(expected: Expected, items: Ints) -> Floats:
    return np.where(expected.below[items], -1.0, 1.0)


def _headroom_pct(level: Floats, current: Floats, sign: Floats) -> Floats:
    headroom = (level - current) * sign
    return 100.0 * headroom / np.where(level != 0.0, np.abs(level), np.nan)


def breach_rows(found: Found, rows: Ints) -> pl.DataFrame:
    """Return everything of the table ``breaches`` that one run alone can know of some thresholds.

    Besides the columns of the table there are those that the sentence needs (peak, ceiling, days_over, holds, reach,
    p_reach, peak_hour, hours) and the risk_id as a number, `risk`.
    """
    expected, stamp = found.expected, found.stamp
    item = expected.item[rows]
    state, verdict = found.states[item], found.verdicts[rows]
    thresholds = expected.thresholds[rows]
    level, capacity, lead = (
        levels(thresholds.get_column(name)) for name in ("threshold", "capacity", "lead_time_days")
    )
    sign, days, quiet = _sign(expected, item), verdict["days"], is_unknown(verdict["status"])
    needed = np.where(np.isnan(verdict["chance"][:, 2]), np.nan, verdict["needed"])
    with np.errstate(invalid="ignore", divide="ignore"):
        whole = np.where(
            (sign > 0) & (level > 0), needed * np.where(np.isnan(capacity), level, capacity) / level, np.nan
        )
    start_by = np.where((days[:, 0] == NEVER) | np.isnan(lead), NEVER, stamp.day + days[:, 0] - np.nan_to_num(lead))
    floats = {
        **{name: state[name] for name in ("current", "current_p95", "peak", "ceiling")},
        **{name: np.where(quiet, np.nan, state[name]) for name in ("growth_per_day", "skill_vs_naive", "coverage_80")},
        "headroom": (level - state["current"]) * sign,
        "headroom_pct": _headroom_pct(level, state["current"], sign),
        **{f"p_breach_{day}d": verdict["chance"][:, i] for i, day in enumerate(SPANS)},
        **{
            f"forecast_{d}d_p{p}": state["ahead"][:, i, j]
            for i, d in enumerate((30, 90))
            for j, p in enumerate((50, 90))
        },
        "capacity_needed_90d": whole,
        "add_needed_90d": np.where(np.isnan(capacity), np.nan, np.maximum(whole - capacity, 0.0)),
        "p_reach": verdict["p_reach"],
    }
    model = model_texts(state["mixes"], found.names)
    frame = _seen(expected.series[expected.owner[item]], state).with_columns(
        *thresholds.get_columns(),
        *(pl.Series(name, values).fill_nan(None) for name, values in floats.items()),
        *(pl.Series(name, verdict[name]).cast(pl.Int64) for name in ("days_over", "holds", "reach")),
        *(pl.Series(name, state["peak_hours"][:, i]).cast(pl.Int64) for i, name in enumerate(("peak_hour", "hours"))),
        *(
            _dates(np.where(days[:, i] == NEVER, NEVER, stamp.day + days[:, i])).alias(f"breach_date_p{p}")
            for i, p in enumerate((10, 50, 90))
        ),
        *(_whole(days[:, i]).alias(f"days_to_breach_p{p}") for i, p in enumerate((10, 50))),
        _dates(start_by).alias("start_by_date"),
        worded(_bucket(days[:, 1]), DAYS_BUCKETS).alias("days_bucket"),
        pl.Series("statistic", expected.statistics(item).astype(str), pl.String()),
        worded((sign < 0).astype(np.int8), DIRECTIONS).alias("direction"),
        worded(verdict["status"], STATUSES).alias("status"),
        worded(verdict["severity"] - 1, SEVERITIES).alias("severity"),
        pl.Series("severity_rank", verdict["severity"]).cast(pl.Int64),
        model.zip_with(pl.Series(~quiet), pl.Series([None], dtype=pl.String)).alias("model"),
        *stamp.columns(),
    )
    risk = _risks(frame)
    return frame.with_columns(pl.Series("risk", risk), hex_texts(risk).alias("risk_id"))


def risks(found: Found, rows: Ints) -> np.ndarray:
    """Return the risk_id of some thresholds as numbers, uint64 (R,)."""
    expected = found.expected
    item = expected.item[rows]
    return _risks(
        expected.series[expected.owner[item]].with_columns(
            expected.thresholds[rows].get_column("threshold_name"),
            worded(expected.below[item].astype(np.int8), DIRECTIONS).alias("direction"),
        )
    )


def _bucket(days: np.ndarray) -> np.ndarray:
    """Return the bucket of each median date; ``none`` beyond the horizon."""
    return np.where(days == NEVER, len(DAYS_BUCKETS) - 1, np.searchsorted([7, 30, 60, 90], days))


def _risks(frame: pl.DataFrame) -> np.ndarray:
    """Return the hash of host, metric, instance, threshold name and direction of each row, uint64."""
    names = (*KEYS, "threshold_name", "direction")
    keys = frame.select(pl.concat_str([pl.col(name).cast(pl.String) for name in names], separator="\0"))
    digests = [hashlib.sha256(key.encode()).digest()[:8] for key in keys.to_series().to_list()]
    return np.frombuffer(b"".join(digests), ">u8").astype(np.uint64)
