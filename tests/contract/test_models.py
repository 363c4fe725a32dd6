"""Every registered model keeps the contract of ``capforecast.models``; some promise more about units."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from capforecast import registry
from capforecast.errors import ConfigError, UnknownNameError
from capforecast.kernels.origins import fill_gaps
from capforecast.models import Model, Past
from capforecast.panel import Floats, Ints
from tests.strategies import WHOLE, levels, sizes

SEASONS = ((4, 12), (7,), ())
PEERS = ("SeasonalNaive", "AutoETS")
OWN = tuple(name for name in registry.names("model") if name != "statsforecast")
MADE: dict[str, Callable[[], Model]] = {name: registry.load("model", name) for name in OWN} | {
    f"statsforecast:{name}": (lambda name=name: registry.load("model", "statsforecast")(name)) for name in PEERS
}
COLUMNS = 60


# Peers fit one series at a time: one choice of seasons is enough to hold their adapter to the contract.
CASES = [(name, seasons) for name in MADE for seasons in (SEASONS if name in OWN else SEASONS[1:2])]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Give every test that asks for a model all of them, each with its seasons."""
    if "model" in metafunc.fixturenames:
        metafunc.parametrize(("model", "seasons"), CASES, indirect=["model"], ids=[f"{n}{m}" for n, m in CASES])
    elif "seasons" in metafunc.fixturenames:
        metafunc.parametrize("seasons", SEASONS, ids=str)


@pytest.fixture
def model(request: pytest.FixtureRequest) -> Model:
    return MADE[request.param]()


def data(model: Model, columns: int = COLUMNS) -> tuple[Floats, Ints, Ints]:
    """Return values without gaps, their first columns and origins; fewer for models that fit one by one."""
    kinds = WHOLE if model.name in OWN else ("normal", "constant", "late")
    raw = np.stack([levels(kind, 5, columns) for kind in kinds] + [np.full(columns, np.nan)])
    values, first = np.empty_like(raw), np.empty(len(raw), np.int64)
    fill_gaps(raw, 1, values, first)
    back = np.tile(np.array([0, 3, 8, -1]), (len(raw), 1))
    return values, first, back


def forecast(
    model: Model, values: Floats, first: Ints, back: Ints, seasons: tuple[int, ...], horizon: int = 10,
    bounds: tuple[Floats, Floats] | None = None,
) -> Floats:  # fmt: skip
    low, high = bounds or bounds_of(values)
    members = len(model.members(seasons))
    # Members of other models lie on both sides.
    out = np.full((*back.shape, members + 3, horizon), -7.0)
    model.forecast(Past(values, first, back, seasons, low, high), out, 2)
    assert (out[:, :, :2] == -7.0).all()
    assert (out[:, :, 2 + members :] == -7.0).all()
    return np.ascontiguousarray(out[:, :, 2 : 2 + members])


def bounds_of(values: Floats) -> tuple[Floats, Floats]:
    """Bound the series in turn on no side, below, and on both sides, a little outside of their levels."""
    places, wide = np.arange(len(values)) % 3, 1.5 * sizes(values)
    return np.where(places > 0, -wide, -np.inf), np.where(places > 1, wide, np.inf)


def test_every_registered_model_is_tested() -> None:
    """A model that is added is under this contract without a change here."""
    assert set(registry.names("model")) == {name.partition(":")[0] for name in MADE}


def test_shape_and_names(model: Model, seasons: tuple[int, ...]) -> None:
    """One forecast per series, origin, member and step, and one name per member, all different."""
    values, first, back = data(model)
    got = forecast(model, values, first, back, seasons)
    names = model.members(seasons)
    assert (len(values), back.shape[1], len(names), 10) == got.shape
    assert np.float64 == got.dtype
    assert len(set(names)) == len(names)
    assert model.name


