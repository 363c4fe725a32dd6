"""Charts for people: one line, the terminal, SVG.

Everything here maps numbers to text. Titles, units and names of thresholds are data: control
characters in them come out as escapes, markup as text.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from datetime import date

import numpy as np
from numpy.typing import ArrayLike, NDArray

from capforecast import strokes
from capforecast.errors import printable
from capforecast.numbers import number
from capforecast.strokes import Floats

Window = tuple[date | None, date | None, date | None]

_STROKE = 'fill="none" stroke="currentColor" stroke-linecap="round"'


def terminal(
    history: ArrayLike,
    quantiles: ArrayLike,
    *,
    thresholds: Mapping[str, float],
    width: int = 80,
    height: int = 16,
    start_label: str = "",
    end_label: str = "",
    unit: str = "",
) -> str:
    """Return a chart of braille dots: history, then the median in a shaded band, then the labels of time.

    Parameters
    ----------
    history : float64 (N,)
        Measured levels; NaN is a gap.
    quantiles : float64 (3, H)
        The 0.1, 0.5 and 0.9 quantiles of each step of the horizon.
    thresholds : mapping of name to level
        Drawn as dashed lines, named at the axis.
    width, height : int
        Size in characters, axis and labels included; at least 40 and 6 are used.
    start_label, end_label : str
        What stands below the first and the last step.
    unit : str
        Unit of the levels.
    """
    past = np.asarray(history, dtype=np.float64)
    future = np.asarray(quantiles, dtype=np.float64).reshape(3, -1)
    rows = max(height, 6) - 2
    low, high = strokes.limits([past, future[1], _levels(thresholds)], [future[0], future[2]])
    names = _axis(low, high, rows, thresholds, unit)
    margin = max(len(text) for text in names.values()) if names else 0
    columns = max(width, 40) - margin - 2
    now = past.size * columns // max(past.size + future.shape[1], 1)
    dots = _dots(past, future, (low, high), (4 * rows, 2 * columns))
    dashed = {_row(level, low, high, rows) for level in thresholds.values() if math.isfinite(level)}
    lines = []
    for row in range(rows):
        cells = [_cell(dots[4 * row : 4 * row + 4, 2 * c : 2 * c + 2]) for c in range(columns)]
        for c, cell in enumerate(cells):
            if cell == " " and (row in dashed or c == now):
                cells[c] = "╌" if row in dashed else "┊"
        lines.append(f"{names.get(row, ''):>{margin}} {'┤' if row in names else '│'}{''.join(cells)}".rstrip())
    lines.append(f"{'':>{margin}} └{'─' * columns}")
    lines.append(" " * (margin + 2) + _below(columns, now, printable(start_label), printable(end_label)))
    return "\n".join(line.rstrip() for line in lines)


def svg(
    days: NDArray[np.datetime64],
    actual: ArrayLike,
    quantiles: ArrayLike,
    thresholds: Mapping[str, float],
    *,
    title: str,
    unit: str = "",
    window: Window = (None, None, None),
) -> str:
    """Return an inline SVG: history, fan q10 to q90 with its median, one line per threshold, when it is crossed.

    Parameters
    ----------
    days : datetime64 (N,)
        Rising days; where some are left out there is a gap too.
    actual : float64 (N,)
        Measured levels per day; NaN is a gap.
    quantiles : float64 (3, N)
        The 0.1, 0.5 and 0.9 quantiles of each day.
    thresholds : mapping of name to level
        Drawn as dashed lines with their names.
    title : str
        What the chart shows, for those who cannot see it.
    unit : str
        Unit of the levels.
    window : tuple of date
        Early, median and late date of the breach; one that is None lies beyond the horizon.

    Notes
    -----
    Colours follow the page: everything is ``currentColor`` until a style sheet says otherwise for the
    classes ``grid``, ``actual``, ``band``, ``median``, ``now``, ``limit``, ``window`` and ``likely``.
    """
    past = np.asarray(actual, dtype=np.float64)
    lower, middle, upper = np.asarray(quantiles, dtype=np.float64)
    offsets = days.astype("datetime64[D]").astype(np.int64)
    low, high = strokes.limits([past, middle, _levels(thresholds)], [lower, upper])
    first, last = (int(offsets[0]), int(offsets[-1])) if offsets.size else (0, 0)
    xs = 720 + 5560 * (offsets - first) / max(last - first, 1)

    def height(levels: ArrayLike) -> Floats:
        return 1900 - 1800 * strokes.share(levels, low, high)

    parts = [
        '<svg xmlns="http://www.w3.org/2000/svg" class="chart" viewBox="0 0 6400 2140" role="img"'
        f' font-size="115" fill="currentColor"><title>{strokes.text(title)}</title>'
    ]
    ticks = {tick: round(float(height(tick))) for tick in strokes.ticks(low, high, 5)}
    lines = "".join(f"M720 {y}H6280" for y in ticks.values())
    parts.append(f'<path class="grid" {_STROKE} stroke-width="8" stroke-opacity=".15" d="{lines}"/>')
    for tick, y in ticks.items():
        parts.append(f'<text x="670" y="{y}" dy="40" text-anchor="end">{strokes.text(number(tick, unit))}</text>')
    for day in np.unique(np.linspace(first, last, 5).astype(np.int64)) if offsets.size else ():
        x = round(720 + 5560 * int(day - first) / max(last - first, 1))
        anchor = "start" if day == first else "end" if day == last else "middle"
        parts.append(f'<text x="{x}" y="2080" text-anchor="{anchor}">{np.datetime64(int(day), "D")}</text>')
    parts += _window(window, (first, last))
    band = strokes.band(xs, height(lower), height(upper))
    parts.append(f'<path class="band" fill-opacity=".2" d="{band}"/>')
    parts.append(f'<path class="actual" {_STROKE} stroke-width="15" d="{strokes.line(xs, height(past))}"/>')
    parts.append(f'<path class="median" {_STROKE} stroke-width="20" d="{strokes.line(xs, height(middle))}"/>')
    known = np.flatnonzero(np.isfinite(past))
    if known.size and known[-1] + 1 < xs.size:
        x = round(xs[known[-1]])
        parts.append(f'<path class="now" {_STROKE} stroke-width="10" stroke-opacity=".4" d="M{x} 100V1900"/>')
    for name, level in thresholds.items():
        if math.isfinite(level):
            y = round(float(height(level)))
            dashes = f'{_STROKE} stroke-width="12" stroke-dasharray="60 40"'
            label = strokes.text(f"{name} {number(level, unit)}")
            parts.append(f'<path class="limit" {dashes} d="M720 {y}H6280"/>')
            parts.append(f'<text class="limit" x="760" y="{y}" dy="{-35 if y > 200 else 120}">{label}</text>')
    return "".join(parts) + "</svg>"


def _window(window: Window, days: tuple[int, int]) -> Iterator[str]:
    """Yield the span of the breach and its median day, as far as they are within the first and the last day."""
    early, likely, late = (None if day is None else int(np.datetime64(day, "D").astype(np.int64)) for day in window)
    scale = 5560 / max(days[1] - days[0], 1)
    if early is not None and days[0] <= early <= days[1]:
        x = round(720 + scale * (early - days[0]))
        end = round(720 + scale * (days[1] - days[0] if late is None else min(late, days[1]) - days[0]))
        yield f'<path class="window" fill-opacity=".1" d="M{x} 100V1900H{max(end, x + 24)}V100Z"/>'
    if likely is not None and days[0] <= likely <= days[1]:
        x = round(720 + scale * (likely - days[0]))
        yield f'<path class="likely" {_STROKE} stroke-width="14" stroke-dasharray="20 30" d="M{x} 100V1900"/>'


def _levels(thresholds: Mapping[str, float]) -> Floats:
    return np.fromiter(thresholds.values(), dtype=np.float64, count=len(thresholds))


def _row(level: float, low: float, high: float, rows: int) -> int:
    """Return the row of characters in which a level is drawn, 0 at the top."""
    return min(rows - 1, int((1 - float(strokes.share(level, low, high))) * rows))


def _axis(low: float, high: float, rows: int, thresholds: Mapping[str, float], unit: str) -> dict[int, str]:
    """Return the label of each labelled row; thresholds win over round numbers."""
    names = {_row(tick, low, high, rows): number(tick, unit) for tick in strokes.ticks(low, high, max(rows // 3, 2))}
    limits: dict[int, list[str]] = {}
    for name, level in thresholds.items():
        if math.isfinite(level):
            text = f"{printable(name)[:16]} {number(level, unit)}".replace("\n", " ")
            limits.setdefault(_row(level, low, high, rows), []).append(text)
    return names | {row: ", ".join(texts)[:24] for row, texts in limits.items()}


def _dots(past: Floats, future: Floats, limits: tuple[float, float], shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Return which dots are set: lines of history and median, a sparse shade between the outer quantiles."""
    dots = np.zeros(shape, dtype=np.bool_)
    steps = past.size + future.shape[1]
    xs = np.arange(steps) * (shape[1] - 1) / max(steps - 1, 1)

    def heights(levels: Floats) -> Floats:
        return (1 - strokes.share(levels, *limits)) * (shape[0] - 1)

    lower, middle, upper = heights(future)
    ahead = xs[past.size :]
    known = np.isfinite(lower) & np.isfinite(upper)
    if known.any():
        for x in range(math.ceil(ahead[known][0]), math.floor(ahead[known][-1]) + 1):
            top, bottom = (round(float(np.interp(x, ahead[known], edge[known]))) for edge in (upper, lower))
            shade = np.arange(top, bottom + 1)
            dots[shade[(x + 2 * shade) % 4 == 0], x] = True
    for line_x, line_y in ((xs[: past.size], heights(past)), (ahead, middle)):
        for i in np.flatnonzero(np.isfinite(line_y)):
            j = i + 1 if i + 1 < line_y.size and math.isfinite(line_y[i + 1]) else i
            count = int(max(abs(line_x[j] - line_x[i]), abs(line_y[j] - line_y[i]))) + 2
            ys, columns = np.linspace(line_y[i], line_y[j], count), np.linspace(line_x[i], line_x[j], count)
            dots[np.rint(ys).astype(int), np.rint(columns).astype(int)] = True
    return dots


def _cell(dots: NDArray[np.bool_]) -> str:
    """Return the braille character of 4 x 2 dots; a blank when none is set."""
    bits = dots[0, 0] | dots[1, 0] << 1 | dots[2, 0] << 2 | dots[0, 1] << 3 | dots[1, 1] << 4 | dots[2, 1] << 5
    code = int(bits) | int(dots[3, 0]) << 6 | int(dots[3, 1]) << 7
    return chr(0x2800 + code) if code else " "


def _below(columns: int, now: int, start: str, end: str) -> str:
    """Return the labels of time in one line: start, now, end; now gives way where there is no room."""
    line = start[: columns // 2].ljust(columns - len(end[: columns // 2])) + end[: columns // 2]
    if line[max(now - 2, 0) : now + 4].strip() == "" and now + 3 <= columns:
        return line[: max(now - 1, 0)] + "now" + line[max(now - 1, 0) + 3 :]
    return line
