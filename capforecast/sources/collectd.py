"""Files of collectd's csv plugin: ``HOST/PLUGIN-INSTANCE/TYPE-INSTANCE-2024-01-31`` with ``epoch,value``.

The path says what is measured, the columns what of it: the metric is ``plugin.type-instance``, and the column
when it is not called ``value``; what `canonical` knows has its usual name. A whole number is the state of a
counter, since collectd writes gauges and rates with a decimal point.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterator

from capforecast.errors import SchemaError, SourceError
from capforecast.sources import Batch, ReadOptions
from capforecast.sources.canonical import METRICS
from capforecast.sources.collected import Collected, micros
from capforecast.sources.content import shown
from capforecast.sources.labels import Series, no_labels
from capforecast.sources.lines import first_lines
from capforecast.sources.samples import joined
from capforecast.sources.text import blocks

_FILE = re.compile(r"(.+)-\d{4}-\d\d-\d\d(?:\.gz|\.zst)?")
_HEADER = re.compile(r"epoch(?:,[^,\s]+)+")
_VALUE = re.compile(r"-?\d+(\.\d+)?(?:[eE][-+]?\d+)?|-?(?:nan|inf)()", re.IGNORECASE | re.ASCII)


class Collectd:
    """Files of collectd's csv plugin."""

    name = "collectd"
    general = False

    def claims(self, location: str, head: bytes) -> bool:
        """Tell whether path and header are those of the csv plugin."""
        lines = first_lines(head)
        return bool(lines and _HEADER.fullmatch(lines[0].strip()) and _FILE.fullmatch(os.path.basename(location)))

    def read(self, location: str, options: ReadOptions) -> Iterator[Batch]:
        """Yield the location's samples.

        Raises
        ------
        SourceError
            The text is unreadable.
        SchemaError
            It does not begin with the header of the csv plugin.
        """
        yield from joined(_batches(location, options), options.chunk_rows)


def _batches(location: str, options: ReadOptions) -> Iterator[Batch]:
    no_labels(options, location)
    series: list[Series] | None = None
    collected = Collected()
    for block in blocks(location, options.encoding):
        for line, text in enumerate(block.data.decode().split("\n"), block.line):
            text = text.strip()
            if series is None and text:
                series = _series(location, text, options)
            elif series is not None and text and not _HEADER.fullmatch(text):
                _add(text, line, series, collected)
            if collected.full:
                yield collected.batch()
                collected = Collected()
    if series is None:
        raise SourceError("a source must hold data", got="no lines at all", where=shown(location))
    yield collected.batch()


def _series(location: str, header: str, options: ReadOptions) -> list[Series]:
    if not _HEADER.fullmatch(header):
        raise SchemaError(
            "a file of collectd must begin with epoch and the names of its values",
            got=repr(header[:80]),
            where=shown(location),
        )
    parts = os.path.abspath(location).split(os.sep)
    host, plugin, name = ["", "", *parts][-3:]
    plugin, _, instance = plugin.partition("-")
    file = _FILE.fullmatch(name)
    found = []
    for column in header.split(",")[1:]:
        metric = f"{plugin}.{file[1] if file else name}" + ("" if column == "value" else f".{column}")
        metric, unit = METRICS.get(metric, (metric, ""))
        found.append(Series(options.host or host, metric, instance, unit or options.unit or ""))
    return found


def _add(text: str, line: int, series: list[Series], collected: Collected) -> None:
    time, *cells = text.split(",")
    us = micros(time.strip(), 1)
    if us is None or len(cells) != len(series):
        collected.reject(
            line, "time is not a number" if us is None else "the row has not the cells of its header", text
        )
        return
    for one, cell in zip(series, cells, strict=True):
        found = _VALUE.fullmatch(cell.strip(" \t"))
        if found is None:
            collected.reject(line, f"{one.metric!r} is not a number", text)
            continue
        value = float(found[0])
        counter = found[1] is None and found[2] is None
        collected.add(
            one, us, value if math.isfinite(value) else math.nan, line, text, "counter" if counter else "gauge"
        )
