"""Units: which ones are the same quantity, and what a value of one is in the canonical unit of its quantity.

Bytes, seconds and percents are canonical, and so are bytes a second. Spelling is taken literally where a
letter's case tells bits from bytes or milli from mega; what is ambiguous is not known.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from fnmatch import fnmatchcase

_BYTE = ("B", "byte", "bytes", "Byte", "Bytes")
_BIT = ("bit", "bits", "Bit", "Bits")
_DECIMAL = {"k": 1e3, "K": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "P": 1e15}
_BINARY = {"Ki": 2.0**10, "Mi": 2.0**20, "Gi": 2.0**30, "Ti": 2.0**40, "Pi": 2.0**50}
_WORDS = {"kilo": 1e3, "mega": 1e6, "giga": 1e9, "tera": 1e12, "kibi": 2.0**10, "mebi": 2.0**20, "gibi": 2.0**30}
_SECONDS = {
    "s": 1.0, "sec": 1.0, "secs": 1.0, "second": 1.0, "seconds": 1.0, "ms": 1e-3, "msec": 1e-3, "millisecond": 1e-3,
    "milliseconds": 1e-3, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "usec": 1e-6, "microsecond": 1e-6, "microseconds": 1e-6,
    "ns": 1e-9, "nanosecond": 1e-9, "nanoseconds": 1e-9, "min": 60.0, "minute": 60.0, "minutes": 60.0, "h": 3600.0,
    "hour": 3600.0, "hours": 3600.0, "d": 86400.0, "day": 86400.0, "days": 86400.0,
}  # fmt: skip
_PERCENT = ("percent", "%", "pct", "Percent", "percentage")
_SHARE = ("fraction", "ratio", "normalised_0_1", "normalized_0_1", "percentunit", "0..1")
_PLAIN = (
    "", "count", "1", "1/s", "requests", "connections", "packets", "errors", "ops", "cores", "cpu", "threads",
    "processes", "files", "inodes", "pages", "MHz", "MHZ", "GHz", "Hz", "W", "V", "A", "C", "celsius", "rpm", "s/s",
)  # fmt: skip
"""Units that are what they are: nothing is converted into them or out of them."""
_PER_SECOND = re.compile(r"(.+?)\s*(?:/\s*(?:s|sec|second)|\s+per\s+second)")
_BITS_A_SECOND = re.compile(r"([kKMGT]?)bps")
_BYTES_A_SECOND = re.compile(r"([kKMGT]?)Bps")


@dataclass(frozen=True, slots=True)
class Unit:
    """A unit that is known.

    Attributes
    ----------
    canonical : str
        Canonical unit of its quantity.
    factor : float
        What one of it is in the canonical unit.
    """

    canonical: str
    factor: float


def known(text: str) -> Unit | None:
    """Return what a unit is, None where that is not known."""
    text = text.strip()
    if text in _PLAIN:
        return Unit(text, 1.0)
    if text in _PERCENT:
        return Unit("percent", 1.0)
    if text in _SHARE:
        return Unit("percent", 100.0)
    if text in _SECONDS:
        return Unit("s", _SECONDS[text])
    amount = _bytes(text)
    if amount is not None:
        return Unit("byte", amount)
    for pattern, per in ((_BITS_A_SECOND, 0.125), (_BYTES_A_SECOND, 1.0)):
        found = pattern.fullmatch(text)
        if found:
            return Unit("byte/s", _DECIMAL.get(found[1], 1.0) * per)
    rate = _PER_SECOND.fullmatch(text)
    if rate:
        inner = known(rate[1])
        return inner and Unit("1/s" if inner.canonical in ("", "count", "1") else f"{inner.canonical}/s", inner.factor)
    return None


def _bytes(text: str) -> float | None:
    """Return how many bytes a unit is, None where it is none of bits and bytes."""
    for names, size in ((_BYTE, 1.0), (_BIT, 0.125)):
        for name in names:
            if text == name:
                return size
            if text.endswith(name):
                # A lone capital B is a byte after any prefix; what a lone b is nobody knows.
                prefix = text.removesuffix(name)
                found = {**_DECIMAL, **_BINARY, **_WORDS}.get(prefix)
                if found is not None:
                    return found * size
    return None


def canonical(unit: str, metric: str = "") -> Unit:
    """Return the unit in which samples that come in one are kept; itself where it is not known.

    A share of one is kept in percent, unless the metric says by its name that it is a ratio.
    """
    found = known(unit)
    if found is None:
        return Unit(unit, 1.0)
    if unit.strip() in _SHARE and is_ratio(metric):
        return Unit("fraction", 1.0)
    return found


def is_ratio(metric: str) -> bool:
    """Tell whether a metric is a ratio by its name."""
    return any(fnmatchcase(metric.lower(), pattern) for pattern in ("*_ratio", "*_fraction"))


def factor(given: str, kept: str) -> float:
    """Return what one of a unit is in another one; NaN where they are not of one quantity, or not known."""
    if given == kept:
        return 1.0
    one, other = known(given), known(kept)
    if one is None or other is None or one.canonical != other.canonical:
        return math.nan
    return one.factor / other.factor


def contradict(given: str, kept: str) -> bool:
    """Tell whether two units are known and of different quantities."""
    one, other = known(given), known(kept)
    if one is None or other is None:
        return False
    return bool(given and kept) and one.canonical != other.canonical
