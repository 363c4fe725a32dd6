"""From paths to probabilities and dates: cases that can be counted on fingers, and laws that always hold."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from capforecast.breach import (
    BAND,
    Outlook,
    days_to,
    joined,
    level_needed,
    levels,
    outlook,
    probabilities,
    seen_from,
)
from capforecast.panel import DAY_US, HOUR_US, WEEK_US, Floats, Forecast

NAN = np.nan


def future(paths: Floats, weights: Floats, step_us: int) -> Forecast:
    """Return a forecast that holds only paths."""
    none = np.empty((len(paths), 0))
    return Forecast(
        none, paths, weights, (), np.empty((len(paths), 0, 0)), none, none, none, np.empty((len(paths), 0), np.int64),
        (), step_us,
    )  # fmt: skip


def look(paths: object, weights: object) -> Outlook:
    return Outlook(np.array([paths], float), np.array([weights], float))


def crossed(seen: Outlook, *threshold: float) -> Floats:
    return probabilities(seen, np.zeros(len(threshold), np.int64), np.array(threshold))


@st.composite
def looks(draw: st.DrawFn, days: int) -> Outlook:
    rng = np.random.default_rng(draw(st.integers(0, 999)))
    count = draw(st.integers(1, 9))
    weights = rng.random((2, count)) + 0.01
    return Outlook(rng.normal(size=(2, count, days)), weights / weights.sum(axis=1, keepdims=True))


# --- outlook ------------------------------------------------------------------------------------


def test_hours_become_sustained_days() -> None:
    """Two of three: hours 8 and 10 of day 1 give their lower level, the lone hour of day 2 gives nothing."""
    path = np.zeros(48)
    path[[8, 10]] = 5.0, 7.0
    path[30] = 9.0
    got = outlook(future(path[None, None], np.ones((1, 1)), HOUR_US), np.zeros((1, 2)), 2, 3)
    np.testing.assert_array_equal(got.peaks, [[[5.0, 0.0]]])
    assert got.days == 2


def test_a_crossing_may_have_begun_before_the_origin() -> None:
    """The last measured hour and the first one ahead are two of three."""
    path = np.zeros((1, 1, 24))
    path[0, 0, 0] = 6.0
    for recent, want in (([0.0, 8.0], 6.0), ([8.0, 0.0], 6.0), ([0.0, 0.0], 0.0), ([NAN, NAN], 0.0)):
        got = outlook(future(path, np.ones((1, 1)), HOUR_US), np.array([recent]), 2, 3)
        assert got.peaks.tolist() == [[[want]]]


def test_days_stay_and_weeks_are_seven_days() -> None:
    """Steps of a day or more hold sustained peaks already."""
    paths = np.array([[[1.0, 2.0]]])
    none = np.empty((1, 0))
    np.testing.assert_array_equal(outlook(future(paths, np.ones((1, 1)), DAY_US), none, 2, 3).peaks, paths)
    weeks = outlook(future(paths, np.ones((1, 1)), WEEK_US), none, 2, 3).peaks
    np.testing.assert_array_equal(weeks, [[[1.0] * 7 + [2.0] * 7]])


# --- probabilities and dates --------------------------------------------------------------------


def test_probabilities_are_shares_of_paths() -> None:
    """Of paths weighing .5, .3 and .2 the first crosses 10 on day 2, the second on day 3, the third never."""
    seen = look([[1, 10, 0], [9, 9, 11], [9.9, 9.9, 9.9]], [0.5, 0.3, 0.2])
    np.testing.assert_allclose(crossed(seen, 10.0), [[0.0, 0.5, 0.8]])


def test_dates_are_the_first_days_that_reach_a_probability() -> None:
    """P = 0, .1, .5, .5: a tenth on day 2, a half on day 3, nine tenths beyond the horizon."""
    got = [days_to(np.array([[0.0, 0.1, 0.5, 0.5]]), p)[0] for p in BAND]
    np.testing.assert_array_equal(got, [2.0, 3.0, NAN])
    # Ten weights of a tenth do not sum to exactly one half and nine tenths.
    tenths = np.cumsum(np.full((1, 10), 0.1), axis=1)
    assert [days_to(tenths, p)[0] for p in BAND] == [1.0, 5.0, 9.0]


def test_no_forecast_has_no_date() -> None:
    """NaN is not a probability that is reached."""
    assert np.isnan(days_to(np.full((1, 4), NAN), 0.5)).all()


@given(seen=looks(6), threshold=st.floats(-3, 3), more=st.floats(0, 3))
def test_more_capacity_is_never_crossed_earlier(seen: Outlook, threshold: float, more: float) -> None:
    """Probabilities fall along thresholds and rise along days; dates follow."""
    near, far = crossed(seen, threshold, threshold + more)
    assert (far <= near + 1e-15).all()
    assert (np.diff(near) >= 0).all()
    for p in BAND:
        first, later = days_to(np.stack([near, far]), p)
        assert not later < first
        assert not (np.isnan(first) and not np.isnan(later))


@given(seen=looks(6), seed=st.integers(0, 999))
def test_a_threshold_that_changes_is_met_where_a_path_meets_the_level_of_its_day(seen: Outlook, seed: int) -> None:
    """Equal to asking each path day by day; a level that is met exactly counts, one that is switched off never."""
    rng = np.random.default_rng(seed)
    owner = rng.integers(0, 2, 5)
    levels_of = rng.normal(size=(5, 7))
    levels_of[0, 3:] = np.inf
    levels_of[1, 2] = seen.peaks[owner[1], 0, 1]
    got = probabilities(seen_from(seen, owner, levels_of), np.arange(5), levels_of[:, 0].copy())
    over = seen.peaks[owner] >= levels_of[:, None, 1:]
    met = np.maximum.accumulate(over, axis=2)
    np.testing.assert_allclose(got, (met * seen.weights[owner][:, :, None]).sum(axis=1), atol=1e-9)


def test_what_a_threshold_had_to_be_now_has_its_changes_on_top() -> None:
    """A path at 12 on day 1 and at 20 on day 2 needs 12 now, where 10 more come on day 2; 20 without."""
    seen = look([[12.0, 20.0]], [1.0])
    for later, want in ((20.0, 12.0), (10.0, 20.0), (25.0, 12.0)):
        dated = seen_from(seen, np.array([0]), np.array([[10.0, 10.0, later]]))
        np.testing.assert_allclose(level_needed(dated, 0.1), want)


# --- joining ------------------------------------------------------------------------------------


@given(near=looks(3), far=looks(8), threshold=st.floats(-3, 3), more=st.floats(0, 3))
def test_joined_futures_are_lawful(near: Outlook, far: Outlook, threshold: float, more: float) -> None:
    """The near days are as the near paths say, the sum is one, and more capacity is never crossed earlier."""
    both = joined(near, far)
    assert both.days == 8
    np.testing.assert_allclose(both.weights.sum(axis=1), 1.0)
    close, further = crossed(both, threshold, threshold + more)
    assert (further <= close + 1e-12).all()
    assert (np.diff(close) >= 0).all()
    np.testing.assert_allclose(close[:3], crossed(near, threshold)[0], atol=1e-9)


# --- levels -------------------------------------------------------------------------------------


@given(seen=looks(5))
def test_levels_rise_and_lie_between_the_paths(seen: Outlook) -> None:
    """p10 <= p50 <= p90 on every day, none outside of what the paths reach."""
    got = levels(None, seen)
    assert got.shape == (2, 5, 3)
    assert (np.diff(got, axis=2) >= 0).all()
    assert (got >= seen.peaks.min(axis=1)[:, :, None]).all()
    assert (got <= seen.peaks.max(axis=1)[:, :, None]).all()


def test_levels_of_five_equal_paths() -> None:
    """Midpoints of five weights of .2 are .1, .3, .5, .7, .9, so the three levels are paths themselves."""
    got = levels(None, look([[v] for v in (30, 10, 50, 20, 40)], [0.2] * 5))
    np.testing.assert_allclose(got, [[[10.0, 30.0, 50.0]]])


@given(seen=looks(5), target=st.sampled_from([0.05, 0.1, 0.3, 0.5]))
def test_the_level_needed_is_the_lowest_that_suffices(seen: Outlook, target: float) -> None:
    """Just above it a breach within the horizon is at most as likely as the target; at it, more likely."""
    for s, level in enumerate(level_needed(seen, target)):
        one = Outlook(seen.peaks[s : s + 1], seen.weights[s : s + 1])
        at, above = crossed(one, level, np.nextafter(level, np.inf))
        assert above[-1] <= target + 1e-9
        assert at[-1] > target - 1e-9


def test_levels_are_those_of_the_joined_futures() -> None:
    """Day by day, joining fine and coarse paths leaves their own quantiles."""
    rng = np.random.default_rng(4)
    near = look(rng.normal(size=(5, 3)).tolist(), [0.2] * 5)
    far = look(rng.normal(size=(4, 8)).tolist(), [0.25] * 4)
    got, whole = levels(near, far), levels(None, joined(near, far))
    lead, rest = levels(None, near), levels(None, far)
    np.testing.assert_array_equal(got, np.concatenate((lead, rest[:, 3:]), axis=1))
    # Paths cut in two by the joining take more places between the same values.
    assert (np.abs(got - whole) <= np.ptp(np.concatenate((near.peaks.ravel(), far.peaks.ravel())))).all()


def test_levels_without_paths_are_unknown() -> None:
    """No weight, no level, no probability."""
    seen = look([[NAN, NAN]], [0.0])
    assert np.isnan(levels(None, seen)).all()
    assert np.isnan(level_needed(seen, 0.1)).all()
    assert np.isnan(crossed(seen, 5.0)).all()


@pytest.mark.parametrize("scale", [1e-12, 1e15])
def test_units_do_not_matter(scale: float) -> None:
    """Bytes or exabytes: the same probabilities."""
    rng = np.random.default_rng(2)
    peaks, weights = rng.random((1, 7, 4)), np.full((1, 7), 1 / 7)
    want = crossed(Outlook(peaks, weights), 0.5, 0.9)
    np.testing.assert_array_equal(crossed(Outlook(peaks * scale, weights), 0.5 * scale, 0.9 * scale), want)
