"""The past nights of a store: which questions are asked, what came, what would have been said, and how it is scored."""

from __future__ import annotations

import datetime
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from past_stores import DAY_US, DAYS, END, END_US, HOUR_US, filling, frame, noise, quiet, stored
from polars.testing import assert_frame_equal

import capforecast
from capforecast.config import load
from capforecast.errors import ConfigError, DataError
from capforecast.lookback import UNCORRECTED, look_back
from capforecast.pastcases import Reach, past
from capforecast.questions import Asking, end_of_data, questions
from capforecast.sources import REJECTS, ROWS, Batch
from capforecast.store import Store

WEEK = Asking(28 * DAY_US, 7 * DAY_US, (7 * DAY_US,), 10_000)
KEYS = ["host", "metric", "instance", "threshold_name", "cutoff", "horizon_s"]


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four disks that fill and eight quiet processors."""
    disks = [filling(f"disk-{day}", day) for day in (3, 10, 17, 24)]
    return stored(tmp_path_factory.mktemp("fleet"), *disks, *(quiet(f"web-{i}") for i in range(8)))


def settings(store: Path, **options: object) -> capforecast.Config:
    return load(None, {"store.path": str(store), **{name.replace("__", "."): one for name, one in options.items()}})


def asked_of(store: Path, asking: Asking = WEEK) -> tuple[pl.DataFrame, list[str]]:
    with Store.open(store) as opened:
        return questions(opened, settings(store), asking)


# --- which questions ------------------------------------------------------------------------------


def test_nights_are_midnights_whose_horizon_has_passed() -> None:
    """Counted back from the end of the data; one that is left has the shortest horizon behind it."""
    ago = [
        (END_US - night) // DAY_US
        for night in Asking(30 * DAY_US, 7 * DAY_US, (7 * DAY_US, 30 * DAY_US)).nights(END_US)
    ]
    assert ago == [28, 21, 14, 7]
    assert (END_US - Asking(10 * DAY_US, 7 * DAY_US, (10 * DAY_US,)).nights(END_US)).tolist() == [10 * DAY_US]


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ({"every_us": HOUR_US}, "every must be whole days; got '?1h"),
        ({"since_us": DAY_US, "horizons_us": (7 * DAY_US,)}, "must have passed since the oldest night"),
        ({"horizons_us": ()}, "there must be a horizon"),
    ],
)
def test_what_cannot_be_asked_is_refused(what: dict[str, object], message: str) -> None:
    """Nights are whole days apart, and a horizon must lie between the oldest night and the end."""
    with pytest.raises(ConfigError, match=message):
        Asking(**what)  # type: ignore[arg-type]


def test_every_series_and_threshold_is_asked_on_every_night(fleet: Path) -> None:
    """Three thresholds of four disks, two of eight processors, four nights."""
    asked, notes = asked_of(fleet)
    assert asked.height == (4 * 3 + 8 * 2) * 4
    assert asked.select("sid", "threshold_name", "cutoff_us", "horizon_us").is_unique().all()
    assert notes == []


def test_too_many_questions_are_chosen_by_hash_and_said(fleet: Path, tmp_path: Path) -> None:
    """The same ones in any order of ingest, in every part of the fleet; the reader is told."""
    few = Asking(28 * DAY_US, 7 * DAY_US, (7 * DAY_US,), 20)
    asked, notes = asked_of(fleet, few)
    again = stored(
        tmp_path, *(quiet(f"web-{i}") for i in reversed(range(8))), *(filling(f"disk-{d}", d) for d in (24, 3, 17, 10))
    )
    assert asked.height == 20
    assert asked.get_column("host").n_unique() > 5
    assert_frame_equal(asked.drop("sid"), asked_of(again, few)[0].drop("sid"))
    assert "20 cases are looked at, chosen by a hash" in notes[0]


def test_nothing_is_asked_before_the_history_reaches_back_so_far(tmp_path: Path) -> None:
    """Ten days of history on a night: seven days ahead are asked, 30 are not."""
    young = quiet("young").filter(pl.col("ts") >= END - datetime.timedelta(days=50))
    store = stored(tmp_path, young)
    asked, _ = asked_of(store, Asking(40 * DAY_US, 40 * DAY_US, (7 * DAY_US, 30 * DAY_US)))
    assert asked.get_column("horizon_us").unique().to_list() == [7 * DAY_US]


def test_thresholds_are_those_of_the_night(tmp_path: Path) -> None:
    """A line holds from its date on, and it is known until when the threshold of a night held."""
    moved = END - datetime.timedelta(days=10)
    limits = (
        "host,metric,instance,capacity,threshold_name,threshold,direction,lead_time_days,valid_from\n"
        "web-0,cpu_util_pct,,,warning,60,,,\n"
        f"web-0,cpu_util_pct,,,warning,70,,,{moved:%Y-%m-%d}\n"
    )
    store = stored(tmp_path, quiet("web-0"), limits=limits)
    asked, _ = asked_of(store)
    rows = asked.sort("cutoff_us").partition_by("threshold_name", as_dict=True)
    warning, critical = rows[("warning",)], rows[("critical",)]
    assert warning.get_column("threshold").to_list() == [60.0, 60.0, 60.0, 70.0]
    moved_us = END_US - 10 * DAY_US
    assert warning.get_column("until_us").to_list() == [moved_us, moved_us, moved_us, None]
    assert critical.get_column("until_us").null_count() == 4
    outcomes = look_back(store, settings(store), WEEK).cases.filter(threshold_name="warning").sort("cutoff")
    assert outcomes.get_column("outcome").to_list() == ["quiet", "quiet", "unknown", "quiet"]


# --- what came ------------------------------------------------------------------------------------


def plain_outcome(levels: dict[int, float], limit: float, below: bool, rule: tuple[int, int], cutoff: int) -> object:
    """Judge a week by loops over hours: the first hour of which k of the newest n were beyond the limit."""
    k, n = rule

    def beyond(hour: int) -> bool:
        return hour in levels and (levels[hour] <= limit if below else levels[hour] >= limit)

    def held(hour: int) -> bool:
        return hour in levels and sum(beyond(h) for h in range(hour - n + 1, hour + 1)) >= k

    start = cutoff // HOUR_US
    if not any(h in levels for h in range(start - 48, start)) or any(held(h) for h in range(start - 24, start)):
        return None
    for hour in range(start, start + 168):
        if held(hour):
            return "crossed", hour * HOUR_US
    known = sum(h in levels for h in range(start, start + 168)) / 168
    return ("quiet" if known >= 0.9 else "unknown"), None


def test_labels_are_those_of_plain_loops(tmp_path: Path) -> None:
    """Spiky levels with gaps around their thresholds, three rules and both directions."""
    rough = [
        (f"h{i}", metric, base + wide * noise(f"{i}{metric}") ** 3)
        for i in range(6)
        for metric, base, wide in (("cpu_util_pct", 55, 45), ("disk_used_pct", 40, 58), ("disk_free_pct", 60, 58))
    ]
    holes = [np.where(noise(f"gap{i}") > 0.9 - i % 3 * 0.1, np.nan, values) for i, (_, _, values) in enumerate(rough)]
    holes[0][-300:-200] = np.nan
    store = stored(tmp_path, *(frame(host, metric, v) for (host, metric, _), v in zip(rough, holes, strict=True)))
    asked, _ = asked_of(store, Asking(56 * DAY_US, DAY_US, (7 * DAY_US,)))
    with Store.open(store) as opened:
        seen = past(opened, asked, Reach(end_of_data(opened), 14 * DAY_US, 2 * DAY_US))
        found, newest = seen.cases, asked.get_column("cutoff_us").max()
        sid = dict(opened.series().select("host", "metric", "sid").rows_by_key(["host", "metric"], unique=True))
        told = {
            row[:-2]: row[-2:]
            for row in found.select("host", "metric", "threshold_name", "cutoff_us", "outcome", "crossed_us").rows()
        }
        levels = {}
        for key, one in sid.items():
            read = opened.rollups(np.array([one], np.int32), ["p95", "max", "min"])
            levels[key] = {
                name: dict(zip(read.bucket.tolist(), v.tolist(), strict=True)) for name, v in read.values.items()
            }
    want = {}
    for row in asked.iter_rows(named=True):
        history = levels[row["host"], row["metric"]][row["statistic"]]
        outcome = plain_outcome(history, row["threshold"], row["below"], (row["k"], row["n"]), row["cutoff_us"])
        if outcome is not None:
            want[row["host"], row["metric"], row["threshold_name"], row["cutoff_us"]] = outcome
    assert told == want
    assert {part.get_column("ts").max() < newest for part in seen.samples.values()} == {True}
    assert {outcome for outcome, _ in told.values()} == {"crossed", "quiet", "unknown"}
    assert set(asked.get_column("statistic")) == {"p95", "max", "min"}


def test_daily_samples_and_a_finer_store(tmp_path: Path) -> None:
    """A disk that is 90 % full 9.5 days before the end: seen on days of 24 hours, and on quarters of an hour."""
    axis = np.arange(-DAYS * 96, 0) / 96
    level, ts = np.clip(99.5 + axis, 0.0, 100.0), END_US + (axis * DAY_US).astype(np.int64)
    rows = pl.DataFrame({"ts": ts, "value": level, "line": np.arange(ts.size)})
    rows = rows.with_columns(
        host=pl.lit("d"), metric=pl.lit("disk_used_pct"), instance=pl.lit(""), unit=pl.lit("percent")
    )
    found = {}
    for name, step_us, every in (("quarters", HOUR_US // 4, 1), ("days", HOUR_US, 96)):
        batch = Batch(rows.gather_every(every, 20 if every > 1 else 0).select(*ROWS), pl.DataFrame(schema=REJECTS))
        with Store.create(tmp_path / name, step_us=step_us, created_us=END_US) as store:
            store.append(name, "0" * 64, [batch], ingest_id=name, run_id="", as_of_us=END_US)
        cases = look_back(tmp_path / name, settings(tmp_path / name), Asking(14 * DAY_US, DAY_US, (7 * DAY_US,))).cases
        crossed = cases.filter(threshold_name="critical", outcome="crossed")
        assert set(crossed.get_column("verdict")) == {"warned"}
        found[name] = crossed.get_column("crossed_at").unique().to_list(), crossed.get_column("cutoff").max()
    crossing = END - datetime.timedelta(days=9.5)
    assert found["quarters"] == ([crossing], datetime.datetime(2026, 5, 10, tzinfo=datetime.UTC))
    # A day is seen as a whole: its only sample, at five in the morning, is the first one above the threshold.
    assert found["days"][0] == [datetime.datetime(2026, 5, 11, tzinfo=datetime.UTC)]


# --- what would have been said --------------------------------------------------------------------


def test_filling_disks_are_warned_of_and_a_quiet_fleet_is_not(fleet: Path) -> None:
    """Every disk that crossed within a week of a night was foreseen, and no processor was."""
    found = look_back(fleet, settings(fleet), WEEK)
    assert found.messages == [UNCORRECTED]
    counts = {(metric, verdict): n for metric, verdict, n in found.cases.group_by("metric", "verdict").len().rows()}
    assert counts[("disk_used_pct", "warned")] >= 4
    assert ("disk_used_pct", "missed") not in counts
    assert {verdict for metric, verdict in counts if metric == "cpu_util_pct"} == {"quiet"}
    total = found.figures.row(0, named=True)
    assert total["every"]
    assert total["auc"] > 0.95
    assert 0.0 < total["lead_days"] < 7.0


def test_a_warning_before_a_clean_up_is_told_apart(tmp_path: Path) -> None:
    """A disk that would have been full in five days lost half of its content two days after the night."""
    disk = filling("disk", 2.0).with_columns(
        value=pl.when(pl.col("ts") >= END - datetime.timedelta(days=5)).then(pl.col("value") / 2).otherwise("value")
    )
    store = stored(tmp_path, disk)
    found = look_back(store, settings(store), Asking(7 * DAY_US, 7 * DAY_US, (7 * DAY_US,))).cases
    critical = found.filter(threshold_name="critical").row(0, named=True)
    assert (critical["verdict"], critical["fell"], critical["crossed_at"]) == ("false", True, None)


def test_a_quiet_fleet_gives_no_warnings(tmp_path: Path) -> None:
    """Neither a week nor a month ahead."""
    store = stored(tmp_path, *(quiet(f"web-{i}") for i in range(5)))
    found = capforecast.replay_store(store, since="42d")
    assert set(found.cases.get_column("verdict")) == {"quiet"}
    assert found.figures.get_column("horizon_s").unique().sort().to_list() == [604_800, 2_592_000]
    assert found.figures.get_column("auc").null_count() == found.figures.height


def test_nothing_after_a_night_is_known(fleet: Path, tmp_path: Path) -> None:
    """With the values after a night in another order, all that was said up to that night stays the same."""
    night = END - datetime.timedelta(days=14)
    samples = pl.read_parquet(fleet.parent / "samples.parquet")
    early, late = samples.filter(pl.col("ts") < night), samples.filter(pl.col("ts") >= night)
    late = late.with_columns(pl.col("value").reverse().over("host"))
    other = stored(tmp_path, early, late)
    said = [*KEYS, "p_breach", "breach_p10", "breach_p50", "breach_p90", "status", "level"]
    one, two = (
        look_back(store, settings(store), Asking(28 * DAY_US, 7 * DAY_US, (7 * DAY_US,))).cases.filter(
            pl.col("cutoff") <= night
        )
        for store in (fleet, other)
    )
    assert one.height > 50
    assert_frame_equal(one.select(said), two.select(said))
    assert not one.get_column("outcome").equals(two.get_column("outcome"))


def test_threads_change_nothing(fleet: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Batches are the same, and come back in their order."""
    monkeypatch.setattr("capforecast.lookback.SERIES", 3)
    one, two = (look_back(fleet, settings(fleet, run__threads=n), WEEK).cases for n in (1, 2))
    assert_frame_equal(one, two)


def test_a_store_without_past_is_refused(tmp_path: Path) -> None:
    """A week of samples has no night with a past of its own and a week behind it."""
    store = stored(tmp_path, quiet("web-0").filter(pl.col("ts") >= END - datetime.timedelta(days=7)))
    with pytest.raises(DataError, match="some history before past nights"):
        look_back(store, settings(store), WEEK)
