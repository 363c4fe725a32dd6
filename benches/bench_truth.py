"""Are patterns, statuses, probabilities and dates right where the truth is known: simulated courses and walks."""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np
import polars as pl

from capforecast.config import load
from capforecast.run import ingest_sources, nightly
from capforecast.simulate import END_US
from capforecast.simulate.courses import AHEAD_DAYS, KnownFleet, brownian, courses
from capforecast.sources import ReadOptions

CALM = ("ok", "no_trend", "constant")


def judged(made: KnownFleet, folder: Path) -> pl.DataFrame:
    """Return the breach rows of one night over a fleet, beside the truth."""
    folder.mkdir()
    (folder / "limits.csv").write_text(made.limits, encoding="utf-8")
    made.samples.write_parquet(folder / "samples.parquet")
    config = load(None, {"limits.file": str(folder / "limits.csv")})
    ingest_sources(folder / "store", [str(folder / "samples.parquet")], ReadOptions(), config, now_us=END_US)
    tables = nightly(folder / "store", config, now_us=END_US, as_of_us=END_US).tables
    return made.truth.join(tables["breaches"], on="host", suffix="_said", validate="1:1")


def show_courses(rows: pl.DataFrame) -> None:
    """Print how many of each course have the right pattern and status, and how far off the median date is."""
    said, true = pl.col("status").is_in(CALM), pl.col("breach_day").is_null()
    off = ((pl.col("breach_date_p50") - pl.col("run_date")).dt.total_days() - pl.col("breach_day").floor()).abs()
    table = rows.group_by("course", maintain_order=True).agg(
        pl.len().alias("series"),
        (pl.col("pattern") == pl.col("pattern_said")).mean().alias("right pattern"),
        (said == true).mean().alias("right status"),
        pl.col("breach_day").is_not_null().mean().alias("cross"),
        pl.col("p_breach_90d").mean().alias("mean p 90 d"),
        off.median().alias("days off"),
    )
    print(table)
    wrong = rows.filter(pl.col("pattern") != pl.col("pattern_said"))
    print(wrong.group_by("course", "pattern_said").len().sort("course"))


def show_walks(rows: pl.DataFrame) -> None:
    """Print mean probabilities beside those of the law and what happened, and where true dates lie."""
    day = rows.get_column("breach_day").fill_null(np.inf).to_numpy()
    print(f"{'days':>4} {'said':>7} {'law':>7} {'came':>7} {'error':>7} {'Brier':>7} {'of law':>7}")
    for span in (7, 30, 90):
        said, law = rows.get_column(f"p_breach_{span}d").to_numpy(), rows.get_column(f"p_{span}d").to_numpy()
        came = day <= span
        chance = np.sqrt((law * (1 - law)).sum()) / law.size
        briers = ((said - came) ** 2).mean(), ((law - came) ** 2).mean()
        print(
            f"{span:4d} {said.mean():7.3f} {law.mean():7.3f} {came.mean():7.3f} {chance:7.3f}"
            f" {briers[0]:7.3f} {briers[1]:7.3f}"
        )
    early, late = (
        (rows[f"breach_date_{p}"] - rows["run_date"]).dt.total_days().fill_null(AHEAD_DAYS).to_numpy()
        for p in ("p10", "p90")
    )
    true = np.minimum(np.floor(day), AHEAD_DAYS)
    print(
        f"true dates in [p10, p90]: {((true >= early) & (true <= late)).mean():.3f},"
        f" before p10: {(true < early).mean():.3f}, after p90: {(true > late).mean():.3f}"
        " (a date beyond the horizon lies at its end)"
    )


def main() -> None:
    """Simulate, run a night, print."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--courses", type=int, default=100, help="series of each course")
    options.add_argument("--walks", type=int, default=1600, help="Brownian motions with drift")
    options.add_argument("--days", type=int, default=120, help="length of the history")
    chosen = options.parse_args()
    pl.Config.set_tbl_rows(50)
    pl.Config.set_tbl_hide_dataframe_shape(True)
    with tempfile.TemporaryDirectory() as folder:
        show_courses(judged(courses(chosen.courses, days=chosen.days, end_us=END_US), Path(folder) / "courses"))
        show_walks(judged(brownian(chosen.walks, days=chosen.days, end_us=END_US), Path(folder) / "walks"))


if __name__ == "__main__":
    main()
