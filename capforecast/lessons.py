"""What a nightly run learns from its own store, and how its curves of probability are corrected by it.

A sample of series is forecast again as of some past days, with the same models; what came of it is known by
now. What is learned per metric kind and horizon then corrects the curves of all series, so that dates and
probabilities still agree.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from capforecast.breach import SPANS
from capforecast.history import History, Items, grid, groups, natural_steps
from capforecast.kernels.grid import natural_gaps, sustained_peaks
from capforecast.learned import Learned, bent
from capforecast.learning import learn
from capforecast.outcome import Plan
from capforecast.panel import DAY_US, Floats, Ints
from capforecast.shard import run
from capforecast.windows import INPUTS, KNOWN_SHARE, Questions, Windows, described, numbered

ORIGINS = 8
"""Past days as of which the sample is forecast again."""

SAMPLE = 1_500
"""Series of a kind that are enough to learn from; each is forecast again ORIGINS times."""

LEAST_DAYS = 21
"""Days that must be known before a past day."""

Lessons = Mapping[tuple[int, int], Learned]
"""What was learned, by number of the metric kind and days ahead."""

Curves = Callable[[int, Floats], Floats]
"""From days back and thresholds (R,), high hurts, to P(first crossing by day d) as of that day, float64 (R, D)."""


@dataclass(frozen=True, slots=True)
class Watched:
    """Series by day, and the thresholds that watch them, high hurts.

    Attributes
    ----------
    daily : float64 (I, D)
        Sustained peaks per day, right-aligned at the end; NaN where missing.
    owner : int64 (R,)
        Series of each threshold.
    threshold : float64 (R,)
        Its level.
    kind : int64 (R,)
        Number of its metric kind.
    relative : bool (R,)
        Of thresholds that past days never met: is their distance a share of the level (growing volumes).
    name, host : int64 (I,)
        A number for each series and for its host, see `windows.numbered`.
    end_us : int
        End of the last day.
    """

    daily: Floats
    owner: Ints
    threshold: Floats
    kind: Ints
    relative: np.ndarray
    name: Ints
    host: Ints
    end_us: int


def sampled(names: Sequence[str], most: int) -> Ints:
    """Return the places of a fixed sample of series, the same whatever other series there are."""
    number = np.array([numbered(name) for name in names], np.int64)
    return np.sort(np.argsort(number, kind="stable")[:most])


def daily_peaks(rollups: History, items: Items, end_us: int, days: int) -> Floats:
    """Return the sustained peaks per day before a moment, float64 (I, days), high hurts; of longer steps NaN."""
    out = np.full((items.series.size, days), np.nan)
    gaps = np.empty(rollups.starts.size - 1, np.int64)
    natural_gaps(rollups.starts, rollups.buckets, end_us // rollups.step_us, gaps)
    steps = natural_steps(gaps * rollups.step_us, rollups.step_us)[items.series]
    for chosen in groups(items, steps, rollups, np.flatnonzero(steps <= DAY_US)):
        step_us = int(steps[chosen[0]])
        values = grid(rollups, items, chosen, step_us, end_us)
        per_day = DAY_US // step_us
        peaks = values
        if per_day > 1:
            peaks = np.empty((chosen.size, -(-values.shape[1] // per_day)))
            sustained_peaks(values, per_day, int(items.k[chosen[0]]), int(items.n[chosen[0]]), peaks)
        shown = min(days, peaks.shape[1])
        out[chosen, days - shown :] = peaks[:, peaks.shape[1] - shown :]
    return out


def past_curves(rollups: History, items: Items, owner: Ints, plan: Plan) -> Curves:
    """Return the forecast of items as of earlier days: the models and recipes of the plan, nothing later."""

    def curves(back: int, threshold: Floats) -> Floats:
        then = replace(plan, end_us=plan.end_us - back * DAY_US, grounds=None)
        return run(rollups, items, owner, threshold * items.sign[owner], then).cumulative

    return curves


def taught(watched: Watched, curves: Curves) -> dict[tuple[int, int], Learned]:
    """Learn from what came of past days.

    Parameters
    ----------
    watched : Watched
        A sample of series, see `sampled` and SAMPLE.
    curves : callable
        Their forecast as of some days back.

    Returns
    -------
    dict
        Of each kind and each of SPANS for which there are windows.
    """
    known = np.flatnonzero((~np.isnan(watched.daily)).any(axis=0))
    oldest = watched.daily.shape[1] - int(known[0]) - LEAST_DAYS if known.size else 0
    if oldest <= SPANS[0]:
        return {}
    backs = np.unique(np.linspace(SPANS[0], oldest, ORIGINS).astype(np.int64))[::-1]
    found: dict[int, list[tuple[Windows, Ints]]] = {days: [] for days in SPANS}
    for back in backs:
        _as_of(watched, int(back), curves, found)
    out = {}
    for days, parts in found.items():
        for kind in np.unique(watched.kind):
            windows = _joined([part.rows(kinds == kind) for part, kinds in parts])
            if windows is not None and windows.crossed.size:
                first, last = int(windows.end_us.min()), watched.end_us
                moments = sorted({first, (first + last) // 2, (first + 3 * last) // 4, last})
                out[int(kind), days] = learn(windows, moments)[-1]
    return out


def _as_of(watched: Watched, back: int, curves: Curves, found: dict[int, list[tuple[Windows, Ints]]]) -> None:
    """Add the windows that begin some days back."""
    column = watched.daily.shape[1] - back
    past = np.ascontiguousarray(watched.daily[:, :column])
    owner = watched.owner
    then, now = past[owner, -1], watched.daily[owner, -1]
    with np.errstate(invalid="ignore", divide="ignore"):
        # Who sets a threshold that was never met knows of the levels up to now, so that no past day could meet it:
        # then the question is whether the level rises as far as it would have to from here.
        met = (past[owner] >= watched.threshold[:, None]).any(axis=1)
        as_far = np.where(watched.relative, watched.threshold * then / now, watched.threshold + then - now)
        moved = np.where(met & ~watched.relative, watched.threshold, as_far)
    said = curves(back, np.where(np.isnan(moved), watched.threshold, moved))
    enough = (~np.isnan(past)).sum(axis=1)[owner] >= LEAST_DAYS
    asked = enough & (then < moved) & ~np.isnan(said[:, 0])
    origin_us = watched.end_us - back * DAY_US
    for days, parts in found.items():
        if days > min(back, said.shape[1]):
            continue
        ahead = watched.daily[:, column : column + days]
        settled = np.flatnonzero(asked & ((~np.isnan(ahead)).sum(axis=1)[owner] >= KNOWN_SHARE * days))
        if not settled.size:
            continue
        top = np.fmax.reduce(ahead, axis=1)[owner[settled]]
        x = described_rows(past, watched, settled, moved[settled], days, origin_us, said[settled, days - 1])
        whole = np.full(settled.size, origin_us)
        series, host = watched.name[owner[settled]], watched.host[owner[settled]]
        windows = Windows(INPUTS, x, top >= moved[settled], series, host, whole, whole + days * DAY_US)
        parts.append((windows, watched.kind[settled]))


def described_rows(
    daily: Floats, watched: Watched, rows: Ints, threshold: Floats, days: int, end_us: int, said: Floats
) -> Floats:
    """Return the inputs of some thresholds, float64 (W, F), as of the end of ``daily``; ``said`` is P by the paths."""
    owner = watched.owner[rows]
    steps, ends = np.full(rows.size, days), np.full(rows.size, end_us)
    asked = Questions(owner, threshold, steps, ends, daily[owner, -1])
    return described(np.ascontiguousarray(daily), asked, DAY_US, said)


def _joined(parts: Sequence[Windows]) -> Windows | None:
    if not parts:
        return None
    names = ("x", "crossed", "series", "host", "origin_us", "end_us")
    x, crossed, series, host, origin_us, end_us = (np.concatenate([getattr(p, name) for p in parts]) for name in names)
    length = int((end_us - origin_us)[0]) if crossed.size else DAY_US
    origins = np.unique(origin_us)
    spacing = int(np.diff(origins).min()) if origins.size > 1 else length
    return Windows(INPUTS, x, crossed, series, host, origin_us, end_us, max(length / spacing, 1.0))


def corrected(watched: Watched, curves: Floats, lessons: Lessons) -> Floats:
    """Return curves of probability as what was learned corrects them.

    Parameters
    ----------
    watched : Watched
        The series of a shard and their thresholds.
    curves : float64 (R, D)
        P(first crossing by day d) by the paths.
    lessons : mapping of Learned
        By kind and days ahead; where there is none, the curve keeps its shape.

    Returns
    -------
    float64 (R, D)
        Never falling along D; thresholds that are crossed already, and curves of which nothing is known,
        unchanged.
    """
    days = np.array(sorted({days for _, days in lessons if days <= curves.shape[1]}), np.int64)
    if not days.size:
        return curves
    chances = np.full((curves.shape[0], days.size), np.nan)
    newest = watched.daily[watched.owner, -1]
    open_rows = np.flatnonzero((newest < watched.threshold) & ~np.isnan(curves[:, 0]))
    for place, ahead in enumerate(days):
        for kind in np.unique(watched.kind[open_rows]):
            learned = lessons.get((int(kind), int(ahead)))
            if learned is None or not learned.corrects:
                continue
            rows = open_rows[watched.kind[open_rows] == kind]
            said = curves[rows, ahead - 1]
            x = described_rows(watched.daily, watched, rows, watched.threshold[rows], int(ahead), watched.end_us, said)
            chances[rows, place] = learned.chances(x)
    return bent(curves, days, chances)
