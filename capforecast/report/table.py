"""The ranked table for a terminal: plain text that stays the same when piped, colours on request.

A row is one line where that leaves room for names; otherwise it is two, the series above its numbers.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import polars as pl
from rich.cells import cell_len, set_cell_size
from rich.color import ColorSystem
from rich.style import Style

from capforecast.errors import printable
from capforecast.numbers import NOTHING, date_range, number, probability
from capforecast.phrases import count
from capforecast.report import RenderOptions, Tables
from capforecast.schema import DAYS_BUCKETS, STATUSES

REASONS = 5
INDENT = "   "
NAMES = ("host", "metric", "instance")
NUMBERS = ("threshold", "now", "headroom", "p30", "breach p10..p90", "start by", "grade")
HEADS = ("severity", "change", *NAMES, *NUMBERS)
# Widths that no text may exceed, and what the names need before a row is written in one line.
MOST = {"severity": 11, "change": 13, "threshold": 24, "now": 10, "headroom": 10}
NAMES_ROOM = 50
RIGHT = {"now", "headroom", "p30"}
STYLES = {
    "critical": Style(color="red", bold=True),
    "high": Style(color="yellow", bold=True),
    "medium": Style(color="yellow"),
    "low": Style(color="cyan"),
    "none": Style(dim=True),
    "head": Style(bold=True),
}


def render(tables: Tables, options: RenderOptions) -> bytes:
    """Return the ranked table, the reasons of its first rows and one line that counts all rows."""
    breaches = tables["breaches"].lazy()
    listed = (breaches if options.top is None else breaches.head(options.top)).collect()
    rows = [_texts(row) for row in listed.iter_rows(named=True)]
    width = max(options.width, 40)
    lines = list(_table(rows, width, options.colour)) if rows else []
    lines += _reasons(listed, width)
    lines += _wrapped(_summary(breaches.select("status", "days_bucket").collect(), listed.height, options.only), width)
    return "".join(line.rstrip() + "\n" for line in lines).encode()


def _plain(text: object) -> str:
    return printable(str(text)).replace("\n", "\\n")


def _texts(row: Mapping[str, Any]) -> dict[str, str]:
    """Return the cells of a row by their heading."""
    unit = row["unit"] or ""
    severity = row["severity"] or "none"
    dates = date_range(row["breach_date_p10"], row["breach_date_p90"])
    threshold = number(row["threshold"], unit)
    return {
        "style": severity,
        # A row without a severity says instead why, in brackets: ok, too_short, stale ...
        "severity": _plain(f"({row['status'] or NOTHING})" if severity == "none" else severity),
        "change": _change(row["change_class"], row["days_slipped"]),
        **{name: _plain(row[name] or "") for name in NAMES},
        "threshold": _plain(f"{threshold} {row['threshold_name'] or ''}".strip()),
        "now": number(row["current"], unit),
        "headroom": number(row["headroom"], unit),
        "p30": probability(row["p_breach_30d"]),
        "breach p10..p90": "now" if row["status"] == "breached" and dates == NOTHING else dates,
        "start by": _plain(row["start_by_date"] or NOTHING),
        "grade": _plain(row["grade"] or NOTHING),
    }


def _change(change: str | None, slipped: int | None) -> str:
    """Return how a row changed since the run before, and by how many days its median date moved."""
    if change in (None, "same"):
        return ""
    return _plain(f"{change} {slipped:+d} d" if slipped else change)


def _table(rows: list[dict[str, str]], width: int, colour: bool) -> Iterator[str]:
    groups, widths, gap = _layout(rows, width)
    for row in ({head: head for head in HEADS} | {"style": "head"}, *rows):
        for index, group in enumerate(groups):
            cells = [_cell(row[head], widths[head], head) for head in group]
            if colour and (row["style"] == "head" or index == 0):
                painted = len(cells) if row["style"] == "head" else 1
                style = STYLES.get(row["style"], STYLES["none"])
                cells[:painted] = [style.render(c, color_system=ColorSystem.STANDARD) for c in cells[:painted]]
            yield (INDENT if index else "") + gap.join(cells)
    yield ""


def _layout(rows: list[dict[str, str]], width: int) -> tuple[tuple[tuple[str, ...], ...], dict[str, int], str]:
    """Return the columns of each line of a row, the width of every column, and the gap between two."""
    heads = tuple(head for head in HEADS if head != "change" or any(row["change"] for row in rows))
    widths = {head: max(cell_len(head), *(cell_len(row[head]) for row in rows)) for head in heads}
    widths |= {head: min(widths[head], most) for head, most in MOST.items() if head in heads}
    names = {name: widths[name] for name in NAMES}
    room = width - sum(widths[head] + 2 for head in heads if head not in NAMES) - 2 * (len(NAMES) - 1)
    if room >= min(sum(names.values()), NAMES_ROOM):
        return (heads,), widths | _shared(names, room), "  "
    gap = " " if width < 100 else "  "
    first = heads[: -len(NUMBERS)]
    names = _shared(names, width + len(gap) - sum(len(gap) + widths[head] * (head not in NAMES) for head in first))
    spare = width - len(INDENT) - sum(widths[head] + len(gap) for head in NUMBERS[1:])
    threshold = max(min(widths["threshold"], spare), 8)
    return (first, NUMBERS), widths | names | {"threshold": threshold}, gap


def _shared(natural: dict[str, int], room: int) -> dict[str, int]:
    """Return widths that fit the room: the widest names give way first, none below 8."""
    widths = dict(natural)
    while sum(widths.values()) > room:
        widest = max(widths, key=lambda name: widths[name])
        if widths[widest] <= 8:
            break
        widths[widest] -= 1
    return widths


def _cell(text: str, width: int, head: str) -> str:
    """Return the text in exactly this many cells; a name gives up its middle, other texts their end."""
    length = cell_len(text)
    if length > width:
        tail = (width - 1) // 2 if head in NAMES else 0
        start = set_cell_size(text, width - 1 - tail).rstrip()
        return set_cell_size(f"{start}…{text[-tail:] if tail else ''}", width)
    return " " * (width - length) + text if head in RIGHT else text + " " * (width - length)


def _reasons(listed: pl.DataFrame, width: int) -> list[str]:
    """Return the reasons of the first rows that are or will be over their threshold."""
    urgent = listed.filter(pl.col("status").is_in(["breached", "will_breach"]) & pl.col("reason").is_not_null()).head(
        REASONS
    )
    lines: list[str] = []
    for host, metric, instance, reason in urgent.select(*NAMES, "reason").iter_rows():
        series = " ".join(_plain(name) for name in (host, metric, instance) if name)
        lines += _wrapped(f"{series}: {_plain(reason)}", width)
    return [*lines, ""] if lines else []


def _wrapped(text: str, width: int) -> list[str]:
    return textwrap.wrap(text, width, subsequent_indent="   ", break_on_hyphens=False)


def _summary(breaches: pl.DataFrame, listed: int, only: str) -> str:
    """Return counts of all rows, also of those that are not listed."""
    which = f" ({_plain(only)})" if only else ""
    if not breaches.height:
        return f"0 rows{which}." if only else "0 rows: nothing is expected, or nothing has a threshold."
    rows = count(breaches.height, "row")
    shown = (f"{listed} of {rows}" if listed < breaches.height else rows) + which
    statuses = _counts(breaches["status"], STATUSES)
    buckets = _counts(breaches["days_bucket"], DAYS_BUCKETS)
    return f"{shown}; status: {statuses}; days to the median breach: {buckets}"


def _counts(column: pl.Series, words: Iterable[str]) -> str:
    found = dict(column.value_counts().iter_rows())
    return ", ".join(f"{word} {found[word]}" for word in words if word in found) or NOTHING
