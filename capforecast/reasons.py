"""One plain sentence per breach row, and what changed since the run before."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import polars as pl

from capforecast.numbers import number, probability

Row = dict[str, Any]


def with_reasons(rows: pl.DataFrame) -> pl.DataFrame:
    """Add the column ``reason`` to the rows of the table ``breaches``."""
    return rows.with_columns(pl.Series("reason", [reason(row) for row in rows.iter_rows(named=True)], pl.String()))


def reason(row: Row) -> str:
    """Return what is expected of one series and threshold, when, why and how sure that is."""
    unit = row["unit"] or ""
    level, limit = number(row["current"], unit), number(row["threshold"], unit)
    name = f"the {row['threshold_name']} threshold of {limit}"
    status = row["status"]
    if status == "excluded":
        return "Excluded by the configuration: it is not forecast."
    if status == "stale":
        newest = "" if row["current"] is None else f": the newest level is {level}"
        return f"No samples recently{newest}, too old to forecast from."
    if status == "too_short":
        return f"Only {row['history_days']:.1f} days of history: too short to forecast."
    if status == "error":
        return "No forecast could be made for this history."
    if status == "breached":
        return f"{_over(row, name)}{_growth(row)}"
    if status == "constant":
        return f"It has not moved from {level}; {name} is {number(abs(row['headroom']), unit)} away."
    if status == "will_breach":
        return (
            f"At {_now(row)} it is expected to cross {name} {_dates(row)}.{_overdue(row)}{_growth(row)} {_belief(row)}"
        )
    if row["reach"] < 1:
        return f"At {_now(row)}; {name} is not crossed, and the history is too short to look ahead."
    calm = "It shows no trend towards" if status == "no_trend" else "It is not expected to cross"
    chance = f"{probability(row['p_reach'])} within {row['reach']:.0f} days"
    return f"At {_now(row)}. {calm} {name}: {chance}.{_beyond(row)}{_growth(row)} {_belief(row)}"


def _now(row: Row) -> str:
    """Return the newest level, and the peak of the last day where it tells more."""
    unit = row["unit"] or ""
    level, peak = number(row["current"], unit), number(row["peak"], unit)
    what = "lowest" if row["direction"] == "below" else "peak"
    return level if row["peak"] is None or peak == level else f"{level} ({what} of the last day {peak})"


def _over(row: Row, name: str) -> str:
    side = "under" if row["direction"] == "below" else "over"
    days = row["days_over"]
    often = f" It was so on {days} of the last 7 days." if 1 < days < 7 else ""
    if row["headroom"] <= 0:
        return f"At {_now(row)}, it is {side} {name} now.{often}"
    return f"At {_now(row)}, it has been {side} {name} within the last day.{often}"


def _dates(row: Row) -> str:
    early, middle, late = (row[f"breach_date_p{p}"] for p in (10, 50, 90))
    if early == late:
        return f"on {middle}"
    return f"around {middle} (1 in 10 by {early}, 9 in 10 by {late or 'a day beyond the horizon'})"


def _overdue(row: Row) -> str:
    start, lead = row["start_by_date"], row["lead_time_days"]
    if start is None or start >= row["run_date"]:
        return ""
    return f" With {lead} days of lead time, the moment to act was {start}."


def _beyond(row: Row) -> str:
    """Return when the growth of now would cross, where the history does not allow to look that far."""
    growth = (row["growth_per_day"] or 0.0) * (-1.0 if row["direction"] == "below" else 1.0)
    if row["reach"] >= 90 or row["peak"] is None or growth <= 0.0:
        return ""
    left = abs(row["threshold"] - row["peak"]) / growth
    if not row["reach"] < left <= 365:
        return ""
    day = row["run_date"] + timedelta(days=int(left))
    return f" The history allows to look no further; growing on as now, it would cross around {day}."


def _growth(row: Row) -> str:
    """Return what its daily peaks do, where they move by a hundredth of the threshold in a month."""
    growth = row["growth_per_day"]
    if growth is None or abs(growth) * 30 < 0.01 * abs(row["threshold"]):
        return ""
    verb = "grow" if growth > 0 else "fall"
    what = "troughs" if row["direction"] == "below" else "peaks"
    # A percent metric grows by points, not by a share of itself.
    size = number(abs(growth), row["unit"] or "").replace(" %", " points")
    return f" Its daily {what} {verb} by {size} a day."


def _belief(row: Row) -> str:
    return f"Pattern {row['pattern']}, grade {row['grade']}."


def with_changes(rows: pl.DataFrame, before: pl.DataFrame | None) -> pl.DataFrame:
    """Add ``change_class`` and ``days_slipped`` against the rows of the run before.

    A row is at risk when its status is breached or will_breach. It is new when it was not before, and
    cleared when it no longer is, if anything can be said of it; among rows at risk both times it is
    worse (or better) when the median date moved by more than three days and a tenth of the days left,
    or when it breached (or recovered).
    Both columns are NULL without a run before.
    """
    if before is None:
        return rows.with_columns(
            pl.lit(None, pl.String).alias("change_class"), pl.lit(None, pl.Int64).alias("days_slipped")
        )
    past = before.select(
        "risk_id", pl.col("status").alias("status_before"), pl.col("breach_date_p50").alias("date_before")
    )
    risky = ["breached", "will_breach"]
    now, then = pl.col("status").is_in(risky), pl.col("status_before").is_in(risky).fill_null(False)
    slipped = (pl.col("breach_date_p50") - pl.col("date_before")).dt.total_days()
    both = (pl.col("status") == "will_breach") & (pl.col("status_before") == "will_breach")
    moved = slipped.abs() > pl.max_horizontal(pl.lit(3.0), 0.1 * pl.col("days_to_breach_p50"))
    change = (
        pl.when(now & ~then).then(pl.lit("new"))
        .when(~now & then & pl.col("status").is_in(["ok", "no_trend", "constant"])).then(pl.lit("cleared"))
        .when(~now).then(pl.lit("same"))
        .when((pl.col("status") == "breached") & (pl.col("status_before") == "will_breach")).then(pl.lit("worse"))
        .when((pl.col("status") == "will_breach") & (pl.col("status_before") == "breached")).then(pl.lit("better"))
        .when(both & moved & (slipped < 0)).then(pl.lit("worse"))
        .when(both & moved).then(pl.lit("better"))
        .otherwise(pl.lit("same"))
    )  # fmt: skip
    return (
        rows.join(past, on="risk_id", how="left", maintain_order="left")
        .with_columns(change.alias("change_class"), slipped.alias("days_slipped"))
        .drop("status_before", "date_before")
    )


def ranked(rows: pl.DataFrame) -> pl.DataFrame:
    """Return the rows most urgent first: severity, early date, probability, headroom, then names."""
    return rows.sort(
        "severity_rank", "breach_date_p10", "p_breach_30d", ~pl.col("status").is_in(["ok", "no_trend"]),
        "headroom_pct", "host", "metric", "instance", "threshold", "threshold_name", "direction",
        descending=[False, False, True, *[False] * 8],
        nulls_last=True,
    )  # fmt: skip
