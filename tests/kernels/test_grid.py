"""From rollups to a grid and to sustained peaks: equal to plain twins; a peak answers for every threshold."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from capforecast.kernels.grid import natural_gaps, path_peaks, scatter, sustained_peaks
from tests import naive
from tests.strategies import blocks

NAN = np.nan
RULES = st.sampled_from([(1, 1), (1, 3), (2, 3), (2, 2), (3, 3), (3, 5)])


@st.composite
def rolled(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Draw starts, buckets and values of some series, one of them perhaps empty."""
    lengths = draw(st.lists(st.integers(0, 30), min_size=1, max_size=4))
    rng = np.random.default_rng(draw(st.integers(0, 999)))
    buckets = [np.sort(rng.choice(np.arange(100, 190), n, replace=False)) for n in lengths]
    values = rng.normal(size=sum(lengths))
    values[rng.random(values.size) < 0.1] = NAN
    starts = np.concatenate(([0], np.cumsum(lengths))).astype(np.int64)
    return starts, np.concatenate(buckets).astype(np.int64), values


def peaks_of(values: np.ndarray, per_day: int, k: int, n: int, days: int) -> np.ndarray:
    out = np.empty((len(values), days))
    sustained_peaks(values, per_day, k, n, out)
    return out


@given(data=rolled(), end=st.integers(95, 200))
def test_natural_gaps_equal_the_plain_twin(data: tuple[np.ndarray, ...], end: int) -> None:
    """The lower median distance of neighbours before the end, one where there are no neighbours."""
    starts, buckets, _ = data
    got = np.empty(starts.size - 1, np.int64)
    natural_gaps(starts, buckets, end, got)
    rows = [[b for b in buckets[i:j].tolist() if b < end] for i, j in zip(starts, starts[1:], strict=False)]
    assert [naive.natural_gap(row) for row in rows] == got.tolist()


@given(data=rolled(), width=st.sampled_from([1, 2, 6]), end=st.integers(95, 200), columns=st.integers(1, 40))
def test_scatter_equals_the_plain_twin(data: tuple[np.ndarray, ...], width: int, end: int, columns: int) -> None:
    """Bitwise, in any order of series, on either sign; nothing at or after the end is placed."""
    starts, buckets, values = data
    rng = np.random.default_rng(end)
    chosen = rng.integers(0, starts.size - 1, 5)
    sign = rng.choice([-1.0, 1.0], 5)
    got = np.empty((5, columns))
    scatter(starts, buckets, values, chosen, end, width, sign, got)
    for i, s in enumerate(chosen):
        rows = list(zip(buckets.tolist(), values.tolist(), strict=True))[starts[s] : starts[s + 1]]
        np.testing.assert_array_equal(got[i], naive.scatter(rows, end, width, sign[i], columns))


@given(values=blocks(), rule=RULES, per_day=st.sampled_from([1, 4, 24]), days=st.integers(1, 6))
def test_sustained_peaks_equal_the_plain_twin(
    values: np.ndarray, rule: tuple[int, int], per_day: int, days: int
) -> None:
    """Bitwise: a peak is one of the levels."""
    got = peaks_of(values, per_day, *rule, days)
    want = [naive.sustained_peaks(row.tolist(), per_day, *rule, days) for row in values]
    np.testing.assert_array_equal(got, want)


@given(values=blocks(), rule=RULES, threshold=st.floats(-60, 200), days=st.integers(1, 5))
def test_a_peak_answers_for_every_threshold(
    values: np.ndarray, rule: tuple[int, int], threshold: float, days: int
) -> None:
    """The peak of a day lies at or above a threshold exactly when k of n steps reached it."""
    got = peaks_of(values, 4, *rule, days) >= threshold
    assert [naive.crossed(row.tolist(), 4, *rule, days, threshold) for row in values] == got.tolist()


def test_two_of_three_by_hand() -> None:
    """Days of 4: one high step is no peak; two within three steps are, also over midnight."""
    values = np.array([[1, 9, 1, 1, 1, 8, 1, 7, 6, 1, 1, 1.0], [NAN, NAN, 5, NAN, NAN, NAN, 4, 4, NAN, NAN, NAN, NAN]])
    # Day 1: best pair within three is (1, 9) -> 1. Day 2: (8, 1, 7) -> 7. Day 3: (7, 6) -> 6.
    # Second row: one known step in day 1; the pair 4, 4 in day 2; day 3 has none.
    np.testing.assert_array_equal(peaks_of(values, 4, 2, 3, 3), [[1, 7, 6], [NAN, 4, NAN]])


@given(
    rule=RULES, per_day=st.sampled_from([1, 4]), days=st.integers(1, 4), seed=st.integers(0, 99),
    known=st.sampled_from([0.0, 0.5, 1.0]),
)  # fmt: skip
def test_path_peaks_continue_the_measured_steps(
    rule: tuple[int, int], per_day: int, days: int, seed: int, known: float
) -> None:
    """A path's peaks are those of the newest measured steps and the path in one row."""
    k, n = rule
    rng = np.random.default_rng(seed)
    recent = np.where(rng.random((2, n - 1)) < known, rng.normal(size=(2, n - 1)), NAN)
    paths = rng.integers(0, 4, (2, 3, days * per_day)) + rng.normal(size=(2, 3, 1))
    weights = np.array([[0.5, 0.0, 0.5], [0.2, 0.2, 0.6]])
    got = np.empty((2, 3, days))
    path_peaks(recent, paths, weights, per_day, k, n, got)
    want = [
        [naive.sustained_peaks([*recent[s].tolist(), *path.tolist()], per_day, k, n, days) for path in paths[s]]
        for s in range(2)
    ]
    want[0][1] = [NAN] * days
    np.testing.assert_array_equal(got, want)


@pytest.mark.parametrize(("k", "n"), [(1, 1), (2, 3), (3, 3)])
def test_a_path_that_is_missing_has_no_peaks(k: int, n: int) -> None:
    """A path without a forecast, and so without weight, is NaN on every day, whatever was measured before it."""
    got = np.empty((1, 1, 2))
    path_peaks(np.full((1, n - 1), 5.0), np.full((1, 1, 8), NAN), np.zeros((1, 1)), 4, k, n, got)
    np.testing.assert_array_equal(got, np.full((1, 1, 2), NAN))
