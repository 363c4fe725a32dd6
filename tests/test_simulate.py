"""Simulated fleets: the same every time, every pattern planted, and the truth is true."""

from __future__ import annotations

import csv
import io
from collections import defaultdict
from datetime import UTC, date, datetime, timedelta
from fnmatch import fnmatchcase
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from capforecast.errors import ConfigError, UnknownNameError
from capforecast.kinds import kind_of
from capforecast.schema import STATUSES
from capforecast.simulate import END_US, Fleet, fleet, matrix, sample, write
from capforecast.simulate.__main__ import main
from capforecast.simulate.files import samples_csv
from capforecast.simulate.matrices import FAMILIES
from capforecast.times import DAY_US, HOUR_US, MINUTE_US, from_us, to_us

DATA = Path(__file__).parent.parent / "data"
SERIES = ["host", "metric", "instance"]
PATTERNS = {
    "steady", "daily", "daily_weekly", "sawtooth", "sawtooth_rising", "memory_leak", "disk_fill", "resize",
    "clean_up", "level_shift", "nightly_batch", "month_end", "dst_day", "counter_reset", "flat", "gap",
    "rename_old", "rename_new", "late_start", "just_started", "already_full", "above_warning", "bursty",
    "slow_growth", "season_growth",
}  # fmt: skip


@pytest.fixture(scope="module")
def made() -> Fleet:
    return fleet(step_us=HOUR_US)


def values(made: Fleet, host: str, metric: str, instance: str = "") -> tuple[np.ndarray, np.ndarray]:
    """Return days from the end and values of one series."""
    keys = pl.col("host") == host, pl.col("metric") == metric, pl.col("instance") == instance
    rows = made.samples.filter(*keys)
    return (rows["ts"].to_physical().to_numpy() - END_US) / DAY_US, rows["value"].to_numpy()


def truth(made: Fleet, host: str, metric: str, instance: str, threshold: str) -> dict[str, object]:
    row = made.truth.filter(
        pl.col("host") == host,
        pl.col("metric") == metric,
        pl.col("instance") == instance,
        pl.col("threshold_name") == threshold,
    )
    return row.row(0, named=True)


def limit_lines(text: str) -> list[dict[str, str]]:
    """Read limits.csv as its contract says, apart from the code that reads it in the product."""
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    return list(csv.DictReader(io.StringIO("\n".join(lines))))


def matching(text: str, key: tuple[str, str, str]) -> list[dict[str, str]]:
    rows = limit_lines(text)
    return [row for row in rows if all(fnmatchcase(k, row[c]) for k, c in zip(key, SERIES, strict=True))]


def capacities(text: str, key: tuple[str, str, str]) -> list[tuple[str, float]]:
    """Return (valid_from, capacity) of a series, oldest first."""
    return sorted((r["valid_from"], float(r["capacity"])) for r in matching(text, key) if r["capacity"])


def test_the_same_seed_gives_the_same_fleet() -> None:
    one, two, other = (fleet(days=10, step_us=HOUR_US, seed=seed) for seed in (3, 3, 4))

    assert_frame_equal(one.samples, two.samples)
    assert_frame_equal(one.truth, two.truth)
    assert one.limits == two.limits
    assert not one.samples["value"].equals(other.samples["value"])


def test_a_host_is_the_same_in_every_selection_of_hosts(made: Fleet) -> None:
    for name in ("web-04", "cache-02", "dwh-01"):
        alone = fleet(step_us=HOUR_US, hosts=[name])

        assert_frame_equal(alone.samples, made.samples.filter(pl.col("host") == name))
        assert_frame_equal(alone.truth, made.truth.filter(pl.col("host") == name))


def test_limits_of_a_selection_hold_only_lines_that_match_it() -> None:
    text = fleet(days=3, step_us=HOUR_US, hosts=["web-01"]).limits

    assert {row["host"] for row in limit_lines(text)} == {"web-*", "*"}


def test_two_series_never_share_their_noise(made: Fleet) -> None:
    steady = made.samples.filter(pl.col("metric") == "mem_used_pct", pl.col("host").str.starts_with("cache"))
    wide = steady.pivot("host", index="ts", values="value", aggregate_function=None).drop("ts").to_numpy()
    together = np.corrcoef(wide.T)

    assert np.abs(together[~np.eye(len(together), dtype=bool)]).max() < 0.2


