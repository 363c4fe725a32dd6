"""Month ends: recognised by what they add, taken off the history, and laid on the month ends to come."""

from __future__ import annotations

import numpy as np
import pytest

from capforecast.forecast import forecast, quantiles
from capforecast.monthly import last_days, monthly, stands_out
from capforecast.panel import DAY_US, HOUR_US, Panel
from capforecast.pool import FAR, families
from capforecast.times import parse_moment

END_US = parse_moment("2026-05-20")


def peaks(days: int = 120, end_us: int = END_US, height: float = 50.0, noise: float = 1.0) -> np.ndarray:
    """Return daily peaks around 30 whose last days of months stand out."""
    rng = np.random.default_rng(3)
    values = 30 + noise * rng.normal(size=(2, days))
    values[0, last_days(end_us, days)] += height
    return values


def panel(values: np.ndarray, end_us: int = END_US, step_us: int = DAY_US) -> Panel:
    ends = np.full(len(values), end_us)
    return Panel(values, step_us, ends, np.zeros(len(values)), np.full(len(values), 100.0))


def test_last_days_have_the_date_of_the_middle_of_a_day() -> None:
    """Of 25 days up to the 20th of May the fifth, 30 April, is one; a window from noon to noon is the later day."""
    assert last_days(END_US, 25).tolist() == [5]
    assert last_days(END_US, 25, 20).tolist() == [5, 36]
    assert last_days(END_US + 12 * HOUR_US, 25).tolist() == [4]
    assert last_days(END_US + 11 * HOUR_US, 25).tolist() == [5]


def test_only_month_ends_that_come_again_stand_out() -> None:
    """Noise, two months only, and peaks in the middle of months do not."""
    assert stands_out(peaks(), np.zeros(2, np.int64), END_US).tolist() == [True, False]
    assert not stands_out(peaks(70), np.zeros(2, np.int64), END_US).any()
    assert not stands_out(np.roll(peaks(), 10, axis=1), np.zeros(2, np.int64), END_US).any()
    rng = np.random.default_rng(0)
    assert stands_out(rng.normal(size=(2000, 800)), np.zeros(2000, np.int64), END_US).sum() == 0


def test_what_was_added_is_taken_off_and_laid_on_the_right_days() -> None:
    """The history is ordinary afterwards, each month of the past has its future, other series are not touched."""
    made = monthly(panel(peaks(noise=0.0)), 30)
    assert made is not None
    np.testing.assert_allclose(made.without(peaks(noise=0.0)), 30.0)
    mean, paths = np.full((2, 30), 30.0), np.full((2, 5, 30), 30.0)
    made.onto(mean, paths)
    assert np.flatnonzero(mean[0] > 31).tolist() == [11]
    np.testing.assert_allclose(paths[0, :, 11], 80.0)
    assert (paths[1] == 30.0).all()


@pytest.mark.parametrize("day", ["2026-05-27", "2026-05-30", "2026-05-31", "2026-06-01", "2026-06-02"])
def test_a_forecast_peaks_at_the_end_of_the_month(day: str) -> None:
    """Also from an origin amid a month's end; ordinary days stay ordinary."""
    end_us = parse_moment(day)
    _, far, _ = families("pool")
    result = forecast(panel(peaks(125, end_us), end_us), far, 60, FAR)
    middle = quantiles(result, (0.5,))[0, :, 0]
    ends = last_days(end_us, 1, 60) - 1
    ends = ends[ends >= 0]
    np.testing.assert_allclose(middle[ends], 80.0, atol=5.0)
    assert np.delete(middle, ends).max() < 40.0


def test_gaps_and_short_histories_add_nothing() -> None:
    """No days, one day, hours, and nothing but gaps have no month ends."""
    for values in (np.empty((1, 0)), np.ones((1, 1)), np.full((1, 200), np.nan)):
        assert monthly(panel(values), 10) is None
    assert monthly(panel(peaks(), step_us=HOUR_US), 10) is None
    holed = peaks()
    holed[0, ::7] = np.nan
    made = monthly(panel(holed), 40)
    assert made is None or np.isfinite(made.ahead).all()
