"""Prometheus and what speaks its query API: Thanos, Mimir, VictoriaMetrics.

A query is evaluated on a grid of steps, in windows of so many points that no answer is large and that none has
more than the servers' 11,000 points a series. A window begins one step after the one before it ended, and
stamps are whole multiples of the step, so that a moment that is read twice is a duplicate and nothing else.

host is the label that is mapped to it, or else the first of `HOST_LABELS`; of ``instance`` without the port.
The instance of a series is what other labels it has: the value of one, ``name=value,...`` of several. The name
and the job are left out. Two series that would become one are an error.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import numpy as np
import polars as pl

from capforecast.answer import decoded
from capforecast.errors import SchemaError, SourceError
from capforecast.exchange import Exchange, RefusedError, TooLargeError
from capforecast.servers import Pull
from capforecast.sources import ROWS, Batch
from capforecast.sources.prometheus_json import incomplete
from capforecast.sources.samples import joined, rejected
from capforecast.times import SECOND_US, format_duration

FIRST_POINTS = 60
"""Points of the first window, before it is known how many series there are."""
MOST_POINTS = 10_000
"""Most points of a series in one answer; servers refuse more than 11,000."""
MOST_SAMPLES = 400_000
"""Samples that an answer should have at most."""
LAG_US = 120 * SECOND_US
"""The newest moments are left for the next reading: scrapes may still be on their way."""
HOST_LABELS = ("host", "hostname", "nodename", "instance", "node")
_LEFT_OUT = ("__name__", "job")
_PORT = re.compile(r":\d{1,5}$")
_UNPROCESSABLE = 422
_FAR_S = 1e12
Labels = dict[str, str]


class Prometheus:
    """``prometheus://HOST:PORT/PATH`` and ``prometheus+https://``."""

    name = "prometheus"

    def read(self, pull: Pull) -> Iterator[Batch]:
        """Yield the samples of a query.

        Raises
        ------
        SourceError
            The server is out of reach or too slow, or its answer is an error, partial or not what was asked.
        SchemaError
            Two series of the answer would be one.
        """
        yield from joined(_windows(pull), pull.chunk_rows)