def test_the_same_input_gives_the_same_bytes_and_stays_as_it_is(model: Model, seasons: tuple[int, ...]) -> None:
    """A model has no memory and writes nothing but its result."""
    arguments = data(model)
    before = [a.copy() for a in arguments]
    first = forecast(model, *arguments, seasons)
    second = forecast(model, *arguments, seasons)
    assert first.tobytes() == second.tobytes()
    for was, now in zip(before, arguments, strict=True):
        np.testing.assert_array_equal(was, now)


def test_nothing_is_forecast_where_nothing_is_known(model: Model, seasons: tuple[int, ...]) -> None:
    """No origin and no history give NaN; a long history gives at least one forecast; no forecast is infinite."""
    values, first, back = data(model)
    got = forecast(model, values, first, back, seasons)
    assert np.isnan(got[back < 0]).all()
    assert np.isnan(got[-1]).all()
    assert not np.isinf(got).any()
    long = first <= COLUMNS // 4
    assert long.any()
    assert (~np.isnan(got[long][:, 0])).any(axis=(1, 2)).all()


def test_a_member_forecasts_all_steps_or_none(model: Model, seasons: tuple[int, ...]) -> None:
    """The first step tells whether a member takes part."""
    got = np.isnan(forecast(model, *data(model), seasons))
    np.testing.assert_array_equal(got, np.repeat(got[..., :1], got.shape[3], axis=3))


def test_a_short_horizon_is_the_beginning_of_a_long_one(model: Model, seasons: tuple[int, ...]) -> None:
    """h = 1 is the prefix of h = 10, bitwise."""
    arguments = data(model)
    short = forecast(model, *arguments, seasons, horizon=1)
    long = forecast(model, *arguments, seasons, horizon=10)
    np.testing.assert_array_equal(short, long[..., :1])


def test_the_order_of_series_does_not_matter(model: Model, seasons: tuple[int, ...]) -> None:
    """Series reversed, or alone, have the same forecasts, bitwise."""
    values, first, back = data(model)
    low, high = bounds_of(values)
    want = forecast(model, values, first, back, seasons, bounds=(low, high))
    turned = [np.ascontiguousarray(a[::-1]) for a in (values, first, back, low, high)]
    got = forecast(model, *turned[:3], seasons, bounds=(turned[3], turned[4]))
    np.testing.assert_array_equal(got[::-1], want)
    for s in (0, 1):
        one = slice(s, s + 1)
        alone = forecast(model, values[one], first[one], back[one], seasons, bounds=(low[one], high[one]))
        np.testing.assert_array_equal(alone, want[one])


@pytest.mark.parametrize("padding", [1, 5, 24])
def test_padding_on_the_left_does_not_matter(model: Model, seasons: tuple[int, ...], padding: int) -> None:
    """Columns of NaN before all series change nothing, bitwise."""
    values, first, back = data(model)
    bounds = bounds_of(values)
    want = forecast(model, values, first, back, seasons, bounds=bounds)
    wide = np.concatenate((np.full((len(values), padding), np.nan), values), axis=1)
    got = forecast(model, wide, first + padding, back, seasons, bounds=bounds)
    np.testing.assert_array_equal(got, want)


def test_values_after_the_origin_do_not_matter(model: Model, seasons: tuple[int, ...]) -> None:
    """Shuffling, inflating and negating what an origin must not know changes none of its forecasts, bitwise."""
    values, first, back = data(model)
    bounds = bounds_of(values)
    back = np.tile(np.array([8, 20]), (len(values), 1))
    want = forecast(model, values, first, back, seasons, bounds=bounds)
    rng = np.random.default_rng(1)
    for change in (lambda v: rng.permuted(v, axis=1), lambda v: 7.0 * v + 1.0, lambda v: -v):
        changed = values.copy()
        changed[:, -8:] = change(values[:, -8:])
        got = forecast(model, changed, first, back, seasons, bounds=bounds)
        np.testing.assert_array_equal(got, want)
    changed = values.copy()
    changed[:, -20:] = rng.permuted(values[:, -20:], axis=1)
    np.testing.assert_array_equal(
        forecast(model, changed, first, back[:, 1:].copy(), seasons, bounds=bounds), want[:, 1:]
    )


