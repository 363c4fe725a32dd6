"""What a rise consists of: parts that sum to it exactly, and name what was planted."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from capforecast.calendar import date_of, last_of_month, weekday
from capforecast.drivers import DRIVERS, Course, peaks_of_month, percents, split
from capforecast.kernels.grid import sustained_peaks
from capforecast.panel import DAY_US, HOUR_US, WEEK_US, Floats

LAST = 20_592
"""2026-05-19, a Tuesday."""

DAYS = 100
LEVELS = st.floats(-1e300, 1e300) | st.just(math.nan) | st.integers(-3, 3).map(float)


def hourly(level: Floats, rule: tuple[int, int] = (2, 3)) -> Course:
    peaks = np.empty((1, level.size // 24))
    sustained_peaks(level[None], 24, *rule, peaks)
    return Course(level, HOUR_US, peaks[0], LAST, rule)


def clock(days: int = DAYS) -> tuple[Floats, Floats]:
    """Return the days since the start, with their fractions, and the days since the epoch of each hour."""
    t = np.arange(24 * days) / 24
    return t, np.floor(t).astype(np.int64) + LAST - days + 1


def noise(days: int = DAYS, seed: int = 3) -> Floats:
    return np.random.default_rng(seed).standard_normal(24 * days)


def wave(t: Floats) -> Floats:
    return 0.5 + 0.5 * np.cos((t % 1 - 14 / 24) * 2 * np.pi)


def course_of(name: str) -> Course:
    """Return a history with one planted driver."""
    t, day = clock()
    if name == "trend":
        return hourly(72 + 0.45 * (t - DAYS) + 0.2 * noise())
    if name == "bend":
        return hourly(50 + 0.8 * np.maximum(0, t - 70) + 0.3 * noise())
    if name == "level_shift":
        return hourly(14 + 16 * wave(t) + 24 * (t >= 70) + noise())
    if name == "daily_season":
        return hourly(20 + 30 * wave(t) + noise())
    if name == "weekly_season":
        return hourly(20 + 30 * (weekday(day) < 5) + noise())
    if name == "month_end":
        return hourly(22 + 50 * np.sin(np.pi * (t % 1)) ** 2 * last_of_month(day) + noise())
    if name == "sawtooth":
        return hourly(60 + 0.25 * t + 20 * (t % 7) / 7 + 0.1 * noise(), (1, 1))
    raise KeyError(name)


@given(
    st.lists(LEVELS, min_size=1, max_size=130), st.integers(0, 400), st.floats(-1e300, 1e300),
    st.sampled_from([1.0, -1.0]), st.sampled_from([DAY_US, WEEK_US]),
)  # fmt: skip
def test_the_parts_sum_to_the_rise_whatever_the_data(
    peaks: list[float], ahead: int, target: float, sign: float, step_us: int
) -> None:
    """So far, to come and on the whole, to 1e-9 of the largest of them; whole percents sum to 100."""
    known = np.array(peaks)
    if np.isnan(known).all():
        known[-1] = 0.0
    found = split(Course(known, step_us, known, LAST), LAST + ahead, target, sign)
    size = max(abs(found.base), abs(found.now), abs(found.target), *(abs(part.whole) for part in found.parts), 1e-300)
    rises = {
        "so_far": found.now - found.base, "to_come": found.target - found.now, "whole": found.target - found.base
    }  # fmt: skip
    for stage, rise in rises.items():
        amounts = [getattr(part, stage) for part in found.parts]
        assert math.fsum(amounts) == pytest.approx(rise, rel=1e-9, abs=1e-9 * size)
        shares = found.shares(stage)
        assert shares is None or (sum(shares) == 100 and len(shares) == len(found.parts))
    assert found.target == sign * target
    assert [part.driver for part in found.parts if part.driver != "level_shift"] == [
        driver for driver in DRIVERS if driver != "level_shift"
    ]


@given(st.lists(st.floats(-1e9, 1e9), min_size=1, max_size=12))
def test_percents_are_the_nearest_that_sum_to_100(parts: list[float]) -> None:
    """No share is a whole percent or more away from its part, but for parts that cancel."""
    shares = percents(parts)
    size = max(map(abs, parts))
    if shares is None:
        assert abs(math.fsum(parts)) <= 1e-8 * size
        return
    assert sum(shares) == 100
    total = math.fsum(parts)
    if abs(total) > 1e-3 * size:
        assert all(abs(share - 100 * part / total) < 1 for share, part in zip(shares, parts, strict=True))


def test_percents_give_what_is_left_to_the_largest_remainders() -> None:
    """The first of equals first; parts that pull the other way are negative."""
    assert percents([1.0, 1.0, 1.0]) == [34, 33, 33]
    assert percents([2.0, -1.0]) == [200, -100]
    assert percents([1.0, -1.0]) is None
    assert percents([0.0]) is None


@pytest.mark.parametrize(
    ("name", "largest", "ahead", "target"),
    [
        ("trend", "trend", 18, 80.0),
        ("bend", "trend", 20, 90.0),
        ("level_shift", "level_shift", 30, 54.0),
        ("daily_season", "daily_season", 3, 51.0),
        ("weekly_season", "weekly_season", 2, 52.0),
        ("month_end", "month_end", 12, 72.0),
        ("sawtooth", "trend", 60, 110.0),
    ],
)
def test_the_largest_driver_is_the_one_that_was_planted(name: str, largest: str, ahead: int, target: float) -> None:
    """A leak, a bend, a step, a wave of the day, of the week and of the month, a sawtooth whose floor rises."""
    found = split(course_of(name), LAST + ahead, target)
    shares = found.shares()
    assert found.largest == largest
    assert shares is not None
    assert max(shares) == sum(s for s, p in zip(shares, found.parts, strict=True) if p.driver == largest) > 60


def test_shifts_and_bends_are_dated() -> None:
    """On the first day that has the new level, and near the day on which the slope changed."""
    shift = next(part for part in split(course_of("level_shift"), LAST, 54.0).parts if part.driver == "level_shift")
    assert date_of(shift.day or 0).isoformat() == "2026-04-20"
    assert (shift.so_far, shift.to_come) == (pytest.approx(24.0, abs=1.0), 0.0)
    trend = split(course_of("bend"), LAST, 74.0).parts[0]
    assert abs((trend.day or 0) - (LAST - DAYS + 1 + 70)) <= 2


def test_two_shifts_are_two_parts() -> None:
    """One up, one down later: both are in force, each with its date."""
    t, _ = clock()
    found = split(hourly(40 + 20 * (t >= 40) - 8 * (t >= 75) + 0.3 * noise(), (1, 1)), LAST + 30, 52.5)
    shifts = [(part.day, part.so_far) for part in found.parts if part.driver == "level_shift"]
    assert [day for day, _ in shifts] == [LAST - DAYS + 1 + 40, LAST - DAYS + 1 + 75]
    assert [size for _, size in shifts] == [pytest.approx(20, abs=1), pytest.approx(-8, abs=1)]


def test_a_shift_that_was_taken_back_is_no_part() -> None:
    """An incident of ten days, and what came after it is as before."""
    t, _ = clock()
    found = split(hourly(40 + 20 * ((t >= 50) & (t < 60)) + 0.3 * noise(), (1, 1)), LAST + 30, 60.0)
    assert all(part.driver != "level_shift" for part in found.parts)
    assert found.base == pytest.approx(40.5, abs=0.5)


def test_the_trend_to_come_is_that_of_the_newest_piece() -> None:
    """Its slope per day times the days, in the unit of the series where low values hurt too."""
    found = split(course_of("bend"), LAST + 20, 90.0)
    assert found.slope == pytest.approx(0.8, abs=0.02)
    assert found.parts[0].to_come == pytest.approx(20 * found.slope)
    t, _ = clock()
    course = hourly(-(80 - 0.5 * t) + 0.1 * noise())
    falling = split(course, LAST + 20, -20.0, -1.0)
    assert falling.slope == pytest.approx(-0.5, abs=0.01)
    assert (falling.target, falling.now) == (20.0, -course.peaks[-1])
    assert falling.shares() == split(course, LAST + 20, -20.0).shares()


def test_a_line_has_no_rest_where_it_meets_the_threshold_within_a_day() -> None:
    """A level that is met 0.4 days before the end of a day leaves nothing over; taken for its end it would."""
    t, _ = clock()
    course = hourly(50 + 0.5 * t, (1, 1))
    target = float(course.peaks[-1]) + 0.5 * (20 - 0.4)
    met, day = (split(course, LAST + 20, target, before=before) for before in (0.4, 0.0))

    assert met.target_day == day.target_day == LAST + 20
    assert met.parts[-1].whole == pytest.approx(0.0, abs=1e-9)
    assert day.parts[-1].whole == pytest.approx(-0.5 * 0.4)


def test_a_constant_level_has_parts_that_are_exactly_nothing() -> None:
    """And so no shares."""
    found = split(hourly(np.full(24 * DAYS, 40960000000.3)), LAST + 9, 40960000000.3)
    assert {(part.so_far, part.to_come) for part in found.parts} == {(0.0, 0.0)}
    assert found.shares() is None


def test_noise_alone_has_neither_shifts_nor_weekly_nor_month_end_parts() -> None:
    """In 40 histories of plain noise, and in 40 with bursts."""
    for seed in range(40):
        for level in (40 + noise(seed=seed), 10 + 25 * np.maximum(0, noise(seed=seed) - 1.5)):
            parts = split(hourly(level), LAST + 30, 60.0).parts
            shifts = [part for part in parts if part.driver == "level_shift"]
            assert not shifts
            assert {p.whole for p in parts if p.driver in ("weekly_season", "month_end")} == {0.0}


def test_what_comes_with_the_end_of_the_month_is_recognised() -> None:
    """In a history that has it twice or more, not in others."""
    assert peaks_of_month(course_of("month_end"))
    assert not peaks_of_month(course_of("weekly_season"))
    assert not peaks_of_month(Course(np.full(3, np.nan), DAY_US, np.full(3, np.nan), LAST))


def test_the_calendar_knows_weekdays_and_ends_of_months() -> None:
    """2026-05-19 is a Tuesday; February ends on the 29th in a leap year."""
    assert weekday(LAST) == 1
    leap = (np.datetime64("2028-02-28") - np.datetime64("1970-01-01")).astype(int)
    assert last_of_month(np.array([leap, leap + 1, leap + 2])).tolist() == [False, True, False]
    assert date_of(LAST).isoformat() == "2026-05-19"
