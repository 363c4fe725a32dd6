"""Compile every kernel ahead of its use: the product works once on little data of every kind."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import polars as pl

from capforecast import registry
from capforecast.adhoc import forecast_frame
from capforecast.compiler import Counts, counts
from capforecast.config import load
from capforecast.errors import StoreError
from capforecast.replay import replay
from capforecast.run import ingest_sources, nightly
from capforecast.settings import KindSettings
from capforecast.simulate import END_US, matrix
from capforecast.sources import ReadOptions
from capforecast.times import DAY_US, HOUR_US

STEPS = {"1h": (HOUR_US, 1080), "1d": (DAY_US, 120), "7d": (7 * DAY_US, 60)}
"""Steps of the simulated series and how many of each: every recipe, season and splice that there is."""
METRICS = ("cpu_util_pct", "mem_available_bytes", "requests_total")
"""Metrics that hurt when they are high or low, bounded and not; the last one is a counter."""
NOT_COMPILED = ("statsforecast",)
"""Models of others."""


def warmup(progress: Callable[[str, int, int | None], None] | None = None) -> Counts:
    """Compile what is not kept yet, by forecasting simulated samples in every way that there is.

    Parameters
    ----------
    progress : callable, optional
        Called with a stage, what is done of it, and of how much.

    Raises
    ------
    StoreError
        There is no room for temporary files.
    """
    samples = _samples()
    models = ["pool", *(name for name in registry.names("model") if name not in NOT_COMPILED)]
    with _folder() as folder:
        _every_night(folder, samples)
    for done, model in enumerate(models):
        if progress is not None:
            progress("warm up", done, len(models))
        for step, (step_us, _) in STEPS.items():
            frame = samples.filter(host=step)
            forecast_frame(frame, horizon=f"{3 * step_us // DAY_US or 2}d", step=step, model=model)
            if model == models[0]:
                replay(_cases(step, step_us), frame)
    return counts()


def _every_night(folder: Path, samples: pl.DataFrame) -> None:
    """Take samples into a store and do the job of two nights: the second judges what the first foretold."""
    path = str(folder / "samples.parquet")
    samples.write_parquet(path)
    options = {
        "store.path": str(folder / "store"),
        "limits.file": str(folder / "limits.csv"),
        "run.horizon": "30d",
        "run.threads": 1,
    }
    counter = KindSettings(name="counter", nature="counter", patterns=(METRICS[-1],))
    config = load(None, options, environ={}).model_copy(update={"kinds": (counter,)})
    (folder / "limits.csv").write_text(
        "host,metric,instance,threshold_name,threshold,direction,service\n"
        "*,mem_available_bytes,,warning,10,below,all\n"
        "*,mem_available_bytes,,full,1e9,above,all\n"
    )
    ingest_sources(config.store.path, [path], ReadOptions(), config, as_of_us=END_US, now_us=END_US)
    for moment_us in (END_US - 7 * DAY_US, END_US):
        nightly(config.store.path, config, now_us=END_US, as_of_us=moment_us)


def _samples() -> pl.DataFrame:
    """Return series of each metric on each step, up to the end of the simulation."""
    frames = []
    for row, (step, (step_us, count)) in enumerate(STEPS.items()):
        levels = matrix(len(METRICS) * (row + 1), count, seed=7)[-len(METRICS) :]
        for metric, values in zip(METRICS, levels, strict=True):
            ts = END_US - step_us * np.arange(count, 0, -1)
            frames.append(
                pl.DataFrame({"ts": ts, "value": values})
                .with_columns(pl.col("ts").cast(pl.Datetime("us", "UTC")))
                .select(pl.lit(step).alias("host"), pl.lit(metric).alias("metric"), "ts", "value")
            )
    return pl.concat(frames)


def _cases(step: str, step_us: int) -> pl.DataFrame:
    cases = {
        "case_id": [f"{metric} {direction}" for metric in METRICS for direction in ("above", "below")],
        "host": step,
        "metric": [metric for metric in METRICS for _ in range(2)],
        "direction": ["above", "below"] * len(METRICS),
        "threshold": 50.0,
        "cutoff": END_US - 4 * step_us,
        "horizon_s": max(step_us, DAY_US) // 1_000_000 * 3,
    }
    return pl.DataFrame(cases).with_columns(pl.col("cutoff").cast(pl.Datetime("us", "UTC")))


@contextmanager
def _folder() -> Iterator[Path]:
    try:
        made = tempfile.TemporaryDirectory(prefix="capforecast-warmup-")
    except OSError as error:
        raise StoreError(
            "warming up must have a directory for temporary files", got=error.strerror, do="Set TMPDIR to one"
        ) from error
    with made as folder:
        yield Path(folder)
