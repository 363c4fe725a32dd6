"""Histories without gaps, the rolling origins in them, and what a plain forecast misses there."""

from __future__ import annotations

import numpy as np

from capforecast.compiler import kernel
from capforecast.panel import Floats, Ints


@kernel()
def fill_gaps(values: Floats, season: int, filled: Floats, first: Ints) -> None:
    """Fill missing steps from the past only.

    A gap of up to three steps carries the last value; a longer one repeats the step one season before
    (season 1 carries the last value throughout).

    Parameters
    ----------
    values : float64 (S, T)
        Levels, NaN where nothing was measured.
    season : int
        Steps of the season that long gaps repeat.
    filled : float64 (S, T)
        Receives the filled levels; NaN before the first value.
    first : int64 (S,)
        Receives the column of the first value; T when there is none.
    """
    columns = values.shape[1]
    for s in range(values.shape[0]):
        first[s] = columns
        gap = 0
        for t in range(columns):
            v = values[s, t]
            if not np.isnan(v):
                gap = 0
                if first[s] == columns:
                    first[s] = t
            elif first[s] < columns:
                gap += 1
                v = filled[s, t - season] if gap > 3 and t - season >= first[s] else filled[s, t - 1]
            filled[s, t] = v


@kernel()
def place_origins(first: Ints, columns: int, horizon: int, spacing: int, training: int, back: Ints) -> None:
    """Choose the rolling origins of each series.

    Origins are whole spacings apart, so that they share the phase of the real one, and know at least
    half of the history; the newest is one horizon back where that allows it, less where it does not.

    Parameters
    ----------
    first : int64 (S,)
        First known column.
    columns, horizon, spacing, training : int
        Columns of the panel, steps ahead, distance of origins, fewest known steps at an origin.
    back : int64 (S, O)
        Receives the unknown steps per origin: 0 for the first, -1 for none.
    """
    count = back.shape[1]
    for s in range(first.shape[0]):
        back[s, :] = -1
        back[s, 0] = 0
        room = columns - first[s] - max(training, (columns - first[s]) // 2)
        far = min(room, -(-horizon // spacing) * spacing + (count - 2) * spacing) // spacing
        o = 1
        for k in range(max(far - count + 2, 1), far + 1):
            back[s, o] = k * spacing
            o += 1


@kernel()
def seasonal_scale(filled: Floats, first: Ints, season: int, scale: Floats) -> None:
    """Measure the mean absolute difference of values one season apart.

    Parameters
    ----------
    filled : float64 (S, T)
        Levels without gaps, NaN before ``first``.
    first : int64 (S,)
        First known column.
    season : int
        Steps of a season.
    scale : float64 (S,)
        Receives the mean; one where it is zero or unknown.
    """
    for s in range(filled.shape[0]):
        total, count = 0.0, 0
        for t in range(first[s] + season, filled.shape[1]):
            total += abs(filled[s, t] - filled[s, t - season])
            count += 1
        scale[s] = total / count if total > 0.0 else 1.0


@kernel()
def naive_errors(
    values: Floats,
    filled: Floats,
    first: Ints,
    back: Ints,
    combined: Floats,
    season: int,
    edges: Ints,
    out: Floats,
) -> None:
    """Measure the errors of the combination and of the last season repeated, on the same steps.

    Parameters
    ----------
    values, filled : float64 (S, T)
        Measured levels, and the same without gaps.
    first : int64 (S,)
        First known column.
    back : int64 (S, O)
        Unknown steps per origin.
    combined : float64 (S, O, M)
        Combined forecasts.
    season : int
        Steps of a season.
    edges : int64 (B + 1,)
        First step of each bucket, and M.
    out : float64 (2, S, B)
        Receives the mean absolute errors of both; NaN where no step is scored.
    """
    columns = values.shape[1]
    for s in range(values.shape[0]):
        for b in range(edges.shape[0] - 1):
            own, naive, count = 0.0, 0.0, 0
            for o in range(1, back.shape[1]):
                origin = columns - back[s, o]
                if back[s, o] < 0 or origin - season < first[s]:
                    continue
                for h in range(edges[b], min(edges[b + 1], back[s, o])):
                    y = values[s, origin + h]
                    miss = abs(y - combined[s, o, h])
                    if not np.isnan(miss):
                        own += miss
                        naive += abs(y - filled[s, origin - season + h % season])
                        count += 1
            out[0, s, b] = own / count if count > 0 else np.nan
            out[1, s, b] = naive / count if count > 0 else np.nan
