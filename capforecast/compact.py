"""Rows and daily levels of many series as two short texts, which a script of the page takes apart again.

Texts are written once each, numbers with five digits, days as their distance to the day of the run, daily
levels in some hundred steps between the least and the greatest of their series. All of it is deflated and written in
base64, an alphabet without any sign that means something in a page.
"""

from __future__ import annotations

import json
import zlib
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from capforecast.errors import printable
from capforecast.numbers import scale_of

Levels = NDArray[np.float32]

SERIES = ("host", "metric", "instance", "direction")
HISTORY_DAYS = 120
POINTS, STRIDE = 800_000, 7
"""With more points than that, one a day, those of the last series stand for STRIDE days each."""
STEPS, COARSE_STEPS, GAP = 250, 100, 255
QUANTILES = ("q10", "q50", "q90")


@dataclass(frozen=True, slots=True)
class Curves:
    """History and forecast of some series per day; NaN where nothing is known.

    Attributes
    ----------
    past_from, ahead_from : int
        First day of history and of forecast, counted from the day of the run.
    past : float32 (S, D)
        Measured levels.
    ahead : float32 (3, S, H)
        The quantiles `QUANTILES`.
    """

    past_from: int
    ahead_from: int
    past: Levels
    ahead: Levels

    def course(self, place: int, today: date) -> tuple[NDArray[np.datetime64], Levels]:
        """Return the days of a series from the first that is known on, and history and quantiles: float32 (4, N)."""
        past, ahead = self.past[place], self.ahead[:, place]
        first = min(self.past_from, self.ahead_from)
        end = max(self.past_from + past.size, self.ahead_from + ahead.shape[1])
        lines = np.full((4, end - first), np.nan, np.float32)
        lines[0, self.past_from - first :][: past.size] = past
        lines[1:, self.ahead_from - first :][:, : ahead.shape[1]] = ahead
        known = np.flatnonzero(np.isfinite(lines[:3]).any(axis=0))
        span = slice(known[0], known[-1] + 1) if known.size else slice(0, 0)
        return (np.datetime64(today, "D") + np.arange(first, end))[span], lines[:, span]


def curves(series: pl.DataFrame, forecasts: pl.LazyFrame, today: date) -> Curves:
    """Read the daily levels of some series, of the past no more than `HISTORY_DAYS`.

    Parameters
    ----------
    series : DataFrame
        The columns `SERIES`, each once.
    forecasts : LazyFrame
        The table ``forecasts``; no more of it is held than is drawn.
    today : date
        Day of the run.
    """
    numbered = series.select(SERIES).with_row_index("at")
    hosts = series.get_column("host").unique()
    days = (
        forecasts.filter(pl.col("host").is_in(hosts.implode()), pl.col("day") > today - _days(HISTORY_DAYS))
        .join(numbered.lazy(), on=SERIES, how="inner")
        .select(
            "at", (pl.col("day") - today).dt.total_days().cast(pl.Int32).alias("offset"),
            *(pl.col(name).cast(pl.Float32) for name in ("actual", *QUANTILES)),
        )
        .collect(engine="streaming")
    )  # fmt: skip
    past = days.filter(pl.col("actual").is_not_null())
    ahead = days.filter(pl.col("q50").is_not_null())
    past_from, past_levels = _matrix(past, ("actual",), series.height)
    ahead_from, ahead_levels = _matrix(ahead, QUANTILES, series.height)
    return Curves(past_from, ahead_from, past_levels[0], ahead_levels)


def _days(count: int) -> pl.Expr:
    return pl.duration(days=count)


def _matrix(days: pl.DataFrame, columns: tuple[str, ...], height: int) -> tuple[int, Levels]:
    """Return the first day, and the levels by column, series and day."""
    offsets = days.get_column("offset").to_numpy()
    first, last = (int(offsets.min()), int(offsets.max())) if offsets.size else (0, -1)
    levels = np.full((len(columns), height, last - first + 1), np.nan, np.float32)
    at = days.get_column("at").to_numpy()
    for place, column in enumerate(columns):
        levels[place, at, offsets - first] = days.get_column(column).fill_null(np.nan).to_numpy()
    return first, levels


