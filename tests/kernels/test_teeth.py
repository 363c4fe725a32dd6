"""How series move: equal to plain twins, and what hand-made shapes must give."""

from __future__ import annotations

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from capforecast.kernels.teeth import climb, episodes, month_ends, peak_hours, teeth
from tests.strategies import blocks

NAN = math.nan
Row = list[float]


def first_of(values: np.ndarray) -> np.ndarray:
    known = ~np.isnan(values)
    return np.where(known.any(axis=1), known.argmax(axis=1), values.shape[1]).astype(np.int64)


# --- plain twins --------------------------------------------------------------------------------


def plain_teeth(row: Row, window: int, most: int) -> Row:
    """Return the eight numbers from pairs of neighbours that are known."""
    start = max(next((t for t, v in enumerate(row) if not math.isnan(v)), len(row)), len(row) - window)
    known = [(t - start, v) for t, v in enumerate(row) if t >= start and not math.isnan(v)]
    nothing = [0.0, 0.0] + [NAN] * 6
    steps = [b - a for (_, a), (_, b) in zip(known, known[1:], strict=False)]
    size = len(row) - start
    if size < 3 or not steps:
        return nothing
    drop = max([-s for s in steps] + [0.0])
    levels = [v for _, v in known]
    typical = float(np.median(np.abs(steps[:: max(size // most, 1) | 1])))
    if drop <= 0 or drop < 0.15 * (max(levels) - min(levels)) or drop < 8 * typical:
        return nothing
    drops = [i for i, s in enumerate(steps) if -s >= 0.5 * drop]
    tops = [known[i][1] for i in drops]
    moments = [float(known[i + 1][0]) for i in drops]
    slope = float(np.polyfit(moments, tops, 1)[0]) if len(set(moments)) > 1 else 0.0
    rises = sum(s >= 0.5 * drop for s in steps)
    depth = sum(-steps[i] for i in drops) / len(drops)
    return [len(drops), rises, min(tops), max(tops), slope, depth, size - moments[-1], moments[-1] - moments[0]]


def plain_episodes(row: Row, apart: int, most: int) -> int:
    known = [v for v in row if not math.isnan(v)]
    start = next((t for t, v in enumerate(row) if not math.isnan(v)), len(row))
    part = row[start :: max((len(row) - start) // most, 1) | 1]
    ranked = sorted(v for v in part if not math.isnan(v))
    if len(ranked) < 8:
        return 0
    middle = ranked[len(ranked) // 2]
    bound = middle + 8 * (ranked[3 * len(ranked) // 4] - middle)
    high = [t for t, v in enumerate(row) if t >= start and v > bound]
    if 10 * len(high) >= len(known):
        return 0
    return sum(i == 0 or t - high[i - 1] > apart for i, t in enumerate(high))


def plain_month_ends(row: Row, first: int, ends: list[int], near: int, far: int) -> list[int]:
    judged = stands = 0
    for end in ends:
        if end - far < first or end + near >= len(row):
            continue
        around = range(end - far, min(end + far + 2, len(row)))
        inside = [row[t] for t in around if end - near <= t <= end + near + 1 and not math.isnan(row[t])]
        outside = [row[t] for t in around if not end - near <= t <= end + near + 1 and not math.isnan(row[t])]
        if inside and outside:
            judged += 1
            stands += max(inside) > max(outside) + 0.5 * (max(outside) - min(outside)) and max(inside) > max(outside)
    return [judged, stands]


def plain_climb(row: Row, start: int) -> Row:
    part = np.array(row[start:])
    largest = max(map(abs, part), default=0.0)
    if part.size < 3 or largest == 0 or np.ptp(part) == 0:
        return [0.0, 0.0]
    slope = np.polyfit(np.arange(part.size), part, 1)[0]
    share = np.corrcoef(np.arange(part.size), part)[0, 1] ** 2
    return [share, slope * (part.size - 1) / largest] if slope > 0 else [0.0, 0.0]


def plain_hours(row: Row, per_day: int, hour: list[int], days: int) -> list[int]:
    peaks = []
    for d in range(min(days, len(row) // per_day)):
        place = range(len(row) - (d + 1) * per_day, len(row) - d * per_day)
        known = [t for t in place if not math.isnan(row[t])]
        if known:
            peaks.append(hour[max(known, key=lambda t: (row[t], -t))])
    if len(peaks) < 7:
        return [-1, 0]
    for width in range(1, 25):
        counts = [sum((p - h) % 24 < width for p in peaks) for h in range(24)]
        if 5 * max(counts) >= 4 * len(peaks):
            return [counts.index(max(counts)), width]
    raise AssertionError("a day has 24 hours")


# --- equality -----------------------------------------------------------------------------------


@given(values=blocks(), window=st.integers(1, 60), most=st.sampled_from([4, 128]))
def test_teeth_equal_the_plain_twin(values: np.ndarray, window: int, most: int) -> None:
    """Counts and tops bitwise, sums to rounding."""
    out = np.empty((len(values), 8))
    teeth(values, first_of(values), window, most, out)
    want = [plain_teeth(row.tolist(), window, most) for row in values]
    scale = np.nanmax(np.abs(values), initial=1.0)
    np.testing.assert_allclose(out / scale, np.array(want) / scale, rtol=1e-6, atol=1e-7)


@given(values=blocks(), apart=st.integers(0, 5), most=st.sampled_from([10, 128]))
def test_episodes_equal_the_plain_twin(values: np.ndarray, apart: int, most: int) -> None:
    """Bursts are counted from the same bound."""
    out = np.empty(len(values), np.int64)
    episodes(values, first_of(values), apart, most, out)
    assert out.tolist() == [plain_episodes(row.tolist(), apart, most) for row in values]


@given(values=blocks(), ends=st.lists(st.integers(-5, 60), max_size=5, unique=True), far=st.integers(2, 6))
def test_month_ends_equal_the_plain_twin(values: np.ndarray, ends: list[int], far: int) -> None:
    """Ends outside of the history, and those whose neighbourhood is, are not judged."""
    out = np.empty((len(values), 2), np.int64)
    first = first_of(values)
    month_ends(values, first, np.array(sorted(ends), np.int64), 1, far, out)
    want = [plain_month_ends(r.tolist(), f, sorted(ends), 1, far) for r, f in zip(values, first, strict=True)]
    assert out.tolist() == want


@given(seed=st.integers(0, 999), days=st.integers(1, 40), start=st.integers(0, 40))
def test_climb_equals_the_plain_twin(seed: int, days: int, start: int) -> None:
    """Share of the variance and rise of the line; nothing where it falls."""
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(2, days)) + rng.normal() * np.arange(days)
    out = np.empty((2, 2))
    climb(values, np.full(2, min(start, days)), out)
    np.testing.assert_allclose(out, [plain_climb(row.tolist(), start) for row in values], rtol=1e-6, atol=1e-9)


@given(seed=st.integers(0, 999), days=st.integers(0, 20), late=st.integers(0, 23), wide=st.integers(0, 24))
def test_peak_hours_equal_the_plain_twin(seed: int, days: int, late: int, wide: int) -> None:
    """Hours wrap around midnight; the earliest of equally good stretches is taken."""
    rng = np.random.default_rng(seed)
    values = rng.random((1, days * 24 + 5))
    hour = (np.arange(values.shape[1]) + late) % 24
    values[0, (hour - late) % 24 < wide] += 1.0
    values[0, rng.random(values.shape[1]) < 0.1] = NAN
    out = np.empty((1, 2), np.int64)
    peak_hours(values, 24, hour, 14, out)
    assert out[0].tolist() == plain_hours(values[0].tolist(), 24, hour.tolist(), 14)


# --- by hand ------------------------------------------------------------------------------------


def test_a_sawtooth_has_drops_and_no_sudden_rises() -> None:
    """Three teeth that rise by 1 a step from 0 to 9: two drops from 9, ten columns since the last one."""
    out = np.empty((1, 8))
    teeth(np.tile(np.arange(10.0), 3)[None, :], np.zeros(1, np.int64), 99, 128, out)
    assert out[0].tolist() == [2.0, 0.0, 9.0, 9.0, 0.0, 9.0, 10.0, 10.0]


def test_a_burst_drops_as_suddenly_as_it_rose() -> None:
    """A lone peak is one drop and one rise."""
    row = np.zeros((1, 30))
    row[0, 12] = 5.0
    out = np.empty((1, 8))
    teeth(row, np.zeros(1, np.int64), 99, 128, out)
    assert out[0, :2].tolist() == [1.0, 1.0]
