"""Hand-made batches for the tests of the store, and the state of a store as plain values."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

import polars as pl

from capforecast.sources import REJECTS, ROWS, Batch
from capforecast.store import Ingested, Store
from capforecast.store.lock import RunLock

MINUTE = 60_000_000
HOUR = 60 * MINUTE
DAY = 24 * HOUR
START = 20_000 * DAY
AS_OF = START + 400 * DAY


@dataclass(frozen=True)
class Row:
    host: str
    ts: int
    value: float
    metric: str = "cpu_pct"
    instance: str | None = None
    unit: str | None = "percent"


def batch(rows: Iterable[Row], rejects: Iterable[tuple[int, str, str]] = ()) -> Batch:
    rows = list(rows)
    frame = pl.DataFrame(
        [(r.host, r.metric, r.instance, r.unit, r.ts, r.value, i) for i, r in enumerate(rows, 1)],
        schema=ROWS,
        orient="row",
    )
    return Batch(frame, pl.DataFrame(list(rejects), schema=REJECTS, orient="row"))


def sha(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()


def put(store: Store, name: str, *batches: Batch, ingest_id: str | None = None) -> Ingested:
    return store.append(
        name, sha(name), batches, ingest_id=ingest_id or f"{name}-{store.commit}", run_id="run", as_of_us=AS_OF
    )


def state(store: Store) -> dict[str, object]:
    """Return all that a store holds, by name, without what depends on the way it came there."""
    series = store.series()
    names = {row["sid"]: (row["host"], row["metric"], row["instance"]) for row in series.to_dicts()}
    columns = ("count", "mean", "max", "p95", "last", "min")
    rolled = store.rollups(None, columns)
    return {
        "series": series.drop("sid").rows(),
        "samples": [
            row
            for host, metric in series.select("host", "metric").unique(maintain_order=True).rows()
            for row in store.samples(host, metric).rows()
        ],
        "rollups": sorted(
            (*names[sid], bucket, *values)
            for sid, bucket, *values in zip(
                rolled.sid.tolist(),
                rolled.bucket.tolist(),
                *(rolled.values[c].tolist() for c in columns),
                strict=True,
            )
        ),
        "quarantine": store.quarantine().rows(),
    }


def die(store: Store) -> None:
    """Let go of a store as a killed process does: nothing is written, the kernel frees the lock."""
    store._catalog.abandon()
    RunLock(store._lock._fd, exclusive=False).release()
