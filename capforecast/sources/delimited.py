"""Delimited text: CSV, TSV and others, long or wide."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import polars as pl

from capforecast.errors import SchemaError, SourceError
from capforecast.sources import ROWS, Batch, ReadOptions
from capforecast.sources.columns import Layout, recognise
from capforecast.sources.content import shown
from capforecast.sources.daytime import Pair, pair_of, together
from capforecast.sources.dialect import (
    SAMPLE_LINES,
    Dialect,
    detect,
    foreign,
    header_names,
    recognised_delimiter,
    table_lines,
)
from capforecast.sources.measured import column_kind
from capforecast.sources.merged import refuse_merged
from capforecast.sources.moments import Clock, Moments, clock_for, read
from capforecast.sources.perfmon import begins_perfmon, clock, counters
from capforecast.sources.records import Records, split
from capforecast.sources.roles import Column
from capforecast.sources.sadf import begins_sadf, columns_of, samples_of
from capforecast.sources.samples import TextCells, assemble, joined, rejected
from capforecast.sources.text import Block, blocks, recognised_encoding

_SECTION = b"\n#"


class Delimited:
    """Delimited text; see `dialect` for what is recognised and `columns` for the rules of columns."""

    name = "delimited"
    general = True

    def claims(self, location: str, head: bytes) -> bool:
        """Tell whether the head is text in which most lines have the same number of cells."""
        if head.startswith(b"PAR1"):
            return False
        encoding, mark = recognised_encoding(head)
        text = head[mark:].decode(encoding, errors="replace").replace("\r\n", "\n").replace("\r", "\n")
        lines = text.split("\n")[:SAMPLE_LINES]
        if len(lines) > 1 and len(lines) < SAMPLE_LINES:
            lines.pop()
        if foreign(lines) is not None:
            return False
        body = table_lines(lines)
        return (
            not body
            or begins_sadf(lines[0])
            or lines[0].lower().startswith("sep=")
            or recognised_delimiter(body) is not None
        )

    def read(self, location: str, options: ReadOptions) -> Iterator[Batch]:
        """Yield the location's samples.

        Raises
        ------
        SourceError
            The text is unreadable, truncated or not recognised.
        SchemaError
            A needed column is missing or doubled.
        """
        yield from joined(_Reading(location, options).batches(), options.chunk_rows)


class _Reading:
    """One pass over one location: what has been decided about it, and how far it has come."""

    def __init__(self, location: str, options: ReadOptions):
        self._location, self._options = location, options
        self._dialect: Dialect | None = None
        self._names: tuple[str, ...] = ()
        self._layout: Layout | None = None
        self._clock: Clock | None = None
        self._pair: Pair | None = None
        self._seen = 0

    def batches(self) -> Iterator[Batch]:
        """Yield a batch for each block, and for each section of a block."""
        rest = b""
        for block, final in _marked_last(blocks(self._location, self._options.encoding)):
            whole = Block(rest + block.data, block.line - rest.count(b"\n")) if rest else block
            rest = b""
            if self._dialect is None:
                whole = self._begin(whole)
            parts = list(self._sections(whole))
            for k, (header, part) in enumerate(parts):
                if header is not None:
                    self._names, self._layout = header, None
                records = self._split(part, final=final or k + 1 < len(parts))
                rest = records.rest
                yield self._batch(records)
        if self._dialect is None:
            raise SourceError("a source must hold data", got="no bytes at all", where=shown(self._location))

    def _begin(self, block: Block) -> Block:
        dialect = detect(block.first_lines(SAMPLE_LINES), self._options, self._location)
        self._dialect, self._names = dialect, dialect.names
        place = 0
        for _ in range(dialect.skip):
            place = block.data.index(b"\n", place) + 1
        return Block(block.data[place:], block.line + dialect.skip)

    def _sections(self, block: Block) -> Iterator[tuple[tuple[str, ...] | None, Block]]:
        """Yield the block in parts that begin with a new header (None: the one that holds)."""
        assert self._dialect is not None
        header, place, line = None, 0, block.line
        while self._dialect.sections:
            found = place if block.data[place : place + 1] == b"#" else block.data.find(_SECTION, place) + 1
            if found == 0 and not block.data.startswith(b"#", place):
                break
            if found > place:
                part = Block(block.data[place:found], line)
                yield header, part
                line += part.data.count(b"\n")
            place = block.data.index(b"\n", found) + 1
            text = block.data[found:place].decode().rstrip("\n")
            header = header_names(text, self._dialect.delimiter, f"{shown(self._location)}:{line}")
            line += 1
        if place < len(block.data) or header is not None:
            yield header, Block(block.data[place:], line)

    def _split(self, block: Block, *, final: bool) -> Records:
        assert self._dialect is not None
        if self._dialect.sections:
            block = Block(samples_of(self._names, block.data), block.line)
        width = len(self._names)
        wanted = range(width) if self._layout is None else sorted({*self._layout.wanted, *(self._pair or ())})
        records = split(block, self._dialect.delimiter, width, wanted, first=self._seen, final=final)
        self._seen += records.seen
        return records

    def _batch(self, records: Records) -> Batch:
        bad = rejected(records.bad)
        if not records.cells.height:
            return Batch(pl.DataFrame(schema=ROWS), bad)
        first = self._layout is None
        if first and "ts" not in self._options.mapping:
            self._pair = pair_of(self._names, records.cells)
        if self._pair is not None:
            records.cells = together(records.cells, self._pair)
        try:
            layout = self._recognised(records)
        except SchemaError as error:
            if self._clock is None or self._dialect is None or not self._dialect.sections:
                raise
            # One section of several says nothing: its rows are kept as rejects, the others are read.
            lost = [(int(n), error.must, records.raw(k)) for k, n in enumerate(records.lines.tolist())]
            return Batch(pl.DataFrame(schema=ROWS), rejected(sorted(records.bad + lost)))
        numbered, decimal = (records.lines, records.ordinals), self._options.decimal
        cells = TextCells(records.cells, numbered, self._moments, records.raw, decimal)
        batch = assemble(cells, layout, self._options)
        if first:
            refuse_merged(batch, cells, layout, self._location, layout.left_out)
        return batch if bad.is_empty() else replace(batch, rejects=pl.concat([bad, batch.rejects]).sort("line"))

    def _recognised(self, records: Records) -> Layout:
        if self._layout is None:
            assert self._dialect is not None
            names = columns_of(self._names) if self._dialect.sections else self._names
            if self._pair is not None:
                names = tuple("" if i == self._pair[1] else name for i, name in enumerate(names))
            kinds = [column_kind(records.cells[str(i)], self._options.decimal) for i in range(len(names))]
            columns = [Column(name, kind) for name, kind in zip(names, kinds, strict=True)]
            if begins_perfmon(names[0]) and not self._options.mapping:
                self._layout = counters(columns, self._options, self._location)
                self._clock = clock(names[0], self._options)
            else:
                self._layout = recognise(columns, self._options, self._location, header=self._dialect.header)
            if self._clock is None and "ts" in self._layout.roles:
                index = self._layout.roles["ts"]
                where = f"{shown(self._location)}, column {self._names[index]!r}"
                self._clock = clock_for(records.cells[str(index)], self._options, where)
        return self._layout

    def _moments(self, cells: pl.Series) -> Moments:
        assert self._clock is not None
        return read(cells, self._clock)


def _marked_last(source: Iterator[Block]) -> Iterator[tuple[Block, bool]]:
    """Yield each block, and whether it is the last one."""
    waiting = next(source, None)
    for block in source:
        assert waiting is not None
        yield waiting, False
        waiting = block
    if waiting is not None:
        yield waiting, True
