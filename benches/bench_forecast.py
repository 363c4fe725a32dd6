"""Seconds per series: the whole forecast against statsforecast, same input, same process, one thread, both warm.

Usage: python benches/bench_forecast.py [SERIES [PEER_SERIES]]

The hourly forecast is what a peer would have to do as well: all members, 10 rolling origins, paths, nine
quantiles of every hour, and the probabilities that two thresholds are crossed. The nightly forecast goes on to
90 days: members and up to 24 rolling origins on daily peaks, joined futures, daily quantiles. The peer fits one
model once and forecasts 168 hours, without any of that.
"""

from __future__ import annotations

import sys
import time

import numpy as np
from statsforecast import models

from capforecast import breach
from capforecast.forecast import forecast, quantiles
from capforecast.history import History, Items
from capforecast.outcome import Plan
from capforecast.panel import HOUR_US, Panel
from capforecast.pool import FAR, NEAR, families
from capforecast.shard import run
from capforecast.simulate import matrix

HOURS = 1440


def shard(levels: np.ndarray) -> float:
    """Return the seconds of a whole nightly forecast of all series."""
    count = levels.shape[0]
    near, far, _ = families("pool")
    first = 480_000
    rollups = History(
        np.arange(count + 1) * HOURS,
        np.tile(np.arange(HOURS), count) + first,
        {"p95": np.ascontiguousarray(levels.ravel())},
        HOUR_US,
    )
    items = Items(
        np.arange(count),
        np.ones(count),
        np.array(["p95"] * count, object),
        np.zeros(count),
        np.full(count, 100.0),
        np.full(count, 2),
        np.full(count, 3),
    )
    plan = Plan((first + HOURS) * HOUR_US, 90, near, far, NEAR, FAR)
    start = time.perf_counter()
    run(rollups, items, np.repeat(np.arange(count), 2), np.tile([80.0, 90.0], count), plan)
    return time.perf_counter() - start


def near_only(levels: np.ndarray, horizon: int) -> float:
    """Return the seconds of an hourly forecast with nine quantiles and the probabilities of two thresholds."""
    near, _, _ = families("pool")
    count = levels.shape[0]
    start = time.perf_counter()
    for i in range(0, count, 64):
        part = np.ascontiguousarray(levels[i : i + 64])
        bounds = np.zeros(part.shape[0]), np.full(part.shape[0], 100.0)
        result = forecast(Panel(part, HOUR_US, np.zeros(part.shape[0], np.int64), *bounds), near, horizon, NEAR)
        quantiles(result, np.arange(0.1, 0.95, 0.1))
        future = breach.outlook(result, np.ascontiguousarray(part[:, -2:]), 2, 3)
        owner = np.repeat(np.arange(part.shape[0]), 2)
        breach.probabilities(future, owner, np.tile([80.0, 90.0], part.shape[0]))
    return time.perf_counter() - start


def peer(model: object, levels: np.ndarray) -> float:
    """Return the seconds of one fit and forecast per series."""
    start = time.perf_counter()
    for y in levels:
        model.forecast(y=np.ascontiguousarray(y), h=168)
    return time.perf_counter() - start


PEERS = {
    "AutoETS(24)": lambda: models.AutoETS(season_length=24),
    "MSTL([24, 168])": lambda: models.MSTL(season_length=[24, 168]),
    "SeasonalNaive(24)": lambda: models.SeasonalNaive(season_length=24),
}


def measured(count: int, few: int) -> dict[str, float]:
    """Return seconds per series: of the whole nightly forecast, of hourly ones, and of each peer on a few series."""
    levels = matrix(count, HOURS, seed=1)
    shard(levels[:64])
    near_only(levels[:64], 48)
    found = {"nightly": shard(levels) / count}
    found |= {f"hourly {h}": near_only(levels, h) / count for h in (48, 168)}
    sample = levels[:: max(count // few, 1)][:few]
    for name, make in PEERS.items():
        peer(make(), sample[:1])
        found[name] = peer(make(), sample) / len(sample)
    return found


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    few = int(sys.argv[2]) if len(sys.argv) > 2 else 8
    found = measured(count, few)
    nightly, hourly = found["nightly"], found["hourly 168"]
    print(
        f"capforecast, whole nightly forecast      {nightly * 1e3:9.3f} ms per series ({count} series x {HOURS} hours)"
    )
    for h in (48, 168):
        print(f"capforecast, hourly forecast of {h:3d} h        {found[f'hourly {h}'] * 1e3:9.3f} ms per series")
    for name in PEERS:
        print(
            f"statsforecast {name:18s} {found[name] * 1e3:9.1f} ms per series: "
            f"{found[name] / hourly:8.0f}x the hourly forecast of 168 h, {found[name] / nightly:8.0f}x the nightly one"
        )


if __name__ == "__main__":
    main()
