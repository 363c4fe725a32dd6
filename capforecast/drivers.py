"""What a rise consists of: trend, dated level shifts, seasons and a rest, which add up to it exactly."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from capforecast.calendar import last_of_month, weekday
from capforecast.decomposition import fitted, month_stands_out
from capforecast.kernels.grid import sustained_peaks
from capforecast.kernels.origins import fill_gaps
from capforecast.panel import DAY_US, Floats, Ints

WINDOW = 120
"""Most steps that are looked back on."""

STILL = 1e-9
"""A rise that is less of the level than this is none."""

DRIVERS = ("trend", "level_shift", "daily_season", "weekly_season", "month_end", "residual")


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a rise, in the unit of the series.

    Attributes
    ----------
    driver : str
        One of `DRIVERS`.
    so_far, to_come : float
        What it adds from the base to now, and from now to the target.
    day : int or None
        Day of a level shift, or from which on the trend has its present slope, since the epoch.
    """

    driver: str
    so_far: float
    to_come: float
    day: int | None = None

    @property
    def whole(self) -> float:
        """What it adds from the base to the target."""
        return self.so_far + self.to_come


@dataclass(frozen=True, slots=True)
class Split:
    """A rise and its parts; days are counted since the epoch, levels are in the unit of the series.

    Attributes
    ----------
    base_day, now_day, target_day : int
        First step looked back on, newest step, step that is looked at.
    base, now, target : float
        Level of the trend at the base without any season; measured peaks now; level looked at.
    slope : float
        What the trend adds per day now.
    parts : tuple of Part
        In the order of `DRIVERS`, shifts by day.
    """

    base_day: int
    now_day: int
    target_day: int
    base: float
    now: float
    target: float
    slope: float
    parts: tuple[Part, ...]

    def shares(self, stage: str = "whole") -> list[int] | None:
        """Return the whole percents of the parts; they sum to 100.

        Parameters
        ----------
        stage : str
            ``so_far``, ``to_come`` or ``whole``.

        Returns
        -------
        list of int or None
            None where nothing rises or falls. Rounded by largest remainders: every share is rounded down, and
            those that lost most get the percents that are left, the first of equals first. Parts that
            pull the other way are negative, and others then exceed 100.
        """
        amounts = [getattr(part, stage) for part in self.parts]
        size = max(abs(self.base), abs(self.now), abs(self.target))
        return percents(amounts) if abs(math.fsum(amounts)) > STILL * size else None

    @property
    def largest(self) -> str:
        """The driver whose parts add most on the whole, up or down, shifts and seasons each taken together."""
        names = {"daily_season": "season", "weekly_season": "season", "month_end": "season"}
        sums: dict[str, float] = {}
        for part in self.parts:
            name = names.get(part.driver, part.driver)
            sums[name] = sums.get(name, 0.0) + part.whole
        first = max(sums, key=lambda name: abs(sums[name]))
        if first != "season":
            return first
        return max((p for p in self.parts if p.driver in names), key=lambda part: abs(part.whole)).driver


def percents(parts: Sequence[float]) -> list[int] | None:
    """Return parts of their sum in whole percents that sum to 100, by largest remainders; None for a sum of zero."""
    size = max(map(abs, parts), default=0.0)
    scaled = np.array(parts, float) / size if size > 0.0 else np.zeros(len(parts))
    total = float(scaled.sum())
    if abs(total) < 1e-9:
        return None
    exact = 100.0 * scaled / total
    down = np.floor(exact).astype(np.int64)
    order = np.argsort(-(exact - down), kind="stable")
    # Rounding errors of sums may leave a few more or fewer than there are parts.
    left = 100 - int(down.sum())
    np.add.at(down, order[np.arange(abs(left)) % order.size], np.sign(left))
    return [int(share) for share in down]


