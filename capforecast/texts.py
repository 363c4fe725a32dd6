"""Columns of text from columns of codes and numbers: each distinct text is made once."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl

from capforecast.scores import LEGS, SHOWN, Records


def worded(codes: np.ndarray, words: Sequence[str | None]) -> pl.Series:
    """Return the word of each code; NULL for -1."""
    known = pl.Series([*words, None], dtype=pl.String)
    return known.gather(np.where(codes < 0, len(words), codes).astype(np.uint32))


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
