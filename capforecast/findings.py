"""What a shard found, as records small enough for a million series to stay in memory until all are ranked."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from capforecast.breach import BAND, SPANS, date_by
from capforecast.expected import Expected, levels
from capforecast.grades import grades, is_unknown, severity, status_code
from capforecast.outcome import Outcome
from capforecast.panel import DAY_US, Floats, Ints
from capforecast.pattern import told
from capforecast.scores import LEGS, MIX, Records

NEVER = np.iinfo(np.int32).min
"""A day that there is none of."""

STATE = np.dtype(
    [
        ("status", np.int8), ("grade", np.int8), ("pattern", np.int8), ("reasons", np.int16),
        ("last_change", np.int32), ("fitted", np.int32),
        ("step_us", np.int64), ("last_us", np.int64), ("samples", np.int64), ("hidden", np.int64),
        *((name, np.float64) for name in (
            "history_days", "gap_pct", "above_bound_pct", "current", "current_p95", "growth_per_day",
            "skill_vs_naive", "coverage_80", "peak",
        )),
        ("ahead", np.float64, (2, 2)), ("ceiling", np.float64), ("peak_hours", np.int8, (2,)), ("mixes", MIX, (LEGS,)),
    ]
)  # fmt: skip
"""One item. Days are counted since the epoch; `ahead` has the p50 and p90 of the peak 30 and 90 days ahead;
`peak_hours` the first hour and the number of hours in which its days peak."""

VERDICT = np.dtype(
    [
        ("status", np.int8), ("severity", np.int8), ("days_over", np.int8), ("holds", np.int8), ("reach", np.int32),
        ("days", np.int32, (3,)), ("chance", np.float64, (3,)), ("p_reach", np.float64), ("needed", np.float64),
    ]
)  # fmt: skip
"""One threshold: days from as_of to the breach dates, chances within 7, 30 and 90 days and as far as may be said;
the level that the threshold had to have now. `holds` is a status (`BREACHED_HOLDS`, `COMING_HOLDS`) that would stay
if it was that of the run before, or both of those without a crossing in sight (`TREND_HOLDS`)."""

BREACHED_HOLDS, COMING_HOLDS, TREND_HOLDS = 1, 2, 4

QUIET_DAYS = 3
MARGIN = 0.02
"""A breach is over when no daily peak of three days meets the threshold, or the last one is clearly, by 2 % of the
threshold, on the good side of it."""

LEAVES = 0.4
"""A breach to come, which it becomes at even odds, stays one as long as its probability is no less than this."""

FAR_OFF_DAYS, UNLIKELY = 720, 0.02
"""Growth that would not reach a threshold in so many days, with a probability below that, is none to speak of;
between half and double of either, what the run before said stays."""


@dataclass(frozen=True, slots=True)
class Terms:
    """On what terms a run judges.

    Attributes
    ----------
    as_of_us : int
        Last moment that is known.
    step_us : int
        Width of a rollup.
    stale_us : int
        Age of the newest sample from which a series is stale (three usual distances at least).
    least_us : int
        A shorter history is too short.
    """

    as_of_us: int
    step_us: int
    stale_us: int
    least_us: int

    @property
    def day(self) -> int:
        """Days from the epoch to as_of."""
        return self.as_of_us // DAY_US


def item_states(
    out: Outcome, expected: Expected, items: Ints, counts: tuple[Ints, Ints], terms: Terms, *, lost: bool = False
) -> Records:
    """Return what was seen of each item, STATE (I,).

    Parameters
    ----------
    out : Outcome
        The shard's results.
    expected : Expected
        The run.
    items : int64 (I,)
        The shard's items.
    counts : (int64 (I,), int64 (I,))
        Samples that each one looked back on, and rollups that do not count.
    terms : Terms
        When a series is stale or too short.
    lost : bool
        The history could not be read: all that is not excluded is an error.
    """
    series = expected.owner[items]
    last_us = _last_us(out, expected, series, terms)
    # The grid starts where the rollup of the first sample does.
    history = (last_us - expected.first_us[series] // terms.step_us * terms.step_us) / DAY_US
    failed = out.enough & np.isnan(out.quantiles[:, 0, 1])
    stale = terms.as_of_us - last_us > np.maximum(terms.stale_us, 3 * np.maximum(out.step_us, out.distance_us))
    short = ~out.enough | (history * DAY_US < terms.least_us)
    status = np.select(
        [expected.excluded[series], np.full(items.size, lost), stale, short, failed, out.constant],
        [status_code(name) for name in ("excluded", "error", "stale", "too_short", "error", "constant")],
        status_code("ok"),
    )
    state = np.zeros(items.size, STATE)
    state["status"] = status
    state["grade"], state["reasons"] = grades(status, history, out)
    quiet = is_unknown(status)
    # What comes before a silence is not how the series moves now, and the silence itself would read as a level that
    # it keeps.
    state["pattern"] = np.where(quiet, -1, told(out.pattern, expected.storage[series], out.clean_ups))
    state["peak_hours"], state["ceiling"] = out.peak_hours, out.ceiling
    state["step_us"], state["last_us"], state["samples"] = out.step_us, last_us, counts[0]
    state["hidden"] = counts[1]
    state["last_change"] = np.where(quiet, NEVER, _day(terms.day - out.change_days))
    state["fitted"] = np.where(out.enough, terms.day - out.age, NEVER)
    state["history_days"] = np.round(history, 3)
    state["gap_pct"] = np.where(out.step_us > 0, 100.0 * out.gap, np.nan)
    state["above_bound_pct"] = 100.0 * out.beyond
    state["current"], state["current_p95"], state["growth_per_day"] = out.last, out.recent_p95, out.growth
    state["skill_vs_naive"], state["coverage_80"] = out.skill, out.coverage
    state["peak"], state["mixes"] = out.history[:, -1], out.mixes
    for place, day in enumerate((30, 90)):
        said = ~quiet & (state["history_days"] + 0.5 >= day)
        known = out.quantiles[:, day - 1, 1:] if day <= out.quantiles.shape[1] else np.full((items.size, 2), np.nan)
        state["ahead"][:, place] = np.where(said[:, None], known, np.nan)
    return state


def _last_us(out: Outcome, expected: Expected, series: Ints, terms: Terms) -> Ints:
    """Return when each item was last seen; without any rollup in reach when its last sample before as_of came."""
    seen = np.minimum((expected.last_us[series] // terms.step_us + 1) * terms.step_us, terms.as_of_us)
    return np.where(out.last_us > 0, out.last_us, seen)


def _day(days: Floats) -> Ints:
    """Return whole days since the epoch, `NEVER` for NaN."""
    return np.where(np.isnan(days), NEVER, np.nan_to_num(np.floor(days))).astype(np.int64)


def threshold_verdicts(
    out: Outcome, states: Records, expected: Expected, rows: Ints, owner: Ints, terms: Terms
) -> Records:
    """Return what is expected of each threshold, VERDICT (R,).

    Parameters
    ----------
    out : Outcome
        The shard's results.
    states : STATE (I,)
        Result of `item_states`.
    expected : Expected
        The run.
    rows : int64 (R,)
        The shard's thresholds.
    owner : int64 (R,)
        Item of each within the shard.
    terms : Terms
        The run.
    """
    level = levels(expected.thresholds.get_column("threshold"))[rows]
    lead = levels(expected.thresholds.get_column("lead_time_days")[rows])
    sign = np.where(expected.below[expected.item[rows]], -1.0, 1.0)
    item_status, history = states["status"][owner], states["history_days"][owner]
    seen = ~is_unknown(item_status)
    # Where one step alone is no crossing, one that was sustained at any hour of the last day still holds.
    peaks = out.history[owner, -7:] * sign[:, None]
    several = np.array([kind.sustain[1] > 1 for kind in expected.kinds])[
        expected.kind[expected.owner[expected.item[rows]]]
    ]
    with np.errstate(invalid="ignore"):
        over = seen & ((out.sustained_now[owner] * sign >= level * sign) | (several & (peaks[:, -1] >= level * sign)))
        days_over = (peaks >= (level * sign)[:, None]).sum(axis=1)
    # Nothing is said beyond the length of the history.
    reach = np.minimum(np.floor(history + 0.5), out.cumulative.shape[1]).astype(np.int64)
    ahead = np.arange(1, out.cumulative.shape[1] + 1)
    cumulative = np.where(seen[:, None] & (ahead <= reach[:, None]), out.cumulative, np.nan)
    cumulative[over] = np.where(np.isnan(cumulative[over]), np.nan, 1.0)
    sure = np.nan_to_num(cumulative)
    dates = {p: np.where(over, 0.0, date_by(sure, p, terms.as_of_us) - terms.day) for p in BAND}
    nothing = np.full(rows.size, np.nan)
    chance = {d: cumulative[:, d - 1] if d <= cumulative.shape[1] else nothing for d in SPANS}
    farthest = sure.max(axis=1, initial=0.0)
    with np.errstate(invalid="ignore"):
        room = level * sign - np.fmax(peaks[:, -1], out.sustained_now[owner] * sign)
        rise = out.growth[owner] * sign * FAR_OFF_DAYS
        idle = (farthest < UNLIKELY) & ~(rise > room)
        either = (farthest < 2 * UNLIKELY) & ~(rise > 2 * room) & ((farthest >= UNLIKELY / 2) | (2 * rise > room))
    status = np.select(
        [~seen, over, item_status == status_code("constant"), ~np.isnan(dates[0.5]), idle],
        [item_status, *(status_code(name) for name in ("breached", "constant", "will_breach", "no_trend"))],
        status_code("ok"),
    )
    with np.errstate(invalid="ignore"):
        near = np.fmax(peaks[:, -1], out.sustained_now[owner] * sign) > level * sign - MARGIN * np.abs(level)
        lately = (peaks[:, -QUIET_DAYS:] >= (level * sign)[:, None]).any(axis=1)
    verdict = np.zeros(rows.size, VERDICT)
    coming = (status != status_code("will_breach")) & (farthest >= LEAVES)
    either &= np.isin(status, [status_code("ok"), status_code("no_trend")])
    may = BREACHED_HOLDS * (near & lately) + COMING_HOLDS * coming + TREND_HOLDS * either
    verdict["holds"] = np.where(seen & ~over, may, 0)
    verdict["status"], verdict["days_over"], verdict["reach"], verdict["p_reach"] = status, days_over, reach, farthest
    verdict["severity"] = severity(status, chance, dates, lead)
    verdict["needed"] = np.where(np.isnan(out.needed_dated), out.needed[owner], out.needed_dated)
    verdict["days"] = np.stack([_day(dates[p]) for p in BAND], axis=1)
    verdict["chance"] = np.stack([chance[d] for d in SPANS], axis=1)
    return verdict


def daily_levels(out: Outcome, states: Records) -> Floats:
    """Return the measured daily peaks and the quantiles ahead of each item, float64 (I, 4 D).

    First the peaks of D days up to as_of, then p10, p50 and p90 of each of D days ahead; NaN where
    nothing is shown: quantiles end with the evidence, as far ahead as the history reaches back, a week at least.
    """
    days = out.quantiles.shape[1]
    shown = ~is_unknown(states["status"])
    reach = np.clip(np.ceil(states["history_days"]), 7, days)
    ahead = shown[:, None] & ~np.isnan(out.quantiles[:, :, 1]) & (np.arange(1, days + 1) <= reach[:, None])
    both = np.empty((states.size, 4 * days))
    both[:, :days] = np.where(shown[:, None], out.history[:, -days:], np.nan)
    both[:, days:] = np.where(ahead[:, :, None], out.quantiles, np.nan).reshape(states.size, 3 * days)
    return both
