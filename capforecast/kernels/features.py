"""What the history of a series says about one threshold and one horizon: numbers that a fleet can learn from."""

from __future__ import annotations

import numpy as np

from capforecast.compiler import kernel
from capforecast.panel import Floats, Ints

FEATURES = (
    "past_windows",
    "past_windows_same_hour",
    "past_windows_same_weekday",
    "past_windows_shifted",
    "past_windows_scaled",
    "past_windows_same_wait",
    "since_last_crossing",
    "wait_against_longest",
    "crossings",
    "share_beyond_week",
    "slack_in_spreads",
    "growth_over_slack",
    "level_now",
    "highest_day",
    "highest_week",
    "highest_ever",
    "mean_day",
    "mean_recent",
    "spread",
    "history",
)
"""Columns of `window_features`, in their order."""


@kernel()
def _log_odds(crossed: float, seen: float, looks: float, prior: float, strength: float) -> float:
    """Return the log-odds of a share of `looks` independent looks, shrunk towards a prior share."""
    share = crossed / seen if seen > 0.0 else 0.0
    share = (share * looks + prior * strength) / (looks + strength)
    share = min(max(share, 1e-3), 1.0 - 1e-3)
    return float(np.log(share / (1.0 - share)))


@kernel()
def _forward_maxima(row: Floats, first: int, end: int, horizon: int, out: Floats, queue: Ints) -> int:
    """Put the highest level of each stretch of `horizon` steps before `end` into ``out``; return their number."""
    count = max(end - first - horizon + 1, 0)
    head, tail = 0, 0
    for t in range(first, end):
        if not np.isnan(row[t]):
            while tail > head and row[queue[tail - 1]] <= row[t]:
                tail -= 1
            queue[tail] = t
            tail += 1
        start = t - horizon + 1
        if start >= first:
            while tail > head and queue[head] < start:
                head += 1
            out[start - first] = row[queue[head]] if tail > head else np.nan
    return count


@kernel()
def _moments(row: Floats, start: int, end: int) -> tuple[float, float, float, int]:
    """Return mean, standard deviation, highest and number of the known levels of a stretch."""
    count, total, squares, high = 0, 0.0, 0.0, -np.inf
    shift = np.nan
    for t in range(start, end):
        v = row[t]
        if np.isnan(v):
            continue
        if count == 0:
            shift = v
        count += 1
        total += v - shift
        squares += (v - shift) * (v - shift)
        high = max(high, v)
    if count == 0:
        return np.nan, 0.0, np.nan, 0
    mean = total / count
    return shift + mean, np.sqrt(max(squares / count - mean * mean, 0.0)), high, count


@kernel()
def _waits(row: Floats, first: int, end: int, threshold: float) -> tuple[int, int, int, int]:
    """Return steps since the last crossing (0: never), crossings, the longest wait between two, steps beyond."""
    since, crossings, longest, beyond, last = 0, 0, 0, 0, -1
    for t in range(first, end):
        if row[t] >= threshold:
            beyond += 1
            if last < 0 or t - last > 1:
                crossings += 1
                if last >= 0:
                    longest = max(longest, t - last)
            last = t
    if last >= 0:
        since = end - last
    return since, crossings, longest, beyond


