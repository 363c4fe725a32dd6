"""Peers that take long: models of statsforecast, whose simulated paths say whether a threshold is crossed.

They are asked about a sample of the cases that a hash of their names chooses, and their answers are kept in a file,
so that the next run need not ask again.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable
from hashlib import sha256
from pathlib import Path

import numpy as np
import polars as pl
from contenders import usable
from crossings import Past, Said, shared
from statsforecast import models

PATHS = 200
HISTORY = {True: 28 * 24, False: 800}
"""Steps of history, for hourly and for daily steps."""

LEAST_STEPS = 10
"""Fewer known steps are not fitted."""

COLUMNS = {"case_id": pl.String, "rule": pl.String, "p": pl.Float64, "rank": pl.Float64, "after": pl.Float64}
Simulation = Callable[[np.ndarray, int, int], np.ndarray]


def auto_ets(y: np.ndarray, season: int, steps: int) -> np.ndarray:
    """Return paths (PATHS, steps) of AutoETS, errors drawn from the normal distribution."""
    season = season if y.size >= 2 * season else 1
    return models.AutoETS(season_length=season).simulate(steps, PATHS, y=y, seed=1)


def mstl(y: np.ndarray, season: int, steps: int) -> np.ndarray:
    """Return paths of MSTL: the last seasons repeated, and paths of the AutoETS that goes on with the rest.

    They are NaN where the history is shorter than two seasons.
    """
    seasons = [s for s in (season, 168 if season == 24 else 365) if y.size >= 2 * s]
    if not seasons:
        return np.full((PATHS, steps), np.nan)
    model = models.MSTL(season_length=seasons).fit(y)
    repeated = model.predict(steps)["mean"] - model.trend_forecaster.predict(steps)["mean"]
    return model.trend_forecaster.simulate(steps, PATHS, seed=1) + repeated


SIMULATIONS: dict[str, Simulation] = {"AutoETS": auto_ets, "MSTL": mstl}


def sample(cases: pl.DataFrame, most: int) -> pl.DataFrame:
    """Return at most so many cases of each data set and horizon, chosen by a hash of their names."""
    order = [sha256(name.encode()).hexdigest() for name in cases.get_column("case_id")]
    chosen = cases.with_columns(pl.Series("order", order, pl.String)).sort("order")
    return chosen.group_by("dataset", "horizon_s", maintain_order=True).head(most).drop("order")


def steps_of(past: Past) -> tuple[np.ndarray, int, int]:
    """Return the highest held level per hour (or day), a season in such steps, and the buckets of a step.

    Steps end with the last bucket from which on a level could be held before the cutoff.
    """
    width = max(past.day // 24, 1)
    held = past.held[past.held.size % width :]
    tops = held.reshape(-1, width).max(axis=1)
    hourly = past.day > 1
    return np.where(np.isinf(tops), np.nan, tops)[-HISTORY[hourly] :], 24 if hourly else 7, width


def asked(past: Past, simulate: Simulation) -> Said:
    """Return what the paths of a model say; NaN where it cannot be fitted."""
    levels, season, width = steps_of(past)
    if (~np.isnan(levels)).sum() < LEAST_STEPS:
        return Said(float("nan"), float("nan"))
    y = usable(levels, season if levels.size >= 2 * season else 1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        paths = simulate(y, season, -(-past.horizon // width))
    if np.isnan(paths).all():
        return Said(float("nan"), float("nan"))
    said = shared(np.nan_to_num(paths, nan=-np.inf), past.threshold)
    return Said(said.p, said.rank, said.after * width)


def answers(cases: pl.DataFrame, known: Iterable[Past | None], directory: Path) -> pl.DataFrame:
    """Return case_id, rule, p, rank and after (buckets) of all models for some cases, asking for what is not kept."""
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / "simulated_peers.parquet"
    kept = pl.read_parquet(path) if path.exists() else pl.DataFrame(schema=COLUMNS)
    there = set(kept.select("case_id", "rule").iter_rows())
    fresh = []
    for case, past in zip(cases.get_column("case_id"), known, strict=True):
        for name, simulate in SIMULATIONS.items():
            if past is not None and (case, name) not in there:
                said = asked(past, simulate)
                fresh.append((case, name, said.p, said.rank, said.after))
    kept = pl.concat([kept, pl.DataFrame(fresh, COLUMNS, orient="row")])
    if fresh:
        kept.write_parquet(path)
    return kept.join(cases.select("case_id"), on="case_id", how="semi")