def test_samples_have_the_promised_columns_order_and_range() -> None:
    made = fleet(days=4)
    expected = {
        "host": pl.String,
        "metric": pl.String,
        "instance": pl.String,
        "unit": pl.String,
        "ts": pl.Datetime("us", "UTC"),
        "value": pl.Float64,
    }
    rows = made.samples

    assert dict(rows.schema) == expected
    assert_frame_equal(rows, rows.sort(*SERIES, "ts"))
    assert rows.select(*SERIES, "ts").is_unique().all()
    assert rows["value"].is_finite().all()
    assert rows.null_count().sum_horizontal().item() == 0
    assert rows["ts"].min() == from_us(END_US - 4 * DAY_US)
    assert rows["ts"].max() == from_us(END_US - 15 * MINUTE_US)


def test_a_hundred_days_are_about_two_million_rows() -> None:
    made = fleet()

    assert 1_800_000 < made.samples.height < 2_300_000


def test_at_least_forty_hosts_each_have_the_usual_metrics(made: Fleet) -> None:
    series = defaultdict(set)
    for host, metric, instance in made.samples.select(SERIES).unique().iter_rows():
        series[host].add((metric, instance))
    usual = {
        ("cpu_util_pct", ""),
        ("mem_used_pct", ""),
        ("disk_used_bytes", "/"),
        ("disk_used_bytes", "/var"),
        ("net_rx_kbps", "eth0"),
    }

    assert len(series) >= 40
    assert all(usual <= found for found in series.values())
    assert sum(("disk_used_bytes", "/data") in found for found in series.values()) >= 10
    assert sum(metric == "disk_used_pct" for found in series.values() for metric, _ in found) >= 3


def test_every_pattern_is_planted(made: Fleet) -> None:
    assert set(made.truth["pattern"]) == PATTERNS


def test_every_series_has_its_row_of_truth_and_no_other(made: Fleet) -> None:
    assert_frame_equal(
        made.samples.select(SERIES).unique().sort(SERIES), made.truth.select(SERIES).unique().sort(SERIES)
    )
    assert made.truth.select(*SERIES, "threshold_name").is_unique().all()
    assert set(made.truth["status"]) <= set(STATUSES)


def test_percentages_and_used_bytes_stay_within_their_bounds(made: Fleet) -> None:
    percent = made.samples.filter(pl.col("unit") == "percent")["value"]
    disks = made.samples.filter(pl.col("metric") == "disk_used_bytes")

    assert 0 <= percent.min() <= percent.max() <= 100
    for key, rows in disks.group_by(SERIES):
        capacity = np.zeros(rows.height)
        for since, size in capacities(made.limits, key):
            start = datetime.fromisoformat(since or "1970-01-01").replace(tzinfo=UTC)
            capacity[(rows["ts"] >= start).to_numpy()] = size
        assert (rows["value"].to_numpy() <= capacity).all(), key
        assert rows["value"].min() > 0


def test_thresholds_of_the_truth_follow_from_limits_and_kinds(made: Fleet) -> None:
    stated = defaultdict(dict)
    for *key, name, threshold in made.truth.select(*SERIES, "threshold_name", "threshold").iter_rows():
        stated[tuple(key)].update({name: threshold} if name else {})
    for key, found in stated.items():
        expected = dict(kind_of(key[1]).thresholds)
        for row in matching(made.limits, key):
            text = row["threshold"]
            if text.endswith("%"):
                expected[row["threshold_name"]] = float(text[:-1]) / 100 * capacities(made.limits, key)[-1][1]
            elif text:
                expected[row["threshold_name"]] = float(text)
        assert found == pytest.approx(expected), key


def test_every_threshold_comes_with_a_lead_time(made: Fleet) -> None:
    for key in made.truth.filter(pl.col("threshold").is_not_null()).select(SERIES).unique().iter_rows():
        days = {row["lead_time_days"] for row in matching(made.limits, key)} - {""}

        assert len(days) == 1, key


def test_links_have_thresholds_on_some_hosts_and_none_on_others(made: Fleet) -> None:
    links = made.truth.filter(pl.col("metric") == "net_rx_kbps")

    assert links["threshold"].is_null().any()
    assert links["threshold"].is_not_null().any()


