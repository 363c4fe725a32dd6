"""Totals of a service or a team: futures of sums, who is in them, and that no order of work changes them."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

import capforecast as cf
from capforecast.config import Config, load
from capforecast.kinds import BUILT_IN
from capforecast.totals import _filled, adds_up
from tests.past_stores import DAYS, END, HOURS, frame, noise, stored

HOSTS = 6
LEVEL = 1e9


def _days(name: str) -> np.ndarray:
    """Return a level for each hour that is another on each day, between -1 and 1."""
    return np.repeat(noise(name)[:DAYS], 24)


def _fleet(folder: Path) -> Path:
    """Return a store: of `alike` all hosts move together, of `apart` each by itself, of `turns` two against another."""
    frames, lines = [], ["host,metric,instance,capacity,threshold_name,threshold,team"]
    for team in ("alike", "apart"):
        for i in range(HOSTS):
            host = f"{team}-{i}"
            moves = _days("one" if team == "alike" else host)
            frames.append(frame(host, "disk_used_bytes", LEVEL * (1 + 0.2 * moves), "/"))
    turn = _days("turns")
    frames += [frame(f"turns-{i}", "disk_used_bytes", LEVEL * (1 + sign * 0.2 * turn), "/") for i, sign in
               enumerate((1.0, -1.0))]  # fmt: skip
    frames.append(frame("alike-0", "cpu_util_pct", 30 + 5 * _days("cpu")))
    late = np.where(np.arange(HOURS) < HOURS - 24 * 20, np.nan, LEVEL)
    frames.append(frame("apart-late", "disk_used_bytes", late, "/"))
    gone = np.where(np.arange(HOURS) > HOURS - 24 * 3, np.nan, LEVEL)
    frames.append(frame("apart-gone", "disk_used_bytes", gone, "/"))
    for team in ("alike", "apart", "turns"):
        lines.append(f"{team}-*,disk_used_bytes,/,2e9,full,1.3e9,{team}")
        lines.append(f"{team}-*,cpu_util_pct,,,,,{team}")
    return stored(folder, *frames, limits="\n".join(lines) + "\n")


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = _fleet(tmp_path_factory.mktemp("totals"))
    cf.run(folder, as_of=END, config=_settings(folder, 2, 4096))
    return folder


def _settings(store: Path, threads: int, shard: int) -> Config:
    given = {"run.threads": threads, "run.shard_series": shard, "run.learning": False}
    return load(None, {**given, "limits.file": str(store.parent / "limits.csv")}, environ={})


def _totals(store: Path) -> pl.DataFrame:
    return pl.read_parquet(store / "reports" / "latest" / "totals.parquet")


def test_sums_are_of_levels_that_add_up_and_of_series_that_were_measured(store: Path) -> None:
    totals = _totals(store)
    assert set(totals["metric"]) == {"disk_used_bytes"}
    assert set(totals["label"]) == {"team"}
    by_team = {row["name"]: row for row in totals.iter_rows(named=True)}
    counts = {name: (row["series"], row["series_left_out"]) for name, row in by_team.items()}
    assert counts == {"alike": (HOSTS, 0), "apart": (HOSTS, 2), "turns": (2, 0)}
    forecasts = pl.read_parquet(store / "reports" / "latest" / "forecasts.parquet")
    last = forecasts.filter(pl.col("actual").is_not_null()).filter(pl.col("day") == pl.col("day").max())
    for name, row in by_team.items():
        count = row["series"]
        assert (row["threshold"], row["capacity"]) == pytest.approx((1.3e9 * count, 2e9 * count))
        peaks = last.filter(pl.col("host").str.contains(f"^{name}-[0-9]$"), metric="disk_used_bytes")["actual"]
        assert row["current"] == pytest.approx(peaks.sum())


def test_a_quantile_of_a_total_is_that_of_what_happens_together(store: Path) -> None:
    """Of hosts that move alike it is the sum of theirs; of others it is near that of the sum; of two in turns flat."""
    totals, breaches, days = (
        pl.read_parquet(store / "reports" / "latest" / f"{name}.parquet")
        for name in ("totals", "breaches", "forecasts")
    )
    high, apart, came = {}, {}, {}
    for row in totals.iter_rows(named=True):
        mine = pl.col("host").str.contains(f"^{row['name']}-[0-9]$") & (pl.col("metric") == "disk_used_bytes")
        high[row["name"]] = row["forecast_30d_p90"]
        apart[row["name"]] = breaches.filter(mine)["forecast_30d_p90"].sum()
        sums = days.filter(mine, pl.col("actual").is_not_null()).group_by("day").agg(pl.col("actual").sum())
        came[row["name"]] = sums["actual"].quantile(0.9)
    assert high["alike"] == pytest.approx(apart["alike"], rel=1e-6)
    assert abs(high["apart"] - came["apart"]) < abs(apart["apart"] - came["apart"])
    assert high["turns"] == pytest.approx(2 * LEVEL, rel=1e-6)
    assert apart["turns"] > 2.2 * LEVEL


@pytest.mark.parametrize(("threads", "shard"), [(1, 1), (2, 3)])
def test_sums_do_not_depend_on_threads_and_shards(store: Path, tmp_path: Path, threads: int, shard: int) -> None:
    other = _fleet(tmp_path)
    cf.run(other, as_of=END, config=_settings(other, threads, shard))
    same = [name for name in _totals(store).columns if name != "run_id"]
    assert _totals(other).select(same).equals(_totals(store).select(same), null_equal=True)


def test_what_must_be_added_lasts_ninety_days_with_the_target(tmp_path: Path) -> None:
    """However far ahead is looked: of what grows steadily it is about the 0.9 quantile of day 90, at 0.5 the median."""
    day = np.arange(250 * 24) / 24
    grown = LEVEL * (1.0 + 0.004 * (day - day[-1]))
    frames = [frame(f"h-{i}", "disk_used_bytes", grown + 0.01 * LEVEL * np.resize(noise(str(i)), day.size), "/")
              for i in range(2)]  # fmt: skip
    folder = stored(
        tmp_path, *frames, limits="host,metric,capacity,threshold_name,threshold,team\n*,*,1.1e9,full,1.1e9,a\n"
    )
    for target, near in ((0.1, "p90"), (0.5, "p50")):
        given = {"run.horizon": "250d", "run.target_probability": target, "run.learning": False, "run.threads": 1}
        cf.run(folder, as_of=END, config=load(None, {**given, "limits.file": str(tmp_path / "limits.csv")}, environ={}))
        (row,) = _totals(folder).filter(threshold_name="full").iter_rows(named=True)
        assert row["threshold"] == pytest.approx(2.2e9)
        assert row["add_needed_90d"] + 2.2e9 == pytest.approx(row[f"forecast_90d_{near}"], rel=0.005)
        breaches = pl.read_parquet(folder / "reports" / "latest" / "breaches.parquet").filter(threshold_name="full")
        for one in breaches.iter_rows(named=True):
            assert one["capacity_needed_90d"] == pytest.approx(one[f"forecast_90d_{near}"], rel=0.005)


@pytest.mark.parametrize(("hours", "ahead"), [(0, 40), (-10, 41)])
def test_a_total_crosses_on_the_date_on_which_its_series_do(tmp_path: Path, hours: int, ahead: int) -> None:
    """In the middle of the 41st day ahead, whose date is that of its own middle, before noon as after it."""
    moment = END + timedelta(hours=hours)
    level = LEVEL * (1.0 + 0.01 * (np.arange(HOURS) - HOURS - hours) / 24)
    frames = [frame(host, "disk_used_bytes", level, "/") for host in ("a", "b")]
    limits = "host,metric,capacity,threshold_name,threshold,team\n*,*,1.6e9,full,1.405e9,t\n"
    folder = stored(tmp_path, *frames, limits=limits)
    cf.run(folder, as_of=moment, config=_settings(folder, 1, 4096))
    (total,) = _totals(folder).filter(threshold_name="full").iter_rows(named=True)
    row = pl.read_parquet(folder / "reports" / "latest" / "breaches.parquet").filter(threshold_name="full")
    wanted = moment.date() + timedelta(days=ahead)
    assert set(row["breach_date_p50"]) == {wanted}
    assert total["breach_date_p50"] == wanted


def test_what_adds_up() -> None:
    assert {kind.name for kind in BUILT_IN if adds_up(kind)} == {"bytes", "rate", "count"}


def test_missing_days_are_as_the_day_before_or_the_first_one() -> None:
    nan = np.nan
    daily = np.array([[nan, 2.0, nan, nan, 5.0], [1.0, 2.0, 3.0, 4.0, 5.0]])
    filled = _filled(daily, ~np.isnan(daily))
    assert filled.tolist() == [[2.0, 2.0, 2.0, 2.0, 5.0], [1.0, 2.0, 3.0, 4.0, 5.0]]
