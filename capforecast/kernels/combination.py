"""From candidate forecasts at rolling origins to weights and one combined forecast."""

from __future__ import annotations

import numpy as np

from capforecast.compiler import kernel
from capforecast.panel import Floats, Ints


@kernel("reassoc")
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


@kernel()
def _add_distances(each: Floats, plain: int, distance: Floats) -> None:
    """Add one origin to the number, sum and sum of squares of the members' distances to the plain one."""
    for k in range(each.shape[0]):
        apart = each[k] - each[plain]
        if not np.isnan(apart):
            distance[0, k] += 1.0
            distance[1, k] += apart
            distance[2, k] += apart * apart


@kernel()
def _standard_error(sums: Floats) -> float:
    """Return the standard error of a mean from number, sum and sum of squares; 0 without any."""
    if sums[0] < 1.0:
        return 0.0
    mean = sums[1] / sums[0]
    return float(np.sqrt(max(sums[2] / sums[0] - mean * mean, 0.0) / sums[0]))


@kernel()
def _weights_of(error: Floats, able: np.ndarray, temperature: float, weights: Floats) -> None:
    """Turn the errors of the members that are able into weights that sum to one."""
    least = np.inf
    for k in range(error.shape[0]):
        if able[k]:
            least = min(least, error[k])
    # Errors of a millionth are rounding.
    floor = max(least, 1e-6)
    for k in range(error.shape[0]):
        weights[k] = np.exp(-temperature * (error[k] - least) / floor) if able[k] else 0.0


@kernel()
def _without_crumbs(weights: Floats) -> None:
    """Divide weights by their sum, drop those below one hundredth, and divide again."""
    for _ in range(2):
        whole = np.sum(weights)
        for k in range(weights.shape[0]):
            if whole > 0.0:
                weights[k] /= whole
                if weights[k] < 0.01:
                    weights[k] = 0.0


@kernel()
def _backtest(
    candidates: Floats,
    values: Floats,
    back: Ints,
    begin: int,
    end: int,
    scale: float,
    low: float,
    high: float,
    plain: int,
    truth: Floats,
    known: Floats,
    each: Floats,
    total: Floats,
    relative: Floats,
    counts: Ints,
    distance: Floats,
) -> int:
    """Add up what the members of one series miss from `begin` to `end` steps ahead; return the origins that tell.

    Receives per member: `total` absolute and `relative` errors, the `counts` of steps, and the `distance` to the
    plain member (see `_add_distances`). `truth` and `known` are room for a path, `each` for a number per member.
    """
    total[:] = 0.0
    relative[:] = 0.0
    counts[:] = 0
    distance[:, :] = 0.0
    scored = 0
    for o in range(1, back.shape[0]):
        start = values.shape[0] - back[o] + begin
        width = min(end, back[o]) - begin
        steps = 0
        for h in range(width):
            y = values[start + h]
            known[h] = 0.0 if np.isnan(y) else 1.0
            truth[h] = 0.0 if np.isnan(y) else y
            steps += not np.isnan(y)
        if steps == 0:
            continue
        scored += 1
        for k in range(candidates.shape[1]):
            row = candidates[o, k, begin : begin + width]
            each[k] = np.nan
            if not np.isnan(row[0]):
                misses = _misses(row, truth[:width], known[:width], low, high)
                total[k] += misses[0]
                relative[k] += misses[1]
                counts[k] += steps
                each[k] = (misses[0] / scale + misses[1]) / steps
        _add_distances(each, plain, distance)
    return scored


@kernel()
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
    plain: int,
    doubt: float,
    trust: float,
    weights: Floats,
    error: Floats,
    scored: Ints,
) -> None:
    """Weigh the members of each series by their errors at the rolling origins.

    The error of a member is its mean absolute error over `scale` plus its symmetric relative error, and
    as many standard errors of its distance to the `plain` member as there is `doubt`: what is not clearly
    better than the plain member has to count as worse. Its weight is ``exp(-temperature (error / least
    error - 1))``, `trust` times that for the plain member, dropped below one hundredth of the sum. A
    member takes part only where it forecasts as many scored steps as any, and from the real origin. A
    bucket without any scored origin takes the weights of the bucket before it; without any, `prior`.

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
    plain : int
        Member that is taken when in doubt.
    doubt : float
        Standard errors, over the origins, that are added to the errors of the others.
    trust : float
        Factor on the weight of the plain member.
    weights : float64 (S, B, K)
        Receives the weights, each row summing to one; zero throughout where no member can forecast.
    error : float64 (S, B, K)
        Receives the mean absolute errors; NaN for members that take no part or without scored origin.
    scored : int64 (S, B)
        Receives the number of scored origins.
    """
    members = candidates.shape[2]
    total, relative = np.empty(members), np.empty(members)
    counts = np.empty(members, np.int64)
    able = np.empty(members, np.bool_)
    each, distance = np.empty(members), np.empty((3, members))
    truth, known = np.empty(candidates.shape[3]), np.empty(candidates.shape[3])
    for s in range(candidates.shape[0]):
        for b in range(edges.shape[0] - 1):
            scored[s, b] = _backtest(
                candidates[s], values[s], back[s], edges[b], edges[b + 1], scale[s], lower[s], upper[s], plain,
                truth, known, each, total, relative, counts, distance,
            )  # fmt: skip
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
                        relative[k] += doubt * _standard_error(distance[:, k])
            if most > 0:
                _weights_of(relative, able, temperature, weights[s, b])
                weights[s, b, plain] *= trust
            elif b > 0:
                weights[s, b, :] = weights[s, b - 1, :]
            else:
                for k in range(members):
                    weights[s, b, k] = prior[k] if able[k] else 0.0
            _without_crumbs(weights[s, b])


@kernel()
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
                        row = candidates[s, o, k, edges[b] : edges[b + 1]]
                        base = candidates[s, o, anchor, edges[b] : edges[b + 1]]
                        for h in range(out.shape[0]):
                            out[h] += w * (min(max(row[h], low), high) - min(max(base[h], low), high))
                if anchor < 0:
                    out[:] = np.nan
                    continue
                base = candidates[s, o, anchor, edges[b] : edges[b + 1]]
                for h in range(out.shape[0]):
                    out[h] = min(max(base[h], low), high) + out[h] / whole