def fine_series(drawn: Curves) -> int:
    """Return how many series, from the first on, are packed with a point a day."""
    series, past, ahead = len(drawn.past), len(drawn.past.T), len(drawn.ahead.T)
    daily = past + 3 * ahead
    if series * daily <= POINTS:
        return series
    thinned = -(-past // STRIDE) + 3 * -(-ahead // STRIDE)
    return max(POINTS - series * thinned, 0) // (daily - thinned)


def packed_curves(drawn: Curves, below: NDArray[np.bool_]) -> str:
    """Return the curves as text.

    Parameters
    ----------
    drawn : Curves
        What is packed.
    below : bool (S,)
        Is the trough what hurts, not the peak; then it stands for the days of a point.

    Notes
    -----
    The text holds four bytes with the length of a JSON object, little end first, the object, and then for each
    series its history, q10, q50 and q90: one byte a point, each the difference to the one before it (of the
    same line, modulo 256); 255 is a gap. The object has ``past`` and ``ahead``: first day and number of days;
    ``fine``: number of series with a point a day and ``steps`` levels; ``stride`` and ``coarse_steps`` of the others;
    ``low`` and ``high`` of each series.
    """
    low, high = _range(drawn)
    width = np.where(high > low, high - low, 1.0)
    fine = fine_series(drawn)
    parts = []
    for rows, stride, steps in ((slice(0, fine), 1, STEPS), (slice(fine, None), STRIDE, COARSE_STEPS)):
        past = _thinned(drawn.past[rows, ::-1], below[rows], stride)[:, ::-1]
        lines = [past, *(_thinned(one[rows], below[rows], stride) for one in drawn.ahead)]
        coded = [_coded(line, low[rows], width[rows], steps) for line in lines]
        parts.append(np.concatenate(coded, axis=1).tobytes())
    head = {
        "past": [drawn.past_from, drawn.past.shape[1]], "ahead": [drawn.ahead_from, drawn.ahead.shape[2]],
        "fine": fine, "stride": STRIDE, "steps": STEPS, "coarse_steps": COARSE_STEPS,
        "low": _short(low.tolist()), "high": _short(high.tolist()),
    }  # fmt: skip
    text = _json(head)
    return _deflated(len(text).to_bytes(4, "little") + text + b"".join(parts))


def _thinned(levels: Levels, below: NDArray[np.bool_], stride: int) -> Levels:
    """Return the peak or trough of every so many days from the first on."""
    if stride == 1 or not levels.size:
        return levels
    blank = np.full((levels.shape[0], -levels.shape[1] % stride), np.nan, np.float32)
    days = np.concatenate([levels, blank], axis=1).reshape(levels.shape[0], -1, stride)
    most: Levels = np.fmax.reduce(days, axis=2)
    return np.where(below[:, None], np.fmin.reduce(days, axis=2), most)


def _range(drawn: Curves) -> tuple[Levels, Levels]:
    """Return least and greatest level: all of history and median, of the band no more than their width again."""
    core = np.concatenate([drawn.past, drawn.ahead[1]], axis=1)
    inner, outer = (
        (np.fmin.reduce(one, axis=1, initial=np.inf), np.fmax.reduce(one, axis=1, initial=-np.inf))
        for one in (core, np.concatenate([core, drawn.ahead[0], drawn.ahead[2]], axis=1))
    )
    some = inner[1] >= inner[0]
    low, high = (np.where(some, edge, 0.0) for edge in inner)
    reach = np.where(high > low, high - low, np.maximum(np.abs(high), 1.0) / 4)
    least = np.where(some, np.maximum(outer[0], low - reach), 0.0)
    most = np.where(some, np.minimum(outer[1], high + reach), 0.0)
    return least.astype(np.float32), most.astype(np.float32)


def _coded(levels: Levels, low: Levels, width: NDArray[Any], steps: int) -> NDArray[np.uint8]:
    """Return the differences of levels, counted in so many steps of their range, as bytes."""
    known = np.isfinite(levels)
    share = (np.where(known, levels, 0.0) - low[:, None]) / width[:, None]
    codes = np.where(known, np.clip(np.rint(share * steps), 0, steps), GAP).astype(np.uint8)
    return np.diff(codes, axis=1, prepend=np.zeros((codes.shape[0], 1), np.uint8))


def packed_rows(tables: Mapping[str, pl.DataFrame], about: Mapping[str, Any], today: date) -> str:
    """Return frames as text: an object of what `about` says, and of a list of columns per frame.

    Notes
    -----
    A column of texts is ``{"w": words, "c": place of each row's word}``, null where there is none, or a plain list;
    dates are days since `today`. ``units`` tells how the levels of each unit are written.
    """
    content: dict[str, Any] = dict(about)
    units = {unit for frame in tables.values() if "unit" in frame.columns for unit in frame["unit"].unique()}
    content["units"] = {_safe(unit or ""): _written(unit or "") for unit in sorted(units, key=str)}
    for name, frame in tables.items():
        content[name] = {column.name: _column(column, today) for column in frame}
    return _deflated(_json(content))


def _written(unit: str) -> list[Any]:
    scale = scale_of(unit)
    return [scale.factor, scale.least, scale.divisor, scale.suffix]


def _column(column: pl.Series, today: date) -> Any:
    if column.dtype == pl.String:
        words = column.drop_nulls().unique(maintain_order=True)
        if 2 * words.len() > column.len():
            return [None if text is None else _safe(text) for text in column]
        place = {word: place for place, word in enumerate(words)}
        return {"w": [_safe(word) for word in words], "c": [place.get(text) for text in column]}
    if column.dtype == pl.Date:
        return (column.to_frame().select((pl.first() - today).dt.total_days()).to_series()).to_list()
    if column.dtype.is_float():
        return _short(column.to_list())
    return column.to_list()


def _safe(text: str) -> str:
    return printable(text).replace("\n", "\\n")


def _short(values: list[float | None]) -> list[float | int | None]:
    """Return numbers with five digits, the whole ones without a point."""
    short = (None if value is None else float(f"{value:.5g}") for value in values)
    return [int(value) if value is not None and value.is_integer() and abs(value) < 1e15 else value for value in short]


def _json(content: Mapping[str, Any]) -> bytes:
    return json.dumps(content, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def _deflated(content: bytes) -> str:
    return b64encode(zlib.compress(content, 9)).decode()
