"""The same samples in other environments must give the same published bytes.

Run: ``python benches/faults/environments.py [--days 40] [--only NAME] [--cold]``. Each environment takes the samples
of a simulated fleet into a store of its own and publishes two nights, through the command line: with other numbers of
threads, sizes of shards and of pieces, hash seeds, locales and zones, orders of rows, and splits of the samples over
files, formats and commands. Some keys come twice with different values. All files of both nights are held against
those of the first environment by their sha256. ``--cold`` adds kernels that are compiled anew, which takes minutes.
The exit code is 1 when a byte differs.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import polars as pl

from capforecast.simulate import fleet

HOSTS = ("db-02", "web-03", "cache-03", "batch-01", "build-01")
START = """import sys
from capforecast.sources import ReadOptions, parquet, text
from capforecast.cli import main
{}
main(prog_name="capforecast")
"""
PIECES = """text.TEXT_BYTES = 1 << 17
parquet.BATCH_ROWS = 5_000
ReadOptions.__init__.__defaults__ = (*ReadOptions.__init__.__defaults__[:-1], 7_000)"""
Split = Callable[[pl.DataFrame], Iterator[pl.DataFrame]]


def whole(rows: pl.DataFrame) -> Iterator[pl.DataFrame]:
    """Give all rows at once, in the order of their series."""
    yield rows


def reversed_(rows: pl.DataFrame) -> Iterator[pl.DataFrame]:
    """Give all rows at once, the last one first."""
    yield rows.reverse()


def shuffled(rows: pl.DataFrame) -> Iterator[pl.DataFrame]:
    """Give all rows at once, in any order."""
    yield rows.sample(fraction=1.0, shuffle=True, seed=11)


def by_host(rows: pl.DataFrame) -> Iterator[pl.DataFrame]:
    """Give the rows of each host, the last name first."""
    for host in sorted(rows["host"].unique(), reverse=True):
        yield rows.filter(pl.col("host") == host)


def at_random(rows: pl.DataFrame) -> Iterator[pl.DataFrame]:
    """Give each of seven parts some rows of all series."""
    mixed = next(shuffled(rows))
    for part in range(7):
        yield mixed[part::7]


def newest_first(rows: pl.DataFrame) -> Iterator[pl.DataFrame]:
    """Give weeks, the newest first."""
    week = pl.col("ts").dt.epoch("d") // 7
    for _, part in sorted(rows.group_by(week.alias("week")), key=lambda one: one[0], reverse=True):
        yield part.drop("week", strict=False)


@dataclass(frozen=True)
class Environment:
    """What may change nothing.

    Attributes
    ----------
    variables : dict
        Of the process.
    settings : tuple of str
        Lines of the section [run].
    split : function
        How rows come.
    ending : str
        Of the files, which says their format.
    each : bool
        Each file is taken by a command of its own.
    patch : str
        Source that is run before the command line.
    """

    variables: dict[str, str] = field(default_factory=dict)
    settings: tuple[str, ...] = ()
    split: Split = whole
    ending: str = "parquet"
    each: bool = False
    patch: str = ""


def threads(count: int) -> Environment:
    """Return an environment in which everything has so many threads."""
    names = ("POLARS_MAX_THREADS", "NUMBA_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "RAYON_NUM_THREADS")
    return Environment(dict.fromkeys(names, str(count)), (f"threads = {count}",))


ENVIRONMENTS = {
    "1 thread": threads(1),
    "2 threads": threads(2),
    "4 threads": threads(4),
    "shards of 3, 2 threads": Environment(settings=("shard_series = 3", "threads = 2")),
    "shards of 7, 4 threads": Environment(settings=("shard_series = 7", "threads = 4")),
    "hash seed, locale, zone": Environment({"PYTHONHASHSEED": "7", "LC_ALL": "C", "TZ": "Asia/Kathmandu"}),
    "utf-8, other zone": Environment({"PYTHONHASHSEED": "0", "LC_ALL": "C.UTF-8", "TZ": "America/St_Johns"}),
    "rows reversed": Environment(split=reversed_),
    "rows shuffled": Environment(split=shuffled),
    "a file a host": Environment(split=by_host),
    "a command a host": Environment(split=by_host, each=True),
    "seven parts, a command each": Environment(split=at_random, each=True),
    "seven parts, shuffled CSV": Environment(split=at_random, ending="csv"),
    "newest week first": Environment(split=newest_first, each=True),
    "CSV, gzip": Environment(ending="csv.gz"),
    "JSON lines, shuffled": Environment(split=shuffled, ending="jsonl"),
    "small pieces": Environment(split=shuffled, patch=PIECES),
    "small pieces of CSV": Environment(split=shuffled, ending="csv", patch=PIECES),
}


def samples(days: int) -> pl.DataFrame:
    """Return a fleet's samples, and for one key of fifty a second row with another value."""
    rows = fleet(hosts=HOSTS, days=days, step_us=900_000_000).samples
    again = rows.gather_every(50).with_columns(pl.col("value") * 0.5)
    return pl.concat([rows, again])


