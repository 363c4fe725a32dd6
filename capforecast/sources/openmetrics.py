"""Prometheus exposition and OpenMetrics text, with or without times.

``# TYPE`` lines say what is a counter, ``# UNIT`` lines the unit. Of a histogram ``_sum`` and ``_count`` are
taken, as counters; its buckets are no values of their own, so their lines are rejects. Of a summary the
quantiles are gauges with the label ``quantile``. Lines without a time are samples of ``--start``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from capforecast.sources import Batch, ReadOptions
from capforecast.sources.collected import Collected
from capforecast.sources.dialect import EXPOSITION, foreign
from capforecast.sources.labels import Labels, Series
from capforecast.sources.lines import first_lines, read_lines
from capforecast.sources.samples import joined

_NAME = r"[a-zA-Z_:][\w:.]*"
_LABEL = re.compile(r'\s*([a-zA-Z_][\w.]*)\s*=\s*"((?:[^"\\]|\\.)*)"\s*(,|(?=\}))', re.ASCII)
_START = re.compile(rf"\s*({_NAME})\s*(\{{)?", re.ASCII)
_REST = re.compile(r"\s*([^\s#]+)(?:\s+(-?[\d.eE+]+))?\s*(#.*)?", re.ASCII)
_NUMBER = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?|[-+]?inf(?:inity)?|nan", re.IGNORECASE)
_PLAIN = re.compile(r"([-+]?\d+\.?\d*(?:[eE][-+]?\d+)?) (\d{1,18}(?:\.\d+)?)", re.ASCII)
_ABOUT = re.compile(rf"#\s+(TYPE|UNIT|EOF|HELP)(?:\s+({_NAME}))?(?:\s+(\S*))?.*", re.ASCII)
_ESCAPES = {"\\n": "\n", '\\"': '"', "\\\\": "\\"}
_ESCAPED = re.compile(r'\\[n"\\]')
_SUFFIXES = ("_total", "_sum", "_count", "_bucket", "_created", "_gcount", "_gsum", "_info")


class OpenMetrics:
    """Prometheus exposition and OpenMetrics text."""

    name = "openmetrics"
    general = False

    def claims(self, location: str, head: bytes) -> bool:
        """Tell whether nearly all of the first lines are exposition text."""
        return foreign(first_lines(head)) == EXPOSITION

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
        self._types: dict[str, str] = {}
        self._units: dict[str, str] = {}
        self._known: dict[str, tuple[Series, str | None]] = {}

    def add(self, text: str, line: int, collected: Collected) -> None:
        """Add the sample of a line, or note what it says of a metric."""
        if text.lstrip().startswith("#"):
            about = _ABOUT.fullmatch(text.strip())
            if about and about[2] and about[1] in ("TYPE", "UNIT"):
                self._note(self._types if about[1] == "TYPE" else self._units, about[2], about[3] or "")
            return
        # All that stands before a value says which series it is, and is the same in each scrape.
        head, brace, rest = text.rpartition("} ")
        known = self._known.get(head) if brace else None
        plain = _PLAIN.fullmatch(rest) if known is not None else None
        if known is not None and plain is not None:
            collected.add(known[0], _time(plain[2]), float(plain[1]), line, text, known[1])
            return
        found = _sample(text)
        if isinstance(found, str):
            collected.reject(line, found, text)
            return
        metric, labels, value, time = found
        family, nature = self._nature(metric)
        if nature == "bucket":
            collected.reject(line, "a bucket of a histogram is no value of its own (_sum and _count are)", text)
            return
        series = self.labels.series(metric, labels, self._units.get(family, ""))
        collected.add(series, time, value, line, text, nature)
        if brace and _sample(f"{head}}} 0") == (metric, labels, 0.0, None):
            self._known[head] = series, nature

    def _note(self, said: dict[str, str], metric: str, text: str) -> None:
        if said.get(metric) != text:
            said[metric] = text
            self._known.clear()

    def _nature(self, metric: str) -> tuple[str, str | None]:
        family = metric
        if metric not in self._types:
            cut = next((metric[: -len(s)] for s in _SUFFIXES if metric.endswith(s)), "")
            family = cut if cut in self._types else metric
        kind = self._types.get(family, "")
        if kind in ("histogram", "gaugehistogram") and metric.endswith("_bucket"):
            return family, "bucket"
        if metric.endswith("_created") and family != metric:
            return family, "gauge"
        if kind == "counter" or (kind in ("histogram", "summary") and metric.endswith(("_sum", "_count"))):
            return family, "counter"
        return family, "gauge" if kind in ("gauge", "summary", "stateset", "info", "gaugehistogram") else None


def _sample(text: str) -> tuple[str, dict[str, str], float, int | float | None] | str:
    """Return metric, labels, value and time of a line, or why it has none."""
    start = _START.match(text)
    if start is None:
        return "the line does not begin with the name of a metric"
    labels: dict[str, str] = {}
    place = start.end()
    if start[2]:
        while (label := _LABEL.match(text, place)) is not None:
            if label[1] in labels:
                return f"label {label[1]!r} stands twice"
            labels[label[1]] = _ESCAPED.sub(lambda m: _ESCAPES[m[0]], label[2])
            place = label.end()
        if not text[place:].lstrip().startswith("}"):
            return "the labels are not readable"
        place = text.index("}", place) + 1
    rest = _REST.fullmatch(text, place)
    if rest is None or (not start[2] and place == len(text.rstrip())):
        return "after the name only a value and a time may stand"
    if not _NUMBER.fullmatch(rest[1]):
        return "value is not a number"
    try:
        time = None if rest[2] is None else _time(rest[2])
    except ValueError:
        return "time is not a number"
    return start[1], labels, float(rest[1]), time


def _time(text: str) -> int | float:
    if text.lstrip("-").isdigit():
        whole = int(text) if len(text) < 21 else 1 << 63
        if abs(whole) >> 63:
            raise ValueError
        return whole
    return float(text)
