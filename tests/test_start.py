"""The start and the end of the program: nothing that is not needed, and nothing left out that is."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
UNWANTED = {"pandas", "statsforecast", "matplotlib", "numba.cuda", "rich", "scipy.linalg"}

PROGRAM = """
import atexit, sys
import capforecast.cli.start as start
atexit.register(print, "last words")
sys.argv = ["capforecast", *{arguments!r}]
{before}
start.program()
"""


def python(code: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run([sys.executable, "-c", code], env=environment, cwd=ROOT, capture_output=True, text=True)


@pytest.mark.parametrize(("arguments", "code"), [(["--version"], 0), (["rnu"], 2), (["status", "--store", "none"], 1)])
def test_the_program_ends_at_once_but_not_before_its_end(arguments: list[str], code: int) -> None:
    """Exit codes, text that waits in a buffer and what is registered for the end: all as without a short cut."""
    done = python(PROGRAM.format(arguments=arguments, before="sys.stdout.write('buffered ')"))
    assert done.returncode == code
    assert done.stdout.startswith("buffered ")
    assert done.stdout.endswith("last words\n")
    assert ("capforecast 0." in done.stdout) is (code == 0)


def test_a_bug_keeps_its_traceback_and_what_cannot_be_written_its_error() -> None:
    """The interpreter's own end is not taken from what it has to tell."""
    broken = python(PROGRAM.format(arguments=[], before="start.main = lambda prog_name: 1 / 0"))
    assert broken.returncode == 1
    assert "ZeroDivisionError" in broken.stderr
    full = "import os; os.dup2(os.open('/dev/full', os.O_WRONLY), 1); sys.stdout.write('x')"
    lost = python(PROGRAM.format(arguments=["--version"], before=full))
    assert lost.returncode != 0
    assert "No space left on device" in lost.stderr


def test_no_command_of_every_day_loads_what_it_does_not_need(tmp_path: Path) -> None:
    """Libraries that others bring along take longer to load than a forecast takes: ingest, run, forecasts, replay."""
    store, cases = ["--store", str(tmp_path / "store")], tmp_path / "cases.csv"
    cases.write_text("case_id,host,metric,threshold,cutoff,horizon_s\na,web-03,cpu_util_pct,90,2026-05-15,86400\n")
    commands = [
        ["ingest", "data/samples.csv", *store],
        ["run", *store, "--as-of", "2026-05-20"],
        ["forecast", "web-03", "cpu_util_pct", *store, "--as-of", "2026-05-20"],
        ["explain", "web-03", "cpu_util_pct", *store, "--as-of", "2026-05-20"],
        ["forecast", "data/samples.csv", "--horizon", "24h"],
        ["replay", str(cases), "--input", "data/samples.csv"],
        ["report", *store, "--format", "csv"],
        ["status", *store],
        ["backtest", *store],
    ]
    code = (
        "import sys\nfrom capforecast.cli import main\n"
        f"for command in {commands!r}:\n"
        "    try:\n        main(command)\n"
        "    except SystemExit as end:\n        assert end.code == 0, command\n"
        f"    print(command[0], {UNWANTED!r} & set(sys.modules), file=sys.stderr)\n"
    )
    done = python(code)
    assert done.returncode == 0, done.stderr
    told = [line for line in done.stderr.splitlines() if "set" in line or "{" in line]
    assert told == [f"{command[0]} set()" for command in commands]
