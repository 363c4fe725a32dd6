"""What a forecast consists of and how it did at its rolling origins, as records.

Members are numbers in a dictionary of names, weights are whole percents: text is made of them once
for all series, where tables are.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from capforecast.panel import Floats, Forecast, Ints

SHOWN = 3
"""Members that are named."""

LEGS = 2
"""A near forecast and a far one."""

MIX = np.dtype([("member", np.int16, (SHOWN,)), ("percent", np.int16, (SHOWN,))])
"""The heaviest members of a forecast, heaviest first, and their weights; -1 where there are fewer."""

_EMPTY = np.array(((-1,) * SHOWN, (-1,) * SHOWN), MIX)

SCORE = np.dtype(
    [
        ("item", np.int64), ("step_us", np.int64), ("first", np.int32), ("last", np.int32), ("origins", np.int32),
        ("mae", np.float64), ("mae_naive", np.float64), ("coverage", np.float64), ("mix", MIX),
    ]
)  # fmt: skip
"""One range of steps ahead of one forecast of one item: numbered from 1, both ends included."""

Records = NDArray[np.void]


def heaviest(weights: Floats, codes: Ints) -> Records:
    """Return the heaviest members.

    Parameters
    ----------
    weights : float64 (..., K)
        Weight of each member; NaN and zero do not count.
    codes : int64 (K,)
        Number of each member.

    Returns
    -------
    MIX (...)
        Of members with one weight the first of them comes first.
    """
    size = np.where(weights > 0.0, weights, 0.0)
    order = np.argsort(-size, axis=-1, kind="stable")[..., :SHOWN]
    taken = np.take_along_axis(size, order, axis=-1)
    mix = np.full(weights.shape[:-1], _EMPTY)
    count = order.shape[-1]
    mix["member"][..., :count] = np.where(taken > 0.0, codes[order], -1)
    mix["percent"][..., :count] = np.where(taken > 0.0, np.rint(100.0 * taken), -1)
    return mix


def no_mixes(items: int) -> Records:
    """Return the mixes of items without a forecast, MIX (items, LEGS)."""
    return np.full((items, LEGS), _EMPTY)


def numbered(names: Iterable[str], known: dict[str, int]) -> Ints:
    """Return the number of each name, giving new ones the next."""
    return np.array([known.setdefault(name, len(known)) for name in names], np.int64)


def scored(leg: Forecast, items: Ints, codes: Ints) -> Records:
    """Return one record per series and bucket of a forecast that has a scored origin.

    Parameters
    ----------
    leg : Forecast
        Forecast of S series.
    items : int64 (S,)
        Their numbers.
    codes : int64 (K,)
        Number of each member.
    """
    row, bucket = np.nonzero(leg.origins > 0)
    out = np.empty(row.size, SCORE)
    edges = np.array(leg.buckets, np.int64).reshape(-1, 2)
    out["item"], out["step_us"] = items[row], leg.step_us
    out["first"], out["last"] = edges[bucket].T
    out["origins"], out["coverage"] = leg.origins[row, bucket], leg.coverage[row, bucket]
    out["mae"], out["mae_naive"] = leg.error[row, bucket], leg.error_naive[row, bucket]
    out["mix"] = heaviest(leg.weights[row, bucket], codes)
    return out


def joined(blocks: Sequence[Records]) -> Records:
    """Return the records of all blocks by item and step."""
    whole = np.concatenate([np.empty(0, SCORE), *blocks])
    return whole[np.lexsort((whole["step_us"], whole["item"]))]
