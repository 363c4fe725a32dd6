"""Rows of the tables that have many for each item: forecasts and backtests.

They are made of arrays, and what all rows of an item have in common is kept once for them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl
import pyarrow as pa

from capforecast.calendar import day_up_to
from capforecast.expected import Expected
from capforecast.panel import Floats, Ints
from capforecast.schema import DIRECTIONS, TABLES
from capforecast.scores import Records
from capforecast.tables import KEYS, Stamp
from capforecast.texts import mapped, mix_texts, worded
from capforecast.times import format_duration


def forecast_rows(expected: Expected, stamp: Stamp, start: int, daily: Floats) -> pa.Table:
    """Return the rows of the table ``forecasts`` of some items: measured daily peaks, then quantiles.

    Parameters
    ----------
    expected, stamp
        The run.
    start : int
        First item.
    daily : float64 (I, 4 D)
        `capforecast.findings.daily_levels` of I items.
    """
    items, days = daily.shape[0], daily.shape[1] // 4
    levels_of = np.full((4, items, 2 * days), np.nan)
    levels_of[0, :, :days] = daily[:, :days]
    levels_of[1:, :, days:] = np.moveaxis(daily[:, days:].reshape(items, days, 3), 2, 0)
    shown = ~np.isnan(levels_of[0])
    shown[:, days:] = ~np.isnan(levels_of[2, :, days:])
    first = day_up_to(stamp.as_of_us) + 1 - days
    day = np.broadcast_to(np.arange(first, first + 2 * days, dtype=np.int32), shown.shape)[shown]
    values = {name: _doubles(levels_of[i][shown]) for i, name in enumerate(("actual", "q10", "q50", "q90"))}
    named = _named(expected, start, start + items, ("unit", "statistic"))
    return _arrow("forecasts", named, shown.sum(axis=1), {"day": _plain(day).view(pa.date32()), **values}, stamp)


def score_rows(
    expected: Expected, stamp: Stamp, start: int, stop: int, scores: Records, names: Sequence[str]
) -> pa.Table:
    """Return the rows of the table ``backtests`` of the items `start` to `stop`; `scores` are theirs, by item."""
    with np.errstate(invalid="ignore", divide="ignore"):
        skill = np.where(scores["mae_naive"] > 0, 1.0 - scores["mae"] / scores["mae_naive"], np.nan)
    edges = scores["first"].astype(np.int64) << 32 | scores["last"]
    columns = {
        "step": mapped(scores["step_us"], format_duration),
        "horizon": mapped(edges, lambda both: f"{both >> 32}-{both & 0xFFFFFFFF}"),
        "model": mix_texts(scores["mix"], names),
    }
    values = {
        **{name: column.to_arrow().cast(pa.string()) for name, column in columns.items()},
        "origins": _plain(scores["origins"].astype(np.int64)),
        **{name: _doubles(scores[name]) for name in ("mae", "mae_naive")},
        "skill_vs_naive": _doubles(skill),
        "coverage_80": _doubles(scores["coverage"]),
    }
    counts = np.bincount(scores["item"] - start, minlength=stop - start)
    return _arrow("backtests", _named(expected, start, stop, ()), counts, values, stamp)


def _named(expected: Expected, start: int, stop: int, more: Sequence[str]) -> dict[str, pl.Series]:
    """Return the names of items."""
    items = np.arange(start, stop)
    series = expected.series[expected.owner[start:stop]]
    known = {name: series.get_column(name).cast(pl.String) for name in KEYS}
    known["unit"] = series.get_column("unit").cast(pl.String)
    known["statistic"] = pl.Series(expected.statistics(items).astype(str), dtype=pl.String)
    known["direction"] = worded(expected.below[items].astype(np.int8), DIRECTIONS)
    return {name: known[name] for name in (*KEYS, *more, "direction")}


def _plain(values: np.ndarray) -> pa.Array:
    """Return numbers as Arrow's; its own conversion loads pandas where that is installed."""
    return pl.Series(values).to_arrow()


def _doubles(values: Floats) -> pa.Array:
    """Return floats with NULL for NaN and infinities."""
    known = np.isfinite(values)
    buffers = [pa.py_buffer(np.packbits(known, bitorder="little")), pa.py_buffer(np.ascontiguousarray(values))]
    return pa.Array.from_buffers(pa.float64(), values.size, buffers, int(values.size - np.count_nonzero(known)))


def _arrow(
    table: str, named: Mapping[str, pl.Series], counts: Ints, values: Mapping[str, pa.Array], stamp: Stamp
) -> pa.Table:
    """Return rows that belong to items, so many to each, whose names are kept once."""
    some = counts > 0
    ends, kept = _plain(np.cumsum(counts[some]).astype(np.int32)), np.flatnonzero(some)
    rows = int(counts.sum())
    own = pl.Series([stamp.run_id], dtype=pl.String).new_from_index(0, kept.size)
    texts = {
        name: column.to_arrow().cast(pa.string())
        for name, column in (*((name, column[kept]) for name, column in named.items()), ("run_id", own))
    }
    columns = {
        **values,
        **{name: _run_ends(ends, text) for name, text in texts.items()},
        "run_date": _plain(np.full(rows, stamp.day, np.int32)).view(pa.date32()),
        "as_of": _plain(np.full(rows, stamp.as_of_us)).view(pa.timestamp("us", "UTC")),
    }
    return pa.table({name: columns[name] for name in TABLES[table].names})


def _run_ends(ends: pa.Array, texts: pa.Array) -> pa.Array:
    kind, rows = pa.run_end_encoded(ends.type, texts.type), ends[-1].as_py() if len(ends) else 0
    return pa.RunEndEncodedArray.from_buffers(kind, rows, [None], children=[ends, texts])