def _windows(pull: Pull) -> Iterator[Batch]:
    step = pull.step_us
    start = -(-pull.from_us // step) * step
    last = (pull.to_us - 1 - LAG_US) // step * step
    points, most, line = FIRST_POINTS, MOST_POINTS, 1
    with Exchange(pull.address.http_url(), pull.access, pull.limits, pull.where) as exchange:
        while start <= last:
            end = min(last, start + (points - 1) * step)
            try:
                found = exchange.ask("/api/v1/query_range", _fields(pull, start, end), answered)
            except (RefusedError, TooLargeError) as error:
                # More than the server, or we, can hold at once: half as much may go.
                if (isinstance(error, RefusedError) and error.status != _UNPROCESSABLE) or points == 1:
                    raise
                points = most = (points + 1) // 2
                continue
            rows = _rows(found, pull, (start, end), line)
            line += rows.height
            yield Batch(rows, rejected([]))
            start = end + step
            points = max(1, min(most, MOST_SAMPLES // max(1, len(found))))


def _fields(pull: Pull, start: int, end: int) -> dict[str, str]:
    return {
        "query": pull.query.replace("{step}", format_duration(pull.step_us)),
        "start": _seconds(start),
        "end": _seconds(end),
        "step": _seconds(pull.step_us),
        "timeout": f"{max(1, int(pull.limits.silence))}s",
        # Thanos and VictoriaMetrics answer in part unless they are told not to; others do not know these fields.
        "partial_response": "false",
        "deny_partial_response": "1",
    }


def _seconds(us: int) -> str:
    whole, rest = divmod(us, SECOND_US)
    return f"{whole}.{rest:06d}" if rest else str(whole)


def answered(body: bytes, kind: str = "matrix") -> list[dict[str, Any]]:
    """Return the series of a whole, successful answer: over time (matrix), or at one moment (vector).

    Raises
    ------
    UnfinishedError
        It is no JSON to the end.
    SourceError
        It is an error, partial, or not a table of series.
    """
    answer = decoded(body)
    if not isinstance(answer, dict) or answer.get("status") != "success":
        told = answer.get("error", "no status") if isinstance(answer, dict) else "no object"
        raise SourceError("the status of an answer must be success", got=str(told)[:500])
    if (lacking := incomplete(answer)) is not None:
        raise SourceError("an answer must be whole", got=lacking, do="Nothing was taken; see why the server warns")
    data = answer.get("data")
    if not isinstance(data, dict) or data.get("resultType") != kind or not isinstance(data.get("result"), list):
        raise SourceError("a query must give series", got=str(data)[:80])
    result: list[dict[str, Any]] = data["result"]
    return result


def _rows(found: list[dict[str, Any]], pull: Pull, window: tuple[int, int], line: int) -> pl.DataFrame:
    keys, counts, seconds, values = [], [], [], []
    for one in found:
        try:
            labels = {str(name): str(text) for name, text in one["metric"].items()}
            pairs = one.get("values", [])
            seconds += [pair[0] for pair in pairs]
            values += [float(pair[1]) for pair in pairs]
            if one.get("histograms"):
                raise SourceError("a query must give numbers", got="histograms", do="Use histogram_quantile")
        except (TypeError, KeyError, ValueError, AttributeError, IndexError, OverflowError) as error:
            raise SourceError("a series must have labels, and pairs of time and value", got=str(one)[:80]) from error
        keys.append(identity(labels, pull))
        counts.append(len(pairs))
    _check_distinct(keys, [one["metric"] for one in found])
    stamps = _stamps(seconds, window, pull.step_us)
    each = np.repeat(np.arange(len(keys)), counts)
    names = pl.DataFrame(keys, schema={"host": pl.String, "instance": pl.String}, orient="row")
    return pl.DataFrame(
        {
            "host": names["host"].gather(each),
            "metric": pl.repeat(pull.metric, len(each), eager=True, dtype=pl.String),
            "instance": names["instance"].gather(each),
            "unit": pl.repeat(pull.unit, len(each), eager=True, dtype=pl.String),
            "ts": stamps,
            "value": np.array(values, dtype=np.float64),
            "line": np.arange(line, line + len(each), dtype=np.int64),
        },
        schema=ROWS,
    )


def _stamps(seconds: list[float], window: tuple[int, int], step_us: int) -> np.ndarray[Any, np.dtype[np.int64]]:
    try:
        exact: np.ndarray[Any, np.dtype[np.float64]] = np.array(seconds, dtype=np.float64)
    except (TypeError, ValueError, OverflowError) as error:
        raise SourceError("times must be numbers of seconds", got=str(seconds[:1])[:80]) from error
    # No whole number stands for what is none, or is too far away for one; no window has the one that does here.
    near = np.where(np.abs(exact) < _FAR_S, exact, -1.0)
    stamps: np.ndarray[Any, np.dtype[np.int64]] = np.rint(near * 1000).astype(np.int64) * 1000
    wrong = (stamps < window[0]) | (stamps > window[1]) | ((stamps - window[0]) % step_us != 0)
    if wrong.any():
        raise SourceError(
            "an answer must lie on the steps that were asked for", got=f"time {seconds[int(wrong.argmax())]}"
        )
    return stamps


def identity(labels: Labels, pull: Pull) -> tuple[str | None, str]:
    """Return host and instance of a series; a host that it does not have is None."""
    label = pull.mapping.get("host") or next((name for name in HOST_LABELS if labels.get(name)), None)
    host = labels.get(label) if label else None
    if host and label == "instance":
        host = _PORT.sub("", host)
    if "instance" in pull.mapping:
        return host or pull.host, labels.get(pull.mapping["instance"], "")
    rest = {name: text for name, text in sorted(labels.items()) if name not in (*_LEFT_OUT, label) and text}
    if len(rest) == 1:
        return host or pull.host, next(iter(rest.values()))
    return host or pull.host, ",".join(f"{name}={text}" for name, text in rest.items())


def _check_distinct(keys: list[tuple[str | None, str]], labels: list[Labels]) -> None:
    first: dict[tuple[str | None, str], int] = {}
    for k, key in enumerate(keys):
        if key in first:
            raise SchemaError(
                "each series of an answer must have a host and instance of its own",
                got=f"{labels[first[key]]} and {labels[k]}",
                do="Sum over the label that differs, or name labels with map.host and map.instance",
            )
        first[key] = k
