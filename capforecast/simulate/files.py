"""A simulated fleet as files in the input format, and the small sample that lies in data/."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import polars as pl

from capforecast.simulate.fleets import Fleet, fleet
from capforecast.simulate.plan import CPU, DISK, MEMORY, NETWORK
from capforecast.times import HOUR_US

SAMPLES_NAME = "samples.csv"
LIMITS_NAME = "limits.csv"
SAMPLE_DAYS = 14
SAMPLE_SEED = 7
SAMPLE_SERIES = (
    ("web-03", CPU, ""),
    ("web-03", MEMORY, ""),
    ("web-03", DISK, "/var"),
    ("db-02", CPU, ""),
    ("db-02", MEMORY, ""),
    ("db-02", DISK, "/data"),
    ("cache-02", CPU, ""),
    ("cache-02", MEMORY, ""),
    ("cache-02", NETWORK, "eth0"),
)


def sample() -> Fleet:
    """Return the small fleet of data/: 14 days of nine hourly series of three hosts."""
    whole = fleet(days=SAMPLE_DAYS, seed=SAMPLE_SEED, step_us=HOUR_US, hosts={host for host, _, _ in SAMPLE_SERIES})
    wanted = pl.DataFrame(SAMPLE_SERIES, schema=["host", "metric", "instance"], orient="row")
    return replace(
        whole,
        samples=_only(whole.samples, wanted).sort("host", "metric", "instance", "ts"),
        truth=_only(whole.truth, wanted).sort("host", "metric", "instance", "threshold"),
    )


def write(made: Fleet, directory: Path) -> list[Path]:
    """Write samples.csv (host, metric, instance, ts, value, unit) and limits.csv into a directory.

    Returns
    -------
    list of Path
        The files that were written. Existing ones are replaced; the truth is not written.
    """
    directory.mkdir(0o775, parents=True, exist_ok=True)
    samples, limits = directory / SAMPLES_NAME, directory / LIMITS_NAME
    samples.write_bytes(samples_csv(made.samples).encode())
    limits.write_bytes(made.limits.encode())
    return [samples, limits]


def samples_csv(samples: pl.DataFrame) -> str:
    """Return samples as long CSV with a header, moments as ``2026-05-06T00:00:00Z``."""
    whole = pl.col("value") == pl.col("value").round(0)
    text = pl.col("value").cast(pl.String)
    return samples.select(
        "host",
        "metric",
        pl.when(pl.col("instance") != "").then("instance").alias("instance"),
        pl.col("ts").dt.strftime("%Y-%m-%dT%H:%M:%SZ"),
        pl.when(whole).then(pl.col("value").cast(pl.Int64).cast(pl.String)).otherwise(text).alias("value"),
        "unit",
    ).write_csv()


def _only(frame: pl.DataFrame, wanted: pl.DataFrame) -> pl.DataFrame:
    return frame.join(wanted, on=["host", "metric", "instance"], how="semi")
