"""JSON documents: one in a source, or one on each line, or one after the other.

The `line` of a sample or a reject of a document is the number of the data point in the source, from 1: lines
of pretty-printed JSON say nothing about it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from capforecast.errors import SourceError
from capforecast.sources import Batch, ReadOptions
from capforecast.sources.collected import Collected, all_micros, all_numbers, micros, number
from capforecast.sources.content import shown
from capforecast.sources.labels import Labels, Series
from capforecast.sources.records import MAX_RAW
from capforecast.sources.text import decoded, recognised_encoding

DOCUMENT_BYTES = 64 << 20
"""Longest text of one document."""
_HEAD_CHARS = 8192


class Points:
    """The data points of a source: numbered, named and put together."""

    def __init__(self, location: str, options: ReadOptions):
        self.labels = Labels(location, options)
        self.options = options
        self.collected = Collected()
        self.line: int | None = None
        """Line of what is added next, where lines mean something; the number of the data point otherwise."""
        self._seen = 0

    def add(self, series: Series, us: int | None, value: Any, raw: object, nature: str | None = None) -> None:
        """Add a data point; what is no time (None) or no number is a reject."""
        found = number(value)
        if us is None:
            self.reject("time is missing or not readable", raw)
        elif found is None:
            self.reject("value is not a number", raw)
        else:
            # Only what the labels refuse needs its text; writing it for each point would take longer than reading.
            self.collected.add(series, us, found, self._numbered(), text_of(raw) if series.wrong else "", nature)

    def reject(self, reason: str, raw: object) -> None:
        """Add a data point, or a part of the document in the place of some, that cannot be read."""
        self.collected.reject(self._numbered(), reason, text_of(raw))

    def _numbered(self) -> int:
        self._seen += 1
        return self.line or self._seen

    def objects(self, holder: Mapping[str, Any], name: str) -> Iterator[dict[str, Any]]:
        """Yield the objects of the list with this name; what is something else is a reject."""
        found = holder.get(name)
        if found is None:
            return
        if not isinstance(found, list):
            self.reject(f"{name} is not a list", found)
            return
        yield from self.those(found, name)

    def those(self, found: list[Any], name: str) -> Iterator[dict[str, Any]]:
        """Yield those of a list that are objects; others are rejects."""
        for one in found:
            if isinstance(one, dict):
                yield one
            else:
                self.reject(f"{name} holds something that is not an object", one)

    def add_pairs(
        self, series: Series, holder: Mapping[str, Any], name: str, *, value_first: bool = False, per_second: int = 1
    ) -> None:
        """Add the pairs of time and value of the list with this name; what is something else is a reject.

        Where the value stands first, as Graphite writes it, one that is null is a moment without a point.
        """
        found = holder.get(name)
        if not isinstance(found, list):
            self.reject(f"{name} is not a list", found)
            return
        at = 1 if value_first else 0
        sound = all(type(pair) is list and len(pair) == 2 for pair in found)
        if value_first and sound:
            found = [pair for pair in found if pair[0] is not None]
        if sound and self.add_many(series, [p[at] for p in found], [p[1 - at] for p in found], per_second):
            return
        for pair in found:
            if not isinstance(pair, list) or len(pair) != 2:
                self.reject(f"{name} holds something that is not a pair", pair)
            elif not value_first or pair[0] is not None:
                self.add(series, micros(pair[at], per_second), pair[1 - at], pair)

    def add_many(self, series: Series, times: list[Any], values: list[Any], per_second: int) -> bool:
        """Add data points if all of them are numbers at whole times; tell whether they were."""
        us, found = all_micros(times, per_second), all_numbers(values)
        if us is None or found is None or series.wrong is not None or self.line is not None:
            return False
        self.collected.extend(series, us, found, self._seen + 1, None)
        self._seen += len(us)
        return True


Parser = Callable[[Any, Points], Iterator[None]]
"""Adds the points of one document, and yields now and then, so that they can become a batch."""


def begins(head: bytes) -> str:
    """Return the first characters of what may be JSON, empty if it is none."""
    encoding, mark = recognised_encoding(head)
    text = head[mark : mark + 4 * _HEAD_CHARS].decode(encoding, errors="replace").lstrip()[:_HEAD_CHARS]
    return text if text.startswith(("{", "[")) else ""


def read_documents(location: str, options: ReadOptions, parse: Parser) -> Iterator[Batch]:
    """Yield the samples of all documents of a location.

    Raises
    ------
    SourceError
        The text is unreadable, is not JSON or is longer than `DOCUMENT_BYTES`; among documents on lines of
        their own a line that is no JSON is a reject.
    """
    points = Points(location, options)
    for document in _documents(location, options.encoding):
        if isinstance(document, _Unreadable):
            points.reject("the line is not valid JSON", document.text)
            continue
        for _ in parse(document, points):
            if points.collected.full:
                yield points.collected.batch()
                points.collected = Collected()
    points.labels.check()
    yield points.collected.batch()


def parsed_lines(text: str) -> Iterator[Any]:
    """Yield the values of JSON lines, None for a line that is no JSON; blank lines are skipped."""
    for line in text.split("\n"):
        if line.strip():
            found = _line(line.encode())
            yield None if isinstance(found, _Unreadable) else found


def text_of(value: object) -> str:
    """Return a part of a document as text."""
    return value if isinstance(value, str) and value.isascii() else json.dumps(value)[:MAX_RAW]


def word(value: Any) -> str:
    """Return a value of a label as text."""
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    return repr(value) if isinstance(value, float) else json.dumps(value)


def words(value: Any) -> dict[str, str]:
    """Return the labels of an object as text."""
    return {name: word(one) for name, one in value.items()} if isinstance(value, dict) else {}


class _Unreadable:
    def __init__(self, text: str):
        self.text = text


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key stands twice in an object")
    return found


DECODER = json.JSONDecoder(object_pairs_hook=_pairs)
"""Refuses an object in which a key stands twice: which of the two is meant cannot be told."""


def _documents(location: str, encoding: str | None) -> Iterator[Any]:
    buffer = bytearray()
    by_line: bool | None = None
    empty = True
    for piece in decoded(location, encoding):
        buffer += piece
        if by_line is None and (end := buffer.find(b"\n", buffer.find(b"{"))) >= 0:
            by_line = not isinstance(_line(bytes(buffer[:end])), _Unreadable)
        if by_line:
            cut = buffer.rfind(b"\n") + 1
            for text in bytes(buffer[:cut]).splitlines():
                if text.strip():
                    empty = False
                    yield _line(text)
            del buffer[:cut]
        if len(buffer) > DOCUMENT_BYTES:
            raise SourceError(
                f"a JSON document must be shorter than {DOCUMENT_BYTES} bytes",
                got="more",
                where=shown(location),
                do="Export less at once, or write one document on each line",
            )
    if by_line and buffer.strip():
        empty = False
        yield _line(bytes(buffer))
    elif buffer.strip():
        empty = False
        yield from _one_after_the_other(buffer.decode(), location)
    if empty:
        raise SourceError("a source must hold data", got="no JSON at all", where=shown(location))


def _line(text: bytes) -> Any:
    try:
        return DECODER.decode(text.decode())
    except (ValueError, RecursionError):
        return _Unreadable(text.decode(errors="replace"))


def _one_after_the_other(text: str, location: str) -> Iterator[Any]:
    place = 0
    while place < len(text):
        try:
            found, place = DECODER.raw_decode(text, place)
        except (ValueError, RecursionError) as error:
            at = error.pos if isinstance(error, json.JSONDecodeError) else place
            raise SourceError(
                "a JSON document must be whole and valid",
                got=str(error).partition(": line")[0],
                where=f"{shown(location)}:{text.count(chr(10), 0, at) + 1}",
                do="Nothing of it was taken. Export it again",
            ) from error
        yield found
        while place < len(text) and text[place] in " \t\r\n\x1e":
            place += 1
