"""The rates of counters equal a slow plain twin; resets, wraps, gaps and first samples follow the stated rules."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from capforecast.kernels.rates import rates
from tests import naive

SECOND = 1_000_000
TOP = 2.0**32


def rated(ts: list[int], value: list[float], longest: int = 100 * SECOND) -> list[float]:
    out = np.empty(len(ts))
    newest = np.full(1, -1, np.int64), np.zeros(1)
    rates(np.zeros(len(ts), np.int32), np.array(ts, np.int64), np.array(value), *newest, longest, out)
    return out.tolist()


VALUES = st.sampled_from([0.0, 5.0, 5.5, 1e9, 0.9 * TOP, TOP - 1, 2.0**64, 1e308, -1e308])
SAMPLES = st.lists(
    st.tuples(st.integers(0, 2), st.integers(0, 400), VALUES), max_size=40, unique_by=lambda row: row[:2]
)


@given(rows=SAMPLES, cut=st.integers(0, 40))
def test_rates_equal_the_plain_twin_also_when_they_come_in_two_parts(rows: list[tuple], cut: int) -> None:
    """What follows from samples does not depend on where a file ends."""
    rows.sort()
    cut = min(cut, len(rows))
    # A part ends at a time, so that each series goes on where it stopped.
    moment = sorted(row[1] for row in rows)[cut - 1] if cut else -1
    newest = np.full(3, -1, np.int64), np.zeros(3)
    got = {}
    for part in ([r for r in rows if r[1] <= moment], [r for r in rows if r[1] > moment]):
        out = np.empty(len(part))
        series, ts, value = (np.array([r[i] for r in part], t) for i, t in enumerate((np.int32, np.int64, float)))
        rates(series, ts * SECOND, value, *newest, 100 * SECOND, out)
        got |= {row[:2]: rate for row, rate in zip(part, out.tolist(), strict=True)}
    want = naive.rates(rows, 100)
    assert got.keys() == want.keys()
    np.testing.assert_allclose([got[k] for k in sorted(got)], [want[k] for k in sorted(want)], rtol=1e-12)


@pytest.mark.parametrize(
    ("before", "after", "rise"),
    [
        (10.0, 40.0, 30.0),
        (40.0, 40.0, 0.0),
        (1000.0, 10.0, None),
        (1000.0, 0.0, None),
        (TOP - 100, 50.0, 150.0),
        (0.8 * TOP, 50.0, None),
        (TOP - 100, 0.2 * TOP, None),
        (2.0**64 - 4096, 4096.0, 8192.0),
        (TOP, 10.0, None),
        (TOP - 100, -5.0, None),
        (-1e308, 1e308, None),
    ],
)
def test_a_drop_is_a_restart_and_tells_nothing_unless_it_is_a_wrap(before: float, after: float, rise: float | None):
    """A restart happened at an unknown moment, so no rate stands for its interval."""
    first, rate = rated([0, 10 * SECOND], [before, after])
    assert np.isnan(first)
    assert np.isnan(rate) if rise is None else rate == rise / 10


def test_a_long_gap_tells_nothing_and_the_next_interval_is_known():
    """What a counter rose in days unseen is no rate of any hour."""
    _, at_longest, after, following = rated([0, 100 * SECOND, 201 * SECOND, 202 * SECOND], [0.0, 100.0, 300.0, 301.0])
    assert (at_longest, following) == (1.0, 1.0)
    assert np.isnan(after)
