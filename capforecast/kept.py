"""Between a shard and what is kept for the next night: records out of pieces, and pieces out of outcomes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from capforecast import __version__
from capforecast.carry import Kept, crossing_type, kept_type
from capforecast.config import Config
from capforecast.outcome import Outcome
from capforecast.panel import DAY_US, Floats, Ints
from capforecast.scores import SCORE, Records, joined, numbered
from capforecast.store import KeptForecasts, KeptPiece


@dataclass(frozen=True, slots=True)
class Asked:
    """The items and thresholds of a shard by what they are known by on every night.

    Attributes
    ----------
    sid : int64 (I,)
        Number of the series of each item in the store, rising.
    below : bool (I,)
        Do low values hurt.
    owner : int64 (R,)
        Item of each threshold.
    level : float64 (R,)
        Level of each threshold.
    """

    sid: Ints
    below: np.ndarray
    owner: Ints
    level: Floats


def recall(source: KeptForecasts, asked: Asked, end_us: int, days: int, nights: int) -> Kept | None:
    """Return what is kept of a shard, None where that is nothing.

    A forecast is left out when it is `nights` old, when it is the turn of its series to be fitted anew (each
    has one of so many nights), when no whole days have passed, or when a threshold has another level now.

    Parameters
    ----------
    source : KeptForecasts
        What the run before kept.
    asked : Asked
        The shard.
    end_us : int
        Now.
    days : int
        Horizon.
    nights : int
        Nights after which every series has been fitted anew.
    """
    if asked.sid.size == 0:
        return None
    pieces = source.between(int(asked.sid[0]), int(asked.sid[-1]))
    if not pieces:
        return None
    items, crossings, scores, names = _records(pieces, days)
    place = _places(_keys(items["sid"], items["below"]), _keys(asked.sid, asked.below))
    found = place >= 0
    elapsed = np.where(found, end_us - items["fitted_us"][place], 0)
    age = np.where(elapsed % DAY_US == 0, elapsed // DAY_US, 0)
    due = (asked.sid + end_us // DAY_US) % nights == 0
    age[due | (age < 0) | (age >= nights)] = 0
    owner = place[asked.owner]
    crossing = _places(
        _keys(crossings["item"], crossings["level"].view(np.int64)), _keys(owner, asked.level.view(np.int64))
    )
    age[asked.owner[(owner < 0) | (crossing < 0)]] = 0
    if not age.any():
        return None
    back = np.full(items.size, -1, np.int64)
    back[place[found]] = np.flatnonzero(found)
    scores = scores[back[scores["item"]] >= 0]
    scores["item"] = back[scores["item"]]
    return Kept(age, items[place], crossings["cumulative"][crossing], scores, names)


def remember(
    asked: Asked, out: Outcome, kept: Kept | None, end_us: int, lasting: np.ndarray | None = None
) -> KeptPiece | None:
    """Return what to keep of an outcome: `lasting` forecasts, old ones as they were; None where there is none."""
    days = out.quantiles.shape[1]
    items = np.zeros(asked.sid.size, kept_type(days))
    items["sid"], items["below"], items["fitted_us"] = asked.sid, asked.below, end_us
    for name in (
        "known",
        "growth",
        "change_days",
        "gap",
        "skill",
        "coverage",
        "needed",
        "pattern",
        "constant",
        "clean_ups",
        "ceiling",
        "peak_hours",
        "mixes",
        "quantiles",
    ):
        items[name] = getattr(out, name)
    crossings = np.empty(asked.owner.size, crossing_type(days))
    crossings["item"], crossings["level"], crossings["cumulative"] = asked.owner, asked.level, out.cumulative
    names = dict(out.names)
    old = out.age > 0
    if kept is not None:
        mixes = items["mixes"][old]
        items[old] = kept.items[old]
        items["mixes"][old] = mixes
        crossings["cumulative"][old[asked.owner]] = kept.cumulative[old[asked.owner]]
    worth = out.enough & ~np.isnan(out.quantiles[:, 0, 1])
    if lasting is not None:
        worth &= lasting
    if not worth.any():
        return None
    number = np.cumsum(worth) - 1
    crossings = crossings[worth[asked.owner]]
    crossings["item"] = number[crossings["item"]]
    scores = joined(out.scores)
    scores = scores[worth[scores["item"]]]
    scores["item"] = number[scores["item"]]
    items = items[worth]
    first, last = int(items["sid"][0]), int(items["sid"][-1])
    return KeptPiece(first, last, items.tobytes(), crossings.tobytes(), scores.tobytes(), list(names))


def terms_of(config: Config) -> dict[str, str]:
    """Return what two runs must agree on, so that one may use what the other kept."""
    records = str((kept_type(1).descr, crossing_type(1).descr, SCORE.descr))
    return {"version": __version__, "config": config.sha256(), "records": records}


def _records(pieces: Sequence[KeptPiece], days: int) -> tuple[Records, Records, Records, list[str]]:
    """Return the records of pieces as if they were one."""
    names: dict[str, int] = {}
    parts: tuple[list[Records], list[Records], list[Records]] = ([], [], [])
    before = 0
    for piece in pieces:
        items = np.frombuffer(piece.items, kept_type(days)).copy()
        crossings = np.frombuffer(piece.crossings, crossing_type(days)).copy()
        scores = np.frombuffer(piece.scores, SCORE).copy()
        codes = numbered(piece.names, names)
        for members in (items["mixes"]["member"], scores["mix"]["member"]):
            members[members >= 0] = codes[members[members >= 0]]
        crossings["item"] += before
        scores["item"] += before
        before += items.size
        for part, records in zip(parts, (items, crossings, scores), strict=True):
            part.append(records)
    items, crossings, scores = (np.concatenate(part) for part in parts)
    return items, crossings, scores, list(names)


def _keys(first: np.ndarray, second: np.ndarray) -> pl.DataFrame:
    return pl.DataFrame({"first": first.astype(np.int64), "second": second.astype(np.int64)})


def _places(known: pl.DataFrame, wanted: pl.DataFrame) -> Ints:
    """Return where each wanted pair is first among the known ones, -1 where it is not."""
    first = known.with_row_index("place").unique(["first", "second"], keep="first")
    found = wanted.join(first, on=["first", "second"], how="left", maintain_order="left").get_column("place")
    places: Ints = found.cast(pl.Int64).fill_null(-1).to_numpy().copy()
    return places