def test_an_origin_is_forecast_as_if_the_panel_ended_there(model: Model, seasons: tuple[int, ...]) -> None:
    """Forecasts of a past origin equal those of a panel that was cut at it."""
    values, first, _ = data(model)
    long = (first <= COLUMNS // 4) & (np.arange(len(values)) < len(values) - 1)
    values, first = np.ascontiguousarray(values[long]), first[long]
    bounds = bounds_of(values)
    then = forecast(model, values, first, np.full((len(values), 1), 6), seasons, bounds=bounds)
    now = np.zeros((len(values), 1), np.int64)
    cut = forecast(model, np.ascontiguousarray(values[:, :-6]), first, now, seasons, bounds=bounds)
    np.testing.assert_allclose(then / sizes(values)[:, None, None, None], cut / sizes(values)[:, None, None, None])


@pytest.mark.parametrize("columns", [1, 2, 3, 5, 8])
def test_a_short_history_is_no_error(model: Model, seasons: tuple[int, ...], columns: int) -> None:
    """Whatever is too short for a member gives NaN, not an exception and not infinity."""
    values, first, back = data(model, columns)
    back = np.where(back > columns, -1, back)
    got = forecast(model, values, first, back, seasons)
    assert not np.isinf(got).any()


def test_a_constant_series_stays_where_it_is(model: Model, seasons: tuple[int, ...]) -> None:
    """Every member that forecasts a constant series forecasts the constant."""
    values = np.repeat(np.array([[0.0], [7.5], [100.0], [-3.2], [1e15]]), COLUMNS, axis=1)
    bounds = np.array([0.0, 0.0, 0.0, -np.inf, 0.0]), np.array([100.0, 100.0, 100.0, np.inf, np.inf])
    first, back = np.zeros(5, np.int64), np.zeros((5, 1), np.int64)
    got = forecast(model, values, first, back, seasons, bounds=bounds)
    want = np.broadcast_to(values[:, :1, None, None], got.shape)
    np.testing.assert_allclose(np.where(np.isnan(got), want, got), want, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("name", OWN)
@pytest.mark.parametrize("factor", [2.0, 1024.0, 0.125])
def test_a_change_of_unit_moves_the_forecast_with_it(name: str, factor: float, seasons: tuple[int, ...]) -> None:
    """a y, with bounds a times as wide, is forecast as a times the forecast of y, for every own member."""
    model = MADE[name]()
    values, first, back = data(model)
    low, high = bounds_of(values)
    want = forecast(model, values, first, back, seasons, bounds=(low, high)) * factor
    got = forecast(model, values * factor, first, back, seasons, bounds=(low * factor, high * factor))
    scale = sizes(values)[:, None, None, None] * factor
    np.testing.assert_allclose(got / scale, want / scale, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("name", OWN)
def test_a_shift_moves_the_forecast_with_it(name: str, seasons: tuple[int, ...]) -> None:
    """y + b is forecast as the forecast of y plus b, by every member that works on the scale of the data."""
    model = MADE[name]()
    values, first, back = data(model)
    plain = np.array([i for i, m in enumerate(WHOLE) if m not in ("huge", "tiny")])
    values, first, back = np.ascontiguousarray(values[plain]), first[plain], back[plain]
    additive = [k for k, m in enumerate(model.members(seasons)) if not m.startswith("log(") and "scaled" not in m]
    assert additive
    want = forecast(model, values, first, back, seasons)[:, :, additive] + 1000.0
    got = forecast(model, values + 1000.0, first, back, seasons)[:, :, additive]
    np.testing.assert_allclose(got, want, rtol=1e-6, atol=1e-6)


def test_unknown_peers_are_refused_with_the_nearest_name() -> None:
    """A wrong name is a usage error that proposes the right one."""
    with pytest.raises(UnknownNameError, match="Did you mean 'AutoETS'"):
        registry.load("model", "statsforecast")("AutoEST")
    assert issubclass(UnknownNameError, ConfigError)
