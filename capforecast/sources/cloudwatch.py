"""Amazon CloudWatch: JSON of metric streams, of GetMetricData and of GetMetricStatistics.

A record of a stream is one sample: the mean of its period (sum by count); its dimensions are labels, so that
``InstanceId`` is the host. The records may stand on lines, or base64 in the envelope of Firehose. A result of
GetMetricData has a label only: ``HOST METRIC`` with one blank between is both, otherwise it is the metric. Of
GetMetricStatistics the first of Average, Maximum, Sum, Minimum and SampleCount that is there is taken.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Iterator
from typing import Any

import polars as pl

from capforecast.sources import Batch, ReadOptions
from capforecast.sources.collected import micros, number
from capforecast.sources.documents import Points, begins, parsed_lines, read_documents, word, words
from capforecast.sources.moments import Clock, read
from capforecast.sources.samples import joined

_STREAM = re.compile(r'\{\s*"metric_stream_name"\s*:|\{\s*"requestId"\s*:.*?"records"\s*:', re.DOTALL)
_RESULTS = re.compile(r'\{\s*"MetricDataResults"\s*:|\{\s*"Messages"\s*:.*?"MetricDataResults"\s*:', re.DOTALL)
_STATISTICS = re.compile(r'\{\s*"Label"\s*:.*?"Datapoints"\s*:|\{\s*"Datapoints"\s*:', re.DOTALL)
_PREFERRED = ("Average", "Maximum", "Sum", "Minimum", "SampleCount")


class CloudWatch:
    """JSON of CloudWatch."""

    name = "cloudwatch"
    general = False

    def claims(self, location: str, head: bytes) -> bool:
        """Tell whether the text begins as one of CloudWatch's documents."""
        text = begins(head)
        return any(pattern.match(text) for pattern in (_STREAM, _RESULTS, _STATISTICS))

    def read(self, location: str, options: ReadOptions) -> Iterator[Batch]:
        """Yield the location's samples.

        Raises
        ------
        SourceError
            The text is unreadable or no JSON.
        """
        yield from joined(read_documents(location, options, _parse), options.chunk_rows)


def _parse(document: Any, points: Points) -> Iterator[None]:
    if not isinstance(document, dict):
        points.reject("the document is no object", document)
    elif "records" in document:
        for record in points.objects(document, "records"):
            yield from _enveloped(record, points)
    elif "MetricDataResults" in document:
        for result in points.objects(document, "MetricDataResults"):
            _result(result, points)
            yield
    elif "Datapoints" in document:
        _statistics(document, points)
    else:
        _record(document, points)
    yield


def _enveloped(record: dict[str, Any], points: Points) -> Iterator[None]:
    data = record.get("data")
    try:
        text = base64.b64decode(data if isinstance(data, str) else "", validate=True).decode()
    except (binascii.Error, UnicodeError, ValueError):
        text = ""
    if not text:
        points.reject("data of a record is not text in base64", record)
        return
    for found in parsed_lines(text):
        if isinstance(found, dict):
            _record(found, points)
        else:
            points.reject("a line of a record is no JSON object", text)
        yield


def _record(record: dict[str, Any], points: Points) -> None:
    name, value = record.get("metric_name"), record.get("value")
    if not isinstance(name, str) or not name or not isinstance(value, dict):
        points.reject("a record needs metric_name and value", record)
        return
    count, total = number(value.get("count")), number(value.get("sum"))
    if not count or total is None:
        points.reject("value needs sum and count, and count must not be zero", record)
        return
    series = points.labels.series(name, words(record.get("dimensions")), word(record.get("unit")))
    points.add(series, micros(record.get("timestamp"), 1_000), total / count, record, "gauge")


def _result(result: dict[str, Any], points: Points) -> None:
    label = word(result.get("Label") or result.get("Id"))
    times, values = result.get("Timestamps"), result.get("Values")
    if not label or not isinstance(times, list) or not isinstance(values, list) or len(times) != len(values):
        points.reject("a result needs a label, and Timestamps and Values of one length", result)
        return
    host, _, metric = label.partition(" ")
    labels = {"host": host} if metric and " " not in metric else {}
    series = points.labels.series(metric if labels else label, labels)
    for us, time, value in zip(_moments(times, points), times, values, strict=True):
        points.add(series, us, value, [time, value], "gauge")


def _statistics(document: dict[str, Any], points: Points) -> None:
    label = word(document.get("Label")) or points.options.metric or ""
    found = list(points.objects(document, "Datapoints"))
    if not label:
        points.reject("Label is missing (see --metric)", document)
        return
    moments = _moments([one.get("Timestamp") for one in found], points)
    for us, one in zip(moments, found, strict=True):
        value = next((one[name] for name in _PREFERRED if name in one), None)
        points.add(points.labels.series(label, {}, word(one.get("Unit"))), us, value, one, "gauge")


def _moments(times: list[Any], points: Points) -> list[int | None]:
    """Return times, written as ISO 8601 or seconds since the epoch, in microseconds."""
    texts = pl.Series([json.dumps(t)[1:-1] if isinstance(t, str) else None for t in times], dtype=pl.String)
    iso = read(texts, Clock("iso", timezone=points.options.timezone)).us.to_list()
    return [us if us is not None else micros(time, 1) for us, time in zip(iso, times, strict=True)]
