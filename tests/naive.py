"""Slow twins of the kernels: plain loops over plain lists, one series at a time, written from what each promises.

A series is a list of floats, NaN where a step is missing. A history is what one origin knows of a
series without gaps: it begins at the first known step.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from fractions import Fraction
from itertools import takewhile
from statistics import pstdev

NAN = math.nan
Row = Sequence[float]


def mean(values: Row) -> float:
    return math.fsum(values) / len(values)


def median(values: Row) -> float:
    ranked = sorted(values)
    half = len(ranked) // 2
    return ranked[half] if len(ranked) % 2 else (ranked[half - 1] + ranked[half]) / 2


# --- gaps, origins, weights -------------------------------------------------------------------


def fill_gaps(row: Row, season: int) -> tuple[list[float], int]:
    """Carry the last value for three steps, then repeat the step one season before."""
    known = [t for t, v in enumerate(row) if not math.isnan(v)]
    if not known:
        return [NAN] * len(row), len(row)
    first = known[0]
    filled: list[float] = []
    for t, v in enumerate(row):
        if t < first or not math.isnan(v):
            filled.append(v)
            continue
        since = t - max(k for k in known if k < t)
        source = t - season if since > 3 and t - season >= first else t - 1
        filled.append(filled[source])
    return filled, first


def place_origins(first: int, columns: int, horizon: int, spacing: int, training: int, count: int) -> list[int]:
    """Keep the origins furthest back, from one whole horizon back on, that leave enough and half of the history."""
    newest = math.ceil(horizon / spacing)
    enough = max(training, (columns - first) // 2)
    allowed = [k for k in range(1, newest + count - 1) if columns - k * spacing - first >= enough]
    chosen = [k * spacing for k in allowed[-(count - 1) :]] if count > 1 else []
    return [0, *chosen] + [-1] * (count - 1 - len(chosen))


def seasonal_scale(history: Row, season: int) -> float:
    gaps = [abs(b - a) for a, b in zip(history, history[season:], strict=False)]
    return mean(gaps) if gaps and any(gaps) else 1.0


def scored_steps(row: Row, back: int, start: int, stop: int) -> list[int]:
    """Return the steps ahead in a bucket whose truth the panel holds."""
    origin = len(row) - back
    return [h for h in range(start, min(stop, back)) if not math.isnan(row[origin + h])]


def weigh(
    candidates: Sequence[Sequence[Row]],
    row: Row,
    back: Sequence[int],
    edges: Sequence[int],
    scale: float,
    prior: Row,
    temperature: float,
    plain: int = 0,
    doubt: float = 0.0,
    trust: float = 1.0,
) -> tuple[list[list[float]], list[list[float]], list[int]]:
    """Weigh the members of one series; candidates[origin][member][step]."""
    members = range(len(candidates[0]))
    able = [k for k in members if not math.isnan(candidates[0][k][0])]
    weights: list[list[float]] = []
    errors: list[list[float]] = []
    scored: list[int] = []
    for b, (start, stop) in enumerate(zip(edges, edges[1:], strict=False)):
        tests = {o: scored_steps(row, back[o], start, stop) for o in range(1, len(back)) if back[o] >= 0}
        tests = {o: steps for o, steps in tests.items() if steps}
        scored.append(len(tests))
        pairs: dict[int, list[tuple[float, float]]] = {}
        for k in able:
            pairs[k] = [
                (row[len(row) - back[o] + h], candidates[o][k][h])
                for o, steps in tests.items()
                if not math.isnan(candidates[o][k][start])
                for h in steps
            ]
        most = max((len(p) for p in pairs.values()), default=0)
        error = {k: mean([abs(y - f) for y, f in p]) for k, p in pairs.items() if most and len(p) == most}
        if error:
            relative = {
                k: error[k] / scale
                + mean([2 * abs(y - f) / (abs(y) + abs(f)) if abs(y) + abs(f) > 0 else 0.0 for y, f in pairs[k]])
                for k in error
            }
            apart = {k: _distances(candidates, row, back, tests, (k, plain), start, scale) for k in error}
            relative = {k: e + doubt * pstdev(apart[k]) / math.sqrt(len(apart[k])) for k, e in relative.items()}
            least = min(relative.values())
            raw = [
                math.exp(-temperature * (relative[k] - least) / max(least, 1e-6)) if k in error else 0.0
                for k in members
            ]
            raw[plain] *= trust
        elif b > 0:
            raw = weights[b - 1]
        else:
            raw = [prior[k] if k in able else 0.0 for k in members]
        kept = [w if sum(raw) > 0 and w >= 0.01 * sum(raw) else 0.0 for w in raw]
        weights.append([w / sum(kept) if sum(kept) > 0 else 0.0 for w in kept])
        errors.append([error.get(k, NAN) for k in members])
    return weights, errors, scored


def _distances(
    candidates: Sequence[Sequence[Row]], row: Row, back: Sequence[int], tests: dict[int, list[int]],
    pair: tuple[int, int], start: int, scale: float,
) -> list[float]:  # fmt: skip
    """Return how much worse a member is than the plain one, origin by origin; one zero without any."""
    out = []
    for o, steps in tests.items():
        if all(not math.isnan(candidates[o][k][start]) for k in pair):
            size = [
                mean([
                    abs(y - f) / scale + (2 * abs(y - f) / (abs(y) + abs(f)) if abs(y) + abs(f) > 0 else 0.0)
                    for y, f in ((row[len(row) - back[o] + h], candidates[o][k][h]) for h in steps)
                ])
                for k in pair
            ]  # fmt: skip
            out.append(size[0] - size[1])
    return out or [0.0]


def combine(candidates: Sequence[Row], weights: Sequence[Row], edges: Sequence[int]) -> list[float]:
    """Average the members of one origin; candidates[member][step], weights[bucket][member]."""
    out = []
    for b, (start, stop) in enumerate(zip(edges, edges[1:], strict=False)):
        able = [k for k, c in enumerate(candidates) if weights[b][k] > 0 and not math.isnan(c[start])]
        for h in range(start, stop):
            whole = math.fsum(weights[b][k] for k in able)
            out.append(math.fsum(weights[b][k] * candidates[k][h] for k in able) / whole if able else NAN)
    return out


def naive_errors(
    row: Row, filled: Row, first: int, back: Sequence[int], combined: Sequence[Row], season: int, edges: Sequence[int]
) -> tuple[list[float], list[float]]:
    """Mean absolute errors of the combination, and of the last season repeated, on the same steps."""
    own, naive = [], []
    for start, stop in zip(edges, edges[1:], strict=False):
        misses = []
        for o in range(1, len(back)):
            origin = len(row) - back[o]
            if back[o] < 0 or origin - season < first:
                continue
            last_season = filled[origin - season : origin]
            for h in scored_steps(row, back[o], start, stop):
                if not math.isnan(combined[o][h]):
                    y = row[origin + h]
                    misses.append((abs(y - combined[o][h]), abs(y - last_season[h % season])))
        own.append(mean([m[0] for m in misses]) if misses else NAN)
        naive.append(mean([m[1] for m in misses]) if misses else NAN)
    return own, naive


def covered(
    row: Row, back: Sequence[int], combined: Sequence[Row], edges: Sequence[int], widen: float, most: int
) -> list[float]:
    """Share of residuals that at least a fifth of the other origins' widened residuals reach."""
    out = []
    for start, stop in zip(edges, edges[1:], strict=False):
        hits = []
        for h in range(start, stop, max((stop - start) // most, 1)):
            rest = [abs(row[len(row) - back[o] + h] - combined[o][h]) for o in range(1, len(back)) if back[o] > h]
            rest = [r for r in rest if not math.isnan(r)]
            if len(rest) >= 5:
                for i, r in enumerate(rest):
                    others = rest[:i] + rest[i + 1 :]
                    hits.append(sum(widen * other >= r for other in others) >= 0.2 * len(others))
        out.append(sum(hits) / len(hits) if hits else NAN)
    return out


# --- models -----------------------------------------------------------------------------------


def seasonal_naive(history: Row, m1: int, m2: int, horizon: int) -> list[list[float]]:
    """Return the five members in their order."""
    n = len(history)
    nothing = [NAN] * horizon
    if n == 0:
        return [nothing] * 5
    out = [[history[-1]] * horizon]
    if n >= m1:
        out += [[mean(history[-m1:])] * horizon, [history[-m1:][h % m1] for h in range(horizon)]]
    else:
        out += [nothing] * 2
    out.append(_growing(history, m1, min(n // m1 - 1, 7), horizon) if n >= 3 * m1 else nothing)
    apart = next(a for a in itertools.count(max(m2 // 32, 1)) if math.gcd(a, 42) == 1)
    out.append([median(history[-m2:][::apart])] * horizon if m2 > 1 and n >= m2 else nothing)
    return out


def _growing(history: Row, season: int, apart: int, horizon: int) -> list[float]:
    """Repeat the last season, each time higher by the mean gain per season over so many seasons."""
    n = len(history)
    gain = (mean(history[-season:]) - mean(history[n - (apart + 1) * season : n - apart * season])) / apart
    return [history[-season:][h % season] + gain * (1 + h // season) for h in range(horizon)]


def double_seasonal(series: Row, known: int, m1: int, m2: int, cell: Row, horizon: int) -> list[float]:
    """Smooth the first `known` values of a series; its states start from averages of its first seasons."""
    alpha, gamma1, gamma2, phi = cell
    if m2 > 1 and len(series) >= 4 * m2:
        span = 2 * m2
    elif m2 > 1 and len(series) >= 2 * m2 + m1:
        span = m2
    else:
        span = 2 * m1
        gamma2 = 0.0
    if known < span:
        return [NAN] * horizon
    lead = series[:span]
    level = mean(lead)
    day = [mean([v - level for v in lead[p::m1]]) for p in range(m1)]
    week = [0.0] * m2
    if m2 > 1 and span >= m2:
        week = [mean([lead[t] - level - day[t % m1] for t in range(p, span, m2)]) for p in range(m2)]
    before = 0.0
    for t in range(known):
        rest = series[t] - (level + day[t % m1] + week[t % m2])
        error = rest - phi * before
        level += alpha * error
        day[t % m1] += gamma1 * error
        week[t % m2] += gamma2 * error
        before = rest
    return [level + day[(known + h) % m1] + week[(known + h) % m2] + phi ** (h + 1) * before for h in range(horizon)]


def to_scale(history: Row, known: int, lower: float, upper: float, margin: float) -> tuple[list[float], float, float]:
    """Return the logarithms of one series, and the ends of the scale."""
    before = history[: max(known, 0)]
    floor = lower if lower > -math.inf else (0.0 if min(before, default=0.0) >= 0.0 else NAN)
    width = margin * (upper - floor if upper < math.inf else mean([abs(v) for v in before]) if before else 0.0)
    width = width if width > 0 else 1.0
    low, high = floor - width, upper + width
    out: list[float] = []
    for v in history:
        if (out and math.isnan(out[-1])) or not low < v < high:
            out.append(NAN)
        else:
            out.append(math.log((v - low) / (high - v)) if high < math.inf else math.log(v - low))
    return out, low, high


def line(values: Row) -> tuple[float, float]:
    """Return the least-squares level at the last value and the slope."""
    n = len(values)
    times = [t - (n - 1) / 2 for t in range(n)]
    square = math.fsum(t * t for t in times)
    level = mean(values)
    slope = math.fsum(t * (v - level) for t, v in zip(times, values, strict=True)) / square if square else 0.0
    return level + slope * (n - 1) / 2, slope


def longest_suffix(values: Row, shortest: int) -> int:
    """Return the length of the longest suffix whose residual variance is at most 1.5 times the least."""
    variances = {}
    for n in range(shortest, len(values) + 1):
        part = values[-n:]
        level, slope = line(part)
        rest = math.fsum((v - level - slope * (t - (n - 1))) ** 2 for t, v in enumerate(part))
        variances[n] = rest / (n - 2)
    least = min(variances.values())
    return max(n for n, v in variances.items() if v <= 1.5 * least)


def last_change(values: Row, width: int) -> int:
    """Return the place of the first value after the last lasting jump; 0 when there is none."""
    if len(values) < 2 * width + 2:
        return 0
    steps = [b - a for a, b in zip(values, values[1:], strict=False)]
    typical = median([abs(s) for s in steps])
    found = 0
    for t in range(width, len(values) - width + 1):
        jump = steps[t - 1]
        shift = median(values[t : t + width]) - median(values[t - width : t])
        large = abs(jump) > 8.0 * typical and jump != 0.0
        if large and (shift > 0) == (jump > 0) and abs(shift) > 0.6 * abs(jump):
            found = t
    return found


def median_slope(values: Row) -> float:
    pairs = [(i, j) for j in range(len(values)) for i in range(j)]
    return median([(values[j] - values[i]) / (j - i) for i, j in pairs]) if pairs else 0.0


def holt(values: Row, alpha: float, beta: float, phi: float) -> tuple[float, float]:
    """Return level and slope; the slope starts as that of the first eight values."""
    lead = min(len(values) - 1, 7)
    level, slope = values[0], (values[lead] - values[0]) / lead if lead else 0.0
    for v in values[1:]:
        ahead = level + phi * slope
        level, slope = ahead + alpha * (v - ahead), phi * slope + alpha * beta * (v - ahead)
    return level, slope


def ahead(level: float, slope: float, damping: float, horizon: int) -> list[float]:
    """Return level + slope (d + d**2 + ... + d**h) for h = 1, 2, ..."""
    return [level + slope * math.fsum(damping**i for i in range(1, h + 1)) for h in range(1, horizon + 1)]


def trend(history: Row, window: int, pairs: int, horizon: int) -> list[list[float]]:
    """Return the seven lines in their order."""
    y = list(history[-window:])
    if len(y) < 5:
        return [[NAN] * horizon] * 7
    last = y[-1]
    suffix = y[-longest_suffix(y, min(len(y), 7)) :]
    since = y[last_change(y, 4) :]
    month = y[-28:]
    level, slope = line(suffix)
    smooth = y[0]
    for v in y[1:]:
        smooth += 0.6 * (v - smooth)
    return [
        ahead(last, (last - y[0]) / (len(y) - 1), 1.0, horizon),
        ahead(last, (last - month[0]) / (len(month) - 1), 1.0, horizon),
        ahead(level, slope, 1.0, horizon),
        ahead(last, slope, 0.98, horizon),
        ahead(last, median_slope(since[-pairs:]) / 2, 1.0, horizon),
        ahead(smooth, line(y)[1] / 2, 1.0, horizon),
        ahead(*holt(since, 0.6, 0.05, 0.9), 0.9, horizon),
    ]


# --- paths, peaks, passage --------------------------------------------------------------------


def persistence(measured: Row, history: Row, width: int, distance: int, unsure: float) -> float:
    """Return the slope, from 0 to 1, of the next mean on the last mean, over places of which half was measured."""
    places = range(width, len(history) - distance + 1)
    if len(places) < max(8, 2 * width):
        return unsure
    places = [
        t for t in places
        if share_known(measured[t - width : t]) >= 0.5 and share_known(measured[t : t + distance]) >= 0.5
    ]  # fmt: skip
    if len(places) < max(8, width):
        return unsure
    before = [mean(history[t - width : t]) for t in places]
    after = [mean(history[t : t + distance]) for t in places]
    square = math.fsum((x - mean(before)) ** 2 for x in before)
    cross = math.fsum((x - mean(before)) * (y - mean(after)) for x, y in zip(before, after, strict=True))
    return min(max(cross / square, 0.0), 1.0) if square > 0 else 1.0


def block_sizes(measured: Row, width: int, horizon: int, align: int, most: int) -> list[int]:
    """Return how far back the blocks of history begin: at most `most`, spread between near and far."""
    length = len(measured)
    step = align if length >= 3 * align else 1
    if sum(not math.isnan(v) for v in measured) < 6 * align:
        step = min(step, max(align // 4, 1))
    far = min((length - width) // step, most * max(1, horizon // step + 1) + most)
    near = max(min(math.ceil(horizon / step), far - 11), 1)
    choice = list(range(near, far + 1))
    count = min(len(choice), most)
    return [choice[i * len(choice) // count] * step for i in range(count)]


def share_known(row: Row) -> float:
    """Return the share of known values."""
    return sum(not math.isnan(v) for v in row) / max(len(row), 1)


def make_paths(
    measured: Row, history: Row, back: Sequence[int], combined: Sequence[Row], point: Row, *, widen: float,
    mirror: float, share: float, align: int, week: int, span: int, climate: float, unsure: float, most: int,
) -> list[tuple[list[float], float]]:  # fmt: skip
    """Return paths with weights: blocks of history, then plus and minus each residual path."""
    n, horizon = len(history), len(point)
    nothing = ([NAN] * horizon, 0.0)
    if math.isnan(point[0]):
        return [nothing] * (2 * (len(back) - 1) + most)
    width = min(span, max(n // 3, 1))
    kept = persistence(measured, history, width, min(horizon, max(width, n // 6)), unsure)
    soon = max(persistence(measured, history, width, width, unsure), kept)
    out = []
    for o in range(1, len(back)):
        told = list(takewhile(lambda f: not math.isnan(f), combined[o][: max(back[o], 0)]))
        known = len(told)
        seen = share_known(measured[n - back[o] :][:known])
        if seen == 0:
            out += [nothing, nothing]
            continue
        truth = history[n - back[o] :][:known]
        once = [widen * (y - f) for y, f in zip(truth, combined[o], strict=False)]
        rest = [once[h % known] * (1 + h // known) ** (kept / 2) for h in range(horizon)]
        out.append(([p + r for p, r in zip(point, rest, strict=True)], seen))
        out.append(([p - r for p, r in zip(point, rest, strict=True)], mirror * seen))
    now = mean(history[-width:])
    blocks = []
    for size in block_sizes(measured, width, horizon, align, most):
        seen = share_known(measured[n - size :][: min(size, horizon)])
        if seen == 0:
            blocks.append(nothing)
            continue
        change = now - mean(history[n - size - width : n - size])
        parts_kept = [kept + (soon - kept) * soon ** ((h + 1) / width) + kept * (h // size) for h in range(horizon)]
        path = [history[n - size + h % size] + change * part for h, part in enumerate(parts_kept)]
        phase = 1.0 if size % align == 0 else 0.25
        blocks.append((path, seen * (3.0 if week > 1 and size % week == 0 else phase)))
    whole, parts = sum(w for _, w in out), sum(w for _, w in blocks)
    part = share + climate * (1 - share) * (1 - soon)
    if not whole or not parts:
        part = 0.0 if whole else 1.0
    result = [(p, w / parts * part if parts else 0.0) for p, w in blocks] + [nothing] * (most - len(blocks))
    result += [(p, w / whole * (1 - part) if whole else 0.0) for p, w in out]
    if not whole and not parts:
        result[0] = (list(point), 1.0)
    return [one if one[1] else nothing for one in result]


def quantile(values: Row, weights: Row, probability: float) -> float:
    """Interpolate between the midpoints of the sorted weights, flat outside them."""
    pairs = sorted((v, w) for v, w in zip(values, weights, strict=True) if w > 0)
    if not pairs:
        return NAN
    points = [(math.fsum(w for _, w in pairs[:i]) + pairs[i][1] / 2, pairs[i][0]) for i in range(len(pairs))]
    if probability <= points[0][0]:
        return points[0][1]
    for (p0, v0), (p1, v1) in zip(points, points[1:], strict=False):
        if p0 < probability <= p1:
            return v0 + (v1 - v0) * (probability - p0) / (p1 - p0)
    return points[-1][1]


def held(window: Row, k: int) -> float:
    """Return the highest level that k known values of the window reach."""
    known = sorted((v for v in window if not math.isnan(v)), reverse=True)
    return known[k - 1] if len(known) >= k else NAN


def sustained_peaks(row: Row, per_day: int, k: int, n: int, days: int) -> list[float]:
    """Return the highest level held per day, over windows that end at a known step of that day."""
    out = []
    for d in range(days):
        stop = len(row) - (days - 1 - d) * per_day
        ends = [t for t in range(max(stop - per_day, 0), stop) if not math.isnan(row[t])]
        held_levels = [held(row[max(t - n + 1, 0) : t + 1], k) for t in ends]
        out.append(max((v for v in held_levels if not math.isnan(v)), default=NAN))
    return out


def crossed(row: Row, per_day: int, k: int, n: int, days: int, threshold: float) -> list[bool]:
    """Tell for each day whether k of n consecutive steps, the last one in that day, reach a threshold."""
    out = []
    for d in range(days):
        stop = len(row) - (days - 1 - d) * per_day
        ends = [t for t in range(max(stop - per_day, 0), stop) if not math.isnan(row[t])]
        out.append(any(sum(v >= threshold for v in row[max(t - n + 1, 0) : t + 1]) >= k for t in ends))
    return out


def passage(peaks: Sequence[Row], weights: Row, threshold: float) -> list[float]:
    """Return the weighted share of paths that have met the threshold by each step."""
    days = len(peaks[0])
    if not any(w > 0 for w in weights):
        return [NAN] * days
    return [
        min(math.fsum(w for p, w in zip(peaks, weights, strict=True) if w > 0 and max(p[: d + 1]) >= threshold), 1.0)
        for d in range(days)
    ]


def couple(
    near: Sequence[Row], near_weights: Row, far: Sequence[Row], far_weights: Row
) -> list[tuple[list[float], float]]:
    """Join the paths that hold the same ranks: for every stretch of probability one path of each side."""
    days = len(near[0])

    def ranked(paths: Sequence[Row], weights: Row) -> list[tuple[Fraction, int]]:
        """Return the upper end of each path's stretch, lowest paths first."""
        able = sorted((sum(p[max(days - 7, 0) : days]), i) for i, p in enumerate(paths) if weights[i] > 0)
        ends, end = [], Fraction(0)
        for _, i in able:
            end += Fraction(weights[i]).limit_denominator(10**6)
            ends.append((end, i))
        return ends

    low, high = ranked(near, near_weights), ranked(far, far_weights)
    out = []
    start = Fraction(0)
    for end in sorted({e for e, _ in low} | {e for e, _ in high}) if low and high else []:
        i = next(i for e, i in low if e >= end)
        j = next(j for e, j in high if e >= end)
        out.append(([*near[i], *far[j][days:]], float(end - start)))
        start = end
    return out


def path_maximum(peaks: Sequence[Row], weights: Row, probability: float) -> float:
    """Return the lowest path maximum that is exceeded with at most the probability; exactly."""
    tops = sorted((max(p), Fraction(w).limit_denominator(10**6)) for p, w in zip(peaks, weights, strict=True) if w > 0)
    for level, _ in tops:
        if sum(w for top, w in tops if top > level) <= Fraction(probability).limit_denominator(10**6):
            return level
    return NAN


def natural_gap(buckets: Sequence[int]) -> int:
    steps = sorted(b - a for a, b in zip(buckets, buckets[1:], strict=False))
    return max(steps[(len(steps) - 1) // 2], 1) if steps else 1


def scatter(rows: Sequence[tuple[int, float]], end: int, width: int, sign: float, columns: int) -> list[float]:
    """Put (bucket, value) rows on a grid whose last step ends before bucket `end`."""
    out = []
    for t in range(columns):
        stop = end - (columns - 1 - t) * width
        inside = [sign * v for b, v in rows if stop - width <= b < stop and not math.isnan(v)]
        out.append(max(inside, default=NAN))
    return out


# --- shape ------------------------------------------------------------------------------------


def explained(row: Row, season: int) -> float:
    """Return the share of variance that the phase of a season explains, both variances unbiased."""
    known = [(t % season, v) for t, v in enumerate(row) if not math.isnan(v)]
    if season < 2 or len(row) < 2 * season or len(known) <= season:
        return 0.0
    centre = mean([v for _, v in known])
    phases: dict[int, list[float]] = {}
    for p, v in known:
        phases.setdefault(p, []).append(v)
    total = math.fsum((v - centre) ** 2 for _, v in known) / (len(known) - 1)
    rest = math.fsum((v - mean(phases[p])) ** 2 for p, v in known) / (len(known) - season)
    return 1.0 - rest / total if total > 0 else 0.0


def describe(row: Row, m1: int, m2: int, seasons: int, most: int) -> list[float]:
    """Return the eight numbers of one series from its first known column on."""
    known = [v for v in row if not math.isnan(v)]
    if not known:
        return [1.0] + [0.0] * 7
    apart = next(a for a in itertools.count(max(len(known) // most, 1)) if math.gcd(a, 42) == 1)
    ranked = sorted(known[::apart])
    steps = [b - a for a, b in zip(known, known[1:], strict=False)]
    rises, falls = sum(s > 0 for s in steps), sum(s < 0 for s in steps)
    spread = max(known) - min(known)
    n = len(ranked)
    middle = ranked[n // 2]
    upper, top = ranked[3 * n // 4] - middle, ranked[min(98 * n // 100, n - 1)] - middle
    recent = row[max(len(row) - seasons * max(m1, m2), 0) :]
    burst = top / upper if upper > 0 else (math.inf if top > 0 else 0.0)
    return [
        1.0 - len(known) / len(row),
        spread,
        max(abs(v) for v in known),
        explained(recent, m1),
        explained(recent, m2),
        float(sum(-s > 0.3 * spread for s in steps)),
        rises / max(rises + falls, 1),
        burst,
    ]


def newest(row: Row, window: int, k: int, n: int, ceiling: float) -> list[float]:
    """Return the 0.95 quantile of the newest columns, the level held at the last known step, the share above."""
    known = [t for t, v in enumerate(row) if not math.isnan(v)]
    if not known:
        return [NAN] * 3
    recent = sorted(row[t] for t in known if t >= len(row) - window)
    rank = next((v for v in recent if 100 * sum(w <= v for w in recent) >= 95 * len(recent)), NAN)
    last = row[max(known[-1] - n + 1, 0) : known[-1] + 1]
    return [rank, held(last, k), sum(row[t] > ceiling for t in known) / len(known)]


def cut_history(values: Row, width: int, least: int) -> int:
    """Return the start of the history behind its only lasting jump; 0 where there is none, or more than one."""
    change = last_change(values, width)
    if change == 0 or len(values) - change < least or last_change(values[:change], width) > 0:
        return 0
    return change


def rates(rows: list[tuple[int, int, float]], longest: int) -> dict[tuple[int, int], float]:
    """Return what counters rose a second since the sample before: of (series, second, value), in any order."""
    out = {}
    for s, second, value in rows:
        earlier = [(other, was) for series, other, was in rows if series == s and other < second]
        rate = math.nan
        if earlier and second - max(earlier)[0] <= longest:
            before, was = max(earlier)
            rise = value - was
            for size in (2.0**32, 2.0**64):
                if rise < 0 and 7 / 8 * size <= was < size and 0 <= value < size / 8:
                    rise = size - was + value
            if 0 <= rise < math.inf:
                rate = rise / (second - before)
        out[s, second] = rate
    return out
