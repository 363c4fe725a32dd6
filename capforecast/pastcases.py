"""What became of questions, and the samples that were known: levels, labels and daily peaks out of the rollups.

A level is held when k of the n newest natural steps of the series reach it, as in a run. So a threshold is crossed
for long enough exactly when the held level reaches it, and held levels are the samples that a replay looks at.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import polars as pl

from capforecast.hindsight import KNOWN, WEEK, fell
from capforecast.history import History, Items, grid, groups, natural_steps
from capforecast.kernels.grid import natural_gaps, sustained_peaks
from capforecast.marks import Marks
from capforecast.panel import DAY_US, HOUR_US, Floats, Ints
from capforecast.store import Store

FINE_HISTORY_DAYS = 60
LONG_HISTORY_DAYS = 800
BLOCK = 64

CROSSED, QUIET, UNKNOWN = "crossed", "quiet", "unknown"
NAMES = ("host", "metric", "instance", "unit")
NEVER_US = np.iinfo(np.int64).max


@dataclass(frozen=True, slots=True)
class Reach:
    """How far to look.

    Attributes
    ----------
    end_us : int
        End of the data, a UTC midnight.
    fine_us : int
        Longest horizon that is answered on hours; longer ones are on days.
    stale_us : int
        Age of the newest step from which nothing is asked (three natural steps at least).
    """

    end_us: int
    fine_us: int
    stale_us: int


@dataclass(frozen=True, slots=True)
class Past:
    """Cases, and what was measured up to the newest cutoff.

    Attributes
    ----------
    cases : DataFrame
        The questions whose threshold was not crossed at the cutoff, with level (the highest that was held on
        the day before it), outcome (crossed, quiet, unknown), crossed_us (NULL where nothing crossed) and
        fell (nothing crossed, and the level fell clearly, as `hindsight.fell` defines it).
    samples : mapping of DataFrame
        host, metric, instance, unit, ts (microseconds) and value, by (do low values hurt, is it of days).
    """

    cases: pl.DataFrame
    samples: Mapping[tuple[bool, bool], pl.DataFrame]


def past(store: Store, asked: pl.DataFrame, reach: Reach, marks: Marks | None = None) -> Past:
    """Find what became of questions.

    Parameters
    ----------
    store : Store
        Open store.
    asked : DataFrame
        Questions of some series; see `questions.questions`.
    reach : Reach
        How far to look.
    marks : Marks, optional
        What of the history counts.

    Notes
    -----
    In a horizon in which nothing crossed at least nine tenths of the steps must be known, else the outcome is
    unknown; so it is where another threshold or capacity came into force before anything crossed. Series on
    steps longer than a day are left out.
    """
    work = asked.with_row_index("question").with_columns(far=pl.col("horizon_us") > reach.fine_us)
    first_us = int(asked.get_column("cutoff_us").min() or 0)  # type: ignore[arg-type]
    days = LONG_HISTORY_DAYS if work.get_column("far").any() else FINE_HISTORY_DAYS
    keys = ("sid", "below", "statistic", "k", "n")
    items = work.select(*keys, *NAMES).unique(("sid", "below")).sort("sid", "below")
    work = work.join(
        items.select("sid", "below").with_row_index("item"), on=["sid", "below"], how="left", maintain_order="left"
    )
    sids, place = np.unique(items.get_column("sid").to_numpy(), return_inverse=True)
    read, _ = (marks or Marks.nothing()).read(
        store, sids, items.get_column("statistic").unique().sort().to_list(),
        from_us=first_us - days * DAY_US, to_us=reach.end_us,
    )  # fmt: skip
    rollups = History(read.starts, read.bucket, read.values, store.step_us)
    watched = _items(items, place.astype(np.int64))
    steps = _steps(rollups, work, watched)
    made = _Made(work, watched, reach, np.full(work.height, "", object), np.full((3, work.height), np.nan))
    for block in groups(watched, steps, rollups, np.flatnonzero(steps <= DAY_US), BLOCK):
        values = grid(rollups, watched, block, int(steps[block[0]]), reach.end_us)
        made.add(values, block, int(steps[block[0]]))
    outcome = pl.Series("outcome", made.outcome.astype(str), pl.String)
    level, crossed, down = (pl.Series(row).fill_nan(None) for row in made.told)
    told = asked.with_columns(outcome, level=level, crossed_us=crossed.cast(pl.Int64), fell=down == 1.0)
    return Past(told.filter(pl.col("outcome") != ""), made.samples(items))


@dataclass(slots=True)
class _Made:
    """What blocks of items add up to: outcome, level, moment and fall of each question, and samples."""

    asked: pl.DataFrame
    items: Items
    reach: Reach
    outcome: np.ndarray
    told: Floats
    parts: dict[tuple[bool, bool], list[tuple[Ints, Ints, Floats]]] = field(default_factory=dict)

    def add(self, values: Floats, block: Ints, step_us: int) -> None:
        """Judge the questions of a block, and put its held levels to the samples."""
        held = values
        if step_us < DAY_US:
            held = np.empty_like(values)
            sustained_peaks(values, 1, int(self.items.k[block[0]]), int(self.items.n[block[0]]), held)
        place = np.full(self.items.series.size, -1, np.int64)
        place[block] = np.arange(block.size)
        mine = place[self.asked.get_column("item").to_numpy()]
        asked = self.asked.filter(mine >= 0)
        self._judge(values, held, mine[mine >= 0], asked, step_us)
        cutoff, far = asked.get_column("cutoff_us").to_numpy(), asked.get_column("far").to_numpy()
        for is_far in np.unique(far).tolist():
            history = LONG_HISTORY_DAYS if is_far else FINE_HISTORY_DAYS
            # No case of this width knows more than the newest of them.
            between = int(cutoff[far == is_far].min()) - history * DAY_US, int(cutoff[far == is_far].max())
            self._collect(held, block, step_us, is_far, between)

    def _judge(self, values: Floats, held: Floats, local: Ints, asked: pl.DataFrame, step_us: int) -> None:
        """Label the questions of a block."""
        daily = folded(held, max(DAY_US // step_us, 1))
        columns = ("question", "item", "threshold", "cutoff_us", "horizon_us", "until_us")
        rows = asked.select(pl.col(columns).fill_null(NEVER_US)).iter_rows()
        for place, (question, item, threshold, cutoff, horizon, until) in zip(local.tolist(), rows, strict=True):
            sign = self.items.sign[item]
            span = Span(self.reach.end_us, cutoff, horizon, until, step_us)
            found = label(values[place], held[place], threshold * sign, span, self.reach.stale_us)
            if found is not None:
                self.outcome[question], level, self.told[1, question] = found
                self.told[0, question] = level * sign
                self.told[2, question] = found[0] == QUIET and _fell(daily[place], threshold * sign, span)

    def _collect(self, held: Floats, block: Ints, step_us: int, far: bool, between: tuple[int, int]) -> None:
        """Put the held levels of a block to the samples: hours, or days for far horizons, between two moments."""
        width = DAY_US if far else max(step_us, HOUR_US)
        levels = folded(held, width // step_us)
        starts = self.reach.end_us - width * np.arange(levels.shape[1], 0, -1)
        wanted = np.flatnonzero((starts >= between[0]) & (starts < between[1]))
        row, column = np.nonzero(~np.isnan(levels[:, wanted]))
        value = levels[row, wanted[column]] * self.items.sign[block[row]]
        below = self.items.sign[block[row]] < 0
        for low in np.unique(below).tolist():
            those = below == low
            part = block[row[those]], starts[wanted[column[those]]], value[those]
            self.parts.setdefault((low, far), []).append(part)

    def samples(self, items: pl.DataFrame) -> dict[tuple[bool, bool], pl.DataFrame]:
        """Return all held levels by direction and width."""
        out = {}
        for key, parts in self.parts.items():
            item, ts, value = (np.concatenate(column) for column in zip(*parts, strict=True))
            frame = items[item].select(NAMES)
            out[key] = frame.with_columns(ts=pl.Series(ts, dtype=pl.Int64), value=pl.Series(value))
        return out


@dataclass(frozen=True, slots=True)
class Span:
    """Where a horizon lies on a grid: its end, the cutoff, how far it reaches, until when the threshold held."""

    end_us: int
    cutoff_us: int
    horizon_us: int
    until_us: int
    step_us: int


def label(values: Floats, held: Floats, limit: float, span: Span, stale_us: int) -> tuple[str, float, float] | None:
    """Return what became of a threshold, None where nothing would have been asked.

    Parameters
    ----------
    values, held : float64 (T,)
        What was measured, and which levels were held, on a grid that ends at the span's end, high hurts; NaN
        where missing.
    limit : float
        The threshold, high hurts.
    span : Span
        When.
    stale_us : int
        Age of the newest known step from which nothing is asked.

    Returns
    -------
    (outcome, level, crossed_us)
        crossed, quiet or unknown; the highest level held on the day before the cutoff; the start of the step
        that made the crossing sustained, NaN for none. None where the cutoff lies before the grid, nothing was
        known shortly before it, or the threshold was crossed on the day before it.
    """
    step = span.step_us
    now = values.size - (span.end_us - span.cutoff_us) // step
    patience = max(stale_us, 3 * step) // step
    if now <= 0 or np.isnan(values[max(now - patience, 0) : now]).all():
        return None
    day = held[max(now - max(DAY_US // step, 1), 0) : now]
    level = float(np.fmax.reduce(day, initial=-np.inf)) if not np.isnan(day).all() else np.nan
    if level >= limit:
        return None
    stop = now + span.horizon_us // step
    held_until = now + min(span.horizon_us, max(span.until_us - span.cutoff_us, 0)) // step
    over = np.flatnonzero(held[now:held_until] >= limit)
    if over.size:
        return CROSSED, level, float(span.cutoff_us + int(over[0]) * step)
    known = np.count_nonzero(~np.isnan(values[now:stop])) / (stop - now)
    return (UNKNOWN if held_until < stop or known < KNOWN else QUIET), level, np.nan


def _fell(daily: Floats, limit: float, span: Span) -> bool:
    """Tell whether the highest level of the days of a horizon fell clearly."""
    now = daily.size - (span.end_us - span.cutoff_us) // DAY_US
    stop = now + span.horizon_us // DAY_US
    return now >= WEEK and bool(fell(daily[None, now - WEEK : stop], np.array([limit]))[0])


def folded(levels: Floats, width: int) -> Floats:
    """Return the largest of every so many columns, right-aligned; NaN where none is known."""
    if width <= 1:
        return levels
    rows, columns = levels.shape
    padded = np.full((rows, -(-columns // width) * width), np.nan)
    padded[:, padded.shape[1] - columns :] = levels
    out: Floats = np.fmax.reduce(padded.reshape(rows, -1, width), axis=2)
    return out


def _items(items: pl.DataFrame, place: Ints) -> Items:
    unbounded = np.full(items.height, np.inf)
    return Items(
        place, np.where(items.get_column("below").to_numpy(), -1.0, 1.0),
        np.array(items.get_column("statistic").to_list(), object), -unbounded, unbounded,
        items.get_column("k").to_numpy(), items.get_column("n").to_numpy(),
    )  # fmt: skip


def _steps(rollups: History, work: pl.DataFrame, items: Items) -> Ints:
    """Return the natural step of each item as it was at its first cutoff."""
    first = work.group_by("item").agg(pl.col("cutoff_us").min()).sort("item").get_column("cutoff_us").to_numpy()
    gaps, found = np.empty(rollups.starts.size - 1, np.int64), np.empty(items.series.size, np.int64)
    for cutoff in np.unique(first).tolist():
        natural_gaps(rollups.starts, rollups.buckets, cutoff // rollups.step_us, gaps)
        mine = first == cutoff
        found[mine] = gaps[items.series[mine]]
    return natural_steps(found * rollups.step_us, rollups.step_us)
