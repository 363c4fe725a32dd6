"""A picture of a series for tickets and chat: history, forecast, thresholds and when they are crossed, as SVG or PNG.

A picture stands alone: light ground, title, dates and legend are in it. It is made from the tables alone, so the
same run gives the same bytes.
"""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import numpy as np
import polars as pl

from capforecast import raster, strokes
from capforecast.errors import DataError, printable
from capforecast.numbers import date_range, number

WIDTH = 800
LEFT, RIGHT, PLOT = 84, 784, 250
HISTORY_DAYS = 120
MOST_TICKS = 9
NAMES = ("host", "metric", "instance")
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
LEGEND = (
    ("measured", '<path class="actual" d="M0 -4H24"/>'),
    ("threshold", '<path class="limit" d="M0 -4H24"/>'),
    ("forecast, median", '<path class="median" d="M0 -4H24"/>'),
    ("80 % band", '<path class="band" d="M0 -10H24V2H0Z"/>'),
    ("crossing, p10 to p90", '<path class="window" d="M0 -10H24V2H0Z"/><path class="bar" d="M0 -4H24"/>'),
)
RULES = {
    "text": f"font-family:{raster.FONT},Verdana,sans-serif;font-size:12px;fill:#334155",
    ".title": "font-size:18px;fill:#0f172a",
    ".reason": "font-size:13px",
    ".small": "font-size:11px;fill:#64748b",
    ".grid": "fill:none;stroke:#e2e8f0",
    ".actual": "fill:none;stroke:#334155;stroke-width:1.6;stroke-linecap:round",
    ".median": "fill:none;stroke:#1d4ed8;stroke-width:2.2",
    ".band": "fill:#93c5fd;fill-opacity:.55",
    ".now": "stroke:#64748b;stroke-dasharray:2 4",
    ".limit": "stroke:#b91c1c;stroke-width:1.4;stroke-dasharray:7 4",
    ".window": "fill:#dc2626;fill-opacity:.12",
    ".bar": "stroke:#b91c1c;stroke-width:5;stroke-opacity:.8",
    ".halo": "fill:#991b1b;stroke:#fff;stroke-width:3;stroke-linejoin:round;paint-order:stroke",
    ".small.halo": "fill:#334155",
}
# A page that holds the picture must not be styled by it.
STYLE = "".join(f".capforecast-picture {name}{{{rule}}}" for name, rule in RULES.items())


@dataclass(frozen=True, slots=True)
class Picture:
    """One drawing, or several below each other; a notebook shows it.

    Attributes
    ----------
    title : str
        What is drawn: host, metric and instance.
    body : str
        Elements of SVG, WIDTH wide.
    height : int
        Pixels.
    """

    title: str
    body: str
    height: int

    def svg(self) -> str:
        """Return the whole picture as SVG."""
        name = 'xmlns="http://www.w3.org/2000/svg" class="capforecast-picture" role="img"'
        size = f'width="{WIDTH}" height="{self.height}" viewBox="0 0 {WIDTH} {self.height}"'
        return (
            f"<svg {name} {size}><title>{strokes.text(self.title)}</title>"
            f'<style>{STYLE}</style><rect width="{WIDTH}" height="{self.height}" fill="#fff"/>{self.body}</svg>\n'
        )

    def png(self) -> bytes:
        """Return the picture as PNG, two pixels for each of the drawing.

        Raises
        ------
        ConfigError
            The extra capforecast[png] is not installed.
        """
        return raster.png(self.svg())

    def _repr_svg_(self) -> str:
        return self.svg()

    def _repr_png_(self) -> bytes | None:
        return self.png() if raster.AVAILABLE else None

    def __repr__(self) -> str:
        return f"<Picture of {printable(self.title)}>"


def stacked(pictures: Sequence[Picture]) -> Picture:
    """Return pictures below each other as one.

    Raises
    ------
    DataError
        There is none.
    """
    if not pictures:
        raise DataError("there must be a series to draw", got="none")
    tops = np.cumsum([0, *(picture.height for picture in pictures)])
    bodies = (f'<g transform="translate(0 {y})">{p.body}</g>' for y, p in zip(tops, pictures, strict=False))
    return Picture("; ".join(p.title for p in pictures), "".join(bodies), int(tops[-1]))


def pictures(tables: Mapping[str, pl.DataFrame]) -> list[Picture]:
    """Return a picture per series and direction of the tables breaches, forecasts and series, most urgent first."""
    keys = [*NAMES, "direction"]
    breaches, days = (tables[name].partition_by(keys, as_dict=True) for name in ("breaches", "forecasts"))
    told = tables["series"].partition_by(NAMES, as_dict=True)
    order = dict.fromkeys([*breaches, *sorted(days)])
    # A series of which nothing could be measured or watched has its status.
    order |= dict.fromkeys((*key, "above") for key in told if key not in {seen[:3] for seen in order})
    none = tables["forecasts"].clear()
    return [
        picture(days.get(key, none), (breaches[key] if key in breaches else told[key[:3]]).to_dicts()) for key in order
    ]


