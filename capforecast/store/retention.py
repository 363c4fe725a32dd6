"""Removing what is old: samples, whose rollups stay and whose time is closed for rows that come later; runs."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path

from capforecast.store import durable
from capforecast.store.catalog import Catalog
from capforecast.store.counters import COUNTER, pruned_anchors
from capforecast.store.identify import SeriesIndex
from capforecast.store.layout import HISTORY
from capforecast.store.pointer import read_latest
from capforecast.times import DAY_US


def prune_samples(store: Path, catalog: Catalog, committed: Callable[[int], None], before_day: int) -> int:
    """Remove sample files that lie wholly before a day; returns their number.

    Parameters
    ----------
    store, catalog
        The store, open for writing.
    committed : callable
        Called with the number of the commit as soon as it is durable.
    before_day : int
        Days since the epoch.
    """
    old = [part for part in catalog.parts("samples") if part.last_day < before_day]
    if not old:
        return 0
    series = catalog.series().sort("sid")
    counter = (series["nature"] == COUNTER).to_numpy()
    anchors = pruned_anchors(store, SeriesIndex(series), counter, catalog.anchors(), old) if counter.any() else None
    with catalog.transaction() as number:
        if anchors is not None:
            catalog.record_anchors(anchors)
        catalog.record_parts([], old)
        catalog.set_meta("samples_from_us", (max(part.last_day for part in old) + 1) * DAY_US)
    committed(number)
    for part in old:
        durable.remove(store / part.path)
    return len(old)


def prune_history(store: Path, catalog: Catalog, committed: Callable[[int], None], before: date) -> int:
    """Remove the runs of days before a date from history, but not the latest run; returns their number.

    Who reads one of them while it goes meets a missing file; a kill leaves directories for the next writer.

    Parameters
    ----------
    store, catalog
        The store, open for writing.
    committed : callable
        Called with the number of the commit as soon as it is durable.
    before : date
        First run_date that is kept.
    """
    latest = read_latest(store)
    kept = "" if latest is None else latest["path"]
    first = f"{HISTORY}/run_date={before.isoformat()}"
    old = [path for path in catalog.history() if path < first and path != kept]
    if not old:
        return 0
    with catalog.transaction() as number:
        catalog.forget_runs(old)
    committed(number)
    for path in old:
        durable.remove(store / path)
        durable.remove_empty((store / path).parent)
    return len(old)
