"""Learning from past windows: only what wins, only what had ended, kept as numbers, explained to the last digit."""

from __future__ import annotations

import json
from dataclasses import replace

import lightgbm
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from capforecast.errors import SchemaError
from capforecast.learned import Learned, bent, chance, from_plain, log_odds
from capforecast.learners import trees
from capforecast.learning import MANY_HOSTS, Manner, calibration, learn, weights
from capforecast.panel import DAY_US, HOUR_US, Floats, Ints
from capforecast.windows import INPUTS, Fleet, Windows, draw, numbered

DAY = DAY_US


def past(seed: int = 1, count: int = 3000, signal: float = 2.0, hosts: int = 60) -> Windows:
    """Return windows of a day over 60 days; the second input tells, the paths know half of it."""
    rng = np.random.default_rng(seed)
    tells = rng.normal(size=count)
    crossed = rng.random(count) < chance(signal * tells - 2.0)
    x = np.stack((0.5 * signal * tells - 2.0, tells, rng.normal(size=count)), axis=1)
    host = rng.integers(0, hosts, count)
    origin = np.sort(rng.integers(0, 60 * 24, count)) * HOUR_US
    return Windows(("paths", "tells", "noise"), x, crossed, host, host, origin, origin + DAY)


MOMENTS = [20 * DAY, 30 * DAY, 45 * DAY, 61 * DAY]


def test_what_wins_on_other_hosts_and_later_is_taken() -> None:
    """The input that tells moves the probability; the loss falls; the numbers say from how much it was learned."""
    windows = past()
    last = learn(windows, MOMENTS)[-1]
    assert last.share > 0.3
    assert last.loss < last.loss_paths
    assert (last.windows, last.crossings) == (3000, int(windows.crossed.sum()))
    low, high = last.chances(np.array([[-2.0, -1.5, 0.0], [-2.0, 1.5, 0.0]]))
    assert high > 2 * low


def test_probabilities_are_those_of_the_fleet() -> None:
    """On windows that it never saw, as many cross as were said to."""
    last, fresh = learn(past(), MOMENTS)[-1], past(seed=2)
    said = last.chances(fresh.x)
    assert said.mean() == pytest.approx(fresh.crossed.mean(), abs=0.02)
    for part in (said < 0.1, (said > 0.2) & (said < 0.6), said > 0.6):
        assert said[part].mean() == pytest.approx(fresh.crossed[part].mean(), abs=0.1)


def test_noise_teaches_nothing() -> None:
    """Where the paths know all there is, the probabilities stay close to theirs."""
    rng = np.random.default_rng(3)
    windows = past()
    odds = rng.normal(-2.0, 1.0, windows.crossed.size)
    windows = replace(windows, x=np.stack((odds, *rng.normal(size=(2, odds.size))), axis=1))
    windows = replace(windows, crossed=rng.random(odds.size) < chance(odds))
    last = learn(windows, MOMENTS)[-1]
    assert last.loss == pytest.approx(last.loss_paths, rel=0.05)
    assert np.abs(last.chances(windows.x) - chance(odds)).mean() < 0.05


@pytest.mark.parametrize(("count", "hosts"), [(40, 40), (2000, 1)])
def test_with_little_to_learn_from_the_paths_stand(count: int, hosts: int) -> None:
    """Few crossings, or few hosts that cross."""
    windows = past(count=count, hosts=hosts)
    for learned in learn(windows, MOMENTS):
        assert not learned.corrects
        np.testing.assert_allclose(learned.chances(windows.x), chance(windows.x[:, 0]))


def test_windows_that_end_later_leave_no_trace() -> None:
    """What is learned at a moment is the same, bit for bit, whatever comes of windows that end after it."""
    windows = past()
    late = windows.end_us > MOMENTS[1]
    other = replace(windows, crossed=windows.crossed ^ late, x=np.where(late[:, None], 9.0, windows.x))
    for before, after in zip(learn(windows, MOMENTS)[:2], learn(other, MOMENTS)[:2], strict=True):
        assert json.dumps(before.plain()) == json.dumps(after.plain())


def test_the_same_windows_teach_the_same() -> None:
    """Twice the same numbers."""
    assert [one.plain() for one in learn(past(), MOMENTS)] == [one.plain() for one in learn(past(), MOMENTS)]


@pytest.fixture(scope="module")
def learned() -> Learned:
    return learn(past(), MOMENTS)[-1]


def test_contributions_sum_to_the_log_odds(learned: Learned) -> None:
    """Inputs, doubt and what all have in common, to the last digit."""
    x = past(seed=4, count=200).x
    said = learned.chances(x)
    shares = learned.contributions(x)
    assert shares.shape == (200, 5)
    np.testing.assert_allclose(shares.sum(axis=1), np.log(said / (1 - said)), atol=1e-9)
    assert np.abs(shares[:, 1]).mean() > 5 * np.abs(shares[:, 2]).mean()


