"""CSV of InfluxDB: annotated CSV as Flux answers, and what the client of InfluxDB 1.x writes (``-format csv``).

A row of Flux is a sample of the metric ``measurement_field``, as in line protocol (see `influx`); of a pivoted
table each column of numbers is a field. Columns of text are tags, which are labels (see `labels`). Tables follow
each other, each with a header of its own; what stands in ``#default`` is meant where a cell is empty. Truth values
are 1 and 0.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from itertools import zip_longest

from capforecast.errors import SchemaError, SourceError
from capforecast.sources import Batch, ReadOptions
from capforecast.sources.canonical import COUNTERS
from capforecast.sources.collected import Collected, micros
from capforecast.sources.content import shown
from capforecast.sources.documents import Points
from capforecast.sources.labels import Series
from capforecast.sources.lines import first_lines
from capforecast.sources.moments import PER_SECOND, epoch_unit
from capforecast.sources.records import cells_of
from capforecast.sources.samples import joined
from capforecast.sources.text import blocks
from capforecast.times import to_us

_ANNOTATION = re.compile(r"#(?:group|datatype|default),")
_FLUX = re.compile(r",result,table,|,error,reference$")
_ERROR = ["", "error", "reference"]
_CLIENT = ["name", "tags", "time"]
_OF_FLUX = frozenset(("", "result", "table", "_start", "_stop", "_time", "_value", "_field", "_measurement"))
_NUMBERS = frozenset(("double", "long", "unsignedLong", "boolean"))
_TRUTH = {"true": 1.0, "false": 0.0}


class InfluxCsv:
    """Annotated CSV of InfluxDB, and CSV of its client."""

    name = "influx-csv"
    general = False

    def claims(self, location: str, head: bytes) -> bool:
        """Tell whether the text begins with an annotation or a header of InfluxDB."""
        first = next(iter(first_lines(head)), "")
        return bool(_ANNOTATION.match(first) or _FLUX.match(first)) or first.split(",")[:3] == _CLIENT

    def read(self, location: str, options: ReadOptions) -> Iterator[Batch]:
        """Yield the location's samples.

        Raises
        ------
        SourceError
            The text is unreadable, or the answer is that the query failed.
        SchemaError
            A table has no time or no value, or its metric has no name and there is no ``--metric``.
        """
        yield from joined(_Tables(location, options).batches(), options.chunk_rows)


@dataclass(slots=True)
class _Table:
    """Where the cells of a table are: columns by what they are, by number, and what is meant where one is empty."""

    width: int
    time: int
    measurement: int | None = None
    tags: dict[int, str] = field(default_factory=dict)
    joined_tags: int | None = None
    field_at: int | None = None
    values: dict[int, str | None] = field(default_factory=dict)
    default: tuple[str, ...] = ()


class _Tables:
    def __init__(self, location: str, options: ReadOptions):
        self._location, self._options = location, options
        self._points = Points(location, options)
        self._annotations: dict[str, list[str]] = {}
        self._table: _Table | None = None
        self._series: dict[tuple[str, ...], tuple[Series, str | None]] = {}
        self._unit: str | None = None
        self._failed = False

    def batches(self) -> Iterator[Batch]:
        """Yield a batch for every so many samples."""
        points = self._points
        for block in blocks(self._location, self._options.encoding):
            for line, text in enumerate(block.data.decode().split("\n"), block.line):
                if text and not text.isspace():
                    points.line = line
                    self._add(text)
                if points.collected.full:
                    yield points.collected.batch()
                    points.collected = Collected()
        if points.line is None:
            raise SourceError("a source must hold data", got="no lines at all", where=shown(self._location))
        points.labels.check()
        yield points.collected.batch()

    def _add(self, text: str) -> None:
        try:
            cells = cells_of(text, ",")
        except csv.Error:
            self._points.reject("the quotes are misplaced", text)
            return
        if self._failed:
            raise SourceError("the answer must be a table", got=f"the error {cells[1:2]}", where=self._where)
        if _ANNOTATION.match(text):
            # The first annotation after rows begins a table whose header is still to come.
            if self._table is not None:
                self._annotations, self._table = {}, None
            self._annotations[cells[0]] = cells
        elif cells[:3] == _ERROR:
            self._failed = True
        elif _FLUX.match(text) or cells[:3] == _CLIENT or self._table is None:
            self._table = self._headed(cells)
        elif len(cells) != self._table.width:
            self._points.reject(f"{len(cells)} columns instead of {self._table.width}", text)
        else:
            self._add_row(self._table, cells, text)

    def _headed(self, names: list[str]) -> _Table:
        if names[:3] == _CLIENT:
            fields: dict[int, str | None] = {i: name for i, name in enumerate(names) if i > 2}
            table = _Table(len(names), 2, 0, joined_tags=1, values=fields)
        else:
            table = self._of_flux(names)
        if not table.values:
            raise SchemaError(
                "a table of InfluxDB must have _value, or #datatype must tell its numbers", got=", ".join(names),
                where=self._where, do="Export it with annotations",
            )  # fmt: skip
        return table

    def _of_flux(self, names: list[str]) -> _Table:
        place = {name: i for i, name in enumerate(names)}
        if "_time" not in place:
            raise SchemaError(
                "a table of InfluxDB must have _time", got=", ".join(names), where=self._where,
                do="Leave the column in the query, or duplicate _stop as _time",
            )  # fmt: skip
        kinds = dict(enumerate(self._annotations.get("#datatype", [])))
        others = {i: name for i, name in enumerate(names) if name not in _OF_FLUX}
        values: dict[int, str | None] = {place["_value"]: None} if "_value" in place else {}
        if not values:
            values = {i: name for i, name in others.items() if kinds.get(i) in _NUMBERS}
        texts = {i: name for i, name in others.items() if i not in values and kinds.get(i, "string") == "string"}
        # Of a pivoted table fields of text are columns, too; tags are what it is grouped by, where it is.
        grouped = dict(enumerate(self._annotations.get("#group", [])))
        tags = {i: name for i, name in texts.items() if "_value" not in place and grouped.get(i) == "true"} or texts
        return _Table(
            len(names), place["_time"], place.get("_measurement"), tags, field_at=place.get("_field"), values=values,
            default=tuple(self._annotations.get("#default", [])),
        )  # fmt: skip

    def _add_row(self, table: _Table, cells: list[str], text: str) -> None:
        if any(table.default[1:]):
            cells = [cell or default for cell, default in zip_longest(cells, table.default[: len(cells)], fillvalue="")]
        us = self._moment(cells[table.time])
        for i, name in table.values.items():
            # In a pivoted table a row has what was measured at its moment, and nothing of other fields.
            if not cells[i] and name is not None:
                continue
            series, nature = self._named(table, cells, name)
            self._points.add(series, us, _TRUTH.get(cells[i], cells[i]), text, nature)

    def _named(self, table: _Table, cells: list[str], name: str | None) -> tuple[Series, str | None]:
        if name is None:
            name = "" if table.field_at is None else cells[table.field_at]
        measurement = "" if table.measurement is None else cells[table.measurement]
        tags = [cells[i] for i in table.tags]
        more = "" if table.joined_tags is None else cells[table.joined_tags]
        key = (measurement, name, more, *table.tags.values(), *tags)
        found = self._series.get(key)
        if found is None:
            parts = (measurement, "" if name == "value" and measurement else name)
            metric = "_".join(filter(None, parts)) or self._options.metric
            if not metric:
                raise SchemaError(
                    "a table of InfluxDB must have _measurement or _field", where=self._where, do="Add --metric NAME"
                )
            labels = dict(zip(table.tags.values(), tags, strict=True)) | dict(
                pair.split("=", 1) for pair in more.split(",") if "=" in pair
            )
            series = self._points.labels.series(metric, labels)
            found = self._series[key] = series, "counter" if metric in COUNTERS else None
        return found

    def _moment(self, cell: str) -> int | None:
        """Return a time in microseconds, None where it cannot be read; the first number tells the unit of all."""
        if cell.isascii() and cell.isdigit():
            unit = self._options.epoch or epoch_unit(float(cell))
            self._unit = self._unit or unit
            return micros(cell, PER_SECOND[unit]) if unit is not None and unit == self._unit else None
        try:
            return to_us(datetime.fromisoformat(cell))
        except (ValueError, OverflowError):
            return None

    @property
    def _where(self) -> str:
        return f"{shown(self._location)}:{self._points.line}"
