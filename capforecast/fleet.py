"""What the past windows of all series teach about the cases of a replay, never from anything after a case's cutoff."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from capforecast.asof import Answer, Forecaster, Rule, levels_of
from capforecast.grouped import Grouped
from capforecast.learned import Learned, bent
from capforecast.learning import Manner, learn
from capforecast.panel import Floats, Ints
from capforecast.windows import Fleet, draw, numbered

SLICES = 6
"""Cases are sorted by cutoff and cut into so many slices; each is judged by what was known at its first cutoff."""

TESTED_BEFORE = (0.5, 0.75)
"""Parts of the time before the first cutoff after which what was learned is tested."""

FEW_THRESHOLDS = 4
"""So many thresholds are one rule; more stand to the level of their time."""

MOST_SERIES = 4_000
"""Series of one kind that are looked at."""

CASES = Manner(alike=1.0, doubted=11.0, rules=0.5)
"""Cases are few per series, those that crossed are sought out, and one cause may be behind many: series count alike,
few periods are little, and in a small fleet plain rules stand beside the paths. Set by the scores of public crossings:
with all their hosts in view how far to doubt, and which rules stand beside; how much these weigh, on the even half."""

GROUP = ("kind", "direction", "step_us", "bucket_us", "sustain_us")


@dataclass(frozen=True, slots=True)
class Lesson:
    """What was learned for the cases of one kind and horizon, from a moment on."""

    kind: str
    horizon_us: int
    from_us: int
    learned: Learned


def taught(
    cases: pl.DataFrame,
    answers: Sequence[Answer],
    averaged: Mapping[int, Grouped],
    forecasters: Mapping[int, Forecaster],
) -> tuple[list[Answer], list[Lesson]]:
    """Return the answers as past windows correct them, and what was learned.

    Parameters
    ----------
    cases : DataFrame
        At least one row: row, series, metric, kind, direction, threshold, lower, upper, cutoff_us, horizon_us, step_us,
        bucket_us and sustain_us.
    answers : sequence of Answer
        What the paths foresee.
    averaged : mapping of Grouped
        Samples by width of bucket; times are numbers of buckets, series carry `kind`.
    forecasters : mapping of Forecaster
        Forecast by width of step; its number of steps is replaced.
    """
    chances = np.full(int(cases.get_column("row").to_numpy().max()) + 1, np.nan)
    inputs = {int(row): (answer, i) for answer in answers for i, row in enumerate(answer.rows)}
    lessons: list[Lesson] = []
    for part in cases.sort("row").partition_by(*GROUP, maintain_order=True):
        lessons += _group(part, inputs, averaged, forecasters, chances)
    out = []
    for answer in answers:
        last = np.array([answer.curves.shape[1]], np.int64)
        curves = bent(answer.curves, last, chances[answer.rows][:, None])
        out.append(Answer(answer.rows, curves, answer.over, answer.inputs, answer.end_us, answer.step_us))
    return out, lessons


def _group(
    part: pl.DataFrame,
    inputs: Mapping[int, tuple[Answer, int]],
    averaged: Mapping[int, Grouped],
    forecasters: Mapping[int, Forecaster],
    chances: Floats,
) -> list[Lesson]:
    """Learn for the cases of one kind and rule, write their probabilities into ``chances``."""
    rule = Rule(part.item(0, "bucket_us"), part.item(0, "step_us"), part.item(0, "sustain_us"))
    fleet, bounds = _fleet(part, averaged[rule.bucket_us], rule)
    if not fleet.names:
        return []
    horizon = part.get_column("horizon_us").to_numpy()
    steps = np.maximum(-(-horizon // rule.step_us), 1)
    lengths = np.unique(steps)
    cutoffs = np.sort(part.get_column("cutoff_us").to_numpy())
    firsts = np.unique(cutoffs[np.arange(SLICES) * cutoffs.size // SLICES])
    oldest = int(fleet.begin.min()) * rule.step_us
    early = [oldest + int((firsts[0] - oldest) * share) for share in TESTED_BEFORE]
    moments = [moment for moment in early if moment < firsts[0]] + [int(moment) for moment in firsts]
    usual = forecasters[rule.step_us]
    ahead = Forecaster(usual.models, usual.recipe, rule.step_us, int(lengths[-1]))

    def futures(levels: Floats, end_us: Ints, series: Ints, owner: Ints, threshold: Floats) -> Floats:
        return ahead.curves(levels, end_us, (bounds[0][series], bounds[1][series]), owner, threshold)

    lessons: list[Lesson] = []
    for length, windows in zip(lengths, draw(fleet, lengths.tolist(), moments, rule.span, futures), strict=True):
        found = learn(windows, moments, CASES)
        own = part.filter(pl.Series(steps == length))
        slot = np.searchsorted(moments, own.get_column("cutoff_us").to_numpy(), "right") - 1
        for number in np.unique(slot):
            rows = [row for row in own.filter(pl.Series(slot == number)).get_column("row") if row in inputs]
            if rows and found[number].corrects:
                chances[rows] = found[number].chances(np.stack([inputs[row][0].inputs[inputs[row][1]] for row in rows]))
            lessons.append(Lesson(part.item(0, "kind"), int(length) * rule.step_us, moments[number], found[number]))
    return lessons


def _fleet(part: pl.DataFrame, data: Grouped, rule: Rule) -> tuple[Fleet, tuple[Floats, Floats]]:
    """Return all series of the cases' kind that a threshold watches, and their bounds."""
    sign = -1.0 if part.item(0, "direction") == "below" else 1.0
    measured = pl.Series(np.diff(data.starts) > 0)
    kin = data.series.with_row_index("place").filter((pl.col("kind") == part.item(0, "kind")) & measured)
    watched = _watched(part, kin)
    names = ["\0".join(row) for row in kin.select("host", "metric", "instance").iter_rows()]
    chosen = [i for i, thresholds in enumerate(watched) if thresholds is not None]
    chosen = sorted(sorted(chosen, key=lambda i: numbered(names[i]))[:MOST_SERIES])
    kin = kin[chosen]
    levels, peaks, begin = levels_of(data, kin.get_column("place").to_numpy().astype(np.int64), sign, rule)
    hosts = kin.get_column("host").to_list()
    thresholds = [np.array(watched[i], float) * sign for i in chosen]
    lower, upper = part.item(0, "lower") * sign, part.item(0, "upper") * sign
    bounds = np.full(len(chosen), min(lower, upper)), np.full(len(chosen), max(lower, upper))
    return Fleet(levels, peaks, begin, rule.step_us, [names[i] for i in chosen], hosts, thresholds), bounds


def _watched(part: pl.DataFrame, kin: pl.DataFrame) -> list[list[float] | None]:
    """Return the thresholds that watch each series of a kind in the past: none, few, or (empty) those of its level.

    Few thresholds of a metric watch all its series; few of a series watch it alone. A series with many has
    thresholds that stand to its level.
    """
    by_metric = dict(part.group_by("metric").agg(pl.col("threshold").unique().sort()).iter_rows())
    by_series = dict(part.group_by("series").agg(pl.col("threshold").unique().sort()).iter_rows())
    out: list[list[float] | None] = []
    for place, metric in kin.select("place", "metric").iter_rows():
        own, common = by_series.get(place), by_metric.get(metric)
        if common is not None and len(common) <= FEW_THRESHOLDS:
            out.append(common)
        else:
            out.append(None if own is None else own if len(own) <= FEW_THRESHOLDS else [])
    return out
