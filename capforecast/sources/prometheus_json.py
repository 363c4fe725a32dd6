"""JSON of Prometheus and what speaks like it: answers to queries, lists of series, exports of VictoriaMetrics.

Times are seconds, in exports (``timestamps``) milliseconds. A series without a name, as expressions give them,
is the metric of ``--metric``. Nothing says what is a counter. Native histograms are rejects.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from capforecast.errors import SchemaError, SourceError
from capforecast.sources import Batch, ReadOptions
from capforecast.sources.collected import micros
from capforecast.sources.content import shown
from capforecast.sources.documents import Points, begins, read_documents, words
from capforecast.sources.labels import Series
from capforecast.sources.samples import joined

_ANSWER = re.compile(r'\{\s*"status"\s*:\s*"\w+"\s*,.*?"(?:resultType|errorType)"\s*:|\{\s*"resultType"\s*:', re.DOTALL)
_TOLD_CHARS = 500
_SERIES = re.compile(r'\[?\s*\{\s*"metric"\s*:\s*\{.*?\}\s*,\s*"values?"\s*:', re.DOTALL)


class PrometheusJson:
    """Answers to Prometheus queries."""

    name = "prometheus-json"
    general = False

    def claims(self, location: str, head: bytes) -> bool:
        """Tell whether the text begins as an answer, a list of series or a line of an export."""
        text = begins(head)
        return bool(_ANSWER.match(text) or _SERIES.match(text))

    def read(self, location: str, options: ReadOptions) -> Iterator[Batch]:
        """Yield the location's samples.

        Raises
        ------
        SourceError
            The text is unreadable, no JSON, or the answer is that the query failed, or that it is not whole.
        SchemaError
            A series has no name, and there is no ``--metric``.
        """
        parsing = _Parsing(location)
        yield from joined(read_documents(location, options, parsing.parse), options.chunk_rows)


def incomplete(answer: Mapping[str, Any]) -> str | None:
    """Return what an answer says of parts that it lacks; None where it is whole.

    Thanos warns of stores that did not answer, VictoriaMetrics says that it is partial. What Prometheus has to say of
    the query itself ("PromQL info") takes nothing from the answer.
    """
    found = answer.get("warnings") or []
    told = [str(one) for one in (found if isinstance(found, list) else [found]) if not _is_info(one)]
    if told:
        return f"warnings: {'; '.join(told)}"[:_TOLD_CHARS]
    return "warnings: the answer is partial" if answer.get("isPartial") else None


def _is_info(warning: object) -> bool:
    return isinstance(warning, str) and warning.startswith("PromQL info")


class _Parsing:
    def __init__(self, location: str):
        self._where = shown(location)

    def parse(self, document: Any, points: Points) -> Iterator[None]:
        """Add the points of an answer."""
        for series in self._series(document, points):
            labels = words(series.get("metric"))
            name = labels.pop("__name__", "") or points.options.metric
            if not name:
                raise SchemaError(
                    "a series must have a name",
                    got=repr(labels) if labels else "no labels at all",
                    where=self._where,
                    do="Add --metric NAME",
                )
            self._points(points.labels.series(name, labels), series, points)
            yield

    def _series(self, document: Any, points: Points) -> Iterator[dict[str, Any]]:
        if isinstance(document, list):
            yield from points.those(document, "the document")
            return
        if not isinstance(document, dict):
            points.reject("the document is no answer of Prometheus", document)
            return
        if document.get("status", "success") != "success":
            raise SourceError("the answer must be a success", got=str(document.get("error")), where=self._where)
        if (lacking := incomplete(document)) is not None:
            raise SourceError(
                "an answer must be whole", got=lacking, where=self._where,
                do="Nothing of it was taken; export it again when the server has no warning",
            )  # fmt: skip
        data = document.get("data", document)
        if not isinstance(data, dict):
            points.reject("data is not an object", data)
        elif "metric" in data:
            yield data
        elif data.get("resultType") in ("scalar", "string"):
            yield {"metric": {}, "value": data.get("result")}
        else:
            yield from points.objects(data, "result")

    @staticmethod
    def _points(series: Series, found: dict[str, Any], points: Points) -> None:
        if "histograms" in found or "histogram" in found:
            points.reject("native histograms are not read", {"metric": found.get("metric")})
        if "timestamps" in found:
            times, values = found["timestamps"], found.get("values")
            if not isinstance(times, list) or not isinstance(values, list) or len(times) != len(values):
                points.reject("timestamps and values must be lists of one length", {"metric": found.get("metric")})
                return
            if not points.add_many(series, times, values, 1_000):
                for time, value in zip(times, values, strict=True):
                    points.add(series, micros(time, 1_000), value, [time, value])
            return
        if "values" in found:
            points.add_pairs(series, found, "values")
        if "value" in found:
            points.add_pairs(series, {"value": [found["value"]]}, "value")
        elif "values" not in found and "histograms" not in found and "histogram" not in found:
            points.reject("a series has no values", found)
