"""All series of a store, as of one moment: expected series, shards, ranking, tables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import polars as pl
import pyarrow as pa

from capforecast.changes import Before, with_changes
from capforecast.config import Config
from capforecast.correction import Correction
from capforecast.dated import dated
from capforecast.expected import Expected, expect
from capforecast.findings import NEVER
from capforecast.ineffective import sentences
from capforecast.limits import resolve
from capforecast.marks import Marks
from capforecast.previous import Memory
from capforecast.reasons import with_reasons
from capforecast.schema import BREACHES, SEVERITIES, STATUSES
from capforecast.shards import Progress, Shards, engine_of
from capforecast.sinks import InMemory, Sink
from capforecast.standing import settle
from capforecast.store import Store
from capforecast.tables import Found, Stamp, breach_rows, conform, risks, series_rows, urgency
from capforecast.teaching import FILE as LESSONS
from capforecast.teaching import teach
from capforecast.texts import hex_texts
from capforecast.timings import Timings
from capforecast.totals import Totals

Counts = dict[str, int]

CHUNK = 8_192
"""Rows of a table that are made at a time."""


@dataclass(frozen=True, slots=True)
class Survey:
    """What a moment alone decides.

    Attributes
    ----------
    tables : mapping of DataFrame
        The tables, where no sink was given.
    messages : list of str
        Sentences for the reader.
    counts : dict of int
        Columns of the table run; `last_us`, the end of the newest rollup, and `most_urgent`, the least
        severity_rank.
    learned : str or None
        What corrects the probabilities, in one sentence.
    corrections : mapping of str to tuple of Correction
        How probabilities that were corrected came about, by risk_id; only without a sink, for few series.
    """

    tables: Mapping[str, pl.DataFrame]
    messages: list[str]
    counts: Counts
    learned: str | None = None
    corrections: Mapping[str, tuple[Correction, ...]] = field(default_factory=dict)


def survey(  # noqa: PLR0913 - what a run consists of, most of it optional
    store: Store,
    config: Config,
    stamp: Stamp,
    *,
    names: Mapping[str, str | None] | None = None,
    before: pl.DataFrame | None = None,
    progress: Progress | None = None,
    sink: Sink | None = None,
    timings: Timings | None = None,
    memory: Memory | None = None,
) -> Survey:
    """Forecast the expected series and lay their futures against their thresholds.

    Parameters
    ----------
    store : Store
        Open store.
    config : Config
        Settings.
    stamp : Stamp
        The run; rollups that end after its as_of are not read.
    names : mapping, optional
        As for `expected_at`.
    before : DataFrame, optional
        Columns `changes.NEEDED` of the table ``breaches`` of the run before.
    progress : callable, optional
        Called with stage, done and total: series for "forecast", rows for "breaches" and "series"; "learn" has no
        total.
    sink : Sink, optional
        Where the tables go; into the result without it.
    timings : Timings, optional
        Where the time of the stages is added up.
    memory : Memory, optional
        What earlier runs with these settings left: kept forecasts are used again where they hold. With a sink,
        what was not learned is learned.
    """
    inside = InMemory()
    learns = sink is not None and config.run.learning
    sink, timings, memory = sink or inside, timings or Timings(), memory or Memory()
    with timings.stage("expect"):
        expected, messages = expected_at(store, config, stamp.as_of_us, names)
        past = None if before is None else Before.of(before)
        # A frame of a million rows is large; from here on what was made of it is enough.
        del before
    work = Shards(store, config, stamp, expected, timings, memory.kept, explains=sink is inside, messages=messages)
    known = memory.taught
    if known is None and learns:
        if progress is not None:
            progress("learn", 0, None)
        with timings.stage("learn"):
            known = teach(store, expected, work.plan, engine_of(config), config.run.threads)
    if known is not None:
        sink.beside(LESSONS, known.dumped(config))
        work = replace(work, lessons=known.numbered(expected))
    # What is not published is of few series: their sums are none of a service or a team.
    totals = None if sink is inside else Totals(expected, stamp, work.plan.horizon_days, work.plan.target)
    found = work.found(sink, progress, totals)
    if totals is not None:
        with timings.stage("totals"):
            sink.write("totals", totals.rows().to_arrow())
    with timings.stage("rank"):
        settle(found, past)
        order = urgency(found)

    def breaches(start: int) -> pa.Table:
        with timings.stage("tables"):
            rows = breach_rows(found, order[start : start + CHUNK])
            return conform(with_reasons(with_changes(rows, past)), BREACHES).to_arrow()

    def quality(start: int) -> pa.Table:
        with timings.stage("tables"):
            return series_rows(found, start, min(start + CHUNK, expected.sid.size)).to_arrow()

    for name, make, rows in (("breaches", breaches, order.size), ("series", quality, expected.sid.size)):
        for number, table in enumerate(engine_of(config)(make, range(0, rows, CHUNK), config.run.threads)):
            with timings.stage("write"):
                sink.write(name, table)
            if progress is not None:
                progress(name, min((number + 1) * CHUNK, rows), rows)
    if memory.kept is not None and memory.kept.damaged:
        messages.append(
            f"{memory.kept.damaged} pieces of what the run before kept were damaged: their series were fitted anew"
        )
    learned = None if known is None else known.sentence()
    tables = inside.tables() if sink is inside else {}
    return Survey(tables, messages, _counts(found), learned, _by_risk(found, work.corrections))


def _by_risk(found: Found, by_row: Mapping[int, tuple[Correction, ...]]) -> dict[str, tuple[Correction, ...]]:
    """Return corrections by risk_id instead of the place of their threshold."""
    risk = hex_texts(risks(found, np.array(list(by_row), np.int64)))
    return dict(zip(risk, by_row.values(), strict=True))


def expected_at(
    store: Store, config: Config, as_of_us: int, names: Mapping[str, str | None] | None = None
) -> tuple[Expected, list[str]]:
    """Return what is expected of the series of a store as of a moment, and sentences for the reader.

    Parameters
    ----------
    store : Store
        Open store.
    config : Config
        Settings.
    as_of_us : int
        Series that begin later are not expected; microseconds since the epoch.
    names : mapping, optional
        host, metric and instance of the series that are wanted, by their present names; one that is None or left
        out stands for all.
    """
    series = store.series()
    idle = [] if names else sentences(series, store.limits(), config, as_of_us)
    series = series.filter(pl.col("first_ts").dt.epoch("us") < as_of_us)
    # A renamed host is found by its old name, so marks are made before any series is left out.
    marks = Marks.of(series, config)
    series = marks.current(series)
    for name, wanted in (names or {}).items():
        if wanted is not None:
            series = series.filter(pl.col(name) == wanted)
    limits = resolve(series, store.limits(), config.metric_kinds, as_of_us)
    end_us = as_of_us + config.run.horizon_us
    changes = dated(series, store.limits(), config.metric_kinds, limits, as_of_us, end_us)
    return expect(series, limits, config, changes, marks), [*limits.sentences(series), *changes.begin, *idle]


def _counts(found: Found) -> Counts:
    """Return what the table run counts."""
    first = found.states[found.expected.first_item[:-1]]
    status = dict(zip(STATUSES, np.bincount(first["status"], minlength=len(STATUSES)).tolist(), strict=True))
    rows = dict(zip(STATUSES, np.bincount(found.verdicts["status"], minlength=len(STATUSES)).tolist(), strict=True))
    return {
        "series": first.size,
        "series_forecast": status["ok"] + status["constant"],
        "breach_rows": found.verdicts.size,
        "breached": rows["breached"],
        "will_breach": rows["will_breach"],
        "series_carried": int(((first["fitted"] > NEVER) & (first["fitted"] < found.stamp.day)).sum()),
        "without_threshold": int((np.diff(found.expected.first_threshold) == 0).sum()),
        "errors": status["error"],
        "stale": status["stale"],
        "last_us": int(first["last_us"].max(initial=0)),
        "most_urgent": int(found.verdicts["severity"].min(initial=len(SEVERITIES))),
    }
