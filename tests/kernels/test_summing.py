"""Sums of rows: those of a loop, to the last bit, however the rows are cut."""

from __future__ import annotations

import numpy as np
import pytest

from capforecast.kernels.summing import add_up


@pytest.mark.parametrize("cut", [1, 7, 200])
def test_sums_are_the_same_however_the_rows_are_cut(cut: int) -> None:
    rng = np.random.default_rng(3)
    rows = rng.normal(size=(200, 5)) * 10.0 ** rng.integers(-8, 8, (200, 1))
    key, place = rng.integers(0, 4, 600), rng.integers(0, 200, 600)
    want = [[0.0] * 5 for _ in range(4)]
    for k, i in zip(key.tolist(), place.tolist(), strict=True):
        want[k] = [total + value for total, value in zip(want[k], rows[i].tolist(), strict=True)]
    sums = np.zeros((4, 5))
    for start in range(0, 600, cut):
        add_up(key[start : start + cut], place[start : start + cut], rows, sums)
    assert sums.tolist() == want
