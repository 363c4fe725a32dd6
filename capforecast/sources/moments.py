"""Times of a column as microseconds since the epoch.

How a column is read is decided once, from its first block, and holds for the whole location:

* whole or decimal numbers are seconds, milliseconds, microseconds or nanoseconds since the epoch; the
  median's size decides (years 1979 to 2286 do not overlap between the units), whatever the header says.
  A number of another size is a reject, never read in another unit;
* text is ISO 8601 (``2024-01-31T02:00:00.5Z``, blanks and ``/`` allowed, zone optional) or in the format
  given by ``--time-format``. ``01/02/24`` could be January or February, so it is refused without one.

Times without a zone are in `ReadOptions.timezone`; an hour that a clock change doubles or skips is a
reject. Finer parts than a microsecond are cut off.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt
import polars as pl

from capforecast.errors import ConfigError, SourceError
from capforecast.sources import ReadOptions
from capforecast.sources.decimals import FORMATTED

UNITS: dict[str, tuple[float, float]] = {
    "s": (3.1e8, 1e10),
    "ms": (3.1e11, 1e13),
    "us": (3.1e14, 1e16),
    "ns": (3.1e17, 1e19),
}
"""Sizes of whole-number times: from 1979 to 2286 in each unit."""
PER_SECOND = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}
_ROUNDED = r"^[0-9](?:\.[0-9]{1,5})?E\+[0-9]{2}$"
"""Large numbers as spreadsheets write them: of a time in milliseconds only quarters of an hour are left."""
_FARTHEST = 9.2e18
_ISO = (
    r"^([0-9]{4})[-/]([0-9]{2})[-/]([0-9]{2})"
    r"(?:(?:[Tt]|\s+)([0-9]{2}):([0-9]{2})(?::([0-9]{2})(?:[.,]([0-9]+))?)?"
    r"\s*([Zz]|UTC|GMT|[+-][0-9]{2}(?::?[0-9]{2})?)?)?$"
)
_MONTH_DAYS = np.array([0, 31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31])
_SAMPLE = 1000

_Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Moments:
    """Times (int64 microseconds, null where unreadable) and, if any is, the reasons (null where fine)."""

    us: pl.Series
    reasons: pl.Series | None = None


@dataclass(frozen=True, slots=True)
class Clock:
    """How the times of a location are read.

    Attributes
    ----------
    kind : str
        "epoch", "iso" or "format".
    unit : str
        Unit of epoch numbers.
    exact : bool
        The unit was given, so numbers of any size are taken.
    timezone : str
        Zone of times without one.
    format : str
        Of kind "format".
    ahead_us : int
        How far UTC is ahead of times without a zone, of kind "format".
    """

    kind: str
    unit: str = "s"
    exact: bool = False
    timezone: str = "UTC"
    format: str = ""
    ahead_us: int = 0


def kind_of(cells: pl.Series) -> str:
    """Return what text cells are: number, time, formatted, text or empty (most of the filled ones decide)."""
    filled = cells.head(_SAMPLE).str.strip_chars()
    filled = filled.filter((filled != "").fill_null(False))
    if not len(filled):
        return "empty"
    numbers = filled.cast(pl.Float64, strict=False).is_not_null()
    if numbers.sum() * 2 >= len(filled):
        return "number"
    if filled.str.contains(_ISO).sum() * 2 >= len(filled):
        return "time"
    return "formatted" if (numbers | filled.str.contains(FORMATTED)).sum() * 2 >= len(filled) else "text"


def clock_for(cells: pl.Series, options: ReadOptions, where: str) -> Clock:
    """Return how a column of times is read; `cells` (text or numbers) are those of the first block.

    Raises
    ------
    SourceError
        The times are not recognised; the message names the option to add.
    ConfigError
        The zone, the unit or the format is not known.
    """
    check_zone(options.timezone)
    if options.time_format is not None:
        return Clock("format", timezone=options.timezone, format=options.time_format)
    if cells.dtype == pl.String:
        kind = kind_of(cells)
        if kind == "time":
            return Clock("iso", timezone=options.timezone)
        if kind != "number":
            filled = cells.filter((cells.str.strip_chars() != "").fill_null(False))
            raise SourceError(
                "times must be ISO 8601 or numbers since the epoch",
                got=repr(filled[0][:60]) if len(filled) else "only empty cells",
                where=where,
                do="Add --time-format, such as " + _formats(filled[0] if len(filled) else ""),
            )
        cells = cells.str.strip_chars().cast(pl.Float64, strict=False)
    if options.epoch is not None:
        if options.epoch not in UNITS:
            raise ConfigError("--epoch must be s, ms, us or ns", got=repr(options.epoch))
        return Clock("epoch", options.epoch, exact=True)
    middle = cells.cast(pl.Float64).drop_nulls().drop_nans().median()
    unit = epoch_unit(middle) if isinstance(middle, float) else None
    if unit is not None:
        return Clock("epoch", unit)
    raise SourceError(
        "numbers must be times since the epoch between 1979 and 2286 in s, ms, us or ns",
        got=f"a median of {middle!r}",
        where=where,
        do="Add --epoch s, ms, us or ns if they are, or --time-format %Y%m%d%H%M%S for dates in digits",
    )


def _formats(text: str) -> str:
    """Return formats that may be that of a time; which one it is, days up to the twelfth do not tell."""
    year = "%Y" if re.search(r"\d{4}", text) else "%y"
    clock = "%I:%M:%S %p" if re.search(r"[AaPp][Mm]$", text.strip()) else "%H:%M:%S"
    if re.match(r"\d{4}-", text.strip()):
        return f"%Y-%m-%d {clock}"
    sign = "." if re.match(r"\d+\.", text.strip()) else "/"
    return " or ".join(f"{sign.join((*order, year))} {clock}" for order in (("%d", "%m"), ("%m", "%d")))


def epoch_unit(size: float) -> str | None:
    """Return the unit in which a number is a time since the epoch, None where it is none."""
    return next((unit for unit, (low, high) in UNITS.items() if low <= size < high), None)


def read(cells: pl.Series, clock: Clock) -> Moments:
    """Return the times of a column of text or numbers."""
    if clock.kind == "epoch":
        return _epochs(cells, clock)
    codes, distinct = _distinct(cells.cast(pl.String))
    local = _formatted(distinct, clock) if clock.kind == "format" else _iso(distinct, clock)
    reasons = None
    if local.reasons is not None:
        reasons = local.reasons.gather(codes)
        if reasons.null_count() == len(reasons):
            reasons = None
    return Moments(local.us.gather(codes), reasons)


def localised(us: pl.Series, timezone: str, bad: pl.Series | None = None) -> Moments:
    """Return local wall-clock microseconds as moments; `bad` are reasons that are known already."""
    if timezone != "UTC":
        naive = us.cast(pl.Datetime("us"))
        zoned = naive.dt.replace_time_zone(timezone, ambiguous="null", non_existent="null")
        exists = naive.dt.replace_time_zone(timezone, ambiguous="earliest", non_existent="null")
        lost = zoned.is_null() & us.is_not_null()
        if lost.any():
            twice = pl.Series([f"local time is doubled by a clock change in {timezone}"])
            never = pl.Series([f"local time is skipped by a clock change in {timezone}"])
            why = pl.select(
                pl.when(lost & exists.is_not_null())
                .then(twice)
                .when(lost)
                .then(never)
                .otherwise(pl.lit(None, dtype=pl.String))
            ).to_series()
            bad = why if bad is None else pl.select(pl.coalesce(bad, why)).to_series()
        us = zoned.dt.convert_time_zone("UTC").cast(pl.Int64)
    return Moments(us, bad)


def check_zone(timezone: str) -> None:
    """Raise ConfigError unless the zone is known."""
    try:
        ZoneInfo(timezone)
    except (KeyError, OSError, ValueError) as error:
        raise ConfigError("--timezone must name a zone", got=repr(timezone), do="Write UTC or Europe/Berlin") from error


def _distinct(cells: pl.Series) -> tuple[pl.Series, pl.Series]:
    """Return the number of each cell in the distinct cells, and those: times repeat over series."""
    encoded = cells.to_arrow().dictionary_encode()
    codes, distinct = pl.from_arrow(encoded.indices), pl.from_arrow(encoded.dictionary)
    assert isinstance(codes, pl.Series)
    assert isinstance(distinct, pl.Series)
    return codes, distinct.cast(pl.String).str.strip_chars()


def _reasons(us: pl.Series, cells: pl.Series, reason: str) -> pl.Series | None:
    if not us.null_count():
        return None
    empty = cells.is_null() | ((cells == "") if cells.dtype == pl.String else pl.Series([False]))
    return pl.select(
        pl.when(us.is_not_null())
        .then(pl.lit(None, dtype=pl.String))
        .when(empty)
        .then(pl.lit("time is empty"))
        .otherwise(pl.lit(reason))
    ).to_series()


def _epochs(cells: pl.Series, clock: Clock) -> Moments:
    if cells.dtype == pl.String:
        cells = cells.str.strip_chars()
    floats = cells.cast(pl.Float64, strict=False)
    if cells.dtype.is_float():
        whole = pl.Series([None], dtype=pl.Int64).new_from_index(0, len(cells))
    else:
        whole = cells.cast(pl.Int64, strict=False)
    times, parts = (1_000_000 // PER_SECOND[clock.unit], 1) if clock.unit != "ns" else (1, 1_000)
    low, high = (-_FARTHEST, _FARTHEST) if clock.exact else UNITS[clock.unit]
    fits = (floats >= low) & (floats < high) & ((floats * times / parts).abs() < _FARTHEST)
    us = pl.select(
        pl.when(~fits.fill_null(False))
        .then(pl.lit(None, dtype=pl.Int64))
        .when(whole.is_not_null())
        .then(whole * times // parts)
        .otherwise((floats * times / parts).round().cast(pl.Int64, strict=False))
    ).to_series()
    what = "time is not a number in range" if clock.exact else f"time is no number of the column's unit ({clock.unit})"
    reasons = _reasons(us, cells, what)
    if cells.dtype == pl.String and (lost := cells.str.contains(_ROUNDED).fill_null(False)).any():
        rounded = pl.when(lost).then(pl.lit("time has lost its last digits, as in a spreadsheet"))
        reasons = pl.select(pl.coalesce(rounded, reasons)).to_series()
        us = us.set(lost, None)
    return Moments(us, reasons)


def _formatted(cells: pl.Series, clock: Clock) -> Moments:
    # Parts of a second are counted from the point on, as everybody means who writes the second of these.
    form = clock.format.replace(".%f", "%.f")
    has_time = any(f"%{c}" in form for c in "HIklTRrXcs+")
    try:
        if has_time:
            found = cells.str.to_datetime(form, time_unit="us", strict=False)
        else:
            found = cells.str.to_date(form, strict=False).cast(pl.Datetime("us"))
    except pl.exceptions.PolarsError as error:
        raise ConfigError(
            "--time-format must be a strftime format",
            got=repr(clock.format),
            do="Write %d/%m/%Y %H:%M:%S; hours up to twelve are %I, with %p",
        ) from error
    zoned = isinstance(found.dtype, pl.Datetime) and found.dtype.time_zone is not None
    us = found.cast(pl.Int64)
    bad = _reasons(us, cells, "time is not in the given format")
    return Moments(us, bad) if zoned else localised(us + clock.ahead_us, clock.timezone, bad)


def _iso(cells: pl.Series, clock: Clock) -> Moments:
    parts = cells.str.extract_groups(_ISO).struct.unnest()
    years, months, days, hours, minutes, seconds = (
        parts[name].cast(pl.Int64).fill_null(0).to_numpy() for name in parts.columns[:6]
    )
    fraction = parts[parts.columns[6]].str.slice(0, 6).str.pad_end(6, "0").cast(pl.Int64).fill_null(0)
    leap = (years % 4 == 0) & ((years % 100 != 0) | (years % 400 == 0))
    month_ok = (months >= 1) & (months <= 12)
    lengths = _MONTH_DAYS[np.where(month_ok, months, 0)] - ((months == 2) & ~leap)
    valid = month_ok & (days >= 1) & (days <= lengths) & (hours < 24) & (minutes < 60) & (seconds < 60)
    wall = ((_days(years, months, days) * 24 + hours) * 60 + minutes) * 60 + seconds
    offset, zone_ok = _offsets(parts[parts.columns[7]])
    us = (wall - offset) * 1_000_000 + fraction.to_numpy()
    readable = pl.Series(valid & zone_ok) & parts[parts.columns[0]].is_not_null()
    times = pl.select(pl.when(readable).then(pl.Series(us))).to_series()
    bad = _reasons(times, cells, "time is not an ISO 8601 time")
    if clock.timezone == "UTC":
        return Moments(times, bad)
    naive = parts[parts.columns[7]].is_null()
    local = localised(pl.select(pl.when(naive).then(times)).to_series(), clock.timezone, bad)
    return Moments(pl.select(pl.when(naive).then(local.us).otherwise(times)).to_series(), local.reasons)


def _days(years: _Ints, months: _Ints, days: _Ints) -> _Ints:
    """Return days since 1970-01-01 of civil dates (H. Hinnant, "chrono-compatible date algorithms")."""
    shifted = years - (months <= 2)
    era = shifted // 400
    of_era = shifted - era * 400
    of_year = (153 * (months + np.where(months > 2, -3, 9)) + 2) // 5 + days - 1
    result: _Ints = era * 146_097 + of_era * 365 + of_era // 4 - of_era // 100 + of_year - 719_468
    return result


def _offsets(zones: pl.Series) -> tuple[_Ints, npt.NDArray[np.bool_]]:
    """Return seconds east of UTC, and whether hours and minutes are in range."""
    if zones.null_count() == len(zones):
        return np.zeros(len(zones), dtype=np.int64), np.ones(len(zones), dtype=bool)
    digits = zones.str.replace_all(":", "", literal=True)
    hours = digits.str.slice(1, 2).cast(pl.Int64, strict=False).fill_null(0).to_numpy()
    minutes = digits.str.slice(3, 2).cast(pl.Int64, strict=False).fill_null(0).to_numpy()
    sign = np.where(zones.str.starts_with("-").fill_null(False).to_numpy(), -1, 1)
    return sign * (hours * 3600 + minutes * 60), (hours <= 23) & (minutes <= 59)
