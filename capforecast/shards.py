"""The shards of a run: each read, forecast and judged where the engine says, and passed on in the order of names."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from capforecast import registry
from capforecast.carry import Kept
from capforecast.config import Config
from capforecast.correction import Correction
from capforecast.engine import Engine
from capforecast.expected import Expected
from capforecast.findings import STATE, VERDICT, Terms, daily_levels, item_states, threshold_verdicts
from capforecast.gathered import gather
from capforecast.inorder import InOrder, longest_rising
from capforecast.itemrows import forecast_rows, score_rows
from capforecast.kept import Asked, recall, remember, terms_of
from capforecast.lessons import Lessons
from capforecast.outcome import Plan
from capforecast.panel import DAY_US, Floats, Ints
from capforecast.pool import families, recipes
from capforecast.scores import Records, joined, numbered
from capforecast.shard import run
from capforecast.sinks import Sink
from capforecast.store import KeptForecasts, KeptPiece, Store, shards
from capforecast.tables import Found, Stamp
from capforecast.teaching import correct, corrections_of
from capforecast.timings import Timings
from capforecast.totals import Totals

Progress = Callable[[str, int, int | None], None]
"""Called with a stage, how much of it is done, and its total where that is known."""


def engine_of(config: Config) -> Engine:
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
    piece: KeptPiece | None
    damage: str


@dataclass(frozen=True, slots=True)
class Shards:
    """What every shard needs; each call of `part` works on some series.

    Attributes
    ----------
    store, config, stamp, expected, timings
        The run.
    kept : KeptForecasts, optional
        What the run before kept.
    lessons : mapping of Learned
        What corrects the probabilities.
    explains : bool
        Are the corrections noted.
    corrections : dict
        Receives how each threshold, by its place among all, was corrected.
    messages : list of str
        Receives sentences for the reader.
    """

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
        """How all of them are forecast."""
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
            for part in engine_of(self.config)(lambda chosen: self.part(chosen, plan), tasks, self.config.run.threads):
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
