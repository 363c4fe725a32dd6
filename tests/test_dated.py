"""What changes with time: planned thresholds and capacities, and shares of something that was resized."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from capforecast import explain
from capforecast.config import load
from capforecast.dated import Dated, dated
from capforecast.history import History
from capforecast.limits import read, resolve
from capforecast.panel import DAY_US, HOUR_US
from capforecast.run import ingest_sources, nightly
from capforecast.sources import ReadOptions
from capforecast.times import parse_moment

AS_OF = parse_moment("2026-06-01")
PCT, FREE, BYTES = "disk_used_pct", "disk_free_pct", "disk_used_bytes"


def changes(folder: Path, metrics: list[str], *lines: str, days: int = 90) -> tuple[Dated, pl.DataFrame]:
    """Return what changes for one host's metrics, and its thresholds now."""
    path = folder / "limits.csv"
    path.write_text("host,metric,capacity,threshold_name,threshold,valid_from\n" + "\n".join(lines), encoding="utf-8")
    names = [("h", metric, "", "percent" if metric.endswith("pct") else "byte") for metric in metrics]
    series = pl.DataFrame(names, schema=["host", "metric", "instance", "unit"], orient="row")
    limits = read(path)
    now = resolve(series, limits, (), AS_OF)
    return dated(series, limits, (), now, AS_OF, AS_OF + days * DAY_US), now.thresholds


def levels(found: Dated, thresholds: pl.DataFrame, days: int = 90) -> dict[str, list[float]]:
    """Return by name the levels of the thresholds that change, one per stretch of days."""
    level = thresholds.get_column("threshold").to_numpy()
    changing, out = found.days(np.arange(level.size), level, AS_OF, days)
    names = thresholds.get_column("threshold_name").gather(changing).to_list()
    return {name: row.tolist() for name, row in zip(names, out, strict=True)}


def hourly(values: list[float], resized_at: int = 0) -> History:
    first = AS_OF // HOUR_US - len(values)
    buckets = np.arange(first, first + len(values))
    return History(np.array([0, len(values)]), buckets, {"max": np.array(values)}, HOUR_US)


def test_without_dates_nothing_changes(tmp_path: Path) -> None:
    """Lines that have always held are no change, nor is one that says again what holds."""
    for lines in (["h,*,5,full,90%,"], ["h,*,5,full,90%,", "h,*,5,full,90%,2026-07-01"], []):
        found, thresholds = changes(tmp_path, [PCT, BYTES], *lines)
        assert levels(found, thresholds) == {}
        assert found.grown.size == found.series.size == 0


def test_a_planned_line_holds_from_its_day_on(tmp_path: Path) -> None:
    """A capacity moves thresholds that are shares of it; a line beyond the horizon does not."""
    found, thresholds = changes(
        tmp_path, [BYTES], "h,*,100,full,90%,", "h,*,200,,,2026-06-11", "h,*,,full,off,2026-06-21",
        "h,*,400,,,2026-12-01",
    )  # fmt: skip
    assert levels(found, thresholds, 30) == {"full": [90.0] * 10 + [180.0] * 10 + [np.inf] * 10}


def test_a_day_ahead_has_the_threshold_of_its_middle(tmp_path: Path) -> None:
    """The same rule gives a day its date: what begins before noon of a day from midnight holds on that day."""
    for moment, want in (("2026-06-03T12:00", 2), ("2026-06-03T12:01", 3), ("2026-06-01T00:01", 0)):
        found, thresholds = changes(tmp_path, [BYTES], "h,*,,full,1,", f"h,*,,full,2,{moment}")
        assert levels(found, thresholds, 5) == {"full": [1.0] * want + [2.0] * (5 - want)}


def test_only_lines_that_hold_later_and_match_count(tmp_path: Path) -> None:
    """Of two lines of one date the last holds, and other hosts are left alone."""
    found, thresholds = changes(
        tmp_path, [BYTES], "h,*,,full,1,", "h,*,,full,7,2026-06-02", "*,*,,full,3,2026-06-02",
        "x,*,,full,9,2026-06-02",
    )  # fmt: skip
    assert levels(found, thresholds, 3)["full"] == [1.0, 3.0, 3.0]


