"""Forecasts of the nights before: when they hold, and what they say as of now."""

from dataclasses import replace

import numpy as np
import pytest
from shards import END_US, Row, days, items_of, plan_of, rollups_of, thresholds_of

from capforecast.carry import foretold, moved_probabilities, moved_quantiles, undated
from capforecast.history import History
from capforecast.kept import Asked, recall, remember
from capforecast.outcome import Outcome
from capforecast.panel import DAY_US, HOUR_US
from capforecast.shard import run
from capforecast.store.keeping import KeepingFile, KeptForecasts

NIGHTS = 14


def test_moved_quantiles_are_those_of_the_same_days():
    """Two days later, day three is day one; the last days are those of a week before, risen by a week's rise."""
    quantiles = np.arange(30.0)[None, :, None] + np.array([-1.0, 0.0, 1.0])
    np.testing.assert_allclose(moved_quantiles(quantiles, 2)[0, :, 1], np.arange(2.0, 32.0))
    weekly = np.tile(np.array([0.0, 0, 0, 0, 0, 5, 5]), 5)[None, :, None] + np.array([-1.0, 0.0, 1.0])
    for age in (1, 6, 7, 9):
        np.testing.assert_allclose(moved_quantiles(weekly, age)[0, :, 1], np.tile(weekly[0, :7, 1], 8)[age : age + 35])


def test_moved_quantiles_of_a_short_horizon_stay():
    """Without a week to go on from, the last days come again."""
    quantiles = np.array([[[1.0, 2, 3], [2, 3, 4], [3, 4, 5]]])
    assert moved_quantiles(quantiles, 1).tolist() == [[[2, 3, 4], [3, 4, 5], [1, 2, 3]]]


def test_moved_probabilities_are_conditional():
    """What did not come yesterday is less likely by what yesterday had of it."""
    cumulative = np.linspace(0.01, 0.3, 30)[None, :]
    moved = moved_probabilities(cumulative, 5)
    want = (cumulative[0, 5:] - cumulative[0, 4]) / (1 - cumulative[0, 4])
    np.testing.assert_allclose(moved[0, :25], want, rtol=1e-12)
    assert (np.diff(moved) >= 0).all()
    assert moved.max() <= 1.0
    assert moved_probabilities(np.ones((1, 10)), 3).tolist() == [[1.0] * 10]


def test_what_lies_near_the_band_was_foretold():
    """A margin counts in widths of the half of the band; unmeasured days say nothing."""
    quantiles = np.tile([10.0, 20.0, 40.0], (7, 3, 1))
    peaks = np.array([[40.0], [60.0], [60.1], [10.0], [0.0], [-0.1], [np.nan]])
    assert foretold(quantiles, peaks, np.ones(7)).tolist() == [True, True, False, True, True, False, True]
    assert foretold(quantiles, peaks, np.zeros(7)).tolist() == [True, False, False, True, False, False, True]


def test_a_threshold_with_a_date_is_told_apart():
    """A tenth within the horizon is a date, and so is a probability that nobody knows."""
    cumulative = np.array([[0.0, 0.09], [0.0, 0.1], [np.nan, np.nan]])
    assert undated(cumulative, np.array([0, 1, 2]), 4).tolist() == [True, False, False, True]


class Night:
    """A shard on one night, and on later ones that may use what was kept."""

    def __init__(self, rows: list[Row]):
        self.rows, self.items, self.plan = rows, items_of(rows), plan_of()
        self.rollups = rollups_of(rows)
        self.owner, self.level = thresholds_of(rows)

    def asked(self) -> Asked:
        return Asked(np.arange(len(self.rows)), self.items.sign < 0, self.owner, self.level)

    def run(self, ago: int, kept=None) -> Outcome:
        plan = replace(self.plan, end_us=END_US - ago * DAY_US)
        return run(self.rollups, self.items, self.owner, self.level, plan, kept)


def kept_of(path, night: Night, out: Outcome, ago: int, kept=None) -> KeptForecasts:
    file = KeepingFile(path, {"a": "b"})
    piece = remember(night.asked(), out, kept, END_US - ago * DAY_US)
    assert piece is not None
    file.write(piece)
    file.finish()
    return KeptForecasts(path)


def rows_of(count: int, seed: int = 1) -> list[Row]:
    rng = np.random.default_rng(seed)
    hours = np.arange(days(40))
    daily = 40 + 10 * np.sin(2 * np.pi * hours / 24)
    return [Row(np.clip(daily + rng.normal(0, 2, hours.size), 0, 100), thresholds=(90.0, 95.0)) for _ in range(count)]


