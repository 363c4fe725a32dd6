"""Accuracy on daily growth: stored bytes of public repositories, 30, 90 and 180 days ahead, with peers beside.

Usage: python benches/bench_growth.py [--only ours] [--origins N]

Up to 8 rolling origins, 137 days apart, for each of 38 series; at most 800 days of history before each and at
least 120. `--only ours` leaves out all peers but the plain one, which repeats the last value with the quantiles
of its own past changes. Prophet is measured when it is installed, a piecewise linear trend after its manner
always.

CRPS is twice the mean pinball loss over 0.1 ... 0.9: divided by the mean absolute daily change of the training
window (mean and median over the cases), in percent of the last level, and as geometric mean of the ratio to the
plain peer. Cases whose history never changed are left out and counted.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import numpy as np
import polars as pl
from contenders import Peer, ours, seasonal_naive, statsforecast, usable
from piecewise import piecewise
from scores import CHANCES, Scores, scale_of, score
from series import DATA, Cases, bounds, windows
from statsforecast import models

from capforecast.panel import DAY_US

HISTORY, LEAST, LONGEST = 800, 120, 180
HORIZONS = (30, 90, 180)
BETWEEN = 137
OURS = "capforecast"
PLAIN = "last value"


def cases(most: int) -> Cases:
    """Return the cases: the last origin of a series leaves 180 days to measure."""
    frame = (
        pl.read_parquet(DATA / "git_growth.parquet")
        .with_columns(pl.col("series_id", "metric", "unit").cast(pl.String))
        .with_columns(day=pl.col("ts").dt.epoch("ms") // (DAY_US // 1000))
        .sort("series_id", "metric", "day")
    )
    kept: list[tuple[np.ndarray, str, int, int, float, float]] = []
    groups = frame.group_by("series_id", "metric", "unit", maintain_order=True).agg("day", "value")
    for number, (name, metric, unit, day, value) in enumerate(groups.iter_rows()):
        days, values = np.array(day, np.int64), np.array(value, float)
        for k in range(most):
            origin = int(days[-1]) + 1 - LONGEST - k * BETWEEN
            row = windows(days, values, origin, LONGEST, HISTORY)
            if (~np.isnan(row[:HISTORY])).sum() >= LEAST and not np.isnan(row[HISTORY - 1]):
                kept.append((row, f"{name} {metric}", origin, number, *bounds(metric, unit, row[:HISTORY])))
    rows = np.array([case[0] for case in kept])
    origins, number = (np.array([case[i] for case in kept], np.int64) for i in (2, 3))
    lower, upper = (np.array([case[i] for case in kept], float) for i in (4, 5))
    names = [case[1] for case in kept]
    return Cases(rows[:, :HISTORY].copy(), rows[:, HISTORY:].copy(), names, origins, number, lower, upper)


def per_series(one: Callable[[np.ndarray, int], np.ndarray]) -> Peer:
    """Return a peer out of a forecast of one series without gaps."""
    return lambda train, horizon: np.stack([one(usable(row, 7), horizon) for row in train])


def prophet() -> Peer | None:
    """Return Prophet as a peer, None when it is not installed (``pip install prophet``)."""
    try:
        from prophet import Prophet
    except ModuleNotFoundError:
        return None
    import logging

    import pandas as pd

    logging.getLogger("cmdstanpy").setLevel(logging.ERROR)

    def one(y: np.ndarray, horizon: int) -> np.ndarray:
        days = pd.date_range("2020-01-01", periods=y.size + horizon, freq="D")
        np.random.seed(1)  # noqa: NPY002 - Prophet draws from the global generator
        model = Prophet().fit(pd.DataFrame({"ds": days[: y.size], "y": y}))
        draws = model.predictive_samples(pd.DataFrame({"ds": days[y.size :]}))["yhat"]
        return np.quantile(draws, CHANCES, axis=1).T

    return per_series(one)


def peers() -> dict[str, Peer]:
    """Return the peers of daily growth."""
    found: dict[str, Peer | None] = {
        "Theta": statsforecast(lambda: models.Theta(season_length=1), 7),
        "AutoTheta(7)": statsforecast(lambda: models.AutoTheta(season_length=7), 7),
        "AutoETS(7)": statsforecast(lambda: models.AutoETS(season_length=7), 7),
        "RandomWalkWithDrift": statsforecast(lambda: models.RandomWalkWithDrift(), 7),
        "piecewise linear trend": per_series(lambda y, horizon: piecewise(y, horizon, CHANCES)),
        "Prophet": prophet(),
    }
    return {name: peer for name, peer in found.items() if peer is not None}


def table(data: Cases, scored: dict[str, Scores], horizon: int) -> None:
    """Print all methods; the last two columns are capforecast's mean and geometric mean over the method's."""
    scale, level = scale_of(data.train, 1), np.abs(data.train[:, -1])
    moves = (scale > 0) & (level > 0)
    print(f"\ndaily growth, {horizon} days ahead: {len(data)} cases, {int((~moves).sum())} of them never changed")
    even = data.number % 2 == 0
    for half, rows in {"all": even | True, "even": even, "odd": ~even}.items():
        use = rows & moves
        head = ("CRPS", "median", "% level", "x plain", "in 80%", "ours/it", "geom.")
        print(f"{half:26s}" + "".join(f"{word:>9s}" for word in head))
        unit = {name: got.crps[use] / scale[use] for name, got in scored.items()}
        # One hundredth of the scale is added, so that a perfect forecast of an idle series is no infinity.
        size = {name: float(np.exp(np.log(one + 0.01).mean())) for name, one in unit.items()}
        for name, one in unit.items():
            share = 100 * scored[name].crps[use] / level[use]
            row = [one.mean(), np.median(one), share.mean(), size[name] / size[PLAIN], scored[name].inside[use].mean()]
            row += [unit[OURS].mean() / one.mean(), size[OURS] / size[name]]
            print(f"  {name:24s}" + "".join(f"{x:9.3f}" for x in row))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=["ours"])
    parser.add_argument("--origins", type=int, default=8)
    options = parser.parse_args()
    if not (DATA / "git_growth.parquet").exists():
        raise SystemExit(f"the public data sets are not here: {DATA}")
    data = cases(options.origins)
    bands, spent = {}, {}
    for name, peer in {} if options.only else peers().items():
        start = time.perf_counter()
        bands[name] = peer(data.train, LONGEST)
        spent[name] = (time.perf_counter() - start) / len(data)
    for horizon in HORIZONS:
        truth = data.truth[:, :horizon]
        start = time.perf_counter()
        made = {OURS: ours(data.train, horizon, data.lower, data.upper, DAY_US)[1]}
        spent[OURS] = (time.perf_counter() - start) / len(data)
        made |= {PLAIN: seasonal_naive(data.train, horizon, 1)}
        made |= {name: band[:, :horizon] for name, band in bands.items()}
        table(data, {name: score(truth, band) for name, band in made.items()}, horizon)
    print("\nseconds per case: " + ", ".join(f"{name} {seconds:.4f}" for name, seconds in spent.items()))


if __name__ == "__main__":
    main()
