"""The record: how good judged predictions were, month by month, and in one sentence.

Counts of a month are carried from run to run and added to, so that no night is read twice; whether a risk
was warned of is told by the judged rows, which are kept for a month.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Self

import numpy as np
import polars as pl

from capforecast.hindsight import CROSSED, NAMES, UNCOUNTED
from capforecast.panel import DAY_US, Floats, Ints
from capforecast.tables import Stamp, empty
from capforecast.times import from_us

KEPT_DAYS = 32
"""Judged rows stay so long: a month, and the night before it."""

NIGHTS = 30
ROLLING = "last_30d"
MONTHS = 24
"""Months that the record goes back."""

BINS = 10
ALL = "all"
CAME_TRUE = ("hit", "early", "late")
RISK = ("horizon_days", "risk_id")

Key = tuple[str, int, int]
Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Ledger:
    """What the run before had judged.

    Attributes
    ----------
    as_of_us : int
        Its as_of; what fell due later is still to be judged.
    outcomes, record : DataFrame
        Its tables of these names.
    """

    as_of_us: int
    outcomes: pl.DataFrame
    record: pl.DataFrame

    @classmethod
    def empty(cls) -> Self:
        """Return the ledger of a store that has judged nothing."""
        return cls(0, empty("outcomes"), empty("record"))


@dataclass(frozen=True, slots=True)
class Night:
    """The predictions of one run for one horizon, judged.

    Attributes
    ----------
    due_us : int
        End of the horizon.
    days : int
        Its length.
    one_in : int
        One in so many of the run's predictions was judged.
    chance : float64 (R,)
        Predicted probabilities.
    codes : int64 (R,)
        What became of them, places in `capforecast.hindsight.NAMES`.
    listed : DataFrame
        Rows of the table ``outcomes`` of those that are listed, without what `recorded` adds.
    """

    due_us: int
    days: int
    one_in: int
    chance: Floats
    codes: Ints
    listed: pl.DataFrame

    @property
    def month(self) -> str:
        """UTC month in which the predictions fell due."""
        return f"{from_us(self.due_us):%Y-%m}"


def recorded(before: Ledger, nights: Sequence[Night], stamp: Stamp) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return the columns of the tables ``outcomes`` and ``record`` after some nights were judged.

    Parameters
    ----------
    before : Ledger
        What was judged earlier.
    nights : sequence of Night
        What was judged now, by due.
    stamp : Stamp
        The run.
    """
    columns = empty("outcomes").columns
    rows = before.outcomes
    for night in nights:
        listed = _first_warned(rows, night.listed)
        rows = pl.concat([rows, listed.with_columns(stamp.columns()).select(columns)])
    sums = _carried(before.record)
    for night in nights:
        _add(sums, night)
    old = {
        (row["period"], row["horizon_days"]): row
        for row in before.record.filter(pl.col("p_range") == ALL).iter_rows(named=True)
    }
    events = _Events(rows)
    changed = f"{from_us(before.as_of_us):%Y-%m}"
    months = sorted({month for month, _, _ in sums}, reverse=True)[:MONTHS]
    told: list[Row] = []
    for period in (*([ROLLING] if months else []), *months):
        for days in sorted({days for _, days, _ in sums}):
            if period == ROLLING:
                told.append({"period": period, "horizon_days": days, "p_range": ALL, **events.rolling(days, stamp)})
            elif any((period, days, place) in sums for place in range(BINS)):
                fresh = period >= changed
                warned = events.monthly(days, period, stamp) if fresh else _kept(old[period, days])
                told += _scores(sums, period, days, warned)
    kept = pl.col("due") > from_us(stamp.as_of_us - KEPT_DAYS * DAY_US)
    record = pl.DataFrame(told, schema=empty("record").schema) if told else empty("record")
    return rows.filter(kept).with_columns(stamp.columns()), record.with_columns(stamp.columns())


def _first_warned(earlier: pl.DataFrame, rows: pl.DataFrame) -> pl.DataFrame:
    """Add the first night that warned of each crossing, which rows judged earlier may know."""
    crossing = (*RISK, "breached_at")
    known = earlier.filter(pl.col("breached")).group_by(crossing).agg(pl.col("first_warned").min().alias("known"))
    own = pl.when(pl.col("breached") & pl.col("warned")).then("predicted_as_of")
    joined = rows.join(known, on=crossing, how="left", maintain_order="left")
    return joined.with_columns(pl.min_horizontal("known", own).alias("first_warned")).drop("known")