def test_every_host_has_all_labels_once(made: Fleet) -> None:
    for host in made.samples["host"].unique():
        labelled = [row for row in matching(made.limits, (host, "cpu_util_pct", "")) if row["service"]]

        assert len(labelled) == 1, host
        assert all(labelled[0][name] for name in ("team", "env", "site", "criticality"))


@pytest.mark.parametrize(
    ("host", "metric", "instance", "threshold", "at_end", "per_day", "level"),
    [
        ("web-03", "mem_used_pct", "", "warning", 72, 0.45, 80),
        ("web-03", "mem_used_pct", "", "critical", 72, 0.45, 90),
        ("db-02", "disk_used_bytes", "/data", "warning", 1450e9, 12e9, 1600e9),
        ("db-02", "disk_used_bytes", "/data", "critical", 1450e9, 12e9, 1800e9),
        ("db-02", "disk_used_pct", "/data", "full", 72.5, 0.6, 100),
        ("file-01", "disk_used_bytes", "/data", "critical", 2880e9, 6e9, 3600e9),
        ("dwh-01", "disk_used_bytes", "/data", "warning", 2260e9, 17e9, 3200e9),
    ],
)
def test_the_day_of_a_linear_breach_is_where_line_and_threshold_meet(
    made: Fleet,
    host: str,
    metric: str,
    instance: str,
    threshold: str,
    at_end: float,
    per_day: float,
    level: float,
) -> None:
    row = truth(made, host, metric, instance, threshold)
    hours = int(np.ceil((level - at_end) / per_day * 24 - 1e-9))

    assert row["threshold"] == level
    assert row["breach_day"] == from_us(END_US + hours * HOUR_US).date()
    assert row["status"] == ("will_breach" if hours < 90 * 24 else "ok")


@pytest.mark.parametrize(
    ("host", "metric", "instance"),
    [
        ("web-03", "mem_used_pct", ""),
        ("db-02", "disk_used_bytes", "/data"),
        ("db-02", "disk_used_pct", "/data"),
        ("file-01", "disk_used_bytes", "/data"),
        ("dwh-01", "disk_used_bytes", "/data"),
        ("batch-01", "disk_used_bytes", "/var"),
    ],
)
def test_a_line_through_the_samples_leads_to_the_true_day(made: Fleet, host: str, metric: str, instance: str) -> None:
    day, value = values(made, host, metric, instance)
    if host == "batch-01":
        week = np.floor((day + END_US / DAY_US) / 7)
        peaks = [np.argmax(np.where(week == w, value, -np.inf)) for w in np.unique(week)[:-1]]
        day, value = day[peaks], value[peaks]
    slope, level = np.polyfit(day, value, 1)
    row = truth(made, host, metric, instance, "critical")
    found = from_us(END_US).date() + timedelta(days=(row["threshold"] - level) / slope)

    tolerance = 7 if host == "batch-01" else 1
    assert abs((found - row["breach_day"]).days) <= tolerance


def test_the_growing_season_peaks_at_the_threshold_on_the_true_day(made: Fleet) -> None:
    day, value = values(made, "web-05", "net_rx_kbps", "eth0")
    workdays = np.array([from_us(END_US + int(d) * DAY_US).weekday() < 5 for d in np.floor(day)])
    days = np.unique(np.floor(day[workdays]))
    peaks = np.array([value[np.floor(day) == d].max() for d in days])
    slope, level = np.polyfit(days + 0.5, peaks, 1)
    row = truth(made, "web-05", "net_rx_kbps", "eth0", "warning")
    found = from_us(END_US).date() + timedelta(days=(row["threshold"] - level) / slope)

    assert row["status"] == "will_breach"
    assert abs((found - row["breach_day"]).days) <= 4


def test_breach_days_lie_after_the_end_and_only_where_they_belong(made: Fleet) -> None:
    dated = made.truth.filter(pl.col("breach_day").is_not_null())
    end = from_us(END_US).date()

    assert dated["breach_day"].min() >= end
    near = dated.filter(pl.col("breach_day") < end + timedelta(days=90))
    assert set(near["status"]) == {"will_breach"}
    assert set(dated["status"]) == {"will_breach", "ok"}
    assert made.truth.filter(pl.col("status") == "will_breach")["breach_day"].null_count() == 0


