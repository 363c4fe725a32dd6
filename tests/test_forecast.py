"""The combination as a whole: lawful paths, and nothing but a series' own past in its forecast."""

from __future__ import annotations

from dataclasses import fields

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from capforecast.forecast import Recipe, buckets_of, forecast, quantiles, seasons_of
from capforecast.models.seasonal_naive import SeasonalNaive
from capforecast.panel import DAY_US, HOUR_US, MINUTE_US, WEEK_US, Forecast, Panel
from capforecast.pool import FAR, NEAR, families
from tests.strategies import KINDS, blocks, fleet, panel

STEPS = st.sampled_from([HOUR_US, 6 * HOUR_US, DAY_US, WEEK_US])
BAND = (0.01, 0.1, 0.5, 0.9, 0.99)


def run(data: Panel, horizon: int) -> Forecast:
    """Forecast with the pool and the recipe of the panel's step."""
    near, far, _ = families("pool")
    return forecast(data, far, horizon, FAR) if data.step_us >= DAY_US else forecast(data, near, horizon, NEAR)


def assert_same(got: Forecast, want: Forecast, rows: object = slice(None)) -> None:
    """Assert that the arrays of a forecast are those rows of another one, bit by bit."""
    for field in fields(Forecast):
        mine, other = getattr(got, field.name), getattr(want, field.name)
        if isinstance(mine, np.ndarray):
            np.testing.assert_array_equal(mine, other[rows], err_msg=field.name)
        else:
            assert other == mine


def rows_of(data: Panel, rows: object) -> Panel:
    return Panel(
        np.ascontiguousarray(data.values[rows]), data.step_us, data.end_us[rows], data.lower[rows], data.upper[rows]
    )


@given(values=blocks(most=150), step_us=STEPS, horizon=st.sampled_from([1, 2, 14, 30, 200]))
def test_paths_are_lawful(values: np.ndarray, step_us: int, horizon: int) -> None:
    """Paths with weight are known and inside the bounds, weights sum to one, quantiles rise and stay inside."""
    data = panel(values, step_us)
    got = run(data, horizon)
    count = len(values)
    known = ~np.isnan(values).all(axis=1)
    assert (count, horizon) == got.mean.shape
    assert (count, got.path_weights.shape[1], horizon) == got.paths.shape
    np.testing.assert_array_equal(~np.isnan(got.mean), np.repeat(known[:, None], horizon, axis=1))
    np.testing.assert_allclose(got.path_weights.sum(axis=1), known.astype(float), atol=1e-9)
    assert (got.path_weights >= 0).all()
    weighted = got.path_weights > 0
    assert not np.isnan(got.paths[weighted]).any()
    low = np.broadcast_to(data.lower[:, None, None], got.paths.shape)
    high = np.broadcast_to(data.upper[:, None, None], got.paths.shape)
    present = ~np.isnan(got.paths)
    assert (got.paths[present] >= low[present]).all()
    assert (got.paths[present] <= high[present]).all()
    assert (got.mean[known] >= low[known, 0]).all()
    assert (got.mean[known] <= high[known, 0]).all()
    np.testing.assert_allclose(got.weights.sum(axis=2), np.repeat(known[:, None] * 1.0, len(got.buckets), axis=1))
    band = quantiles(got, BAND)
    np.testing.assert_array_equal(np.isnan(band), np.isnan(got.mean)[:, :, None].repeat(len(BAND), axis=2))
    assert (np.diff(band[known], axis=2) >= 0).all()
    inside = (band[known] >= low[known, 0, :, None]) & (band[known] <= high[known, 0, :, None])
    assert inside.all()


@given(values=blocks(most=150), step_us=STEPS, horizon=st.sampled_from([1, 14, 60]))
def test_a_series_alone_is_forecast_as_in_a_block(values: np.ndarray, step_us: int, horizon: int) -> None:
    """Blocks, their order and how a panel is cut into them leave no trace, bitwise."""
    data = panel(values, step_us)
    whole = run(data, horizon)
    for s in range(len(values)):
        assert_same(run(rows_of(data, slice(s, s + 1)), horizon), whole, slice(s, s + 1))
    assert_same(run(rows_of(data, slice(None, None, -1)), horizon), whole, slice(None, None, -1))


@pytest.mark.parametrize("step_us", [HOUR_US, DAY_US])
@pytest.mark.parametrize("size", [1, 4, 7])
def test_chunks_leave_no_trace(step_us: int, size: int) -> None:
    """Every kind of series, forecast in chunks of any size through ``Panel.rows``, bitwise."""
    data = fleet(step_us, 24 * 12)
    whole = run(data, 48)
    for start in range(0, len(data), size):
        stop = min(start + size, len(data))
        assert_same(run(data.rows(start, stop), 48), whole, slice(start, stop))


@given(values=blocks(most=100), step_us=STEPS, padding=st.integers(1, 50))
def test_missing_columns_on_the_left_leave_no_trace(values: np.ndarray, step_us: int, padding: int) -> None:
    """A panel is as wide as its longest series; that says nothing about the others, bitwise."""
    wide = np.concatenate((np.full((len(values), padding), np.nan), values), axis=1)
    assert_same(run(panel(wide, step_us), 20), run(panel(values, step_us), 20))