def _carried(record: pl.DataFrame) -> dict[Key, Row]:
    """Return the sums of a record: counts of each outcome, of probabilities and of squared differences."""
    sums = {}
    for row in record.filter(pl.col("p_range") != ALL).iter_rows(named=True):
        counts = {name: row[f"predictions_{name}"] for name in NAMES}
        counted = sum(counts.values()) - sum(counts[NAMES[code]] for code in UNCOUNTED)
        place = int(float(row["p_range"].partition("-")[0]) * BINS + 0.5)
        sums[row["period"], row["horizon_days"], place] = {
            **counts, "p": (row["p_mean"] or 0.0) * counted, "squares": (row["brier"] or 0.0) * counted,
            "one_in": row["one_in"],
        }  # fmt: skip
    return sums


def _add(sums: dict[Key, Row], night: Night) -> None:
    """Add a night to the sums of its month."""
    places = np.minimum((night.chance * BINS + 1e-9).astype(np.int64), BINS - 1)
    counted = ~np.isin(night.codes, UNCOUNTED)
    off = (night.chance - np.isin(night.codes, CROSSED)) ** 2
    for place in np.unique(places).tolist():
        mine = places == place
        new = dict(zip(NAMES, np.bincount(night.codes[mine], minlength=len(NAMES)).tolist(), strict=True))
        new |= {"p": float(night.chance[mine & counted].sum()), "squares": float(off[mine & counted].sum())}
        key = (night.month, night.days, place)
        old = sums.get(key, dict.fromkeys((*NAMES, "p", "squares", "one_in"), 0))
        sums[key] = {name: old[name] + new[name] for name in new} | {"one_in": max(old["one_in"], night.one_in)}


def _scores(sums: Mapping[Key, Row], period: str, days: int, events: Row) -> Iterator[Row]:
    """Yield the rows of one month and horizon: all predictions, then each tenth that has any."""
    bins = {place: sums[period, days, place] for place in range(BINS) if (period, days, place) in sums}
    whole = {name: sum(one[name] for one in bins.values()) for name in (*NAMES, "p", "squares")}
    whole["one_in"] = max(one["one_in"] for one in bins.values())
    parts = {place: _range_scores(one) for place, one in bins.items()}
    total = _range_scores(whole)
    counted = _counted(whole)
    if counted:
        gaps = [
            _counted(bins[place]) * abs(part["p_mean"] - part["breached_share"])
            for place, part in parts.items()
            if part["p_mean"] is not None
        ]
        base = total["breached_share"] * (1.0 - total["breached_share"])
        total["ece"] = sum(gaps) / counted
        total["brier_skill"] = 1.0 - total["brier"] / base if base > 0.0 else None
    named = {"period": period, "horizon_days": days}
    yield {**named, "p_range": ALL, **total, **events}
    for place, part in parts.items():
        yield {**named, "p_range": f"{place / BINS:.1f}-{(place + 1) / BINS:.1f}", **part}


def _counted(one: Row) -> int:
    """Return the predictions that scores count."""
    return int(sum(one[name] for code, name in enumerate(NAMES) if code not in UNCOUNTED))


def _range_scores(one: Row) -> Row:
    """Return counts and scores of some predictions from their sums."""
    counted = _counted(one)
    crossed = sum(one[NAMES[code]] for code in CROSSED)
    return {
        "predictions": sum(one[name] for name in NAMES),
        **{f"predictions_{name}": one[name] for name in NAMES},
        "p_mean": one["p"] / counted if counted else None,
        "breached_share": crossed / counted if counted else None,
        "brier": one["squares"] / counted if counted else None,
        "one_in": one["one_in"],
    }


def _kept(row: Row) -> Row:
    """Return what an earlier record says of the warnings of a month that is over."""
    names = ("warnings", "crossings", "precision", "recall", "lead_days_p50")
    return {name: value for name, value in row.items() if name.startswith(names)}


