"""The text of ``sar``: a first line with host and date, then tables whose rows begin with a time of day.

Columns are named as those of ``sadf -d`` (see `canonical`). A date that could be of two days is refused
without ``--time-format``; a time of day that goes back by hours is of the next day. Averages, summaries,
restarts, comments and the list of USB devices are no samples and left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date, datetime
from functools import partial

from capforecast.errors import ConfigError, SourceError
from capforecast.sources import Batch, ReadOptions
from capforecast.sources.canonical import sysstat_metric
from capforecast.sources.collected import Collected
from capforecast.sources.content import shown
from capforecast.sources.dialect import SAR, foreign, not_recognised
from capforecast.sources.labels import Series, no_labels
from capforecast.sources.lines import first_lines
from capforecast.sources.moments import check_zone, localised
from capforecast.sources.samples import joined
from capforecast.sources.text import blocks

_TITLE = re.compile(r"(?:Linux|SunOS|AIX|HP-UX|Darwin) \S+ \(([^()\s]+)\)\s+(\S+)")
_ROW = re.compile(r"(\d\d):(\d\d):(\d\d)(?: ([AP]M))?\s+(\S.*)")
_DERIVED = re.compile(r"[^\W\d][\w.]*\s?:")
_INSTANCES = frozenset(
    {
        "CPU", "DEV", "IFACE", "TTY", "INTR", "FCHOST", "BAT", "FILESYSTEM", "MOUNTPOINT", "FAN", "TEMP", "IN",
        "DEVICE",
    }
)  # fmt: skip
_DESCRIBED = "BUS"
_TEXTS = ("status",)
_NUMBER = re.compile(r"-?(?:\d+[.,]?\d*|nan|inf)")
_FOUR_DIGITS = re.compile(r"\d{4}")
_DAY_S, _BACK_S = 86_400, 43_200


class Sar:
    """The text of sar."""

    name = "sar"
    general = False

    def claims(self, location: str, head: bytes) -> bool:
        """Tell whether the first line names a system, a host and a date as sar does."""
        return foreign(first_lines(head)) == SAR

    def read(self, location: str, options: ReadOptions) -> Iterator[Batch]:
        """Yield the location's samples.

        Raises
        ------
        SourceError
            The text is unreadable, is not sar's, or its date could be of two days.
        """
        yield from joined(_batches(location, options), options.chunk_rows)


def _batches(location: str, options: ReadOptions) -> Iterator[Batch]:
    check_zone(options.timezone)
    reading, collected = _Reading(location, options), Collected()
    clock = partial(localised, timezone=options.timezone)
    for block in blocks(location, options.encoding):
        for line, text in enumerate(block.data.decode().split("\n"), block.line):
            if text.strip():
                reading.add(text.strip(), line, collected)
            if collected.full:
                yield collected.batch(clock)
                collected = Collected()
    if not reading.begun:
        raise SourceError("a source must hold data", got="no lines at all", where=shown(location))
    yield collected.batch(clock)


class _Reading:
    def __init__(self, location: str, options: ReadOptions):
        no_labels(options, location)
        self._location, self._options = location, options
        self._host, self._day_us = "", 0
        self._headers: tuple[str, ...] = ()
        self._clocks: dict[tuple[str, ...], tuple[int, int]] = {}
        self._series: dict[tuple[tuple[str, ...], str], list[Series]] = {}
        self.begun = False

    def add(self, text: str, line: int, collected: Collected) -> None:
        """Take in a line: title, header, row or what is no sample."""
        title = _TITLE.match(text)
        if title is not None:
            self._host = self._options.host or title[1]
            self._day_us = self._day(title[2], line)
            self._headers, self._clocks, self._series, self.begun = (), {}, {}, True
            return
        if not self.begun:
            raise not_recognised(self._location, "text without the first line of sar")
        if text.startswith("#") or _DERIVED.match(text):
            return
        row = _ROW.fullmatch(text)
        if row is None:
            collected.reject(line, "the row does not begin with a time of day", text)
            return
        cells = row[5].split()
        if "RESTART" in cells[:2] or cells[0] == "COM":
            return
        if not any(_NUMBER.fullmatch(cell) for cell in cells):
            self._headers = tuple(cells)
            return
        self._row(row, cells, line, collected)

    def _row(self, row: re.Match[str], cells: list[str], line: int, collected: Collected) -> None:
        headers, text = self._headers, row[0]
        if _DESCRIBED in headers:
            return
        if headers and headers[-1] in _INSTANCES and len(cells) > len(headers):
            # The last column may hold blanks: it is the name of a mount point or of a sensor.
            cells = [*cells[: len(headers) - 1], " ".join(cells[len(headers) - 1 :])]
        seconds = _seconds(row)
        if seconds is None or not headers or len(cells) != len(headers):
            collected.reject(line, _why(seconds, headers), text)
            return
        ts = self._day_us + (self._days(headers, seconds) * _DAY_S + seconds) * 1_000_000
        instance = " ".join(cell for name, cell in zip(headers, cells, strict=True) if name in _INSTANCES)
        values = [cell for name, cell in zip(headers, cells, strict=True) if _is_measured(name)]
        for series, cell in zip(self._named(headers, instance), values, strict=True):
            if _NUMBER.fullmatch(cell):
                collected.add(series, ts, float(cell.replace(",", ".")), line, text, "gauge")
            else:
                collected.reject(line, f"{series.metric!r} is not a number", text)

    def _named(self, headers: tuple[str, ...], instance: str) -> list[Series]:
        found = self._series.get((headers, instance))
        if found is None:
            names = [sysstat_metric(header, headers) for header in headers if _is_measured(header)]
            found = [Series(self._host, name, instance, unit) for name, unit in names]
            self._series[headers, instance] = found
        return found

    def _days(self, headers: tuple[str, ...], seconds: int) -> int:
        """Return how many midnights a table has passed; each table of a report begins at the start again."""
        last, days = self._clocks.get(headers, (seconds, 0))
        days += seconds < last - _BACK_S
        self._clocks[headers] = seconds, days
        return days

    def _day(self, text: str, line: int) -> int:
        found = _parsed(text, self._options.time_format)
        if len(found) != 1:
            raise SourceError(
                "the date of sar must be of one day",
                got=repr(text),
                where=f"{shown(self._location)}:{line}",
                do="Add --time-format {} (sar in the locales C and en_US), {} or what it is".format(
                    *(order + ("%Y" if _FOUR_DIGITS.search(text) else "%y") for order in ("%m/%d/", "%d/%m/"))
                ),
            )
        return (found.pop() - date(1970, 1, 1)).days * _DAY_S * 1_000_000


def _is_measured(header: str) -> bool:
    return header not in _INSTANCES and header not in _TEXTS


def _why(seconds: int | None, headers: tuple[str, ...]) -> str:
    if seconds is None:
        return "time of day is out of range"
    return "the row has not the cells that its header has" if headers else "the row has no header"


def _seconds(row: re.Match[str]) -> int | None:
    hour, minute, second = int(row[1]), int(row[2]), int(row[3])
    if row[4]:
        if not 1 <= hour <= 12:
            return None
        hour = hour % 12 + (12 if row[4] == "PM" else 0)
    return hour * 3600 + minute * 60 + second if hour < 24 and minute < 60 and second < 60 else None


def _parsed(text: str, asked: str | None) -> set[date]:
    """Return the days that a date can mean."""
    formats = [asked] if asked else [f"{order}{year}" for order in ("%m/%d/", "%d/%m/") for year in ("%y", "%Y")]
    found = set()
    for form in formats if asked else [*formats, "%Y-%m-%d", "%d.%m.%Y", "%d.%m.%y", "%Y/%m/%d"]:
        try:
            found.add(datetime.strptime(text, form).date())
        except ValueError as error:
            if asked and "format" in str(error) and "match" not in str(error):
                raise ConfigError("--time-format must be a strftime format", got=repr(asked)) from error
    return found
