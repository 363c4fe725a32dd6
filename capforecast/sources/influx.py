"""InfluxDB line protocol, as Telegraf writes it: ``measurement,tag=value field=1.5,other=2i 1700000000000000000``.

Each field that is a number or a truth value (1 and 0) is a sample of the metric ``measurement_field``, or of
``measurement`` when the field is called ``value``. Fields of text are not read, unless a line has no other:
then it is a reject. Tags are labels (see `labels`). A line break inside of a text ends the line.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from capforecast.sources import Batch, ReadOptions
from capforecast.sources.canonical import COUNTERS
from capforecast.sources.collected import Collected
from capforecast.sources.dialect import LINE_PROTOCOL, foreign
from capforecast.sources.labels import Labels, Series
from capforecast.sources.lines import first_lines, read_lines
from capforecast.sources.samples import joined

_KEY = r"(?:[^\\\s,=]|\\.)+"
_SERIES = re.compile(r"(?:[^\\\s,]|\\.)+((?:,(?:[^\\\s,=]|\\.)+=(?:[^\\\s,=]|\\.)+)*) +")
_TAG = re.compile(rf",({_KEY})=({_KEY})")
_FIELD = re.compile(rf'({_KEY})=(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))(,?)')
_NUMBER = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?")
_WHOLE = re.compile(r"([-+]?\d+)[iu]")
_TIME = re.compile(r" *(-?\d{1,19})?\s*")
_TRUTH = {
    **dict.fromkeys(("t", "T", "true", "True", "TRUE"), 1.0),
    **dict.fromkeys(("f", "F", "false", "False", "FALSE"), 0.0),
}
_ESCAPED = re.compile(r"\\([, =])")
_MOST = 1 << 63
_DIGITS = 19
"""Most digits of a time."""
_DIGIT, _BEGIN = frozenset("0123456789"), frozenset("0123456789.+-")


class Influx:
    """InfluxDB line protocol."""

    name = "influx"
    general = False

    def claims(self, location: str, head: bytes) -> bool:
        """Tell whether nearly all of the first lines are line protocol."""
        return foreign(first_lines(head)) == LINE_PROTOCOL

    def read(self, location: str, options: ReadOptions) -> Iterator[Batch]:
        """Yield the location's samples.

        Raises
        ------
        SourceError
            The text is unreadable, or its times fit no unit.
        SchemaError
            No line has a time, and there is no ``--start``.
        """
        lines = _Lines(location, options)
        yield from joined(read_lines(location, options, lines.labels, lines.add), options.chunk_rows)


class _Lines:
    def __init__(self, location: str, options: ReadOptions):
        self.labels = Labels(location, options)
        self._known: dict[tuple[str, str], tuple[Series, str | None]] = {}

    def add(self, text: str, line: int, collected: Collected) -> None:
        """Add the samples of a line."""
        text = text.strip()
        if text.startswith("#") or self._added(text, line, collected):
            return
        head = _SERIES.match(text)
        if head is None:
            collected.reject(line, "the line has no fields after its measurement and tags", text)
            return
        fields, place = _fields(text, head.end())
        time = _TIME.fullmatch(text, place)
        if time is None or not fields:
            what = "after the fields only a time may stand" if fields else "the fields are not readable"
            collected.reject(line, what, text)
            return
        moment = None if time[1] is None else int(time[1])
        if moment is not None and not -_MOST < moment < _MOST:
            collected.reject(line, "time is out of range", text)
            return
        used = False
        for name, value in fields:
            if value is None:
                continue
            used = True
            if isinstance(value, str):
                collected.reject(line, f"field {name!r} is {value}", text)
                continue
            series, nature = self._series(text[: head.end()], head.start(1), name)
            collected.add(series, moment, value, line, text, nature)
        if not used:
            collected.reject(line, "no field is a number", text)

    def _added(self, text: str, line: int, collected: Collected) -> bool:
        """Add the samples of a line of known series whose fields are all plain numbers; tell whether it is one."""
        if "\\" in text or not text.isascii() or text.count(" ") != 2:
            return False
        head, fields, time = text.split(" ")
        if len(time) > _DIGITS or not time.isdigit() or (moment := int(time)) >= _MOST:
            return False
        key, found = f"{head} ", []
        for field in fields.split(","):
            name, _, value = field.partition("=")
            known = self._known.get((key, name))
            plain = _plain(value)
            if known is None or plain is None:
                return False
            found.append((known, plain))
        for (series, nature), plain in found:
            collected.add(series, moment, plain, line, text, nature)
        return True

    def _series(self, key: str, tags: int, field: str) -> tuple[Series, str | None]:
        found = self._known.get((key, field))
        if found is None:
            measurement = _ESCAPED.sub(r"\1", key[:tags])
            metric = measurement if field == "value" else f"{measurement}_{field}"
            labels = {_ESCAPED.sub(r"\1", tag): _ESCAPED.sub(r"\1", value) for tag, value in _TAG.findall(key[tags:])}
            found = self.labels.series(metric, labels), "counter" if metric in COUNTERS else None
            self._known[key, field] = found
        return found


def _fields(text: str, place: int) -> tuple[list[tuple[str, float | str | None]], int]:
    """Return the fields (None: text; a text: why it is no number) and where they end."""
    found: list[tuple[str, float | str | None]] = []
    while (part := _FIELD.match(text, place)) is not None:
        place = part.end()
        name = _ESCAPED.sub(r"\1", part[1]) if "\\" in part[1] else part[1]
        found.append((name, None if part[3] is None else _value(part[3])))
        if not part[4]:
            return found, place
    return [], place


def _plain(text: str) -> float | None:
    """Return an ASCII number as `_value` does, None where it takes a closer look."""
    if text[-1:] not in _DIGIT or text[0] not in _BEGIN or "_" in text:
        return float(text[:-1]) if text[-1:] == "i" and text[:-1].isdigit() else None
    try:
        return float(text)
    except ValueError:
        return None


def _value(text: str) -> float | str:
    if _NUMBER.fullmatch(text):
        return float(text)
    whole = _WHOLE.fullmatch(text)
    if whole:
        return float(whole[1])
    return _TRUTH.get(text, "not a number, a truth value or a text")
