"""The nights after the first: what still holds is used again, and nothing but time depends on it."""

from dataclasses import dataclass
from pathlib import Path

import polars as pl
import pytest

from capforecast.config import Config, load
from capforecast.inquiry import adhoc
from capforecast.run import RunResult, ingest_sources, nightly
from capforecast.simulate import fleet
from capforecast.sources import ReadOptions
from capforecast.store.keeping import FILE
from capforecast.times import DAY_US, to_us

HOSTS = ("db-02", "web-03", "file-05", "cache-03", "app-01", "batch-01")


@dataclass(frozen=True)
class Nights:
    """A store with two published nights."""

    path: Path
    config: Config
    first: RunResult
    second: RunResult
    now_us: int

    def again(self, days: int = 0, *, refit: bool = False, config: Config | None = None) -> RunResult:
        """Run a night once more, or a later one."""
        moment = self.now_us + days * DAY_US
        return nightly(self.path, config or self.config, now_us=moment, as_of_us=moment, refit=refit)


@pytest.fixture
def nights(tmp_path: Path) -> Nights:
    made = fleet(hosts=HOSTS)
    (tmp_path / "limits.csv").write_text(made.limits, encoding="utf-8")
    config = load(None, {"limits.file": str(tmp_path / "limits.csv"), "run.threads": 1})
    made.samples.write_parquet(tmp_path / "samples.parquet")
    # As of a whole hour, as cron would have it.
    now_us = to_us(made.samples.get_column("ts").max()) // (DAY_US // 24) * (DAY_US // 24)
    store = tmp_path / "store"
    ingest_sources(store, [str(tmp_path / "samples.parquet")], ReadOptions(), config, now_us=now_us)
    first = nightly(store, config, now_us=now_us, as_of_us=now_us - DAY_US)
    return Nights(store, config, first, nightly(store, config, now_us=now_us, as_of_us=now_us), now_us)


def carried(result: RunResult) -> int:
    return int(result.tables["run"].item(0, "series_carried"))


def test_the_second_night_uses_what_holds_and_says_so(nights: Nights) -> None:
    """The first night fits all; the second counts what it carried, and each series tells its night."""
    assert carried(nights.first) == 0
    count = carried(nights.second)
    series = nights.second.tables["series"]
    day = series.get_column("run_date")[0]
    assert 0 < count < series.height
    assert series.filter(pl.col("fitted") < day).height == count
    stages = nights.second.seconds
    assert stages["carry"] > 0


def test_a_repeated_night_is_the_same_night(nights: Nights) -> None:
    """The same store and moment give the same tables, since they read what the same run kept."""
    repeated = nights.again()
    assert not repeated.published.changed
    assert repeated.published.files["breaches.parquet"] == nights.second.published.files["breaches.parquet"]


def test_threads_and_shards_leave_no_trace(nights: Nights, tmp_path: Path) -> None:
    """What is carried is decided series by series."""
    settings = {"limits.file": nights.config.limits.file, "run.threads": 2, "run.shard_series": 4}
    repeated = nights.again(config=load(None, settings))
    assert not repeated.published.changed


def test_refit_fits_all(nights: Nights) -> None:
    """With refit nothing of the nights before is used, and rows that were fitted tonight anyway are the same."""
    full = nights.again(refit=True)
    assert carried(full) == 0
    key = ["host", "metric", "instance"]
    series = nights.second.tables["series"]
    fresh = series.filter(pl.col("fitted") == pl.col("run_date")).select(key)
    for name in ("forecasts", "backtests"):
        mine, other = (run.tables[name].join(fresh, on=key, how="semi") for run in (nights.second, full))
        assert mine.equals(other, null_equal=True)
        assert mine.height > 0


def test_other_settings_fit_all(nights: Nights) -> None:
    """What was kept under other settings is not used."""
    settings = {"limits.file": nights.config.limits.file, "run.threads": 1, "run.target_probability": 0.2}
    assert carried(nights.again(1, config=load(None, settings))) == 0


def test_every_night_may_be_a_full_one(nights: Nights) -> None:
    """refit_every of a day fits all every night."""
    settings = {"limits.file": nights.config.limits.file, "run.threads": 1, "run.refit_every": "1d"}
    config = load(None, settings)
    nights.again(config=config)
    assert carried(nights.again(1, config=config)) == 0


def test_the_terminal_says_what_the_night_said(nights: Nights) -> None:
    """An ad hoc forecast of a host uses what the nightly run did."""
    tables = adhoc(nights.path, nights.config, host="db-02", now_us=nights.now_us, as_of_us=nights.now_us)
    for name in ("breaches", "forecasts"):
        rows = nights.second.tables[name].filter(pl.col("host") == "db-02")
        assert tables[name].equals(rows, null_equal=True)


def test_only_the_newest_runs_keep_forecasts(nights: Nights) -> None:
    """Three files, whatever the number of nights."""
    for days in (1, 2, 3):
        nights.again(days)
    files = sorted(path.parent.parent.name for path in nights.path.glob(f"reports/history/*/*/{FILE}"))
    dates = sorted(path.name for path in nights.path.glob("reports/history/run_date=*"))
    assert files == dates[-3:]


def test_a_damaged_file_costs_time_alone(nights: Nights) -> None:
    """Without what was kept, or with damage, the night is a full one, and damage is told."""
    (kept,) = nights.path.glob(f"reports/history/*/run_id={nights.first.run_id}/{FILE}")
    data = bytearray(kept.read_bytes())
    for at in range(len(data) // 4, len(data) // 2):
        data[at] ^= 0x55
    kept.write_bytes(data)
    damaged = nights.again()
    assert carried(damaged) == 0
    assert any("damaged" in text for text in damaged.messages)
    kept.write_bytes(b"nothing")
    unreadable = nights.again()
    assert carried(unreadable) == 0
    assert any("must be as they were written" in text for text in unreadable.messages)
    kept.unlink()
    full = nights.again(refit=True)
    assert damaged.tables["breaches"].equals(full.tables["breaches"], null_equal=True)
