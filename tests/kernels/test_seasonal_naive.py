"""The seasonal naive pool: equal to its plain twin, and to what one sees by eye."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from capforecast.kernels.seasonal_naive import seasonal_naive
from capforecast.models.seasonal_naive import SeasonalNaive
from tests import naive
from tests.strategies import WHOLE, assert_close, blocks, sizes, some_origins

H = 9
MEMBERS = len(SeasonalNaive().members((2, 4)))


def run(values: np.ndarray, first: np.ndarray, back: np.ndarray, m1: int, m2: int) -> np.ndarray:
    out = np.empty((*back.shape, MEMBERS, H))
    seasonal_naive(values, first, back, m1, m2, 0, out)
    return out


@given(
    values=blocks(WHOLE), seasons=st.sampled_from([(1, 1), (4, 1), (3, 12), (7, 21), (2, 100)]), seed=st.integers(0, 99)
)
def test_equals_the_plain_twin(values: np.ndarray, seasons: tuple[int, int], seed: int) -> None:
    """Every member of every series and origin is what the twin computes from the same history."""
    columns = values.shape[1]
    first = np.isnan(values).sum(axis=1)
    back = some_origins(columns, len(values), seed)
    got = run(values, first, back, *seasons)
    want = np.full_like(got, np.nan)
    for s, o in np.ndindex(*back.shape):
        known = columns - back[s, o]
        if back[s, o] >= 0 and known > first[s]:
            want[s, o] = naive.seasonal_naive(values[s, first[s] : known].tolist(), *seasons, H)
    assert_close(got, want, sizes(values))


def test_members_of_a_counted_series() -> None:
    """Seasons of 2 and 4 over 1..8: each member by hand."""
    values = np.arange(1.0, 9.0)[None, :]
    got = run(values, np.zeros(1, np.int64), np.zeros((1, 1), np.int64), 2, 4)[0, 0, :, :5]
    want = [
        [8.0] * 5,
        [7.5] * 5,  # (7 + 8) / 2
        [7.0, 8.0, 7.0, 8.0, 7.0],
        [9.0, 10.0, 11.0, 12.0, 13.0],  # (7.5 - 1.5) / 3 = 2 a season, three seasons apart
        [6.5] * 5,  # median of 5, 6, 7, 8
    ]
    np.testing.assert_allclose(got, want, rtol=1e-15)
