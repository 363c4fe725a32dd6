"""Exponential smoothing with two additive seasons and an autoregressive residual, on a grid of parameters."""

from __future__ import annotations

import numpy as np

from capforecast.compiler import kernel
from capforecast.panel import Floats, Ints


@kernel()
def _start(y: Floats, first: int, span: int, level: Floats, day: Floats, week: Floats) -> None:
    """Set the states of some lanes from the first ``span`` values by plain averages."""
    m1, m2 = day.shape[0], week.shape[0]
    mean = 0.0
    for t in range(first, first + span):
        mean += y[t]
    mean /= span
    level[:] = mean
    sums, counts = np.zeros(m1), np.zeros(m1)
    p = first % m1
    for t in range(first, first + span):
        sums[p] += y[t] - mean
        counts[p] += 1.0
        p = p + 1 if p + 1 < m1 else 0
    for p in range(m1):
        sums[p] /= max(counts[p], 1.0)
        day[p, :] = sums[p]
    week[:, :] = 0.0
    if m2 > 1 and span >= m2:
        sums2, counts2 = np.zeros(m2), np.zeros(m2)
        p, q = first % m1, first % m2
        for t in range(first, first + span):
            sums2[q] += y[t] - mean - sums[p]
            counts2[q] += 1.0
            p = p + 1 if p + 1 < m1 else 0
            q = q + 1 if q + 1 < m2 else 0
        for q in range(m2):
            week[q, :] = sums2[q] / max(counts2[q], 1.0)


@kernel()
def _span(length: int, m1: int, m2: int) -> int:
    """Return how many first values initialise the states of a series of ``length`` values."""
    if m2 > 1 and length >= 4 * m2:
        return 2 * m2
    if m2 > 1 and length >= 2 * m2 + m1:
        return m2
    return 2 * m1


@kernel()
def _exponentials(row: Floats, bits: Ints, powers: Floats) -> None:
    """Replace values by their exponentials over powers of two, kept from overflowing; `powers` receives these.

    exp(x) = 2**k exp(r) with x = k log 2 + r and the Taylor series of r, abs(r) <= log(2) / 2, to the 12th
    order: loops without calls, so that the compiler takes several values at once. `bits` are `powers` read as
    integers.
    """
    for h in range(row.shape[0]):
        x = min(max(row[h], -700.0), 700.0)
        k = np.floor(x * 1.4426950408889634 + 0.5)
        # log 2 in two parts, the first with zeros at its end, so that k times it is exact.
        r = (x - k * 0.6931471803691238) - k * 1.9082149292705877e-10
        p = 1.0 / 479001600.0
        p = p * r + 1.0 / 39916800.0
        p = p * r + 1.0 / 3628800.0
        p = p * r + 1.0 / 362880.0
        p = p * r + 1.0 / 40320.0
        p = p * r + 1.0 / 5040.0
        p = p * r + 1.0 / 720.0
        p = p * r + 1.0 / 120.0
        p = p * r + 1.0 / 24.0
        p = p * r + 1.0 / 6.0
        p = p * r + 0.5
        row[h] = (p * r + 1.0) * r + 1.0
        # The last bits of 1.5 * 2**52 + k are those of the whole number k.
        powers[h] = k + 6755399441055744.0
    for h in range(row.shape[0]):
        bits[h] = (bits[h] - 0x4338000000000000 + 1023) << 52


@kernel()
def _ahead(t: int, level: Floats, day: Floats, week: Floats, carry: Floats, phi: Floats, rows: Floats) -> None:
    """Fill ``rows`` (H, L) with the forecasts of all lanes from the states before column ``t``."""
    m1, m2 = day.shape[0], week.shape[0]
    p1, p2 = t % m1, t % m2
    rest = carry.copy()
    for h in range(rows.shape[0]):
        d, w, row = day[p1], week[p2], rows[h]
        for c in range(row.shape[0]):
            rest[c] *= phi[c]
            row[c] = level[c] + d[c] + w[c] + rest[c]
        p1 = p1 + 1 if p1 + 1 < m1 else 0
        p2 = p2 + 1 if p2 + 1 < m2 else 0


