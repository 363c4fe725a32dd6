"""The store: a directory that keeps samples, rollups, limits and published runs.

Immutable Parquet files and one catalog that says which of them count: a writer writes all files of
the next state, then one transaction of the catalog makes them the state. See `durable` for what a
kill can leave, `append` for an ingest, `publish` for a report.
"""

from capforecast.store.counters import as_rates, with_rates
from capforecast.store.history import published_tables, read_published, scan_published
from capforecast.store.keeping import KeptForecasts, KeptPiece, read_kept
from capforecast.store.layout import MANIFEST
from capforecast.store.ledger import Ingested
from capforecast.store.publish import AHEAD_US, Published
from capforecast.store.rollups import Rollups, no_rollups, shards
from capforecast.store.store import Store

__all__ = [
    "AHEAD_US",
    "MANIFEST",
    "Ingested",
    "KeptForecasts",
    "KeptPiece",
    "Published",
    "Rollups",
    "Store",
    "as_rates",
    "no_rollups",
    "published_tables",
    "read_kept",
    "read_published",
    "scan_published",
    "shards",
    "with_rates",
]