@pytest.mark.parametrize("step_us", [HOUR_US, DAY_US])
def test_the_same_input_gives_the_same_bytes_and_stays_as_it_is(step_us: int) -> None:
    """No state is kept, and a panel is never written to."""
    data = fleet(step_us, 200)
    before = data.values.copy()
    first, second = run(data, 30), run(data, 30)
    np.testing.assert_array_equal(data.values, before)
    for name in ("mean", "paths", "path_weights", "weights", "error", "coverage"):
        assert getattr(first, name).tobytes() == getattr(second, name).tobytes(), name


@pytest.mark.parametrize("step_us", [15 * MINUTE_US, HOUR_US, DAY_US, WEEK_US])
@pytest.mark.parametrize("length", [1, 2, 14, 60, 400])
@pytest.mark.parametrize("level", [0.0, 42.5, 100.0])
def test_a_constant_series_stays_constant(step_us: int, length: int, level: float) -> None:
    """Every path of a constant series is that constant, also at a bound."""
    got = run(panel(np.full((1, length), level), step_us), 30)
    weighted = got.path_weights[0] > 0
    np.testing.assert_allclose(got.mean, level, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(got.paths[0, weighted], level, rtol=1e-9, atol=1e-9)


def test_a_series_without_values_has_no_forecast() -> None:
    """All NaN gives NaN, no weight, no score; the series beside it is untouched."""
    data = panel(np.stack([np.full(50, np.nan), np.arange(50.0)]), DAY_US)
    got = run(data, 5)
    assert np.isnan(got.mean[0]).all()
    assert np.isnan(got.paths[0]).all()
    assert np.isnan(quantiles(got, BAND)[0]).all()
    assert not got.path_weights[0].any()
    assert not got.weights[0].any()
    assert not got.origins[0].any()
    assert_same(run(rows_of(data, slice(1, 2)), 5), got, slice(1, 2))


def test_a_line_goes_on() -> None:
    """40, 42, ... 198: a member that draws lines has no error, and the forecast is 200, 202, ..."""
    got = run(panel(np.arange(40.0, 200.0, 2.0)[None, :], DAY_US), 10)
    np.testing.assert_allclose(got.mean[0], 2.0 * np.arange(100.0, 110.0), rtol=1e-6)
    assert (got.error < 1e-6).all()


def test_a_bound_holds_every_path_not_only_the_quantiles() -> None:
    """99 percent and rising ends at 100 on every path."""
    got = run(panel(np.linspace(60.0, 99.0, 80)[None, :], DAY_US), 30)
    weighted = got.path_weights[0] > 0
    assert got.paths[0, weighted].max() == 100.0
    assert got.mean.max() <= 100.0


@pytest.mark.parametrize("kind", [k for k in KINDS if k not in ("none", "huge", "tiny")])
def test_a_change_of_unit_changes_only_the_unit(kind: str) -> None:
    """Bytes or kibibytes: the same weights, and paths in the new unit."""
    data = fleet(DAY_US, 100)
    one = rows_of(data, slice(KINDS.index(kind), KINDS.index(kind) + 1))
    scaled = Panel(one.values / 1024, DAY_US, one.end_us, one.lower / 1024, one.upper / 1024)
    want, got = run(one, 20), run(scaled, 20)
    size = max(float(np.nanmax(np.abs(one.values))), 1.0)
    np.testing.assert_allclose(got.weights, want.weights, atol=1e-5)
    np.testing.assert_allclose(got.paths * 1024 / size, want.paths / size, atol=1e-5)


def test_models_compete_in_the_order_they_are_given() -> None:
    """Members are named family by family, and a single family is a pool of its own."""
    got = forecast(panel(np.arange(60.0)[None, :], HOUR_US), [SeasonalNaive()], 3, Recipe(origins=2))
    assert SeasonalNaive().members((24, 168)) == got.members
    assert (1, 1, len(got.members)) == got.weights.shape
    assert got.buckets == ((1, 3),)


@pytest.mark.parametrize(
    ("step_us", "want"),
    [
        (MINUTE_US, (1440, 10080)), (HOUR_US, (24, 168)), (6 * HOUR_US, (4, 28)), (12 * HOUR_US, (2, 14)),
        (DAY_US, (7,)), (WEEK_US, (52,)),
    ],
)  # fmt: skip
def test_seasons_of_a_step(step_us: int, want: tuple[int, ...]) -> None:
    """A day and a week below a day, a week for days, a year for weeks."""
    assert want == seasons_of(step_us)


@given(horizon=st.integers(1, 2000), season=st.integers(1, 200))
def test_buckets_cover_the_horizon_once(horizon: int, season: int) -> None:
    """Every step ahead lies in exactly one bucket, and none begins after the horizon."""
    steps = [h for start, stop in buckets_of(horizon, season) for h in range(start, stop + 1)]
    assert list(range(1, horizon + 1)) == steps


@pytest.mark.parametrize(("length", "start", "stop"), [(100, 51, 93), (100, 51, 90), (92, 50, 84), (92, 45, 85)])
def test_an_outage_leaves_no_hole_in_a_path(length: int, start: int, stop: int) -> None:
    """A growing series of 6-hourly steps that was away for ten days: every path with weight is known throughout.

    The member that fits best needs two weeks, which older origins did not have, and their truth is missing.
    """
    values = 50.0 + 0.1 * np.arange(length)
    values[start:stop] = np.nan
    got = run(panel(values[None, :], 6 * HOUR_US), 28)
    unknown = np.isnan(got.paths).any(axis=2) & (got.path_weights > 0)
    assert np.argwhere(unknown).tolist() == []
    assert not np.isnan(quantiles(got, BAND)).any()
