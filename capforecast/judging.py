"""Scoring night by night: predictions whose horizon has passed against the rollups of what happened.

A run judges what fell due since the newest earlier run that judged. So each published prediction is judged
once, the result depends on published runs and rollups alone, and a store without history, or one whose older
directories are gone, has nothing to judge.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

import numpy as np
import polars as pl

from capforecast.breach import SPANS
from capforecast.config import Config
from capforecast.errors import StoreError
from capforecast.happened import Due, happened
from capforecast.hindsight import CROSSED, LISTED, NAMES, Said, dates_of, outcome_codes
from capforecast.panel import DAY_US
from capforecast.previous import earlier_runs
from capforecast.record import Ledger, Night, recorded, sentence
from capforecast.schema import OUTCOMES, RECORD
from capforecast.sinks import Sink
from capforecast.store import Store, scan_published
from capforecast.tables import KEYS, Stamp, conform

PART = 131_072
"""Breach rows of one run that are judged at most, about; of larger fleets a part in turn, by series."""

CATCH_UP = 1 << 20
"""Predictions of one horizon that a run judges at most, when nights were missed."""

TURN = 1024
"""Neighbouring series that have their turn together, since they are read together."""

DATES = pl.col("breach_date_p10", "breach_date_p50", "breach_date_p90")


@dataclass(frozen=True, slots=True)
class Judged:
    """What a run says of the past.

    Attributes
    ----------
    sentence : str
        How the warnings of the past did.
    messages : list of str
        What could not be judged.
    """

    sentence: str
    messages: list[str]


def judge(store: Store, config: Config, stamp: Stamp, sink: Sink) -> Judged:
    """Judge what fell due and write the tables ``outcomes`` and ``record``.

    Parameters
    ----------
    store : Store
        Open store.
    config : Config
        Settings.
    stamp : Stamp
        The run; nothing after its as_of is looked at.
    sink : Sink
        Where the tables go.
    """
    runs = earlier_runs(store, stamp.as_of_us)
    messages: list[str] = []
    before = _ledger_before(store, runs, messages)
    nights = []
    for due in _due(runs, before.as_of_us, stamp.as_of_us, messages):
        try:
            predictions = _predictions(store, due)
            nights.append(_night(store, config, stamp, due, predictions))
        except StoreError as error:
            messages.append(f"the predictions of run {due.run_id} for {due.days} days cannot be judged: {error}")
    outcomes, record = recorded(before, nights, stamp)
    sink.write("outcomes", conform(outcomes, OUTCOMES).to_arrow())
    sink.write("record", conform(record, RECORD).to_arrow())
    ends_us = [moment_us + SPANS[0] * DAY_US for moment_us in (*runs.get_column("as_of_us"), stamp.as_of_us)]
    return Judged(sentence(record, min(end_us for end_us in ends_us if end_us > stamp.as_of_us)), messages)


def _ledger_before(store: Store, runs: pl.DataFrame, messages: list[str]) -> Ledger:
    """Return what the newest earlier run that judged has published."""
    for run in runs.reverse().iter_rows(named=True):
        if "record.parquet" not in json.loads(run["manifest"]):
            continue
        try:
            tables = scan_published(store.path, run["run_id"])
            return Ledger(run["as_of_us"], tables["outcomes"].collect(), tables["record"].collect())
        except StoreError as error:
            messages.append(f"the record of run {run['run_id']} is left out: {error}")
    return Ledger.empty()


def _due(runs: pl.DataFrame, since_us: int, as_of_us: int, messages: list[str]) -> list[Due]:
    """Return what fell due after `since_us`, up to as_of, by the time when it did."""
    found = []
    for days in SPANS:
        budget = CATCH_UP
        for run in runs.reverse().iter_rows(named=True):
            if not since_us < run["as_of_us"] + days * DAY_US <= as_of_us:
                continue
            rows = int(json.loads(run["manifest"])["breaches.parquet"]["rows"])
            one_in = max(-(-rows // PART), 1)
            budget -= -(-rows // one_in)
            if budget < 0:
                messages.append(
                    f"predictions for {days} days up to run {run['run_id']} stay unjudged: since the last run "
                    "more fell due than one run judges"
                )
                break
            found.append(Due(run["run_id"], run["as_of_us"], days, one_in))
    return sorted(found, key=lambda due: (due.due_us, due.days))


def _predictions(store: Store, due: Due) -> pl.DataFrame:
    """Return the predictions that are judged, in the order of their table, with the number of their series."""
    sid = pl.col("sid").cast(pl.Int64)
    turn = due.as_of_us // DAY_US % due.one_in
    series = store.series().select(*KEYS, sid).filter(sid // TURN % due.one_in == turn)
    rows = (
        scan_published(store.path, due.run_id)["breaches"]
        .with_row_index("row")
        .select(
            "row", "risk_id", *KEYS, "unit", "statistic", "threshold_name", "direction", "threshold", "capacity",
            "status", pl.col(f"p_breach_{due.days}d").alias("p_breach"), DATES,
        )
        .filter(pl.all_horizontal(pl.col("p_breach", "threshold").is_not_null()), pl.col("status") != "breached")
        .join(series.lazy(), on=KEYS)
    )  # fmt: skip
    # Of a large table most rows are left out as they are read.
    return rows.collect(engine="streaming").sort("row").drop("row", "status")


def _night(store: Store, config: Config, stamp: Stamp, due: Due, rows: pl.DataFrame) -> Night:
    """Judge the predictions of one run for one horizon."""
    days = [pl.col(name).cast(pl.Int32).cast(pl.Float64) for name in ("breach_date_p10", "breach_date_p90")]
    early, late = (rows.select(day.fill_null(np.nan)).to_series().to_numpy() for day in days)
    said = Said(rows.get_column("p_breach").to_numpy(), early, late)
    seen = happened(store, config, due, rows)
    codes = outcome_codes(said, seen, due.as_of_us)
    breached = np.isin(codes, CROSSED)
    known = pl.Series(breached | (codes != NAMES.index("unknown")))
    date = pl.Series(dates_of(seen.crossed_us, due.as_of_us)).cast(pl.Int32).cast(pl.Date)
    moment = pl.Datetime("us", "UTC")
    judged = rows.with_columns(
        pl.lit(due.as_of_us).cast(moment).alias("predicted_as_of"),
        pl.lit(due.days, pl.Int64).alias("horizon_days"),
        pl.select(pl.when(known).then(pl.Series(breached))).to_series().alias("breached"),
        pl.select(pl.when(pl.Series(breached)).then(date)).to_series().alias("breach_date"),
        pl.select(pl.when(pl.Series(breached)).then(pl.Series(seen.crossed_us).cast(moment))).to_series()
        .alias("breached_at"),
        pl.Series("outcome", np.array(NAMES, object)[codes], pl.String),
        pl.lit(due.due_us).cast(moment).alias("due"),
        pl.Series("warned", said.warned),
        pl.Series("known_pct", np.round(100.0 * seen.known, 3)),
        pl.lit(stamp.run_id).alias("judged_run_id"),
        pl.lit(due.run_id).alias("predicted_run_id"),
    )  # fmt: skip
    listed = judged.filter(pl.Series(breached | (said.chance >= LISTED)))
    return Night(due.due_us, due.days, due.one_in, said.chance, codes, listed)
