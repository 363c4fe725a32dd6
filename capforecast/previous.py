"""What the run before a moment published and kept."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import polars as pl

from capforecast.changes import NEEDED
from capforecast.config import Config
from capforecast.errors import DamagedError, StoreError
from capforecast.kept import terms_of
from capforecast.store import KeptForecasts, Store, read_kept, read_published
from capforecast.teaching import Taught, recalled


@dataclass(frozen=True, slots=True)
class Memory:
    """What earlier runs left for this one: their forecasts, and what they learned."""

    kept: KeptForecasts | None = None
    taught: Taught | None = None


def breaches_before(store: Store, as_of_us: int) -> tuple[pl.DataFrame | None, list[str]]:
    """Return what changes are told against, some columns of the table ``breaches``, and what to tell of damage.

    None without a run before, or where its table is damaged: then every row is new.
    """
    run = _run_before(store, as_of_us)
    if run is None:
        return None, []
    try:
        return read_published(store.path, run["run_id"], columns={"breaches": NEEDED})["breaches"], []
    except DamagedError as error:
        return None, [f"{error}; no changes since run {run['run_id']} are told"]


def kept_before(store: Store, config: Config, as_of_us: int) -> tuple[KeptForecasts | None, list[str]]:
    """Return what the run before kept, None where it had other terms or kept nothing, and what to tell of damage.

    Kept forecasts are worth time alone: where they are damaged, all is fitted anew.
    """
    run = _run_before(store, as_of_us)
    if run is None:
        return None, []
    try:
        kept = read_kept(store.path, run["path"])
    except StoreError as error:
        return None, [f"{error}; every series is fitted anew"]
    return (kept if kept is not None and kept.about == terms_of(config) else None), []


def memory_before(store: Store, config: Config, as_of_us: int, *, refit: bool = False) -> tuple[Memory, list[str]]:
    """Return what the run before left for this one, and what to tell of damage; with `refit` no forecasts."""
    kept, told = (None, []) if refit else kept_before(store, config, as_of_us)
    run = _run_before(store, as_of_us)
    taught, damage = recalled(store, config, None if run is None else run["path"], as_of_us)
    return Memory(kept, taught), [*told, *damage]


def memory_at(store: Store, config: Config, as_of_us: int) -> Memory:
    """Return what the nightly run of a moment had, or would have without learning: for forecasts on demand."""
    kept, _ = kept_before(store, config, as_of_us)
    run = _run_before(store, as_of_us + 1)
    taught, _ = recalled(store, config, None if run is None else run["path"], as_of_us)
    return Memory(kept, taught)


def earlier_runs(store: Store, as_of_us: int) -> pl.DataFrame:
    """Return the runs before a moment whose directories are there, by as_of; of several at one moment the newest.

    The columns are those of ``store.runs()`` and `as_of_us`.
    """
    runs = store.runs().with_columns(pl.col("as_of").dt.epoch("us").alias("as_of_us"))
    runs = runs.filter(pl.col("as_of_us") < as_of_us).unique("as_of_us", keep="last", maintain_order=True)
    there = [(store.path / path).is_dir() for path in runs.get_column("path")]
    return runs.filter(pl.Series(there, dtype=pl.Boolean)).sort("as_of_us")


def _run_before(store: Store, as_of_us: int) -> dict[str, Any] | None:
    """Return the newest run with an earlier as_of."""
    earlier = earlier_runs(store, as_of_us)
    return None if earlier.is_empty() else earlier.row(-1, named=True)
