"""One ingest: batches in, new sample and rollup parts out, one transaction.

Nothing that exists is changed: every file of the next state is written and on disk before the catalog
commits, and files of the state before are removed after it. Rollups of touched days are computed anew
from the merged samples, never added up, so taking in the same rows again changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from capforecast.store import rollups, samples
from capforecast.store.identify import SeriesIndex
from capforecast.store.intake import Intake
from capforecast.store.merge import Merged, merge
from capforecast.store.parquet import Part
from capforecast.store.pieces import Columns, Piece, day_rows
from capforecast.store.spans import ROLLUPS, SAMPLES, Density, Span, crowded, plan
from capforecast.times import DAY_US

THREADS = 2
Out = TypeVar("Out")


@dataclass(frozen=True, slots=True)
class Job:
    """A span of a block of series to write, and the part that covers it now."""

    block: int
    span: Span
    part: Part | None


@dataclass(frozen=True, slots=True)
class Series:
    """What happened to each series: numbers, first and last sample, accepted samples."""

    ids: NDArray[np.int32]
    first_us: NDArray[np.int64]
    last_us: NDArray[np.int64]
    accepted: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Done:
    """Result of one job on samples."""

    added: list[Part]
    removed: list[Part]
    duplicate: int
    conflict: int
    series: Series | None = None
    rolled: Piece | None = None


@dataclass(frozen=True, slots=True)
class Workplace:
    """What every job needs.

    Attributes
    ----------
    store, staging : Path
        Where parts and scratch files go.
    commit, step_us : int
        Number of the commit to come; width of a rollup.
    index : SeriesIndex
        Numbers of the series, complete by now.
    """

    store: Path
    staging: Path
    commit: int
    step_us: int
    index: SeriesIndex


def jobs(pieces: Sequence[Piece], parts: Sequence[Part], density: Density) -> list[Job]:
    """Return what rows touch: parts that cover some of their days, and spans for the other days."""
    out = []
    for block in sorted({piece.block for piece in pieces}):
        mine = [piece for piece in pieces if piece.block == block]
        out += _block_jobs(block, mine, [part for part in parts if part.block == block], density)
    return out


def _block_jobs(block: int, pieces: list[Piece], parts: list[Part], density: Density) -> list[Job]:
    days, rows = day_rows(pieces)
    spans = [Span(part.first_day, part.last_day) for part in parts]
    at = np.searchsorted(np.array([span.first for span in spans], np.int64), days, side="right") - 1
    last = np.array([span.last for span in spans] + [-1], np.int64)
    covered = (at >= 0) & (last[at] >= days)
    touched = [Job(block, spans[i], parts[i]) for i in np.unique(at[covered]).tolist()]
    fresh = plan(days[~covered], rows[~covered], spans, density)
    return touched + [Job(block, span, None) for span in fresh]


def in_threads(work: Callable[[Job], Out], todo: Sequence[Job]) -> list[Out]:
    """Do jobs in a few threads; results in the order of the jobs."""
    with ThreadPoolExecutor(THREADS, thread_name_prefix="store") as pool:
        futures = [pool.submit(work, job) for job in todo]
        try:
            return [future.result() for future in futures]
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            raise


def merge_samples(place: Workplace, intake: Intake, parts: Sequence[Part]) -> list[Done]:
    """Merge the rows of an ingest into the sample parts; writes files, changes no existing one."""
    keys, ranks = place.index.keys(), place.index.ranks()
    by_rank = np.argsort(ranks).astype(np.int32)

    def work(job: Job) -> Done:
        merged = _merged(place, intake, job, ranks)
        if not merged.fresh.any():
            return Done([], [], merged.duplicate, merged.conflict)
        ids = by_rank[merged.rank]
        day = merged.ts // DAY_US
        added = []
        for span in _outputs(job, day, SAMPLES):
            columns: Columns = {"id": ids, "ts": merged.ts, "value": merged.value}
            inside = _inside(columns, day, span)
            rows = inside["id"], inside["ts"], inside["value"]
            added.append(samples.write_samples(place.store, span, job.block, place.commit, keys, rows))
        touched = np.isin(day, np.unique(day[merged.fresh])) if not merged.fresh.all() else slice(None)
        rolled = rollups.compute(ids[touched], merged.ts[touched], merged.value[touched], place.step_us, job.block)
        if intake.spilled:
            rolled.spill(place.staging / f"rolled-{job.span.name}.b{job.block}")
        removed = [job.part] if job.part else []
        return Done(added, removed, merged.duplicate, merged.conflict, _per_series(ids, merged), rolled)

    return in_threads(work, jobs(intake.pieces, parts, SAMPLES))


def merge_rollups(place: Workplace, pieces: Sequence[Piece], parts: Sequence[Part]) -> tuple[list[Part], list[Part]]:
    """Replace the rollups of the days in `pieces`; returns the parts added and removed."""
    per_day = DAY_US // place.step_us

    def work(job: Job) -> list[Part]:
        slices = _slices(pieces, job)
        if job.part:
            old = rollups.read_rollups(place.store / job.part.path)
            again = np.unique(np.concatenate([piece["bucket"] for piece in slices]) // per_day)
            keep = ~np.isin(old["bucket"] // per_day, again)
            slices.append({name: column[keep] for name, column in old.items()})
        columns = rollups.in_order(
            {name: np.concatenate([piece[name] for piece in slices]) for name in rollups.COLUMNS}
        )
        day = columns["bucket"] // per_day
        return [
            rollups.write_rollups(
                place.store, span, job.block, place.commit, _inside(columns, day, span), place.step_us
            )
            for span in _outputs(job, day, ROLLUPS)
        ]

    todo = jobs(pieces, parts, ROLLUPS)
    added = [part for written in in_threads(work, todo) for part in written]
    return added, [job.part for job in todo if job.part]


def _slices(pieces: Sequence[Piece], job: Job) -> list[Columns]:
    return [piece.slice(job.span) for piece in pieces if piece.block == job.block and piece.touches(job.span)]


def _merged(place: Workplace, intake: Intake, job: Job, ranks: NDArray[np.int32]) -> Merged:
    slices = _slices(intake.pieces, job)
    ids = [rows["id"] for rows in slices]
    ts = [rows["ts"] for rows in slices]
    value = [rows["value"] for rows in slices]
    incoming = sum(column.size for column in ids)
    if job.part:
        old_ids, old_ts, old_value = samples.read_samples(place.store / job.part.path, place.index)
        ids, ts, value = [*ids, old_ids], [*ts, old_ts], [*value, old_value]
    rank = ranks[np.concatenate(ids)]
    stored = np.arange(rank.size) >= incoming
    return merge(rank, np.concatenate(ts), np.concatenate(value), stored)


def _outputs(job: Job, day: NDArray[np.int64], density: Density) -> list[Span]:
    if job.part is None:
        return [job.span]
    days, rows = np.unique(day, return_counts=True)
    if not crowded(job.span, day.size, days.size, density):
        return [job.span]
    return plan(days, rows.astype(np.int64), (), density)


def _inside(columns: Columns, day: NDArray[np.int64], span: Span) -> Columns:
    inside = (day >= span.first) & (day <= span.last)
    if inside.all():
        return columns
    return {name: column[inside] for name, column in columns.items()}


def _per_series(ids: NDArray[np.int32], merged: Merged) -> Series:
    starts = np.flatnonzero(np.concatenate([[True], ids[1:] != ids[:-1]]))
    ends = np.append(starts[1:], ids.size) - 1
    accepted = np.add.reduceat(merged.new.astype(np.int64), starts)
    return Series(ids[starts], merged.ts[starts], merged.ts[ends], accepted)


def total(done: Sequence[Done], count: int) -> Series:
    """Add up what happened to each of `count` series over all jobs."""
    first = np.full(count, np.iinfo(np.int64).max)
    last = np.full(count, -1, np.int64)
    accepted = np.zeros(count, np.int64)
    for one in done:
        if one.series is not None:
            ids = one.series.ids
            first[ids] = np.minimum(first[ids], one.series.first_us)
            last[ids] = np.maximum(last[ids], one.series.last_us)
            accepted[ids] += one.series.accepted
    return Series(np.arange(count, dtype=np.int32), first, last, accepted)
