"""Metrics of OpenTelemetry as OTLP/JSON, one request in a document, or one on each line.

Gauges and sums are taken as they are; a monotonic cumulative sum is a counter, a delta sum is what came in
its interval. Of histograms and summaries ``NAME_count`` and ``NAME_sum`` are taken; buckets and quantiles are
not read. The host is the resource's ``host.name`` (or another of `labels.HOSTS`), else its ``service.name``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from capforecast.sources import Batch, ReadOptions
from capforecast.sources.collected import micros
from capforecast.sources.documents import Points, begins, read_documents, word
from capforecast.sources.labels import HOSTS
from capforecast.sources.samples import joined

_BEGINS = re.compile(r'\{\s*"resourceMetrics"\s*:')
_OF_RESOURCE = (
    *HOSTS, "service.namespace", "service.name", "service.instance.id", "k8s.namespace.name", "k8s.pod.name",
    "k8s.container.name", "container.name", "container.id", "process.pid",
)  # fmt: skip
_CUMULATIVE = (2, "AGGREGATION_TEMPORALITY_CUMULATIVE")
_DATA = ("gauge", "sum", "histogram", "exponentialHistogram", "summary")
_NO_VALUE = 1


class Otlp:
    """OTLP/JSON metrics."""

    name = "otlp"
    general = False

    def claims(self, location: str, head: bytes) -> bool:
        """Tell whether the text begins as an export request of metrics."""
        return bool(_BEGINS.match(begins(head)))

    def read(self, location: str, options: ReadOptions) -> Iterator[Batch]:
        """Yield the location's samples.

        Raises
        ------
        SourceError
            The text is unreadable or no JSON.
        """
        yield from joined(read_documents(location, options, _parse), options.chunk_rows)


def _parse(document: Any, points: Points) -> Iterator[None]:
    if not isinstance(document, dict) or "resourceMetrics" not in document:
        points.reject("the document has no resourceMetrics", document)
        return
    for of_resource in points.objects(document, "resourceMetrics"):
        resource = of_resource.get("resource")
        labels = _attributes(resource, points) if isinstance(resource, dict) else {}
        labels = {name: value for name, value in labels.items() if name in _OF_RESOURCE}
        if "service.name" in labels and not any(name in labels for name in HOSTS):
            labels["host.name"] = labels.pop("service.name")
        for of_scope in points.objects(of_resource, "scopeMetrics"):
            for metric in points.objects(of_scope, "metrics"):
                _metric(metric, labels, points)
                yield


def _metric(metric: dict[str, Any], resource: dict[str, str], points: Points) -> None:
    name, unit = metric.get("name"), metric.get("unit")
    kind = next((kind for kind in _DATA if kind in metric), None)
    data = metric.get(kind) if kind else None
    if not isinstance(name, str) or not name or not isinstance(data, dict):
        points.reject("a metric needs a name and gauge, sum, histogram or summary", metric)
        return
    cumulative = kind == "summary" or data.get("aggregationTemporality") in _CUMULATIVE
    for point in points.objects(data, "dataPoints"):
        labels = resource | _attributes(point, points)
        us = micros(point.get("timeUnixNano"), 1_000_000_000)
        flags = point.get("flags")
        if isinstance(flags, int) and flags & _NO_VALUE:
            points.reject("the point says that no value was recorded", point)
        elif kind in ("gauge", "sum"):
            value = point.get("asDouble", point.get("asInt"))
            grows = kind == "sum" and cumulative and data.get("isMonotonic") is True
            series = points.labels.series(name, labels, word(unit))
            points.add(series, us, value, point, "counter" if grows else "gauge")
        else:
            for part, part_unit in (("count", ""), ("sum", word(unit))):
                # A sum is left out where values may be negative; there is always a count.
                if part == "count" or part in point:
                    series = points.labels.series(f"{name}_{part}", labels, part_unit)
                    points.add(series, us, point.get(part), point, "counter" if cumulative else "gauge")


def _attributes(holder: dict[str, Any], points: Points) -> dict[str, str]:
    found: dict[str, str] = {}
    for attribute in points.objects(holder, "attributes"):
        key, value = attribute.get("key"), attribute.get("value")
        if not isinstance(key, str) or not isinstance(value, dict):
            points.reject("an attribute needs a key and a value", attribute)
            continue
        found[key] = word(next(iter(value.values()), None))
    return found
