"""Why a series will cross its thresholds: drivers, evidence, grade, and what would change the date."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from capforecast.basis import Basis
from capforecast.breach import BAND, SPANS, Outlook, date_by, days_to, growth_needed, level_needed, probabilities
from capforecast.calendar import date_of, day_up_to, last_of_month
from capforecast.config import Config
from capforecast.correction import Correction
from capforecast.drivers import Course, Split, peaks_of_month, split
from capforecast.errors import DataError, UnknownNameError
from capforecast.explanation import Changes, Crossing, Evidence, Explanation, Raised
from capforecast.grades import UNKNOWN
from capforecast.inquiry import of_names
from capforecast.outcome import Grounds
from capforecast.panel import Floats
from capforecast.store import Store
from capforecast.tables import KEYS
from capforecast.times import format_moment, to_us

MORE_PCT = (10, 25, 50)
"""By how many percent capacities are raised to show what that would do."""

EARLIER_DAYS = 30

AS_HIGH, LOOKED_AT = 0.05, 14
"""Days whose median is lower by no more than this share of all that was measured are as high; so many are looked at."""


def explain(
    store_path: str | Path,
    config: Config,
    names: Mapping[str, str | None],
    *,
    threshold: str | None = None,
    now_us: int,
    as_of_us: int | None = None,
) -> list[Explanation]:
    """Explain the thresholds of some series now, as the nightly job would judge them, without publishing.

    Parameters
    ----------
    store_path : path
        Directory of the store.
    config : Config
        Settings.
    names : mapping
        host, metric and instance; one that is None or left out stands for all.
    threshold : str, optional
        Only thresholds of this name.
    now_us : int
        The clock, read once by the caller.
    as_of_us : int, optional
        Last moment that may be known.

    Returns
    -------
    list of Explanation
        The thresholds of the most urgent series first, then those of the next.

    Raises
    ------
    UnknownNameError
        There is no such host, metric, instance or threshold; the nearest is proposed.
    DataError
        There are no samples before the moment, or no threshold.
    """
    with Store.open(store_path) as store:
        found = of_names(store, config, names, now_us=now_us, as_of_us=as_of_us)
        tables = found.tables
        rows = _chosen(tables, names, threshold, as_of_us)
        basis = Basis.of(store, config, names, to_us(tables["series"].item(0, "as_of")))
    return [replace(_explained(row, tables, basis, config), corrections=_told(found.corrections, row)) for row in rows]


def _told(by_risk: Mapping[str, tuple[Correction, ...]], row: Mapping[str, Any]) -> tuple[Correction, ...]:
    """Return the corrections of the probabilities that a row has."""
    if row["status"] == "breached":
        return ()
    return tuple(one for one in by_risk.get(row["risk_id"], ()) if row.get(f"p_breach_{one.days}d") is not None)


def _chosen(
    tables: Mapping[str, pl.DataFrame], names: Mapping[str, str | None], threshold: str | None, as_of_us: int | None
) -> list[dict[str, Any]]:
    """Return the breach rows to explain, series by series, the most urgent first."""
    where = " ".join(repr(name) for name in names.values() if name is not None)
    if tables["series"].is_empty():
        raise DataError(
            f"the store must hold samples of {where} before the moment of the explanation",
            got="none" if as_of_us is None else f"none before {format_moment(as_of_us)}", do="Choose a later --as-of",
        )  # fmt: skip
    rows = tables["breaches"]
    if rows.is_empty():
        metric = tables["series"].item(0, "metric")
        raise DataError(
            "a series must have a threshold to be explained", got=f"none for {where}",
            do=f"Add a line to limits.csv, such as *,{metric},*,,critical,90",
        )  # fmt: skip
    if threshold is not None:
        known = rows.get_column("threshold_name").unique().to_list()
        rows = rows.filter(pl.col("threshold_name") == threshold)
        if rows.is_empty():
            raise UnknownNameError("threshold", threshold, known)
    ranked = rows.with_row_index("place").with_columns(pl.col("place").min().over(*KEYS).alias("first"))
    return ranked.sort("first", "place").drop("first", "place").to_dicts()


def _explained(row: dict[str, Any], tables: Mapping[str, pl.DataFrame], basis: Basis, config: Config) -> Explanation:
    """Put together what is known about one breach row."""
    one = {name: row[name] for name in (*KEYS, "direction")}
    quality = tables["series"].filter(**{name: row[name] for name in KEYS}).row(0, named=True)
    days = tables["forecasts"].filter(**one).select("day", "actual", "q10", "q50", "q90").sort("day")
    same = tables["breaches"].filter(**one)
    thresholds = dict(zip(same["threshold_name"], same["threshold"], strict=True))
    measured = {name: quality[name] for name in ("samples", "history_days", "gap_pct", "pattern", "fitted")}
    found = basis.grounds(row)
    if found is None:
        return Explanation(row, days, thresholds, Evidence(**measured, empty_days=0, longest_gap_days=0))
    block, at = found
    sign = -1.0 if row["direction"] == "below" else 1.0
    course = Course(block.values[at], block.step_us, block.daily[at], day_up_to(to_us(row["as_of"])), block.rule)
    empty, longest = _gaps(course)
    level = sign * row["threshold"]
    evidence = Evidence(
        **measured,
        empty_days=empty,
        longest_gap_days=longest,
        crossings=_crossings(course, level, sign),
        crossed_days=int((course.peaks >= level).sum()) * course.step_days,
    )
    if row["status"] in UNKNOWN:
        return Explanation(row, days, thresholds, evidence)
    tests = tuple(tables["backtests"].filter(**one).to_dicts())
    evidence = replace(evidence, tests=tests, mixes=_mixes(block, at))
    return Explanation(
        row, days, thresholds, evidence, _split(course, row, days, sign), _changes(basis.future(row), row, config)
    )  # fmt: skip


def _split(course: Course, row: Mapping[str, Any], days: pl.DataFrame, sign: float) -> Split | None:
    """Split the rise to the threshold on its median date, else to the peak that is expected next."""
    if row["status"] == "breached":
        return split(course, course.last_day, float(course.window()[0][-1]), sign)
    ahead = days.filter(pl.col("q50").is_not_null())
    if row["breach_date_p50"] is not None:
        day, level = max(_number(row["breach_date_p50"]), course.last_day), sign * row["threshold"]
        return split(course, day, level, sign, _before(course, ahead, day, level, sign))
    if ahead.is_empty():
        return None
    numbers = ahead.get_column("day").cast(pl.Int32).to_numpy().astype(np.int64)
    medians = sign * ahead.get_column("q50").to_numpy()
    ends = last_of_month(numbers)
    if ends.any() and peaks_of_month(course):
        numbers, medians = numbers[ends], medians[ends]
    # Of days that are about as high, as those of a volume that is cleaned up, the one that the fit accounts for most.
    spread = np.ptp(course.peaks[~np.isnan(course.peaks)]) if (~np.isnan(course.peaks)).any() else 0.0
    near = np.flatnonzero(medians >= medians.max() - AS_HIGH * spread)[:LOOKED_AT]
    return min((split(course, int(numbers[i]), float(medians[i]), sign) for i in near), key=_left_over)


def _before(course: Course, ahead: pl.DataFrame, day: int, level: float, sign: float) -> float:
    """Return by what share of a day the median, in a line from day to day, meets a level before the end of a day."""
    known = dict(zip(ahead.get_column("day").to_list(), ahead.get_column("q50").to_list(), strict=True))
    known = {_number(date): sign * median for date, median in known.items()}
    known.setdefault(course.last_day, float(course.window()[0][-1]))
    first, last = known.get(day - 1, math.nan), known.get(day, math.nan)
    return (last - level) / (last - first) if course.step_days == 1 and first < level <= last else 0.0


def _left_over(one: Split) -> float:
    """Return how much of a rise is neither trend nor shift nor season."""
    return sum(abs(part.whole) for part in one.parts if part.driver == "residual")


def _number(day: date) -> int:
    """Return the days from the epoch to a date."""
    return (day - date_of(0)).days


def _crossings(course: Course, level: float, sign: float) -> tuple[Crossing, ...]:
    """Return the runs of days whose peaks are over a level."""
    with np.errstate(invalid="ignore"):
        over = np.concatenate([[False], course.peaks >= level, [False]])
    edges = np.flatnonzero(over[1:] != over[:-1]).reshape(-1, 2)
    return tuple(
        Crossing(_day(course, start), _day(course, stop - 1), sign * float(course.peaks[start:stop].max()))
        for start, stop in edges.tolist()
    )


def _day(course: Course, column: int) -> date:
    """Return the date of a peak."""
    return date_of(course.last_day - course.step_days * (course.peaks.size - 1 - column))


def _gaps(course: Course) -> tuple[int, int]:
    """Return the days without a peak after the first, and the most of them in a row."""
    known = np.flatnonzero(~np.isnan(course.peaks))
    apart = np.diff(np.append(known, course.peaks.size)) - 1
    return int(apart.sum()) * course.step_days, int(apart.max(initial=0)) * course.step_days


def _mixes(block: Grounds, at: int) -> tuple[tuple[tuple[str, float], ...], ...]:
    """Return the members that count and their weights: of the first steps, and of the farthest."""
    out = []
    for place, leg in enumerate(block.legs):
        weights: Floats = leg.weights[at, -1 if place == len(block.legs) - 1 else 0]
        order = np.argsort(-np.nan_to_num(weights), kind="stable")
        out.append(tuple((leg.members[k], float(weights[k])) for k in order if weights[k] > 0.0))
    return tuple(out)


def _changes(future: Outlook, row: Mapping[str, Any], config: Config) -> Changes | None:
    """Tell what growth and what capacity would change the date."""
    days = min(int(row["history_days"] + 0.5), future.days)
    if days < 1 or not (future.weights > 0.0).any():
        return None
    sign = -1.0 if row["direction"] == "below" else 1.0
    peaks, weights, level = np.ascontiguousarray(future.peaks[:, :, :days]), future.weights, sign * row["threshold"]
    future, target = Outlook(peaks, weights), config.run.target_probability
    needed = float(level_needed(future, target)[0])
    capacity = row["capacity"] if row["capacity"] is not None else row["threshold"]
    scale = capacity / level if sign > 0.0 and level > 0.0 else None
    cumulative = _cumulative(future, np.array([level]))[0]
    capacity_needed = None if scale is None else needed * scale
    known = Changes(
        days=days,
        target=target,
        p_breach={span: float(cumulative[span - 1]) for span in SPANS if span <= days},
        level_needed=sign * needed,
        capacity_needed=capacity_needed,
        add_needed=None if capacity_needed is None else max(capacity_needed - capacity, 0.0),
        raised=() if scale is None else _raised(future, row, capacity),
    )
    if row["status"] == "breached":
        return known

    def growth(within: int, chance: float) -> float | None:
        found = growth_needed(peaks[0], weights[0], level, within, chance)
        return sign * found if np.isfinite(found) else None

    even, safe = growth(days, 0.5), growth(days, target)
    middle = days_to(cumulative[None, :], 0.5)[0]
    if np.isnan(middle):
        return replace(known, keep_safe=safe, reach=even)
    earlier = EARLIER_DAYS if middle > EARLIER_DAYS else int(middle) // 2
    known = replace(known, keep_safe=safe, keep_away=even)
    return replace(known, earlier_days=earlier, earlier=growth(int(middle) - earlier, 0.5)) if earlier else known


def _cumulative(future: Outlook, thresholds: Floats) -> Floats:
    return probabilities(future, np.zeros(thresholds.size, np.int64), thresholds)


def _raised(future: Outlook, row: Mapping[str, Any], capacity: float) -> tuple[Raised, ...]:
    """Tell what larger capacities would do, the threshold in proportion."""
    level = row["threshold"] * (1.0 + np.array(MORE_PCT) / 100.0)
    cumulative = _cumulative(future, level)
    dates = {p: date_by(cumulative, p, to_us(row["as_of"])) for p in BAND[:2]}
    return tuple(
        Raised(
            more, None if row["capacity"] is None else capacity * (1.0 + more / 100.0), float(level[i]),
            float(cumulative[i, -1]),
            *(None if np.isnan(dates[p][i]) else date_of(int(dates[p][i])) for p in BAND[:2]),
        )
        for i, more in enumerate(MORE_PCT)
    )  # fmt: skip
