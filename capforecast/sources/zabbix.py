"""History and trends of Zabbix: JSON of its API and of its real-time export, and tables as CSV or SQL dumps.

What an item is stands in the same source, before its values (``item.get``, the tables ``hosts`` and
``items``), or in the rows (``host``, ``key_`` or ``name``); otherwise the metric is ``item.ITEMID``. Of a key
such as ``vfs.fs.size[/,pused]`` the first parameter is the instance. Of trends the mean is taken.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from capforecast.errors import SourceError
from capforecast.sources import Batch, ReadOptions
from capforecast.sources.canonical import METRICS, UNITS
from capforecast.sources.collected import Collected, micros
from capforecast.sources.content import head, shown, stem
from capforecast.sources.documents import Points, begins, read_documents, word
from capforecast.sources.labels import Series, named, no_labels
from capforecast.sources.lines import first_lines
from capforecast.sources.samples import joined
from capforecast.sources.sql_tables import SqlTables
from capforecast.sources.text import blocks

_JSON = re.compile(
    r'\{\s*"jsonrpc"\s*:.*?"result"\s*:\s*\[\s*\{.*?"itemid"|\[\s*\{\s*"itemid"\s*:'
    r'|\{\s*"(?:host|itemid)"\s*:.*?"itemid"\s*:.*?"clock"\s*:',
    re.DOTALL,
)
_HISTORY = ("itemid", "clock", "value", "ns")
_TRENDS = ("itemid", "clock", "num", "value_min", "value_avg", "value_max")
_COLUMNS: dict[str, tuple[str, ...]] = {
    "history": _HISTORY, "history_uint": _HISTORY, "trends": _TRENDS, "trends_uint": _TRENDS, "hosts": (), "items": (),
}  # fmt: skip
_HEAD_CHARS = 2048
_HEADER = frozenset({"itemid", "clock"})
_VALUES = ("value", "value_avg", "avg")
_KEY = re.compile(r"([^\[\]]+)(?:\[(.*)\])?", re.DOTALL)
_FIRST = re.compile(r'\s*(?:"((?:[^"\\]|\\.)*)"|([^,"]*))\s*(?:,(.*))?', re.DOTALL)


class Zabbix:
    """History and trends of Zabbix."""

    name = "zabbix"
    general = False

    def claims(self, location: str, head: bytes) -> bool:
        """Tell whether JSON, a header or the SQL of a dump is that of history or trends."""
        text = begins(head)
        if text:
            return bool(_JSON.match(text[:_HEAD_CHARS]))
        tables = SqlTables(_COLUMNS, _HEADER)
        return any(tables.begins(line) for line in first_lines(head))

    def read(self, location: str, options: ReadOptions) -> Iterator[Batch]:
        """Yield the location's samples.

        Raises
        ------
        SourceError
            The text is unreadable, or neither JSON nor a table.
        """
        items = _Items(location, options)
        if begins(head(location)):
            yield from joined(read_documents(location, options, items.parse), options.chunk_rows)
        else:
            yield from joined(_table_batches(location, options, items), options.chunk_rows)


def _table_batches(location: str, options: ReadOptions, items: _Items) -> Iterator[Batch]:
    points, tables = Points(location, options), SqlTables(_COLUMNS, _HEADER)
    for block in blocks(location, options.encoding):
        for line, text in enumerate(block.data.decode().split("\n"), block.line):
            if not text.strip():
                continue
            points.line = line
            for table, row in tables.rows(text):
                if row is None:
                    points.reject("the row has not the cells of its table", text)
                elif table == "hosts":
                    items.hosts[row.get("hostid", "")] = row.get("host", "")
                else:
                    items.add(row, points, text)
            if points.collected.full:
                yield points.collected.batch()
                points.collected = Collected()
    if points.line is None:
        raise SourceError("a source must hold data", got="no lines at all", where=shown(location))
    yield points.collected.batch()


class _Items:
    """The items of a source, and the series of each."""

    def __init__(self, location: str, options: ReadOptions):
        no_labels(options, location)
        self._location, self._options = location, options
        self._host = options.host or stem(location)
        self.hosts: dict[str, str] = {}
        self._items: dict[str, tuple[str, str, str]] = {}
        self._series: dict[tuple[str, ...], Series] = {}

    def parse(self, document: Any, points: Points) -> Iterator[None]:
        """Add the points of a document, or learn its items."""
        if isinstance(document, dict) and "error" in document:
            raise SourceError("the answer must be a result", got=word(document["error"]), where=shown(self._location))
        if isinstance(document, dict) and "jsonrpc" in document:
            document = document.get("result")
        for row in points.those(document if isinstance(document, list) else [document], "the document"):
            self.add(row, points, row)
            yield

    def add(self, row: Mapping[str, Any], points: Points, raw: object) -> None:
        """Add the value of a row, or learn the item that it describes."""
        itemid = word(row.get("itemid"))
        host, name, unit = self._described(row)
        if "clock" not in row:
            if itemid and name:
                self._items[itemid] = host, name, unit
            else:
                points.reject("a row needs itemid and clock", raw)
            return
        known = self._items.get(itemid, ("", "", ""))
        host, name = host or known[0] or self._host, name or known[1]
        if not name and not itemid:
            points.reject("itemid is missing", raw)
            return
        series = self._named(host, name or f"item.{itemid}", unit or known[2])
        points.add(series, _moment(row), next((row[key] for key in _VALUES if key in row), None), raw)

    def _described(self, row: Mapping[str, Any]) -> tuple[str, str, str]:
        """Return host, key or name, and unit, as far as the row says them."""
        host = row.get("host")
        listed = row.get("hosts")
        if isinstance(listed, list) and listed:
            host = listed[0]
        if isinstance(host, dict):
            host = host.get("host") or host.get("name")
        name = word(row.get("key_")) or word(row.get("key")) or word(row.get("name"))
        return word(host) or self.hosts.get(word(row.get("hostid")), ""), name, word(row.get("units"))

    def _named(self, host: str, key: str, unit: str) -> Series:
        series = self._series.get((host, key, unit))
        if series is None:
            metric, instance = key, ""
            if key in METRICS:
                metric, known = METRICS[key]
            else:
                metric, instance = _parts(key)
                metric, known = METRICS.get(metric, (metric, ""))
            unit = (
                known
                or {"B": "byte", "Bps": "byte/s", "bps": "bit/s"}.get(unit)
                or UNITS.get(unit, unit)
                or self._options.unit
                or ""
            )
            series = named(host, metric, instance, unit)
            self._series[host, key, unit] = series
        return series


def _parts(key: str) -> tuple[str, str]:
    """Return a key without its first parameter, and that."""
    found = _KEY.fullmatch(key)
    if found is None or not found[2]:
        return key, ""
    first = _FIRST.fullmatch(found[2])
    if first is None:
        return key, ""
    rest = f"[,{first[3]}]" if first[3] else ""
    return found[1] + rest, first[2].strip() if first[1] is None else first[1].replace('\\"', '"')


def _moment(row: Mapping[str, Any]) -> int | None:
    seconds = micros(row.get("clock"), 1)
    parts = micros(row.get("ns", 0), 1_000_000_000)
    return None if seconds is None else seconds + (parts or 0)