def test_what_is_true_to_be_ok_never_crossed_and_what_is_breached_stays_beyond(made: Fleet) -> None:
    last_day = from_us(END_US - DAY_US)
    recent = made.samples.filter(pl.col("ts") >= last_day)
    ever = made.samples.group_by(SERIES).agg(top=pl.col("value").max())
    bottom = recent.group_by(SERIES).agg(bottom=pl.col("value").min())
    rows = made.truth.filter(pl.col("threshold").is_not_null(), pl.col("pattern") != "resize")
    rows = rows.join(ever, on=SERIES).join(bottom, on=SERIES, how="left")

    calm = rows.filter(pl.col("status") != "breached")
    assert calm.filter(pl.col("top") >= pl.col("threshold")).height == 0
    beyond = rows.filter(pl.col("status") == "breached")
    assert beyond.height >= 3
    assert beyond.filter(pl.col("bottom") < pl.col("threshold")).height == 0


def test_flat_is_exactly_constant(made: Fleet) -> None:
    _, value = values(made, "cache-03", "disk_used_bytes", "/")

    assert np.unique(value).size == 1
    assert truth(made, "cache-03", "disk_used_bytes", "/", "critical")["status"] == "constant"


def test_sawtooth_falls_every_week_to_the_same_floor_and_the_rising_one_to_a_higher(made: Fleet) -> None:
    for host, rises in (("web-01", False), ("batch-01", True)):
        day, value = values(made, host, "disk_used_bytes", "/var")
        fall = np.flatnonzero(np.diff(value) < -10e9) + 1
        floors = value[fall]

        assert set(np.round(np.diff(day[fall]))) == {7}
        assert (np.polyfit(day[fall], floors, 1)[0] > 0.4e9) == rises
        assert (np.ptp(floors) < 2e9) == (not rises)


def test_a_resize_moves_the_share_but_not_the_bytes(made: Fleet) -> None:
    (_, old), (since, new) = capacities(made.limits, ("dwh-01", "disk_used_bytes", "/data"))
    day, used = values(made, "dwh-01", "disk_used_bytes", "/data")
    _, share = values(made, "dwh-01", "disk_used_pct", "/data")
    step = np.flatnonzero(day == (to_us(date.fromisoformat(since)) - END_US) / DAY_US).item()

    assert new == 2 * old
    assert abs(used[step] - used[step - 1]) < 0.01 * old
    assert share[step - 1] == pytest.approx(100 * used[step - 1] / old, abs=0.01)
    assert share[step] == pytest.approx(100 * used[step] / new, abs=0.01)
    assert share[step] < 0.55 * share[step - 1]


def test_a_clean_up_drops_once_and_the_growth_is_the_same_before_and_after(made: Fleet) -> None:
    day, value = values(made, "file-02", "disk_used_bytes", "/data")
    drops = np.flatnonzero(np.diff(value) < -1e12)
    before, after = day <= day[drops[0]], day > day[drops[0]]

    assert drops.size == 1
    assert np.polyfit(day[before], value[before], 1)[0] == pytest.approx(4e9, rel=0.05)
    assert np.polyfit(day[after], value[after], 1)[0] == pytest.approx(4e9, rel=0.2)


@pytest.mark.parametrize(("host", "metric", "size"), [("db-03", "cpu_util_pct", 24), ("db-04", "mem_used_pct", 22)])
def test_a_level_shift_is_one_step_for_good(made: Fleet, host: str, metric: str, size: float) -> None:
    day, value = values(made, host, metric)

    assert value[day >= -30].mean() - value[day < -30].mean() == pytest.approx(size, abs=0.5)
    assert value[day >= -5].mean() == pytest.approx(value[(day >= -30) & (day < -25)].mean(), abs=1)


def test_the_nightly_batch_peaks_around_two_in_the_night(made: Fleet) -> None:
    _, value = values(made, "batch-01", "cpu_util_pct")
    by_hour = value.reshape(-1, 24)

    assert set(by_hour.argmax(axis=1)) == {2}
    assert by_hour[:, 8:].max() < 25


def test_month_ends_and_no_other_days_peak(made: Fleet) -> None:
    day, value = values(made, "batch-04", "cpu_util_pct")
    high = {from_us(END_US + int(np.floor(d)) * DAY_US).date() for d in day[value > 50]}

    assert high == {date(2026, 2, 28), date(2026, 3, 31), date(2026, 4, 30)}


