"""Would it have warned me? The past nights of a store are forecast again, and laid beside what came."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from capforecast import registry
from capforecast.config import Config
from capforecast.errors import ConfigError, DataError
from capforecast.marks import Marks
from capforecast.pastcases import Past, Reach, past
from capforecast.questions import Asking, end_of_data, questions
from capforecast.replay import FINE_HORIZON_US, replay
from capforecast.store import Store
from capforecast.times import format_duration
from capforecast.warned import LIKELY, figures, verdicts

SERIES = 512
"""Series that are looked at together."""

UNCORRECTED = (
    "these probabilities are those of the paths alone; a run corrects its own by what it learned (run.learning)"
)

ORDER = ("host", "metric", "instance", "threshold_name", "direction", "cutoff", "horizon_s")
Progress = Callable[[str, int, int | None], None]


@dataclass(frozen=True, slots=True)
class Lookback:
    """How the past would have been foreseen.

    Attributes
    ----------
    cases : DataFrame
        case_id, host, metric, instance, unit, kind, statistic, threshold_name, threshold, direction, cutoff,
        horizon_s, level, outcome (crossed, quiet, unknown), fell, crossed_at, p_breach, breach_p10, breach_p50,
        breach_p90, status and verdict (warned, missed, false, quiet, unknown).
    figures : DataFrame
        Scores per horizon and metric; see `warned.figures`.
    messages : list of str
        Sentences for the reader.
    """

    cases: pl.DataFrame
    figures: pl.DataFrame
    messages: list[str]


def look_back(
    store_path: str | Path,
    config: Config,
    asking: Asking | None = None,
    *,
    warn_at: float = LIKELY,
    progress: Progress | None = None,
) -> Lookback:
    """Forecast each threshold as of past nights, from what came before them only, and say what came.

    Parameters
    ----------
    store_path : path
        Directory of the store.
    config : Config
        Settings: model, kinds, exclusions, threads.
    asking : Asking, optional
        Which nights and horizons, and how many cases at most.
    warn_at : float
        Probability from which on a case warns.
    progress : callable, optional
        Called with stage, done and total.

    Raises
    ------
    ConfigError
        The probability is none.
    DataError
        There is no case: no series has a threshold, or the history is too short.

    Notes
    -----
    Limits are those that the store knows, dated as they are; what was entered later without a date counts as
    known. Levels are the held ones of the rollups, hourly for horizons up to two weeks and daily beyond.
    Probabilities are those of the paths: what a run of each night would have learned is not in them.
    """
    asking = asking or Asking()
    if not 0.0 < warn_at <= 1.0:
        raise ConfigError("what warns must be a probability above 0", got=warn_at, do="Write 0.5")
    with Store.open(store_path) as store:
        end_us = end_of_data(store)
        asked, messages = questions(store, config, asking)
        reach = Reach(end_us, FINE_HORIZON_US, config.run.stale_after_us)
        tasks, marks = _tasks(asked), Marks.of(store.series(), config)
        engine: Any = registry.load("engine", "serial" if config.run.threads == 1 else "threads")
        parts: list[pl.DataFrame] = []
        done = 0
        for part in engine(lambda task: _answered(past(store, task, reach, marks), config), tasks, config.run.threads):
            done += tasks[len(parts)].height
            parts.append(part)
            if progress is not None:
                progress("replay", done, asked.height)
    found = pl.concat(parts) if parts else pl.DataFrame()
    if found.is_empty():
        raise DataError(
            "the store must hold series with thresholds and some history before past nights",
            got=f"none as of nights since {format_duration(asking.since_us)} before the end of its data",
            where=str(store_path), do="Look further back with --since, or less far ahead with --horizon",
        )  # fmt: skip
    if config.run.learning:
        messages.append(UNCORRECTED)
    found = verdicts(_published(found), warn_at)
    return Lookback(found, figures(found), messages)


def _tasks(asked: pl.DataFrame) -> Sequence[pl.DataFrame]:
    """Cut questions, which are in the order of their series, into those of so many series."""
    if asked.is_empty():
        return []
    number = pl.col("sid").rle_id() // SERIES
    return asked.with_columns(task=number).partition_by("task", maintain_order=True, include_key=False)


def _answered(known: Past, config: Config) -> pl.DataFrame:
    """Return the cases with what was foreseen as of their cutoffs."""
    cases = known.cases.with_columns(
        case_id=pl.int_range(pl.len()),
        direction=pl.when("below").then(pl.lit("below")).otherwise(pl.lit("above")),
        cutoff=pl.from_epoch("cutoff_us", "us").dt.replace_time_zone("UTC"),
        horizon_s=pl.col("horizon_us") // 1_000_000,
        far=pl.col("horizon_us") > FINE_HORIZON_US,
    )
    parts = []
    for (below, far), part in cases.partition_by("below", "far", as_dict=True, maintain_order=True).items():
        samples = known.samples[bool(below), bool(far)]
        parts.append(replay(part, samples, model=config.forecast.model, kinds=config.metric_kinds, learning=False))
    return pl.concat(parts) if parts else pl.DataFrame()


def _published(found: pl.DataFrame) -> pl.DataFrame:
    """Return the columns that are shown, by name and night."""
    found = found.sort(ORDER)
    return found.select(
        pl.int_range(1, pl.len() + 1).alias("case_id"), "host", "metric", "instance", "unit", "kind", "statistic",
        "threshold_name", "threshold", "direction", "cutoff", "horizon_s", "level", "outcome", "fell",
        pl.from_epoch("crossed_us", "us").dt.replace_time_zone("UTC").alias("crossed_at"),
        "p_breach", "breach_p10", "breach_p50", "breach_p90", "status",
    )  # fmt: skip
