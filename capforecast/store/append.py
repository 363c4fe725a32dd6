"""One ingest: batches in, new sample and rollup parts out, one transaction.

Nothing that exists is changed: every file of the next state is written and on disk before the catalog
commits, and files of the state before are removed after it. Rollups of touched days are computed anew
from the merged samples, never added up, so taking in the same rows again changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from capforecast.store import rollups, samples
from capforecast.store.counters import Again, Natures
from capforecast.store.identify import SeriesIndex
from capforecast.store.intake import Intake
from capforecast.store.merge import Merged, merge
from capforecast.store.parquet import Part
from capforecast.store.pieces import Columns, Piece, day_rows
from capforecast.store.spans import ROLLUPS, SAMPLES, Density, Span, crowded, plan
from capforecast.times import DAY_US

THREADS = 2
Out = TypeVar("Out")
_NONE = np.empty(0, np.int64)


@dataclass(frozen=True, slots=True)
class Job:
    """A span of a block of series to write.

    Attributes
    ----------
    block, span
        Which rows.
    part : Part, optional
        The part that covers the span now, and goes.
    old : Piece, optional
        The rows of the part, where it is split over several jobs.
    """

    block: int
    span: Span
    part: Part | None = None
    old: Piece | None = None


@dataclass(frozen=True, slots=True)
class Series:
    """What happened to each series: numbers, first and last sample, accepted samples."""

    ids: NDArray[np.int32]
    first_us: NDArray[np.int64]
    last_us: NDArray[np.int64]
    accepted: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Done:
    """Result of one job on samples; `apart`: days with new samples of series that are rolled up apart."""

    added: list[Part]
    removed: list[Part]
    duplicate: int
    conflict: int
    series: Series | None = None
    rolled: Piece | None = None
    block: int = 0
    apart: NDArray[np.int64] = field(default_factory=lambda: _NONE)


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


def jobs(pieces: Sequence[Piece], parts: Sequence[Part], density: Density, load: Callable[[Part], Piece]) -> list[Job]:
    """Return what rows touch: parts that cover some of their days, and spans for the other days.

    Parameters
    ----------
    pieces : sequence of Piece
        The rows that come.
    parts : sequence of Part
        What there is, disjoint within a block.
    density : Density
        What makes a span fine or coarse.
    load : callable
        Reads a part; called for those that got too full for their span and are split.
    """
    out = []
    for block in sorted({piece.block for piece in pieces}):
        mine = [piece for piece in pieces if piece.block == block]
        out += _block_jobs(block, mine, [part for part in parts if part.block == block], density, load)
    return out


def _block_jobs(
    block: int, pieces: list[Piece], parts: list[Part], density: Density, load: Callable[[Part], Piece]
) -> list[Job]:
    days, rows = day_rows(pieces)
    spans = [Span(part.first_day, part.last_day) for part in parts]
    at = np.searchsorted(np.array([span.first for span in spans], np.int64), days, side="right") - 1
    last = np.array([span.last for span in spans] + [-1], np.int64)
    covered = (at >= 0) & (last[at] >= days)
    out = []
    for i in np.unique(at[covered]).tolist():
        part, mine = parts[i], covered & (at == i)
        more = int(rows[mine].sum())
        # Duplicates count here, so this may split a little early; it never merges too much at once.
        if not crowded(spans[i], part.rows + more, max(part.days, int(mine.sum())), density):
            out.append(Job(block, spans[i], part))
            continue
        old = load(part)
        both = day_rows([old, Piece(days[mine], np.append(0, np.cumsum(rows[mine])), {}, block)])
        out += [Job(block, span, part, old) for span in plan(*both, (), density)]
    return out + [Job(block, span) for span in plan(days[~covered], rows[~covered], spans, density)]


def in_threads(work: Callable[[Job], Out], todo: Sequence[Job]) -> list[Out]:
    """Do jobs in a few threads; results in the order of the jobs."""
    with ThreadPoolExecutor(THREADS, thread_name_prefix="store") as pool:
        futures = [pool.submit(work, job) for job in todo]
        try:
            return [future.result() for future in futures]
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            raise


def merge_samples(place: Workplace, intake: Intake, parts: Sequence[Part], natures: Natures) -> list[Done]:
    """Merge the rows of an ingest into the sample parts; writes files, changes no existing one."""
    separate = natures.apart if natures.apart.any() else None
    keys, ranks = place.index.keys(), place.index.ranks()
    by_rank = np.argsort(ranks).astype(np.int32)

    def load(part: Part) -> Piece:
        columns = samples.read_samples(place.store / part.path, place.index)
        return Piece.of(columns["ts"] // DAY_US, columns, part.block)

    def work(job: Job) -> Done:
        merged = _merged(place, intake, job, ranks)
        removed = [job.part] if job.part else []
        if not merged.fresh.any() and job.old is None:
            return Done([], [], merged.duplicate, merged.conflict)
        ids = by_rank[merged.rank]
        rows = ids, merged.ts, merged.value
        added = [samples.write_samples(place.store, job.span, job.block, place.commit, keys, rows)]
        day = merged.ts // DAY_US
        touched = np.isin(day, np.unique(day[merged.fresh])) if not merged.fresh.all() else slice(None)
        apart = _NONE
        if separate is not None:
            theirs = separate[ids]
            apart = np.unique(day[merged.fresh & theirs])
            touched = np.isin(day, np.unique(day[merged.fresh])) & ~theirs
        rolled = rollups.compute(ids[touched], merged.ts[touched], merged.value[touched], place.step_us, job.block)
        if intake.spilled:
            rolled.spill(place.staging / f"rolled-{job.span.name}.b{job.block}")
        series = _per_series(ids, merged)
        return Done(added, removed, merged.duplicate, merged.conflict, series, rolled, job.block, apart)

    return in_threads(work, jobs(intake.pieces, parts, SAMPLES, load))


def fresh_days(done: Sequence[Done]) -> dict[int, NDArray[np.int64]]:
    """Return by block the days on which series that are rolled up apart have new samples."""
    by_block: dict[int, list[NDArray[np.int64]]] = {}
    for one in done:
        if one.apart.size:
            by_block.setdefault(one.block, []).append(one.apart)
    return {block: np.unique(np.concatenate(days)) for block, days in by_block.items()}


def merge_rollups(
    place: Workplace, pieces: Sequence[Piece], parts: Sequence[Part], again: Again
) -> tuple[list[Part], list[Part]]:
    """Replace the rollups of the days in `pieces`, and those of series apart; returns the parts added and removed."""
    per_day = DAY_US // place.step_us

    def load(part: Part) -> Piece:
        columns = rollups.read_rollups(place.store / part.path)
        return Piece.of(columns["bucket"] // per_day, columns, part.block)

    def work(job: Job) -> Part | None:
        slices = _slices(pieces, job)
        old = _old(job, lambda part: rollups.read_rollups(place.store / part.path))
        if old is not None:
            plain = np.unique(np.concatenate([_NONE, *(rows["bucket"] // per_day for rows in slices)]))
            keep = again.stays(old, job.block, old["bucket"] // per_day, plain)
            slices.append({name: column[keep] for name, column in old.items()})
        slices += _slices(again.pieces, job)
        columns = {name: np.concatenate([rows[name] for rows in slices]) for name in rollups.COLUMNS}
        if not columns["sid"].size:
            return None
        return rollups.write_rollups(
            place.store, job.span, job.block, place.commit, rollups.in_order(columns), place.step_us
        )

    todo = jobs([*pieces, *again.pieces, *again.emptied(parts)], parts, ROLLUPS, load)
    added = [part for part in in_threads(work, todo) if part is not None]
    return added, unique([job.part for job in todo if job.part])


def unique(parts: Sequence[Part]) -> list[Part]:
    """Return each part once: one that is split is in several jobs."""
    return list({part.path: part for part in parts}.values())


def _slices(pieces: Sequence[Piece], job: Job) -> list[Columns]:
    return [piece.slice(job.span) for piece in pieces if piece.block == job.block and piece.touches(job.span)]


def _old(job: Job, read: Callable[[Part], Columns]) -> Columns | None:
    if job.old is not None:
        return job.old.slice(job.span)
    return None if job.part is None else read(job.part)


def _merged(place: Workplace, intake: Intake, job: Job, ranks: NDArray[np.int32]) -> Merged:
    slices = _slices(intake.pieces, job)
    incoming = sum(rows["id"].size for rows in slices)
    old = _old(job, lambda part: samples.read_samples(place.store / part.path, place.index))
    if old is not None:
        slices.append(old)
    rank = ranks[np.concatenate([rows["id"] for rows in slices])]
    ts = np.concatenate([rows["ts"] for rows in slices])
    value = np.concatenate([rows["value"] for rows in slices])
    return merge(rank, ts, value, np.arange(rank.size) >= incoming)


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