def test_local_office_hours_start_an_hour_earlier_in_utc_once_the_clocks_have_changed(made: Fleet) -> None:
    day, value = values(made, "web-08", "cpu_util_pct")
    rows = value.reshape(-1, 24)
    monday = {d: from_us(END_US + int(np.floor(d)) * DAY_US).date() for d in day[::24]}
    first = {monday[d]: int(np.argmax(row > 45)) for d, row in zip(day[::24], rows, strict=True)}

    assert first[date(2026, 3, 27)] == first[date(2026, 2, 10)] == 8
    assert first[date(2026, 3, 30)] == first[date(2026, 5, 18)] == 7
    assert rows[list(monday.values()).index(date(2026, 3, 29))].max() < 20


def test_the_counter_rises_with_the_rate_and_was_reset_twice(made: Fleet) -> None:
    _, count = values(made, "cache-02", "net_rx_bytes_total", "eth0")
    _, rate = values(made, "cache-02", "net_rx_kbps", "eth0")
    step = np.diff(count)

    assert (step < 0).sum() == 2
    assert np.all(np.abs(step - rate[1:] * 125 * 3600)[step > 0] <= 0.5 * 125 * 3600 + 1)
    assert count.min() >= 0


def test_the_gap_is_days_wide_on_every_series_of_its_host(made: Fleet) -> None:
    rows = made.samples.filter(pl.col("host") == "file-03")

    for _, series in rows.group_by(SERIES):
        assert series["ts"].diff().max() == timedelta(days=6, hours=1)


def test_a_renamed_host_goes_on_where_the_old_one_stopped(made: Fleet) -> None:
    for metric, instance in (("mem_used_pct", ""), ("disk_used_bytes", "/")):
        old_day, old = values(made, "app-01", metric, instance)
        new_day, new = values(made, "app-01-new", metric, instance)

        assert new_day[0] - old_day[-1] == pytest.approx(1 / 24)
        assert new_day[-1] == pytest.approx(-1 / 24)
        assert new.mean() == pytest.approx(old.mean(), rel=0.02)
    stopped = made.truth.filter(pl.col("host") == "app-01")["status"]
    assert set(stopped) == {"stale"}


def test_late_starts_have_twenty_days_and_twelve_hours(made: Fleet) -> None:
    for host, days in (("web-12", 20), ("web-13", 0.5)):
        first = made.samples.filter(pl.col("host") == host).group_by(SERIES).agg(pl.col("ts").min())["ts"]

        assert set(first) == {from_us(END_US - int(days * DAY_US))}


def test_bursts_are_rare_high_and_pass(made: Fleet) -> None:
    _, value = values(made, "build-01", "cpu_util_pct")
    high = value > 40

    assert 0.02 < high.mean() < 0.4
    assert np.diff(np.flatnonzero(high)).max() > 12
    assert value.max() <= 76


def test_daily_and_weekly_seasons_repeat(made: Fleet) -> None:
    day, value = values(made, "web-01", "cpu_util_pct")
    weekday = (np.floor(day + END_US / DAY_US).astype(int) - 4) % 7
    by_hour = [value[np.arange(value.size) % 24 == h].mean() for h in range(24)]

    assert 12 <= int(np.argmax(by_hour)) <= 15
    assert value[weekday < 5].max() > 1.3 * value[weekday >= 5].max()


@pytest.mark.parametrize("days", [2, 14, 40, 200])
def test_events_keep_their_share_of_any_window_and_slopes_their_breach_days(made: Fleet, days: int) -> None:
    other = fleet(days=days, step_us=HOUR_US)

    for column in ("breach_day", "status", "threshold"):
        expected, got = (f.truth.filter(pl.col("pattern") != "resize")[column] for f in (made, other))
        assert expected.to_list() == got.to_list()
    used = other.samples.filter(pl.col("host") == "dwh-01", pl.col("metric") == "disk_used_pct")["value"]
    assert used.max() < 92
    first = other.samples.filter(pl.col("host") == "web-12")["ts"].min()
    assert abs((from_us(END_US) - first).total_seconds() / 86400 - 0.2 * days) <= 1


def test_another_end_moves_the_history_and_the_breach_days(made: Fleet) -> None:
    later = fleet(end_us=END_US + 70 * DAY_US, days=10, step_us=HOUR_US)

    assert later.samples["ts"].max() == from_us(END_US + 70 * DAY_US - HOUR_US)
    leak = truth(later, "web-03", "mem_used_pct", "", "critical")["breach_day"]
    assert leak - truth(made, "web-03", "mem_used_pct", "", "critical")["breach_day"] == timedelta(days=70)


