"""One shard of series: rollups in, outlooks per series and per threshold out, all as arrays.

A shard is a pure function of its input; the engine decides where it runs. Series are forecast on
their natural step over a near horizon and on daily sustained peaks over the far one, and the two are
joined (series whose natural step is a day or more have the far one only).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from capforecast import breach
from capforecast.forecast import Recipe, forecast, seasons_of
from capforecast.history import Items, Rollups, grid, groups, natural_steps, newest_us, patterns
from capforecast.kernels.grid import natural_gaps, sustained_peaks
from capforecast.kernels.origins import fill_gaps
from capforecast.kernels.shape import describe, newest
from capforecast.kernels.trend import slopes
from capforecast.models import Model
from capforecast.models.trend import PAIRS, WINDOW
from capforecast.panel import DAY_US, WEEK_US, Floats, Forecast, Ints, Panel
from capforecast.schema import PATTERNS
from capforecast.scores import Records, heaviest, no_mixes, numbered, scored
from capforecast.timings import Timings

NEAR_DAYS = 7
NEAR_HISTORY_DAYS = 60
SHAPE = (4, 128)
"""Newest long seasons and number of values from which a pattern is named."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How a run forecasts."""

    end_us: int
    horizon_days: int
    near: Sequence[Model]
    far: Sequence[Model]
    recipe_near: Recipe
    recipe_far: Recipe
    target: float = 0.1
    minimum_steps: int = 14
    timings: Timings = field(default_factory=Timings)


@dataclass(slots=True)
class Outcome:
    """Results of a shard: per item (I), per threshold (R); NaN where nothing can be said.

    Levels are in the unit of the series. `enough` tells whether an item was forecast. `mixes` are those of
    the near and the far forecast; `names` numbers the members in them and in `scores`.
    """

    enough: np.ndarray
    step_us: Ints
    last: Floats
    last_us: Ints
    distance_us: Ints
    recent_p95: Floats
    sustained_now: Floats
    growth: Floats
    change_days: Floats
    gap: Floats
    beyond: Floats
    constant: np.ndarray
    pattern: Ints
    skill: Floats
    coverage: Floats
    history: Floats
    quantiles: Floats
    needed: Floats
    cumulative: Floats
    mixes: Records
    scores: list[Records]
    names: dict[str, int]


