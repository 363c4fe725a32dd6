"""Shards made by hand: series that end at one moment, with their thresholds."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields

import numpy as np

from capforecast.history import History, Items
from capforecast.outcome import Outcome, Plan
from capforecast.panel import DAY_US, HOUR_US, WEEK_US, Floats, Ints
from capforecast.pool import FAR, NEAR, families
from capforecast.scores import SCORE, Records, joined
from capforecast.shard import run

END_US = 2_900 * WEEK_US
"""Where all series end: midnight of a day that also begins a week since the epoch."""


@dataclass(frozen=True)
class Row:
    """One series with one direction, and its thresholds."""

    values: Sequence[float] | Floats
    step_us: int = HOUR_US
    thresholds: tuple[float, ...] = (90.0,)
    sign: float = 1.0
    lower: float = -np.inf
    upper: float = np.inf
    k: int = 1
    n: int = 1


def rollups_of(rows: Sequence[Row], store_step_us: int = HOUR_US) -> History:
    """Return one rollup per known value; the last value of each series covers the step that ends at the end."""
    buckets, values, starts = [], [], [0]
    for row in rows:
        levels = np.asarray(row.values, float)
        moments = END_US - row.step_us * np.arange(levels.size, 0, -1)
        known = ~np.isnan(levels)
        buckets.append((moments // store_step_us)[known])
        values.append(levels[known])
        starts.append(starts[-1] + int(known.sum()))
    joined = np.concatenate(values) if values else np.empty(0)
    return History(np.array(starts, np.int64), np.concatenate(buckets).astype(np.int64), {"max": joined}, store_step_us)


def items_of(rows: Sequence[Row]) -> Items:
    return Items(
        series=np.arange(len(rows), dtype=np.int64),
        sign=np.array([r.sign for r in rows]),
        statistic=np.array(["max"] * len(rows), object),
        lower=np.array([r.lower for r in rows]),
        upper=np.array([r.upper for r in rows]),
        k=np.array([r.k for r in rows], np.int64),
        n=np.array([r.n for r in rows], np.int64),
    )


def thresholds_of(rows: Sequence[Row]) -> tuple[Ints, Floats]:
    owner = [i for i, r in enumerate(rows) for _ in r.thresholds]
    return np.array(owner, np.int64), np.array([t for r in rows for t in r.thresholds], float)


def plan_of(days: int = 90, target: float = 0.1) -> Plan:
    near, far, _ = families("pool")
    return Plan(END_US, days, near, far, NEAR, FAR, target)


def run_rows(rows: Sequence[Row], days: int = 90, target: float = 0.1, store_step_us: int = HOUR_US) -> Outcome:
    return run(rollups_of(rows, store_step_us), items_of(rows), *thresholds_of(rows), plan_of(days, target))


def assert_same(got: Outcome, want: Outcome, items: object = slice(None), thresholds: object = slice(None)) -> None:
    """Assert that an outcome is a part of another one, bit by bit; scores and the numbers of members apart."""
    for field in fields(Outcome):
        mine, other = getattr(got, field.name), getattr(want, field.name)
        if field.name == "mixes":
            assert models_of(got) == np.array(models_of(want), object)[items].tolist()
        elif field.name not in ("scores", "names"):
            rows = thresholds if field.name in ("cumulative", "needed_dated") else items
            np.testing.assert_array_equal(mine, other[rows], err_msg=field.name)


def models_of(outcome: Outcome) -> list[str]:
    """Return the mixes of each item, with the names of the members."""
    return [str(_named(mixes, outcome)) for mixes in outcome.mixes]


def scores_of(outcome: Outcome, shift: int = 0) -> list[tuple[object, ...]]:
    """Return the scores in a fixed order, items counted from `shift`, comparable where NaN."""
    return sorted(
        (str((*(score[name] for name in SCORE.names[1:-1]), _named([score["mix"]], outcome))), score["item"] + shift)
        for score in joined(outcome.scores)
    )


def _named(mixes: Iterable[Records], outcome: Outcome) -> list[tuple[str, int]]:
    names = [*outcome.names, ""]
    return [(names[m], int(p)) for mix in mixes for m, p in zip(mix["member"], mix["percent"], strict=True)]


def days(count: int) -> int:
    """Return so many days in hours."""
    return count * DAY_US // HOUR_US