def test_a_threshold_that_begins_later_is_named(tmp_path: Path) -> None:
    """It changes no row; a sentence has its line, first day and series. One in force, or too far, has none."""
    found, thresholds = changes(
        tmp_path, [PCT, BYTES], "h,*,,new,70,2026-06-11", "h,*,,new,60,2026-06-21", "h,*pct,,critical,95,2026-06-11",
        "h,*,,far,70,2027-01-01", "h,*bytes,,share,50%,", "h,*bytes,100,,,2026-07-01",
    )  # fmt: skip
    assert "new" not in levels(found, thresholds)
    first, second, third = found.begin
    assert first.startswith("limits.csv:2: this threshold begins on 2026-06-11 for 2 series, such as h disk_used_")
    assert second.startswith("limits.csv:3: this threshold begins on 2026-06-21 for 2 series")
    assert third.startswith("limits.csv:6: this threshold begins on 2026-07-01 for 1 series, such as h disk_used_bytes")


def test_a_planned_size_moves_the_threshold_of_a_share(tmp_path: Path) -> None:
    """Twice the size halves what is used of it: 90 % then are 180 % of today; 20 % free then are -60 % of today."""
    found, thresholds = changes(
        tmp_path, [FREE, PCT], "h,*,5,,,", "h,*_free_pct,,low,20,", "h,*_used_pct,,high,90,", "h,*,10,,,2026-06-02",
    )  # fmt: skip
    assert {name: row[-1] for name, row in levels(found, thresholds).items() if name in ("low", "high")} == {
        "low": -60.0, "high": 180.0,
    }  # fmt: skip
    lower, upper = found.bounds(np.array([0, 1]), np.array([True, False]), np.zeros(2), np.full(2, 100.0))
    assert (lower.tolist(), upper.tolist()) == ([-100.0, 0.0], [100.0, 200.0])


@pytest.mark.parametrize(("metric", "before", "after"), [(PCT, 80.0, 40.0), (FREE, 20.0, 60.0)])
def test_a_resize_is_neither_a_rise_nor_a_drop(tmp_path: Path, metric: str, before: float, after: float) -> None:
    """The same use of twice the size: history is told as shares of the size of now, also the torn hour."""
    moment = AS_OF - 10 * HOUR_US
    for shift, torn in ((0, 0), (20 * 60_000_000, 1)):
        day = f"{np.datetime64(moment + shift, 'us')}Z"
        found, _ = changes(tmp_path, [metric], "h,*,5,,,", f"h,*,10,,,{day}")
        # The worst of the torn hour is from before it grew.
        values = [before] * (14 + torn) + [after] * (10 - torn)
        got = found.rebased(hourly(values), np.array([0])).statistics["max"]
        np.testing.assert_allclose(got, np.full(24, after))
        assert got[-1] == after


def test_other_series_and_other_metrics_are_left_alone(tmp_path: Path) -> None:
    """Bytes are not shares: their history stays, whatever their capacity does."""
    found, _ = changes(tmp_path, [BYTES, PCT], "h,*,5,,,", "h,*,10,,,2026-05-31")
    rollups = hourly([1.0, 2.0])
    assert found.rebased(rollups, np.array([0])) is rollups
    assert found.rebased(rollups, np.array([1])).statistics["max"].tolist() == [1.0, 2.0]
    assert rollups.statistics["max"].tolist() == [1.0, 2.0]


def test_before_the_first_dated_size_that_size_held(tmp_path: Path) -> None:
    """Without an undated line nobody knows better."""
    found, _ = changes(tmp_path, [PCT], "h,*,5,,,2026-05-31T20:00:00Z", "h,*,10,,,2026-05-31T22:00:00Z")
    got = found.rebased(hourly([80.0] * 6), np.array([0])).statistics["max"]
    assert got.tolist() == [40.0] * 4 + [80.0] * 2


