"""What some series are judged by now: their blocks, once more, and the futures that each threshold sees."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from capforecast.breach import Outlook, seen_from
from capforecast.config import Config
from capforecast.gathered import gather
from capforecast.outcome import Grounds, Plan
from capforecast.panel import DAY_US, Floats
from capforecast.pool import families, recipes
from capforecast.shard import run
from capforecast.store import Store
from capforecast.survey import expected_at
from capforecast.tables import KEYS

Key = tuple[str, str, str, str]
"""Host, metric, instance and direction."""


@dataclass(frozen=True, slots=True)
class Basis:
    """What breach rows were made from.

    Attributes
    ----------
    blocks : mapping of Key to (Grounds, int)
        What an item was judged by, and its place there.
    planned : mapping of (Key, str) to float64 (D,)
        Levels on each day ahead of the thresholds that will change, by item and name.
    """

    blocks: Mapping[Key, tuple[Grounds, int]]
    planned: Mapping[tuple[Key, str], Floats]

    @classmethod
    def of(cls, store: Store, config: Config, names: Mapping[str, str | None], as_of_us: int) -> Basis:
        """Return the basis of some series as of a moment; `names` are as for `capforecast.survey.expected_at`."""
        expected, _ = expected_at(store, config, as_of_us, names)
        near, far, origins = families(config.forecast.model)
        found: list[Grounds] = []
        plan = Plan(
            as_of_us, max(config.run.horizon_us // DAY_US, 1), near, far, *recipes(origins),
            target=config.run.target_probability, grounds=found,
        )  # fmt: skip
        shard = gather(store, expected, as_of_us, np.argsort(expected.sid, kind="stable"))
        run(shard.rollups, shard.arrays, shard.owner, shard.level, plan)
        named = expected.series.select(KEYS).cast(pl.String).rows()
        keys: list[Key] = [
            (*named[series], "below" if below else "above")
            for series, below in zip(expected.owner[shard.places], expected.below[shard.places], strict=True)
        ]
        threshold = expected.thresholds[shard.rows].get_column("threshold_name").cast(pl.String)
        changing, days = expected.dated.days(shard.rows, shard.level, as_of_us, plan.horizon_days)
        return cls(
            {keys[item]: (block, at) for block in found for at, item in enumerate(block.items.tolist())},
            {(keys[shard.owner[row]], threshold[row]): days[at] for at, row in enumerate(changing.tolist())},
        )

    def grounds(self, row: Mapping[str, Any]) -> tuple[Grounds, int] | None:
        """Return what a breach row was judged by, and its place there; None where nothing was forecast."""
        return self.blocks.get(_key(row))

    def future(self, row: Mapping[str, Any]) -> Outlook:
        """Return the futures of a breach row that has grounds, as its threshold sees them."""
        block, at = self.blocks[_key(row)]
        future = Outlook(block.future.peaks[at : at + 1], block.future.weights[at : at + 1])
        planned = self.planned.get((_key(row), row["threshold_name"]))
        if planned is None:
            return future
        sign = -1.0 if row["direction"] == "below" else 1.0
        return seen_from(future, np.zeros(1, np.int64), sign * np.append(row["threshold"], planned)[None, :])


def _key(row: Mapping[str, Any]) -> Key:
    return row["host"], row["metric"], row["instance"], row["direction"]
