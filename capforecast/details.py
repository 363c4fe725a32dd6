"""What is known about a breach row beyond its cells in the ranked table: names, columns, and how they are written.

The page writes the first rows itself and its script the others; both go by `FACTS`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

import polars as pl

from capforecast.numbers import number, probability
from capforecast.phrases import DUST, count
from capforecast.wording import PATTERNS, REASONS, member_words

FACTS = (
    ("Chance to cross within 7 days", "p_breach_7d", "probability"),
    ("Chance to cross within 30 days", "p_breach_30d", "probability"),
    ("Chance to cross within 90 days", "p_breach_90d", "probability"),
    ("Crossed as likely as not by", "breach_date_p50", "text"),
    ("Peaks of 28 days, 95th percentile", "current_p95", "level"),
    ("Growth", "growth_per_day", "growth"),
    ("Peak in 30 days, median", "forecast_30d_p50", "level"),
    ("Peak in 30 days, 9 in 10 below", "forecast_30d_p90", "level"),
    ("Peak in 90 days, median", "forecast_90d_p50", "level"),
    ("Peak in 90 days, 9 in 10 below", "forecast_90d_p90", "level"),
    ("Capacity", "capacity", "level"),
    ("Capacity needed for 90 days", "capacity_needed_90d", "level"),
    ("Lead time", "lead_time_days", "days"),
    ("Shape", "shape", "text"),
    ("Last jump of its level", "last_change", "text"),
    ("Grade", "grade_words", "text"),
    ("Error in tests, against repeating the last season", "skill_vs_naive", "skill"),
    ("80 % band held, in tests on its own step", "coverage_80", "probability"),
    ("Mean error in tests, by steps ahead", "tested", "text"),
    ("Members of the forecast", "model", "text"),
    ("History", "history_days", "days"),
    ("Steps without data", "gap_pct", "percent"),
    ("Earlier predictions that fell due lately", "judged", "text"),
    ("Belongs to", "owner", "text"),
    ("Threshold from", "threshold_source", "text"),
)
"""What it is, column of the prepared rows, and how it is written: a key of `WRITTEN`."""


def _level(value: float, unit: str) -> str:
    return number(value, unit)


WRITTEN: dict[str, Callable[[Any, str], str]] = {
    "text": lambda value, unit: str(value),
    "probability": lambda value, unit: probability(value),
    "level": _level,
    "growth": lambda value, unit: f"{number(value, unit).replace(' %', ' points')} per day",
    "days": lambda value, unit: f"{number(value)} days",
    "percent": lambda value, unit: number(value, "percent"),
    "skill": lambda value, unit: f"{number(100 * abs(value), 'percent')} {'less' if value >= 0 else 'more'}",
}

_MEMBER = re.compile(r"(.+) (\d+)%")
_OWNERS = ("service", "team", "env", "site", "criticality")
_SERIES = ("host", "metric", "instance")
TESTED_ROWS = 1_000
"""Only the first rows tell their tests by steps ahead: those of all would take a tenth of the page."""
ROW_COLUMNS = (
    "threshold_name", "threshold", "threshold_source", "headroom", "status", "severity", "p_breach_7d", "p_breach_30d",
    "p_breach_90d", "breach_date_p10", "breach_date_p50", "breach_date_p90", "days_bucket", "start_by_date",
    "capacity_needed_90d", "add_needed_90d", "lead_time_days", "grade", "grade_words", "change_class", "days_slipped",
    "reason", "judged",
)  # fmt: skip
"""Columns of the prepared rows that belong to a threshold."""
ITEM_COLUMNS = (
    *_SERIES, "direction", "unit", *_OWNERS, "owner", "current", "current_p95", "growth_per_day", "forecast_30d_p50",
    "forecast_30d_p90", "forecast_90d_p50", "forecast_90d_p90", "capacity", "shape", "last_change", "skill_vs_naive",
    "coverage_80", "tested", "model", "history_days", "gap_pct",
)  # fmt: skip
"""Columns of the prepared rows that all thresholds of a series and direction share."""


def prepared(
    listed: pl.DataFrame, series: pl.LazyFrame, outcomes: pl.LazyFrame, backtests: pl.LazyFrame
) -> pl.DataFrame:
    """Return rows of the table ``breaches`` with what other tables know of them, in words; the order stays.

    Parameters
    ----------
    listed : DataFrame
        Rows of the table ``breaches``.
    series, outcomes, backtests : LazyFrame
        The tables of these names.
    """
    near = series.filter(pl.col("host").is_in(listed.get_column("host").unique().implode()))
    changed = (
        near.filter(pl.col("last_change").is_not_null()).select(*_SERIES, "last_change").collect(engine="streaming")
    )
    risks = listed.get_column("risk_id").drop_nulls().unique()
    tallies = outcomes.filter(pl.col("risk_id").is_in(risks.implode()), pl.col("outcome") != "quiet")
    past = (
        tallies.group_by("risk_id", "outcome").len().sort("risk_id", "len", "outcome", descending=[False, True, False])
        .group_by("risk_id", maintain_order=True)
        .agg(pl.format("{} {}", "outcome", "len").str.join(", ").alias("judged"))
        .collect()
    )  # fmt: skip
    rows = listed.join(changed, on=_SERIES, how="left", maintain_order="left")
    rows = rows.join(past, on="risk_id", how="left", maintain_order="left")
    tests = _tests(listed.head(TESTED_ROWS).select(*_SERIES, "direction", "unit", "current").unique(), backtests)
    rows = rows.join(tests, on=[*_SERIES, "direction"], how="left", maintain_order="left")
    owners = pl.concat_str([pl.col(name) for name in _OWNERS], separator=", ", ignore_nulls=True)
    return rows.with_columns(
        pl.when(owners != "").then(owners).alias("owner"),
        _in_words("pattern", PATTERNS).alias("shape"),
        _grade(rows).alias("grade_words"),
        _each(rows.get_column("model"), _members).alias("model"),
    )


def _tests(series: pl.DataFrame, backtests: pl.LazyFrame) -> pl.DataFrame:
    """Return how far off the forecasts of some series were in tests, beside the naive forecast."""
    hosts = series.get_column("host").unique().implode()
    scores = backtests.filter(pl.col("host").is_in(hosts), pl.col("mae").is_not_null()).collect(engine="streaming")
    names = [*_SERIES, "direction"]
    texts: dict[tuple[str, ...], list[str]] = {}
    known = scores.join(series, on=names, how="inner", maintain_order="left")
    for *key, unit, level, step, ahead, off, naive in known.select(
        *names, "unit", "current", "step", "horizon", "mae", "mae_naive"
    ).iter_rows():
        # What is left of the rounding of large levels is no error.
        errors = [0.0 if value is not None and value < DUST * abs(level or 0.0) else value for value in (off, naive)]
        said = f"{ahead} x {step}: {number(errors[0], unit or '')}, naive {number(errors[1], unit or '')}"
        texts.setdefault(tuple(key), []).append(said)
    rows = [(*key, "; ".join(said)) for key, said in texts.items()]
    return pl.DataFrame(rows, schema=dict.fromkeys([*names, "tested"], pl.String), orient="row")


def _in_words(column: str, words: Mapping[str, str]) -> pl.Expr:
    return pl.col(column).replace_strict(
        list(words), [f"{name}: {text}" for name, text in words.items()], default=pl.col(column)
    )


def _each(texts: pl.Series, words: Callable[[str], str]) -> pl.Series:
    """Return each text in words; distinct ones are put into words once."""
    known = {text: words(text) for text in texts.drop_nulls().unique().to_list()}
    return texts.replace(known)


def _members(mix: str) -> str:
    """Return a mix with its members in words, alike ones together; text that is no mix as it is."""
    legs = []
    for leg in mix.split(" | "):
        shares: dict[str, int] = {}
        for part in leg.split(", "):
            found = _MEMBER.fullmatch(part)
            if found is None:
                return mix
            words = member_words(found[1])
            shares[words] = shares.get(words, 0) + int(found[2])
        legs.append(", ".join(f"{share} % {words}" for words, share in shares.items()))
    return "; further ahead ".join(legs)


def _grade(rows: pl.DataFrame) -> pl.Series:
    """Return the grade with the reasons that lowered it, in words."""
    pairs = rows.select("grade", "grade_reasons")
    known = {
        pair: ": ".join(filter(None, [pair[0], "; ".join(REASONS.get(code, code) for code in _codes(pair[1]))]))
        for pair in pairs.unique().iter_rows()
    }
    return pl.Series([known[pair] or None for pair in pairs.iter_rows()], dtype=pl.String)


def _codes(reasons: str | None) -> list[str]:
    return [code for code in (reasons or "").split(";") if code]


def facts(row: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return names and texts of what is known about a prepared row."""
    unit = row["unit"] or ""
    return [(name, WRITTEN[form](row[column], unit)) for name, column, form in FACTS if row[column] not in (None, "")]


def slipped(row: Mapping[str, Any]) -> str:
    """Return how a row changed since the run before, such as ``worse, 3 days sooner``; empty where it did not."""
    change, days = row["change_class"], row["days_slipped"]
    if change in (None, "same"):
        return ""
    return f"{change}, {count(abs(days), 'day')} {'sooner' if days < 0 else 'later'}" if days else change
