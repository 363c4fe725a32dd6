"""Graphite's answers to ``/render?format=json``: ``[{"target": ..., "datapoints": [[value, seconds], ...]}]``.

A tagged series is the metric of its tag ``name``, its other tags are labels. Of a path ``--map host=1`` takes
one node as the host (nodes count from 0; instance likewise), and the rest is the metric. Points without a
value are absent.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from capforecast.sources import Batch, ReadOptions
from capforecast.sources.documents import Points, begins, read_documents, words
from capforecast.sources.samples import joined

_BEGINS = re.compile(
    r'\[\s*\{\s*(?:"target"\s*:.*?"datapoints"\s*:|"datapoints"\s*:.*?\]\s*,\s*"t|"tags"\s*:.*?"target")', re.DOTALL
)


class Graphite:
    """JSON of Graphite's render API."""

    name = "graphite"
    general = False

    def claims(self, location: str, head: bytes) -> bool:
        """Tell whether the text begins as a list of targets."""
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
    if not isinstance(document, list):
        points.reject("the document is no list of targets", document)
        return
    for found in points.those(document, "the document"):
        target, tags = found.get("target"), words(found.get("tags"))
        if not isinstance(target, str) or not target:
            points.reject("a series has no target", found)
            continue
        metric, labels = target, {}
        if len(tags) > 1:
            metric, labels = tags.pop("name", "") or target, tags
        elif any(place.isascii() and place.isdigit() for place in points.options.mapping.values()):
            metric, labels = _nodes(target, points.options.mapping)
        series = points.labels.series(metric, labels)
        points.add_pairs(series, found, "datapoints", value_first=True)
        yield


def _nodes(target: str, mapping: dict[str, str]) -> tuple[str, dict[str, str]]:
    """Return what is left of a path without the nodes that are labels, and those by their number."""
    nodes = target.split(".")
    taken = {place for place in mapping.values() if place.isascii() and place.isdigit() and int(place[:9]) < len(nodes)}
    rest = [node for place, node in enumerate(nodes) if str(place) not in taken]
    return ".".join(rest) or target, {place: nodes[int(place)] for place in sorted(taken)}
