"""How fast the command line starts, forecasts on demand, and is ready after an installation.

Run: ``python benches/bench_start.py``. One JSON line per figure: the median and the best of some rounds, and
the median of the processor time. Beside capforecast stand a bare interpreter and the import of a peer. The
exit code is 1 when the best of a figure is beyond its bar, or when help imports something heavy. The kernels
are compiled once into a directory of the bench's own, which takes a minute.
"""

from __future__ import annotations

import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
ROUNDS = 7
START_MS, FORECAST_MS, KERNELS_MS = 150.0, 1500.0, 800.0
HEAVY = ("polars", "pyarrow", "numpy", "duckdb", "numba", "pydantic", "rich")
COMMAND = [sys.executable, "-m", "capforecast"]
KERNELS = """
import json, sys, time
from capforecast.cli import main, start
start._quicken()
import numpy
begin = time.perf_counter()
import numba
imported = time.perf_counter() - begin
from capforecast import compiler
took = []
load = compiler.KernelCache.load_overload
def timed(*arguments):
    begin = time.perf_counter()
    found = load(*arguments)
    took.append(time.perf_counter() - begin)
    return found
compiler.KernelCache.load_overload = timed
try:
    main(sys.argv[1:])
finally:
    print(json.dumps([imported, took]), file=sys.stderr)
"""


@dataclass(frozen=True)
class Took:
    """Milliseconds of some rounds: what else runs on the machine only ever adds."""

    wall: list[float]
    cpu: list[float]


def environment(cache: Path | None = None) -> dict[str, str]:
    """Return the environment of an installation: bytecode is kept, and kernels where they are told to be."""
    own = {
        name: text for name, text in os.environ.items() if name not in ("PYTHONDONTWRITEBYTECODE", "PYTHONUNBUFFERED")
    }
    return {**own, "PYTHONPATH": str(ROOT), **({"NUMBA_CACHE_DIR": str(cache)} if cache else {})}


def run(command: list[str], cache: Path | None, code: int = 0) -> subprocess.CompletedProcess[str]:
    """Run a command; one that ends with another exit code has not done what is measured, and ends the bench."""
    done = subprocess.run(command, env=environment(cache), cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode != code:
        sys.exit(f"{' '.join(command)}: exit {done.returncode}, not {code}: {done.stderr}")
    return done


def measure(command: list[str], cache: Path | None = None, *, rounds: int = ROUNDS, code: int = 0) -> Took:
    took = Took([], [])
    for _ in range(rounds):
        before, begin = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        run(command, cache, code)
        took.wall.append((time.perf_counter() - begin) * 1000)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        took.cpu.append((after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) * 1000)
    return took


def show(what: str, took: Took, bar: float | None = None, **more: object) -> bool:
    """Print a figure and tell whether the best round keeps the bar."""
    best = min(took.wall)
    line = {"bench": "start", "what": what, "median_ms": round(statistics.median(took.wall), 1)}
    line |= {"best_ms": round(best, 1), "cpu_ms": round(statistics.median(took.cpu), 1)}
    if bar is not None:
        line |= {"bar_ms": bar, "ok": best <= bar}
    print(json.dumps(line | more), flush=True)
    return bar is None or best <= bar


def started() -> bool:
    """Measure what needs no data, beside a bare interpreter and a peer's import."""
    show("bare python", measure([sys.executable, "-c", "pass"]), python=platform.python_version(), cores=os.cpu_count())
    show("import statsforecast.models", measure([sys.executable, "-c", "import statsforecast.models"], rounds=3))
    rounds = (
        ("import capforecast", [sys.executable, "-c", "import capforecast"], 0),
        ("--help", [*COMMAND, "--help"], 0),
        ("run --help", [*COMMAND, "run", "--help"], 0),
        ("wrong name", [*COMMAND, "rnu"], 2),
    )
    return all([show(what, measure(command, code=code), START_MS) for what, command, code in rounds])


def light() -> bool:
    code = (
        "import sys; from capforecast.cli import main; main(['--help'], standalone_mode=False); "
        f"print([m for m in {HEAVY!r} if m in sys.modules])"
    )
    heavy = run([sys.executable, "-c", code], None).stdout.splitlines()[-1]
    print(json.dumps({"bench": "start", "what": "heavy imports of --help", "found": heavy, "ok": heavy == "[]"}))
    return heavy == "[]"


def compiled(cache: Path) -> bool:
    """Measure warming up, the first time and after that."""
    warmup = [*COMMAND, "warmup", "--json"]
    begin = time.perf_counter()
    first = json.loads(run(warmup, cache).stdout)
    wall = (time.perf_counter() - begin) * 1000
    show("warmup, first", Took([wall], [wall]), kernels=first["compiled"])
    return show("warmup, second", measure(warmup, cache), FORECAST_MS)


def adhoc(folder: Path, cache: Path) -> bool:
    """Measure forecasts on demand, of one series of the demonstration's store and of a file, and the kernels."""
    run([*COMMAND, "demo", str(folder / "demo"), "-q"], cache)
    settings = ["--config", str(folder / "demo" / "capforecast.toml")]
    status = json.loads(run([*COMMAND, "status", "--json", *settings], cache).stdout)
    host = ["forecast", "db-01", "cpu_util_pct", *settings, "--as-of", status["last_run"]["as_of"]]
    file = ["forecast", str(ROOT / "data" / "samples.csv"), "--step", "1h", "--horizon", "48h"]
    fine = []
    for what, arguments in (("forecast of a host's metric, demo store", host), ("forecast of a file", file)):
        run([*COMMAND, *arguments], cache)
        fine.append(show(what, measure([*COMMAND, *arguments], cache), FORECAST_MS))
    rounds = [
        json.loads(run([sys.executable, "-c", KERNELS, *host], cache).stderr.splitlines()[-1]) for _ in range(ROUNDS)
    ]
    whole = [1000 * (imported + sum(took)) for imported, took in rounds]
    parts = {
        "kernels": len(rounds[0][1]),
        "compiler_import_ms": round(1000 * min(imported for imported, _ in rounds), 1),
        "first_kernel_ms": round(1000 * min(took[0] for _, took in rounds), 1),
        "each_further_ms": round(1000 * min(statistics.mean(took[1:]) for _, took in rounds), 1),
    }
    return all([*fine, show("kernels of that forecast, loaded", Took(whole, whole), KERNELS_MS, **parts)])


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as made:
        place = Path(made)
        results = [started(), light(), compiled(place / "cache"), adhoc(place, place / "cache")]
    sys.exit(0 if all(results) else 1)
