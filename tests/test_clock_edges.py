"""Clocks that change, leap seconds, 1970, 2038 and the ends of time, from a file to the published run."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from capforecast.arguments import moment_us
from capforecast.cli import main
from capforecast.errors import ConfigError
from capforecast.store import Store, read_published
from capforecast.times import LATEST_US, from_us

DAYS = 12


def said(folder: Path, *words: str, code: int = 0) -> str:
    """Run the command line on the store of a folder; return what it prints."""
    done = CliRunner().invoke(main, [*words, "--store", str(folder / "store"), "--quiet"], catch_exceptions=False)
    assert done.exit_code == code, done.output
    return done.output


def table(path: Path, stamps: Iterable[str], host: str = "h") -> str:
    """Write a table with one sample for each stamp."""
    lines = [f"{host},cpu_util_pct,{stamp},{40 + k % 7}" for k, stamp in enumerate(stamps)]
    path.write_text("\n".join(["host,metric,ts,value", *lines]) + "\n")
    return str(path)


def halves(end: datetime) -> list[str]:
    """Return a stamp for each half hour of the days before a moment, without a zone."""
    begin = end - timedelta(days=DAYS)
    return [(begin + timedelta(minutes=30 * k)).isoformat() for k in range(48 * DAYS)]


def quarantined(folder: Path, stamps: list[str]) -> dict[str, str]:
    """Return the reason for each stamp of a table that was not taken."""
    with Store.open(folder / "store") as store:
        ledger, rows = store.ledger(), store.quarantine()
        counts = ledger.select(pl.col("rows_in", "accepted", "duplicate", "quarantined").sum()).row(0)
        assert counts[0] == sum(counts[1:])
        assert counts[3] == rows.height
    return {stamps[line - 2]: reason for line, reason in rows.select("line", "reason").rows()}


def ran(folder: Path, as_of: datetime) -> pl.DataFrame:
    """Publish a run; return its series."""
    said(folder, "run", "--as-of", as_of.isoformat())
    told = read_published(folder / "store")
    series: pl.DataFrame = told["series"]
    assert told["breaches"]["as_of"].unique().to_list() == [as_of.replace(tzinfo=UTC)]
    assert set(told["breaches"]["status"]) <= {"ok", "no_trend", "will_breach"}
    return series


@pytest.mark.parametrize(
    ("end", "lost", "why"),
    [
        (datetime(2026, 4, 2), ["2026-03-29T02:00:00", "2026-03-29T02:30:00"], "skipped"),
        (datetime(2025, 10, 30), ["2025-10-26T02:00:00", "2025-10-26T02:30:00"], "doubled"),
    ],
)
def test_local_times_of_a_clock_change_are_quarantined_and_the_run_goes_on(
    tmp_path: Path, end: datetime, lost: list[str], why: str
) -> None:
    """What a wall clock cannot tell is not guessed; all other half hours are, each at its moment."""
    wall = halves(end)
    path = table(tmp_path / "local.csv", wall)
    said(tmp_path, "ingest", path, "--tz", "Europe/Berlin", "--as-of", end.isoformat(), code=4)
    reason = f"local time is {why} by a clock change in Europe/Berlin"
    assert quarantined(tmp_path, wall) == dict.fromkeys(lost, reason)
    with Store.open(tmp_path / "store") as store:
        stamps = store.samples("h", "cpu_util_pct")["ts"].to_list()
    steps = {after - before for before, after in zip(stamps, stamps[1:], strict=False)}
    # Two half hours less on the wall are none less in time in spring, and four in autumn.
    assert len(stamps) == 48 * DAYS - 2
    assert steps == {timedelta(minutes=30), timedelta(minutes=30 if why == "skipped" else 150)}
    assert ran(tmp_path, end)["host"].to_list() == ["h"]


def test_stamps_with_an_offset_are_told_apart_in_the_doubled_hour(tmp_path: Path) -> None:
    both = ["2025-10-26T02:30:00+02:00", "2025-10-26T02:30:00+01:00"]
    wall = [*halves(datetime(2025, 10, 25)), *both]
    path = table(tmp_path / "local.csv", wall)
    said(tmp_path, "ingest", path, "--tz", "Europe/Berlin", "--as-of", "2025-10-30")
    assert quarantined(tmp_path, wall) == {}
    with Store.open(tmp_path / "store") as store:
        stamps = store.samples("h", "cpu_util_pct")["ts"].tail(2).to_list()
    assert stamps == [datetime(2025, 10, 26, hour, 30, tzinfo=UTC) for hour in (0, 1)]


ODD = {
    "2016-12-31T23:59:60Z": "time is not an ISO 8601 time",
    "2026-02-28T24:00:00Z": "time is not an ISO 8601 time",
    "1969-12-31T23:59:59Z": "timestamp before 1970",
    "0001-01-01T00:00:00Z": "timestamp before 1970",
    "2026-03-03T00:00:01Z": "timestamp in the future",
    "2038-01-19T03:14:08Z": "timestamp in the future",
    "9999-12-31T23:59:59Z": "timestamp after 2262-01-01",
    "-0001-01-01T00:00:00Z": "time is not an ISO 8601 time",
}


def test_odd_moments_are_quarantined_with_a_reason_and_spoil_no_neighbour(tmp_path: Path) -> None:
    """A leap second has no place on the time of Unix; 1970 itself and a clock a day ahead are taken."""
    end = datetime(2026, 3, 2)
    good = [*halves(end), "1970-01-01T00:00:00Z", "2026-03-03T00:00:00Z"]
    said(tmp_path, "ingest", table(tmp_path / "a.csv", [*good, *ODD]), "--as-of", end.isoformat(), code=4)
    assert quarantined(tmp_path, [*good, *ODD]) == ODD
    with Store.open(tmp_path / "store") as store:
        samples = store.samples("h", "cpu_util_pct")
    assert samples.height == len(good)
    assert samples["ts"][0] == datetime(1970, 1, 1, tzinfo=UTC)
    ran(tmp_path, end)


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_the_ends_of_64_bits_are_quarantined(tmp_path: Path, unit: str) -> None:
    """As numbers since the epoch and as timestamps of Parquet, which can hold moments that microseconds cannot."""
    end = datetime(2026, 3, 2)
    ticks = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}[unit]
    good = [int(datetime.fromisoformat(stamp).replace(tzinfo=UTC).timestamp()) * ticks for stamp in halves(end)]
    odd = [2**63 - 1, -(2**63) + 1, -ticks, 2**62, 2**62 + 1]
    path = table(tmp_path / "numbers.csv", [str(one) for one in [*good, *odd]])
    said(tmp_path, "ingest", path, "--epoch", unit, "--as-of", end.isoformat(), code=4)
    if unit == "s":
        # Parquet knows no seconds.
        good = [stamp * 1000 for stamp in good]
    columns = {"host": ["p"] * len(good + odd), "metric": ["cpu_util_pct"] * len(good + odd)}
    stamps = pa.array(np.array(good + odd), pa.timestamp("ms" if unit == "s" else unit, "UTC"))
    values = pa.array(np.arange(len(good + odd)) % 7 + 40.0)
    pq.write_table(pa.table({**columns, "ts": stamps, "value": values}), tmp_path / "p.parquet", version="2.6")
    said(tmp_path, "ingest", str(tmp_path / "p.parquet"), "--as-of", end.isoformat(), code=4)
    with Store.open(tmp_path / "store") as store:
        ledger = store.ledger()
        assert ledger["quarantined"].to_list() == [len(odd)] * 2, store.quarantine()
        assert ledger["accepted"].to_list() == [len(good)] * 2
    assert ran(tmp_path, end)["host"].to_list() == ["h", "p"]


@pytest.mark.parametrize("end", [datetime(1970, 1, 1) + timedelta(days=DAYS), datetime(2039, 2, 1), from_us(LATEST_US)])
def test_a_run_at_either_end_of_time_is_a_run(tmp_path: Path, end: datetime) -> None:
    """Beyond 2038, and up to the last moment that a run may look at; no later sample will ever count."""
    end = end.replace(tzinfo=None)
    stamps = [*halves(end), (end + timedelta(hours=1)).isoformat()]
    future = from_us(LATEST_US).replace(tzinfo=None) == end
    said(tmp_path, "ingest", table(tmp_path / "a.csv", stamps), "--as-of", end.isoformat(), code=4 if future else 0)
    assert quarantined(tmp_path, stamps) == ({stamps[-1]: "timestamp after 2262-01-01"} if future else {})
    ran(tmp_path, end)
    said(tmp_path, "report", "--format", "html", "--output", str(tmp_path / "report.html"))
    assert json.loads(said(tmp_path, "status", "--json"))["runs"]


@pytest.mark.parametrize("text", ["9999-12-31", "2262-01-01T00:00:01Z", "1969-12-31T23:59:59Z", "0001-01-01"])
def test_a_moment_no_run_can_have_is_a_usage_error(tmp_path: Path, text: str) -> None:
    assert "as_of must lie between 1970-01-01 and 2262-01-01" in said(tmp_path, "run", "--as-of", text, code=2)
    with pytest.raises(ConfigError, match="as_of must lie between"):
        moment_us(text)
    with pytest.raises(ConfigError, match="as_of must lie between"):
        moment_us(2**63)


def test_a_mistyped_moment_and_a_clock_that_is_ahead_cost_nobody_their_samples(tmp_path: Path) -> None:
    """A run as of a moment that has not come takes a sample of that time; what was there stays, and may grow."""
    end = datetime(2025, 6, 1)
    good, ahead = table(tmp_path / "good.csv", halves(end)), table(tmp_path / "ahead.csv", ["2095-01-01T00:00:00"], "z")
    settings = tmp_path / "capforecast.toml"
    sources = "".join(f"[[sources]]\nlocation = {json.dumps(name)}\n" for name in (good, ahead))
    settings.write_text(f'[run]\nhorizon = "7d"\n[ingest]\nsamples_days = 400\n{sources}')
    said(tmp_path, "run", "--config", str(settings), "--as-of", "2095-02-01T00:00:00", code=0)
    with Store.open(tmp_path / "store") as store:
        assert sorted(store.series().select("host", "samples").rows()) == [("h", 48 * DAYS), ("z", 1)]
        assert store.samples("h", "cpu_util_pct").height == 48 * DAYS
    late = table(tmp_path / "late.csv", [end.isoformat()])
    said(tmp_path, "ingest", late, "--as-of", (end + timedelta(hours=1)).isoformat())