class _Events:
    """Warnings and crossings, each counted once however many nights spoke of it.

    Parameters
    ----------
    rows : DataFrame
        Judged rows of the table ``outcomes``.
    """

    def __init__(self, rows: pl.DataFrame):
        self._warned = rows.filter(pl.col("warned") & (pl.col("outcome") != "unknown"))
        crossed = rows.filter(pl.col("breached")).sort("predicted_as_of", maintain_order=True)
        # The last night before a crossing knows the first one that warned of it.
        last = crossed.unique((*RISK, "breached_at"), keep="last", maintain_order=True)
        self._crossings = last.with_columns(
            (pl.col("breach_date") + pl.duration(days="horizon_days")).cast(pl.Date).alias("closed")
        )

    def monthly(self, days: int, month: str, stamp: Stamp) -> Row:
        """Return the counts of a month, as far as it has come."""
        first = date.fromisoformat(f"{month}-01")
        warned = self._warned.filter(pl.col("due").dt.strftime("%Y-%m") == month)
        last = (first + timedelta(days=32)).replace(day=1) - timedelta(days=1)
        return self._counts(days, warned, first, min(last, stamp.date))

    def rolling(self, days: int, stamp: Stamp) -> Row:
        """Return the counts of the last 30 nights."""
        warned = self._warned.filter(pl.col("due") > from_us(stamp.as_of_us - NIGHTS * DAY_US))
        return self._counts(days, warned, stamp.date - timedelta(days=NIGHTS - 1), stamp.date)

    def _counts(self, days: int, warned: pl.DataFrame, first: date, last: date) -> Row:
        """Count the risks that were warned of, and the crossings whose last prediction fell due in some days."""
        risks = (
            warned.filter(pl.col("horizon_days") == days)
            .sort("predicted_as_of", maintain_order=True)
            .group_by("risk_id", maintain_order=True)
            .agg(pl.col("outcome").is_in(CAME_TRUE).any().alias("true"), pl.col("outcome").last())
        )
        closed = self._crossings.filter((pl.col("horizon_days") == days) & pl.col("closed").is_between(first, last))
        missed = int(closed.get_column("first_warned").null_count())
        true = int(risks.get_column("true").sum())
        averted = risks.filter(~pl.col("true") & (pl.col("outcome") == "averted")).height
        false = risks.height - true - averted
        lead = (closed.get_column("breach_date") - closed.get_column("first_warned").dt.date()).dt.total_days()
        return {
            "warnings": risks.height, "warnings_true": true, "warnings_averted": averted, "warnings_false": false,
            "crossings": closed.height, "crossings_missed": missed,
            "precision": true / (true + false) if true + false else None,
            "recall": 1.0 - missed / closed.height if closed.height else None,
            "lead_days_p50": lead.median(),
        }  # fmt: skip


def sentence(record: pl.DataFrame, first_due_us: int) -> str:
    """Say in one sentence how the warnings of the last 30 nights did: of 30 days ahead, else of 7, else of 90.

    Parameters
    ----------
    record : DataFrame
        Table ``record``.
    first_due_us : int
        When the next prediction falls due; said where none has yet.
    """
    rolling = record.filter(pl.col("period") == ROLLING)
    if rolling.is_empty():
        return f"No prediction has fallen due yet; the next will on {from_us(first_due_us):%Y-%m-%d}."
    known = {row["horizon_days"]: row for row in rolling.to_dicts()}
    fell_due = [days for days in (30, 7, 90) if days in known]
    # A horizon of which there is nothing to tell gives way to one that had a warning or a crossing.
    days = next((days for days in fell_due if known[days]["warnings"] or known[days]["crossings"]), fell_due[0])
    row = known[days]
    one_in = record.filter(pl.col("horizon_days") == days).get_column("one_in").head(2).max()
    part = f" (one series in {one_in} is judged)" if isinstance(one_in, int) and one_in > 1 else ""
    averted = f" and {row['warnings_averted']} averted" if row["warnings_averted"] else ""
    due = f"for the next {days} days that fell due in the last {NIGHTS} nights"
    crossings, missed = row["crossings"], row["crossings_missed"]
    # A crossing counts when no prediction of it is open any more: there may be fewer than true warnings.
    closed = f"{_number(crossings, 'crossing')} whose last prediction has fallen due"
    warned = f"; of {closed} {missed or 'none'} {'were' if missed > 1 else 'was'} missed" if crossings else ""
    told = (
        f"Of {_number(row['warnings'], 'warning')} {due} {row['warnings_true']} came true{averted}"
        if row["warnings"]
        else f"There was no warning {due}"
    )
    return f"{told}{warned}{part}."


def _number(count: int, thing: str) -> str:
    return f"{count} {thing}{'s' * (count != 1)}"
