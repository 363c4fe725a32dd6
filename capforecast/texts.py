"""Columns of text from columns of codes and numbers: each distinct text is made once.

What `capforecast.numbers` says of one number, `number_texts` and `probability_texts` say of a column.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache

import numpy as np
import polars as pl

from capforecast.numbers import HUGE, NOTHING, PLAIN, TINY, digits, probability, scale_of
from capforecast.panel import Floats
from capforecast.scores import LEGS, SHOWN, Records

_LEAST_POWER = -4
_POWERS = 7
_MANTISSAS = 900
"""Texts of three digits: mantissas 100 to 999 times powers of ten that lead from `TINY` to `PLAIN`."""


def worded(codes: np.ndarray, words: Sequence[str | None]) -> pl.Series:
    """Return the word of each code; NULL for -1."""
    known = pl.Series([*words, None], dtype=pl.String)
    return known.gather(np.where(codes < 0, len(words), codes).astype(np.uint32))


def mapped(values: np.ndarray, text: Callable[[int], str | None]) -> pl.Series:
    """Return the text of each number where few of them differ."""
    distinct, place = np.unique(values, return_inverse=True)
    return worded(place, [text(int(value)) for value in distinct])


def mix_texts(mix: Records, names: Sequence[str]) -> pl.Series:
    """Return mixes as text, such as ``trend 60%, season 40%``; NULL for an empty one."""
    shares = [f" {percent}%" for percent in range(101)]
    parts = [worded(mix["member"][:, k], names) + worded(mix["percent"][:, k], shares) for k in range(SHOWN)]
    text = pl.select(pl.concat_str(parts, separator=", ", ignore_nulls=True).alias("mix")).to_series()
    return text.replace("", None)


def model_texts(mixes: Records, names: Sequence[str]) -> pl.Series:
    """Return what the forecasts of items consist of, MIX (I, LEGS), as text: the near one, then the far one."""
    texts = [mix_texts(mixes[:, leg], names) for leg in range(LEGS)]
    both = pl.concat_str(texts, separator=" | ", ignore_nulls=True)
    return pl.select(pl.when(texts[0].is_not_null()).then(both).alias("model")).to_series()


def number_texts(values: Floats, units: np.ndarray, names: Sequence[str]) -> pl.Series:
    """Return each level the way people write it, as `capforecast.numbers.number` does.

    Parameters
    ----------
    values : float64 (N,)
        Levels; a dash for NaN and infinities.
    units : int (N,)
        Place of each level's unit in `names`.
    names : sequence of str
        Units.
    """
    known = np.isfinite(values)
    scaled, suffix = np.full(values.size, np.nan), np.zeros(values.size, np.int64)
    suffixes = [""]
    for code in np.unique(units):
        scale = scale_of(names[code])
        rows = np.flatnonzero(known & (units == code))
        value = values[rows] * scale.factor
        rung = np.searchsorted(scale.least, np.abs(value), side="right") - 1
        scaled[rows] = value / np.array(scale.divisor)[rung]
        suffix[rows] = rung + len(suffixes)
        suffixes += scale.suffix
    return digit_texts(scaled) + worded(suffix, suffixes)


def digit_texts(values: Floats) -> pl.Series:
    """Return three significant digits of each number, as `capforecast.numbers.digits` does; a dash for NaN."""
    size = np.abs(values)
    table, zero, nothing = _three_digits()
    place = np.full(values.size, nothing)
    place[size == 0.0] = zero
    three = (size >= TINY) & (size < PLAIN)
    whole = (size >= PLAIN) & (size < HUGE)
    rows = np.flatnonzero(three)
    power = np.floor(np.log10(size[rows])).astype(np.int64)
    mantissa = size[rows] * 10.0 ** (2 - power)
    nearest = np.rint(mantissa).astype(np.int64)
    up = nearest == 1000
    nearest, power = np.where(up, 100, nearest), power + up
    place[rows] = (nearest - 100) + _MANTISSAS * (power - _LEAST_POWER) + (values[rows] < 0) * (zero // 2)
    # How a number halfway between two texts is rounded depends on all of its digits.
    unsure = (np.abs(mantissa - np.floor(mantissa) - 0.5) < 1e-9) | (nearest < 100) | (nearest > 999)
    single = np.concatenate([rows[unsure], np.flatnonzero((size > 0.0) & ~three & ~whole)])
    place[single] = table.len() + np.arange(single.size)
    place[whole] = table.len() + single.size + np.arange(int(whole.sum()))
    own = pl.Series([digits(value) for value in values[single].tolist()], dtype=pl.String)
    wholes = pl.Series(np.rint(values[whole]).astype(np.int64)).cast(pl.String)
    return pl.concat([table, own, wholes]).gather(place.astype(np.uint32))


@cache
def _three_digits() -> tuple[pl.Series, int, int]:
    """Return all texts of three digits, the negative ones behind the positive ones, and where 0 and a dash stand."""
    powers = range(_LEAST_POWER, _LEAST_POWER + _POWERS)
    texts = [digits(float(f"{mantissa}e{power - 2}")) for power in powers for mantissa in range(100, 1000)]
    return pl.Series([*texts, *(f"-{text}" for text in texts), "0", NOTHING]), 2 * len(texts), 2 * len(texts) + 1


def probability_texts(values: Floats) -> pl.Series:
    """Return each probability in whole percent, as `capforecast.numbers.probability` does; a dash for NaN."""
    words = [*(f"{percent} %" for percent in range(101)), probability(0.001), probability(0.999), NOTHING]
    with np.errstate(invalid="ignore"):
        code = np.where(np.isnan(values), 103, np.rint(100.0 * values)).astype(np.int64)
        code[(values > 0.0) & (values < 0.01)] = 101
        code[(values > 0.99) & (values < 1.0)] = 102
    return worded(code, words)


def hex_texts(values: np.ndarray) -> pl.Series:
    """Return unsigned 64-bit numbers as 16 hexadecimal digits each."""
    nibbles = np.frombuffer(values.astype(">u8").tobytes(), np.uint8)
    letters = np.frombuffer(b"0123456789abcdef", np.uint8)
    pairs = np.stack([letters[nibbles >> 4], letters[nibbles & 15]], axis=1)
    return pl.Series(pairs.reshape(-1, 16).view("S16").ravel()).cast(pl.String)


def coded(texts: pl.Series) -> tuple[np.ndarray, list[str]]:
    """Return the place of each text in the list of distinct ones; an empty text for NULL."""
    filled = texts.cast(pl.String).fill_null("")
    words = filled.unique().sort()
    return filled.cast(pl.Enum(words)).to_physical().to_numpy().astype(np.int64), words.to_list()
