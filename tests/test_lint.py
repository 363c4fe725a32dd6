"""lint says what looks wrong, names the series, and says nothing of a fleet that is fine."""

import json

import numpy as np
import polars as pl
import pytest
from click.testing import CliRunner
from past_stores import END, END_US, HOURS, filling, frame, noise, quiet, stored

from capforecast.cli import main
from capforecast.config import load
from capforecast.lint import CODES, NAMED, lint
from capforecast.mark_settings import Rename
from capforecast.store import Store
from capforecast.suspicions import Traces, changed_step, counts_up, went_flat

RNG = np.random.default_rng(3)
AXIS = np.arange(HOURS)


def looked(path, config=None, as_of_us=END_US):
    with Store.open(path) as store:
        return lint(store, config or load(None, {}, environ={}), as_of_us)


def course(last, low=None, high=None, count=None, bucket=None):
    last = np.asarray(last, float)
    bucket = np.arange(last.size) if bucket is None else np.asarray(bucket)
    plain = (last if one is None else np.asarray(one, float) for one in (low, high))
    count = np.ones(last.size) if count is None else np.asarray(count, float)
    return Traces(np.array([0, last.size]), bucket, count, *plain, last)


def test_a_fleet_that_is_fine_is_left_in_peace(tmp_path):
    path = stored(
        tmp_path / "s",
        *(quiet(f"web-{i}") for i in range(3)),
        filling("db", 5.0),
        frame("db", "disk_used_bytes", 1e9 + 1e6 * AXIS),
    )
    assert looked(path) == []


def test_each_thing_that_looks_wrong_is_named_once(tmp_path):
    counter = np.cumsum(RNG.integers(1, 1000, HOURS)).astype(float)
    counter[HOURS - 100 :] -= counter[HOURS - 100] - 3.0
    stuck = quiet("stuck").with_columns(
        value=pl.when(pl.int_range(pl.len()) < HOURS - 60).then("value").otherwise(42.0)
    )
    sparse = quiet("sparse").filter((pl.int_range(pl.len()) < HOURS - 15 * 24) | (pl.int_range(pl.len()) % 3 == 0))
    moment = pl.col("ts").dt.epoch("us")
    path = stored(
        tmp_path / "s",
        frame("c", "requests_total", counter),
        frame("m", "mem_used_pct", 94.0 + noise("m")),
        frame("p", "cpu_util_pct", 130.0 + 20 * noise("p")),
        stuck, sparse,
        frame("d", "disk_used_bytes", 1.07e9 + 1e5 * noise("d")), frame("k", "disk_used_bytes", 9e8 + 1e5 * noise("k")),
        quiet("old").filter(moment < END_US - 20 * 86_400_000_000),
        quiet("old").with_columns(host=pl.lit("new")).filter(moment >= END_US - 20 * 86_400_000_000),
        limits="host,metric,capacity\nd,disk_used_bytes,1e9\nk,disk_used_bytes,1e6\n",
    )  # fmt: skip
    found = looked(path)
    assert [(one.code, one.host) for one in found] == [
        ("beyond_100", "p"), ("counter", "c"), ("cache", "m"), ("flat", "stuck"), ("step", "sparse"), ("capacity", "d"),
        ("capacity", "k"), ("renamed", "old"),
    ]  # fmt: skip
    said = {one.host: one.message for one in found}
    assert "GiB and GB do" in said["d"]
    assert "factor of 1e+03" in said["k"]
    assert "'new'" in said["old"]
    told = load(None, {}, environ={}).model_copy(update={"renames": (Rename(old="old", new="new", at="2026-04-30"),)})
    assert "renamed" not in {one.code for one in looked(path, told)}


def test_clocks_that_are_ahead_are_told_by_host(tmp_path):
    path = stored(tmp_path / "s", quiet("a"), quiet("b"))
    found = looked(path, as_of_us=END_US - 2 * 3_600_000_000)
    assert [(one.code, one.host) for one in found] == [("clock", "a"), ("clock", "b")]
    assert "1h" in found[0].message


def test_of_each_sort_so_many_are_named_and_the_rest_counted(tmp_path):
    path = stored(
        tmp_path / "s", *(frame(f"h{i:02d}", "cpu_util_pct", 150.0 + noise(str(i))[:200]) for i in range(NAMED + 3))
    )
    found = looked(path)
    assert len(found) == NAMED + 1
    assert found[-1].message == f"3 more: {CODES['beyond_100']}"


def test_rules_need_enough_to_go_by():
    assert not counts_up(course(np.arange(47.0)))[0]
    assert counts_up(course(np.arange(48.0)))[0]
    # A level that grows falls back now and then.
    assert not counts_up(course(np.where(np.arange(60) % 20 == 19, 0.0, 5.0) + np.arange(60.0), low=np.zeros(60)))[0]
    assert not went_flat(course(np.ones(95)))[0]
    assert went_flat(course([*range(60), *[7.0] * 48]))[0]
    assert changed_step(course(np.ones(60), count=[12.0] * 30 + [60.0] * 30))[0] == 5.0
    assert np.isnan(changed_step(course(np.ones(30)))[0])
    assert counts_up(Traces(np.zeros(3, np.int64), *(np.empty(0, np.int64),) * 1, *(np.empty(0),) * 4)).tolist() == [
        False,
        False,
    ]


