"""Making damaged files again out of what is whole, when a person asks for it.

Rollups are computed anew from the samples of their days; of what is published `reissue` knows. Nothing is deleted:
a damaged file goes to ``damaged/``. What cannot be made again is told and left.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from capforecast.errors import DamagedError
from capforecast.store import durable, rollups, samples
from capforecast.store.catalog import Catalog
from capforecast.store.counters import Natures, rolled_again
from capforecast.store.history import check_file
from capforecast.store.identify import SeriesIndex
from capforecast.store.layout import DAMAGED
from capforecast.store.parquet import Part
from capforecast.store.pieces import Columns
from capforecast.store.reissue import reissue
from capforecast.store.spans import Span
from capforecast.times import DAY_US

_RESTORE = "restore it from a backup, or ingest its sources into a new store"


def repair(
    store: Path, catalog: Catalog, step_us: int, committed: Callable[[int], None]
) -> tuple[list[str], list[str]]:
    """Make damaged files again; return a sentence for each that was and for each that could not be.

    Parameters
    ----------
    store, catalog, step_us
        The store, open for writing.
    committed : callable
        Called with the number of a commit as soon as it is durable.

    Raises
    ------
    StoreError
        Nothing could be written; what was whole is whole.
    """
    done, left = [], []
    series = catalog.series().sort("sid")
    place = _Place(store, SeriesIndex(series), step_us)
    natures = Natures.of(series["nature"], {}, series.height)
    for family in ("samples", "quarantine"):
        damaged = [part for part in catalog.parts(family) if check_file(store / part.path, part.sha256)]
        left += [f"{part.path}: nothing else holds its rows; {_RESTORE}" for part in damaged]
    for part in catalog.parts("rollups"):
        if not check_file(store / part.path, part.sha256):
            continue
        try:
            columns = _computed(place, natures, catalog, part)
        except DamagedError as error:
            left.append(f"{part.path}: {error}; {_RESTORE}")
            continue
        _replace(store, catalog, part, columns, step_us, committed)
        done.append(f"{part.path}: computed anew from samples")
    again, lost = reissue(store, catalog)
    return [*done, *again], [*left, *lost]


@dataclass(frozen=True, slots=True)
class _Place:
    """Where the store is and what its series are."""

    store: Path
    index: SeriesIndex
    step_us: int


def _computed(place: _Place, natures: Natures, catalog: Catalog, part: Part) -> Columns:
    """Return the rows of a rollup part out of samples, as many as it had."""
    span = Span(part.first_day, part.last_day)
    sources = [one for one in catalog.parts("samples") if one.block == part.block]
    days = np.arange(span.first, span.last + 1, dtype=np.int64)
    again = rolled_again(place, natures, catalog.anchors(), sources, {part.block: days}, None)
    found = [piece.slice(span) for piece in again.pieces if piece.touches(span)]
    for source in sources:
        if source.first_day > span.last or source.last_day < span.first:
            continue
        rows = samples.read_samples(place.store / source.path, place.index)
        chosen = np.isin(rows["ts"] // DAY_US, days) & ~natures.counter[rows["id"]]
        sid, ts, value = (rows[name][chosen] for name in ("id", "ts", "value"))
        found.append(rollups.compute(sid, ts, value, place.step_us, part.block).columns)
    columns = {name: np.concatenate([one[name] for one in found] or [np.empty(0)]) for name in rollups.COLUMNS}
    if columns["sid"].size != part.rows:
        raise DamagedError(
            f"the samples of its days must give {part.rows} rows",
            got=f"{columns['sid'].size}: samples were removed since",
        )
    return rollups.in_order(columns)


def _replace(
    store: Path, catalog: Catalog, part: Part, columns: Columns, step_us: int, committed: Callable[[int], None]
) -> None:
    with catalog.transaction() as number:
        span = Span(part.first_day, part.last_day)
        made = rollups.write_rollups(store, span, part.block, number, columns, step_us)
        catalog.record_parts([made], [part])
    committed(number)
    if (store / part.path).exists():
        durable.make_directory(store / DAMAGED)
        durable.move(store / part.path, store / DAMAGED / Path(part.path).name)