@kernel()
def _smooth(
    now: Floats, level: Floats, d: Floats, w: Floats, before: Floats,
    alpha: Floats, gamma1: Floats, gamma2: Floats, phi: Floats,
) -> None:  # fmt: skip
    """Take one value of every lane into its states."""
    for c in range(now.shape[0]):
        rest = now[c] - (level[c] + d[c] + w[c])
        error = rest - phi[c] * before[c]
        level[c] += alpha[c] * error
        d[c] += gamma1[c] * error
        w[c] += gamma2[c] * error
        before[c] = rest


@kernel()
def _back(low: float, high: float, bits: Ints, powers: Floats, out: Floats) -> None:
    """Map logarithms above ``low``, or logits between it and ``high``, back to levels."""
    for c in range(out.shape[0]):
        row = out[c]
        if np.isnan(row[0]):
            continue
        _exponentials(row, bits, powers)
        for h in range(row.shape[0]):
            e = row[h] * powers[h]
            row[h] = low + ((high - low) * (e / (1.0 + e)) if high < np.inf else e)


@kernel()
def _schedule(first: Ints, back: Ints, columns: int, m1: int, m2: int, spans: Ints, begins: Ints, due: Ints) -> None:
    """Tell how many values start each series, the column it begins at, and before which its origins are.

    A series too short to start begins at the end of the columns; an origin that knows too little is never due, -1.
    """
    for s in range(first.shape[0]):
        spans[s] = _span(columns - first[s], m1, m2)
        begins[s] = first[s] if columns - first[s] >= spans[s] else columns
        for o in range(back.shape[1]):
            known = columns - back[s, o]
            due[s, o] = known if back[s, o] >= 0 and known >= begins[s] + spans[s] else -1


@kernel()
def _forecast_lanes(
    values: Floats, scaled: Floats, first: Ints, back: Ints, m1: int, m2: int, cells: Floats, plain: int,
    low: Floats, high: Floats, start: int, out: Floats,
) -> None:  # fmt: skip
    """Forecast some series together: lane ``c S + s`` is cell c of series s."""
    series, columns, count = values.shape[0], values.shape[1], cells.shape[1]
    spans, begins, due = np.empty(series, np.int64), np.empty(series, np.int64), np.empty_like(back)
    _schedule(first, back, columns, m1, m2, spans, begins, due)
    lanes = count * series
    rates, taken, asked = np.empty((4, lanes)), np.empty((columns, 2, series)), np.zeros(columns + 1, np.bool_)
    for c in range(count):
        for k in range(4):
            rates[k, c * series : (c + 1) * series] = cells[k, c]
    for s in range(series):
        if m2 == 1 or spans[s] < m2:
            rates[2, s::series] = 0.0
        for t in range(columns):
            taken[t, 0, s] = values[s, t]
            taken[t, 1, s] = scaled[s, t]
        for o in range(back.shape[1]):
            if due[s, o] >= 0:
                asked[due[s, o]] = True
            else:
                out[s, o, start : start + count] = np.nan
    # Lanes that have not begun give what nobody asks for.
    now, level, before = np.empty(lanes), np.full(lanes, np.nan), np.zeros(lanes)
    day, week, rows = np.zeros((m1, lanes)), np.zeros((m2, lanes)), np.empty((out.shape[3], lanes))
    bits = np.empty(out.shape[3], np.int64)
    powers = bits.view(np.float64)
    for t in range(np.min(begins), columns + 1):
        if asked[t]:
            _ahead(t, level, day, week, before, rates[3], rows)
            for s in range(series):
                for o in range(back.shape[1]):
                    if due[s, o] == t:
                        for c in range(count):
                            ahead = out[s, o, start + c]
                            for h in range(ahead.shape[0]):
                                ahead[h] = rows[h, c * series + s]
                        _back(low[s], high[s], bits, powers, out[s, o, start + plain : start + count])
        if t == columns:
            break
        for s in range(series):
            if begins[s] == t:
                edge = plain * series + s
                _start(values[s], t, spans[s], level[s:edge:series], day[:, s:edge:series], week[:, s:edge:series])
                _start(scaled[s], t, spans[s], level[edge::series], day[:, edge::series], week[:, edge::series])
                before[s::series] = 0.0
        for c in range(count):
            for s in range(series):
                now[c * series + s] = taken[t, 0 if c < plain else 1, s]
        _smooth(now, level, day[t % m1], week[t % m2], before, rates[0], rates[1], rates[2], rates[3])