@dataclass(frozen=True, slots=True)
class Course:
    """A history and where it is expected to go, high hurts.

    Attributes
    ----------
    levels : float64 (T,)
        Levels on the natural step, right-aligned, NaN where missing.
    step_us : int
        Natural step.
    peaks : float64 (D,)
        Sustained peaks of the days (of the steps, where a step is longer), NaN where missing.
    last_day : int
        Day of the newest peak, since the epoch.
    rule : (int, int)
        A level is sustained when it is held in k of n steps.
    """

    levels: Floats
    step_us: int
    peaks: Floats
    last_day: int
    rule: tuple[int, int] = (1, 1)

    @property
    def step_days(self) -> int:
        """Days between neighbouring peaks."""
        return max(self.step_us // DAY_US, 1)

    def window(self) -> tuple[Floats, Ints]:
        """Return the newest peaks, beginning with a known one, gaps filled from the past, and their days."""
        filled, first = np.empty((1, self.peaks.size)), np.empty(1, np.int64)
        fill_gaps(self.peaks[None, :], 1, filled, first)
        start = max(int(first[0]), self.peaks.size - WINDOW)
        days = self.last_day - self.step_days * np.arange(self.peaks.size - 1 - start, -1, -1, dtype=np.int64)
        return np.ascontiguousarray(filled[0, start:]), days


def peaks_of_month(course: Course) -> bool:
    """Tell whether the last days of months stand out of a history."""
    y, days = course.window()
    if not y.size:
        return False
    return month_stands_out(_scaled(y)[0], days, course.step_days)


def split(course: Course, target_day: int, target: float, sign: float = 1.0, before: float = 0.0) -> Split:
    """Split the rise from where a history began, over now, to a level on a day to come.

    Parameters
    ----------
    course : Course
        History with at least one known peak.
    target_day : int
        Day since the epoch, that of the newest peak or later.
    target : float
        Level on it, high hurts.
    sign : float
        1 where high values hurt, -1 where low ones do: the split is in the unit of the series.
    before : float
        Share of a day by which the level is met before the end of that day.

    Notes
    -----
    The newest `WINDOW` peaks y(t), t = 0 ... n with t = n for now, are described by ::

        y(t) = a + trend(t) + sum_j c_j [t >= s_j] + week(t) + month(t) + e(t),   trend(0) = 0,

    with a trend of one or two straight pieces, shifts c_j at s_j, weekday effects that sum to zero over a week,
    an effect of the last day of a month, fitted together by Huber's robust least squares. Shifts are the
    lasting jumps of `capforecast.kernels.trend.slopes`; jumps that the trend between them undoes, as in a
    sawtooth, are how the series behaves and none, and of two that undo each other neither is in force.
    Seasons are in only where they take much of what is not level. Of a, the part d = (sustained peak -
    mean) of the median day without its share of the trend is split off: the base is B = a - d. For a target
    L at u, the day less `before`, the parts, so far and to come, are ::

        trend   trend(n)            trend(u) - trend(n), along the last piece
        shifts  c_j                 0
        day     d                   0
        week    week(n)             week(u) - week(n)
        month   month(n)            month(u) - month(n)
        rest    y(n) - B - others   L - y(n) - others

    so that they sum to y(n) - B and L - y(n), and together to L - B, whatever the data: the rest is what is
    left over. Of the part to come it is what the forecast adds to or takes from trend and season.
    """
    y, days = course.window()
    y, factor = _scaled(y, abs(target) * 1e-9)
    ahead = (target_day - course.last_day - before) / course.step_days
    # Differences from the level now keep a constant history exactly constant.
    fit = fitted(y - y[-1], days, course.step_days)
    daily = _daily_part(course, factor, fit.slope)
    base = y[-1] + fit.start - daily
    season_now = fit.week[weekday(days[-1])], fit.month * last_of_month(days[-1])
    season_then = fit.week[weekday(target_day)], fit.month * last_of_month(target_day)
    shifts = fit.in_force()
    so_far = [fit.rise, *(size for _, size in shifts), daily, *season_now]
    to_come = [fit.slope * ahead, *(0.0 for _ in shifts), 0.0]
    to_come += [then - now for then, now in zip(season_then, season_now, strict=True)]
    so_far.append(y[-1] - base - float(np.sum(so_far)))
    to_come.append(target / factor - y[-1] - float(np.sum(to_come)))
    bend = None if fit.knot is None else int(days[fit.knot])
    drivers = ["trend", *("level_shift" for _ in shifts), *DRIVERS[2:]]
    dated = [bend, *(int(days[at]) for at, _ in shifts), *(None for _ in DRIVERS[2:])]
    scale = sign * factor
    parts = tuple(
        Part(driver, scale * float(past) + 0.0, scale * float(coming) + 0.0, day)
        for driver, past, coming, day in zip(drivers, so_far, to_come, dated, strict=True)
    )
    return Split(
        int(days[0]), int(days[-1]), int(target_day), scale * float(base), scale * float(y[-1]), sign * target,
        scale * float(fit.slope) / course.step_days, parts,
    )  # fmt: skip


def _scaled(y: Floats, least: float = 0.0) -> tuple[Floats, float]:
    """Return levels near one, and the power of two they were divided by, that of `least` at least."""
    size = float(np.abs(y).max(initial=least))
    factor = float(2.0 ** np.floor(np.log2(size))) if size > 0.0 else 1.0
    return y / factor, factor


def _daily_part(course: Course, factor: float, slope: float) -> float:
    """Return how far the sustained peak of the median day lies over its mean, without trend; 0 for steps of days."""
    per_day = DAY_US // course.step_us if course.step_us < DAY_US else 1
    whole = min(course.levels.size // per_day, WINDOW)
    if per_day < 2 or whole < 3:
        return 0.0
    table = course.levels[course.levels.size - whole * per_day :].reshape(whole, per_day) / factor
    table = table[~np.isnan(table).any(axis=1)]
    if table.shape[0] < 3:
        return 0.0
    usual = np.median(table - table.mean(axis=1, keepdims=True), axis=0)
    usual -= slope * (np.arange(per_day) / per_day - 0.5 * (per_day - 1) / per_day)
    peaks = np.empty((1, 2))
    sustained_peaks(np.tile(usual, 2)[None, :], per_day, *course.rule, peaks)
    return float(peaks[0, 1] - usual.mean())
