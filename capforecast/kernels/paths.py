"""Possible futures: whole residual paths of past origins, and level-adjusted blocks of history."""

from __future__ import annotations

import numpy as np

from capforecast.compiler import kernel
from capforecast.panel import Floats, Ints


@kernel()
def _average(y: Floats, start: int, stop: int) -> float:
    """Return the mean of ``y[start:stop]``; equal values give that value exactly."""
    total = 0.0
    for t in range(start + 1, stop):
        total += y[t] - y[start]
    return float(y[start] + total / (stop - start))


@kernel()
def _persistence(y: Floats, before: Ints, first: int, width: int, ahead: int, unsure: float) -> float:
    """Return how much of a difference of level is kept, from 0 (levels return) to 1 (they stay).

    It is the slope of the mean of the ``ahead`` steps after a moment on the mean of the ``width`` steps
    before it, over all moments around which at least half of either was measured; ``unsure`` where there
    are too few to tell, 1 where the level never moved.
    """
    count = y.shape[0] - ahead - (first + width) + 1
    if count < 2 * width or count < 8:
        return unsure
    # Sums are taken of distances to one value, so that a high level costs no digits.
    anchor = y[first]
    level, future = 0.0, 0.0
    for t in range(first, first + width):
        level += y[t] - anchor
    for t in range(first + width, first + width + ahead):
        future += y[t] - anchor
    sums, squares, futures, cross, told = 0.0, 0.0, 0.0, 0.0, 0
    for i in range(count):
        t = first + width + i
        # What fills a gap says nothing of how levels move.
        if 2 * (before[t] - before[t - width]) >= width and 2 * (before[t + ahead] - before[t]) >= ahead:
            now, after = level / width, future / ahead
            sums += now
            squares += now * now
            futures += after
            cross += now * after
            told += 1
        if i + 1 < count:
            level += y[t] - y[t - width]
            future += y[t + ahead] - y[t]
    if told < width or told < 8:
        return unsure
    square = squares - sums * sums / told
    cross -= sums * futures / told
    # What is left of squares that nearly cancel is rounding.
    if square <= 1e-12 * squares:
        return 1.0
    # Levels too far apart for their squares tell nothing either.
    if not (0.0 < square < np.inf) or not np.isfinite(cross):
        return 1.0
    return float(min(max(cross / square, 0.0), 1.0))


