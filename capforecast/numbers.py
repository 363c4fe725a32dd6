"""Levels, probabilities and dates the way people write them."""

from __future__ import annotations

import math
from datetime import date

from capforecast.errors import printable

NOTHING = "-"
_SI = ("", "k", "M", "G", "T", "P", "E")
_IEC = ("", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei")
_PERCENT = {"percent", "%", "pct"}
_BARE = {"count", "fraction", "ratio", "normalised_0_1"}
_SECONDS = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9}
_SYMBOLS = {"byte": "B", "bytes": "B", "byte/s": "B/s", "bytes/s": "B/s", "bps": "bit/s"}
_SCALED = ("B", "B/s", "bit", "bit/s")
_TIMES = ((172_800.0, 86_400.0, "d"), (7_200.0, 3_600.0, "h"), (120.0, 60.0, "min"), (1.0, 1.0, "s"))
_SHORT_TIMES = ((1e-3, "ms"), (1e-6, "us"), (0.0, "ns"))


def number(value: float | None, unit: str = "") -> str:
    """Return a level the way people write it: ``1.2 TB``, ``93.4 %``, ``12.3 kB/s``, ``250 ms``.

    Three significant digits; a dash for NULL, NaN and infinities. Bytes and bits climb in thousands,
    KiB and its kin in 1024s, other units in thousands from 100,000 on.
    """
    if value is None or not math.isfinite(value):
        return NOTHING
    unit = printable(unit).replace("\n", " ")
    if unit in _PERCENT:
        return f"{_digits(value)} %"
    if unit in _SECONDS and math.isfinite(value * _SECONDS[unit]):
        return _duration(value * _SECONDS[unit])
    for prefixes, step in ((_SI, 1000.0), (_IEC, 1024.0)):
        start = _prefix(unit, prefixes)
        if start is not None:
            level, symbol = start
            scaled, prefix = _climb(value, prefixes[level:], step)
            return f"{_digits(scaled)} {prefix}{symbol}"
    if unit == "1/s":
        scaled, prefix = _climb(value, _SI, 1000.0)
        return f"{_digits(scaled)}{prefix and ' ' + prefix}/s"
    scaled, prefix = _climb(value, _SI, 1000.0) if abs(value) >= 1e5 else (value, "")
    return " ".join(part for part in (_digits(scaled), prefix, "" if unit in _BARE else unit) if part)


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


def _digits(value: float) -> str:
    """Return three significant digits, all of those before the point, no exponent where it can be helped."""
    size = abs(value)
    if size >= 1e15 or 0 < size < 1e-4:
        return f"{value:.3g}"
    if size >= 999.5:
        return f"{value:.0f}"
    rounded = float(f"{value:.3g}")
    return f"{rounded:.7f}".rstrip("0").rstrip(".") if rounded else "0"


def _duration(seconds: float) -> str:
    size = abs(seconds)
    for least, divisor, name in _TIMES:
        if size >= least:
            return f"{_digits(seconds / divisor)} {name}"
    for least, name in _SHORT_TIMES:
        if size >= least and size:
            return f"{_digits(seconds / {'ms': 1e-3, 'us': 1e-6, 'ns': 1e-9}[name])} {name}"
    return "0 s"


def _prefix(unit: str, prefixes: tuple[str, ...]) -> tuple[int, str] | None:
    """Return where on the ladder a unit of bytes or bits stands, and its symbol without the prefix."""
    unit = _SYMBOLS.get(unit, unit)
    for level, prefix in enumerate(prefixes):
        for symbol in _SCALED:
            if unit == prefix + symbol or (prefix == "k" and unit == "K" + symbol):
                return level, symbol
    return None


def _climb(value: float, prefixes: tuple[str, ...], step: float) -> tuple[float, str]:
    """Return the value under the largest prefix that leaves something before the point."""
    level = 0
    while level + 1 < len(prefixes) and abs(float(f"{value:.3g}")) >= step:
        value, level = value / step, level + 1
    return value, prefixes[level]
