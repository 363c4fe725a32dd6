"""A fleet at a glance: how many rows are how urgent, also by service, team or site; how the record reads."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import polars as pl

from capforecast.numbers import NOTHING, date_range, number, probability
from capforecast.schema import LABELS

GROUPS = 25
"""Most groups that are listed of one label."""

SOON = ("0-7", "8-30", "31-60", "61-90")
ITEM = ("host", "metric", "instance", "direction")
SHARES = ("%", "pct", "percent", "fraction", "ratio", "normalised_0_1", "s", "ms", "us", "ns")
"""Units whose levels do not add up over hosts: shares and durations."""


def counted(breaches: pl.LazyFrame, column: str, words: Iterable[str]) -> list[tuple[str, int, int]]:
    """Return each word of a column with its rows and their hosts, in the order of the words."""
    # Hashes of a million names take a fraction of the memory that the names themselves do.
    found = (
        breaches.group_by(column)
        .agg(pl.len(), pl.col("host").hash().n_unique().alias("hosts"))
        .collect(engine="streaming")
    )
    counts = {word: (rows, hosts) for word, rows, hosts in found.select(column, "len", "hosts").iter_rows()}
    return [(word, *counts.get(word, (0, 0))) for word in words]


def grouped(breaches: pl.LazyFrame) -> dict[str, list[dict[str, Any]]]:
    """Return the groups of each label that is set, the most urgent first.

    Returns
    -------
    dict of list of dict
        By label; each group has ``name``, ``hosts``, ``series``, ``rows``, ``breached``, ``soon`` (rows by `SOON`),
        ``changed`` (rows that are new or worse), ``worst`` (the row of the table) and ``adds``: texts, by unit the sum
        over series of the largest ``add_needed_90d`` of their thresholds. ``more`` of the last one is how many groups
        are left out.

    Notes
    -----
    The sums say what to add when each series gets what it needs by itself. They are no quantile of the group's
    total: what all series of a group need together may be less, for they need not peak at once.
    """
    ranked = breaches.with_row_index("place")
    return {label: groups for label in LABELS if (groups := _groups(ranked, label))}


def _groups(ranked: pl.LazyFrame, label: str) -> list[dict[str, Any]]:
    labelled = ranked.filter(pl.col(label).is_not_null() & (pl.col(label) != ""))
    tallies = (
        labelled.group_by(label)
        .agg(
            pl.col("host").hash().n_unique().alias("hosts"),
            pl.struct(*ITEM[:3]).hash().n_unique().alias("series"),
            pl.len().alias("rows"),
            (pl.col("status") == "breached").sum().alias("breached"),
            *((pl.col("days_bucket") == bucket).sum().alias(bucket) for bucket in SOON),
            pl.col("change_class").is_in(["new", "worse"]).sum().alias("changed"),
            pl.col("place").min(),
        )
        .collect(engine="streaming")
        .sort("place")
    )
    shown = tallies.head(GROUPS)
    worst = labelled.filter(pl.col("place").is_in(shown.get_column("place").implode())).collect(engine="streaming")
    rows = {row["place"]: row for row in worst.iter_rows(named=True)}
    adds = _adds(labelled, label)
    return [
        {
            "name": group[label], "worst": rows[group["place"]], "soon": [group[bucket] for bucket in SOON],
            **{name: group[name] for name in ("hosts", "series", "rows", "breached", "changed")},
            "adds": adds.get(group[label], []), "more": tallies.height - shown.height,
        }
        for group in shown.iter_rows(named=True)
    ]  # fmt: skip


def _adds(labelled: pl.LazyFrame, label: str) -> dict[str, list[str]]:
    """Return what the series of each group need by themselves, added up by unit."""
    needed = labelled.filter(pl.col("add_needed_90d") > 0, ~pl.col("unit").is_in(SHARES).fill_null(True))
    sums = (
        needed.group_by(label, "unit", *ITEM)
        .agg(pl.col("add_needed_90d").max())
        .collect(engine="streaming")
        # Sums of floats depend on their order.
        .sort(label, "unit", *ITEM)
        .group_by(label, "unit", maintain_order=True)
        .agg(pl.col("add_needed_90d").sum(), pl.len())
    )
    texts: dict[str, list[str]] = {}
    for name, unit, total, series in sums.iter_rows():
        texts.setdefault(name, []).append(f"{number(total, unit)} on {series} series")
    return texts


SUMS = 40
"""Most lines of the totals of one label."""


def totalled(totals: pl.LazyFrame) -> dict[str, tuple[list[list[tuple[str, str]]], int]]:
    """Return lines of the table ``totals`` by label, and how many there are; a cell is a text and one in small print.

    Cells: name; metric and threshold; series and how many are left out; level now; level of the threshold; median and
    0.9 quantile 30 and 90 days ahead; probability within 90 days, or as far as may be said; dates; what to add.
    """
    all_of = dict(totals.group_by("label").len().collect().iter_rows())
    found: dict[str, list[list[tuple[str, str]]]] = {}
    for row in totals.group_by("label", maintain_order=True).head(SUMS).collect().iter_rows(named=True):
        found.setdefault(row["label"], []).append(_sums(row))
    return {label: (lines, all_of[label]) for label, lines in found.items()}


def _sums(row: Mapping[str, Any]) -> list[tuple[str, str]]:
    unit = row["unit"] or ""
    ahead = [
        (number(row[f"forecast_{days}d_p50"], unit), _upper(number(row[f"forecast_{days}d_p90"], unit)))
        for days in (30, 90)
    ]
    days = next((days for days in (90, 30, 7) if row[f"p_breach_{days}d"] is not None), None)
    chance = (NOTHING, "") if days is None else (probability(row[f"p_breach_{days}d"]), f"{days} days")
    return [
        (row["name"], ""),
        (row["metric"], row["threshold_name"]),
        (str(row["series"]), f"{row['series_left_out']} left out" if row["series_left_out"] else ""),
        (number(row["current"], unit), ""),
        (number(row["threshold"], unit), ""),
        *ahead,
        chance,
        (date_range(row["breach_date_p10"], row["breach_date_p90"]), ""),
        (number(row["add_needed_90d"], unit) if row["add_needed_90d"] else NOTHING, ""),
    ]


def _upper(text: str) -> str:
    return "" if text == NOTHING else f"up to {text}"


RECORD = (
    ("Due in", "period", "{}"),
    ("Days ahead", "horizon_days", "{}"),
    ("Warnings", "warnings", "{:,}"),
    ("true", "warnings_true", "{:,}"),
    ("false", "warnings_false", "{:,}"),
    ("averted", "warnings_averted", "{:,}"),
    ("Precision", "precision", "{:.0%}"),
    ("Crossings", "crossings", "{:,}"),
    ("missed", "crossings_missed", "{:,}"),
    ("Recall", "recall", "{:.0%}"),
    ("Days of notice", "lead_days_p50", "{:.0f}"),
    ("Brier", "brier", "{:.3f}"),
    ("Brier skill", "brier_skill", "{:+.2f}"),
)
"""Heading, column of the table ``record`` and format."""

PERIODS = 12
"""Most lines of the record."""


def record_lines(record: pl.DataFrame) -> list[list[str]]:
    """Return the newest lines of the record: the last 30 days, then months, a cell per entry of `RECORD`."""
    whole = record.filter(pl.col("p_range") == "all").head(PERIODS)
    return [[_cell(row, name, form) for _, name, form in RECORD] for row in whole.iter_rows(named=True)]


def _cell(row: Mapping[str, Any], name: str, form: str) -> str:
    return "-" if row[name] is None else form.format(row[name]).replace("last_30d", "last 30 days")


def reliability(record: pl.DataFrame) -> tuple[list[int], list[tuple[str, list[str]]]]:
    """Return the days ahead, and by range of probability how often it came, over all months that are listed.

    A cell reads ``72 % of 410``; predictions that were averted or whose outcome is not known are left out.
    """
    counted = pl.col("predictions") - pl.col("predictions_averted") - pl.col("predictions_unknown")
    tenths = record.filter(pl.col("p_range") != "all", pl.col("breached_share").is_not_null()).with_columns(n=counted)
    sums = (
        tenths.filter(pl.col("n") > 0)
        .group_by("horizon_days", "p_range", maintain_order=True)
        .agg(pl.col("n").sum(), (pl.col("breached_share") * pl.col("n")).sum().alias("came"))
    )
    cells = {(span, days): f"{100 * came / n:.0f} % of {n:,}" for days, span, n, came in sums.iter_rows()}
    ahead = sorted({days for _, days in cells})
    spans = sorted({span for span, _ in cells})
    return ahead, [(span, [cells.get((span, days), "-") for days in ahead]) for span in spans]


def joined(names: Sequence[str | None]) -> str:
    """Return the names that are there, with blanks between."""
    return " ".join(name for name in names if name)
