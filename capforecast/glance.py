"""What a notebook shows of a run: counts, and its most urgent rows, as a piece of a page."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from html import escape
from typing import Any

import polars as pl

from capforecast.errors import printable
from capforecast.numbers import NOTHING, date_range, number, probability
from capforecast.schema import STATUSES

ROWS = 15
HEADS = (
    "severity", "host", "metric", "instance", "threshold", "now", "within 30 days", "crossing", "start by", "grade",
)  # fmt: skip


def glance(title: str, breaches: pl.DataFrame, messages: Sequence[str] = ()) -> str:
    """Return a run as HTML: title, counts by status, the first rows of its table ``breaches``, messages."""
    found = dict(breaches.get_column("status").value_counts().iter_rows())
    counts = ", ".join(f"{status} {found[status]}" for status in STATUSES if status in found)
    rows = "".join(_row("td", _cells(row)) for row in breaches.head(ROWS).iter_rows(named=True))
    shown = f"The first {ROWS} of {breaches.height} rows" if breaches.height > ROWS else f"{breaches.height} rows"
    said = "".join(f"<p>{_text(message)}</p>" for message in messages)
    return (
        f"<div><p><b>{_text(title)}</b></p><p>{shown}; status: {counts or NOTHING}</p>"
        f"<table><thead>{_row('th', HEADS)}</thead><tbody>{rows}</tbody></table>{said}</div>"
    )


def _text(value: object) -> str:
    return escape(printable(str(value)).replace("\n", "\\n"))


def _row(kind: str, cells: Iterable[object]) -> str:
    return "<tr>" + "".join(f"<{kind}>{_text(cell)}</{kind}>" for cell in cells) + "</tr>"


def _cells(row: Mapping[str, Any]) -> Iterator[object]:
    unit = row["unit"] or ""
    yield row["status"] if row["severity"] in (None, "none") else row["severity"]
    yield from (row[name] or "" for name in ("host", "metric", "instance"))
    yield f"{number(row['threshold'], unit)} {row['threshold_name'] or ''}".strip()
    yield number(row["current"], unit)
    yield probability(row["p_breach_30d"])
    yield "now" if row["status"] == "breached" else date_range(row["breach_date_p10"], row["breach_date_p90"])
    yield from (row[column] or NOTHING for column in ("start_by_date", "grade"))
