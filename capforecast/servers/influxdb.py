"""InfluxDB 1.x: an InfluxQL query, read in windows of time.

The query has ``{since}`` and ``{until}`` in its WHERE clause, which stand for a window at a time: ``time >=
{since} AND time < {until}``. Windows are whole steps, so that no group of ``GROUP BY time({step})`` is cut.
A single field is the query's metric; of several each has its own name behind that.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import polars as pl

from capforecast.answer import decoded
from capforecast.errors import SourceError
from capforecast.exchange import Exchange
from capforecast.portions import portions
from capforecast.servers import Pull
from capforecast.sources import ROWS, Batch
from capforecast.sources.naming import metric_name
from capforecast.sources.samples import joined

HOST_TAGS = ("host", "hostname")
_QUOTED = re.compile(r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*\"""")
_SELECT = re.compile(r"\s*SELECT\b", re.IGNORECASE)
_WRITING = re.compile(r";|\bINTO\b", re.IGNORECASE)


class InfluxDB:
    """``influxdb://HOST:PORT/DATABASE`` and ``influxdb+https://``."""

    name = "influxdb"

    def read(self, pull: Pull) -> Iterator[Batch]:
        """Yield the samples of a query.

        Raises
        ------
        SourceError
            The server is out of reach or too slow, its answer is an error or partial, or the query names no range.
        """
        yield from joined(_windows(pull), pull.chunk_rows)


def _windows(pull: Pull) -> Iterator[Batch]:
    base, _, database = pull.address.http_url().rpartition("/")
    if not pull.address.path.strip("/"):
        raise SourceError(
            "the address must end in a database",
            got=repr(pull.address.location),
            do="Write influxdb://HOST:PORT/DATABASE",
        )
    _check_reading(pull)
    step = f"{pull.step_us}u"
    with Exchange(base, pull.access, pull.limits, pull.where) as exchange:

        def ask(start: int, end: int) -> pl.DataFrame:
            query = pull.query.replace("{since}", f"{start}u").replace("{until}", f"{end}u").replace("{step}", step)
            found = exchange.ask("/query", {"db": database, "q": query, "epoch": "u"}, answered)
            return pl.concat([pl.DataFrame(schema=ROWS), *(_rows(one, pull) for one in found)])

        yield from portions(pull.from_us, pull.to_us, pull.step_us, ask)


def _check_reading(pull: Pull) -> None:
    bare = _QUOTED.sub("''", pull.query)
    if not _SELECT.match(bare) or _WRITING.search(bare):
        raise SourceError(
            "an InfluxQL query must be one SELECT that writes nothing", got=pull.query[:80], where=pull.where
        )
    for name in ("{since}", "{until}"):
        if name not in bare:
            raise SourceError(
                "an InfluxQL query must name its range", got=f"no {name}", where=pull.where,
                do="Add: WHERE time >= {since} AND time < {until}",
            )  # fmt: skip


def answered(body: bytes) -> list[dict[str, Any]]:
    """Return the series of a whole, successful answer.

    Raises
    ------
    UnfinishedError
        It is no JSON to the end.
    SourceError
        It is an error, partial, or no table of series.
    """
    answer = decoded(body)
    results = answer.get("results") if isinstance(answer, dict) else None
    if not isinstance(results, list) or len(results) != 1 or not isinstance(results[0], dict):
        raise SourceError("a query must be one statement that gives series", got=str(answer)[:200])
    result = results[0]
    series: list[dict[str, Any]] = result.get("series", [])
    if not isinstance(series, list) or not all(isinstance(one, dict) for one in series):
        raise SourceError("a query must give a list of series", got=str(series)[:200])
    if "error" in result:
        raise SourceError("the server must answer the query", got=str(result["error"])[:500])
    if result.get("partial") or any(one.get("partial") for one in series):
        raise SourceError("an answer must be whole", got="one that is cut at max-row-limit", do="Raise that limit")
    return series


def _rows(one: dict[str, Any], pull: Pull) -> pl.DataFrame:
    try:
        columns = [str(name) for name in one["columns"]]
        tags = {str(name): str(text) for name, text in (one.get("tags") or {}).items()}
        cells: dict[str, list[Any]] = dict(zip(columns, map(list, zip(*one["values"], strict=True)), strict=True))
        times = pl.Series(cells.pop("time"), dtype=pl.Int64, strict=True)
        names = {**tags, **{c: values for c, values in cells.items() if any(isinstance(v, str) for v in values)}}
        fields = {c: pl.Series(v, dtype=pl.Float64, strict=True) for c, v in cells.items() if c not in names}
    except (TypeError, KeyError, ValueError, AttributeError, OverflowError, pl.exceptions.PolarsError) as error:
        raise SourceError("a series must have columns, time among them, and rows", got=str(one)[:80]) from error
    label = pull.mapping.get("host") or next((name for name in HOST_TAGS if name in names), "")
    place = pull.mapping.get("instance")
    rest = {name: names[name] for name in sorted(names) if name != label}
    host = names.get(label, pull.host)
    instance: Any = names.get(place, "") if place is not None else _joined(rest, len(times))
    frames = []
    for name, values in fields.items():
        frame = pl.DataFrame({"ts": times, "value": values}).with_columns(
            host=_column(host, len(times)), instance=_column(instance, len(times)).fill_null(""),
            metric=pl.lit(pull.metric if len(fields) == 1 else f"{pull.metric}_{metric_name(name)[0]}"),
            unit=pl.lit(pull.unit), line=pl.lit(0, pl.Int64),
        )  # fmt: skip
        # A window of GROUP BY time() without a point is null: nothing was measured.
        frames.append(frame.select(list(ROWS)).filter(pl.col("value").is_not_null()))
    return pl.concat([pl.DataFrame(schema=ROWS), *frames])


def _column(value: Any, height: int) -> pl.Series:
    cells = value if isinstance(value, list) else [value] * height
    return pl.Series([None if cell is None else str(cell) for cell in cells], dtype=pl.String)


def _joined(names: dict[str, Any], height: int) -> Any:
    """Return one name from what tells series apart: the value of one tag, ``name=value,...`` of several."""
    if len(names) == 1:
        return next(iter(names.values()))
    columns = {name: _column(value, height).fill_null("") for name, value in names.items()}
    return [
        ",".join(f"{name}={text[k]}" for name, text in columns.items() if text[k]) for k in range(height)
    ]  # fmt: skip
