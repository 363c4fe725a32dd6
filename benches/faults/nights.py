"""Nights for the fault benches: a small fleet, its settings, and the program in processes that may be killed.

The parent loads what takes long and works with none of it, so that no thread of it holds a lock: each night is
a fork of it, running the command line as a user would, and costs a second instead of five.
"""

from __future__ import annotations

import csv
import hashlib
import importlib
import json
import os
import pkgutil
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

END = datetime(2026, 3, 1, tzinfo=UTC)
HISTORY_DAYS = 12
HOSTS = ("web-1", "web-2", "db-1")
METRICS = ("cpu_util_pct", "disk_used_pct")
PATIENCE_S = 180.0
"""After this long a process that should have ended counts as hanging."""
UNFINISHED = ("is not named by the catalog", "latest.json: is missing, though history has a run")
"""What an interrupted first publication leaves, and `doctor` tells."""


@dataclass(frozen=True)
class Ended:
    """How a process ended: its exit code (negative: the signal), what it said, and how long it took."""

    code: int
    said: str
    seconds: float


def preload() -> None:
    """Load the heavy libraries once, for all forks."""
    # Small tables gain nothing by more threads, and each costs time in every fork.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    os.environ.setdefault("POLARS_MAX_THREADS", "1")
    for name in ("pyarrow.parquet", "pyarrow.compute", "capforecast.cli.nightly", "capforecast.cli.intake"):
        importlib.import_module(name)
    registry = importlib.import_module("capforecast.registry")
    for kind, part in (("report", "html"), ("engine", "threads"), ("learner", "trees")):
        registry.load(kind, part)
    for part in registry.names("source"):
        registry.load("source", part)
    kernels = importlib.import_module("capforecast.kernels")
    for module in pkgutil.iter_modules(kernels.__path__):
        importlib.import_module(f"capforecast.kernels.{module.name}")


