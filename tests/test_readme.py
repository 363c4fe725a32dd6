"""The README's commands do what it says."""

import datetime
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import duckdb
import polars as pl

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def block(name: str) -> str:
    """Return the shell commands between a marker and its end."""
    part = README.split(f"<!-- {name} -->")[1].split("<!-- end -->")[0]
    found = re.search(r"```sh\n(.*?)```", part, re.DOTALL)
    assert found is not None
    return found[1]


def test_walk_through(tmp_path: Path) -> None:
    """Every command of the five-minute tour succeeds in a copy of the sample, and leaves what it promises."""
    shutil.copytree(ROOT / "data", tmp_path / "data")
    commands = tmp_path / "capforecast"
    commands.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m capforecast "$@"\n', encoding="utf-8")
    commands.chmod(0o755)
    python_path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    environment = {
        **os.environ, "PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}", "PYTHONPATH": python_path, "NO_COLOR": "1",
        "COLUMNS": "100",
    }  # fmt: skip
    told = {}
    for command in block("walk-through").strip().splitlines():
        done = subprocess.run(
            ["sh", "-ec", command], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )

        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
        assert "Traceback" not in done.stderr
        told[command.partition(" ")[2].partition(" ")[0]] = done.stdout

    # The output that the README shows is the output.
    shown = README.split("<!-- explained -->")[1].split("<!-- end -->")[0].strip().strip("`").strip()
    for section in shown.split("\n\n"):
        assert section in told["explain"]
    latest = tmp_path / "capforecast-store" / "reports" / "latest"
    breaches = pl.read_parquet(latest / "breaches.parquet")
    assert breaches.height == 16
    assert (latest / "report.html").read_text(encoding="utf-8").startswith("<!doctype html>")
    # 12 GB a day from 1.45 TB: 80 % of 2 TB are reached on 2026-06-01, as data/README.md says.
    fill = breaches.filter((pl.col("host") == "db-02") & (pl.col("threshold_name") == "warning"))
    fill = fill.filter(pl.col("metric") == "disk_used_bytes")
    assert fill.item(0, "status") == "will_breach"
    assert abs((fill.item(0, "breach_date_p50") - datetime.date(2026, 6, 1)).days) <= 2
    # The questions that the README asks of the tables have answers.
    queries = re.findall(r"```sql\n(.*?)```", README, re.DOTALL)
    connection = duckdb.connect()
    for query in "".join(queries).replace("'capforecast-store", f"'{tmp_path}/capforecast-store").split(";"):
        if query.strip():
            connection.execute(query)
    forecast = pl.read_parquet(tmp_path / "forecast.parquet")
    assert forecast.height == 9 * 48
    assert (tmp_path / "breaches.csv").exists()


def test_commands_stand_once() -> None:
    """The gate reads the test command from the README, so both commands must be there and set up for themselves."""
    for name in ("demo command", "test command"):
        assert "python3 -m venv" in block(name)
        assert "pip install" in block(name)
