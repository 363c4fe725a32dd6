"""Durations and moments as integers: microseconds, UTC.

All arithmetic on time in this package is integer arithmetic on microseconds since the epoch; only
this module turns them into text and back.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta

from capforecast.errors import ConfigError

SECOND_US = 1_000_000
MINUTE_US = 60 * SECOND_US
HOUR_US = 60 * MINUTE_US
DAY_US = 24 * HOUR_US
WEEK_US = 7 * DAY_US

_UNITS = {"s": SECOND_US, "m": MINUTE_US, "min": MINUTE_US, "h": HOUR_US, "d": DAY_US, "w": WEEK_US}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
LATEST_US = (datetime(2262, 1, 1, tzinfo=UTC) - _EPOCH) // timedelta(microseconds=1)
"""No run looks at a later moment, and no sample is later: programs that count 64 bits of nanoseconds, as many that
read the tables do, end soon after."""


def parse_duration(text: str, *, name: str = "duration") -> int:
    """Return a duration such as ``90s``, ``5m``, ``48h``, ``30d`` or ``2w`` in microseconds.

    Raises
    ------
    ConfigError
        The text is not a positive whole number followed by s, m, h, d or w.
    """
    match = re.fullmatch(r"\s*(\d{1,9})\s*(s|min|m|h|d|w)\s*", text)
    if match is None or int(match[1]) == 0:
        raise ConfigError(
            f"{name} must be a whole number and a unit (s, m, h, d, w)", got=repr(text), do="Write 48h or 30d"
        )
    return int(match[1]) * _UNITS[match[2]]


def parse_step(text: str) -> int:
    """Return a step between ``1m`` and ``7d`` in microseconds.

    Raises
    ------
    ConfigError
        The text is no duration, or outside the range.
    """
    step = parse_duration(text, name="step")
    if not MINUTE_US <= step <= WEEK_US:
        raise ConfigError("step must lie between 1m and 7d", got=repr(text))
    return step


def format_duration(us: int) -> str:
    """Return a duration in the largest unit that it is whole in: ``90m``, ``36h``, ``1d``, ``30d``."""
    if us % DAY_US == 0:
        return f"{us // DAY_US}d"
    for unit, size in (("h", HOUR_US), ("m", MINUTE_US), ("s", SECOND_US)):
        if us % size == 0:
            return f"{us // size}{unit}"
    return f"{us}us"


def parse_moment(text: str, *, name: str = "timestamp") -> int:
    """Return an ISO 8601 moment in microseconds since the epoch; without an offset it is UTC.

    Raises
    ------
    ConfigError
        The text is not an ISO 8601 date or time.
    """
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError as error:
        raise ConfigError(
            f"{name} must be an ISO 8601 date or time", got=repr(text), do="Write 2026-01-31T02:00:00Z"
        ) from error
    return to_us(moment)


def parse_as_of(text: str) -> int:
    """Return the moment of a run in microseconds since the epoch.

    Raises
    ------
    ConfigError
        The text is no moment, or out of range.
    """
    return checked_as_of(parse_moment(text, name="as_of"), repr(text))


def checked_as_of(us: int, got: str) -> int:
    """Return the moment of a run, or raise `ConfigError`: it lies between 1970 and `LATEST_US`."""
    if not 0 <= us <= LATEST_US:
        raise ConfigError(
            f"as_of must lie between 1970-01-01 and {from_us(LATEST_US):%Y-%m-%d}",
            got=got,
            do="Write 2026-01-31T02:00:00Z",
        )
    return us


def to_us(moment: datetime | date) -> int:
    """Return a moment in microseconds since the epoch; naive ones are UTC, dates are midnight UTC."""
    if not isinstance(moment, datetime):
        moment = datetime(moment.year, moment.month, moment.day, tzinfo=UTC)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return (moment - _EPOCH) // timedelta(microseconds=1)


def from_us(us: int) -> datetime:
    """Return microseconds since the epoch as an aware UTC datetime."""
    return _EPOCH + timedelta(microseconds=int(us))


def format_moment(us: int) -> str:
    """Return microseconds since the epoch as ``2026-01-31T02:00:00Z``."""
    text = from_us(us).isoformat()
    return text.replace("+00:00", "Z")
