"""One shard of series: rollups in, outlooks per series and per threshold out, all as arrays.

A shard is a pure function of its input; the engine decides where it runs. Series are forecast on
their natural step over a near horizon and on daily sustained peaks over the far one, and the two are
joined (series whose natural step is a day or more have the far one only).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from capforecast import breach
from capforecast.carry import MARGIN, Kept, foretold, moved_probabilities, moved_quantiles, undated
from capforecast.forecast import forecast
from capforecast.history import History, Items, grid, groups, natural_steps, newest_us, tail
from capforecast.kernels.grid import natural_gaps, sustained_peaks
from capforecast.monthly import last_days
from capforecast.observed import name_patterns, observe, record_growth, record_past, tell_shape
from capforecast.outcome import Grounds, Outcome, Plan, empty
from capforecast.panel import DAY_US, Floats, Forecast, Ints, Panel
from capforecast.pattern import envelope
from capforecast.schema import PATTERNS
from capforecast.scores import heaviest, numbered, scored

NEAR_DAYS = 7
NEAR_HISTORY_DAYS = 60
CARRIED = 256
"""Items whose kept forecasts are looked at together."""
Planned = tuple[Ints, Floats]
NOTHING: Planned = (np.empty(0, np.int64), np.empty((0, 0)))
"""No threshold that will change."""


def run(  # noqa: PLR0913 - what a shard is
    rollups: History,
    items: Items,
    owner: Ints,
    threshold: Floats,
    plan: Plan,
    kept: Kept | None = None,
    planned: Planned = NOTHING,
) -> Outcome:
    """Forecast the items of a shard and pass their futures over the thresholds.

    Parameters
    ----------
    rollups : History
        History of the shard's series; rows at or after the plan's end are ignored.
    items : Items
        What is forecast.
    owner : int64 (R,)
        Item of each threshold.
    threshold : float64 (R,)
        Level of each threshold, in the unit of the series.
    plan : Plan
        Settings.
    kept : Kept, optional
        Forecasts of nights before, which are used again where they hold.
    planned : (int64 (C,), float64 (C, D))
        Thresholds that will change, and their levels on each day ahead; their items are not kept.
    """
    out = empty(items.series.size, owner.size, plan.horizon_days)
    gaps = np.empty(rollups.starts.size - 1, np.int64)
    natural_gaps(rollups.starts, rollups.buckets, plan.end_us // rollups.step_us, gaps)
    steps = natural_steps(gaps * rollups.step_us, rollups.step_us)
    seen = np.diff(rollups.starts)[items.series] > 0
    out.step_us[:] = steps[items.series]
    out.distance_us[:] = (gaps * rollups.step_us)[items.series]
    fit = np.ones(items.series.size, bool)
    if kept is not None:
        margin = np.where(undated(kept.cumulative, owner, fit.size), MARGIN, 0.0)
        for chosen in groups(items, out.step_us, rollups, np.flatnonzero(kept.age > 0), CARRIED):
            fit[_carry(rollups, items, chosen, margin, plan, kept, out)] = False
        _move_chances(kept, owner, out)
        _take_over(kept, ~fit, out)
    for chosen in groups(items, out.step_us, rollups, np.flatnonzero(fit)):
        future = _block(rollups, items, chosen, plan, out)
        if future is not None:
            with plan.timings.stage("breach"):
                _cross(*future, items, owner, threshold, planned, plan.target, out)
    out.step_us[~seen] = 0
    return out


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

    def only(self, which: np.ndarray) -> _Block:
        """Return some of the items."""
        keep, sign, values = self.keep[which], self.sign[which], self.values[which]
        return _Block(keep, sign, values, self.lower[which], self.upper[which], self.step_us, self.rule)


def _block(
    rollups: History, items: Items, chosen: Ints, plan: Plan, out: Outcome
) -> tuple[breach.Outlook, Ints] | None:
    """Forecast one block of items, write its part of the outcome, return the futures of items that have some."""
    with plan.timings.stage("panel"):
        block = _measured(rollups, items, chosen, plan, out, shape=True)
    if block.keep.size == 0:
        return None
    with plan.timings.stage("kernels"):
        daily = _daily(block)
        high, lift = envelope(daily, out.clean_up_apart_days[block.keep])
        near, far = _legs(block, high, plan)
        for row in np.flatnonzero(lift):
            np.clip(far.paths[row] + lift[row], block.lower[row], block.upper[row], out=far.paths[row])
    with plan.timings.stage("breach"):
        future = _conclude(block, (daily, high), (near, far), plan, out)
        _judge(near, far, block.keep, out)
        if plan.grounds is not None:
            legs = tuple(leg for leg in (near, far) if leg is not None)
            plan.grounds.append(Grounds(block.keep, block.values, daily, legs, future, block.step_us, block.rule))
    return future, block.keep


def _cross(  # noqa: PLR0913 - what thresholds are, and what they are laid against
    future: breach.Outlook, keep: Ints, items: Items, owner: Ints, threshold: Floats, planned: Planned,
    target: float, out: Outcome,
) -> None:  # fmt: skip
    """Lay the futures of some items against their thresholds, those that change apart."""
    position = np.full(items.series.size, -1, np.int64)
    position[keep] = np.arange(keep.size)
    rows = np.flatnonzero(position[owner] >= 0)
    if rows.size:
        level = threshold[rows] * items.sign[owner[rows]]
        out.cumulative[rows] = breach.probabilities(future, position[owner[rows]], level)
    changing, days = planned
    here = np.flatnonzero(position[owner[changing]] >= 0)
    if here.size:
        rows = changing[here]
        sign = items.sign[owner[rows]]
        levels = np.column_stack((threshold[rows], days[here])) * sign[:, None]
        out.cumulative[rows], needed = breach.dated(future, position[owner[rows]], levels, target, breach.NEEDED_DAYS)
        out.needed_dated[rows] = needed * sign


def _measured(rollups: History, items: Items, chosen: Ints, plan: Plan, out: Outcome, *, shape: bool) -> _Block:
    """Put the levels of a block on their grid, record what was measured, keep the items with enough of it.

    What costs most is to tell their shape, which is left out where it is known.
    """
    step_us = int(out.step_us[chosen[0]])
    sign, k, n = items.sign[chosen], int(items.k[chosen[0]]), int(items.n[chosen[0]])
    values = grid(rollups, items, chosen, step_us, plan.end_us)
    known = ~np.isnan(values)
    out.last_us[chosen] = newest_us(rollups, items.series[chosen], plan.end_us)
    observe(values, known, items, chosen, step_us, (k, n), out)
    if shape:
        tell_shape(values, known, items, chosen, (step_us, plan.end_us), out)
    ready = known.sum(axis=1) >= plan.minimum_steps
    out.enough[chosen] = ready
    out.known[chosen] = known[:, -NEAR_HISTORY_DAYS * max(DAY_US // step_us, 1) :].sum(axis=1)
    keep, sign = chosen[ready], sign[ready]
    values = np.ascontiguousarray(values[ready])
    lower = np.where(sign > 0, items.lower[keep], -items.upper[keep])
    upper = np.where(sign > 0, items.upper[keep], -items.lower[keep])
    if keep.size:
        # A metric that was seen beyond its bound is not bounded there.
        lower = np.fmin(lower, np.nanmin(values, axis=1))
        upper = np.fmax(upper, np.nanmax(values, axis=1))
    return _Block(keep, sign, values, lower, upper, step_us, (k, n))


def _carry(
    rollups: History, items: Items, chosen: Ints, margin: Floats, plan: Plan, kept: Kept, out: Outcome
) -> Ints:  # fmt: skip
    """Use the kept forecasts of a block where they still hold, and return for which items."""
    with plan.timings.stage("panel"):
        block = _measured(rollups, items, chosen, plan, out, shape=False)
    if block.keep.size == 0 or block.step_us > DAY_US:
        return np.empty(0, np.int64)
    with plan.timings.stage("carry"):
        daily, columns = _daily(block), block.values.shape[1]
        known = ~np.isnan(block.values)
        holds = np.ones(block.keep.size, bool)
        for age in np.unique(kept.age[block.keep]).tolist():
            mine = np.flatnonzero(kept.age[block.keep] == age)
            then = slice(
                max(columns - (NEAR_HISTORY_DAYS + age) * block.per_day, 0), max(columns - age * block.per_day, 0)
            )
            record = kept.items[block.keep[mine]]
            holds[mine] &= known[mine, then].sum(axis=1) == record["known"]
            holds[mine] &= foretold(
                record["quantiles"], daily[mine, -age:] * block.sign[mine, None], margin[block.keep[mine]]
            )
        block = block.only(holds)
        record_past(daily[holds], block.keep, block.sign, out)
        _move(block, kept, out)
    return block.keep


def _move(block: _Block, kept: Kept, out: Outcome) -> None:
    """Record kept forecasts as of now."""
    for age in np.unique(kept.age[block.keep]).tolist():
        mine = kept.age[block.keep] == age
        keep, sign, record = block.keep[mine], block.sign[mine], kept.items[block.keep[mine]]
        moved = moved_quantiles(record["quantiles"], age)
        low, high = (
            np.where(sign > 0, a[mine], -b[mine]) for a, b in ((block.lower, block.upper), (block.upper, block.lower))
        )
        out.quantiles[keep] = np.clip(moved, low[:, None, None], high[:, None, None])
        last = min(breach.NEEDED_DAYS, moved.shape[1]) - 1
        worst = np.where(sign > 0, record["quantiles"][:, last, 2], record["quantiles"][:, last, 0])
        later = np.where(sign > 0, moved[:, last, 2], moved[:, last, 0])
        out.needed[keep] = np.clip(record["needed"] + later - worst, low, high)
        out.age[keep], out.known[keep] = age, record["known"]
        out.change_days[keep] = record["change_days"] + age
        for name in ("growth", "gap", "pattern", "constant", "clean_ups", "ceiling", "peak_hours", "skill", "coverage"):
            getattr(out, name)[keep] = record[name]


def _move_chances(kept: Kept, owner: Ints, out: Outcome) -> None:
    """Record the probabilities of the thresholds of kept forecasts as of now."""
    age = out.age[owner]
    for days in np.unique(age[age > 0]).tolist():
        out.cumulative[age == days] = moved_probabilities(kept.cumulative[age == days], days)


def _take_over(kept: Kept, used: np.ndarray, out: Outcome) -> None:
    """Take over members and scores of the kept forecasts that are used."""
    codes = numbered(kept.names, out.names)
    mixes, scores = kept.items["mixes"][used].copy(), kept.scores[used[kept.scores["item"]]].copy()
    for members in (mixes["member"], scores["mix"]["member"]):
        members[members >= 0] = codes[members[members >= 0]]
    out.mixes[used] = mixes
    out.scores.append(scores)


def _daily(block: _Block) -> Floats:
    """Return the sustained peak of each day, or the values where a step is a day or more."""
    if block.step_us >= DAY_US:
        return block.values
    daily = np.empty((block.keep.size, -(-block.values.shape[1] // block.per_day)))
    sustained_peaks(block.values, block.per_day, *block.rule, daily)
    return daily


def _legs(block: _Block, high: Floats, plan: Plan) -> tuple[Forecast | None, Forecast]:
    """Return the forecast on the natural step below a day, and that of the daily peaks, sawtooths at their height."""
    ends, near = np.full(block.keep.size, plan.end_us), None
    if block.step_us < DAY_US:
        recent = np.ascontiguousarray(block.values[:, -NEAR_HISTORY_DAYS * block.per_day :])
        panel = Panel(recent, block.step_us, ends, block.lower, block.upper)
        near = forecast(panel, plan.near, min(NEAR_DAYS, plan.horizon_days) * block.per_day, plan.recipe_near)
    step_us = max(block.step_us, DAY_US)
    panel = Panel(high, step_us, ends, block.lower, block.upper)
    return near, forecast(panel, plan.far, -(-plan.horizon_days * DAY_US // step_us), plan.recipe_far)


def _conclude(
    block: _Block, peaks: tuple[Floats, Floats], legs: tuple[Forecast | None, Forecast], plan: Plan, out: Outcome
) -> breach.Outlook:
    """Record growth, recent daily peaks and the quantiles of the futures, back in the unit of the series."""
    (daily, high), (near, far) = peaks, legs
    keep, sign, (k, n) = block.keep, block.sign, block.rule
    record_growth(high, keep, sign, out)
    record_past(daily, keep, sign, out)
    name_patterns(daily, keep, plan.end_us, out)
    for leg in legs:
        if leg is not None:
            # What cleans up at a ceiling goes on to do so.
            np.fmin(leg.paths, (out.ceiling[keep] * sign)[:, None, None], out=leg.paths)
    # The fine forecast knows no month ends.
    soon = last_days(plan.end_us, 2, NEAR_DAYS + 1).size > 0
    coarse = (out.pattern[keep] == PATTERNS.index("month_end")) & soon
    fine = None if near is None else breach.outlook(near, tail(block.values, n - 1), k, n)
    future = breach.outlook(far, tail(daily, 0), k, n)
    future = breach.Outlook(np.ascontiguousarray(future.peaks[:, :, : plan.horizon_days]), future.weights)
    band = breach.levels(fine, future, coarse) * sign[:, None, None]
    out.quantiles[keep] = np.where(sign[:, None, None] > 0, band, band[:, :, ::-1])
    if fine is not None:
        future = breach.joined(fine, future, coarse)
    out.needed[keep] = breach.level_needed(future, plan.target, breach.NEEDED_DAYS) * sign
    return future


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
