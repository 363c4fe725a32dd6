"""What a shard is asked and what it answers, as arrays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from capforecast.breach import Outlook
from capforecast.forecast import Recipe
from capforecast.models import Model
from capforecast.panel import Floats, Forecast, Ints
from capforecast.scores import Records, no_mixes
from capforecast.timings import Timings

PAST_DAYS = 200
"""Daily peaks that are looked back on."""


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
    grounds: list[Grounds] | None = None
    """Where what a block was judged by is put, for those who ask more of it than the outcome tells."""


@dataclass(frozen=True, slots=True)
class Grounds:
    """What a block of items was judged by, high hurts: I items alike in step and rule.

    Attributes
    ----------
    items : int64 (I,)
        The items.
    values, daily : float64 (I, T), float64 (I, D)
        Levels on the natural step, and their sustained peaks per day.
    legs : tuple of Forecast
        The near forecast, where there is one, and the far one.
    future : Outlook
        Their futures, joined.
    step_us : int
        Natural step.
    rule : (int, int)
        A level is sustained when it is held in k of n steps.
    """

    items: Ints
    values: Floats
    daily: Floats
    legs: tuple[Forecast, ...]
    future: Outlook
    step_us: int
    rule: tuple[int, int]


@dataclass(slots=True)
class Outcome:
    """Results of a shard: per item (I), per threshold (R); NaN where nothing can be said.

    Levels are in the unit of the series. `enough` tells whether an item was forecast, and `age` how many days
    ago: 0 for a forecast of now. `known` counts the steps of the last sixty days that hold a value. `needed` is
    the level that is met within 90 days, or the horizon where it is shorter, with the target's probability;
    `needed_dated` the same of a threshold that will change: what it had to be now, with its changes on top.
    `mixes` are those of the near and the far forecast; `names` numbers the members in them and in `scores`.
    `history` is the sustained peak of each day up to now. `clean_ups` to `peak_hours` are as in
    `capforecast.pattern.Motion`, the ceiling NaN where there is none.
    """

    enough: np.ndarray
    age: Ints
    known: Ints
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
    clean_ups: Ints
    since_clean_up_us: Floats
    clean_up_apart_days: Floats
    ceiling: Floats
    peak_hours: Ints
    skill: Floats
    coverage: Floats
    history: Floats
    quantiles: Floats
    needed: Floats
    needed_dated: Floats
    cumulative: Floats
    mixes: Records
    scores: list[Records]
    names: dict[str, int]


def empty(count: int, thresholds: int, days: int) -> Outcome:
    """Return the outcome of so many items and thresholds of which nothing is known."""

    def blank(*shape: int) -> Floats:
        return np.full(shape, np.nan)

    return Outcome(
        enough=np.zeros(count, bool), age=np.zeros(count, np.int64), known=np.zeros(count, np.int64),
        step_us=np.zeros(count, np.int64), last=blank(count),
        last_us=np.zeros(count, np.int64), distance_us=np.zeros(count, np.int64),
        recent_p95=blank(count), sustained_now=blank(count),
        growth=blank(count), change_days=blank(count), gap=blank(count), beyond=blank(count),
        constant=np.zeros(count, bool), pattern=np.full(count, -1, np.int64),
        clean_ups=np.zeros(count, np.int64), since_clean_up_us=blank(count), 
        clean_up_apart_days=blank(count), ceiling=blank(count),
        peak_hours=np.full((count, 2), (-1, 0), np.int64), skill=blank(count),
        coverage=blank(count), history=blank(count, max(days, PAST_DAYS)), quantiles=blank(count, days, 3),
        needed=blank(count), needed_dated=blank(thresholds), cumulative=blank(thresholds, days),
        mixes=no_mixes(count), scores=[], names={},
    )  # fmt: skip
