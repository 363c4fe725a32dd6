"""Every published table, once: columns, types, units, keys and meaning.

The tables stand in `capforecast.schema_tables` and `capforecast.schema_record`, what they are made of in
`capforecast.schema_columns`. Changes are additive only and raise `SCHEMA_VERSION`.
"""

from __future__ import annotations

from capforecast.errors import UnknownNameError
from capforecast.schema_columns import (
    CHANGES,
    DAYS_BUCKETS,
    DIRECTIONS,
    GRADES,
    LABELS,
    OUTCOME_MEANINGS,
    PATTERNS,
    SEVERITIES,
    STATUSES,
    WORDS,
    Column,
    Table,
)
from capforecast.schema_record import OUTCOMES, RECORD
from capforecast.schema_tables import BACKTESTS, BREACHES, DICTIONARY, FORECASTS, RUN, SERIES, TOTALS

__all__ = [
    "BACKTESTS", "BREACHES", "CHANGES", "DAYS_BUCKETS", "DICTIONARY", "DIRECTIONS", "FORECASTS", "GRADES", "LABELS",
    "OUTCOMES", "OUTCOME_MEANINGS", "PATTERNS", "RECORD", "RUN", "SCHEMA_VERSION", "SERIES", "SEVERITIES", "STATUSES",
    "TABLES", "TOTALS", "WORDS", "Column", "Table", "table",
]  # fmt: skip

SCHEMA_VERSION = 5

TABLES: dict[str, Table] = {
    t.name: t for t in (BREACHES, FORECASTS, SERIES, TOTALS, BACKTESTS, OUTCOMES, RECORD, RUN, DICTIONARY)
}


def table(name: str) -> Table:
    """Return a table by name.

    Raises
    ------
    UnknownNameError
        There is no such table.
    """
    if name not in TABLES:
        raise UnknownNameError("table", name, TABLES)
    return TABLES[name]