def run(rollups: Rollups, items: Items, owner: Ints, threshold: Floats, plan: Plan) -> Outcome:
    """Forecast the items of a shard and pass their futures over the thresholds.

    Parameters
    ----------
    rollups : Rollups
        History of the shard's series; rows at or after the plan's end are ignored.
    items : Items
        What is forecast.
    owner : int64 (R,)
        Item of each threshold.
    threshold : float64 (R,)
        Level of each threshold, in the unit of the series.
    plan : Plan
        Settings.
    """
    out = _empty(items.series.size, owner.size, plan.horizon_days)
    gaps = np.empty(rollups.starts.size - 1, np.int64)
    natural_gaps(rollups.starts, rollups.buckets, plan.end_us // rollups.step_us, gaps)
    steps = natural_steps(gaps * rollups.step_us, rollups.step_us)
    seen = np.diff(rollups.starts)[items.series] > 0
    out.step_us[:] = steps[items.series]
    out.distance_us[:] = (gaps * rollups.step_us)[items.series]
    for chosen in groups(items, out.step_us, rollups):
        _block(rollups, items, chosen, owner, threshold, plan, out)
    out.step_us[~seen] = 0
    return out


def _empty(count: int, thresholds: int, days: int) -> Outcome:
    def blank(*shape: int) -> Floats:
        return np.full(shape, np.nan)

    return Outcome(
        enough=np.zeros(count, bool), step_us=np.zeros(count, np.int64), last=blank(count),
        last_us=np.zeros(count, np.int64), distance_us=np.zeros(count, np.int64),
        recent_p95=blank(count), sustained_now=blank(count),
        growth=blank(count), change_days=blank(count), gap=blank(count), beyond=blank(count),
        constant=np.zeros(count, bool), pattern=np.full(count, -1, np.int64), skill=blank(count),
        coverage=blank(count), history=blank(count, days), quantiles=blank(count, days, 3),
        needed=blank(count), cumulative=blank(thresholds, days), mixes=no_mixes(count), scores=[], names={},
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Block:
    """Items alike in step, statistic and rule that can be forecast, high hurts."""

    keep: Ints
    sign: Floats
    values: Floats
    lower: Floats
    upper: Floats
    step_us: int
    rule: tuple[int, int]

    @property
    def per_day(self) -> int:
        """Steps of a day; 1 where a step is a day or more."""
        return max(DAY_US // self.step_us, 1)


def _block(
    rollups: Rollups, items: Items, chosen: Ints, owner: Ints, threshold: Floats, plan: Plan, out: Outcome
) -> None:
    """Forecast one block of items and write its part of the outcome."""
    with plan.timings.stage("panel"):
        block = _measured(rollups, items, chosen, plan, out)
    if block.keep.size == 0:
        return
    with plan.timings.stage("kernels"):
        near, daily, far = _legs(block, plan)
    with plan.timings.stage("breach"):
        future = _conclude(block, daily, (near, far), plan, out)
        _judge(near, far, block.keep, out)
        position = np.full(items.series.size, -1, np.int64)
        position[block.keep] = np.arange(block.keep.size)
        rows = np.flatnonzero(position[owner] >= 0)
        if rows.size:
            level = threshold[rows] * items.sign[owner[rows]]
            out.cumulative[rows] = breach.probabilities(future, position[owner[rows]], level)


def _measured(rollups: Rollups, items: Items, chosen: Ints, plan: Plan, out: Outcome) -> _Block:
    """Put the levels of a block on their grid, record what was measured, keep the items with enough of it."""
    step_us = int(out.step_us[chosen[0]])
    sign, k, n = items.sign[chosen], int(items.k[chosen[0]]), int(items.n[chosen[0]])
    values = grid(rollups, items, chosen, step_us, plan.end_us)
    known = ~np.isnan(values)
    out.last_us[chosen] = newest_us(rollups, items.series[chosen], plan.end_us)
    _observe(values, known, items, chosen, step_us, (k, n), out)
    ready = known.sum(axis=1) >= plan.minimum_steps
    out.enough[chosen] = ready
    keep, sign = chosen[ready], sign[ready]
    values = np.ascontiguousarray(values[ready])
    lower = np.where(sign > 0, items.lower[keep], -items.upper[keep])
    upper = np.where(sign > 0, items.upper[keep], -items.lower[keep])
    if keep.size:
        # A metric that was seen beyond its bound is not bounded there.
        lower = np.fmin(lower, np.nanmin(values, axis=1))
        upper = np.fmax(upper, np.nanmax(values, axis=1))
    return _Block(keep, sign, values, lower, upper, step_us, (k, n))


def _legs(block: _Block, plan: Plan) -> tuple[Forecast | None, Floats, Forecast]:
    """Return the forecast on the natural step below a day, the daily peaks, and their forecast."""
    ends = np.full(block.keep.size, plan.end_us)
    daily, near = block.values, None
    if block.step_us < DAY_US:
        recent = np.ascontiguousarray(block.values[:, -NEAR_HISTORY_DAYS * block.per_day :])
        panel = Panel(recent, block.step_us, ends, block.lower, block.upper)
        near = forecast(panel, plan.near, min(NEAR_DAYS, plan.horizon_days) * block.per_day, plan.recipe_near)
        daily = np.empty((block.keep.size, -(-block.values.shape[1] // block.per_day)))
        sustained_peaks(block.values, block.per_day, *block.rule, daily)
    step_us = max(block.step_us, DAY_US)
    panel = Panel(daily, step_us, ends, block.lower, block.upper)
    return near, daily, forecast(panel, plan.far, -(-plan.horizon_days * DAY_US // step_us), plan.recipe_far)


def _observe(
    values: Floats, known: np.ndarray, items: Items, chosen: Ints, step_us: int,
    rule: tuple[int, int], out: Outcome,
) -> None:  # fmt: skip
    """Record what was measured: newest level, gaps, shape."""
    columns = values.shape[1]
    per_day = max(DAY_US // step_us, 1)
    has = known.any(axis=1)
    last = (columns - 1 - known[:, ::-1].argmax(axis=1)).astype(np.int64)
    first = np.where(has, known.argmax(axis=1), columns).astype(np.int64)
    rows = np.arange(chosen.size)
    sign = items.sign[chosen]
    out.last[chosen] = np.where(has, values[rows, last] * sign, np.nan)
    fine = step_us < DAY_US
    now = np.empty((chosen.size, 3))
    ceiling = np.where(sign > 0, items.upper[chosen], -items.lower[chosen])
    newest(values, first, last, 28 * per_day, rule[0] if fine else 1, rule[1] if fine else 1, ceiling, now)
    out.recent_p95[chosen], out.sustained_now[chosen] = now[:, 0] * sign, now[:, 1] * sign
    out.beyond[chosen] = now[:, 2]
    seasons = seasons_of(step_us)
    shape = np.empty((chosen.size, 8))
    describe(values, first, seasons[0], seasons[1] if len(seasons) > 1 else 1, *SHAPE, shape)
    out.gap[chosen] = shape[:, 0]
    out.constant[chosen] = has & (shape[:, 1] <= 1e-9 * shape[:, 2])
    out.pattern[chosen] = patterns(shape, out.constant[chosen])


def _conclude(
    block: _Block, daily: Floats, legs: tuple[Forecast | None, Forecast], plan: Plan, out: Outcome
) -> breach.Outlook:
    """Record growth, recent daily peaks and the quantiles of the futures, back in the unit of the series."""
    near, far = legs
    keep, sign, (k, n) = block.keep, block.sign, block.rule
    fine = None if near is None else breach.outlook(near, _tail(block.values, n - 1), k, n)
    future = breach.outlook(far, _tail(daily, 0), k, n)
    future = breach.Outlook(np.ascontiguousarray(future.peaks[:, :, : plan.horizon_days]), future.weights)
    band = breach.levels(fine, future) * sign[:, None, None]
    out.quantiles[keep] = np.where(sign[:, None, None] > 0, band, band[:, :, ::-1])
    if fine is not None:
        future = breach.joined(fine, future)
    out.needed[keep] = breach.level_needed(future, plan.target) * sign
    _record_growth(daily, keep, sign, out)
    return future


def _record_growth(daily: Floats, keep: Ints, sign: Floats, out: Outcome) -> None:
    """Record the growth of the daily peaks, their last jump, and the newest of them."""
    filled, first = np.empty_like(daily), np.empty(keep.size, np.int64)
    fill_gaps(daily, 1, filled, first)
    slope, change = np.empty(keep.size), np.empty(keep.size, np.int64)
    slopes(filled, first, WINDOW, PAIRS, slope, change)
    far_step = max(int(out.step_us[keep[0]]), DAY_US)
    out.growth[keep] = slope * sign * (DAY_US / far_step)
    changed = change > np.maximum(first, daily.shape[1] - 365)
    out.change_days[keep] = np.where(changed, (daily.shape[1] - change) * (far_step / DAY_US), np.nan)
    steady = np.isin(out.pattern[keep], (PATTERNS.index("steady"), PATTERNS.index("bursty")))
    out.pattern[keep[changed & steady]] = PATTERNS.index("stepped")
    if far_step == DAY_US:
        shown = min(daily.shape[1], out.history.shape[1])
        out.history[keep, out.history.shape[1] - shown :] = daily[:, daily.shape[1] - shown :] * sign[:, None]
    elif far_step == WEEK_US:
        weeks = min(daily.shape[1], out.history.shape[1] // 7)
        places = out.history.shape[1] - 1 - 7 * np.arange(weeks)
        out.history[np.ix_(keep, places)] = daily[:, ::-1][:, :weeks] * sign[:, None]


def _judge(near: Forecast | None, far: Forecast, keep: Ints, out: Outcome) -> None:
    """Record the rolling-origin scores, the members and their weights."""
    legs = [leg for leg in (near, far) if leg is not None]
    lead = legs[0]
    with np.errstate(invalid="ignore", divide="ignore"):
        own, naive = np.nansum(lead.error, axis=1), np.nansum(lead.error_naive, axis=1)
        ever = (lead.origins > 0).any(axis=1)
        out.skill[keep] = np.where(ever, np.where(naive > 0, 1.0 - own / naive, np.where(own > 0, -1.0, 0.0)), np.nan)
    inside = np.where(np.isnan(lead.coverage), 0.0, lead.coverage)
    tested = (~np.isnan(lead.coverage)).sum(axis=1)
    out.coverage[keep] = np.where(tested > 0, inside.sum(axis=1) / np.maximum(tested, 1), np.nan)
    for place, leg in enumerate(legs):
        codes = numbered(leg.members, out.names)
        out.mixes[keep, place] = heaviest(leg.weights[:, -1 if leg is far else 0], codes)
        out.scores.append(scored(leg, keep, codes))


def _tail(values: Floats, count: int) -> Floats:
    """Return the newest ``count`` columns, NaN-padded on the left."""
    out = np.full((values.shape[0], count), np.nan)
    have = min(count, values.shape[1])
    if have:
        out[:, count - have :] = values[:, values.shape[1] - have :]
    return out