def small_fleet(rules: float, hosts: int = 6) -> list[Learned]:
    """Return what a fleet teaches whose inputs are those of real windows; the second is a plain rule."""
    windows = past()
    names = ("paths", "past_windows_shifted", "past_windows_scaled")
    return learn(replace(windows, inputs=names, host=windows.host % hosts), MOMENTS, Manner(rules=rules))


def test_plain_rules_stand_beside_the_paths_in_a_small_fleet() -> None:
    """Their weights sum to one with that of the paths and shrink to none as the fleet grows; shares stay exact."""
    few, more, many = (small_fleet(0.5, hosts)[-1] for hosts in (6, 20, MANY_HOSTS))
    assert few.mix == pytest.approx((1 - 0.5 * 34 / 40, 0.25 * 34 / 40, 0.25 * 34 / 40))
    assert few.mix[1] > more.mix[1] > 0.0
    assert many.mix == small_fleet(0.0)[-1].mix == ()
    x = past(seed=4, count=200).x
    said = few.chances(x)
    np.testing.assert_allclose(few.contributions(x).sum(axis=1), np.log(said / (1 - said)), atol=1e-9)
    again = from_plain(json.loads(json.dumps(few.plain(), allow_nan=False)))
    np.testing.assert_array_equal(again.chances(x), said)
    assert few.loss_paths == small_fleet(0.0)[-1].loss_paths


def test_what_was_learned_survives_json(learned: Learned) -> None:
    """Written down and read again it says the same; another format is refused."""
    again = from_plain(json.loads(json.dumps(learned.plain(), allow_nan=False)))
    x = past(seed=5, count=100).x
    np.testing.assert_array_equal(again.chances(x), learned.chances(x))
    assert from_plain(json.loads(json.dumps(Learned(("paths",)).plain()))).corrects is False
    with pytest.raises(SchemaError, match="format"):
        from_plain({"format": 0})


def test_plain_trees_say_what_the_library_says() -> None:
    """The arrays give the same log-odds as the library's own prediction."""
    windows = past()
    y = windows.crossed.astype(float)
    grown = lightgbm.train(trees.SETTINGS, lightgbm.Dataset(windows.x, y, params=trees.SETTINGS), 20)
    plain = trees._plain(grown.dump_model()["tree_info"])
    np.testing.assert_allclose(plain.scores(windows.x), grown.predict(windows.x, raw_score=True), atol=1e-9)


# --- weights and calibration --------------------------------------------------------------------


@given(st.integers(0, 999), st.sampled_from([0.0, 0.5, 1.0]))
def test_weights_keep_the_share_of_crossings(seed: int, alike: float) -> None:
    """Crossings and quiet windows keep their sums, however series count."""
    rng = np.random.default_rng(seed)
    crossed, series = rng.random(60) < rng.random(), rng.integers(0, 8, 60)
    got = weights(crossed, series, alike)
    assert (got > 0).all()
    assert got[crossed].sum() == pytest.approx(crossed.sum())
    assert got[~crossed].sum() == pytest.approx((~crossed).sum())


def test_series_count_alike_where_asked() -> None:
    """Forty crossings of one series weigh as four of another; half of the quiet weight lies where something crosses."""
    crossed = np.array([True] * 44 + [False] * 30)
    series = np.array([0] * 40 + [1] * 4 + [0] * 10 + [2] * 20)
    got = weights(crossed, series, 1.0)
    assert got[:40].sum() == pytest.approx(got[40:44].sum())
    assert got[44:54].sum() == pytest.approx(got[54:].sum())
    np.testing.assert_array_equal(weights(crossed, series, 0.0), np.ones(74))


def test_calibration_finds_shift_and_slope() -> None:
    """Log-odds that are twice too far, and one too high; with few windows it stays where it was."""
    rng = np.random.default_rng(1)
    truth = rng.normal(size=20_000)
    crossed = rng.random(20_000) < chance(truth)
    shift, slope = calibration(2 * truth + 1, crossed, np.ones(20_000), 20.0)
    assert (shift, slope) == (pytest.approx(-0.5, abs=0.05), pytest.approx(0.5, abs=0.05))
    shift, slope = calibration(2 * truth[:9] + 1, crossed[:9], np.ones(9), 2000.0)
    assert (shift, slope) == (pytest.approx(0.0, abs=0.05), pytest.approx(1.0, abs=0.05))


def test_curves_without_paths_stay_unknown() -> None:
    """A row of NaN stays one; the others are bent."""
    curves = np.array([[np.nan, np.nan], [0.1, 0.2]])
    got = bent(curves, np.array([2]), np.array([[0.5], [0.4]]))
    assert np.isnan(got[0]).all()
    assert got[1, 1] == pytest.approx(0.4)


# --- drawing windows ----------------------------------------------------------------------------


