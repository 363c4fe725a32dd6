"""Warming up: whatever the product compiles later is compiled before, and only once."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest
from click.testing import CliRunner

from capforecast import kernel_cache
from capforecast.cli import main
from capforecast.compiler import Counts

ROOT = Path(__file__).parents[1]
NIGHT = """
import sys
from importlib import import_module
from pathlib import Path

import capforecast
from numba.core.registry import CPUDispatcher

from capforecast.cli import main

COMMANDS = {commands!r}
for command in COMMANDS:
    try:
        main(command, prog_name="capforecast")
    except SystemExit as end:
        assert end.code == 0, (command, end.code)
missed = []
for path in sorted(Path(capforecast.__file__).parent.glob("kernels/[a-z]*.py")):
    for name, kernel in vars(import_module("capforecast.kernels." + path.stem)).items():
        if isinstance(kernel, CPUDispatcher):
            missed += [(name, str(types)) for types in kernel.stats.cache_misses]
print("missed", missed, file=sys.stderr)
"""


def environment(tmp_path: Path) -> dict[str, str]:
    return {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path / "kernels"), "XDG_CACHE_HOME": str(tmp_path / "home")}


def capforecast(tmp_path: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "capforecast", *arguments]
    return subprocess.run(command, cwd=ROOT, env=environment(tmp_path), capture_output=True, text=True, check=False)


def test_help_shows_it_for_images() -> None:
    """What is done once, with an installation, is found there."""
    result = CliRunner().invoke(main, ["warmup", "--help"])
    assert result.exit_code == 0
    assert "RUN pip install capforecast && capforecast warmup" in result.stdout


@pytest.mark.parametrize(
    ("compiled", "lost", "words"),
    [(31, 0, "31 kernels compiled ("), (0, 0, "all kernels were there ("), (31, 2, "31 kernels compiled (")],
)
def test_it_tells_what_it_did(
    compiled: int, lost: int, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Kernels that could not be kept were compiled for nothing: that is a failure."""
    monkeypatch.setattr(import_module("capforecast.warmup"), "warmup", lambda progress: Counts(compiled, lost))
    monkeypatch.setattr(kernel_cache, "_used", {tmp_path})
    result = CliRunner().invoke(main, ["warmup"])
    assert (result.exit_code, result.stderr) == (int(lost > 0), "")
    assert result.stdout.startswith(words)
    assert result.stdout.endswith(f"kept in {tmp_path}\n")
    assert CliRunner().invoke(main, ["warmup", "--quiet"]).stdout == ""
    told = json.loads(CliRunner().invoke(main, ["warmup", "--json"]).stdout)
    assert (told["compiled"], told["lost"], told["directories"]) == (compiled, lost, [str(tmp_path)])


@pytest.mark.slow
def test_after_it_nothing_is_compiled(tmp_path: Path) -> None:
    """Nights and forecasts on demand, of stores and files on every step, find all kernels in the cache."""
    first = capforecast(tmp_path, "warmup")
    assert (first.returncode, first.stdout.count("\n")) == (0, 1)
    assert first.stderr.startswith("Compiling kernels, once: about ")
    assert first.stderr.count("\n") == 1
    kept = {path.name for path in (tmp_path / "kernels").rglob("*.kernel")}
    assert len(kept) > 20

    again = capforecast(tmp_path, "warmup", "--json")
    assert (again.returncode, again.stderr) == (0, "")
    done = json.loads(again.stdout)
    assert (done["compiled"], done["lost"]) == (0, 0)
    assert [Path(folder).parent for folder in done["directories"]] == [tmp_path / "kernels"]

    demo, cases = str(tmp_path / "demo"), tmp_path / "cases.csv"
    cases.write_text(
        "case_id,host,metric,instance,threshold,direction,cutoff,horizon_s\n"
        "a,db-02,disk_used_bytes,/data,1e12,above,2026-05-10T00:00:00Z,864000\n"
        "b,web-03,cpu_util_pct,,20,below,2026-05-12T06:00:00Z,7200\n"
    )
    settings = ["--config", f"{demo}/capforecast.toml", "--as-of", "2026-05-20T00:00:00Z"]
    samples = "data/samples.csv"
    commands = [
        ["demo", demo, "--days", "30"],
        ["forecast", "db-01", "cpu_util_pct", *settings],
        ["run", *settings, "--threads", "2", "--model", "trend"],
        *(["forecast", samples, "--step", step, "--horizon", "14d"] for step in ("15m", "1h", "1d")),
        ["forecast", samples, "--step", "7d", "--horizon", "28d", "--model", "double_seasonal"],
        ["replay", str(cases), "--input", samples],
    ]
    night = subprocess.run(
        [sys.executable, "-c", NIGHT.format(commands=commands)],
        cwd=ROOT, env=environment(tmp_path), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert night.returncode == 0, night.stderr
    assert night.stderr.splitlines()[-1] == "missed []"
    assert "Compiling" not in night.stderr
    assert {path.name for path in (tmp_path / "kernels").rglob("*.kernel")} == kept


@pytest.mark.slow
def test_two_first_uses_at_once_and_a_damaged_cache_change_no_result(tmp_path: Path) -> None:
    """The same bytes from two processes that compile at the same time, from kept kernels and from damaged ones."""
    command = [sys.executable, "-m", "capforecast", "forecast", "data/samples.csv", "--horizon", "24h", "--quiet"]
    both = [
        subprocess.Popen(command, cwd=ROOT, env=environment(tmp_path), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        for _ in range(2)
    ]
    first, second = (process.communicate() for process in both)
    assert [process.returncode for process in both] == [0, 0]
    assert first == second
    assert first[1] == b""
    files = sorted((tmp_path / "kernels").rglob("*.kernel"))
    for number, path in enumerate(files):
        data = bytearray(path.read_bytes())
        if number % 3 == 0:
            data[len(data) // 2] ^= 1
        path.write_bytes(data[: len(data) // 2] if number % 3 == 1 else data)
    repaired = subprocess.run(command, cwd=ROOT, env=environment(tmp_path), capture_output=True, check=True)
    assert repaired.stdout == first[0]
    assert repaired.stderr.startswith(b"Warning: ")
    assert repaired.stderr.count(b"\n") == 1
