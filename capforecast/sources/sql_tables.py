"""Rows of tables in text: a table with a header, or the SQL of a dump (COPY of PostgreSQL, INSERT of MySQL)."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Mapping, Sequence

_COPY = re.compile(r'COPY (?:"?\w+"?\.)?"?(\w+)"? \(([^()]*)\) FROM stdin;', re.IGNORECASE)
_INSERT = re.compile(
    r"INSERT INTO (?:[`\"]?\w+[`\"]?\.)?[`\"]?(\w+)[`\"]?\s*(?:\(([^()]*)\))?\s*VALUES\s*(?=\()", re.IGNORECASE
)
# Possessive, since a run of quotes could otherwise be taken apart in very many ways.
_TUPLE = re.compile(r"\(((?:[^()']|'(?:[^'\\]|\\.|'')*+')*+)\)\s*([,;]?)\s*", re.DOTALL)
_CELL = re.compile(r"\s*+(?:'((?:[^'\\]|\\.|'')*+)'|([^,']*+))\s*+(,|$)", re.DOTALL)
_ESCAPED = re.compile(r"\\(.)|''")
_ESCAPES = {"t": "\t", "n": "\n", "r": "\r", "0": "\0"}
_DELIMITERS = ",;\t|"

Found = tuple[str, dict[str, str] | None]
"""A table and a row of it by column; None where the row has not the cells of its table."""


class SqlTables:
    """The tables of one text, line by line.

    Parameters
    ----------
    columns : mapping
        Columns of the tables that are read, in the order of their creation: an INSERT may leave them out. A
        table of which no order is known is read where its columns are named.
    header : collection of str
        Columns that together are the header of a table that is not of SQL.
    """

    def __init__(self, columns: Mapping[str, Sequence[str]], header: frozenset[str]):
        self._columns, self._header = columns, header
        self._names: list[str] = []
        self._copied: str | None = None
        self._delimiter: str | None = None

    def begins(self, line: str) -> bool:
        """Tell whether the line is a header, or SQL that brings rows of one of the tables."""
        sql = _COPY.match(line) or _INSERT.match(line)
        return sql[1].lower() in self._columns if sql else self._headed(line) is not None

    def rows(self, line: str) -> Iterator[Found]:
        """Yield the rows that a line holds."""
        if self._copied is not None:
            if line.rstrip() == "\\.":
                self._copied = None
            elif self._copied in self._columns:
                cells = ["" if cell == "\\N" else _unescaped(cell) for cell in line.split("\t")]
                yield self._row(self._copied, self._names, cells)
        elif self._delimiter is not None:
            yield self._row("", self._names, _split(line, self._delimiter))
        elif (copy := _COPY.match(line)) is not None:
            self._copied, self._names = copy[1].lower(), _listed(copy[2])
        elif (insert := _INSERT.match(line)) is not None:
            yield from self._inserted(insert, line)
        else:
            self._delimiter = self._headed(line)
            self._names = _split(line, self._delimiter) if self._delimiter else []

    def _inserted(self, insert: re.Match[str], line: str) -> Iterator[Found]:
        table = insert[1].lower()
        names = _listed(insert[2]) if insert[2] else list(self._columns.get(table, ()))
        if table not in self._columns or not names:
            return
        place = insert.end()
        while (found := _TUPLE.match(line, place)) is not None:
            place = found.end()
            yield self._row(table, names, _cells(found[1]))
            if found[2] != ",":
                break
        if line[place:].strip():
            yield table, None

    def _headed(self, line: str) -> str | None:
        for delimiter in _DELIMITERS:
            if delimiter in line and self._header <= set(_split(line, delimiter)):
                return delimiter
        return None

    @staticmethod
    def _row(table: str, names: list[str], cells: list[str]) -> Found:
        return table, dict(zip(names, cells, strict=True)) if len(names) == len(cells) else None


def _listed(names: str) -> list[str]:
    return [name.strip().strip('`"').lower() for name in names.split(",")]


def _cells(text: str) -> list[str]:
    """Return the cells of a tuple, none at all if they are not readable; NULL is empty."""
    found: list[str] = []
    place = 0
    while (cell := _CELL.match(text, place)) is not None:
        bare = (cell[2] or "").strip()
        found.append(_unescaped(cell[1]) if cell[1] is not None else "" if bare.upper() == "NULL" else bare)
        place = cell.end()
        if not cell[3]:
            return found
    return []


def _split(line: str, delimiter: str) -> list[str]:
    try:
        return [cell.strip() for cell in next(csv.reader([line], delimiter=delimiter), [])]
    except csv.Error:
        return []


def _unescaped(text: str) -> str:
    return _ESCAPED.sub(lambda m: "'" if m[1] is None else _ESCAPES.get(m[1], m[1]), text)
