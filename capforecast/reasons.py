"""One plain sentence per breach row.

Sentences are put together column by column from texts that each row has, used or not.
"""

from __future__ import annotations

import numpy as np
import polars as pl

from capforecast.findings import BREACHED_HOLDS, COMING_HOLDS
from capforecast.panel import Floats
from capforecast.texts import coded, number_texts, probability_texts, worded

_WORDS = ("level", "limit", "highest", "cleaned", "distance", "speed", "within", "crossing", "tenths")

NARROW = 4
"""Hours of the day that are told when most daily peaks fall between them."""


def with_reasons(rows: pl.DataFrame) -> pl.DataFrame:
    """Add the column ``reason`` to rows of `capforecast.tables.breach_rows`."""
    return rows.with_columns(_texts(rows)).with_columns(_reason().alias("reason")).drop(_WORDS)


def _texts(rows: pl.DataFrame) -> list[pl.Series]:
    """Return what sentences quote: level, threshold, peak, ceiling, headroom, growth, chance, date, history."""
    units, names = coded(rows.get_column("unit"))
    growth = _floats(rows, "growth_per_day")
    values = [_floats(rows, "current"), _floats(rows, "threshold"), _floats(rows, "peak"), _floats(rows, "ceiling")]
    values += [np.abs(_floats(rows, "headroom")), np.abs(growth)]
    written = number_texts(np.concatenate(values), np.tile(units, len(values)), names)
    texts = [written[i * rows.height : (i + 1) * rows.height] for i in range(len(values))]
    # A percent metric grows by points, not by a share of itself.
    texts[5] = texts[5].str.replace(" %", " points", literal=True)
    texts += [probability_texts(_floats(rows, "p_reach")), _crossing(rows, growth), _tenths(rows)]
    return [column.alias(name) for column, name in zip(texts, _WORDS, strict=True)]


def _floats(rows: pl.DataFrame, name: str) -> Floats:
    """Return a column as floats, NaN for NULL."""
    return rows.get_column(name).cast(pl.Float64).to_numpy()


