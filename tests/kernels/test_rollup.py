"""The rollup kernel equals a slow plain twin that looks at one bucket at a time."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from capforecast.kernels.rollup import rollup

HOUR = 3_600_000_000


def plain(series, ts, value, step):
    """Group by (series, bucket) in a dict; sort each group for its 95th percentile."""
    groups = {}
    for s, t, v in zip(series.tolist(), ts.tolist(), value.tolist(), strict=True):
        groups.setdefault((s, t // step), []).append(v)
    rows = []
    for (s, b), values in groups.items():
        ranked = sorted(values)
        p95 = next(v for v in ranked if sum(w <= v for w in ranked) * 100 >= 95 * len(ranked))
        rows.append((s, b, len(values), math.fsum(values) / len(values), ranked[-1], p95, values[-1], ranked[0]))
    return rows


def compare(series, ts, value, step):
    got = [
        tuple(column[i].item() for column in out)
        for out in [rollup(series, ts, value, step)]
        for i in range(out[0].size)
    ]
    want = plain(series, ts, value, step)
    assert len(got) == len(want)
    for g, w in zip(got, want, strict=True):
        assert g[:3] == w[:3]
        assert g[4:] == w[4:]
        assert math.isclose(g[3], w[3], rel_tol=1e-12, abs_tol=1e-9)
        assert w[7] <= g[3] <= w[4]


@settings(max_examples=60, deadline=None)
@given(
    sizes=st.lists(st.integers(1, 400), min_size=1, max_size=5),
    spread=st.sampled_from([1, 7, 1000, 3 * HOUR]),
    seed=st.integers(0, 2**31),
)
def test_equals_the_plain_twin(sizes, spread, seed):
    rng = np.random.default_rng(seed)
    series = np.repeat(np.arange(len(sizes), dtype=np.int32), sizes)
    ts = np.concatenate([np.sort(rng.choice(np.arange(n * 3), n, replace=False)) * spread for n in sizes])
    value = np.round(rng.normal(size=series.size) * 10, 1)
    compare(series, ts.astype(np.int64), value, HOUR)


@pytest.mark.parametrize("n", [1, 2, 19, 20, 21, 40, 139, 140, 160, 180, 3600])
def test_p95_is_the_nearest_rank_at_every_bucket_size(n):
    value = np.random.default_rng(n).permutation(np.arange(n, dtype=float))
    out = rollup(np.zeros(n, np.int32), np.arange(n, dtype=np.int64), value, HOUR)
    assert out[5].tolist() == [math.ceil(0.95 * n - 1e-9) - 1]


def test_equal_values_have_exactly_themselves_as_mean():
    value = np.full(3, 0.1)
    out = rollup(np.zeros(3, np.int32), np.arange(3, dtype=np.int64), value, HOUR)
    assert out[3].tolist() == [0.1]


def test_values_near_the_end_of_the_double_range_have_a_finite_mean():
    value = np.array([1.7e308, 1.7e308, 1.6e308])
    out = rollup(np.zeros(3, np.int32), np.arange(3, dtype=np.int64), value, HOUR)
    assert 1.6e308 <= out[3][0] <= 1.7e308


def test_no_samples_give_no_rows():
    out = rollup(np.zeros(0, np.int32), np.zeros(0, np.int64), np.zeros(0), HOUR)
    assert [column.size for column in out] == [0] * 8


def test_a_bucket_starts_at_its_multiple_and_series_do_not_mix():
    series = np.array([0, 0, 0, 1], np.int32)
    ts = np.array([HOUR - 1, HOUR, 2 * HOUR - 1, 2 * HOUR - 1], np.int64)
    out = rollup(series, ts, np.array([1.0, 2.0, 3.0, 4.0]), HOUR)
    assert out[0].tolist() == [0, 0, 1]
    assert out[1].tolist() == [0, 1, 1]
    assert out[2].tolist() == [1, 2, 1]
