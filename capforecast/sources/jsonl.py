"""JSON lines: one object on each line, long or wide, with the same column names as delimited text.

What stands in an object inside, as Metricbeat and Elasticsearch write it, is a column with a dotted name, such as
``system.cpu.total.pct``. Lists are not read.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl

from capforecast.errors import SourceError
from capforecast.sources import ROWS, Batch, ReadOptions
from capforecast.sources.columns import Layout, recognise
from capforecast.sources.content import shown
from capforecast.sources.dialect import not_recognised
from capforecast.sources.documents import DECODER
from capforecast.sources.measured import column_kind
from capforecast.sources.merged import refuse_merged
from capforecast.sources.moments import Clock, Moments, clock_for, read
from capforecast.sources.records import MAX_RAW
from capforecast.sources.roles import Column
from capforecast.sources.samples import Bad, TextCells, assemble, joined, rejected
from capforecast.sources.text import Block, blocks, recognised_encoding

_LINES = 200_000
_OBJECT = re.compile(r'^\s*\{\s*"(?:[^"\\]|\\.)*"\s*:.*\}\s*$')
_OPENING = re.compile(r'^\s*\{\s*("|$)')
_HALF = re.compile("[\ud800-\udfff]")


class JsonLines:
    """One JSON object a line, or objects inside of it. Values may be numbers or text."""

    name = "jsonl"
    general = True

    def claims(self, location: str, head: bytes) -> bool:
        """Tell whether the first line is (the beginning of) a JSON object that is whole on its line."""
        encoding, mark = recognised_encoding(head)
        lines = head[mark:].decode(encoding, errors="replace").lstrip().replace("\r", "\n").split("\n")
        if not _OPENING.match(lines[0]):
            return False
        return bool(_OBJECT.match(lines[0])) or (len(lines) == 1 and lines[0].strip() != "{")

    def read(self, location: str, options: ReadOptions) -> Iterator[Batch]:
        """Yield the location's samples.

        Raises
        ------
        SourceError
            The text is unreadable, truncated or no JSON lines.
        SchemaError
            A needed key is missing or could be several.
        """
        yield from joined(_Reading(location, options).batches(), options.chunk_rows)


class _Reading:
    """One pass over one location: what has been decided about it, and how far it has come."""

    def __init__(self, location: str, options: ReadOptions):
        self._location, self._options = location, options
        self._names: list[str] = []
        self._layout: Layout | None = None
        self._clock: Clock | None = None
        self._seen = 0

    def batches(self) -> Iterator[Batch]:
        """Yield a batch for every `_LINES` lines."""
        empty = True
        for block in blocks(self._location, self._options.encoding):
            for part in _parts(block):
                yield self._batch(part)
            empty = False
        if empty:
            raise SourceError("a source must hold data", got="no bytes at all", where=shown(self._location))

    def _batch(self, numbered: list[tuple[int, str]]) -> Batch:
        bad: Bad = []
        good: list[dict[str, Any]] = []
        places: list[int] = []
        ordinals: list[int] = []
        for k, (line, text) in enumerate(numbered):
            found = _object(text)
            if isinstance(found, str):
                bad.append((line, found, text[:MAX_RAW]))
                continue
            good.append(found)
            places.append(k)
            ordinals.append(self._seen + k)
        self._seen += len(numbered)
        if self._layout is None and bad and not good:
            raise not_recognised(self._location, "no line that is a JSON object")
        if not good:
            return Batch(pl.DataFrame(schema=ROWS), rejected(bad))
        first = self._layout is None
        layout = self._recognised(good)
        wanted = [*layout.wanted, *layout.left_out] if first else layout.wanted
        frame = pl.DataFrame(
            {str(i): self._column(good, self._names[i]) for i in wanted},
            schema=dict.fromkeys(map(str, wanted), pl.String),
        )
        lines = np.array([numbered[k][0] for k in places], dtype=np.int64)
        cells = TextCells(
            frame,
            (lines, np.array(ordinals, dtype=np.int64)),
            self._moments,
            lambda row: numbered[places[row]][1][:MAX_RAW],
            self._options.decimal,
        )
        batch = assemble(cells, layout, self._options)
        if first:
            refuse_merged(batch, cells, layout, self._location, layout.left_out)
        unknown = tuple(sorted({name for row in good for name in row}.difference(self._names)))
        rejects = pl.concat([rejected(bad), batch.rejects]).sort("line") if bad else batch.rejects
        return replace(batch, rejects=rejects, left_out=batch.left_out + unknown)

    def _recognised(self, rows: list[dict[str, Any]]) -> Layout:
        if self._layout is None:
            self._names = list(dict.fromkeys(name for row in rows for name in row))
            holders = {name for row in rows for name, cell in row.items() if isinstance(cell, list)}
            decimal = self._options.decimal
            kinds = [
                "other" if name in holders else column_kind(self._column(rows, name), decimal) for name in self._names
            ]
            columns = [Column(name, kind) for name, kind in zip(self._names, kinds, strict=True)]
            self._layout = recognise(columns, self._options, self._location)
            if "ts" in self._layout.roles:
                name = self._names[self._layout.roles["ts"]]
                where = f"{shown(self._location)}, key {name!r}"
                self._clock = clock_for(self._column(rows, name), self._options, where)
        return self._layout

    @staticmethod
    def _column(rows: list[dict[str, Any]], name: str) -> pl.Series:
        cells = [row.get(name) for row in rows]
        kinds = set(map(type, cells)) - {type(None)}
        if kinds <= {str}:
            return pl.Series(cells, dtype=pl.String)
        if kinds == {float}:
            return pl.Series(cells, dtype=pl.Float64).cast(pl.String)
        return pl.Series([_cell(cell) for cell in cells], dtype=pl.String)

    def _moments(self, cells: pl.Series) -> Moments:
        assert self._clock is not None
        return read(cells, self._clock)


def _parts(block: Block) -> Iterator[list[tuple[int, str]]]:
    lines = block.data.decode().split("\n")
    for start in range(0, len(lines), _LINES):
        part = lines[start : start + _LINES]
        numbered = [(block.line + start + k, text) for k, text in enumerate(part) if text.strip()]
        if numbered:
            yield numbered


def _object(text: str) -> dict[str, Any] | str:
    """Return the object of a line, or why it has none."""
    try:
        found = DECODER.decode(text)
    except (ValueError, RecursionError) as error:
        return "a key stands twice" if "stands twice" in str(error) else "the line is not valid JSON"
    if not isinstance(found, dict):
        return "the line is not a JSON object"
    if text.count("{") > 1:
        flat = list(_flat(found))
        found = dict(flat)
        if len(found) < len(flat):
            return "a key stands twice"
    if "\\u" in text and any(_HALF.search(one) for one in (*found, *found.values()) if isinstance(one, str)):
        return "it holds half of a surrogate pair, which is no text"
    return found


def _flat(found: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield the cells of an object and of those inside of it, under names that are joined by points."""
    waiting = [("", iter(found.items()))]
    while waiting:
        prefix, items = waiting[-1]
        name, value = next(items, (None, None))
        if name is None:
            waiting.pop()
        elif isinstance(value, dict):
            waiting.append((f"{prefix}{name}.", iter(value.items())))
        else:
            yield prefix + name, value


def _cell(value: object) -> str | None:
    """Return a scalar as text; lists hold nothing that could be a name, a time or a value."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    return value if isinstance(value, str) else None
