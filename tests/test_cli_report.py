"""The rows that `report` is asked for, in every format."""

from __future__ import annotations

import io
import json
from datetime import date
from html import unescape
from pathlib import Path

import openpyxl
import polars as pl
import pytest
from click.testing import CliRunner, Result

from capforecast import registry
from capforecast.cli import main
from capforecast.store import Store
from tests.tables import AS_OF, breach_tables

AS_OF_US = int(AS_OF.timestamp()) * 1_000_000
CHANGES = ("new", "same", "worse", "cleared", "same", "better")
SLIPPED = (None, 2, -12, None, None, 5)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with one published run of twelve rows."""
    rows = [
        {
            "host": f"h-{i:02d}", "team": ("db", "web")[i % 2], "change_class": CHANGES[i % 6],
            "days_slipped": SLIPPED[i % 6],
        }
        for i in range(12)
    ]  # fmt: skip
    path = tmp_path_factory.mktemp("report") / "store"
    identity = {"run_id": "r-1", "run_date": date(2026, 3, 1), "as_of_us": AS_OF_US, "run_us": AS_OF_US}
    with Store.create(path, created_us=AS_OF_US) as opened:
        opened.publish(identity, breach_tables(rows), {})
    return path


def report(store: Path, *arguments: str) -> Result:
    result = CliRunner().invoke(main, ["report", "--store", str(store), *arguments], prog_name="capforecast")
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def _hosts(store: Path, *arguments: str) -> list[str]:
    result = report(store, "--json", *arguments)
    assert result.exit_code == 0, result.stderr
    return [json.loads(line)["host"] for line in result.stdout.splitlines()]


def test_where_top_and_changes_go_together(store: Path) -> None:
    """First the condition, then the changes, then the first so many."""
    assert _hosts(store, "--where", "team = 'db'") == [f"h-{i:02d}" for i in range(0, 12, 2)]
    assert _hosts(store, "--changed-only") == ["h-00", "h-02", "h-03", "h-05", "h-06", "h-08", "h-09", "h-11"]
    assert _hosts(store, "--changed-only", "--where", "team=web", "--top", "3") == ["h-03", "h-05", "h-09"]
    assert _hosts(store, "--where", "host = 'none'") == []


@pytest.mark.parametrize("name", registry.names("report"))
def test_every_format_holds_the_rows_that_are_asked_for(store: Path, tmp_path: Path, name: str) -> None:
    """And none of the others."""
    output = tmp_path / f"out.{name}"
    result = report(store, "--format", name, "--where", "team = 'web'", "--changed-only", "-o", str(output))
    assert (result.exit_code, result.stdout) == (0, "")
    page = output.read_bytes()
    if name == "xlsx":
        page = repr(list(openpyxl.load_workbook(io.BytesIO(page))["breaches"].values)).encode()
    elif name == "parquet":
        page = repr(pl.read_parquet(io.BytesIO(page))["host"].to_list()).encode()
    found = [host for host in (f"h-{i:02d}" for i in range(12)) if host.encode() in page]
    assert found == ["h-03", "h-05", "h-09", "h-11"]


@pytest.mark.parametrize("name", ["table", "md", "html"])
def test_what_people_read_says_that_it_is_not_all(store: Path, name: str) -> None:
    """A digest of one team must not pass for the fleet's."""
    page = unescape(" ".join(report(store, "--format", name, "--where", "team = 'web'").stdout.split()))
    assert "where team = 'web'" in page
    none = report(store, "--where", "team = 'none'").stdout
    assert none == "0 rows (where team = 'none').\n"


@pytest.mark.parametrize(("width", "lines"), [(80, 2), (200, 1)])
def test_the_table_says_what_changed(store: Path, monkeypatch: pytest.MonkeyPatch, width: int, lines: int) -> None:
    """New, worse, better or cleared, and by how many days, in the room there is; without changes there is no column."""
    monkeypatch.setenv("COLUMNS", str(width))
    table = report(store, "--changed-only").stdout.split("\n\n")[0].splitlines()
    start, stop = (table[0].index(head) for head in ("change", "host"))
    changes = [line[start:stop].strip() for line in table[lines::lines]]

    assert changes == ["new", "worse -12 d", "cleared", "better +5 d"] * 2
    assert max(map(len, table)) <= width
    assert "change" not in report(store, "--where", "change_class = same").stdout.splitlines()[0].split()


def test_a_row_without_severity_says_why(store: Path) -> None:
    """Its status stands in brackets, so that nobody takes it for a severity."""
    first = {line.split()[0] for line in report(store).stdout.split("\n\n")[0].splitlines()[1:] if line[0] != " "}
    assert first == {"critical", "high", "medium", "(ok)", "(too_short)"}


def test_any_table_can_be_asked(store: Path) -> None:
    """By its own columns; those of another are not known."""
    result = report(store, "--table", "forecasts", "--format", "csv", "--where", "host = 'h-00' and q50 is not null")
    assert len(result.stdout.splitlines()) == 91
    wrong = report(store, "--table", "series", "--format", "csv", "--where", "q50 > 1")
    assert (wrong.exit_code, wrong.stdout) == (2, "")
    assert "column of series must be a known name" in wrong.stderr