def picture(days: pl.DataFrame, rows: Sequence[Mapping[str, Any]]) -> Picture:
    """Draw one series.

    Parameters
    ----------
    days : DataFrame
        Its rows of one direction of the table ``forecasts``.
    rows : sequence of mapping
        Its rows of the table ``breaches``, most urgent first; without any that of the table ``series``.
    """
    first = rows[0]
    title = "  ".join(first[name] for name in NAMES if first[name])
    lines = _wrapped(first.get("reason") or f"Status {first['status']}, grade {first['grade']}.", 108, 3)
    top = 48 + 17 * len(lines) + 18
    parts = [f'<text class="title" x="16" y="28">{strokes.text(_cut(title, 66))}</text>']
    parts += [
        f'<text class="reason" x="16" y="{50 + 17 * i}">{strokes.text(line)}</text>' for i, line in enumerate(lines)
    ]
    parts.append(f'<g transform="translate(0 {top})">{"".join(_plot(days.sort("day"), rows))}</g>')
    below = top + PLOT + 46
    parts += _legend(below, 5 if any(map(_is_dated, rows)) else 4 if _ahead(days) else 2)
    foot = f"as of {first['as_of']:%Y-%m-%d %H:%M} UTC, daily {_extremes(rows)}"
    parts.append(f'<text class="small" x="16" y="{below + 24}">{strokes.text(foot)}</text>')
    return Picture(title, "".join(parts), below + 36)


def _ahead(days: pl.DataFrame) -> bool:
    return days.get_column("q50").is_not_null().any()


def _extremes(rows: Sequence[Mapping[str, Any]]) -> str:
    return "troughs" if rows[0].get("direction") == "below" else "peaks"


def _legend(y: int, marks: int) -> Iterator[str]:
    x = LEFT
    for label, mark in LEGEND[:marks]:
        yield f'<g transform="translate({x} {y})">{mark}<text x="32">{label}</text></g>'
        x += 58 + 7 * len(label)


class _Frame:
    """Where days and levels lie in the plot, in tenths of a pixel so that whole numbers are fine enough."""

    def __init__(self, days: pl.DataFrame, rows: Sequence[Mapping[str, Any]]):
        measured = days.get_column("actual").is_not_null().arg_true()
        shown = days.slice(max((measured[-1] if measured.len() else 0) + 1 - HISTORY_DAYS, 0))
        self.days = shown.get_column("day").cast(pl.Int32).to_numpy().astype(np.int64)
        columns = [shown.get_column(name).cast(pl.Float64) for name in ("actual", "q10", "q50", "q90")]
        self.actual, self.lower, self.middle, self.upper = (c.fill_null(math.nan).to_numpy() for c in columns)
        levels = [math.nan if row.get("threshold") is None else row["threshold"] for row in rows]
        low, high = strokes.limits([self.actual, self.middle, np.array(levels)], [self.lower, self.upper])
        # Above the highest line there is room for its label.
        self.low, self.high = low, high + 0.08 * (high - low)
        self.first, self.last = (int(self.days[0]), int(self.days[-1])) if self.days.size else (0, 1)

    def x(self, day: Any) -> Any:
        """Return the place of days since the epoch, from the left."""
        return 10 * LEFT + 10 * (RIGHT - LEFT) * (day - self.first) / max(self.last - self.first, 1)

    def y(self, levels: Any) -> Any:
        """Return the place of levels, from the top."""
        return 10 * PLOT * (1 - strokes.share(levels, self.low, self.high))

    def at(self, day: date) -> int:
        """Return the place of a date in whole pixels, at the nearer edge where it lies outside."""
        number = (day - date(1970, 1, 1)).days
        return round(float(self.x(min(max(number, self.first), self.last))) / 10)

    def height(self, level: float) -> int:
        """Return the place of a level in whole pixels."""
        return round(float(self.y(level)) / 10)


