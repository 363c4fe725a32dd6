"""All series of a store, as of one moment: expected series, shards, ranking, tables."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import polars as pl
import pyarrow as pa

from capforecast import registry
from capforecast.carry import Kept
from capforecast.changes import Before, with_changes
from capforecast.config import Config
from capforecast.correction import Correction
from capforecast.dated import dated
from capforecast.engine import Engine
from capforecast.expected import Expected, expect
from capforecast.findings import NEVER, STATE, VERDICT, Terms, daily_levels, item_states, threshold_verdicts
from capforecast.gathered import gather
from capforecast.inorder import InOrder, longest_rising
from capforecast.itemrows import forecast_rows, score_rows
from capforecast.kept import Asked, recall, remember, terms_of
from capforecast.lessons import Lessons
from capforecast.limits import resolve
from capforecast.marks import Marks
from capforecast.outcome import Plan
from capforecast.panel import DAY_US, Floats, Ints
from capforecast.pool import families, recipes
from capforecast.previous import Memory
from capforecast.reasons import with_reasons
from capforecast.schema import BREACHES, SEVERITIES, STATUSES
from capforecast.scores import Records, joined, numbered
from capforecast.shard import run
from capforecast.sinks import InMemory, Sink
from capforecast.standing import settle
from capforecast.store import KeptForecasts, Piece, Store, shards
from capforecast.tables import Found, Stamp, breach_rows, conform, risks, series_rows, urgency
from capforecast.teaching import FILE as LESSONS
from capforecast.teaching import correct, corrections_of, teach
from capforecast.texts import hex_texts
from capforecast.timings import Timings
from capforecast.totals import Totals

Progress = Callable[[str, int, int | None], None]
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
    series: pl.DataFrame,
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
    series : DataFrame
        Rows of ``store.series()`` that are expected, in their order.
    before : DataFrame, optional
        risk_id, status and breach_date_p50 of the table ``breaches`` of the run before.
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
        expected, messages = _expected(series, store, config, stamp)
        past = None if before is None else Before.of(before)
        # Frames of a million rows are large; from here on what was made of them is enough.
        del series, before
    work = _Shards(store, config, stamp, expected, timings, memory.kept, explains=sink is inside, messages=messages)
    known = memory.taught
    if known is None and learns:
        if progress is not None:
            progress("learn", 0, None)
        with timings.stage("learn"):
            known = teach(store, expected, work.plan, _engine(config), config.run.threads)
    if known is not None:
        sink.beside(LESSONS, known.dumped(config))
        work = replace(work, lessons=known.numbered(expected))
    # What is not published is of few series: their sums are none of a service or a team.
    totals = None if sink is inside else Totals(expected, stamp, work.plan.horizon_days)
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
        for number, table in enumerate(_engine(config)(make, range(0, rows, CHUNK), config.run.threads)):
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


def _expected(series: pl.DataFrame, store: Store, config: Config, stamp: Stamp) -> tuple[Expected, list[str]]:
    """Return what is expected of the series that were there before as_of, and sentences for the reader."""
    series = series.filter(pl.col("first_ts").dt.epoch("us") < stamp.as_of_us)
    marks = Marks.of(series, config)
    series = marks.current(series)
    limits = resolve(series, store.limits(), config.metric_kinds, stamp.as_of_us)
    end_us = stamp.as_of_us + config.run.horizon_us
    changes = dated(series, store.limits(), config.metric_kinds, limits, stamp.as_of_us, end_us)
    return expect(series, limits, config, changes, marks), [*limits.sentences(series), *changes.begin]


def _engine(config: Config) -> Engine:
    """Return where shards run."""
    engine: Engine = registry.load("engine", "serial" if config.run.threads == 1 else "threads")
    return engine


@dataclass(frozen=True, slots=True)
class _Part:
    """What one shard found."""

    items: Ints
    thresholds: Ints
    states: Records
    verdicts: Records
    daily: Floats
    scores: Records
    names: Sequence[str]
    piece: Piece | None
    damage: str


@dataclass(frozen=True, slots=True)
class _Shards:
    """What every shard needs; each call of `part` works on some series."""

    store: Store
    config: Config
    stamp: Stamp
    expected: Expected
    timings: Timings
    kept: KeptForecasts | None = None
    lessons: Lessons = field(default_factory=dict)
    explains: bool = False
    corrections: dict[int, tuple[Correction, ...]] = field(default_factory=dict)
    messages: list[str] = field(default_factory=list)

    @property
    def plan(self) -> Plan:
        near, far, origins = families(self.config.forecast.model)
        return Plan(
            self.stamp.as_of_us, max(self.config.run.horizon_us // DAY_US, 1), near, far, *recipes(origins),
            target=self.config.run.target_probability, timings=self.timings,
        )  # fmt: skip

    def found(self, sink: Sink, progress: Progress | None, totals: Totals | None = None) -> Found:
        """Work on all shards and pass on forecasts, scores and daily peaks in the order of names."""
        expected, plan, stamp = self.expected, self.plan, self.stamp
        states = np.zeros(expected.owner.size, STATE)
        verdicts = np.zeros(expected.item.size, VERDICT)
        names: dict[str, int] = {}
        damaged, done = Counter[str](), 0
        by_sid = np.argsort(expected.sid, kind="stable")
        steady = longest_rising(by_sid)
        waits = np.zeros(by_sid.size, bool)
        waits[by_sid[~steady]] = True

        def emit(start: int, daily: Floats, scores: Records) -> None:
            with self.timings.stage("tables"):
                days = forecast_rows(expected, stamp, start, daily)
                tests = score_rows(expected, stamp, start, start + daily.shape[0], scores, list(names))
            with self.timings.stage("write"):
                sink.write("forecasts", days)
                sink.write("backtests", tests)
            if totals is not None:
                with self.timings.stage("totals"):
                    totals.add(start, daily[:, : plan.horizon_days])
            if progress is not None:
                progress("forecast", done, by_sid.size)

        tasks = [*self._tasks(by_sid[~steady]), *self._tasks(by_sid[steady])]
        with sink.scratch() as scratch:
            ordered = InOrder(waits[expected.owner], 4 * plan.horizon_days, scratch, emit)
            for part in _engine(self.config)(lambda chosen: self.part(chosen, plan), tasks, self.config.run.threads):
                codes = numbered(part.names, names)
                _renumber(part.states["mixes"]["member"], codes)
                _renumber(part.scores["mix"]["member"], codes)
                states[part.items], verdicts[part.thresholds] = part.states, part.verdicts
                ordered.put(part.items, part.daily, part.scores)
                if part.piece is not None:
                    with self.timings.stage("write"):
                        sink.keep(part.piece, terms_of(self.config))
                count = np.unique(expected.owner[part.items]).size
                damaged[part.damage] += count
                done += count
                if progress is not None:
                    progress("forecast", done, by_sid.size)
            ordered.finish()
        self.messages.extend(f"{damaged[why]} series cannot be forecast: {why}" for why in sorted(damaged) if why)
        return Found(expected, states, verdicts, list(names), stamp)

    def _tasks(self, places: Ints) -> list[Ints]:
        """Cut series, in the order of their numbers in the store, so that neighbours are read together."""
        size = self.config.run.shard_series
        ends = [end for _, end in shards(self.expected.sid[places].astype(np.int32), size)]
        tasks: list[Ints] = []
        begin = 0
        for end, following in zip(ends, (*ends[1:], None), strict=False):
            # Where series are far from each other, many a range holds but one.
            if following is None or following - begin > size:
                tasks.append(places[begin:end])
                begin = end
        return tasks

    def part(self, chosen: Ints, plan: Plan) -> _Part:
        """Forecast some series, given by their places, in the order of their numbers in the store."""
        expected = self.expected
        with self.timings.stage("read"):
            shard = gather(self.store, expected, plan.end_us, chosen)
        items, rows, owner = shard.places, shard.rows, shard.owner
        # The stages of what follows are panel, kernels and breach.
        asked = Asked(expected.sid[expected.owner[items]], expected.below[items], owner, shard.level)
        with self.timings.stage("carry"):
            kept = None if self.kept is None or shard.damage else self._recalled(self.kept, asked, plan)
            if kept is not None:
                # What was kept knows neither plans nor sizes of today.
                kept.age[shard.changing] = 0
        planned = expected.dated.days(rows, shard.level, plan.end_us, plan.horizon_days)
        out = run(shard.rollups, shard.arrays, owner, shard.level, plan, kept, planned)
        with self.timings.stage("carry"):
            piece = remember(asked, out, kept, plan.end_us, ~shard.changing)
        if self.lessons:
            with self.timings.stage("learn"):
                if self.explains:
                    self.corrections.update(corrections_of(shard, expected, self.lessons, plan.end_us, out))
                correct(shard, expected, self.lessons, plan.end_us, out)
        with self.timings.stage("judge"):
            counts = (shard.samples, shard.hidden)
            states = item_states(out, expected, items, counts, self._terms(), lost=bool(shard.damage))
            verdicts = threshold_verdicts(out, states, expected, rows, owner, self._terms())
            scores = joined(out.scores)
            scores["item"] = items[scores["item"]]
            found = items, rows, states, verdicts, daily_levels(out, states)
            return _Part(*found, scores, list(out.names), piece, shard.damage)

    def _recalled(self, source: KeptForecasts, asked: Asked, plan: Plan) -> Kept | None:
        return recall(source, asked, plan.end_us, plan.horizon_days, self.config.run.refit_every_us // DAY_US)

    def _terms(self) -> Terms:
        settings = self.config.run
        return Terms(self.stamp.as_of_us, self.store.step_us, settings.stale_after_us, settings.min_history_us)


def _renumber(members: np.ndarray, codes: Ints) -> None:
    """Put numbers that hold for all shards in the place of those of one."""
    members[members >= 0] = codes[members[members >= 0]]


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
        "last_us": int(first["last_us"].max(initial=0)),
        "most_urgent": int(found.verdicts["severity"].min(initial=len(SEVERITIES))),
    }
