"""What a store's past can be asked: each series and threshold on past nights, for horizons that have passed.

A question is whether a threshold is crossed within a horizon from a night on. Which of them are asked, where there
are more than may be, is decided by hashes of names and nights: the same store gives the same questions.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from capforecast.config import Config
from capforecast.errors import ConfigError
from capforecast.expected import expect
from capforecast.limits import resolve
from capforecast.panel import DAY_US, Ints
from capforecast.store import Store
from capforecast.times import format_duration
from capforecast.windows import numbered, shuffled

KEYS = ("host", "metric", "instance")
WATCHED = ("row", "threshold_name", "below")


@dataclass(frozen=True, slots=True)
class Asking:
    """Which questions are asked.

    Attributes
    ----------
    since_us : int
        How far before the end of the data the oldest night may lie.
    every_us : int
        Whole days from one night to the next.
    horizons_us : tuple of int
        How far each question reaches, in whole days.
    most : int
        Questions at most.

    Raises
    ------
    ConfigError
        A duration counts no days, or no night is left whose horizon has passed.
    """

    since_us: int = 60 * DAY_US
    every_us: int = 7 * DAY_US
    horizons_us: tuple[int, ...] = (7 * DAY_US, 30 * DAY_US)
    most: int = 10_000

    def __post_init__(self) -> None:
        for name, us in (
            ("since", self.since_us),
            ("every", self.every_us),
            *(("horizon", h) for h in self.horizons_us),
        ):
            if us < DAY_US or us % DAY_US:
                raise ConfigError(f"{name} must be whole days", got=format_duration(us), do="Write 7d or 60d")
        if not self.horizons_us or self.most < 1:
            raise ConfigError("there must be a horizon and a case to ask for", got=f"{self.horizons_us}, {self.most}")
        if max(self.horizons_us) > self.since_us:
            raise ConfigError(
                "every horizon must have passed since the oldest night",
                got=f"{format_duration(max(self.horizons_us))} ahead since {format_duration(self.since_us)} ago",
                do="Look further back or less far ahead",
            )  # fmt: skip

    def nights(self, end_us: int) -> Ints:
        """Return the midnights, rising, from which the shortest horizon has passed by the end of the data."""
        last = end_us - min(self.horizons_us)
        found = end_us - self.every_us * np.arange(1, self.since_us // self.every_us + 1)
        if not (found <= last).any():
            found = np.array([last], np.int64)
        return np.sort(found[found <= last])


def end_of_data(store: Store) -> int:
    """Return the newest UTC midnight up to which samples may be complete; 0 for an empty store."""
    newest = store.watermark_us()
    return 0 if newest is None else (newest // store.step_us + 1) * store.step_us // DAY_US * DAY_US


def questions(store: Store, config: Config, asking: Asking) -> tuple[pl.DataFrame, list[str]]:
    """Return the questions, by the hash of their series, and sentences for the reader.

    Parameters
    ----------
    store : Store
        Open store.
    config : Config
        Metric kinds, exclusions, and from when on a series is too short or stale.
    asking : Asking
        Which ones.

    Returns
    -------
    DataFrame
        sid, the names and unit of the series, kind, statistic, k, n, threshold_name, threshold, below (do low
        values hurt), capacity, cutoff_us, horizon_us and until_us: when another threshold or capacity than
        that of the cutoff came into force, NULL for never.
    list of str
        What is left out.

    Notes
    -----
    Thresholds are those of the limits and kinds as they stood at the cutoff. Nothing is asked further ahead than
    the history reached back, as a run says nothing there.
    """
    end_us = end_of_data(store)
    nights = asking.nights(end_us)
    every = store.series()
    first, last = (every.get_column(f"{name}_ts").dt.epoch("us").to_numpy() for name in ("first", "last"))
    there = (first + config.run.min_history_us <= nights[-1]) & (last >= nights[0] - config.run.stale_after_us)
    series, limits = every.filter(there), store.limits()
    hashes = np.array([numbered("\0".join(names)) for names in series.select(KEYS).rows()], np.int64)
    order = np.argsort(hashes, kind="stable")
    moments = _changes(limits, int(nights[0]), end_us)
    found: list[pl.DataFrame] = []
    looked = 0
    while looked < order.size and sum(part.height for part in found) < asking.most:
        # So many series have more questions than may be asked, mostly; of these the pairs are drawn anew.
        chosen = np.sort(order[looked : looked + asking.most])
        looked += chosen.size
        rules = _rules(series[chosen], limits, config, moments, int(nights[0]))
        asked = _asked(series[chosen], hashes[chosen], rules, nights, moments, config)
        found.append(_with_horizons(asked, asking, end_us))
    both = pl.concat(found) if found else pl.DataFrame()
    if both.is_empty():
        return both, []
    possible = both.height
    kept = both.sort("key", "threshold_name", "below", "horizon_us").head(asking.most)
    notes = []
    if possible > asking.most or looked < order.size:
        notes.append(
            f"{kept.height} cases are looked at, chosen by a hash of names and nights: {order.size} series have more "
            "(--most raises it)"
        )
    return kept.sort("hash", *KEYS, "threshold_name", "below", "cutoff_us", "horizon_us").drop("key", "hash"), notes


def _changes(limits: pl.DataFrame, first_us: int, end_us: int) -> Ints:
    """Return the moments, rising, at which other limits came into force after the first night."""
    dated = limits.get_column("valid_from").drop_nulls()
    moments: Ints = dated.dt.epoch("us").unique().sort().to_numpy().astype(np.int64)
    inside: Ints = moments[(moments > first_us) & (moments < end_us)]
    return inside


def _rules(
    series: pl.DataFrame, limits: pl.DataFrame, config: Config, moments: Ints, first_us: int
) -> pl.DataFrame:  # fmt: skip
    """Return the thresholds of series in each span between changes of the limits, and until when they held."""
    spans = [_watched(series, limits, config, at) for at in (first_us, *moments.tolist())]
    out = [spans[-1].with_columns(until_us=pl.lit(None, pl.Int64))]
    for number in range(moments.size - 1, -1, -1):
        later = out[-1].select(*WATCHED, "threshold", "capacity", pl.col("until_us").alias("later_us"))
        frame = spans[number].join(later, on=WATCHED, how="left", maintain_order="left", suffix="_next")
        same = (pl.col("threshold_next") == pl.col("threshold")) & pl.col("capacity_next").eq_missing(
            pl.col("capacity")
        )
        until = pl.when(same).then("later_us").otherwise(pl.lit(int(moments[number]), pl.Int64))
        out.append(frame.with_columns(until_us=until).drop("threshold_next", "capacity_next", "later_us"))
    return pl.concat(frame.with_columns(span=pl.lit(number, pl.Int64)) for number, frame in enumerate(reversed(out)))


def _watched(series: pl.DataFrame, limits: pl.DataFrame, config: Config, as_of_us: int) -> pl.DataFrame:
    """Return the thresholds of series as a run at some moment sees them."""
    expected = expect(series, resolve(series, limits, config.metric_kinds, as_of_us), config)
    row = np.repeat(np.arange(series.height), np.diff(expected.first_threshold))
    kinds = [expected.kinds[place] for place in expected.kind[row]]
    frame = pl.DataFrame(
        {
            "row": row,
            "kind": pl.Series([kind.name for kind in kinds], dtype=pl.String),
            "statistic": pl.Series(expected.statistics(expected.item).tolist(), dtype=pl.String),
            "k": pl.Series([kind.sustain[0] for kind in kinds], dtype=pl.Int64),
            "n": pl.Series([kind.sustain[1] for kind in kinds], dtype=pl.Int64),
            "below": expected.below[expected.item],
        }
    )
    frame = frame.hstack(expected.thresholds.select(pl.col("threshold_name").cast(pl.String), "threshold", "capacity"))
    return frame.filter(~expected.excluded[row])


def _asked(
    series: pl.DataFrame, hashes: Ints, rules: pl.DataFrame, nights: Ints, moments: Ints, config: Config
) -> pl.DataFrame:
    """Return thresholds on nights on which their series was there."""
    first, last = (series.get_column(f"{name}_ts").dt.epoch("us").to_numpy() for name in ("first", "last"))
    there = (first[:, None] + config.run.min_history_us <= nights) & (
        last[:, None] >= nights - config.run.stale_after_us
    )
    row, night = np.nonzero(there)
    pairs = pl.DataFrame(
        {
            "row": row,
            "cutoff_us": nights[night],
            "span": np.searchsorted(moments, nights[night], side="right"),
            "key": shuffled(hashes[row], nights[night] // DAY_US),
            "hash": hashes[row],
            "first_us": first[row],
        }
    )
    names = series.select("sid", *KEYS, "unit").with_row_index("row").cast({"row": pl.Int64})
    return pairs.join(rules, on=["row", "span"]).join(names, on="row").drop("row", "span")


def _with_horizons(asked: pl.DataFrame, asking: Asking, end_us: int) -> pl.DataFrame:
    """Return the thresholds with each horizon that had passed and to which the history reached back."""
    horizons = pl.DataFrame({"horizon_us": sorted(set(asking.horizons_us))}, schema={"horizon_us": pl.Int64})
    passed = pl.col("cutoff_us") + pl.col("horizon_us") <= end_us
    reached = pl.col("cutoff_us") - pl.col("first_us") >= pl.col("horizon_us") - DAY_US // 2
    return asked.join(horizons, how="cross").filter(passed & reached).drop("first_us")
