"""What it saves to use forecasts that still hold, and how far results drift: the last of some nights, twice.

Usage: python benches/bench_second_night.py STORE [--nights N] [--config FILE] [--refit-every 14d]

Runs the nights up to the newest sample of a copy of the STORE, one as_of a day, as cron would do it: the first fits
every series, each later one uses what the night before kept. Then the last night is run again with --refit, which
fits every series anew, and both are laid side by side: seconds, and the rows of the tables breaches and forecasts.
`benches/bench_million.py --make` makes stores for it.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
from pathlib import Path

import numpy as np
import polars as pl
from bench_million import child

from capforecast.store import Store
from capforecast.times import DAY_US, format_moment

ENGINE = ("panel", "kernels", "breach", "carry")
ROW = ["host", "metric", "instance", "direction"]


def night(store: Path, as_of_us: int, more: list[str]) -> dict[str, float]:
    """Run one night in a process of its own; return its stages."""
    moment = format_moment(as_of_us)
    command = ("-m", "capforecast", "run", "--store", str(store), "--quiet", "--json", "--verbose", "--as-of", moment)
    done = child(*command, *more, cwd=store.parent)
    return {**json.loads(done.printed)["seconds"], "processor": done.processor, "peak MB": done.memory}


def tables(store: Path, generation: int) -> dict[str, pl.DataFrame]:
    """Return the tables of the newest night, of its first or second publication."""
    folder = sorted((store / "reports" / "history").glob("run_date=*"))[-1]
    names = sorted(path.name for path in folder.iterdir() if path.name.startswith("run_id="))
    chosen = folder / names[generation - 1]
    return {name: pl.read_parquet(chosen / f"{name}.parquet") for name in ("breaches", "forecasts", "series")}


def told(name: str, values: np.ndarray) -> str:
    """Return the spread of absolute differences."""
    median, high, most = np.quantile(values, (0.5, 0.99, 1.0))
    return f"{name}: median {median:.4f}, 99 % below {high:.4f}, most {most:.4f}"


def drift(warm: dict[str, pl.DataFrame], full: dict[str, pl.DataFrame]) -> None:
    """Print how far the rows of carried series are from those of a full fit."""
    day = warm["series"].get_column("run_date")[0]
    carried = warm["series"].filter(pl.col("fitted") < day).select("host", "metric", "instance")
    print(f"carried: {carried.height} of {warm['series'].height} series")
    key = ["risk_id"]
    names = ("p_breach_7d", "p_breach_30d", "p_breach_90d", "breach_date_p10", "breach_date_p50", "status")
    mine = warm["breaches"].join(carried, on=["host", "metric", "instance"], how="semi")
    both = mine.select(*key, *names).join(full["breaches"].select(*key, *names), on=key, suffix="_full")
    for name in names[:3]:
        pair = both.select(name, f"{name}_full").drop_nulls()
        gap = (pair[name] - pair[f"{name}_full"]).abs().to_numpy()
        if gap.size:
            print(told(f"  |{name} - that of a full fit|", gap) + f"; above 0.05: {np.mean(gap > 0.05):.2%} of rows")
    missed = both.filter(pl.col("breach_date_p10").is_null() & pl.col("breach_date_p10_full").is_not_null()).height
    likely = both.filter(pl.col("breach_date_p50_full").is_not_null()).height
    print(f"  rows with a p10 date by a full fit alone: {missed} of {both.height}, with a p50 date: {likely}")
    other = both.filter(pl.col("status") != pl.col("status_full")).group_by("status", "status_full").len().sort("len")
    print(f"  rows with another status: {other.rows()}")
    days = (
        warm["forecasts"]
        .filter(pl.col("q50").is_not_null())
        .join(carried, on=["host", "metric", "instance"], how="semi")
    )
    two = days.join(full["forecasts"], on=[*ROW, "day"], suffix="_full")
    # A band without width is as wide as a hundredth of its level here.
    width = np.maximum((two["q90_full"] - two["q10_full"]).to_numpy(), 0.01 * two["q50_full"].abs().to_numpy() + 1e-9)
    for name in ("q10", "q50", "q90"):
        print(
            told(
                f"  |{name} - that of a full fit| / width of its band",
                (two[name] - two[f"{name}_full"]).abs().to_numpy() / width,
            )
        )


def last_of(source: Path, folder: Path, nights: int, settings: str) -> tuple[dict[str, float], dict[str, float]]:
    """Run some nights on a copy of a store, the last one twice; return its stages, using what holds and fitting all."""
    store = folder / "store"
    shutil.copytree(source, store, ignore=shutil.ignore_patterns("reports", "samples"), copy_function=shutil.copy)
    (store / "samples").mkdir()
    (folder / "capforecast.toml").write_text(settings)
    with Store.open(store) as opened:
        end = ((opened.watermark_us() or 0) // opened.step_us + 1) * opened.step_us
    more = ["--config", str(folder / "capforecast.toml")]
    warm: dict[str, float] = {}
    for number in range(nights):
        warm = night(store, end - (nights - 1 - number) * DAY_US, more)
        print(f"night {number + 1}: " + ", ".join(f"{k} {v:.1f}" for k, v in warm.items()), file=sys.stderr)
    return warm, night(store, end, [*more, "--refit"])


def engine(stages: dict[str, float]) -> float:
    """Return the seconds of what a forecast that holds saves."""
    return sum(stages.get(stage, 0.0) for stage in ENGINE)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("store", type=Path)
    parser.add_argument("--nights", type=int, default=9)
    parser.add_argument("--config", help="settings, such as limits")
    parser.add_argument("--refit-every", default="14d")
    options = parser.parse_args()
    settings = Path(options.config).read_text() if options.config else f'[run]\nrefit_every = "{options.refit_every}"\n'
    with tempfile.TemporaryDirectory(dir=options.store.resolve().parent) as folder:
        warm, full = last_of(options.store, Path(folder), options.nights, settings)
        print(f"the last of {options.nights} nights:")
        for name, stages in (("using what holds", warm), ("fitting all", full)):
            print(f"  {name}: " + ", ".join(f"{stage} {value:.1f}" for stage, value in stages.items()))
        print(
            f"engine (panel, kernels, breach, carry): {engine(full) / engine(warm):.1f} times cheaper; whole run "
            f"{full['all'] / warm['all']:.1f} times, by processor {full['processor'] / warm['processor']:.1f} times"
        )
        drift(tables(Path(folder) / "store", 1), tables(Path(folder) / "store", 2))


if __name__ == "__main__":
    main()
