"""Hand-made published tables for tests, in the columns and types of the schema."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta

import polars as pl

from capforecast.schema import DAYS_BUCKETS, TABLES

TYPES: dict[str, pl.DataType] = {
    "text": pl.String(),
    "double": pl.Float64(),
    "int64": pl.Int64(),
    "bool": pl.Boolean(),
    "date": pl.Date(),
    "timestamp": pl.Datetime("us", "UTC"),
}
AS_OF = datetime(2026, 3, 1, 2, 0, tzinfo=UTC)
RUN = {"run_date": AS_OF.date(), "run_id": "20260301T020000Z-1", "as_of": AS_OF}

# Names that have an effect wherever a rendering takes them for more than text.
HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "=cmd|' /C calc'!A0",
    "+1+1",
    "-2+3",
    "@SUM(1)",
    "\t=1",
    "\r=1",
    "[red]not red[/red]",
    "[/]",
    "\x1b[31mred\x1b[0m",
    "\x9b31mred",
    "a|b",
    "a,b;c",
    'say "hi"',
    "two\nlines",
    "nul\x00here",
    "`code` *bold* _it_ [x](javascript:alert(1))",
    "{{ 7*7 }}{% raw %}",
    "%s%n{0}{host}",
    "../../etc/passwd",
    "'; DROP TABLE breaches; --",
    "_x0041_",
    "\u202egnp.exe",
    "\u2028line",
    "ホスト",
    "e\u0301",
    "\U0001f4a5",
    "&amp;&lt;",
    "</td></tr></table>",
    "]]>",
    "x" * 300,
    " ",
    "NULL",
)


def empty_tables() -> dict[str, pl.DataFrame]:
    """Return every published table without rows."""
    return {name: frame_of(name, []) for name in TABLES}


def frame_of(name: str, rows: Sequence[Mapping[str, object]]) -> pl.DataFrame:
    """Return the table `name` with these rows; columns that a row does not name are NULL."""
    columns = {column.name: TYPES[column.type] for column in TABLES[name].columns}
    for row in rows:
        assert set(row) <= set(columns), set(row) - set(columns)
    return pl.DataFrame([{c: row.get(c) for c in columns} for row in rows], schema=columns, orient="row")


def breach_tables(
    rows: int | Sequence[Mapping[str, object]] = 1, *, history: int = 60, horizon: int = 90
) -> dict[str, pl.DataFrame]:
    """Return the tables of a small run.

    Parameters
    ----------
    rows : int or sequence of dict
        Number of breach rows, or what differs in each from the row of `breach_row`.
    history, horizon : int
        Days of history and of forecast per series.
    """
    overrides = [{} for _ in range(rows)] if isinstance(rows, int) else list(rows)
    breaches = [breach_row(i, **o) for i, o in enumerate(overrides)]
    keys = dict.fromkeys((r["host"], r["metric"], r["instance"], r["direction"]) for r in breaches)
    forecasts = [row for i, key in enumerate(keys) for row in forecast_rows(i, *key, history, horizon)]
    series = dict.fromkeys(key[:3] for key in keys)
    return empty_tables() | {
        "breaches": frame_of("breaches", breaches),
        "forecasts": frame_of("forecasts", forecasts),
        "series": frame_of("series", [_series_row(*key) for key in series]),
        "run": frame_of("run", [_run_row(breaches, len(series))]),
    }


def breach_row(index: int = 0, **overrides: object) -> dict[str, object]:
    """Return one breach row; the statuses go round with `index`, most urgent first."""
    days = 3 + 11 * index
    status, severity, rank = (
        ("breached", "critical", 1),
        ("will_breach", "critical", 1),
        ("will_breach", "high", 2),
        ("will_breach", "medium", 3),
        ("ok", "none", 5),
        ("too_short", "none", 5),
    )[min(index, 5)]
    row: dict[str, object] = RUN | {
        "risk_id": f"risk-{index:05d}",
        "host": f"host-{index // 2:04d}",
        "metric": "disk_used_pct",
        "instance": "/var",
        "unit": "percent",
        "team": "storage",
        "statistic": "max",
        "threshold_name": "critical",
        "threshold": 90.0,
        "threshold_source": "kind:percent_storage",
        "direction": "above",
        "capacity": 100.0,
        "status": status,
        "severity": severity,
        "severity_rank": rank,
        "current": 81.25,
        "headroom": 8.75,
        "headroom_pct": 9.722222222222221,
        "growth_per_day": 1 / 3,
        "pattern": "steady",
        "days_bucket": "none",
        "grade": "F",
        "grade_reasons": "history_short",
        "reason": "There is too little history for a forecast.",
        "change_class": "same",
    }
    if status in ("breached", "will_breach"):
        row |= {
            "p_breach_7d": 0.1,
            "p_breach_30d": 0.97,
            "p_breach_90d": 0.999,
            "breach_date_p10": AS_OF.date() + timedelta(days=days),
            "breach_date_p50": AS_OF.date() + timedelta(days=days + 4),
            "breach_date_p90": AS_OF.date() + timedelta(days=days + 15),
            "days_to_breach_p10": days,
            "days_to_breach_p50": days + 4,
            "days_bucket": _bucket(days + 4),
            "lead_time_days": 14,
            "start_by_date": AS_OF.date() + timedelta(days=days - 14),
            "model": "trend 0.71, double_seasonal 0.29",
            "skill_vs_naive": 0.25,
            "coverage_80": 0.81,
            "grade": "B",
            "grade_reasons": "gaps;few_origins",
            "history_days": 62.5,
            "gap_pct": 1.5,
            "change_class": "worse",
            "days_slipped": -3,
            "reason": f"/var crosses 90 % in {days} to {days + 15} days, growing 0.33 percent a day.",
        }
    return row | overrides


def forecast_rows(
    seed: int, host: object, metric: object, instance: object, direction: object, history: int, horizon: int
) -> list[dict[str, object]]:
    """Return daily history with a gap, then a widening band."""
    key = RUN | {"host": host, "metric": metric, "instance": instance, "direction": direction}
    key |= {"unit": "percent", "statistic": "max"}
    today: date = AS_OF.date()
    past = [
        key | {"day": today - timedelta(days=history - d), "actual": 60.0 + d / 3 + (d * (seed + 3)) % 7 / 2}
        for d in range(history)
        if not 20 <= d < 24
    ]
    future = [
        key | {"day": today + timedelta(days=d), "q10": 78 + d / 6, "q50": 81 + d / 4, "q90": 84 + d / 3}
        for d in range(horizon)
    ]
    return past + future


def _bucket(days: int) -> str:
    return DAYS_BUCKETS[sum(days > edge for edge in (7, 30, 60, 90))]


def _series_row(host: object, metric: object, instance: object) -> dict[str, object]:
    return RUN | {
        "host": host,
        "metric": metric,
        "instance": instance,
        "unit": "percent",
        "status": "ok",
        "grade": "B",
        "thresholds": 1,
    }


def _run_row(breaches: Sequence[Mapping[str, object]], series: int) -> dict[str, object]:
    statuses = [row["status"] for row in breaches]
    return RUN | {
        "as_of_source": "watermark",
        "tool_version": "0.1.0",
        "schema_version": 1,
        "store_step": "1h",
        "series": series,
        "series_forecast": series,
        "breach_rows": len(breaches),
        "breached": statuses.count("breached"),
        "will_breach": statuses.count("will_breach"),
        "without_threshold": 0,
        "errors": 0,
        "rows_in": 1000,
        "rows_accepted": 990,
        "rows_duplicate": 7,
        "rows_quarantined": 3,
        "sources_failed": 0,
        "data_watermark": AS_OF - timedelta(minutes=5),
        "model": "pool",
    }