def write(rows: pl.DataFrame, path: Path) -> str:
    """Write rows in the format that the ending of a path tells."""
    if path.name.endswith(".parquet"):
        rows.write_parquet(path)
    elif path.name.endswith(".jsonl"):
        rows.with_columns(pl.col("ts").dt.epoch("us")).write_ndjson(path)
    else:
        rows = rows.with_columns(pl.col("ts").dt.epoch("us"))
        rows.write_csv(path, compression="gzip" if path.name.endswith(".gz") else "uncompressed")
    return str(path)


def command(environment: Environment, site: Path, words: list[str]) -> None:
    """Run the command line in an environment."""
    done = subprocess.run(
        [sys.executable, "-c", START.format(environment.patch), *words, "--quiet"],
        cwd=site,
        env={**os.environ, **environment.variables},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"{words[0]}: exit code {done.returncode}: {done.stderr[-500:]}")


def nights(environment: Environment, site: Path, rows: pl.DataFrame) -> dict[str, str]:
    """Take the samples and publish two nights; return the sha256 of all that is published."""
    site.mkdir()
    (site / "capforecast.toml").write_text("\n".join(["[run]", *environment.settings]) + "\n")
    (site / "limits.csv").write_text("host,metric,capacity,threshold_name,threshold\n*,disk*,,full,90%\n")
    end = rows["ts"].max()
    assert isinstance(end, datetime)
    last = end.replace(hour=0, minute=0, second=0, microsecond=0)
    found: dict[str, str] = {}
    for night, part in enumerate((rows.filter(pl.col("ts") < last), rows.filter(pl.col("ts") >= last))):
        files = [
            write(one, site / f"{night}-{number}.{environment.ending}")
            for number, one in enumerate(environment.split(part))
        ]
        for taken in [[file] for file in files] if environment.each else [files]:
            command(environment, site, ["ingest", *taken])
        moment = last if not night else end
        command(environment, site, ["run", "--as-of", moment.strftime("%Y-%m-%dT%H:%M:%SZ")])
        told = json.loads((site / "capforecast-store" / "reports" / "latest" / "latest.json").read_bytes())
        found.update({f"night {night + 1}, {name}": one["sha256"] for name, one in told["files"].items()})
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--days", type=int, default=40, help="days of samples")
    parser.add_argument("--cold", action="store_true", help="compile kernels anew in one more environment")
    parser.add_argument("--only", choices=ENVIRONMENTS, action="append", help="beside the first environment")
    asked = parser.parse_args()
    rows = samples(asked.days)
    bad, expected = 0, None
    with tempfile.TemporaryDirectory(prefix="capforecast-environments-") as folder:
        first = next(iter(ENVIRONMENTS))
        chosen = {
            name: one for name, one in ENVIRONMENTS.items() if name in (asked.only or ENVIRONMENTS) or name == first
        }
        if asked.cold:
            chosen["cold kernels"] = Environment(
                {"NUMBA_CACHE_DIR": f"{folder}/cold", "XDG_CACHE_HOME": f"{folder}/cold"}
            )
        for number, (name, environment) in enumerate(chosen.items()):
            begin = time.monotonic()
            found = nights(environment, Path(folder) / f"site-{number}", rows)
            expected = expected or found
            differing = sorted(file for file in found.keys() | expected.keys() if found.get(file) != expected.get(file))
            bad += bool(differing)
            told = {"environment": name, "files": len(found), "differing": differing}
            print(json.dumps({**told, "seconds": round(time.monotonic() - begin, 1)}), flush=True)
    print(json.dumps({"environments": len(chosen), "rows": rows.height, "bad": bad}))
    return int(bad > 0)


if __name__ == "__main__":
    sys.exit(main())
