"""Sample parts: accepted samples, sorted by metric, host, instance and time."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
from numpy.typing import NDArray

from capforecast.store.identify import SeriesIndex
from capforecast.store.parquet import Part, arrow, numbers, read, read_groups, write_part
from capforecast.store.pieces import Columns
from capforecast.store.spans import Span, day_name
from capforecast.times import DAY_US

NAMES = ("host", "metric", "instance")
COLUMNS = (*NAMES, "ts", "value")
_SCHEMA = pa.schema(
    [
        *((name, pa.dictionary(pa.int32(), pa.string())) for name in NAMES),
        ("ts", pa.timestamp("us", "UTC")),
        ("value", pa.float64()),
    ]
)
_FRAME = pl.Schema({**dict.fromkeys(NAMES, pl.String()), "ts": pl.Datetime("us", "UTC"), "value": pl.Float64()})


def part_path(span: Span, block: int, commit: int) -> str:
    """Return the path of a part: its directory names the first day, its file the whole span."""
    return f"samples/day={day_name(span.first)}/{span.name}.b{block:03d}.c{commit:08d}.parquet"


def write_samples(
    store: Path,
    span: Span,
    block: int,
    commit: int,
    keys: pl.DataFrame,
    columns: tuple[NDArray[np.int32], NDArray[np.int64], NDArray[np.float64]],
) -> Part:
    """Write one part.

    Parameters
    ----------
    store, span, block, commit
        Where the part goes.
    keys : DataFrame
        host, metric and instance by series number.
    columns : (id int32 (N,), ts int64 (N,), value float64 (N,))
        Rows in the order of the file.
    """
    ids, ts, value = columns
    starts = np.flatnonzero(np.concatenate([[ids.size > 0], ids[1:] != ids[:-1]]))
    lengths = np.diff(starts, append=ids.size)
    arrays: list[Any] = []
    for name in NAMES:
        short = keys[name].gather(ids[starts]).to_arrow().cast(pa.string()).dictionary_encode()
        codes = np.repeat(_codes(short), lengths)
        arrays.append(pa.DictionaryArray.from_arrays(arrow(codes), short.dictionary))
    arrays += [arrow(ts).view(pa.timestamp("us", "UTC")), arrow(value)]
    days = int(np.unique(ts // DAY_US).size)
    part = Part("samples", part_path(span, block, commit), block, span.first, span.last, days)
    return write_part(
        store,
        part,
        pa.Table.from_arrays(arrays, schema=_SCHEMA),
        use_dictionary=list(NAMES),
        column_encoding={"ts": "DELTA_BINARY_PACKED"},
    )


def read_samples(path: Path, index: SeriesIndex) -> Columns:
    """Return the columns id (the sid), ts and value of all rows of a part, in the order of the file."""
    table = read(path, COLUMNS, names=NAMES).unify_dictionaries().combine_chunks()
    if not table.num_rows:
        return {"id": np.empty(0, np.int32), "ts": np.empty(0, np.int64), "value": np.empty(0)}
    names = [table[name].chunk(0) for name in NAMES]
    codes = [_codes(name) for name in names]
    change = np.zeros(table.num_rows, np.bool_)
    change[0] = True
    for code in codes:
        change[1:] |= code[1:] != code[:-1]
    starts = np.flatnonzero(change)
    heads = [pl.Series(name.dictionary).gather(code[starts]) for name, code in zip(names, codes, strict=True)]
    texts = zip(*(head.to_list() for head in heads), strict=True)
    ids = np.repeat(index.find(texts), np.diff(starts, append=table.num_rows))
    ts, value = table["ts"].cast(pa.int64()), table["value"]
    return {"id": ids, "ts": numbers(ts, np.dtype(np.int64)), "value": numbers(value, np.dtype(np.float64))}


def _codes(names: pa.DictionaryArray) -> NDArray[np.int32]:
    return numbers(pa.chunked_array([names.indices]), np.dtype(np.int32))


def select(
    store: Path,
    parts: list[Part],
    key: tuple[str, str, str | None],
    bounds: tuple[int | None, int | None],
) -> pl.DataFrame:
    """Return the samples of a host's metric from parts that may hold them.

    Parameters
    ----------
    store, parts
        Where to look.
    key : (host, metric, instance or None)
        Without an instance all of them are returned.
    bounds : (from_us, to_us)
        First microsecond, and the first one that is not wanted any more; None where open.
    """
    host, metric, instance = key
    low, high = bounds

    def wanted(stats: dict[str, tuple[Any, Any]]) -> bool:
        return all(
            name not in stats or stats[name][0] <= text <= stats[name][1]
            for name, text in (("host", host), ("metric", metric))
        )

    match = (pl.col("host") == pl.lit(host)) & (pl.col("metric") == pl.lit(metric))
    if instance is not None:
        match &= pl.col("instance") == pl.lit(instance)
    if low is not None:
        match &= pl.col("ts").dt.timestamp("us") >= low
    if high is not None:
        match &= pl.col("ts").dt.timestamp("us") < high
    found = [pl.DataFrame(schema=_FRAME)]
    for part in parts:
        for table in read_groups(store / part.path, COLUMNS, wanted):
            frame = pl.DataFrame(pl.from_arrow(table)).with_columns(pl.col(NAMES).cast(pl.String))
            found.append(frame.filter(match).cast(_FRAME))
    return pl.concat(found).sort("instance", "ts")
