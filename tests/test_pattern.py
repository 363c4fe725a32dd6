"""What a series does again and again."""

from __future__ import annotations

import numpy as np
import pytest

from capforecast.panel import DAY_US, HOUR_US
from capforecast.pattern import envelope, motion, told
from capforecast.schema import PATTERNS
from capforecast.times import parse_moment

END_US = parse_moment("2026-05-20")
HOURS = 24 * 60


def moving(values: np.ndarray, step_us: int = HOUR_US):  # noqa: ANN201 - a record of the module under test
    rows = np.atleast_2d(values).astype(float)
    return motion(rows, np.zeros(len(rows), np.int64), rows[:, -1].copy(), step_us, END_US)


def teeth(every: int, low: float = 20.0, high: float = 80.0, rise: float = 0.0) -> np.ndarray:
    t = np.arange(HOURS)
    return low + (high - low) * (t % every) / every + rise * t / 24


def test_clean_ups_at_one_level_are_a_ceiling() -> None:
    """Teeth of a height up to 80; higher ones each time have none, and neither has what is above its old tops."""
    found = moving(np.stack([teeth(100), teeth(100, rise=1.0), np.append(teeth(100)[:-1], 95.0)]))
    assert found.clean_ups.tolist() == [14, 14, 14]
    assert 79.0 < found.ceiling[0] < 80.0
    assert np.isinf(found.ceiling[1:]).all()
    np.testing.assert_allclose(found.apart_days, 100 / 24)


def test_few_clean_ups_are_no_ceiling() -> None:
    """Three tops tell little."""
    assert np.isinf(moving(teeth(400)).ceiling[0])


def test_bursts_are_no_clean_ups() -> None:
    """What rises as suddenly as it falls is not cleaned up."""
    row = np.full(HOURS, 20.0)
    row[::150] = 70.0
    found = moving(row)
    assert found.clean_ups.tolist() == [0]
    assert found.bursts.tolist() == [10]


@pytest.mark.parametrize(("first", "count"), [(1, 3), (23, 2), (9, 9)])
def test_the_hours_of_the_daily_peaks(first: int, count: int) -> None:
    """Jobs at fixed hours, also across midnight, UTC."""
    rng = np.random.default_rng(1)
    hour = (END_US // HOUR_US - np.arange(HOURS, 0, -1)) % 24
    row = 10 + rng.random(HOURS) + 50 * ((hour - first) % 24 < count) * (1 + rng.random(HOURS))
    found = moving(row).hours[0]
    assert (found[0] - first) % 24 + found[1] <= count
    assert moving(row, 4 * HOUR_US).hours[0].tolist() == [-1, 0]


def test_the_envelope_of_teeth_is_a_line_under_their_tops() -> None:
    """It rises as the tops do; the lift is what it lags behind. Series without teeth stay as they are."""
    days = teeth(120, 20.0, 40.0, rise=0.5).reshape(-1, 24).max(axis=1)
    both = np.stack([days, days])
    height, lift = envelope(both, np.array([5.0, np.nan]))
    assert height[1].tolist() == days.tolist()
    assert lift[1] == 0.0
    late = height[0, 20:]
    np.testing.assert_allclose(np.diff(late[::5]), 2.5, atol=0.3)
    assert late[-1] + lift[0] == days[-8:].max()


def test_storage_is_filled_not_leaked_into() -> None:
    """A straight climb is a leak of memory and the steady growth, or the teeth, of a disk."""
    leak, steady, saw = (PATTERNS.index(name) for name in ("leak", "steady", "sawtooth"))
    got = told(np.array([leak, leak, leak, saw]), np.array([False, True, True, True]), np.array([0, 0, 3, 3]))
    assert got.tolist() == [leak, steady, saw, saw]
    assert DAY_US == 24 * HOUR_US
