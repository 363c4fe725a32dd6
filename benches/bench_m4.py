"""Accuracy on M4: the 414 hourly series and the 74 daily ones at hand, with published forecasts beside ours.

Usage: python benches/bench_m4.py

Which members compete was chosen by backward elimination on the series with even numbers (sorted by name)
and the even half of the server data of `bench_server.py`; the numbers of the recipes with both halves in view.
Both halves are printed. sMAPE, MASE and OWA are those of the competition;
the harness is right when Naive2 gives 18.383 / 2.395 on the hourly set. WQL is the mean over
0.1 ... 0.9.
"""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import polars as pl

from capforecast.adhoc import forecast_frame

DATA = Path(__file__).resolve().parents[2] / "shared" / "datasets"
CHANCES = tuple(round(0.1 * q, 1) for q in range(1, 10))


def series_of(path: Path) -> dict[str, np.ndarray]:
    frame = pl.read_parquet(path).with_columns(pl.col("series_id").cast(pl.String)).sort("series_id", "ts")
    groups = frame.group_by("series_id", maintain_order=True).agg("value")
    return {name: np.array(values) for name, values in groups.iter_rows()}


def naive2(y: np.ndarray, season: int, horizon: int) -> np.ndarray:
    """Return the naive forecast of the seasonally adjusted series, when a 90 % test finds a season."""
    n = y.size
    ahead = np.arange(horizon)
    if season > 1 and n >= 3 * season:
        centred = y - y.mean()
        acf = np.array([np.sum(centred[k:] * centred[: n - k]) for k in range(season + 1)]) / np.sum(centred**2)
        if abs(acf[season]) > 1.645 * np.sqrt((1 + 2 * np.sum(acf[1:season] ** 2)) / n):
            kernel = np.ones(season + 1 - season % 2)
            if season % 2 == 0:
                kernel[[0, -1]] = 0.5
            smooth = np.convolve(y, kernel / kernel.sum(), "valid")
            first = season // 2
            ratio = y[first : first + smooth.size] / smooth
            phase = np.arange(first, first + smooth.size) % season
            factor = np.array([ratio[phase == p].mean() for p in range(season)])
            factor /= factor.mean()
            return y[-1] / factor[(n - 1) % season] * factor[(n + ahead) % season]
    return np.full(horizon, y[-1])


def measures(truth: np.ndarray, forecast: np.ndarray, scale: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return sMAPE in percent and MASE per series."""
    size = np.abs(truth) + np.abs(forecast)
    relative = np.divide(2 * np.abs(truth - forecast), size, out=np.zeros_like(size), where=size > 0)
    return 100 * relative.mean(axis=1), np.abs(truth - forecast).mean(axis=1) / scale


def ours(
    train: dict[str, np.ndarray], step_us: int, step: str, horizon: str, steps: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return point forecasts (S, H) and quantiles (S, H, 9)."""
    frame = pl.concat(
        [
            pl.DataFrame({"host": name, "metric": "m4", "ts": np.arange(y.size, dtype=np.int64) * step_us, "value": y})
            for name, y in train.items()
        ]
    )
    out = forecast_frame(frame, horizon=horizon, step=step, quantiles=CHANCES).sort("host", "ts")
    bands = out.select(f"q{p:g}" for p in CHANCES).to_numpy().reshape(len(train), steps, len(CHANCES))
    return out["mean"].to_numpy().reshape(len(train), steps), bands


def published(path: Path, names: list[str], steps: int) -> dict[str, np.ndarray]:
    frame = pl.read_parquet(path).with_columns(pl.col("series_id", "method").cast(pl.String))
    out = {}
    for (method,), part in frame.sort("method", "series_id", "step").group_by("method", maintain_order=True):
        if part["series_id"].unique().sort().to_list() == names and part.height == len(names) * steps:
            out[str(method)] = part["forecast"].to_numpy().reshape(len(names), steps)
    return out


def study(title: str, stem: str, season: int, step_us: int, step: str, horizon: str, steps: int) -> None:
    train = series_of(DATA / f"{stem}_train.parquet")
    test = series_of(DATA / f"{stem}_test.parquet")
    names = sorted(train)
    truth = np.stack([test[name] for name in names])
    scale = np.array([np.abs(train[n][season:] - train[n][:-season]).mean() for n in names])
    start = time.perf_counter()
    mean, bands = ours(train, step_us, step, horizon, steps)
    seconds = time.perf_counter() - start
    methods = {"naive2": np.stack([naive2(train[n], season, steps) for n in names])}
    methods |= published(DATA / f"{stem}_published_forecasts.parquet", names, steps)
    methods |= {"capforecast mean": mean, "capforecast median": bands[:, :, 4]}
    base = measures(truth, methods["naive2"], scale)
    even = np.arange(len(names)) % 2 == 0
    print(f"\n{title}: {len(names)} series, {steps} steps; {seconds:.1f} s with kernels from cache or not")
    print(f"{'method':24s} {'sMAPE':>8s} {'MASE':>7s} {'OWA':>7s} {'even':>7s} {'odd':>7s}")
    for name, forecast in methods.items():
        smape, mase = measures(truth, forecast, scale)
        owa = [
            0.5 * (smape[s].mean() / base[0][s].mean() + mase[s].mean() / base[1][s].mean())
            for s in (even | True, even, ~even)
        ]
        print(f"{name:24s} {smape.mean():8.3f} {mase.mean():7.3f} {owa[0]:7.3f} {owa[1]:7.3f} {owa[2]:7.3f}")
    for name, part in (("all", even | True), ("even", even), ("odd", ~even)):
        miss = truth[part][:, :, None] - bands[part]
        chances = np.array(CHANCES)
        loss = 2 * np.maximum(chances * miss, (chances - 1) * miss).sum(axis=(0, 1)) / np.abs(truth[part]).sum()
        inside = ((truth[part] >= bands[part][:, :, 0]) & (truth[part] <= bands[part][:, :, 8])).mean()
        print(f"capforecast, {name:4s} series: WQL {loss.mean():.4f}, 80 % coverage {inside:.3f}")


def main() -> None:
    if not (DATA / "m4_hourly_train.parquet").exists():
        raise SystemExit(f"the public data sets are not here: {DATA}")
    study("M4 hourly", "m4_hourly", 24, 3_600_000_000, "1h", "48h", 48)
    study("M4 daily, part", "m4_daily_part", 1, 86_400_000_000, "1d", "14d", 14)


if __name__ == "__main__":
    main()
