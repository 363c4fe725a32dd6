"""How many candidates a case of the breach bench stands for, by label and by role.

The case table's own weights count candidates by label alone. But it holds as many quiet cases of series that also
breached (role ``matched``) as of all others together, where by nature they are a few in a hundred; with those weights
an honest probability for such a series looks several times too high. Here every candidate is found again by the rules
of the table, so that each role counts for what it is. Where all cases are matched there is nothing to undo.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np
import polars as pl
from breach_cases import SECOND_US, grid
from crossings import held

from capforecast.grouped import group

WIDTH_S = 300
WEEK = 7 * 24 * 12
K = 3
"""Buckets in a row that make a crossing."""

STRATUM = ("dataset", "metric", "threshold", "horizon_s")
KNOWN_BEFORE, KNOWN_AFTER, NEAR = 0.6, 0.8, 0.7
"""Share of the buckets that must be known before and after a cutoff; part of the threshold that is near."""


@dataclass(frozen=True)
class Draw:
    """How the candidates of a data set were drawn, in buckets of five minutes.

    Attributes
    ----------
    apart : int
        Buckets between two cutoffs.
    history : int
        Least history before a cutoff.
    quiet : int
        Buckets before a cutoff that must be below the threshold.
    """

    apart: int
    history: int
    quiet: int


DRAWN = {"bitbrains_faststorage": Draw(72, 7 * 288, 24), "smd": Draw(72, 7 * 288, 24)}
"""Data sets with fixed thresholds, long histories without breaks and cases of several roles."""


def count(flags: np.ndarray, start: np.ndarray, stop: np.ndarray) -> np.ndarray:
    """Return how many flags are set from each start to before each stop; places outside count as not set."""
    total = np.concatenate(([0], np.cumsum(flags)))
    return total[np.clip(stop, 0, flags.size)] - total[np.clip(start, 0, flags.size)]


def candidates(
    first: int, values: np.ndarray, draw: Draw, threshold: float, horizon: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return of each candidate of one series whether it breached, and whether the week before came near.

    Parameters
    ----------
    first : int
        Bucket of the epoch of the first value.
    values : float64 (n,)
        Mean per bucket, NaN where nothing was measured; the first is known.
    draw : Draw
        Rules of the data set.
    threshold, horizon : float, int
        The question.
    """
    cuts = np.arange(-first % draw.apart, values.size - horizon + 1, draw.apart)
    known = ~np.isnan(values)
    use = (cuts >= draw.history) & (count(known, cuts * 0, cuts) >= KNOWN_BEFORE * cuts)
    use &= count(known, cuts, cuts + horizon) >= KNOWN_AFTER * horizon
    use &= count(values >= threshold, cuts - draw.quiet, cuts) == 0
    cuts = cuts[use]
    breached = count(held(values, K) >= threshold, cuts, cuts + horizon) > 0
    return breached, count(values >= NEAR * threshold, cuts - WEEK, cuts) > 0


def counted(cases: pl.DataFrame, samples: pl.DataFrame) -> pl.DataFrame:
    """Return the number of candidates of one data set by stratum, label and role."""
    data = group(samples)
    averaged, draw = data.bucketed(WIDTH_S * SECOND_US), DRAWN[cases.item(0, "dataset")]
    rows = []
    asked = {metric: part for (metric,), part in cases.select(STRATUM).unique().group_by("metric")}
    for series, metric in enumerate(data.series.get_column("metric")):
        first, values = grid(averaged, series)
        for dataset, _, threshold, horizon in asked[metric].iter_rows() if values.size else ():
            label, near = candidates(first, values, draw, threshold, horizon // WIDTH_S)
            for breached, close in product((False, True), (False, True)):
                role = "matched" if label.any() else "near" if close else "far"
                size = int(((label == breached) & (near == close)).sum())
                rows.append((dataset, metric, threshold, horizon, breached, role, size))
    columns = [*STRATUM, "breached", "role", "candidates"]
    return pl.DataFrame(rows, columns, orient="row").group_by(columns[:-1]).agg(pl.col("candidates").sum())


def natural_weights(cases: pl.DataFrame, samples: pl.DataFrame) -> pl.DataFrame:
    """Return case_id and ``natural``, the candidates of its stratum, label and role that each case stands for."""
    if cases.item(0, "dataset") not in DRAWN:
        return cases.select("case_id", natural="weight")
    keys = [*STRATUM, "breached", "role"]
    # A positive is of a series that breached, whatever role it was listed with.
    cases = cases.with_columns(role=pl.when("breached").then(pl.lit("matched")).otherwise("role"))
    joined = cases.join(counted(cases, samples), on=keys, how="left", maintain_order="left")
    return joined.select("case_id", natural=pl.col("candidates") / pl.len().over(keys))
