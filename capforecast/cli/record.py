"""What status says of past predictions: the sentence, and a line a month and horizon."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from capforecast.cli.output import aligned

SHOWN = (
    ("due in", "period", "{}"),
    ("ahead", "horizon_days", "{} d"),
    ("predictions", "predictions", "{:,}"),
    ("known", "predictions_known", "{:,}"),
    ("warnings", "warnings", "{:,}"),
    ("true", "warnings_true", "{:,}"),
    ("averted", "warnings_averted", "{:,}"),
    ("precision", "precision", "{:.0%}"),
    ("crossings", "crossings", "{:,}"),
    ("missed", "crossings_missed", "{:,}"),
    ("recall", "recall", "{:.0%}"),
    ("lead", "lead_days_p50", "{:.0f} d"),
    ("Brier", "brier", "{:.3f}"),
    ("skill", "brier_skill", "{:+.2f}"),
    ("ECE", "ece", "{:.3f}"),
)
"""Heading, column of the table record and format; known are those that scores count, neither averted nor unknown."""

DISPENSABLE = ("ECE", "skill", "averted", "lead", "recall", "Brier")
"""Headings that are left out where lines would be too long, in this order."""

LINES = 12
"""Lines that are printed; --json has all."""


def record_of(store: str) -> dict[str, Any] | None:
    """Return the sentence and the rows of the latest run's record; None where an early version published that run."""
    from capforecast.errors import StoreError
    from capforecast.store import scan_published

    try:
        tables = scan_published(store)
        if "record" not in tables:
            return None
        run = tables["run"].select("record").collect()
        rows = tables["record"].drop("run_date", "run_id", "as_of").collect()
    except StoreError as error:
        # What the store holds is worth telling all the same.
        return {"sentence": f"The record cannot be read: {error}", "months": []}
    return {"sentence": run.item(0, "record"), "months": _months(rows.to_dicts())}


def _months(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return a row per period and horizon, with its tenths of probability as `reliability`."""
    out: list[dict[str, Any]] = []
    for row in rows:
        if row["p_range"] == "all":
            whole = {name: value for name, value in row.items() if name != "p_range"}
            out.append({**whole, "predictions_known": _known(row), "reliability": []})
        else:
            names = ("p_range", "predictions", "p_mean", "breached_share")
            out[-1]["reliability"].append({**{name: row[name] for name in names}, "predictions_known": _known(row)})
    return out


def _known(row: Mapping[str, Any]) -> int | None:
    """Return how many predictions scores count; None in a row that counts none."""
    if row["predictions"] is None:
        return None
    return int(row["predictions"] - row["predictions_averted"] - row["predictions_unknown"])


def record_lines(record: Mapping[str, Any], width: int) -> Iterator[str]:
    """Yield the lines that a person reads; what a narrow terminal has no room for is in --json."""
    yield from textwrap.wrap(record["sentence"], width)
    months = [row for row in record["months"] if row["predictions"] is not None]
    shown, lost = list(SHOWN), iter(DISPENSABLE)
    while months:
        cells = [
            ["-" if row[name] is None else form.format(row[name]) for _, name, form in shown] for row in months[:LINES]
        ]
        lines = aligned([[head for head, _, _ in shown], *cells], width, flexible=(), left=("due in",))
        head = next(lost, None) if max(map(len, lines)) > width else None
        if head is None:
            yield from lines
            return
        shown = [one for one in shown if one[0] != head]
