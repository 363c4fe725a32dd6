"""How fast the command line starts, next to a bare interpreter in the same run; and a second ad-hoc forecast.

Run: ``python benches/bench_start.py``. One JSON line per figure; the exit code is 1 when ``--help``, a wrong
name or ``import capforecast`` takes more than 150 ms, or when help imports something heavy.
"""

from __future__ import annotations

import json
import os
import platform
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


def milliseconds(command: list[str], rounds: int = ROUNDS) -> float:
    """Return the best of some rounds: what else runs on the machine only ever adds."""
    took = []
    for _ in range(rounds):
        begin = time.perf_counter()
        subprocess.run(command, env=ENVIRONMENT, capture_output=True, check=False)
        took.append((time.perf_counter() - begin) * 1000)
    return min(took)


def show(what: str, ms: float, **more: object) -> None:
    print(json.dumps({"bench": "start", "what": what, "ms": round(ms, 1), **more}))


def started() -> bool:
    bare = milliseconds([sys.executable, "-c", "pass"])
    show("bare python", bare, python=platform.python_version(), cores=os.cpu_count())
    fine = True
    for what, command in (
        ("import capforecast", [sys.executable, "-c", "import capforecast"]),
        ("--help", [*COMMAND, "--help"]),
        ("run --help", [*COMMAND, "run", "--help"]),
        ("wrong name", [*COMMAND, "rnu"]),
    ):
        ms = milliseconds(command)
        fine &= ms <= BAR_MS
        show(what, ms, over_bare=round(ms - bare, 1), bar_ms=BAR_MS, ok=ms <= BAR_MS)
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
    with tempfile.TemporaryDirectory() as folder:
        store = f"{folder}/store"
        samples = str(ROOT / "data" / "samples.csv")
        subprocess.run([*COMMAND, "ingest", samples, "--store", store, "-q"], env=ENVIRONMENT, check=True)
        host = [*COMMAND, "forecast", "db-02", "--store", store, "--as-of", "2026-05-20"]
        subprocess.run(host, env=ENVIRONMENT, capture_output=True, check=True)
        show("second forecast of a host", milliseconds(host, 3))
        file = [*COMMAND, "forecast", samples, "--step", "1h", "--horizon", "48h", "--output", f"{folder}/out.parquet"]
        show("second forecast of a file", milliseconds(file, 3))


if __name__ == "__main__":
    results = [started(), light()]
    adhoc()
    sys.exit(0 if all(results) else 1)
