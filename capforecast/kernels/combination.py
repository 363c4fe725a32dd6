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


@njit(cache=True, nogil=True, fastmath={"reassoc"})
def _misses(row: Floats, truth: Floats, known: Floats, low: float, high: float) -> tuple[float, float]:
    """Return the sums of absolute and of symmetric relative errors over the known steps."""
    total, relative = 0.0, 0.0
    for h in range(truth.shape[0]):
        guess = min(max(row[h], low), high)
        miss = known[h] * abs(truth[h] - guess)
        total += miss
        # Where both are nothing, nothing is missed.
        relative += miss / max(abs(truth[h]) + abs(guess), 1e-300)
    return total, 2.0 * relative


@njit(cache=True, nogil=True)
def _weights_of(error: Floats, able: np.ndarray, temperature: float, weights: Floats) -> None:
    """Turn the errors of the members that are able into weights that sum to one."""
    least = np.inf
    for k in range(error.shape[0]):
        if able[k]:
            least = min(least, error[k])
    floor = max(least, 1e-9)
    for k in range(error.shape[0]):
        weights[k] = np.exp(-temperature * (error[k] - least) / floor) if able[k] else 0.0


@njit(cache=True, nogil=True)
def _without_crumbs(weights: Floats) -> None:
    """Divide weights by their sum, drop those below one hundredth, and divide again."""
    for _ in range(2):
        whole = np.sum(weights)
        for k in range(weights.shape[0]):
            if whole > 0.0:
                weights[k] /= whole
                if weights[k] < 0.01:
                    weights[k] = 0.0


@njit(cache=True, nogil=True)
def weigh(
    candidates: Floats,
    values: Floats,
    back: Ints,
    edges: Ints,
    scale: Floats,
    lower: Floats,
    upper: Floats,
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
    lower, upper : float64 (S,)
        Bounds that forecasts are cut to.
    prior : float64 (K,)
        Weights without evidence.
    temperature : float
        Sharpness of the weights.
    weights : float64 (S, B, K)
        Receives the weights, each row summing to one; zero throughout where no member can forecast.
    error : float64 (S, B, K)
        Receives the mean absolute errors; NaN for members that take no part or without scored origin.
    scored : int64 (S, B)
        Receives the number of scored origins.
    """
    columns = values.shape[1]
    members = candidates.shape[2]
    total, relative = np.empty(members), np.empty(members)
    counts = np.empty(members, np.int64)
    able = np.empty(members, np.bool_)
    truth, known = np.empty(candidates.shape[3]), np.empty(candidates.shape[3])
    for s in range(candidates.shape[0]):
        for b in range(edges.shape[0] - 1):
            total[:] = 0.0
            relative[:] = 0.0
            counts[:] = 0
            scored[s, b] = 0
            for o in range(1, back.shape[1]):
                start = columns - back[s, o] + edges[b]
                width = min(edges[b + 1], back[s, o]) - edges[b]
                steps = 0
                for h in range(width):
                    y = values[s, start + h]
                    known[h] = 0.0 if np.isnan(y) else 1.0
                    truth[h] = 0.0 if np.isnan(y) else y
                    steps += not np.isnan(y)
                if steps == 0:
                    continue
                scored[s, b] += 1
                for k in range(members):
                    row = candidates[s, o, k, edges[b] : edges[b] + width]
                    if not np.isnan(row[0]):
                        misses = _misses(row, truth[:width], known[:width], lower[s], upper[s])
                        total[k] += misses[0]
                        relative[k] += misses[1]
                        counts[k] += steps
            most = 0
            for k in range(members):
                able[k] = not np.isnan(candidates[s, 0, k, 0])
                if able[k]:
                    most = max(most, counts[k])
            for k in range(members):
                error[s, b, k] = np.nan
                if most > 0:
                    able[k] = able[k] and counts[k] == most
                    if able[k]:
                        error[s, b, k] = total[k] / most
                        relative[k] = total[k] / most / scale[s] + relative[k] / most
            if most > 0:
                _weights_of(relative, able, temperature, weights[s, b])
            elif b > 0:
                weights[s, b, :] = weights[s, b - 1, :]
            else:
                for k in range(members):
                    weights[s, b, k] = prior[k] if able[k] else 0.0
            _without_crumbs(weights[s, b])


@njit(cache=True, nogil=True)
def combine(candidates: Floats, weights: Floats, edges: Ints, lower: Floats, upper: Floats, combined: Floats) -> None:
    """Average the members of each origin with the weights of the step's bucket.

    Parameters
    ----------
    candidates : float64 (S, O, K, H)
        Forecasts.
    weights : float64 (S, B, K)
        Weights; rows sum to about one.
    edges : int64 (B + 1,)
        First step of each bucket, and H.
    lower, upper : float64 (S,)
        Bounds that forecasts are cut to.
    combined : float64 (S, O, H)
        Receives the averages; NaN where no member with weight forecasts.
    """
    for s in range(candidates.shape[0]):
        low, high = lower[s], upper[s]
        for o in range(candidates.shape[1]):
            for b in range(edges.shape[0] - 1):
                # Averaged as differences from one member, so that members that agree give their value exactly.
                anchor = -1
                whole = 0.0
                out = combined[s, o, edges[b] : edges[b + 1]]
                out[:] = 0.0
                for k in range(candidates.shape[2]):
                    w = weights[s, b, k]
                    if w > 0.0 and not np.isnan(candidates[s, o, k, edges[b]]):
                        whole += w
                        if anchor < 0:
                            anchor = k
                            continue
                        row, base = candidates[s, o, k, edges[b] :], candidates[s, o, anchor, edges[b] :]
                        for h in range(out.shape[0]):
                            out[h] += w * (min(max(row[h], low), high) - min(max(base[h], low), high))
                for h in range(out.shape[0]):
                    if anchor < 0:
                        out[h] = np.nan
                    else:
                        out[h] = min(max(candidates[s, o, anchor, edges[b] + h], low), high) + out[h] / whole
