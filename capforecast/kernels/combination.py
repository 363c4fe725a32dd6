"""From candidate forecasts at rolling origins to weights and one combined forecast."""

from __future__ import annotations

import numpy as np
from numba import njit

from capforecast.panel import Floats, Ints


@njit(cache=True, nogil=True)
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


@njit(cache=True, nogil=True)
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


@njit(cache=True, nogil=True)
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


@njit(cache=True, nogil=True)
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


@njit(cache=True, nogil=True)
def weigh(
    candidates: Floats,
    values: Floats,
    back: Ints,
    edges: Ints,
    scale: Floats,
    prior: Floats,
    temperature: float,
    weights: Floats,
    error: Floats,
    scored: Ints,
) -> None:
    """Weigh the members of each series by their errors at the rolling origins.

    The error of a member is its mean absolute error over `scale` plus its symmetric relative error;
    its weight is ``exp(-temperature (error / least error - 1))``, dropped below one hundredth of the
    sum. A member takes part only where it forecasts as many scored steps as any, and from the real origin.
    A bucket without any scored origin takes the weights of the bucket before it; without any, `prior`.

    Parameters
    ----------
    candidates : float64 (S, O, K, H)
        Forecasts; origin 0 is the real one.
    values : float64 (S, T)
        Measured levels, NaN where missing: only they are scored.
    back : int64 (S, O)
        Unknown steps per origin.
    edges : int64 (B + 1,)
        Steps ahead at which the buckets of the horizon begin, from 0; the last is H.
    scale : float64 (S,)
        Size of a typical seasonal difference.
    prior : float64 (K,)
        Weights without evidence.
    temperature : float
        Sharpness of the weights.
    weights : float64 (S, B, K)
        Receives the weights; all zero where no member can forecast.
    error : float64 (S, B, K)
        Receives the mean absolute errors; NaN for members that take no part.
    scored : int64 (S, B)
        Receives the number of scored origins.
    """
    columns = values.shape[1]
    members = candidates.shape[2]
    total = np.empty(members)
    relative = np.empty(members)
    counts = np.empty(members, np.int64)
    for s in range(candidates.shape[0]):
        for b in range(edges.shape[0] - 1):
            total[:] = 0.0
            relative[:] = 0.0
            counts[:] = 0
            scored[s, b] = 0
            for o in range(1, back.shape[1]):
                if back[s, o] < 0:
                    continue
                start = columns - back[s, o]
                stop = min(edges[b + 1], back[s, o])
                steps = 0
                for h in range(edges[b], stop):
                    if not np.isnan(values[s, start + h]):
                        steps += 1
                if steps == 0:
                    continue
                scored[s, b] += 1
                for k in range(members):
                    if np.isnan(candidates[s, o, k, edges[b]]):
                        continue
                    for h in range(edges[b], stop):
                        y = values[s, start + h]
                        if not np.isnan(y):
                            f = candidates[s, o, k, h]
                            miss = abs(y - f)
                            size = abs(y) + abs(f)
                            total[k] += miss
                            if size > 0.0:
                                relative[k] += 2.0 * miss / size
                            counts[k] += 1
            most = 0
            for k in range(members):
                error[s, b, k] = np.nan
                weights[s, b, k] = 0.0
                if not np.isnan(candidates[s, 0, k, 0]):
                    most = max(most, counts[k])
            least = np.inf
            for k in range(members):
                if counts[k] == most and most > 0 and not np.isnan(candidates[s, 0, k, 0]):
                    error[s, b, k] = total[k] / most
                    relative[k] = total[k] / most / scale[s] + relative[k] / most
                    least = min(least, relative[k])
            if most > 0:
                floor = max(least, 1e-9)
                for k in range(members):
                    if not np.isnan(error[s, b, k]):
                        weights[s, b, k] = np.exp(-temperature * (relative[k] - least) / floor)
            elif b > 0:
                weights[s, b, :] = weights[s, b - 1, :]
            else:
                for k in range(members):
                    if not np.isnan(candidates[s, 0, k, 0]):
                        weights[s, b, k] = prior[k]
            for _ in range(2):
                whole = 0.0
                for k in range(members):
                    whole += weights[s, b, k]
                if whole > 0.0:
                    for k in range(members):
                        weights[s, b, k] /= whole
                        if weights[s, b, k] < 0.01:
                            weights[s, b, k] = 0.0


@njit(cache=True, nogil=True)
def combine(candidates: Floats, weights: Floats, edges: Ints, combined: Floats) -> None:
    """Average the members of each origin with the weights of the step's bucket.

    Parameters
    ----------
    candidates : float64 (S, O, K, H)
        Forecasts.
    weights : float64 (S, B, K)
        Weights; rows sum to about one.
    edges : int64 (B + 1,)
        First step of each bucket, and H.
    combined : float64 (S, O, H)
        Receives the averages; NaN where no member with weight forecasts.
    """
    for s in range(candidates.shape[0]):
        for o in range(candidates.shape[1]):
            for b in range(edges.shape[0] - 1):
                # Averaged as differences from one member, so that members that agree give their value exactly.
                anchor = -1
                whole = 0.0
                combined[s, o, edges[b] : edges[b + 1]] = 0.0
                for k in range(candidates.shape[2]):
                    w = weights[s, b, k]
                    if w > 0.0 and not np.isnan(candidates[s, o, k, edges[b]]):
                        whole += w
                        if anchor < 0:
                            anchor = k
                        for h in range(edges[b], edges[b + 1]):
                            combined[s, o, h] += w * (candidates[s, o, k, h] - candidates[s, o, anchor, h])
                for h in range(edges[b], edges[b + 1]):
                    if anchor < 0:
                        combined[s, o, h] = np.nan
                    else:
                        combined[s, o, h] = candidates[s, o, anchor, h] + combined[s, o, h] / whole
