"""What is known about one threshold of one series, put together to be told."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from html import escape
from typing import Any

import polars as pl

from capforecast.calendar import date_of
from capforecast.correction import Correction
from capforecast.drivers import Split
from capforecast.errors import printable
from capforecast.narrative import told
from capforecast.picture import picture
from capforecast.times import format_moment


@dataclass(frozen=True, slots=True)
class Crossing:
    """Days in a row on which the threshold was crossed: the first and the last, and the worst peak."""

    first: date
    last: date
    worst: float


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the history holds.

    Attributes
    ----------
    samples : int
        Accepted samples.
    history_days : float
        From the first to the last sample.
    gap_pct : float or None
        Share of missing steps.
    empty_days, longest_gap_days : int
        Days of the history without a peak, and most of them in a row.
    pattern : str or None
        Shape of the series.
    fitted : date or None
        Day of the run that fitted the forecast, which still holds.
    tests : tuple of mapping
        Its rows of the table ``backtests``.
    mixes : tuple of tuple
        Members and their weights: of the near forecast, where there is one, and of the far one.
    crossings : tuple of Crossing
        Past crossings of the threshold of now, oldest first.
    crossed_days : int
        Days of all of them.
    """

    samples: int
    history_days: float
    gap_pct: float | None
    empty_days: int
    longest_gap_days: int
    pattern: str | None
    fitted: date | None = None
    tests: tuple[Mapping[str, Any], ...] = ()
    mixes: tuple[tuple[tuple[str, float], ...], ...] = ()
    crossings: tuple[Crossing, ...] = ()
    crossed_days: int = 0


@dataclass(frozen=True, slots=True)
class Raised:
    """What a larger capacity would do: by how many percent, what becomes of the threshold, chance and dates."""

    more_pct: int
    capacity: float | None
    threshold: float
    p_breach: float
    breach_date_p10: date | None
    breach_date_p50: date | None


@dataclass(frozen=True, slots=True)
class Changes:
    """What would change the date, from the possible futures of the forecast.

    Attributes
    ----------
    days : int
        How far ahead is looked: the horizon, or the length of the history where that is shorter.
    target : float
        Accepted probability of a breach.
    p_breach : mapping of int to float
        Probability of a crossing within so many days.
    level_needed, capacity_needed, add_needed : float or None
        Threshold, and capacity in the same proportion, with which the probability within `days` is the target.
    keep_away : float or None
        Change of the growth per day with which the crossing is no longer more likely than not within `days`.
    keep_safe : float or None
        Change of the growth per day with which its probability within `days` is the target.
    reach : float or None
        Change of the growth per day from which it is more likely than not within `days`, where it is not now.
    earlier_days : int or None
        By how many days the next is earlier.
    earlier : float or None
        Change of the growth per day that brings the median date forward by so many days.
    raised : tuple of Raised
        Larger capacities.
    """

    days: int
    target: float
    p_breach: Mapping[int, float]
    level_needed: float | None = None
    capacity_needed: float | None = None
    add_needed: float | None = None
    keep_away: float | None = None
    keep_safe: float | None = None
    reach: float | None = None
    earlier_days: int | None = None
    earlier: float | None = None
    raised: tuple[Raised, ...] = ()


@dataclass(frozen=True, slots=True)
class Explanation:
    """One threshold of one series, explained.

    Attributes
    ----------
    row : mapping
        Its row of the table ``breaches``, as the nightly job would publish it.
    days : DataFrame
        The rows of its direction of the table ``forecasts``: day, actual, q10, q50, q90.
    thresholds : mapping of str to float
        All thresholds of that direction by name.
    evidence : Evidence
        What the history holds.
    split : Split or None
        What the rise consists of; None where nothing is forecast.
    changes : Changes or None
        What would change the date; None where nothing is forecast.
    corrections : tuple of Correction
        How the fleet's past corrected its probabilities, by rising horizon; empty where it did not.
    """

    row: Mapping[str, Any]
    days: pl.DataFrame
    thresholds: Mapping[str, float]
    evidence: Evidence
    split: Split | None = None
    changes: Changes | None = None
    corrections: tuple[Correction, ...] = ()

    @property
    def series(self) -> tuple[str, str, str]:
        """Host, metric and instance."""
        return self.row["host"], self.row["metric"], self.row["instance"]

    def text(self, width: int = 100, *, brief: bool = False) -> str:
        """Return the explanation in plain words.

        Parameters
        ----------
        width : int
            Characters of a line, where words allow it; at least 40 are used.
        brief : bool
            Leave out what all thresholds of a series have in common: evidence and grade.
        """
        return told(self, max(width, 40), brief)

    def _repr_html_(self) -> str:
        drawn = picture(self.days, [self.row])
        return f"<div>{drawn.svg()}<pre>{escape(printable(self.text()))}</pre></div>"

    def to_dict(self) -> dict[str, Any]:
        """Return all of it as plain values for JSON; NULL where nothing is known."""
        return {
            "row": dict(self.row),
            "split": None if self.split is None else _plain(_split(self.split)),
            "evidence": _plain(asdict(self.evidence)),
            "changes": None if self.changes is None else _plain(asdict(self.changes)),
            "corrections": [_correction(one) for one in self.corrections],
            "days": self.days.to_dicts(),
        }


def _split(split: Split) -> dict[str, Any]:
    """Return a split with its dates, and the shares of its parts on the way so far, to come and whole."""
    stages = ("so_far", "to_come", "whole")
    shares = {stage: split.shares(stage) for stage in stages}
    parts = [
        {
            "driver": part.driver,
            "since": None if part.day is None else date_of(part.day),
            **{stage: getattr(part, stage) for stage in stages},
            **{f"{stage}_pct": None if found is None else found[i] for stage, found in shares.items()},
        }
        for i, part in enumerate(split.parts)
    ]
    return {
        "base_day": date_of(split.base_day), "now_day": date_of(split.now_day), "target_day": date_of(split.target_day),
        "base": split.base, "now": split.now, "target": split.target,
        "rise_so_far": split.now - split.base, "rise_to_come": split.target - split.now,
        "rise": split.target - split.base, "growth_per_day": split.slope, "largest": split.largest, "parts": parts,
    }  # fmt: skip


def _correction(one: Correction) -> dict[str, Any]:
    """Return a correction with the factor of each mover on the odds, and its day instead of a moment."""
    known = asdict(one)
    until = format_moment(known.pop("learned_until_us"))
    movers = [{**mover, "odds_factor": math.exp(mover["log_odds"])} for mover in known.pop("movers")]
    return dict(_plain({**known, "learned_until": until, "movers": movers}))


def _plain(value: Any) -> Any:
    """Return values with None for NaN and infinities, text for keys."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_plain(inner) for inner in value]
    return value
