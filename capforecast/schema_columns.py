"""What a published table is made of: the words that its columns hold, columns, and those that many tables share.

Types are names, not library objects, so that reading this module costs nothing:
``text``, ``double``, ``int64``, ``bool``, ``date`` and ``timestamp`` (microseconds, UTC).
"""

from __future__ import annotations

from dataclasses import dataclass

STATUSES = (
    "ok",
    "will_breach",
    "breached",
    "no_trend",
    "too_short",
    "stale",
    "constant",
    "excluded",
    "error",
)
SEVERITIES = ("critical", "high", "medium", "low", "none")
CHANGES = ("new", "worse", "better", "cleared")
"""What may have become of a breach row since the run before, besides `same`."""
DAYS_BUCKETS = ("0-7", "8-30", "31-60", "61-90", ">90", "none")
GRADES = ("A", "B", "C", "D", "E", "F")
DIRECTIONS = ("above", "below")
PATTERNS = ("steady", "daily", "weekly", "sawtooth", "stepped", "bursty", "flat", "leak", "month_end")
OUTCOME_MEANINGS = {
    "hit": "warned of, and crossed between breach_date_p10 and breach_date_p90, both days included",
    "early": "warned of, and crossed within the horizon before breach_date_p10",
    "late": "warned of, and crossed within the horizon after breach_date_p90",
    "false": "warned of, not crossed within the horizon, and nothing was done that is seen",
    "missed": "crossed within the horizon, not warned of",
    "averted": "warned of and not crossed, but after the warning the threshold or the capacity was moved away, or the "
    "level fell clearly: on each of the last seven days of the horizon (three of a week) the peak was lower than on "
    "the same weekday of the week before the warning, by the room that was left then, and by 5 % of the threshold",
    "quiet": "neither warned of nor crossed",
    "unknown": "not crossed as far as is known, but less than nine tenths of the horizon was measured",
}
"""What became of a prediction; warned of means that p_breach of the horizon was at least 0.5."""
LABELS = ("service", "team", "env", "site", "criticality")
WORDS: dict[str, tuple[str, ...]] = {
    "status": STATUSES,
    "severity": SEVERITIES,
    "days_bucket": DAYS_BUCKETS,
    "grade": GRADES,
    "direction": DIRECTIONS,
    "change_class": (*CHANGES, "same"),
    "pattern": PATTERNS,
    "outcome": tuple(OUTCOME_MEANINGS),
    "label": LABELS,
}
"""What columns of these names hold, in whatever table, and nothing else but NULL."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a published table."""

    name: str
    type: str
    meaning: str
    unit: str = ""
    computed: bool = True


@dataclass(frozen=True, slots=True)
class Table:
    """One published table."""

    name: str
    meaning: str
    key: tuple[str, ...]
    columns: tuple[Column, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """Column names in published order."""
        return tuple(column.name for column in self.columns)


def run_columns() -> tuple[Column, ...]:
    """Return what says of which run a row is."""
    return (
        Column("run_date", "date", "UTC date of as_of"),
        Column("run_id", "text", "identifier of the run"),
        Column("as_of", "timestamp", "last moment the run could know"),
    )


def series_columns() -> tuple[Column, ...]:
    """Return the names of a series."""
    return (
        Column("host", "text", "what owns the resource"),
        Column("metric", "text", "what is measured"),
        Column("instance", "text", "which one on the host; empty when there is none"),
    )


def label_columns() -> tuple[Column, ...]:
    """Return the labels of a series."""
    return tuple(Column(name, "text", f"label '{name}' from limits.csv") for name in LABELS)
