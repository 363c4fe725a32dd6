"""Totals of services, teams and sites against what came, beside the sums of the quantiles of their series.

Usage: python benches/bench_totals.py [SEED...]

Each seed (1 to 4 by default) is a simulated fleet of 130 days, forecast as of 30 days before its end: the share of
totals that stayed at or below their median and their 0.9 quantile, the same of the sums of the quantiles of the
series, and the mean error of the medians in percent of what came, beside that of the level of then.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator
from pathlib import Path

import polars as pl

import capforecast as cf
from capforecast import simulate
from capforecast.config import load

DAY_US, AHEAD = 86_400_000_000, 30
SERIES = ["host", "metric", "instance"]


def totals_of(seed: int, folder: Path) -> Iterator[dict[str, float]]:
    """Yield each total of a fleet: what was said of it, and what came of the same series."""
    made = simulate.fleet(days=130, seed=seed)
    made.samples.write_parquet(folder / "samples.parquet")
    (folder / "limits.csv").write_text(made.limits, encoding="utf-8")
    given = {"store.path": str(folder / "store"), "limits.file": str(folder / "limits.csv"), "run.learning": False}
    config = load(None, given, environ={})
    cf.ingest(folder / "samples.parquet", config=config, as_of=simulate.END_US)
    then = cf.run(config=config, as_of=simulate.END_US - AHEAD * DAY_US).tables
    totals, breaches = then["totals"], then["breaches"]
    days = cf.run(config=config, as_of=simulate.END_US).tables["forecasts"].filter(direction="above")
    came = days.drop_nulls("actual").filter(pl.col("day") == pl.col("day").max()).select(*SERIES, "actual")
    rows = breaches.filter(pl.col("forecast_30d_p50").is_not_null(), threshold_name="warning").join(came, on=SERIES)
    for total in totals.filter(threshold_name="warning").iter_rows(named=True):
        mine = rows.filter(pl.col(total["label"]) == total["name"], metric=total["metric"])
        if total["forecast_30d_p50"] is not None and mine.height == total["series"]:
            yield {
                "came": mine["actual"].sum(), "now": total["current"],
                "p50": total["forecast_30d_p50"], "p90": total["forecast_30d_p90"],
                "sum50": mine["forecast_30d_p50"].sum(), "sum90": mine["forecast_30d_p90"].sum(),
            }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("seeds", nargs="*", type=int, default=[1, 2, 3, 4])
    found: list[dict[str, float]] = []
    for seed in parser.parse_args().seeds:
        with tempfile.TemporaryDirectory() as folder:
            found += totals_of(seed, Path(folder))
        rows = pl.DataFrame(found)
        held = {name: (rows["came"] <= rows[name]).mean() for name in ("p50", "p90", "sum50", "sum90")}
        off = {name: ((rows[name] - rows["came"]).abs() / rows["came"]).mean() for name in ("p50", "sum50", "now")}
        print(f"up to seed {seed}: {rows.height} totals, {AHEAD} days ahead")
        print("  at or below " + ", ".join(f"{name} {100 * share:.0f} %" for name, share in held.items()))
        print("  mean error of " + ", ".join(f"{name} {100 * share:.1f} %" for name, share in off.items()), flush=True)


if __name__ == "__main__":
    main()