@kernel()
def window_features(
    levels: Floats, row: Ints, end: Ints, threshold: Floats, horizon: Ints, per_day: int, out: Floats
) -> None:
    """Describe what was known at some origins about crossing a threshold within a horizon.

    Parameters
    ----------
    levels : float64 (S, T)
        Sustained levels on a grid, high hurts, NaN where missing.
    row : int64 (W,)
        Series of each window.
    end : int64 (W,)
        Column of the origin: the columns before it are known, at least one of them holds a level.
    threshold : float64 (W,)
        Level that must not be met.
    horizon : int64 (W,)
        Steps ahead.
    per_day : int
        Steps of a day; 1 where a step is a day or more.
    out : float64 (W, 20)
        Receives the columns FEATURES, never NaN: log-odds of shares of past stretches of the horizon's
        length that began below the threshold and crossed it (all; begun at the same hour; at the same hour
        and weekday; of those of a year, shifted or scaled to the level of the last day; begun after a like wait);
        logarithm of steps since the last crossing and of its ratio to the longest wait; logarithm of one plus the
        crossings; share of the last week beyond; slack over the recent standard deviation; recent
        growth within the horizon over the slack; levels less the threshold over its size; logarithm of
        the steps known.
    """
    maxima, queue = np.empty(levels.shape[1]), np.empty(levels.shape[1] + 1, np.int64)
    recent, season, week = (7 * per_day, 7 * per_day, 7 * per_day) if per_day > 1 else (30, 90, 7)
    for w in range(row.shape[0]):
        x, e, limit, h, o = levels[row[w]], end[w], threshold[w], horizon[w], out[w]
        first, newest = 0, e - 1
        while first < e - 1 and np.isnan(x[first]):
            first += 1
        while newest > first and np.isnan(x[newest]):
            newest -= 1
        now, n = x[newest], e - first
        size = abs(limit) + 1e-12
        day_mean, _, day_high, day_count = _moments(x, max(e - per_day, first), e)
        if day_count == 0:
            day_mean, day_high = now, now
        mean, spread, _, known = _moments(x, max(e - recent, first), e)
        if known == 0:
            mean, spread = now, 0.0
        _, _, week_high, known = _moments(x, max(e - week, first), e)
        if known == 0:
            week_high = now
        _, _, high, _ = _moments(x, first, e)
        since, crossings, longest, _ = _waits(x, first, e, limit)
        _, _, _, beyond = _waits(x, max(e - week, first), e, limit)
        wait = since if since > 0 else n
        count = _forward_maxima(x, first, e, h, maxima, queue)
        crossed, seen, hour, hours, weekday, weekdays = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
        shifted, scaled, moved, like, likes = 0.0, 0.0, 0.0, 0.0, 0.0
        total, known, waited = 0.0, 0, 0
        # How a level moves changes over the years; how often it is high, less.
        lately = e - h - 365 * per_day
        for s in range(first + 1, first + count):
            before, top = x[s - 1], maxima[s - first]
            if not np.isnan(before):
                total += before
                known += 1
            gone = s - 1 - per_day
            if gone >= first and not np.isnan(x[gone]):
                total -= x[gone]
                known -= 1
            if before >= limit:
                waited = 1
            elif waited > 0:
                waited += 1
            if np.isnan(before) or np.isnan(top):
                continue
            then = total / known
            if s >= lately:
                # The stretch, moved to where the level is now.
                plus = top - then + day_mean
                moved += 1.0
                if plus >= limit:
                    shifted += 1.0
                if (top * day_mean / then if then > 0.0 and day_mean > 0.0 else plus) >= limit:
                    scaled += 1.0
            if before >= limit:
                continue
            hit = 1.0 if top >= limit else 0.0
            seen += 1.0
            crossed += hit
            if (e - s) % per_day == 0:
                hour += hit
                hours += 1.0
                if (e - s) % week == 0:
                    weekday += hit
                    weekdays += 1.0
            stood = waited if waited > 0 else s - first
            if (waited > 0) == (since > 0) and wait <= 2 * stood and stood <= 2 * wait:
                like += hit
                likes += 1.0
        share = (crossed / seen * (seen / h) + 0.05) / (seen / h + 0.1) if seen > 0.0 else 0.5
        same = (hour + share) / (hours + 1.0)
        o[0] = _log_odds(crossed, seen, seen / h, 0.5, 0.1)
        o[1] = _log_odds(hour, hours, hours, share, 1.0)
        o[2] = _log_odds(weekday, weekdays, weekdays, same, 1.0)
        o[3] = _log_odds(shifted, moved, moved / h, 0.5, 0.1)
        o[4] = _log_odds(scaled, moved, moved / h, 0.5, 0.1)
        o[5] = _log_odds(like, likes, likes / h, share, 0.5)
        o[6] = np.log(float(wait))
        o[7] = np.log(wait / (longest if longest > 0 else n))
        o[8] = np.log(1.0 + crossings)
        o[9] = beyond / week
        o[10] = min(max((limit - now) / (spread + 1e-9 * size), -1e6), 1e6)
        half = min(n, season) // 2
        late, _, _, known = _moments(x, e - half, e)
        early, _, _, earlier = _moments(x, e - 2 * half, e - half)
        growth = (late - early) / half * h if known > 0 and earlier > 0 else 0.0
        o[11] = min(max(growth / (abs(limit - now) + 1e-9 * size), -1e3), 1e3)
        o[12], o[13], o[14] = (now - limit) / size, (day_high - limit) / size, (week_high - limit) / size
        o[15], o[16], o[17] = (high - limit) / size, (day_mean - limit) / size, (mean - limit) / size
        o[18] = spread / size
        o[19] = np.log(float(n))