@pytest.mark.parametrize(
    "wrong",
    [{"days": 1}, {"seed": -1}, {"end_us": END_US + 1}, {"step_us": 7 * MINUTE_US}, {"step_us": DAY_US}],
    ids=str,
)
def test_arguments_out_of_range_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        fleet(**wrong)


def test_an_unknown_host_is_refused_and_the_nearest_named() -> None:
    with pytest.raises(UnknownNameError, match="db-02"):
        fleet(hosts=["db-002"])


def test_the_committed_sample_is_what_the_code_makes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path)]) == 0

    assert capsys.readouterr().out.splitlines() == [str(tmp_path / n) for n in ("samples.csv", "limits.csv")]
    for name in ("samples.csv", "limits.csv"):
        assert (DATA / name).read_bytes() == (tmp_path / name).read_bytes()
    assert sum(path.stat().st_size for path in DATA.iterdir()) < 200_000


def test_the_command_without_a_directory_says_how_it_is_used(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    assert main(["--help"]) == 2
    assert "python -m capforecast.simulate DIR" in capsys.readouterr().err


def test_the_readme_of_the_sample_tells_its_true_breach_days() -> None:
    text = (DATA / "README.md").read_text()
    made = sample()

    days = made.truth["breach_day"].drop_nulls()
    assert len(days) == 4
    assert all(day.isoformat() in text for day in days)
    assert all(f"`{host}` | `{metric}`" in text for host, metric in made.truth.select("host", "metric").rows())


def test_written_samples_read_back_the_same(tmp_path: Path) -> None:
    small = fleet(days=2, step_us=HOUR_US, hosts=["db-02", "web-12"])
    path, limits = write(small, tmp_path / "new" / "directory")
    back = pl.read_csv(path, schema_overrides={"instance": pl.String, "value": pl.Float64})
    back = back.with_columns(
        pl.col("instance").fill_null(""),
        pl.col("ts").str.to_datetime("%Y-%m-%dT%H:%M:%SZ", time_unit="us", time_zone="UTC"),
    )

    assert back.columns == ["host", "metric", "instance", "ts", "value", "unit"]
    assert_frame_equal(back.select(small.samples.columns), small.samples)
    assert limits.read_text() == small.limits
    assert "e+" not in samples_csv(small.samples)


def test_the_matrix_has_its_shape_bounds_and_no_holes() -> None:
    levels = matrix(40, 24 * 60, seed=1)

    assert levels.shape == (40, 24 * 60)
    assert levels.dtype == np.float64
    assert levels.flags.c_contiguous
    assert levels.flags.writeable
    assert np.isfinite(levels).all()
    assert 0 <= levels.min() < levels.max() <= 100
    assert (levels.std(axis=1) > 0).all()


def test_the_matrix_is_deterministic_and_its_rows_do_not_depend_on_their_number() -> None:
    np.testing.assert_array_equal(matrix(30, 200, seed=5), matrix(30, 200, seed=5))
    np.testing.assert_array_equal(matrix(30, 200, seed=5)[:11], matrix(11, 200, seed=5))
    assert not np.array_equal(matrix(8, 200, seed=5), matrix(8, 200, seed=6))


def test_the_matrix_holds_a_row_of_every_family_with_its_shape() -> None:
    levels = dict(zip(FAMILIES, matrix(len(FAMILIES), 24 * 56, seed=2), strict=True))
    by_hour = {name: row.reshape(-1, 24).mean(axis=0) for name, row in levels.items()}

    assert by_hour["daily"].argmax() == 14
    assert by_hour["nightly_batch"].argmax() == 2
    week = levels["daily_weekly"].reshape(-1, 7, 24).mean(axis=(0, 2))
    assert week[:5].min() > week[5:].max()
    assert levels["growth"][-24:].mean() > levels["growth"][:24].mean() + 5
    assert np.diff(levels["sawtooth"]).min() < -15
    assert np.ptp(by_hour["steady"]) < 2


@pytest.mark.parametrize("wrong", [(0, 5, 1), (5, 0, 1), (5, 5, -1)])
def test_a_matrix_without_rows_columns_or_seed_is_refused(wrong: tuple[int, int, int]) -> None:
    with pytest.raises(ConfigError, match="at least 1"):
        matrix(wrong[0], wrong[1], seed=wrong[2])