@kernel()
def double_seasonal(
    values: Floats,
    scaled: Floats,
    first: Ints,
    back: Ints,
    m1: int,
    m2: int,
    cells: Floats,
    plain: int,
    low: Floats,
    high: Floats,
    start: int,
    out: Floats,
) -> None:
    """Forecast with every cell of a parameter grid in one pass per series.

    With level l, seasons d and w and residual r, for each value y in turn::

        base = l + d + w;  r = y - base;  e = r - phi r_before
        l += alpha e;  d += gamma1 e;  w += gamma2 e
        forecast k steps ahead: l + d + w + phi**k r

    Parameters
    ----------
    values : float64 (S, T)
        Levels, gaps filled, NaN before ``first``.
    scaled : float64 (S, T)
        Logarithms of the levels above ``low``, or logits between ``low`` and ``high`` where that is finite;
        NaN where there are none.
    first : int64 (S,)
        First known column of each series.
    back : int64 (S, O)
        Unknown columns at the right per origin, -1 for none.
    m1, m2 : int
        Season lengths in steps; m2 = 1 when there is one season only.
    cells : float64 (4, K)
        alpha, gamma1, gamma2, phi of each cell.
    plain : int
        So many cells smooth the levels, the others what is scaled.
    low, high : float64 (S,)
        Ends of the scale.
    start : int
        Place of the first cell in ``out``.
    out : float64 (S, O, M, H)
        Receives the forecasts, all as levels, at ``start:start + K``; NaN where the history is shorter than
        the initialisation or has no scale.

    Notes
    -----
    J. W. Taylor (2003), Short-term electricity demand forecasting using double seasonal exponential
    smoothing, J. Oper. Res. Soc. 54, eq. 6-9, here with additive seasons. O(S K (T + O H)).
    """
    # So many series together as leave their long seasons in the processor's cache.
    together = min(max(32_768 // (m2 * cells.shape[1]), 1), 16)
    for begin in range(0, values.shape[0], together):
        stop = min(begin + together, values.shape[0])
        _forecast_lanes(
            values[begin:stop], scaled[begin:stop], first[begin:stop], back[begin:stop], m1, m2, cells, plain,
            low[begin:stop], high[begin:stop], start, out[begin:stop],
        )  # fmt: skip


@kernel()
def to_scale(
    values: Floats,
    first: Ints,
    back: Ints,
    lower: Floats,
    upper: Floats,
    margin: float,
    scaled: Floats,
    low: Floats,
    high: Floats,
) -> None:
    """Map each series to the logit of its place between its bounds, or to the logarithm above the lower one.

    The ends of the scale lie beyond the bounds by a margin, which comes from what the oldest origin knew, so
    that no later value touches it. A series without a lower bound that was never negative until then counts
    as bounded by zero.

    Parameters
    ----------
    values : float64 (S, T)
        Levels, gaps filled, NaN before ``first``.
    first : int64 (S,)
        First known column of each series.
    back : int64 (S, O)
        Unknown columns at the right per origin, -1 for none.
    lower, upper : float64 (S,)
        Physical bounds; infinite where there are none.
    margin : float
        Share of the distance of the bounds, or of the mean absolute level where there is no upper one.
    scaled : float64 (S, T)
        Receives the logarithms; NaN throughout without a lower bound, and from the first level on that
        lies outside of the scale.
    low, high : float64 (S,)
        Receive the ends of the scale; inf for ``high`` without an upper bound, NaN for ``low`` without a scale.
    """
    columns = values.shape[1]
    for s in range(values.shape[0]):
        total, least, known = 0.0, np.inf, columns - max(np.max(back[s]), 0)
        for t in range(first[s], known):
            total += abs(values[s, t])
            least = min(least, values[s, t])
        floor = lower[s] if lower[s] > -np.inf else (0.0 if least >= 0.0 else np.nan)
        width = upper[s] - floor if upper[s] < np.inf else total / max(known - first[s], 1)
        width = margin * width if margin * width > 0.0 else 1.0
        low[s] = floor - width
        high[s] = upper[s] + width
        gone = np.isnan(low[s])
        scaled[s, : first[s]] = np.nan
        for t in range(first[s], columns):
            y = values[s, t]
            gone = gone or not low[s] < y < high[s]
            if gone:
                scaled[s, t] = np.nan
            elif high[s] < np.inf:
                scaled[s, t] = np.log((y - low[s]) / (high[s] - y))
            else:
                scaled[s, t] = np.log(y - low[s])