@kernel()
def _residuals(y: Floats, start: int, back: int, combined: Floats, widen: float, kept: float, out: Floats) -> int:
    """Fill ``out`` with the residual path of one origin, repeated to its length; return the steps that were known."""
    known = 0
    # A member that needs a longer history than an origin had leaves the end of its path open.
    while known < min(back, combined.shape[0]) and not np.isnan(combined[known]):
        known += 1
    done = 0
    while known > 0 and done < out.shape[0]:
        growth = widen * (1.0 + done // known) ** (0.5 * kept)
        row, truth = out[done : done + known], y[start:]
        for h in range(row.shape[0]):
            row[h] = growth * (truth[h] - combined[h])
        done += known
    return known


@kernel()
def _known(before: Ints, start: int, stop: int) -> float:
    """Return the share of known values from ``start`` to ``stop``; ``before`` counts those before each column."""
    return float((before[stop] - before[start]) / max(stop - start, 1))


@kernel()
def _repeat(block: Floats, size: int, fades: Floats, kept: float, change: float, out: Floats) -> None:
    """Fill ``out`` with a block of history of so many steps, moved by what is kept of a change of level."""
    done = 0
    while done < out.shape[0]:
        again = kept * (done // size)
        row, fade = out[done : done + size], fades[done : done + size]
        for h in range(row.shape[0]):
            row[h] = block[h] + (fade[h] + again) * change
        done += size


@kernel()
def _around(
    y: Floats,
    before: Ints,
    back: Ints,
    combined: Floats,
    centre: Floats,
    widen: float,
    mirror: float,
    kept: float,
    shifts: Floats,
    paths: Floats,
    weights: Floats,
) -> float:
    """Fill two paths for each origin, its residual path laid on the point forecast and mirrored there.

    Returns the sum of the shares that were measured; `shifts` is room for one path.
    """
    measured = 0.0
    for o in range(1, back.shape[0]):
        if back[o] < 0:
            continue
        start = y.shape[0] - back[o]
        known = _residuals(y, start, back[o], combined[o], widen, kept, shifts)
        seen = _known(before, start, start + known)
        if seen == 0.0:
            continue
        measured += seen
        p = 2 * o - 2
        above, below = paths[p], paths[p + 1]
        for h in range(centre.shape[0]):
            above[h] = centre[h] + shifts[h]
            below[h] = centre[h] - shifts[h]
        weights[p] = seen
        weights[p + 1] = mirror * seen
    return measured


@kernel()
def _blocks(
    y: Floats,
    before: Ints,
    first: int,
    width: int,
    align: int,
    week: int,
    kept: float,
    soon: float,
    fades: Floats,
    paths: Floats,
    weights: Floats,
) -> float:
    """Fill paths with blocks of history, moved to the level of now; return the sum of their weights.

    `fades` is room for one path.
    """
    columns, horizon, most = y.shape[0], paths.shape[1], paths.shape[0]
    length = columns - first
    step = align if length >= 3 * align else 1
    if before[columns] < 6 * align:
        # Few blocks would be all there is: others that begin at other times of the day join them.
        step = min(step, max(align // 4, 1))
    far = min((length - width) // step, most * max(1, horizon // step + 1) + most)
    near = max(min(-(-horizon // step), far - 11), 1)
    count = min(far - near + 1, most)
    blocks = 0.0
    fade = soon ** (1.0 / width)
    fading = 1.0
    for h in range(horizon):
        fading *= fade
        fades[h] = kept + (soon - kept) * fading
    now = _average(y, columns - width, columns)
    for i in range(count):
        size = (near + i * (far - near + 1) // count) * step
        start = columns - size
        seen = _known(before, start, start + min(size, horizon))
        if seen == 0.0:
            continue
        _repeat(y[start:], size, fades, kept, now - _average(y, start - width, start), paths[i])
        phase = 1.0 if size % align == 0 else 0.25
        weights[i] = seen * (3.0 if week > 1 and size % week == 0 else phase)
        blocks += weights[i]
    return blocks


@kernel()
def make_paths(
    values: Floats,
    filled: Floats,
    first: Ints,
    back: Ints,
    combined: Floats,
    mean: Floats,
    widen: float,
    mirror: float,
    share: float,
    align: int,
    week: int,
    span: int,
    climate: float,
    unsure: float,
    most: int,
    paths: Floats,
    weights: Floats,
) -> None:
    """Enumerate weighted possible futures of each series, without random numbers.

    The first `most` paths are blocks of history that start whole multiples of `align` back, shifted by
    what the series keeps of the difference between the mean of its newest `span` steps and that of the
    `span` steps before the block: what it keeps over the next `span` steps at first, what it keeps for
    long in the end. A block shorter than the horizon repeats, each time moved by what is kept for long.
    The others are the point forecast plus and, with the weight `mirror`, minus the residual path of each
    past origin, times `widen`; a residual path shorter than the horizon repeats, growing with the square
    root of the number of repetitions as far as the series keeps its levels. A path weighs as much as the
    share of its steps that were measured. With less than six times `align` measured steps blocks also start
    at quarters of `align`, and weigh a quarter there.

    Parameters
    ----------
    values, filled : float64 (S, T)
        Levels, NaN where nothing was measured; the same without gaps, NaN before ``first``.
    first : int64 (S,)
        First known column.
    back : int64 (S, O)
        Unknown steps per origin; 0 first, -1 for none.
    combined : float64 (S, O, M)
        Combined forecasts of M steps from each origin.
    mean : float64 (S, H)
        Point forecast, M <= H.
    widen : float
        Factor on residuals: choosing weights on the same origins makes residuals too small.
    mirror : float
        Weight of a mirrored residual path against 1 of the path itself; 0 where errors are skew.
    share : float
        Probability of the blocks together, where both sorts exist.
    align, week, span : int
        Distance of block starts; steps of the long season, whose multiples count threefold; steps of a level.
    climate : float
        1 gives the blocks all the probability that is left where levels return at once, since what
        was measured is then the best account of what can be; 0 keeps `share` for every series.
    unsure : float
        How much of a difference of level is taken to be kept where the history is too short to tell.
    most : int
        Most blocks.
    paths : float64 (S, P, H)
        Receives the paths, P >= most + 2 (O - 1); NaN where the weight is zero.
    weights : float64 (S, P)
        Receives the probabilities; all zero where there is no point forecast.
    """
    columns = filled.shape[1]
    horizon = mean.shape[1]
    shifts, fades = np.empty(horizon), np.empty(horizon)
    before = np.zeros(columns + 1, np.int64)
    for s in range(filled.shape[0]):
        weights[s, :] = 0.0
        if np.isnan(mean[s, 0]):
            paths[s, :, :] = np.nan
            continue
        for t in range(columns):
            before[t + 1] = before[t] + (not np.isnan(values[s, t]))
        y = filled[s]
        length = columns - first[s]
        width = min(span, max(length // 3, 1))
        kept = _persistence(y, before, first[s], width, min(horizon, max(width, length // 6)), unsure)
        soon = max(_persistence(y, before, first[s], width, width, unsure), kept)
        measured = _around(
            y, before, back[s], combined[s], mean[s], widen, mirror, kept, shifts, paths[s, most:], weights[s, most:]
        )
        blocks = _blocks(y, before, first[s], width, align, week, kept, soon, fades, paths[s, :most], weights[s, :most])
        part = share + climate * (1.0 - share) * (1.0 - soon)
        if measured == 0.0 or blocks == 0.0:
            part = 0.0 if measured > 0.0 else 1.0
        for p in range(most):
            weights[s, p] *= part / max(blocks, 1e-9)
        for p in range(most, paths.shape[1]):
            weights[s, p] *= (1.0 - part) / (max(measured, 1e-9) * (1.0 + mirror))
        if measured == 0.0 and blocks == 0.0:
            paths[s, 0, :] = mean[s, :]
            weights[s, 0] = 1.0
        for p in range(paths.shape[1]):
            if weights[s, p] == 0.0:
                paths[s, p, :] = np.nan


@kernel()
def covered(
    values: Floats, back: Ints, combined: Floats, edges: Ints, widen: float, most: int, coverage: Floats
) -> None:
    """Measure how often the band that the other origins' residuals give would have held the truth.

    Parameters
    ----------
    values : float64 (S, T)
        Measured levels, NaN where missing.
    back : int64 (S, O)
        Unknown steps per origin.
    combined : float64 (S, O, M)
        Combined forecasts.
    edges : int64 (B + 1,)
        First step of each bucket, and M.
    widen : float
        Factor on residuals.
    most : int
        Steps of a bucket, evenly spaced, that are tested.
    coverage : float64 (S, B)
        Receives the share inside the 80 % band; NaN with fewer than 5 origins, of which no four fifths could be told:
        of 3 the largest residual alone makes it 67 %, of 4 75 %, whatever the series.
    """
    columns = values.shape[1]
    origins = back.shape[1]
    rest = np.empty(origins)
    for s in range(values.shape[0]):
        for b in range(edges.shape[0] - 1):
            inside, outside = 0, 0
            for h in range(edges[b], edges[b + 1], max((edges[b + 1] - edges[b]) // most, 1)):
                count = 0
                for o in range(1, origins):
                    if back[s, o] > h:
                        r = values[s, columns - back[s, o] + h] - combined[s, o, h]
                        if not np.isnan(r):
                            rest[count] = abs(r)
                            count += 1
                if count < 5:
                    continue
                for i in range(count):
                    smaller = 0
                    for j in range(count):
                        if j != i and widen * rest[j] >= rest[i]:
                            smaller += 1
                    # The truth is inside when at least a fifth of the other residuals reach as far.
                    if smaller >= 0.2 * (count - 1):
                        inside += 1
                    else:
                        outside += 1
            coverage[s, b] = inside / (inside + outside) if inside + outside > 0 else np.nan
