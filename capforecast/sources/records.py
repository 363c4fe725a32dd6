"""Records of delimited text: every physical line becomes a row, part of a row, or a reject.

Lines that are plainly well formed are found with array operations and parsed at once; only the others
are looked at one by one. A quote that is never closed costs the line it stands on and nothing else: a
record may run over several lines only if none of the lines inside it is a whole row by itself.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa
import pyarrow.csv as pc

from capforecast.sources.text import Block

MAX_RECORD_LINES = 64
"""Most physical lines of one record."""
MAX_RAW = 2000
"""Most characters of a rejected row that are kept."""
_OPEN = "a quote is not closed"
_NEWLINE, _QUOTE = 10, 34
_PARSE_BYTES = 4 << 20

_Ints = npt.NDArray[np.int64]
_Bools = npt.NDArray[np.bool_]


@dataclass(slots=True)
class Records:
    """Rows of one block.

    Attributes
    ----------
    cells : polars.DataFrame
        One text column per wanted column, named by its number; an empty cell is an empty text.
    lines : int64 (n,)
        Physical line on which each row begins.
    ordinals : int64 (n,)
        Number of each row from 0, counted over good and bad ones.
    seen : int
        Rows of the block, good and bad.
    bad : list of (line, reason, raw)
        Lines that are no rows.
    rest : bytes
        Text after the last whole record, to be put before the next block.
    """

    cells: pl.DataFrame
    lines: _Ints
    ordinals: _Ints
    seen: int
    bad: list[tuple[int, str, str]]
    rest: bytes
    _text: _Lines
    _spans: dict[int, int]

    def raw(self, row: int) -> str:
        """Return the text of a row as it stood."""
        first = int(self.lines[row]) - self._text.line
        return self._text.between(first, self._spans.get(first, first))


@dataclass(slots=True)
class _Lines:
    """Where the lines of a block begin and end."""

    data: bytes
    line: int
    starts: _Ints
    ends: _Ints

    def between(self, first: int, last: int) -> str:
        return self.data[self.starts[first] : self.ends[last]].decode()[:MAX_RAW]


@dataclass(slots=True)
class _Shape:
    """What is known of each line: may it be parsed at once, and how many quotes stand in it."""

    clean: _Bools
    quotes: _Ints


@dataclass(slots=True)
class _Careful:
    """What came of the lines that were looked at one by one; indices count lines of the block."""

    rows: list[tuple[int, list[str]]] = field(default_factory=list)
    bad: list[tuple[int, str]] = field(default_factory=list)
    spans: dict[int, int] = field(default_factory=dict)
    rest: int | None = None


def split(
    block: Block, delimiter: str, width: int, wanted: Sequence[int], *, first: int = 0, final: bool = True
) -> Records:
    """Split a block into rows of `width` columns.

    Parameters
    ----------
    block : Block
        Whole lines.
    delimiter : str
        One ASCII character.
    width : int
        Columns of a row; lines with another number of them are rejects.
    wanted : sequence of int
        Numbers of the columns to return.
    first : int
        Rows of the location before this block.
    final : bool
        Is it the last block? Otherwise an open quote at its end is left in `Records.rest`.
    """
    data = np.frombuffer(block.data, dtype=np.uint8)
    ends = np.flatnonzero(data == _NEWLINE)
    starts = np.concatenate((np.zeros(1, dtype=np.int64), ends[:-1] + 1))[: len(ends)]
    text = _Lines(block.data, block.line, starts, ends)
    shape = _shape(data, text, ord(delimiter), width)
    careful = _look(text, shape, delimiter, width, final=final)
    clean = shape.clean
    stop = len(ends) if careful.rest is None else careful.rest
    indices = np.flatnonzero(clean[:stop])
    cells = _parse(data, text, indices, delimiter, width, wanted)
    if careful.rows:
        extra = {str(i): [row[i] for _, row in careful.rows] for i in wanted}
        cells = pl.concat([cells, pl.DataFrame(extra, schema=cells.schema)])
        indices = np.concatenate((indices, np.array([i for i, _ in careful.rows], dtype=np.int64)))
        order = np.argsort(indices)
        cells, indices = cells[order], indices[order]
    is_row = np.zeros(stop, dtype=bool)
    is_row[indices] = True
    is_row[[i for i, _ in careful.bad]] = True
    numbers = np.cumsum(is_row) - 1 + first
    return Records(
        cells=cells,
        lines=indices + block.line,
        ordinals=numbers[indices],
        seen=int(is_row.sum()),
        bad=[(i + block.line, reason, text.between(i, i)) for i, reason in careful.bad],
        rest=b"" if careful.rest is None else block.data[starts[careful.rest] :],
        _text=text,
        _spans=careful.spans,
    )


def cells_of(line: str, delimiter: str) -> list[str]:
    """Return the cells of one line.

    Raises
    ------
    csv.Error
        A quote is not closed, or text follows a closing one.
    """
    rows = list(csv.reader([line], delimiter=delimiter, strict=True))
    return rows[0] if rows else []


def _shape(data: npt.NDArray[np.uint8], text: _Lines, delimiter: int, width: int) -> _Shape:
    starts, ends = text.starts, text.ends
    delimiters = np.flatnonzero(data == delimiter)
    quotes = np.flatnonzero(data == _QUOTE)
    filled = ends > starts
    if not len(quotes):
        counts = np.diff(np.searchsorted(delimiters, ends), prepend=0)
        return _Shape(filled & (counts == width - 1), np.zeros(len(ends), dtype=np.int64))
    before = np.searchsorted(quotes, starts)
    per_line = np.diff(np.append(before, len(quotes)))
    line_of_delimiter = np.searchsorted(ends, delimiters)
    outside = (np.searchsorted(quotes, delimiters) - before[line_of_delimiter]) % 2 == 0
    counts = np.bincount(line_of_delimiter[outside], minlength=len(ends))
    line_of_quote = np.searchsorted(ends, quotes)
    opening = (np.arange(len(quotes)) - before[line_of_quote]) % 2 == 0
    neighbour = np.where(opening, data[quotes - 1], data[np.minimum(quotes + 1, len(data) - 1)])
    neighbour[opening & (quotes == 0)] = _NEWLINE
    placed = (neighbour == delimiter) | (neighbour == _NEWLINE) | (neighbour == _QUOTE)
    misplaced = np.bincount(line_of_quote[~placed], minlength=len(ends)) > 0
    return _Shape(filled & (counts == width - 1) & (per_line % 2 == 0) & ~misplaced, per_line)


def _look(text: _Lines, shape: _Shape, delimiter: str, width: int, *, final: bool) -> _Careful:
    """Look at the lines that are not clean one by one; lines inside a long record lose that mark."""
    found = _Careful()
    resume = 0
    for i in np.flatnonzero(~shape.clean & (text.ends > text.starts)).tolist():
        if i < resume:
            continue
        last, cells, reason = _record(text, shape, i, delimiter, final=final)
        if last is None:
            found.rest = i
            break
        if reason is None and len(cells) == width:
            found.rows.append((i, cells))
            found.spans[i] = last
            shape.clean[i : last + 1] = False
            resume = last + 1
        elif text.between(i, i).strip():
            ragged = f"{len(cells)} columns instead of {width}" if last == i else _OPEN
            found.bad.append((i, reason or ragged))
    return found


def _record(
    text: _Lines, shape: _Shape, i: int, delimiter: str, *, final: bool
) -> tuple[int | None, list[str], str | None]:
    """Return the last line, the cells and the fault of the record at line i; no last line: read on."""
    alone = _cells(text, i, i, delimiter)
    if alone is not None:
        return i, alone, None
    if shape.quotes[i] % 2 == 0:
        return i, [], "the quotes are misplaced"
    last = _closing(shape, i)
    if last is None:
        reaches_end = i + MAX_RECORD_LINES > len(shape.clean) and not shape.clean[i:].any()
        return (i, [], _OPEN) if final or not reaches_end else (None, [], None)
    cells = _cells(text, i, last, delimiter)
    return (i, [], _OPEN) if cells is None else (last, cells, None)


def _cells(text: _Lines, first: int, last: int, delimiter: str) -> list[str] | None:
    """Return the cells of the one record in these lines, None if they are not exactly one."""
    raw = text.data[text.starts[first] : text.ends[last]].decode()
    lines = [line + "\n" for line in raw.split("\n")]
    try:
        rows = list(csv.reader(lines, delimiter=delimiter, strict=True))
    except csv.Error:
        return None
    return rows[0] if len(rows) == 1 else None


def _closing(shape: _Shape, i: int) -> int | None:
    """Return the line that closes the quote opened in line i, if no whole row stands in between."""
    for j in range(i + 1, min(i + MAX_RECORD_LINES, len(shape.clean))):
        if shape.clean[j]:
            return None
        if shape.quotes[j] % 2:
            return j
    return None


def _parse(
    data: npt.NDArray[np.uint8],
    text: _Lines,
    indices: _Ints,
    delimiter: str,
    width: int,
    wanted: Sequence[int],
) -> pl.DataFrame:
    """Return the wanted columns of lines that are known to be well formed."""
    schema = {str(i): pl.String for i in wanted}
    if not len(indices) or not wanted:
        return pl.DataFrame(schema=schema)
    payload: Any = data
    if len(indices) < len(text.ends):
        lengths = text.ends - text.starts + 1
        chosen = np.zeros(len(text.ends), dtype=bool)
        chosen[indices] = True
        payload = data[np.repeat(chosen, lengths)]
    longest = int((text.ends - text.starts).max()) + 1
    table = pc.read_csv(
        pa.BufferReader(pa.py_buffer(payload)),
        read_options=pc.ReadOptions(
            column_names=[str(i) for i in range(width)], block_size=max(_PARSE_BYTES, 2 * longest)
        ),
        parse_options=pc.ParseOptions(delimiter=delimiter, quote_char='"', ignore_empty_lines=False),
        convert_options=pc.ConvertOptions(
            column_types={str(i): pa.string() for i in range(width)},
            include_columns=[str(i) for i in wanted],
            strings_can_be_null=False,
        ),
    )
    if table.num_rows != len(indices):
        # Two ways of counting the same lines differ: a row would be lost or doubled without a word.
        raise AssertionError(f"{table.num_rows} rows parsed from {len(indices)} lines")
    cells = pl.from_arrow(table)
    assert isinstance(cells, pl.DataFrame)
    return cells
