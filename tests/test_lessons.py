"""Nightly learning: past days are forecast again, and what came of them corrects the curves of today."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from capforecast.correction import corrections
from capforecast.learned import Learned
from capforecast.lessons import Watched, corrected, daily_peaks, past_curves, sampled, taught
from capforecast.panel import DAY_US, Floats
from capforecast.windows import INPUTS, numbered
from tests.shards import END_US, Row, items_of, plan_of, rollups_of, thresholds_of

DAYS = 120


def weekly(count: int = 120, seed: int = 1) -> Floats:
    """Return daily peaks of which a third crosses 90 about once a week, on days without any order."""
    rng = np.random.default_rng(seed)
    levels = rng.normal(50.0, 4.0, (count, DAYS))
    levels[: count // 3] += 45.0 * (rng.random((count // 3, DAYS)) < 0.12)
    levels[:, -1] = 50.0
    return levels


def watched(levels: Floats, relative: bool = False) -> Watched:
    count = len(levels)
    names = np.array([numbered(f"h{i}") for i in range(count)])
    whole = np.arange(count)
    flat = np.zeros(count, np.int64)
    return Watched(levels, whole, np.full(count, 90.0), flat, np.full(count, relative), names, names, END_US)


def blind(back: int, threshold: Floats) -> Floats:
    """Return paths that know nothing: one in a thousand a day."""
    return np.repeat(np.linspace(0.001, 0.09, 90)[None, :], threshold.size, axis=0)


def test_what_came_of_past_days_corrects_today() -> None:
    """Series that cross each week get a high probability, the others a low one; the curves still rise to them."""
    one = watched(weekly())
    lessons = taught(one, blind)
    assert lessons[0, 7].corrects
    curves = blind(0, one.threshold)
    got = corrected(one, curves, lessons)
    assert (np.diff(got, axis=1) >= -1e-12).all()
    assert got[:40, 6].mean() > 0.35
    assert got[40:, 6].mean() < 0.1
    assert (got[:40, 29] >= got[:40, 6]).all()


def test_what_moved_a_probability_sums_to_its_log_odds() -> None:
    """Each input by name, with what is usual and the doubt; what is known of it as people count it."""
    one = watched(weekly())
    lessons, curves = taught(one, blind), blind(0, one.threshold)
    found = corrections(one, 3, curves, lessons)
    assert [part.days for part in found] == [days for _, days in sorted(lessons) if lessons[0, days].corrects]
    week = found[0]
    assert [mover.name for mover in week.movers] == ["usual", *INPUTS, "doubt"]
    p = corrected(one, curves, {(0, 7): lessons[0, 7]})[3, 6]
    assert week.said == pytest.approx(p)
    assert sum(mover.log_odds for mover in week.movers) == pytest.approx(np.log(p / (1 - p)), abs=1e-9)
    known = {mover.name: mover.known for mover in week.movers}
    over = np.flatnonzero(one.daily[3] >= 90.0)
    assert known["since_last_crossing"] == pytest.approx(DAYS - over[-1])
    assert known["paths"] == pytest.approx(week.paths)
    assert known["level_now"] == pytest.approx((50.0 - 90.0) / 90.0)
    assert 0.0 < known["past_windows"] < 1.0


def test_nothing_moved_what_is_not_corrected() -> None:
    """A level over its threshold, no paths, and lessons of another kind."""
    one = watched(weekly())
    lessons, curves = taught(one, blind), blind(0, one.threshold)
    one.daily[0, -1] = 99.0
    curves[1] = np.nan
    assert corrections(one, 0, curves, lessons) == corrections(one, 1, curves, lessons) == ()
    assert corrections(one, 2, curves, {(5, 7): lessons[0, 7]}) == ()


def test_what_is_crossed_or_unknown_stays() -> None:
    """A level beyond its threshold now, and a series without paths, keep their curves."""
    one = watched(weekly())
    lessons, curves = taught(one, blind), blind(0, one.threshold)
    one.daily[0, -1] = 99.0
    curves[1] = np.nan
    got = corrected(one, curves, lessons)
    np.testing.assert_array_equal(got[0], curves[0])
    assert np.isnan(got[1]).all()
    np.testing.assert_array_equal(corrected(one, curves, {}), curves)
    np.testing.assert_array_equal(corrected(one, curves, {(0, 7): Learned(INPUTS)}), curves)


def test_a_short_history_teaches_nothing() -> None:
    """With less than four weeks there is no past day to learn from."""
    one = watched(weekly())
    assert taught(replace(one, daily=np.ascontiguousarray(one.daily[:, -25:])), blind) == {}


def test_thresholds_of_growing_series_move_with_their_level() -> None:
    """A threshold 10 % above today's level was 10 % above the level of each past day."""
    rng = np.random.default_rng(2)
    growth = np.cumsum(rng.gamma(1.0, 0.3, (60, DAYS)), axis=1) + 100.0
    asked: list[Floats] = []

    def curves(back: int, threshold: Floats) -> Floats:
        asked.append(threshold / growth[:, DAYS - back - 1])
        return blind(back, threshold)

    one = replace(watched(growth, relative=True), threshold=growth[:, -1] * 1.1)
    lessons = taught(one, curves)
    assert asked
    np.testing.assert_allclose(np.concatenate(asked), 1.1)
    assert lessons[0, 90].crossings > lessons[0, 7].crossings


def test_a_sample_is_fixed_by_names() -> None:
    """Whoever else is there, and in whatever order."""
    names = [f"h{i}" for i in range(50)]
    few = {names[i] for i in sampled(names, 10)}
    assert len(few) == 10
    assert {names[::-1][i] for i in sampled(names[::-1], 10)} == few
    assert sampled(names[:5], 10).tolist() == [0, 1, 2, 3, 4]


def test_past_forecasts_see_nothing_later() -> None:
    """As of a week ago, with the last week changed: the same curves; daily peaks are those of the rollups."""
    rng = np.random.default_rng(3)
    rows = [Row(rng.normal(60.0, 10.0, 24 * 25), k=2, n=3) for _ in range(2)]
    owner, threshold = thresholds_of(rows)
    plan = plan_of()
    before = past_curves(rollups_of(rows), items_of(rows), owner, plan)(7, threshold)
    changed = [replace(row, values=np.concatenate([row.values[: -24 * 7], np.full(24 * 7, 99.0)])) for row in rows]
    after = past_curves(rollups_of(changed), items_of(changed), owner, plan)(7, threshold)
    np.testing.assert_array_equal(before, after)
    peaks = daily_peaks(rollups_of(rows), items_of(rows), END_US, 10)
    hours = np.asarray(rows[0].values)[-24:]
    window = np.concatenate([np.asarray(rows[0].values)[-26:-24], hours])
    want = max(sorted(window[i : i + 3])[1] for i in range(24))
    assert peaks[0, -1] == want
    assert peaks.shape == (2, 10)
    assert END_US % DAY_US == 0
