"""Text in which each line holds samples of its own, and the times of those lines."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

from capforecast.errors import SchemaError, SourceError
from capforecast.sources import Batch, ReadOptions
from capforecast.sources.collected import Collected
from capforecast.sources.content import shown
from capforecast.sources.labels import Labels
from capforecast.sources.moments import Clock, clock_for, read
from capforecast.sources.text import blocks, recognised_encoding

_SNIFFED = 200
Parser = Callable[[str, int, Collected], None]
"""Adds the samples of a line, with their times as they stand, to what is collected."""


def first_lines(head: bytes) -> list[str]:
    """Return the first filled lines of a text, without one that may have been cut."""
    encoding, mark = recognised_encoding(head)
    lines = head[mark:].decode(encoding, errors="replace").replace("\r\n", "\n").replace("\r", "\n").split("\n")
    whole = lines[:-1] if len(lines) > 1 else lines
    return [line for line in whole if line.strip()][:_SNIFFED]


def read_lines(location: str, options: ReadOptions, labels: Labels, parse: Parser) -> Iterator[Batch]:
    """Yield the samples of a text whose lines end with a time since the epoch, or have none.

    Lines without a time are samples of ``--start``; the unit of the others is ``--epoch``, or told by their
    size, once for all.

    Raises
    ------
    SourceError
        The text is unreadable or empty, or the size of its times fits no unit.
    SchemaError
        No line of the first batch has a time, and there is no ``--start``.
    """
    clock: Clock | None = None
    empty = True
    for collected in _collected(location, options, parse):
        empty = False
        times = collected.times
        if clock is None and len(times) and times.null_count() == len(times) and options.start_us is None:
            raise SchemaError(
                "samples must have times",
                got="none",
                where=shown(location),
                do="Add --start TIME, the moment they were taken",
            )
        if clock is None and times.null_count() < len(times):
            clock = clock_for(times.drop_nulls(), options, shown(location))
        yield collected.batch(None if clock is None else partial(read, clock=clock), options.start_us)
    if empty:
        raise SourceError("a source must hold data", got="no bytes at all", where=shown(location))
    labels.check()


def _collected(location: str, options: ReadOptions, parse: Parser) -> Iterator[Collected]:
    collected = Collected()
    any_bytes = False
    for block in blocks(location, options.encoding):
        any_bytes = True
        for line, text in enumerate(block.data.decode().split("\n"), block.line):
            if text and not text.isspace():
                parse(text, line, collected)
            if collected.full:
                yield collected
                collected = Collected()
    if any_bytes:
        yield collected
