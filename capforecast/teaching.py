"""What a nightly run learns from its own past, how long that holds, and how it corrects a shard."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from zlib import crc32

import numpy as np

from capforecast.config import Config
from capforecast.correction import Correction, corrections
from capforecast.engine import Engine
from capforecast.expected import Expected
from capforecast.gathered import Gathered, gather
from capforecast.kept import terms_of
from capforecast.learned import Learned, from_plain
from capforecast.lessons import SAMPLE, Lessons, Watched, corrected, daily_peaks, past_curves, sampled, taught
from capforecast.outcome import PAST_DAYS, Outcome, Plan
from capforecast.panel import DAY_US, Floats, Ints
from capforecast.store import Store
from capforecast.times import format_moment
from capforecast.windows import numbered, shuffled

FILE = "lessons.json"
"""Beside the tables of a run."""

LEARNED_DAYS = 7
"""What was learned holds for so many days."""

STRETCH, STRETCHES = 1024, 24
"""Neighbours in the store are read together: a large fleet is sampled in so many stretches of so many series."""

SHARD = 256
"""Series that are forecast again together."""


@dataclass(frozen=True, slots=True)
class Taught:
    """What was learned, when, by name of the metric kind and days ahead."""

    learned_us: int
    lessons: dict[tuple[str, int], Learned]

    def numbered(self, expected: Expected) -> dict[tuple[int, int], Learned]:
        """Return the same by number of the kind."""
        numbers = {kind.name: number for number, kind in enumerate(expected.kinds)}
        return {(numbers[kind], days): one for (kind, days), one in self.lessons.items() if kind in numbers}

    def dumped(self, config: Config) -> bytes:
        """Return the same as JSON, with the terms on which it may be used again."""
        lessons = [{"kind": kind, "days": days, **one.plain()} for (kind, days), one in sorted(self.lessons.items())]
        told: dict[str, Any] = {
            "terms": terms_of(config),
            "learned": format_moment(self.learned_us),
            "learned_us": self.learned_us,
            "lessons": lessons,
        }
        return json.dumps({**told, "checksum": _checksum(told)}, sort_keys=True).encode()

    def sentence(self) -> str | None:
        """Tell what corrects the paths: kind, horizon, windows, and log loss before and after on unseen ones."""
        told = [
            f"{kind} {days}d: {one.windows} past windows, {one.crossings} crossed, "
            f"log loss {one.loss_paths:.4f} -> {one.loss:.4f}"
            for (kind, days), one in sorted(self.lessons.items())
            if one.corrects
        ]
        return f"{format_moment(self.learned_us)}: {'; '.join(told)}" if told else None


def recalled(store: Store, config: Config, run_path: str | None, as_of_us: int) -> tuple[Taught | None, list[str]]:
    """Return what a run learned, while it holds, and what to tell of damage.

    None where it is too old, damaged or was learned on other terms: it is learned again, which costs seconds.
    """
    if run_path is None or not config.run.learning or not (store.path / run_path / FILE).exists():
        return None, []
    try:
        told = json.loads((store.path / run_path / FILE).read_bytes())
        if told.pop("checksum") != _checksum(told):
            raise ValueError("it differs from its checksum")
        lessons = {(one["kind"], int(one["days"])): from_plain(one) for one in told["lessons"]}
        learned_us, terms = int(told["learned_us"]), told["terms"]
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        return None, [f"what the run before learned is damaged ({run_path}/{FILE}: {error}); it is learned again"]
    holds = 0 <= as_of_us - learned_us < LEARNED_DAYS * DAY_US and terms == terms_of(config)
    return (Taught(learned_us, lessons) if holds else None), []


def _checksum(told: dict[str, Any]) -> int:
    """Return the CRC-32 of what a file says: a changed digit would be as good a lesson as any."""
    return crc32(json.dumps(told, sort_keys=True).encode())


def teach(store: Store, expected: Expected, plan: Plan, engine: Engine, threads: int) -> Taught:
    """Learn from a fixed sample of the series that thresholds watch.

    Parameters
    ----------
    store : Store
        Open store.
    expected : Expected
        The run.
    plan : Plan
        How it forecasts.
    engine, threads
        Where the sample is forecast again.
    """
    chosen = _sample(expected)
    if not chosen.size:
        return Taught(plan.end_us, {})
    shards = [gather(store, expected, plan.end_us, chosen[i : i + SHARD]) for i in range(0, chosen.size, SHARD)]
    parts = [
        watched(
            shard, expected, plan.end_us, daily_peaks(shard.rollups, shard.arrays, plan.end_us, PAST_DAYS), named=True
        )
        for shard in shards
    ]
    ends = np.cumsum([0, *(part.threshold.size for part in parts)])

    def curves(back: int, threshold: Floats) -> Floats:
        def one(number: int) -> Floats:
            shard = shards[number]
            again = past_curves(shard.rollups, shard.arrays, shard.owner, plan)
            return again(back, threshold[ends[number] : ends[number + 1]])

        return np.concatenate(list(engine(one, range(len(shards)), threads)))

    names = [kind.name for kind in expected.kinds]
    found = {(names[kind], days): one for (kind, days), one in taught(_together(parts), curves).items()}
    # Without a test on what it had not seen, or where the paths did better there, the paths stand.
    return Taught(plan.end_us, {key: one for key, one in found.items() if one.loss < one.loss_paths})


def watched(shard: Gathered, expected: Expected, end_us: int, daily: Floats, *, named: bool = False) -> Watched:
    """Return the series of a shard by day and their thresholds, high hurts; `named` where it is learned from."""
    series = expected.owner[shard.places]
    kind = expected.kind[series][shard.owner]
    relative = np.array([one.name == "bytes" for one in expected.kinds])[kind]
    name = host = np.zeros(series.size, np.int64)
    if named:
        rows = list(expected.series[series].select("host", "metric", "instance").iter_rows())
        name = np.array([numbered("\0".join(row)) for row in rows], np.int64)
        host = np.array([numbered(row[0]) for row in rows], np.int64)
    return Watched(
        daily=daily,
        owner=shard.owner,
        threshold=shard.level * shard.arrays.sign[shard.owner],
        kind=kind,
        relative=relative,
        name=name,
        host=host,
        end_us=end_us,
    )


def correct(shard: Gathered, expected: Expected, lessons: Lessons, end_us: int, out: Outcome) -> None:
    """Correct the probabilities of a shard by what was learned; those whose limits change stay as they are."""
    curves = corrected(watched(shard, expected, end_us, _past(shard, out)), out.cumulative, lessons)
    steady = ~shard.changing[shard.owner]
    out.cumulative[steady] = curves[steady]


def corrections_of(
    shard: Gathered, expected: Expected, lessons: Lessons, end_us: int, out: Outcome
) -> dict[int, tuple[Correction, ...]]:
    """Return what `correct` will do to the probabilities of a shard, by place of the threshold among all."""
    known = watched(shard, expected, end_us, _past(shard, out))
    steady = np.flatnonzero(~shard.changing[shard.owner])
    return {int(shard.rows[row]): corrections(known, int(row), out.cumulative, lessons) for row in steady}


def _past(shard: Gathered, out: Outcome) -> Floats:
    """Return the daily peaks of a shard, float64 (I, PAST_DAYS), high hurts; of longer steps nothing was learned."""
    peaks = out.history[:, -PAST_DAYS:] * shard.arrays.sign[:, None]
    return np.where(out.step_us[:, None] <= DAY_US, peaks, np.nan)


def _together(parts: Sequence[Watched]) -> Watched:
    before = np.cumsum([0, *(part.daily.shape[0] for part in parts[:-1])])
    owner = np.concatenate([part.owner + start for part, start in zip(parts, before, strict=True)])
    daily, threshold, kind, relative, name, host = (
        np.concatenate([getattr(part, field) for part in parts])
        for field in ("daily", "threshold", "kind", "relative", "name", "host")
    )
    return Watched(daily, owner, threshold, kind, relative, name, host, parts[0].end_us)


def _sample(expected: Expected) -> Ints:
    """Return the places of the series to learn from, by number in the store: so many of each kind."""
    places = np.flatnonzero((np.diff(expected.first_threshold) > 0) & ~expected.excluded)
    stretch = expected.sid[places] // STRETCH
    all_stretches = np.unique(stretch)
    if all_stretches.size > STRETCHES:
        order = np.argsort(shuffled(all_stretches, np.zeros_like(all_stretches)), kind="stable")
        places = places[np.isin(stretch, all_stretches[order[:STRETCHES]])]
    chosen = [np.empty(0, np.int64)]
    for kind in np.unique(expected.kind[places]):
        mine = places[expected.kind[places] == kind]
        rows = expected.series[mine].select("host", "metric", "instance").iter_rows()
        chosen.append(mine[sampled(["\0".join(row) for row in rows], SAMPLE)])
    out = np.concatenate(chosen)
    return out[np.argsort(expected.sid[out], kind="stable")]
