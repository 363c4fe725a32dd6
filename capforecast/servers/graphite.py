"""Graphite and what speaks its render API: a target, read in windows of whole steps.

``map.host = "1"`` is node 1 of a path (from 0), ``map.host = "server"`` a tag; ``map.instance`` likewise. Without
it the host is the tag ``host``, or the whole target, as ``aliasByNode(..., 1)`` makes it. The values of a path
behind functions are looked up in the path. Two series that would become one are an error.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import polars as pl

from capforecast.answer import decoded
from capforecast.errors import SchemaError, SourceError
from capforecast.exchange import Exchange
from capforecast.portions import portions
from capforecast.servers import Pull
from capforecast.sources import ROWS, Batch
from capforecast.sources.samples import joined
from capforecast.times import SECOND_US

HOST_TAGS = ("host", "hostname")


class Graphite:
    """``graphite://HOST:PORT/PATH`` and ``graphite+https://``."""

    name = "graphite"

    def read(self, pull: Pull) -> Iterator[Batch]:
        """Yield the samples of a target.

        Raises
        ------
        SourceError
            The server is out of reach or too slow, or its answer is no list of series.
        SchemaError
            Two series of the answer would be one.
        """
        with Exchange(pull.address.http_url(), pull.access, pull.limits, pull.where) as exchange:
            target = pull.query.replace("{step}", f"{pull.step_us // SECOND_US}s")

            def ask(start: int, end: int) -> pl.DataFrame:
                # What is asked for begins after the first of the two moments.
                first, last = start // SECOND_US - 1, end // SECOND_US - 1
                form = {"target": target, "format": "json", "from": str(first), "until": str(last)}
                return _rows(exchange.ask("/render", form, answered), pull, (start, end))

            yield from joined(portions(pull.from_us, pull.to_us, pull.step_us, ask), pull.chunk_rows)


def answered(body: bytes) -> list[dict[str, Any]]:
    """Return the series of a whole answer.

    Raises
    ------
    UnfinishedError
        It is no JSON to the end.
    SourceError
        It is no list of series.
    """
    answer = decoded(body)
    if not isinstance(answer, list) or not all(isinstance(one, dict) for one in answer):
        raise SourceError("a target must give a list of series", got=str(answer)[:200])
    return answer


def _rows(found: list[dict[str, Any]], pull: Pull, window: tuple[int, int]) -> pl.DataFrame:
    frames = [pl.DataFrame(schema=ROWS)]
    first: dict[tuple[str | None, str], str] = {}
    for one in found:
        try:
            target, points = str(one["target"]), one["datapoints"]
            tags = {str(name): str(text) for name, text in (one.get("tags") or {}).items()}
            values, seconds = zip(*points, strict=True) if points else ((), ())
            stamps = pl.Series(seconds, dtype=pl.Int64, strict=True)
            cells = pl.Series(values, dtype=pl.Float64, strict=True)
        except (TypeError, KeyError, ValueError, AttributeError, OverflowError, pl.exceptions.PolarsError) as error:
            raise SourceError(
                "a series must have a target, and pairs of value and whole seconds", got=str(one)[:80]
            ) from error
        key = identity(target, tags, pull)
        if key in first:
            raise SchemaError(
                "each series of an answer must have a host and instance of its own",
                got=f"{first[key]!r} and {target!r}", where=pull.where,
                do="Name their nodes or tags with map.host and map.instance",
            )  # fmt: skip
        first[key] = target
        frame = pl.DataFrame({"ts": stamps, "value": cells}).with_columns(
            host=pl.lit(key[0], pl.String), instance=pl.lit(key[1]), metric=pl.lit(pull.metric),
            unit=pl.lit(pull.unit), line=pl.lit(0, pl.Int64),
        )  # fmt: skip
        # Functions such as summarize also give the bucket that the window begins in; nothing is null where
        # something was measured.
        first_s, end_s = (us // SECOND_US for us in window)
        inside = pl.col("ts").is_between(first_s, end_s, closed="left") & pl.col("value").is_not_null()
        frames.append(frame.select(list(ROWS)).filter(inside).with_columns(pl.col("ts") * SECOND_US))
    return pl.concat(frames)


def identity(target: str, tags: dict[str, str], pull: Pull) -> tuple[str | None, str]:
    """Return host and instance of a series; a host that it does not have is None."""
    host: str | None = next((tags[name] for name in HOST_TAGS if tags.get(name)), None) or pull.host or target
    if "host" in pull.mapping:
        host = _taken(pull.mapping["host"], target, tags)
    instance = _taken(pull.mapping["instance"], target, tags) if "instance" in pull.mapping else None
    return host or pull.host, instance or ""


def _taken(place: str, target: str, tags: dict[str, str]) -> str | None:
    if not (place.isascii() and place.isdigit()):
        return tags.get(place)
    path = tags.get("name", target) if "(" in target else target
    nodes = path.split(".")
    return nodes[int(place[:9])] if int(place[:9]) < len(nodes) else None
