"""Levels, probabilities and dates the way people write them."""

from __future__ import annotations

import math
from bisect import bisect_right
from dataclasses import dataclass
from datetime import date
from functools import lru_cache

from capforecast.errors import printable

NOTHING = "-"
PLAIN, TINY, HUGE = 999.5, 1e-4, 1e15
"""From PLAIN on all digits before the point are written; below TINY and from HUGE on there is an exponent."""
_SI = ("", "k", "M", "G", "T", "P", "E")
_IEC = ("", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei")
_PERCENT = {"percent", "%", "pct"}
_BARE = {"count", "fraction", "ratio", "normalised_0_1"}
_SECONDS = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9}
_SYMBOLS = {"byte": "B", "bytes": "B", "byte/s": "B/s", "bytes/s": "B/s", "bps": "bit/s"}
_SCALED = ("B", "B/s", "bit", "bit/s")
_TIMES = (
    (0.0, 1.0, " s"), (5e-324, 1e-9, " ns"), (1e-6, 1e-6, " us"), (1e-3, 1e-3, " ms"), (1.0, 1.0, " s"),
    (120.0, 60.0, " min"), (7_200.0, 3_600.0, " h"), (172_800.0, 86_400.0, " d"),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Scale:
    """How levels of a unit are written: those from ``least[i]`` on are divided by ``divisor[i]``.

    Attributes
    ----------
    factor : float
        What a level is multiplied with before anything else.
    least, divisor : tuple of float
        Rising; the first is zero.
    suffix : tuple of str
        What follows the digits.
    """

    factor: float
    least: tuple[float, ...]
    divisor: tuple[float, ...]
    suffix: tuple[str, ...]


@lru_cache(maxsize=1024)
def scale_of(unit: str) -> Scale:
    """Return how levels of a unit are written.

    Bytes and bits climb in thousands, KiB and its kin in 1024s, other units in thousands from 100,000 on.
    """
    unit = printable(unit).replace("\n", " ")
    if unit in _PERCENT:
        return Scale(1.0, (0.0,), (1.0,), (" %",))
    if unit in _SECONDS:
        return Scale(_SECONDS[unit], *_columns(_TIMES))
    for prefixes, step, full in ((_SI, 1000.0, PLAIN), (_IEC, 1024.0, math.nextafter(1025.0, math.inf))):
        start = _place(unit, prefixes)
        if start is not None:
            level, symbol = start
            return _ladder([f" {prefix}{symbol}" for prefix in prefixes[level:]], step, full)
    if unit == "1/s":
        return _ladder([f"{prefix and ' ' + prefix}/s" for prefix in _SI], 1000.0, PLAIN)
    name = "" if unit in _BARE or not unit else f" {unit}"
    ladder = _ladder([f"{prefix and ' ' + prefix}{name}" for prefix in _SI], 1000.0, PLAIN)
    return Scale(1.0, (0.0, 1e5, *ladder.least[2:]), ladder.divisor, ladder.suffix)


def number(value: float | None, unit: str = "") -> str:
    """Return a level the way people write it: ``1.2 TB``, ``93.4 %``, ``12.3 kB/s``, ``250 ms``.

    Three significant digits; a dash for NULL, NaN and infinities.
    """
    if value is None or not math.isfinite(value):
        return NOTHING
    scale = scale_of(unit)
    value = value * scale.factor
    at = bisect_right(scale.least, abs(value)) - 1
    return digits(value / scale.divisor[at]) + scale.suffix[at]


def digits(value: float) -> str:
    """Return three significant digits, all of those before the point, no exponent where it can be helped."""
    size = abs(value)
    if size >= HUGE or 0 < size < TINY:
        return f"{value:.3g}"
    if size >= PLAIN:
        return f"{value:.0f}"
    rounded = float(f"{value:.3g}")
    return f"{rounded:.7f}".rstrip("0").rstrip(".") if rounded else "0"


def probability(p: float | None) -> str:
    """Return a probability in whole percent; only certainty reads as 0 % or 100 %."""
    if p is None or math.isnan(p):
        return NOTHING
    if 0.0 < p < 0.01:
        return "<1 %"
    if 0.99 < p < 1.0:
        return ">99 %"
    return f"{100 * p:.0f} %"


def date_range(first: date | None, last: date | None) -> str:
    """Return a range of dates, such as ``2026-02-03..02-17``; an open end is beyond the horizon."""
    if first is None and last is None:
        return NOTHING
    if first == last:
        return str(first)
    end = "" if last is None else str(last)
    if first is not None and last is not None and first.year == last.year:
        end = end[5:]
    return f"{'' if first is None else first}..{end}"


def _place(unit: str, prefixes: tuple[str, ...]) -> tuple[int, str] | None:
    """Return where on the ladder a unit of bytes or bits stands, and its symbol without the prefix."""
    unit = _SYMBOLS.get(unit, unit)
    for level, prefix in enumerate(prefixes):
        for symbol in _SCALED:
            if unit == prefix + symbol or (prefix == "k" and unit == "K" + symbol):
                return level, symbol
    return None


def _ladder(suffixes: list[str], step: float, full: float) -> Scale:
    """Return the scale on which a level climbs as soon as its three digits would read a whole step."""
    rungs = [(full * step ** (i - 1) if i else 0.0, step**i, suffix) for i, suffix in enumerate(suffixes)]
    return Scale(1.0, *_columns(tuple(rungs)))


def _columns(
    rungs: tuple[tuple[float, float, str], ...],
) -> tuple[tuple[float, ...], tuple[float, ...], tuple[str, ...]]:
    least, divisor, suffix = zip(*rungs, strict=True)
    return least, divisor, suffix