def _crossing(rows: pl.DataFrame, growth: Floats) -> pl.Series:
    """Return when the growth of now would cross, where the history does not allow to look that far."""
    reach, peak, level = (_floats(rows, name) for name in ("reach", "peak", "threshold"))
    up = np.nan_to_num(growth) * np.where((rows.get_column("direction") == "below").to_numpy(), -1.0, 1.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        left = np.abs(level - peak) / up
        said = (reach < 90) & (up > 0.0) & (reach < left) & (left <= 365)
    days = pl.Series(np.where(said, left, np.nan)).fill_nan(None).cast(pl.Int32)
    return (rows.get_column("run_date").cast(pl.Int32) + days).cast(pl.Date)


def _tenths(rows: pl.DataFrame) -> pl.Series:
    """Return short lengths of history with one digit behind the point."""
    short = (rows.get_column("status") == "too_short").to_numpy()
    days, place = np.unique(np.where(short, _floats(rows, "history_days"), 0.0), return_inverse=True)
    return worded(place, [f"{value:.1f}" for value in days.tolist()])


def _reason() -> pl.Expr:
    """Return what is expected of one series and threshold, when, why and how sure that is."""
    status, below = pl.col("status"), pl.col("direction") == "below"
    name = _joined("the ", pl.col("threshold_name"), " threshold of ", pl.col("limit"))
    now = _now(below)
    belief = _joined(
        _hours(below), _ceiling(), " Pattern ", pl.col("pattern").fill_null("None"), ", grade ", pl.col("grade"), "."
    )
    flat = pl.when(status == "no_trend").then(pl.lit("it shows no trend towards"))
    calm = flat.otherwise(pl.lit("it is not expected to cross"))
    unlikely = pl.lit(" it is still watched: a little less likely than even, it may cross ")
    chance = _joined(": ", pl.col("within"), " within ", pl.col("reach"), " days.")
    return (
        pl.when(status == "excluded").then(pl.lit("Excluded by the configuration: it is not forecast."))
        .when(status == "stale").then(_joined("No samples recently", _newest(), ", too old to forecast from."))
        .when(status == "too_short")
        .then(_joined("Only ", pl.col("tenths"), " days of history: too short to forecast."))
        .when(status == "error").then(pl.lit("No forecast could be made for this history."))
        .when(status == "breached").then(_joined(_over(now, name, below), _growth(below), _hours(below)))
        .when(status == "constant")
        .then(_joined("It has not moved from ", pl.col("level"), "; ", name, " is ", pl.col("distance"), " away."))
        .when((status == "will_breach") & (pl.col("holds") == COMING_HOLDS))
        .then(_joined("At ", now, unlikely, name, chance, _growth(below), belief))
        .when(status == "will_breach")
        .then(
            _joined(
                "At ", now, " it is expected to cross ", name, _dates(), ".", _overdue(), _growth(below), belief
            )
        )
        .when(pl.col("reach") < 1)
        .then(_joined("At ", now, "; ", name, " is not crossed, and the history is too short to look ahead."))
        .otherwise(_joined("At ", now, " ", calm, " ", name, chance, _beyond(), _growth(below), belief))
    )  # fmt: skip


def _now(below: pl.Expr) -> pl.Expr:
    """Return the newest level, with the peak of the last day where that is worse.

    What counts is held for several steps, so that the newest level may be worse than the peak: that is told where it
    is over a threshold that is not crossed.
    """
    peak, lowest = pl.col("peak"), pl.when(below).then(pl.lit("lowest")).otherwise(pl.lit("peak"))
    worse = pl.when(below).then(peak < pl.col("current")).otherwise(peak > pl.col("current"))
    apart = peak.is_not_null() & (pl.col("highest") != pl.col("level"))
    short = (pl.col("headroom") < 0) & (pl.col("status") != "breached")
    return (
        pl.when(apart & worse)
        .then(_joined(pl.col("level"), " (", lowest, " of the last day ", pl.col("highest"), ")"))
        .when(apart & short)
        .then(_joined(pl.col("level"), " (only briefly: it held ", pl.col("highest"), " on the last day)"))
        .otherwise("level")
    )


def _joined(*parts: pl.Expr | str) -> pl.Expr:
    return pl.concat_str([pl.lit(part) if isinstance(part, str) else part for part in parts])


def _unless(empty: pl.Expr, text: pl.Expr) -> pl.Expr:
    """Return the text, and none where it is empty (or nobody knows)."""
    return pl.when(empty.fill_null(True)).then(pl.lit("")).otherwise(text)


def _newest() -> pl.Expr:
    return _unless(pl.col("current").is_null(), _joined(": the newest level is ", pl.col("level")))


def _over(now: pl.Expr, name: pl.Expr, below: pl.Expr) -> pl.Expr:
    side = pl.when(below).then(pl.lit("under ")).otherwise(pl.lit("over "))
    days = pl.col("days_over")
    often = _unless((days <= 1) | (days >= 7), _joined(" It was so on ", days, " of the last 7 days."))
    still = pl.col("headroom") <= 0
    since = _joined("At ", now, ", it has been ", side, name, " within the last day.", often)
    good = pl.when(below).then(pl.lit("above")).otherwise(pl.lit("below"))
    held = _joined("At ", now, ", it was ", side, name, " a few days ago and is not yet clearly ", good, " it.", often)
    current = _joined("At ", now, ", it is ", side, name, " now.", often)
    return pl.when(pl.col("holds") == BREACHED_HOLDS).then(held).when(still).then(current).otherwise(since)


def _dates() -> pl.Expr:
    early, middle, late = (pl.col(f"breach_date_p{p}").cast(pl.String) for p in (10, 50, 90))
    around = _joined(
        " around ", middle, " (1 in 10 by ", early, ", 9 in 10 by ", late.fill_null("a day beyond the horizon"), ")"
    )
    return pl.when(early == late).then(_joined(" on ", middle)).otherwise(around)


def _hours(below: pl.Expr) -> pl.Expr:
    """Return between which hours its days peak, where these are few."""
    first, stop = pl.col("peak_hour"), (pl.col("peak_hour") + pl.col("hours")) % 24
    clock = [hour.cast(pl.String).str.zfill(2) for hour in (first, stop)]
    what = pl.when(below).then(pl.lit("troughs")).otherwise(pl.lit("peaks"))
    text = _joined(" Its daily ", what, " fall between ", clock[0], ":00 and ", clock[1], ":00 UTC.")
    return _unless((first < 0) | (pl.col("hours") > NARROW), text)


def _ceiling() -> pl.Expr:
    """Return the level that clean-ups keep it under."""
    return _unless(pl.col("ceiling").is_null(), _joined(" Clean-ups keep it under ", pl.col("cleaned"), "."))


def _overdue() -> pl.Expr:
    start, lead = pl.col("start_by_date"), pl.col("lead_time_days")
    text = _joined(" With ", lead, " days of lead time, the moment to act was ", start.cast(pl.String), ".")
    return _unless(start >= pl.col("run_date"), text)


def _beyond() -> pl.Expr:
    text = " The history allows to look no further; growing on as now, it would cross around "
    return _unless(pl.col("crossing").is_null(), _joined(text, pl.col("crossing").cast(pl.String), "."))


def _growth(below: pl.Expr) -> pl.Expr:
    """Return what its daily peaks do, where they move by a hundredth of the threshold in a month."""
    growth = pl.col("growth_per_day")
    what = pl.when(below).then(pl.lit("troughs")).otherwise(pl.lit("peaks"))
    verb = pl.when(growth > 0).then(pl.lit("grow")).otherwise(pl.lit("fall"))
    little = growth.abs() * 30 < 0.01 * pl.col("threshold").abs()
    return _unless(little, _joined(" Its daily ", what, " ", verb, " by ", pl.col("speed"), " a day."))
