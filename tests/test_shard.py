"""Shards: lawful probabilities, nothing from after the end, and no trace of how series were dealt out."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from capforecast import registry
from capforecast.breach import days_to
from capforecast.history import History, Items
from capforecast.panel import DAY_US, HOUR_US, MINUTE_US, WEEK_US
from capforecast.shard import run
from tests.shards import (
    END_US,
    Row,
    assert_same,
    items_of,
    models_of,
    plan_of,
    rollups_of,
    run_rows,
    scores_of,
    thresholds_of,
)
from tests.strategies import KINDS, levels

STEPS = (HOUR_US, 6 * HOUR_US, DAY_US, WEEK_US)
RULES = ((1, 1), (2, 3))


@st.composite
def rows(draw: st.DrawFn, most: int = 4) -> list[Row]:
    """Draw series of any kind and step, with thresholds around their levels."""
    out = []
    for _ in range(draw(st.integers(1, most))):
        step_us = draw(st.sampled_from(STEPS))
        longest = {HOUR_US: 24 * 20, 6 * HOUR_US: 200, DAY_US: 120, WEEK_US: 40}[step_us]
        values = levels(draw(st.sampled_from(KINDS)), draw(st.integers(0, 99)), draw(st.integers(1, longest)))
        known = values[~np.isnan(values)]
        low, high = (float(known.min()), float(known.max())) if known.size else (0.0, 1.0)
        parts = np.array([-0.2, 0.3, 0.7, 1.0, 1.1, 1.5, 3.0])
        k, n = draw(st.sampled_from(RULES))
        bounded = draw(st.booleans())
        out.append(
            Row(
                values,
                step_us,
                tuple(low + parts * (high - low)),
                draw(st.sampled_from([1.0, -1.0])),
                low if bounded else -np.inf,
                high + 0.5 * (high - low) if bounded else np.inf,
                k,
                n,
            )
        )
    return out


def fleet(count: int = 10) -> list[Row]:
    """Return series of many kinds, steps, rules and directions."""
    kinds = [k for k in KINDS if k != "none"]
    return [
        Row(
            levels(kinds[i % len(kinds)], i, (24 * 21, 120, 90, 40)[i % 4]),
            STEPS[i % 4],
            (40.0, 55.0, 90.0),
            1.0 if i % 3 else -1.0,
            k=RULES[i % 2][0],
            n=RULES[i % 2][1],
        )
        for i in range(count)
    ]


# --- probabilities ----------------------------------------------------------------------------


@given(made=rows())
def test_probabilities_never_fall_with_time(made: list[Row]) -> None:
    """P(crossed by day d) is a distribution function, or NaN where there is no forecast."""
    out = run_rows(made)
    owner, _ = thresholds_of(made)
    np.testing.assert_array_equal(np.isnan(out.cumulative).any(axis=1), ~out.enough[owner])
    known = out.cumulative[out.enough[owner]]
    assert (np.diff(known, axis=1) >= 0).all()
    assert ((known >= 0) & (known <= 1)).all()


@given(made=rows())
def test_more_capacity_never_brings_a_breach_forward(made: list[Row]) -> None:
    """A threshold further away is crossed with no more probability by any day, so no date is earlier."""
    out = run_rows(made)
    owner, threshold = thresholds_of(made)
    for i, row in enumerate(made):
        if out.enough[i]:
            further = out.cumulative[owner == i][np.argsort(threshold[owner == i] * row.sign, kind="stable")]
            assert (np.diff(further, axis=0) <= 1e-12).all()
            for probability in (0.1, 0.5, 0.9):
                day = np.nan_to_num(days_to(further, probability - 1e-9), nan=np.inf)
                assert (day[1:] >= day[:-1]).all()


@given(made=rows())
def test_below_mirrors_above(made: list[Row]) -> None:
    """A level that must not fall below 10 is as a negated one that must not rise above -10."""
    turned = [
        replace(
            r,
            values=-np.asarray(r.values),
            sign=-r.sign,
            thresholds=tuple(-t for t in r.thresholds),
            lower=-r.upper,
            upper=-r.lower,
        )
        for r in made
    ]
    one, other = run_rows(made), run_rows(turned)
    np.testing.assert_array_equal(other.cumulative, one.cumulative)
    np.testing.assert_array_equal(other.quantiles, -one.quantiles[:, :, ::-1])
    for name in ("last", "recent_p95", "sustained_now", "growth", "history", "needed"):
        np.testing.assert_array_equal(getattr(other, name), -getattr(one, name), err_msg=name)
    for name in ("enough", "gap", "constant", "skill", "coverage", "change_days", "pattern"):
        np.testing.assert_array_equal(getattr(other, name), getattr(one, name), err_msg=name)
    assert models_of(other) == models_of(one)


@given(made=rows())
def test_quantiles_rise_and_stay_inside_the_bounds(made: list[Row]) -> None:
    """p10 <= p50 <= p90 on every day, in the unit of the series and inside its bounds."""
    out = run_rows(made)
    assert (np.diff(out.quantiles[out.enough], axis=2) >= 0).all()
    assert np.isnan(out.quantiles[~out.enough]).all()
    for i in np.flatnonzero(out.enough):
        assert (out.quantiles[i] >= made[i].lower).all()
        assert (out.quantiles[i] <= made[i].upper).all()


@pytest.mark.parametrize("days", [30, 90, 150])
@pytest.mark.parametrize("target", [0.05, 0.1, 0.5])
def test_the_level_needed_is_exceeded_with_no_more_than_the_target(target: float, days: int) -> None:
    """Capacity just beyond the level needed is crossed with at most the target probability, just short of it with more.

    Within 90 days, or as many as are looked ahead where they are fewer.
    """
    made = fleet()
    needed = run_rows(made, days, target=target).needed
    for side in (1.0, -1.0):
        beside = [
            replace(r, thresholds=(needed[i] + side * r.sign * 1e-9 * max(abs(needed[i]), 1e-15),))
            for i, r in enumerate(made)
        ]
        chance = run_rows(beside, days).cumulative[:, min(days, 90) - 1]
        assert (chance <= target + 1e-9).all() if side > 0 else (chance > target).all()


@pytest.mark.parametrize("step_us", STEPS)
def test_a_level_that_is_already_over_is_over_tomorrow(step_us: int) -> None:
    """95 for ever crosses 90 on day 1 with certainty, and 96 never."""
    out = run_rows([Row([95.0] * 200, step_us, (90.0, 95.0, 96.0), k=2, n=3)])
    np.testing.assert_allclose(out.cumulative[:2], 1.0)
    np.testing.assert_allclose(out.cumulative[2], 0.0)
    assert out.sustained_now.tolist() == [95.0]
    assert out.constant.tolist() == [True]


def test_only_what_is_sustained_counts() -> None:
    """An hour at 100 every night is a crossing of 90 where one step counts, none where two of three must."""
    hours = np.tile(np.where(np.arange(24) == 3, 100.0, 20.0), 40)
    one, two = run_rows([Row(hours), Row(hours, k=2, n=3)]).cumulative
    np.testing.assert_allclose(one, 1.0)
    np.testing.assert_allclose(two, 0.0)


def test_two_hours_a_night_are_sustained() -> None:
    """Hours 3 and 5 at 100 lie within three steps, hours 3 and 6 do not."""
    close, apart = (np.tile(np.where(np.isin(np.arange(24), hours), 100.0, 20.0), 40) for hours in ((3, 5), (3, 6)))
    got = run_rows([Row(close, k=2, n=3), Row(apart, k=2, n=3)]).cumulative
    np.testing.assert_allclose(got[0], 1.0)
    np.testing.assert_allclose(got[1], 0.0)


@pytest.mark.parametrize("step_us", [HOUR_US, 6 * HOUR_US, DAY_US])
def test_a_ramp_crosses_when_arithmetic_says(step_us: int) -> None:
    """Growing by 0.5 a day and at 60 now, 80 is 40 days away."""
    count = 60 * DAY_US // step_us
    per_step = 0.5 * step_us / DAY_US
    values = 60.0 - per_step * np.arange(count - 1, -1, -1)
    out = run_rows([Row(values, step_us, (80.0,), lower=0.0, upper=100.0)])
    middle = days_to(out.cumulative, 0.5)[0]
    assert abs(middle - 40) <= 2
    np.testing.assert_allclose(out.growth, 0.5, rtol=0.05)


# --- what is not known --------------------------------------------------------------------------


def test_a_series_without_data_is_not_forecast() -> None:
    """No rollup, or fewer than the minimum, gives no numbers; the series beside it is untouched."""
    made = [Row([]), Row([5.0] * 13), Row(np.arange(100.0))]
    out = run_rows(made)
    assert out.enough.tolist() == [False, False, True]
    assert np.isnan(out.cumulative[:2]).all()
    assert np.isnan(out.quantiles[:2]).all()
    assert np.isnan(out.needed[:2]).all()
    assert (out.mixes["member"][:2] == -1).all()
    assert np.isnan(out.last[0])
    assert out.last[1] == 5.0
    assert_same(run_rows(made[2:]), out, slice(2, 3), slice(2, 3))


def test_a_shard_of_series_without_data_is_no_error() -> None:
    """Nothing in, nothing out."""
    out = run_rows([Row([]), Row([])])
    assert not out.enough.any()
    assert out.scores == []


@pytest.mark.parametrize("store_step_us", [HOUR_US, 5 * MINUTE_US])
def test_each_series_is_read_on_its_own_step(store_step_us: int) -> None:
    """Hourly, 6-hourly, daily and weekly series in one shard keep their steps and their results."""
    made = [Row(levels("normal", i, 60), step_us) for i, step_us in enumerate(STEPS)]
    out = run_rows(made, store_step_us=store_step_us)
    assert out.step_us.tolist() == list(STEPS)
    assert out.enough.all()
    np.testing.assert_allclose(out.gap, 0.0)
    for i, row in enumerate(made):
        assert_same(run_rows([row], store_step_us=store_step_us), out, slice(i, i + 1), slice(i, i + 1))
        assert out.last[i] == row.values[-1]
        assert END_US - row.step_us < out.last_us[i] <= END_US


def test_a_step_survives_gaps() -> None:
    """A tenth of the hours missing leaves the step an hour, and the gap share tells."""
    values = levels("normal", 3, 24 * 30)
    values[::10] = np.nan
    values[0] = 50.0
    out = run_rows([Row(values)])
    assert out.step_us.tolist() == [HOUR_US]
    np.testing.assert_allclose(out.gap, np.isnan(values).mean())


def later(made: list[Row], seed: int, spacing: int) -> History:
    """Return the rollups of `made` with others at and after the end of each series."""
    past = rollups_of(made)
    rng = np.random.default_rng(seed)
    count = 2 * int(np.diff(past.starts).max()) + 3
    future = END_US // past.step_us + spacing * np.arange(count)
    buckets, values = [], []
    for start, stop in zip(past.starts, past.starts[1:], strict=False):
        buckets += [past.buckets[start:stop], future]
        values += [past.statistics["max"][start:stop], 1e6 * rng.normal(size=count)]
    starts = past.starts + count * np.arange(past.starts.size)
    return History(starts, np.concatenate(buckets), {"max": np.concatenate(values)}, past.step_us)


@pytest.mark.parametrize("spacing", [1, 6, 24])
def test_what_comes_after_the_end_changes_nothing(spacing: int) -> None:
    """Rollups at or after the end of the plan, of any value and any distance, leave no trace."""
    made = fleet(8)
    want = run_rows(made)
    got = run(later(made, 1, spacing), items_of(made), *thresholds_of(made), plan_of())
    assert_same(got, want)
    assert scores_of(got) == scores_of(want)


# --- how series are dealt out -------------------------------------------------------------------


def test_two_shards_of_five_are_one_of_ten() -> None:
    """How items are split into shards changes nothing, bitwise."""
    made = fleet(10)
    whole = run_rows(made)
    halves = [run_rows(made[:5]), run_rows(made[5:])]
    for half, start in zip(halves, (0, 5), strict=True):
        assert_same(half, whole, slice(start, start + 5), slice(3 * start, 3 * start + 15))
    assert scores_of(whole) == sorted(scores_of(halves[0]) + scores_of(halves[1], 5))


@settings(max_examples=15)
@given(made=rows(most=5), seed=st.integers(0, 99))
def test_the_order_of_series_leaves_no_trace(made: list[Row], seed: int) -> None:
    """Items and thresholds in any order, bitwise."""
    order = np.random.default_rng(seed).permutation(len(made))
    whole = run_rows(made)
    per_row = len(made[0].thresholds)
    thresholds = np.concatenate([np.arange(per_row) + per_row * i for i in order])
    assert_same(run_rows([made[i] for i in order]), whole, order, thresholds)


def test_more_than_a_block_of_series() -> None:
    """Seventy series of one sort are worked on in two blocks, and each is as it is alone."""
    made = [Row(levels("normal", i, 40 + i), DAY_US) for i in range(70)]
    whole = run_rows(made)
    for i in (0, 31, 63, 64, 69):
        assert_same(run_rows([made[i]]), whole, slice(i, i + 1), slice(i, i + 1))


@pytest.mark.parametrize("threads", [1, 2, 4])
def test_threads_leave_no_trace(threads: int) -> None:
    """Shards run side by side give what they give one after the other."""
    parts = [fleet(10)[i : i + 2] for i in range(0, 10, 2)]
    want = [run_rows(part) for part in parts]
    for engine in registry.names("engine"):
        got = list(registry.load("engine", engine)(run_rows, parts, threads))
        for one, other in zip(got, want, strict=True):
            assert_same(one, other)
            assert scores_of(one) == scores_of(other)


def test_one_series_may_be_watched_on_both_sides() -> None:
    """Items of both directions on one series are two forecasts of the same history."""
    low = Row(levels("normal", 1, 90), DAY_US, (20.0,), sign=-1.0)
    high = replace(low, sign=1.0, thresholds=(80.0,))
    both = items_of([high, low])
    shared = Items(np.zeros(2, np.int64), both.sign, both.statistic, both.lower, both.upper, both.k, both.n)
    got = run(rollups_of([high]), shared, np.array([0, 1]), np.array([80.0, 20.0]), plan_of())
    assert_same(got, run_rows([high, low]))
    assert got.last[0] == got.last[1]


def test_thresholds_do_not_touch_the_forecast() -> None:
    """Without any threshold the levels ahead are the same."""
    made = fleet(6)
    want, got = run_rows(made), run_rows([replace(r, thresholds=()) for r in made])
    np.testing.assert_array_equal(got.quantiles, want.quantiles)
    np.testing.assert_array_equal(got.needed, want.needed)
    assert got.cumulative.shape == (0, 90)


@pytest.mark.parametrize("horizon", [1, 7, 30, 180])
def test_the_horizon_is_the_one_asked_for(horizon: int) -> None:
    """Every array ahead has one column per day, whatever the step."""
    out = run_rows(fleet(8), days=horizon)
    assert out.cumulative.shape == (24, horizon)
    assert out.quantiles.shape == (8, horizon, 3)
    assert not np.isnan(out.quantiles).any()
    assert not np.isnan(out.cumulative).any()
