"""First sustained crossings of measured levels, against a slow plain twin."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from capforecast.kernels.crossing import first_crossings


def twin(row, levels, begin, per_day, k, n):
    """The first known step from `begin` on at which k of the newest n steps are known and at or over the limit."""
    for t in range(begin, len(row)):
        limit = levels[min((t - begin) // per_day, len(levels) - 1)]
        window = row[max(t - n + 1, 0) : t + 1]
        if not np.isnan(row[t]) and sum(1 for v in window if v >= limit) >= k:
            return t
    return -1


def crossed(values, owner, level, begin, per_day, k, n):
    out = np.empty(len(owner), np.int64)
    first_crossings(np.array(values, float), np.array(owner), np.array(level, float), begin, per_day, k, n, out)
    return out.tolist()


@given(
    values=st.lists(
        st.lists(st.sampled_from([np.nan, 0.0, 1.0, 2.0]), min_size=12, max_size=12), min_size=1, max_size=3
    ),
    levels=st.lists(st.sampled_from([0.5, 1.0, 1.5, 3.0]), min_size=1, max_size=4),
    begin=st.integers(0, 11),
    rule=st.sampled_from([(1, 1), (2, 3), (3, 5)]),
)
def test_crossings_are_those_of_the_twin(values, levels, begin, rule):
    owner = [0, len(values) - 1]
    found = crossed(values, owner, [levels, levels], begin, 3, *rule)
    assert found == [twin(values[s], levels, begin, 3, *rule) for s in owner]


def test_one_hour_is_no_crossing_and_a_window_may_begin_before():
    """Two of three: neither one high hour nor two far apart; one before the horizon counts with one in it."""
    assert crossed([[0, 0, 9, 0, 0, 9, 0]], [0], [[5]], 2, 24, 2, 3) == [-1]
    assert crossed([[0, 0, 9, 0, 9, 0, 0]], [0], [[5]], 2, 24, 2, 3) == [4]
    assert crossed([[0, 9, 9, 0, 0, 0, 0]], [0], [[5]], 2, 24, 2, 3) == [2]


def test_the_threshold_of_the_day_counts():
    """Where a threshold is raised on the second day, only the first day knows the old one."""
    assert crossed([[0, 6, 6, 6, 6]], [0], [[5, 10]], 1, 2, 1, 1) == [1]
    assert crossed([[0, 0, 0, 6, 6]], [0], [[5, 10]], 1, 2, 1, 1) == [-1]
    assert crossed([[0, 0, 0, 6, 12]], [0], [[5, 10]], 1, 2, 1, 1) == [4]
