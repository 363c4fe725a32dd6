"""Series and panels for property tests: plain, gappy, constant, short, huge, tiny, negative, counted, spiky."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from capforecast.kernels.origins import fill_gaps, place_origins
from capforecast.panel import Floats, Ints, Panel

KINDS = (
    "normal", "gaps", "constant", "huge", "tiny", "negative", "counts", "spiky", "ramp", "stepped", "seasonal", "late",
    "none",
)  # fmt: skip
WHOLE = tuple(kind for kind in KINDS if kind not in ("gaps", "none"))
"""Kinds without a missing value after the first known one."""


def levels(kind: str, seed: int, length: int) -> Floats:
    """Return one series of a kind, reproducible from its seed."""
    rng = np.random.default_rng([seed, KINDS.index(kind)])
    noise = rng.normal(size=length)
    steps = np.arange(length)
    day, week = np.sin(2 * np.pi * steps / 24), np.sin(2 * np.pi * steps / 168)
    shapes: dict[str, Floats] = {
        "constant": np.full(length, round(float(rng.uniform(-50, 150)), 1)),
        "huge": 1e15 * (1.0 + 0.1 * noise),
        "tiny": 1e-12 * (1.0 + 0.1 * noise),
        "negative": -40.0 + 5.0 * noise,
        "counts": rng.integers(0, 6, length).astype(float),
        "spiky": np.where(rng.random(length) < 0.05, 1000.0, 3.0) + 0.1 * noise,
        "ramp": 10.0 + rng.uniform(-1, 1) * steps + 0.01 * noise,
        "stepped": np.where(steps < length // 2, 20.0, 60.0) + 0.2 * steps + noise,
        "seasonal": 50.0 + 20.0 * day + 3.0 * week + noise,
        "none": np.full(length, np.nan),
    }
    y = shapes.get(kind, 50.0 + 10.0 * noise)
    if kind == "gaps":
        y[rng.random(length) < 0.2] = np.nan
        start = int(rng.integers(0, length))
        y[start : start + int(rng.integers(1, 40))] = np.nan
    elif kind == "late":
        y[: int(rng.integers(0, length))] = np.nan
    return y


@st.composite
def blocks(draw: st.DrawFn, kinds: tuple[str, ...] = KINDS, most: int = 120, rows: int = 5) -> Floats:
    """Draw float64 (S, T): series of several kinds on one grid, short ones too, padded on the left."""
    columns = draw(st.integers(1, most))
    chosen = draw(st.lists(st.tuples(st.sampled_from(kinds), st.integers(0, 999)), min_size=1, max_size=rows))
    values = np.full((len(chosen), columns), np.nan)
    for row, (kind, seed) in enumerate(chosen):
        length = draw(st.one_of(st.just(columns), st.integers(1, columns)))
        values[row, columns - length :] = levels(kind, seed, length)
    return values


def fleet(step_us: int, columns: int, seed: int = 0) -> Panel:
    """Return a panel with every kind of series once, the bounds of percentages where they fit, shorter ones too."""
    values = np.full((2 * len(KINDS), columns), np.nan)
    for i, kind in enumerate(KINDS):
        values[i] = levels(kind, seed, columns)
        values[len(KINDS) + i, -(columns // 3) :] = levels(kind, seed + 1, columns // 3)
    return panel(values, step_us)


def panel(values: Floats, step_us: int) -> Panel:
    """Return a panel; a series inside 0 to 100 is bounded there, one without negative values below, else nowhere."""
    low = np.where(np.isnan(values), np.inf, values).min(axis=1)
    high = np.where(np.isnan(values), -np.inf, values).max(axis=1)
    lower = np.where(low >= 0.0, 0.0, -np.inf)
    upper = np.where((low >= 0.0) & (high <= 100.0), 100.0, np.inf)
    return Panel(values, step_us, np.zeros(len(values), np.int64), lower, upper)


def sizes(values: Floats) -> Floats:
    """Return the largest absolute level of each series, one where nothing is known."""
    top = np.where(np.isnan(values), 0.0, np.abs(values)).max(axis=1)
    return np.where(top > 0.0, top, 1.0)


def assert_close(got: Floats, want: Floats, scale: Floats, tolerance: float = 1e-9) -> None:
    """Assert that both are NaN at the same places, and equal elsewhere up to rounding at the size of each row."""
    got, want = np.asarray(got, float), np.asarray(want, float)
    assert want.shape == got.shape
    np.testing.assert_array_equal(np.isnan(got), np.isnan(want))
    wide = scale.reshape(-1, *[1] * (got.ndim - 1))
    np.testing.assert_allclose(got / wide, want / wide, rtol=tolerance, atol=tolerance)


def some_origins(columns: int, rows: int, seed: int, count: int = 4) -> Ints:
    """Return origins, int64 (S, O): 0 first, then any, -1 for none."""
    rng = np.random.default_rng(seed)
    back = rng.integers(-1, columns + 1, (rows, count))
    back[:, 0] = 0
    return back


def filled_of(values: np.ndarray, season: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Return levels without gaps and their first columns."""
    filled, first = np.empty_like(values), np.empty(len(values), np.int64)
    fill_gaps(values, season, filled, first)
    return filled, first


def origins_of(first: np.ndarray, columns: int, horizon: int, spacing: int, training: int, count: int) -> np.ndarray:
    """Return the rolling origins of series with these first columns."""
    back = np.empty((first.size, count), np.int64)
    place_origins(first, columns, horizon, spacing, training, back)
    return back


def guesses(values: np.ndarray, back: np.ndarray, members: int, seed: int) -> np.ndarray:
    """Return candidates of 6 steps around the truth, some members unable from some origins."""
    rng = np.random.default_rng(seed)
    level = np.nan_to_num(values[:, -1])[:, None, None, None]
    out = level + sizes(values)[:, None, None, None] * rng.normal(size=(*back.shape, members, 6)) / 4
    out[rng.random(out.shape[:3]) < 0.15] = np.nan
    out[back < 0] = np.nan
    return out