def write_day(path: Path, days: Sequence[int], *, bad: int = 3) -> None:
    """Write hourly samples of some days before `END` (0 is the last one), and a few rows that cannot be taken."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w", newline="", encoding="utf-8") as file:
        out = csv.writer(file)
        out.writerow(("host", "metric", "ts", "value"))
        for back in days:
            chance = np.random.default_rng(1000 + back)
            for host in HOSTS:
                for metric in METRICS:
                    noise = chance.normal(size=24)
                    for hour in range(24):
                        moment = END - timedelta(days=back + 1) + timedelta(hours=hour)
                        level = 40 + 10 * np.sin(hour / 4) + (HISTORY_DAYS - back) * (metric[0] == "d")
                        out.writerow(
                            (host, metric, moment.strftime("%Y-%m-%dT%H:%M:%SZ"), f"{level + noise[hour]:.4f}")
                        )
        for number in range(bad):
            out.writerow((f"bad-{number}", "cpu_util_pct", "never", "x"))


def site(folder: Path) -> Path:
    """Make a directory with settings, limits and an inbox that holds all days but the last."""
    folder.mkdir(parents=True)
    (folder / "capforecast.toml").write_text(
        '[store]\npath = "store"\n[run]\nhorizon = "30d"\nthreads = 2\n[limits]\nfile = "limits.csv"\n'
        '[[sources]]\nlocation = "inbox"\n'
    )
    (folder / "limits.csv").write_text(
        "host,metric,instance,capacity,threshold_name,threshold\n*,*,*,100,critical,90\n"
    )
    write_day(folder / "inbox" / "before.csv", range(1, HISTORY_DAYS + 1))
    return folder


def run(site: Path, *words: str, back: int = 0) -> list[str]:
    """Return the arguments of a nightly run of a site, as of the end of a day."""
    as_of = (END - timedelta(days=back)).strftime("%Y-%m-%dT%H:%M:%SZ")
    return ["run", "--config", str(site / "capforecast.toml"), "--as-of", as_of, *words]


def ingest(site: Path, *files: str) -> list[str]:
    """Return the arguments of an ingest of files of a site."""
    paths = [str(site / file) for file in files]
    return ["ingest", "--config", str(site / "capforecast.toml"), "--as-of", END.strftime("%Y-%m-%d"), *paths]


def command(arguments: Sequence[str]) -> Callable[[], None]:
    """Return the command line with some arguments, to be called in a process of its own."""

    def call() -> None:
        from capforecast.cli import main

        main(list(arguments), prog_name="capforecast")

    return call


class Process:
    """A fork that works in a directory of its own and writes what it says into a file."""

    def __init__(self, work: Callable[[], object], cwd: Path, *, before: Callable[[], object] | None = None):
        self._out = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the process
        self.begin = time.monotonic()
        self.pid = os.fork()
        if self.pid == 0:
            code = 70
            try:
                os.setsid()
                os.chdir(cwd)
                os.dup2(self._out.fileno(), 1)
                os.dup2(self._out.fileno(), 2)
                sys.stdout, sys.stderr = open(1, "w"), open(2, "w")  # noqa: SIM115 - standard streams
                if before is not None:
                    before()
                work()
                code = 0
            except SystemExit as done:
                code = done.code if isinstance(done.code, int) else 0
            except BaseException:
                import traceback

                traceback.print_exc()
            finally:
                with suppress(Exception):
                    sys.stdout.flush()
                    sys.stderr.flush()
                os._exit(code)

    def signal(self, number: int) -> None:
        """Send a signal, if the process is still there."""
        with suppress(ProcessLookupError):
            os.kill(self.pid, number)

    def wait(self, timeout: float = PATIENCE_S) -> Ended:
        """Wait for the end; one that takes longer than `timeout` is killed and told as -99."""
        deadline, code = self.begin + timeout, None
        while code is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                code = os.waitstatus_to_exitcode(status)
            elif time.monotonic() > deadline:
                self.signal(signal.SIGKILL)
                os.waitpid(self.pid, 0)
                code = -99
            else:
                time.sleep(0.002)
        seconds = time.monotonic() - self.begin
        self._out.seek(0)
        return Ended(code, self._out.read().decode(errors="replace"), seconds)


def finished(work: Callable[[], object], cwd: Path, **options: Any) -> Ended:
    """Run a process to its end."""
    return Process(work, cwd, **options).wait()


def first_night(site: Path) -> None:
    """Publish a first run that must be a good one, however long kernels are compiled before.

    Raises
    ------
    RuntimeError
        It is not.
    """
    ended = Process(command(run(site, back=1)), site).wait(10 * PATIENCE_S)
    if ended.code != 4:
        raise RuntimeError(f"the first night ended with {ended.code}: {ended.said[-500:]}")


def pointer(store: Path) -> dict[str, Any] | None:
    """Return ``latest.json``, None before the first publication."""
    path = store / "reports" / "latest" / "latest.json"
    return json.loads(path.read_bytes()) if path.exists() else None


def content(store: Path) -> dict[str, str]:
    """Return what the latest run says: sha256 of each table but that of its own counts."""
    told = pointer(store)
    if told is None:
        return {}
    return {name: one["sha256"] for name, one in told["files"].items() if name != "run.parquet"}


def torn(store: Path) -> list[str]:
    """Return what the pointer names and is not so: each file of the run against its sha256, in history."""
    told = pointer(store)
    wrong = []
    for name, one in ({} if told is None else told["files"]).items():
        path = store / told["path"] / name
        if not path.exists() or hashlib.sha256(path.read_bytes()).hexdigest() != one["sha256"]:
            wrong.append(f"{name} of {told['run_id']} is not what latest.json says")
    return wrong


def unsound(store: Path) -> list[str]:
    """Return what is wrong with a store that nobody writes to, but for what the next run brings to its end."""
    from capforecast.store import Store

    if not Store.exists(store):
        return []
    with Store.open(store) as opened:
        found = [one for one in opened.verify() if not any(left in one for left in UNFINISHED)]
        ledger = opened.ledger()
        rows = ledger.select("rows_in", "accepted", "duplicate", "quarantined").sum().row(0)
        if rows[0] != sum(rows[1:]):
            found.append(f"the ledger does not conserve rows: {rows}")
        if int(ledger["quarantined"].sum()) and not opened.quarantine().height:
            found.append("quarantined rows are gone")
        return found


def checked(store: Path, cwd: Path) -> list[str]:
    """Return what is wrong with a store, looked at by a process of its own."""

    def look() -> None:
        print(json.dumps(unsound(store)))

    ended = finished(look, cwd)
    try:
        return json.loads(ended.said.splitlines()[-1])
    except (ValueError, IndexError):
        return [f"the store does not open: exit {ended.code}: {ended.said[-500:]}"]


def recovered(arguments: Sequence[str], store: Path, cwd: Path) -> tuple[Ended, list[str]]:
    """Look at a store, run a command on it and look again, all in one process; return what is wrong in both looks."""

    def look() -> None:
        found = unsound(store)
        try:
            command(arguments)()
        except SystemExit as done:
            print(json.dumps({"code": done.code, "wrong": found + unsound(store)}))

    ended = finished(look, cwd)
    try:
        told = json.loads(ended.said.splitlines()[-1])
        return Ended(told["code"], ended.said, ended.seconds), told["wrong"]
    except (ValueError, IndexError, TypeError):
        return ended, ["the store does not open or the run does not end"]


def copied(source: Path, target: Path) -> Path:
    """Copy a site, which is small."""
    return Path(shutil.copytree(source, target, symlinks=True))
