"""Lines, areas and labels of SVG: which range to draw, where levels lie in it, round marks, path data, safe text."""

from __future__ import annotations

import math
from html import escape

import numpy as np
from numpy.typing import ArrayLike, NDArray

from capforecast.errors import printable

Floats = NDArray[np.float64]

# Levels beyond count as this much, so that distances stay finite.
_MOST = 1e300


def limits(core: list[Floats], wide: list[Floats]) -> tuple[float, float]:
    """Return the range to draw: all of the core, and of the rest no more than the core's own width again."""
    inner, outer = (
        np.clip(levels[np.isfinite(levels)], -_MOST, _MOST)
        for levels in (np.concatenate(core), np.concatenate([*core, *wide]))
    )
    if not outer.size:
        return 0.0, 1.0
    inner = inner if inner.size else outer
    low, high = float(inner.min()), float(inner.max())
    reach = high - low or max(abs(high), 1.0) / 4
    low, high = max(float(outer.min()), low - reach), min(float(outer.max()), high + reach)
    if 0 < low <= high / 4:
        low = 0.0
    return _widened(low, high)


def share(values: ArrayLike, low: float, high: float) -> Floats:
    """Return where the values lie between low (0) and high (1); those beyond count as the nearest."""
    shares: Floats = (np.clip(np.asarray(values, dtype=np.float64), low, high) - low) / (high - low)
    return shares


def ticks(low: float, high: float, most: int) -> list[float]:
    """Return at most `most` + 1 round levels between the limits: multiples of 1, 2 or 5."""
    raw = (high - low) / max(most, 2)
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(m * power for m in (1, 2, 5, 10) if m * power >= raw * 0.999)
    return [i * step for i in range(math.ceil(low / step), math.floor(high / step) + 1)]


def line(xs: Floats, ys: Floats) -> str:
    """Return path data that breaks at gaps; a lone point is a dot."""
    runs = _runs(np.isfinite(ys), xs)
    return "".join(_points(xs[run], ys[run]) + ("h0" if run.size == 1 else "") for run in runs)


def band(xs: Floats, lower: Floats, upper: Floats) -> str:
    """Return path data around the area between two lines."""
    runs = _runs(np.isfinite(lower) & np.isfinite(upper), xs)
    around = [np.concatenate([run, run[::-1]]) for run in runs]
    edges = [np.concatenate([upper[run], lower[run][::-1]]) for run in runs]
    return "".join(_points(xs[run], edge) + "Z" for run, edge in zip(around, edges, strict=True))


def text(value: str) -> str:
    """Return a text as it may stand in SVG: control characters come out as escapes, markup as text."""
    return escape(printable(value).replace("\n", "\\n"))


def _widened(low: float, high: float) -> tuple[float, float]:
    """Return limits that differ enough to divide by their distance."""
    size = max(abs(low), abs(high))
    if high - low > 1e-12 * size and size > 1 / _MOST:
        return low, high
    pad = 0.05 * size if size > 1 / _MOST else 1.0
    return low - pad, high + pad


def _runs(known: NDArray[np.bool_], xs: Floats) -> list[NDArray[np.int64]]:
    """Return the indices of each unbroken run: known values, no further apart than usual."""
    places = np.flatnonzero(known)
    if not places.size:
        return []
    usual = np.median(np.diff(xs)) if xs.size > 1 else 0.0
    apart = (np.diff(places) > 1) | (np.diff(xs[places]) > 1.5 * usual)
    return np.split(places, np.flatnonzero(apart) + 1)


def _points(xs: Floats, ys: Floats) -> str:
    """Return a point and the whole-numbered steps from it to the next ones, as path data."""
    places = np.rint(np.column_stack([xs, ys])).astype(np.int64)
    steps = "".join(f"l{dx} {dy}" for dx, dy in np.diff(places, axis=0).tolist())
    return f"M{places[0, 0]} {places[0, 1]}{steps}"
