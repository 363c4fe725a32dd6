"""How fast the command line starts, next to a bare interpreter in the same run; and a second ad-hoc forecast.

Run: ``python benches/bench_start.py``. One JSON line per figure: the median of some rounds and the best of
them. The exit code is 1 when the best of ``--help``, a wrong name or ``import capforecast`` is more than
150 ms, or when help imports something heavy.
"""

from __future__ import annotations

import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
BAR_MS = 150.0
ROUNDS = 9
HEAVY = ("polars", "pyarrow", "numpy", "duckdb", "numba", "pydantic", "rich")
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT)}
COMMAND = [sys.executable, "-m", "capforecast"]


def milliseconds(command: list[str], rounds: int = ROUNDS, code: int = 0) -> tuple[float, float]:
    """Return the median and the best of some rounds: what else runs on the machine only ever adds.

    A command that ends with another exit code has not done what is measured, and ends the bench.
    """
    took = []
    for _ in range(rounds):
        begin = time.perf_counter()
        done = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, check=False)
        took.append((time.perf_counter() - begin) * 1000)
        if done.returncode != code:
            sys.exit(f"{' '.join(command)}: exit {done.returncode}, not {code}: {done.stderr}")
    return statistics.median(took), min(took)


def show(what: str, took: tuple[float, float], **more: object) -> None:
    median, best = took
    print(
        json.dumps({"bench": "start", "what": what, "median_ms": round(median, 1), "best_ms": round(best, 1), **more})
    )


def started() -> bool:
    bare = milliseconds([sys.executable, "-c", "pass"])
    show("bare python", bare, python=platform.python_version(), cores=os.cpu_count())
    fine = True
    for what, command, code in (
        ("import capforecast", [sys.executable, "-c", "import capforecast"], 0),
        ("--help", [*COMMAND, "--help"], 0),
        ("run --help", [*COMMAND, "run", "--help"], 0),
        ("wrong name", [*COMMAND, "rnu"], 2),
    ):
        took = milliseconds(command, code=code)
        fine &= took[1] <= BAR_MS
        show(what, took, over_bare=round(took[1] - bare[1], 1), bar_ms=BAR_MS, ok=took[1] <= BAR_MS)
    return fine


def light() -> bool:
    code = (
        "import sys; from capforecast.cli import main; main(['--help'], standalone_mode=False); "
        f"print([m for m in {HEAVY!r} if m in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", code], env=ENVIRONMENT, capture_output=True, text=True, check=True)
    heavy = result.stdout.splitlines()[-1]
    print(json.dumps({"bench": "start", "what": "heavy imports of --help", "found": heavy, "ok": heavy == "[]"}))
    return heavy == "[]"


def adhoc() -> None:
    """Measure forecasts on demand, of one series of the demonstration's store and of a file."""
    with tempfile.TemporaryDirectory() as folder:
        demo = [*COMMAND, "demo", f"{folder}/demo", "-q"]
        subprocess.run(demo, env=ENVIRONMENT, capture_output=True, check=True)
        settings = ["--config", f"{folder}/demo/capforecast.toml"]
        status = subprocess.run(
            [*COMMAND, "status", "--json", *settings], env=ENVIRONMENT, capture_output=True, text=True, check=True
        )
        now = ["--as-of", json.loads(status.stdout)["last_run"]["as_of"]]
        host = [*COMMAND, "forecast", "db-01", "cpu_util_pct", *settings, *now]
        milliseconds(host, 1)
        show("second forecast of a host's metric, demo store", milliseconds(host, 5))
        samples = str(ROOT / "data" / "samples.csv")
        file = [*COMMAND, "forecast", samples, "--step", "1h", "--horizon", "48h", "--output", f"{folder}/out.parquet"]
        milliseconds(file, 1)
        show("second forecast of a file", milliseconds(file, 5))


if __name__ == "__main__":
    results = [started(), light()]
    adhoc()
    sys.exit(0 if all(results) else 1)