def fleet(seed: int = 1, count: int = 12) -> Fleet:
    rng = np.random.default_rng(seed)
    levels = rng.gamma(2.0, 12.0, (count, 24 * 20))
    levels[rng.random(levels.shape) < 0.02] = np.nan
    names = [f"h{i // 2}\0cpu\0{i}" for i in range(count)]
    begin = 490_000 + rng.integers(0, 30, count)
    return Fleet(
        levels, levels + 1.0, begin, HOUR_US, names, [f"h{i // 2}" for i in range(count)], [np.array([80.0])] * count
    )


def rows(one: Fleet, order: list[int]) -> Fleet:
    return Fleet(
        one.levels[order], one.peaks[order], one.begin[order], one.step_us, [one.names[i] for i in order],
        [one.hosts[i] for i in order], [one.thresholds[i] for i in order],
    )  # fmt: skip


def futures(levels: Floats, end_us: Ints, series: Ints, owner: Ints, threshold: Floats) -> Floats:
    """Return curves that know the highest level of the history."""
    high = np.nanmax(levels, axis=1)[owner]
    return np.repeat(chance((high - threshold) / 20.0)[:, None], 24, axis=1)


def told(windows: Windows) -> list[tuple[float, ...]]:
    keys = np.column_stack((windows.series, windows.origin_us, windows.end_us, windows.crossed, windows.x))
    return sorted(map(tuple, keys.tolist()))


def test_windows_tell_whether_a_crossing_followed() -> None:
    """Against the levels themselves: quiet before, crossed within the horizon, most of it known, on the grid."""
    one = fleet()
    end = (int(one.begin.max()) + 480) * HOUR_US
    short, long = draw(one, [6, 24], [end], 480, futures)
    assert short.x.shape[1] == len(INPUTS)
    assert not np.isnan(short.x).any()
    assert np.unique(short.series).size == 12
    assert 0 < long.crossed.mean() < 1
    assert long.crossed.mean() > short.crossed.mean()
    assert (long.end_us - long.origin_us == DAY).all()
    assert (short.origin_us // HOUR_US % 6 == 0).all()
    assert long.overlap == 4.0
    place = {numbered(name): i for i, name in enumerate(one.names)}
    for number, origin, crossed in zip(long.series, long.origin_us, long.crossed, strict=True):
        i = place[number]
        column = origin // HOUR_US - one.begin[i]
        assert (one.levels[i, column - 2 : column] < 80.0).any()
        assert crossed == (np.nanmax(one.levels[i, column : column + 24]) >= 80.0)


@pytest.mark.parametrize("most", [40, 8000])
def test_the_draw_depends_on_names_alone(most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not on the order of the series."""
    monkeypatch.setattr("capforecast.windows.MOST_ORIGINS", most)
    one = fleet()
    moments = [(490_000 + 24 * day) * HOUR_US for day in (8, 14, 21)]
    want = [told(windows) for windows in draw(one, [6, 24], moments, 480, futures)]
    turned = draw(rows(one, list(range(12))[::-1]), [6, 24], moments, 480, futures)
    assert [told(windows) for windows in turned] == want


@pytest.mark.parametrize("most", [40, 8000])
def test_later_levels_leave_no_trace_in_earlier_windows(most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Windows that had ended by a moment are the same when what follows is changed or missing."""
    monkeypatch.setattr("capforecast.windows.MOST_ORIGINS", most)
    one = fleet()
    moments = [(490_000 + 24 * day) * HOUR_US for day in (8, 12, 21)]
    column = 490_000 + np.arange(480) + (one.begin - 490_000)[:, None]
    late = column >= moments[1] // HOUR_US
    for value in (99.0, np.nan):
        changed = replace(one, levels=np.where(late, value, one.levels), peaks=np.where(late, value, one.peaks))
        for before, after in zip(*(draw(f, [6, 24], moments, 480, futures) for f in (one, changed)), strict=True):
            kept = [told(w.rows(w.end_us <= moments[1])) for w in (before, after)]
            assert kept[0]
            assert kept[0] == kept[1]


def test_thresholds_can_stand_to_the_level() -> None:
    """Without thresholds of their own, windows are asked for levels a little above that of their origin."""
    one = replace(fleet(), thresholds=[np.empty(0)] * 12)
    (windows,) = draw(one, [24], [(490_000 + 24 * 21) * HOUR_US], 480, futures)
    below = windows.x[:, INPUTS.index("level_now")]
    assert ((below < 0) & (below > -0.42)).all()
    assert np.unique(below).size > 20


def test_log_odds_and_chances_are_inverse() -> None:
    """Within the limits that keep them finite."""
    p = np.array([0.0, 0.001, 0.2, 0.5, 0.999, 1.0])
    np.testing.assert_allclose(chance(log_odds(p)), [0.001, 0.001, 0.2, 0.5, 0.999, 0.999])
