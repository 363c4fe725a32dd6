"""Parts of a text about one breach row: lines, tables, levels with their units."""

from __future__ import annotations

import re
import textwrap
from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from capforecast.numbers import NOTHING, digits, number, scale_of

Lines = list[str]
INDENT = "  "
DUST = 1e-9
"""Differences that are less of the largest one than this are told as none."""

NO_BREAK = "\u00a0"
UNIT_AFTER_NUMBER = re.compile(r"(?<=\d) (?=(%|[kKMGTPE]?i?(B|bit)(/s)?)(?!\w))")


def wrapped(line: str, width: int) -> Lines:
    """Return a sentence in lines, indented; a line of a table, which begins with a blank, as it is."""
    if line.startswith(" "):
        return [INDENT + line[1:]]
    whole = UNIT_AFTER_NUMBER.sub(NO_BREAK, line)
    lines = textwrap.wrap(
        whole, width, initial_indent=INDENT, subsequent_indent=INDENT, break_long_words=False, break_on_hyphens=False
    )  # fmt: skip
    return [part.replace(NO_BREAK, " ") for part in lines]


def table(rows: Iterable[Sequence[str]]) -> Lines:
    """Return aligned lines: the first column to the left, the others to the right."""
    cells = [list(row) for row in rows]
    widths = [max(len(row[i]) for row in cells) for i in range(len(cells[0]))]
    lines = []
    for first, *others in cells:
        padded = (cell.rjust(width) for cell, width in zip(others, widths[1:], strict=True))
        lines.append("  ".join([f" {first.ljust(widths[0])}", *padded]).rstrip())
    return lines


def level_of(row: Mapping[str, Any], value: float | None) -> str:
    """Return a level in the unit of a row."""
    return number(value, row["unit"] or "")


def step_of(row: Mapping[str, Any], value: float | None, sign: bool = True) -> str:
    """Return a difference of levels; those of percent metrics are points."""
    if value is None:
        return NOTHING
    text = level_of(row, abs(value)).replace(" %", " points")
    if text.partition(" ")[0] == "0":
        return "0"
    return text if not sign else f"{'+' if value > 0 else '-'}{text}"


def column(row: Mapping[str, Any], values: Sequence[float]) -> tuple[list[str], str]:
    """Return differences of levels in one unit, that of the largest, and the unit."""
    scale = scale_of(row["unit"] or "")
    size = max((abs(value) * abs(scale.factor) for value in values), default=0.0)
    at = bisect_right(scale.least, size) - 1
    unit = scale.suffix[at].strip().replace("%", "points")
    # What is left of sums that cancel is rounding.
    plain = (value if abs(value * scale.factor) > DUST * size else 0.0 for value in values)
    return [digits(value * scale.factor / scale.divisor[at]) for value in plain], unit


def count(number_of: int, thing: str) -> str:
    """Return so many things, such as ``1 day`` and ``2 days``."""
    return f"{number_of} {thing}{'' if number_of == 1 else 's'}"