def _plot(days: pl.DataFrame, rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    frame = _Frame(days, rows)
    unit = rows[0]["unit"] or ""
    for level in strokes.ticks(frame.low, frame.high, 5):
        y = frame.height(level)
        yield f'<path class="grid" d="M{LEFT} {y}H{RIGHT}"/>'
        yield f'<text x="{LEFT - 8}" y="{y + 4}" text-anchor="end">{strokes.text(_cut(number(level, unit), 12))}</text>'
    if not frame.days.size:
        yield f'<text x="{(LEFT + RIGHT) // 2}" y="{PLOT // 2}" text-anchor="middle">nothing was measured</text>'
        return
    yield from _dates(frame)
    yield from _window(frame, rows)
    xs = frame.x(frame.days)
    scaled = '<path class="{}" transform="scale(.1)" style="stroke-width:{}" d="{}"/>'
    yield scaled.format("band", 0, strokes.band(xs, frame.y(frame.lower), frame.y(frame.upper)))
    yield scaled.format("actual", 16, strokes.line(xs, frame.y(frame.actual)))
    yield scaled.format("median", 22, strokes.line(xs, frame.y(frame.middle)))
    if _ahead(days):
        x = frame.at(rows[0]["as_of"].date())
        yield f'<path class="now" d="M{x} 0V{PLOT}"/><text class="small halo" x="{x + 5}" y="12">now</text>'
    yield from _thresholds(frame, rows, unit)


def _dates(frame: _Frame) -> Iterator[str]:
    for day in _marks(date(1970, 1, 1) + timedelta(frame.first), date(1970, 1, 1) + timedelta(frame.last)):
        x = frame.at(day)
        text = f"{day.day} {MONTHS[day.month - 1]}" if day.day != 1 else f"{MONTHS[day.month - 1]} {day.year}"
        anchor = "end" if x > RIGHT - 30 else "middle"
        yield f'<path class="grid" d="M{x} 0V{PLOT + 5}"/>'
        yield f'<text x="{x}" y="{PLOT + 20}" text-anchor="{anchor}">{text}</text>'


def _marks(first: date, last: date) -> list[date]:
    """Return the dates that are named: at most `MOST_TICKS`, on days, weeks or first days of months."""
    span = (last - first).days
    for step in (1, 2, 7, 14):
        if span // step < MOST_TICKS:
            start = first + timedelta(-(first.toordinal() - 1) % step)
            return [start + timedelta(i) for i in range(0, (last - start).days + 1, step)]
    months = [date(m // 12, m % 12 + 1, 1) for m in range(_month(first), _month(last) + 1)]
    inside = [month for month in months if month >= first]
    every = next(n for n in (1, 2, 3, 6, 12, 24, 60, 120, len(inside)) if len(inside) // n < MOST_TICKS)
    return [month for month in inside if _month(month) % every == 0]


def _month(day: date) -> int:
    return 12 * day.year + day.month - 1


def _window(frame: _Frame, rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Yield the days in which the most urgent threshold is crossed, over the whole height."""
    row = rows[0]
    if not _is_dated(row):
        return
    early = row["breach_date_p10"]
    left, right = _span(frame, row)
    told = f"1 in 10 by {early}"
    if row["status"] == "will_breach":
        told = f"crossing {date_range(early, row['breach_date_p90'])}"
        yield f'<path class="window" d="M{left} 0H{right}V{PLOT}H{left}Z"/>'
    anchor, x = ("start", left) if left < RIGHT - 180 else ("end", RIGHT)
    yield f'<text class="halo" x="{x}" y="-6" text-anchor="{anchor}">{told}</text>'


def _is_dated(row: Mapping[str, Any]) -> bool:
    """Tell whether a crossing is yet to come, possible at least."""
    return row.get("breach_date_p10") is not None and row["status"] != "breached"


def _span(frame: _Frame, row: Mapping[str, Any]) -> tuple[int, int]:
    """Return from where to where the dates of a row reach; an open end is the edge of the plot."""
    left = frame.at(row["breach_date_p10"])
    late = row["breach_date_p90"]
    return left, max(RIGHT if late is None else frame.at(late), left + 4)


def _thresholds(frame: _Frame, rows: Sequence[Mapping[str, Any]], unit: str) -> Iterator[str]:
    """Yield each threshold with its name, and a bar from the early to the late date of its crossing."""
    taken: list[tuple[int, int]] = []
    for row in rows:
        level = row.get("threshold")
        if level is None or not frame.low <= level <= frame.high:
            continue
        y = frame.height(level)
        label = _cut(f"{row['threshold_name'] or 'threshold'} {number(level, unit)}", 32)
        column = sum(abs(y - other) < 15 for other, _ in taken)
        taken.append((y, column))
        yield f'<path class="limit" d="M{LEFT} {y}H{RIGHT}"/>'
        if _is_dated(row):
            left, right = _span(frame, row)
            sure = "" if row["status"] == "will_breach" else ' style="stroke-opacity:.4"'
            yield f'<path class="bar" d="M{left} {y}H{right}"{sure}/>'
        yield f'<text class="halo" x="{LEFT + 8 + 190 * column}" y="{y - 6}">{strokes.text(label)}</text>'


def _cells(text: str) -> int:
    """Return the width of a text in Latin letters."""
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def _cut(text: str, most: int) -> str:
    """Return a text that fits, as it is printed; one that is too long gives up its middle."""
    text = printable(text).replace("\n", "\\n")
    if _cells(text) <= most:
        return text
    head = tail = most // 2
    while _cells(text[:head]) + _cells(text[-tail:]) >= most:
        head, tail = head - 1, max(tail - 1, 1)
    return f"{text[:head]}…{text[-tail:]}"


def _wrapped(text: str, most: int, lines: int) -> list[str]:
    """Return the first lines of a text; what is left over becomes three dots."""
    found = [""]
    for word in _words(printable(text).replace("\n", "\\n"), most):
        if found[-1] and _cells(f"{found[-1]} {word}") > most:
            found.append(word)
        else:
            found[-1] = f"{found[-1]} {word}".strip()
    return found if len(found) <= lines else [*found[: lines - 1], f"{found[lines - 1]} …"]


def _words(text: str, most: int) -> Iterable[str]:
    """Yield the words of a text; one that is longer than a line comes in pieces."""
    for word in text.split():
        yield from (word[i : i + most // 2] for i in range(0, len(word), most // 2)) if _cells(word) > most else (word,)