def test_quiet_series_are_carried_and_fitted_anew_on_their_turn(tmp_path):
    """Each of fourteen series has its night; the others are as old as the nights since their last."""
    night = Night(rows_of(NIGHTS))
    kept, source, seen = None, None, np.zeros((NIGHTS + 1, NIGHTS), np.int64)
    for number, ago in enumerate(range(NIGHTS, -1, -1)):
        end_us = END_US - ago * DAY_US
        kept = None if source is None else recall(source, night.asked(), end_us, 90, NIGHTS)
        out = night.run(ago, kept)
        seen[number] = out.age
        source = kept_of(tmp_path / f"{ago}", night, out, ago, kept)
        turn = np.flatnonzero((np.arange(NIGHTS) + end_us // DAY_US) % NIGHTS == 0)
        assert (out.age[turn] == 0).all()
    assert seen[0].max() == 0
    assert (seen[1:] > 0).mean() > 0.7
    assert seen.max() < NIGHTS
    # An age grows by a day a night, or the series was fitted.
    assert ((np.diff(seen, axis=0) == 1) | (seen[1:] == 0)).all()


def test_a_carried_row_says_what_was_said(tmp_path):
    """The same days have the same quantiles, the members and scores are those of the fit, what was measured is new."""
    night = Night(rows_of(6))
    before = night.run(1)
    kept = recall(kept_of(tmp_path / "k", night, before, 1), night.asked(), END_US, 90, NIGHTS)
    out, full = night.run(0, kept), night.run(0)
    old = np.flatnonzero(out.age > 0)
    assert old.size >= 3
    np.testing.assert_allclose(out.quantiles[old, :80], before.quantiles[old, 1:81], rtol=1e-6)
    np.testing.assert_array_equal(out.history[old], full.history[old])
    np.testing.assert_array_equal(out.last[old], full.last[old])
    for name in ("growth", "skill", "coverage", "pattern", "constant"):
        np.testing.assert_array_equal(getattr(out, name)[old], getattr(before, name)[old])
    names, then = list(out.names), list(before.names)
    for item in old:
        mine, old_mix = out.mixes[item]["member"], before.mixes[item]["member"]
        assert [names[m] for m in mine[mine >= 0]] == [then[m] for m in old_mix[old_mix >= 0]]
        count = [sum(int((part["item"] == item).sum()) for part in one.scores) for one in (out, before)]
        assert count[0] == count[1] > 0
    new = np.flatnonzero(out.age == 0)
    np.testing.assert_array_equal(out.quantiles[new], full.quantiles[new])


@pytest.mark.parametrize("what", ["surprise", "late", "threshold", "hour", "old", "horizon"])
def test_what_no_longer_holds_is_fitted_anew(tmp_path, what):
    """A day outside the band, a value that came late, another threshold, half a day, two weeks: nothing is carried."""
    rows = rows_of(4)
    gapped = [replace(row, values=np.where(np.arange(row.values.size) == 500, np.nan, row.values)) for row in rows]
    night = Night(gapped)
    ago = NIGHTS if what == "old" else 1
    source = kept_of(tmp_path / "k", night, night.run(ago), ago)
    end_us = END_US - (HOUR_US if what == "hour" else 0)
    if what == "surprise":
        night = Night([replace(r, values=np.append(r.values[:-24], r.values[-24:] + 30)) for r in gapped])
    elif what == "late":
        night = Night(rows)
    elif what == "threshold":
        night = Night([replace(row, thresholds=(90.0, 94.0)) for row in gapped])
    if what == "horizon":
        with pytest.raises(ValueError, match="buffer size"):
            recall(source, night.asked(), end_us, 30, NIGHTS)
        return
    kept = recall(source, night.asked(), end_us, 90, NIGHTS)
    out = night.run(0, kept)
    assert out.age.max() == 0
    np.testing.assert_array_equal(out.quantiles, night.run(0).quantiles)


def test_who_is_asked_for_finds_his_own(tmp_path):
    """A part of the series in another grouping is carried as it is among all."""
    night = Night(rows_of(9))
    source = kept_of(tmp_path / "k", night, night.run(1), 1)
    whole = night.run(0, recall(source, night.asked(), END_US, 90, NIGHTS))
    some = Night(night.rows[3:7])
    asked = replace(some.asked(), sid=np.arange(3, 7))
    part = some.run(0, recall(source, asked, END_US, 90, NIGHTS))
    np.testing.assert_array_equal(part.age, whole.age[3:7])
    np.testing.assert_array_equal(part.quantiles, whole.quantiles[3:7])
    np.testing.assert_array_equal(part.cumulative, whole.cumulative[6:14])


def test_series_that_are_new_are_fitted(tmp_path):
    """What was not there the night before has nothing that could be carried."""
    night = Night(rows_of(5))
    few = Night(night.rows[:3])
    kept = recall(kept_of(tmp_path / "k", few, few.run(1), 1), night.asked(), END_US, 90, NIGHTS)
    assert kept is not None
    assert kept.age[3:].tolist() == [0, 0]
    assert kept.age[:3].max() == 1


def test_damage_is_left_out_and_counted(tmp_path):
    """A piece whose bytes changed is as if it were not there."""
    night = Night(rows_of(3))
    kept_of(tmp_path / "k", night, night.run(1), 1)
    data = bytearray((tmp_path / "k").read_bytes())
    at = data.find(np.float32(night.run(1).quantiles[1, 5, 1]).tobytes())
    assert at > 0
    data[at] ^= 1
    (tmp_path / "k").write_bytes(data)
    source = KeptForecasts(tmp_path / "k")
    assert recall(source, night.asked(), END_US, 90, NIGHTS) is None
    assert source.damaged == 1


def test_a_shard_without_rollups_keeps_nothing():
    """Where nothing was forecast there is nothing to keep."""
    night = Night(rows_of(2))
    night.rollups = History(np.zeros(3, np.int64), np.empty(0, np.int64), {"max": np.empty(0)}, HOUR_US)
    assert remember(night.asked(), night.run(0), None, END_US) is None