@pytest.mark.parametrize(("value", "code", "word"), [(50.0, 0, "nothing looks wrong"), (150.0, 4, "beyond_100")])
def test_files_are_looked_at_without_taking_them(tmp_path, value, code, word):
    frame("h", "cpu_util_pct", value + noise("h")).write_parquet(tmp_path / "s.parquet")
    arguments = ["lint", str(tmp_path / "s.parquet"), "--store", str(tmp_path / "store"), "--as-of", END.isoformat()]
    result = CliRunner().invoke(main, arguments)
    assert (result.exit_code, word in result.stdout) == (code, True)
    assert not (tmp_path / "store").exists()
    told = json.loads(CliRunner().invoke(main, [*arguments, "--json"]).stdout)["findings"]
    assert [one["code"] for one in told] == [word] * (code > 0)


HEADER = "host,metric,instance,capacity,threshold_name,threshold,direction,lead_time_days,valid_from\n"


def told(path, *codes):
    return [(one.code, one.host, one.message) for one in looked(path) if one.code in codes]


def test_capacities_and_thresholds_of_another_magnitude_are_told_once_for_each_line_and_metric(tmp_path):
    path = stored(
        tmp_path / "s",
        *(frame(f"gb-{i}", "disk_used_bytes", 500.0 + noise(f"g{i}")) for i in range(3)),
        frame("big", "disk_used_bytes", 1.45e12 + 1e9 * noise("big")),
        frame("new", "disk_used_bytes", 3e4 + 0 * noise("new")),
        frame("fine", "disk_used_bytes", 2e9 + 1e8 * noise("f")),
        frame("idle", "cpu_util_pct", np.zeros(HOURS)), *(quiet(f"web-{i}") for i in range(2)),
        frame("lossy", "packet_loss_pct", np.where(AXIS % 97 == 0, 8.0, 0.0)),
        frame("free", "disk_free_bytes", 5e11 + 1e9 * noise("free")),
        limits=HEADER + "gb-*,disk_used_bytes,,1e12,,,,,\n"
        "big,disk_used_bytes,,2000,,,,,\nnew,disk_used_bytes,,1e12,,,,,\n"
        "fine,disk_used_bytes,,,critical,1e12,,,\n*,cpu_util_pct,,,critical,0.9,,,\n*,packet_loss_pct,,,critical,1,,,\n"
        "free,disk_free_bytes,,,warning,2e9,below,,\nfree,disk_free_bytes,,,critical,10,below,,\n",
    )  # fmt: skip
    found = told(path, "capacity", "threshold")
    assert [one[:2] for one in found] == [
        ("capacity", "big"), ("capacity", "gb-0"), ("threshold", "free"), ("threshold", "web-0"),
    ]  # fmt: skip
    said = {host: message for _, host, message in found}
    assert said["gb-0"].startswith("limits.csv:2: the capacity of this and 2 more series is 1e+12, and levels reach 50")
    assert "about a factor of 1e+09" in said["gb-0"]
    assert said["big"].startswith("limits.csv:3: the capacity of this is 2000")
    assert said["free"].startswith("limits.csv:9: ")
    assert said["web-0"].startswith("limits.csv:6: the threshold of this and 1 more series is 0.9, and levels reach 4")


def test_thresholds_that_are_met_later_than_worse_ones_are_told(tmp_path):
    path = stored(
        tmp_path / "s", quiet("a"), quiet("b"), frame("c", "disk_free_bytes", 5e11 + 1e9 * noise("c")),
        limits=HEADER + "a,cpu_util_pct,,,warning,95,,,\nb,cpu_util_pct,,,warning,90,,,\n"
        "c,disk_free_bytes,,,warning,1e10,below,,\nc,disk_free_bytes,,,critical,2e10,below,,\n",
    )  # fmt: skip
    assert told(path, *CODES) == [
        (
            "order", "a",
            "limits.csv:2: warning at 95 of this lies beyond critical at 90 (kind:percent), direction above",
        ),
        (
            "order", "c",
            "limits.csv:4: warning at 1e+10 of this lies beyond critical at 2e+10 (limits.csv:5), direction below",
        ),
    ]  # fmt: skip


def test_limits_are_those_of_the_file_where_there_is_one(tmp_path):
    """What was corrected is not told again, what is mistyped is told before a run takes it."""
    path = stored(tmp_path / "s", quiet("a"), limits=HEADER + "x,*,,,critical,90,,,\n")
    file = tmp_path / "limits.csv"
    arguments = ["lint", "--store", str(path), "--as-of", END.isoformat()]
    for text, code in (("a,*,,,critical,90,,,\n", 0), ("b,*,,,critical,90,,,\n", 4)):
        file.write_text(HEADER + text, encoding="utf-8")
        settings = tmp_path / "capforecast.toml"
        settings.write_text("", encoding="utf-8")
        result = CliRunner().invoke(main, [*arguments, "--config", str(settings)])
        assert (result.exit_code, "limits.csv:2 (b,*,*)" in result.stdout) == (code, code > 0)
    file.unlink()
    assert "limits.csv:2 (x,*,*)" in CliRunner().invoke(main, [*arguments, "--config", str(settings)]).stdout


def test_files_that_hold_a_part_of_the_fleet_say_nothing_of_lines_for_the_rest(tmp_path):
    quiet("a").write_parquet(tmp_path / "s.parquet")
    (tmp_path / "limits.csv").write_text(HEADER + "b,*,,,critical,90,,,\n", encoding="utf-8")
    (tmp_path / "capforecast.toml").write_text("", encoding="utf-8")
    arguments = ["lint", str(tmp_path / "s.parquet"), "--config", str(tmp_path / "capforecast.toml")]
    result = CliRunner().invoke(main, [*arguments, "--as-of", END.isoformat()])
    assert (result.exit_code, result.stdout) == (0, "nothing looks wrong\n")
