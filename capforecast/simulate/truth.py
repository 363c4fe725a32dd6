"""What is true of a simulated series: its status, and the day of its breach where the plan decides it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import polars as pl

from capforecast.simulate.clock import Clock, Floats, clock
from capforecast.simulate.plan import Plan
from capforecast.times import DAY_US, HOUR_US, from_us

HORIZON_DAYS = 90
SEARCH_DAYS = 400

SCHEMA: dict[str, Any] = {
    "host": pl.String,
    "metric": pl.String,
    "instance": pl.String,
    "pattern": pl.String,
    "threshold_name": pl.String,
    "threshold": pl.Float64,
    "direction": pl.String,
    "status": pl.String,
    "breach_day": pl.Date,
    "note": pl.String,
}


def truth_table(plans: Iterable[Plan], end_us: int) -> pl.DataFrame:
    """Return one row per series and threshold; series without thresholds have one row with NULLs."""
    start = -(-end_us // HOUR_US) * HOUR_US
    future = clock(start, start + SEARCH_DAYS * DAY_US, HOUR_US, end_us=end_us)
    rows = [row for plan in plans for row in _rows(plan, future)]
    return pl.DataFrame(rows, schema=SCHEMA, orient="row")


def undisturbed(plan: Plan, c: Clock) -> Floats:
    """Return the level of a plan without noise, and without the ceiling its capacity sets."""
    level = plan.shape(c)
    return level if plan.derive is None else plan.derive(c, level)


def _rows(plan: Plan, future: Clock) -> list[tuple[Any, ...]]:
    head = (*plan.key, plan.pattern)
    if not plan.thresholds:
        return [(*head, None, None, None, plan.expected or "ok", None, plan.note)]
    level = undisturbed(plan, future)
    rows = []
    for name, threshold in plan.thresholds:
        status, day = _fate(level, threshold, future)
        known = day if plan.dated and status != "breached" else None
        rows.append((*head, name, threshold, "above", plan.expected or status, known, plan.note))
    return rows


def _fate(level: Floats, threshold: float, future: Clock) -> tuple[str, Any]:
    """Return the status, and the UTC date of the first hour at or above the threshold."""
    above = np.flatnonzero(level >= threshold)
    if above.size == 0:
        return "ok", None
    first = int(above[0])
    day = from_us(int(future.ts_us[first])).date()
    if first == 0:
        return "breached", day
    return ("will_breach" if future.day[first] < HORIZON_DAYS else "ok"), day