def night(folder: Path, metric: str, level: np.ndarray, *lines: str) -> dict[str, object]:
    """Return the breach row of one hourly series and its threshold critical."""
    header = "host,metric,capacity,threshold_name,threshold,valid_from"
    (folder / "limits.csv").write_text("\n".join([header, *lines]) + "\n", encoding="utf-8")
    ts = AS_OF - HOUR_US * np.arange(level.size, 0, -1)
    frame = pl.DataFrame({"host": "h", "metric": metric, "ts": ts, "value": level})
    frame.with_columns(pl.col("ts").cast(pl.Datetime("us", "UTC"))).write_parquet(folder / "s.parquet")
    config = load(None, {"limits.file": str(folder / "limits.csv"), "run.threads": 1})
    ingest_sources(folder / "store", [str(folder / "s.parquet")], ReadOptions(), config, now_us=AS_OF)
    rows = nightly(folder / "store", config, now_us=AS_OF, as_of_us=AS_OF).tables["breaches"]
    return rows.row(by_predicate=pl.col("threshold_name") == "critical", named=True)


FILL = 600.0 + np.arange(-120 * 24, 0) * 5.0 / 24
"""600 now, 5 more a day."""


def test_dates_follow_a_planned_capacity(tmp_path: Path) -> None:
    """900 of 1000 are reached on day 60; not when 2000 are there before; 50 % planned for day 30 are crossed then."""
    base = ("h,*,1000,,,", "h,*,,critical,90%,")
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    (tmp_path / "c").mkdir()
    plain = night(tmp_path / "a", BYTES, FILL, *base)
    more = night(tmp_path / "b", BYTES, FILL, *base, "h,*,2000,,,2026-07-15")
    less = night(tmp_path / "c", BYTES, FILL, *base, "h,*,,critical,65%,2026-07-01")

    assert plain["status"] == "will_breach"
    assert abs(plain["days_to_breach_p50"] - 60) <= 1
    assert more["p_breach_90d"] == 0.0
    assert more["breach_date_p10"] is None
    assert (less["status"], str(less["breach_date_p50"])) == ("will_breach", "2026-07-01")
    # What has to be there now, with what is planned on top: 820 on the day before 2000 come need 911.
    assert more["capacity_needed_90d"] == pytest.approx(911, rel=0.02)
    assert plain["capacity_needed_90d"] == pytest.approx(1050 / 0.9, rel=0.02)


def test_a_resize_of_a_percent_metric_is_no_change(tmp_path: Path) -> None:
    """80 % of the old size are 40 % of the new one: growth goes on, nothing has dropped, nothing is breached."""
    level = 45.0 + np.arange(-120 * 24, 0) * 0.1 / 24
    level[: -20 * 24] *= 2.0
    row = night(tmp_path, PCT, level, "h,*,5,,,", "h,*,10,,,2026-05-12")
    assert row["growth_per_day"] == pytest.approx(0.1, rel=0.05)
    assert (row["pattern"], row["status"], row["capacity"]) == ("steady", "ok", 10.0)
    assert row["p_breach_90d"] == 0.0
    assert 50.0 < row["forecast_90d_p50"] < 58.0


def test_an_explanation_knows_the_resize_too(tmp_path: Path) -> None:
    """No shift among its drivers, and what was over 90 % of the old size is no crossing of today's threshold."""
    level = 45.0 + np.arange(-120 * 24, 0) * 0.05 / 24
    level[: -20 * 24] *= 2.2
    row = night(tmp_path, PCT, level, "h,*,5,,,", "h,*,11,,,2026-05-12")
    (one,) = explain("h", PCT, threshold="critical", store=tmp_path / "store", as_of=AS_OF)
    assert level.max() > one.row["threshold"]
    assert one.evidence.crossed_days == 0
    assert one.split is not None
    assert {part.driver: part.whole for part in one.split.parts}.get("level_shift", 0.0) == 0.0
    assert one.split.slope == pytest.approx(row["growth_per_day"], rel=0.1)


def test_an_explanation_looks_ahead_with_what_is_planned(tmp_path: Path) -> None:
    """Its chances and the capacity that it names are those of the row, which knows that 2000 come."""
    row = night(tmp_path, BYTES, FILL, "h,*,1000,,,", "h,*,,critical,90%,", "h,*,2000,,,2026-07-15")
    (one,) = explain("h", BYTES, threshold="critical", store=tmp_path / "store", as_of=AS_OF)
    assert one.changes is not None
    assert one.changes.p_breach == {days: row[f"p_breach_{days}d"] for days in (7, 30, 90)}
    assert one.changes.capacity_needed == pytest.approx(row["capacity_needed_90d"])
    assert one.changes.keep_away is None
