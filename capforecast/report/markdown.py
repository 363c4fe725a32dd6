"""A digest in Markdown for mail, chat and tickets: counts, the first rows, what changed."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import polars as pl

from capforecast.errors import printable
from capforecast.numbers import NOTHING, date_range, number, probability
from capforecast.report import RenderOptions, Tables
from capforecast.schema import CHANGES, DAYS_BUCKETS, STATUSES

LISTED_CHANGES = 20
HEADS = (
    "Severity", "Host", "Metric", "Instance", "Threshold", "Now", "Headroom", "P(30 d)", "Breach p10..p90",
    "Start by", "Grade", "Reason",
)  # fmt: skip

COUNTED = (
    "status", "days_bucket", "change_class", "host", "metric", "instance", "threshold_name", "days_slipped",
)  # fmt: skip
"""Columns of which all rows are looked at."""

_SPECIAL = re.compile(r"([\\`*\[\]<>|~#!])")
# Inside a word an underscore is only itself, and metric names are full of them.
_UNDERSCORE = re.compile(r"(?<![^\W_])_|_(?![^\W_])")


def render(tables: Tables, options: RenderOptions) -> bytes:
    """Return the digest: every row in the order of the table unless `options.top` says fewer."""
    rows, runs = tables["breaches"].lazy(), tables["run"].lazy().collect()
    listed = (rows if options.top is None else rows.head(options.top)).collect()
    breaches = rows.select(COUNTED).collect()
    lines = [*_head(runs, breaches), *([f"- Only rows: {_text(options.only)}"] if options.only else []), ""]
    if listed.height < breaches.height:
        lines += [f"The first {listed.height} of {breaches.height} rows, most urgent first:", ""]
    lines += [_line(HEADS), _line("---" for _ in HEADS)]
    lines += [_line(_cells(row)) for row in listed.iter_rows(named=True)]
    lines += _changes(breaches)
    return ("\n".join(lines) + "\n").encode()


def _text(value: object) -> str:
    """Return text that Markdown leaves as it is, tables included."""
    plain = printable(str(value)).replace("\n", "\\n").replace("&", "&amp;")
    return _UNDERSCORE.sub(r"\\_", _SPECIAL.sub(r"\\\1", plain))


def _line(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _cells(row: Mapping[str, Any]) -> Iterator[str]:
    unit = row["unit"] or ""
    severity = row["severity"] or "none"
    yield f"({_text(row['status'] or NOTHING)})" if severity == "none" else f"**{_text(severity)}**"
    yield from (_text(row[name] or "") for name in ("host", "metric", "instance"))
    yield _text(f"{number(row['threshold'], unit)} {row['threshold_name'] or ''}".strip())
    yield from (_text(number(row[column], unit)) for column in ("current", "headroom"))
    yield _text(probability(row["p_breach_30d"]))
    yield date_range(row["breach_date_p10"], row["breach_date_p90"])
    yield from (_text(row[column] or NOTHING) for column in ("start_by_date", "grade"))
    yield _text(row["reason"] or "")


def _head(runs: pl.DataFrame, breaches: pl.DataFrame) -> Iterator[str]:
    run = runs.row(0, named=True) if runs.height else {}
    moment = run.get("as_of")
    yield "# Capacity forecast" + (f" of {moment:%Y-%m-%d %H:%M} UTC" if moment else "")
    yield ""
    if run:
        newest = run["data_watermark"]
        data = f"{newest:%Y-%m-%d %H:%M} UTC" if newest else "none"
        series, forecast = run["series"] or 0, run["series_forecast"] or 0
        yield f"- Newest data: {data}; {series} series, {forecast} with a forecast"
        # Runs of early versions have no record.
        if run.get("record"):
            yield f"- {_text(run['record'])}"
    for title, column, words in (
        ("Rows by status", "status", STATUSES),
        ("Rows by days to the median breach", "days_bucket", DAYS_BUCKETS),
        ("Against the previous run", "change_class", CHANGES),
    ):
        found = dict(breaches[column].value_counts().iter_rows())
        counts = ", ".join(f"{_text(word)} {found[word]}" for word in words if word in found)
        yield f"- {title}: {counts or 'none'}"


def _changes(breaches: pl.DataFrame) -> Iterator[str]:
    """Yield what is new, worse, better or cleared, the first of each."""
    for change in CHANGES:
        rows = breaches.filter(pl.col("change_class") == change)
        if not rows.height:
            continue
        yield from ("", f"## {change.capitalize()}: {rows.height}", "")
        for row in rows.head(LISTED_CHANGES).iter_rows(named=True):
            series = " ".join(_text(row[name]) for name in ("host", "metric", "instance") if row[name])
            # A word of ours comes first, since a name could begin like a list or a heading.
            yield f"- On {series}: {_text(row['threshold_name'] or NOTHING)}{_moved(row['days_slipped'])}"
        if rows.height > LISTED_CHANGES:
            yield f"- and {rows.height - LISTED_CHANGES} more"


def _moved(days: int | None) -> str:
    return f", median date {abs(days)} days {'later' if days > 0 else 'sooner'}" if days else ""
