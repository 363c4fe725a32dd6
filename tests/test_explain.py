"""Explanations of a simulated fleet: the planted driver, exact sums, plain words, what would change the date."""

from __future__ import annotations

import json
import math
import re
from dataclasses import replace
from datetime import date, timedelta
from functools import cache
from itertools import product
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st

import capforecast as cf
from capforecast.breach import Outlook, growth_needed, probabilities
from capforecast.cli import main
from capforecast.drivers import DRIVERS
from capforecast.errors import DataError, UnknownNameError
from capforecast.explanation import Explanation
from capforecast.grades import REASONS as CODES
from capforecast.limits import read
from capforecast.phrases import column
from capforecast.pool import families
from capforecast.schema import PATTERNS
from capforecast.simulate import END_US, fleet
from capforecast.times import DAY_US, HOUR_US
from capforecast.windows import INPUTS
from capforecast.wording import DRIVERS as DRIVER_WORDS
from capforecast.wording import INPUTS as INPUT_WORDS
from capforecast.wording import MEMBERS, REASONS, member_words
from capforecast.wording import PATTERNS as PATTERN_WORDS

HOSTS = ("web-03", "db-03", "batch-04", "web-05", "file-05", "web-13", "cache-03", "app-01")
AS_OF = "2026-05-20"

PLANTED = {
    **dict.fromkeys(
        ("memory_leak", "disk_fill", "slow_growth", "season_growth", "sawtooth_rising", "resize"), ("trend",)
    ),
    **dict.fromkeys(("level_shift", "clean_up"), ("level_shift",)),
    **dict.fromkeys(("daily", "nightly_batch", "dst_day"), ("daily_season",)),
    "daily_weekly": ("daily_season", "weekly_season"),
    "sawtooth": ("weekly_season",),
    "month_end": ("month_end",),
}
"""The driver of each pattern of the fleet that has one; its sawtooth is cleaned up every seven days."""


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with some hosts of the fleet, and one whose idle share falls."""
    folder = tmp_path_factory.mktemp("explain")
    made = fleet(hosts=HOSTS, step_us=HOUR_US)
    idle = made.samples.filter(pl.col("host") == "web-03", pl.col("metric") == "mem_used_pct").with_columns(
        pl.lit("idle-01").alias("host"),
        pl.lit("cpu_idle_pct").alias("metric"),
        (100.0 - pl.col("value")).alias("value"),
    )
    pl.concat([made.samples, idle]).write_parquet(folder / "samples.parquet")
    (folder / "limits.csv").write_text(made.limits, encoding="utf-8")
    cf.ingest(folder / "samples.parquet", folder / "store")
    with cf.Store.open(folder / "store", writable=True) as opened:
        opened.set_limits(read(folder / "limits.csv"), "limits.csv", "")
    return folder / "store"


@cache
def of_host(store: Path, host: str) -> list[Explanation]:
    return cf.explain(host, store=store, as_of=AS_OF)


def explained(store: Path, host: str, metric: str = "", threshold: str = "") -> list[Explanation]:
    """Return the explanations of a host, made once, of one metric or threshold where it is named."""
    found = [one for one in of_host(store, host) if metric in ("", one.row["metric"])]
    return [one for one in found if threshold in ("", one.row["threshold_name"])]


def call(store: Path, *arguments: str, columns: int = 80) -> Result:
    environment = {"COLUMNS": str(columns), "NO_COLOR": ""}
    options = ["--store", str(store), "--as-of", AS_OF]
    result = CliRunner(env=environment).invoke(main, ["explain", *arguments, *options], prog_name="capforecast")
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


@pytest.mark.parametrize(
    ("host", "metric", "drivers"),
    [
        ("web-03", "mem_used_pct", ("trend",)),
        ("db-03", "cpu_util_pct", ("level_shift",)),
        ("batch-04", "cpu_util_pct", ("month_end",)),
        ("web-05", "cpu_util_pct", ("daily_season", "weekly_season")),
        ("web-05", "net_rx_kbps", ("trend",)),
        ("idle-01", "cpu_idle_pct", ("trend",)),
    ],
)
def test_the_planted_driver_is_the_largest(store: Path, host: str, metric: str, drivers: tuple[str, ...]) -> None:
    """A leak, a step, month ends, waves of day and week, a growing link, an idle share that falls."""
    for one in explained(store, host, metric):
        assert one.split is not None
        assert one.split.largest in drivers
        assert f"Mainly: {DRIVER_WORDS[one.split.largest]}" in one.text()


@pytest.mark.slow
def test_every_planted_driver_of_the_whole_fleet_is_the_largest(tmp_path: Path) -> None:
    """411 thresholds of 42 hosts: each pattern that has a driver is named by it."""
    made = fleet(step_us=HOUR_US)
    made.samples.write_parquet(tmp_path / "samples.parquet")
    (tmp_path / "limits.csv").write_text(made.limits, encoding="utf-8")
    cf.ingest(tmp_path / "samples.parquet", tmp_path / "store")
    with cf.Store.open(tmp_path / "store", writable=True) as opened:
        opened.set_limits(read(tmp_path / "limits.csv"), "limits.csv", "")
    truth = {row[:3]: row[3] for row in made.truth.select("host", "metric", "instance", "pattern").iter_rows()}
    wrong = []
    for host in sorted({key[0] for key in truth}):
        for one in explained(tmp_path / "store", host):
            expected = PLANTED.get(truth.get(one.series, ""))
            if expected is not None and one.split is not None and one.split.largest not in expected:
                wrong.append((one.series, truth[one.series], one.split.largest))
    assert wrong == []


def test_a_split_leads_to_the_threshold_on_its_median_date(store: Path) -> None:
    """Where a crossing is foreseen; its parts sum to the rise, its percents to 100, in the JSON as well."""
    for one in explained(store, "web-03", "mem_used_pct"):
        told = json.loads(json.dumps(one.to_dict()["split"], default=str, allow_nan=False))
        assert told["target"] == one.row["threshold"]
        assert told["target_day"] == str(one.row["breach_date_p50"])
        for stage, rise in (("so_far", "rise_so_far"), ("to_come", "rise_to_come"), ("whole", "rise")):
            assert math.fsum(part[stage] for part in told["parts"]) == pytest.approx(told[rise], rel=1e-9)
            assert sum(part[f"{stage}_pct"] for part in told["parts"]) == 100


def test_a_split_ends_now_where_the_threshold_is_crossed_already(store: Path) -> None:
    """Nothing is to come, and the past crossing is told; more capacity is what helps."""
    (one, *_) = [one for one in explained(store, "file-05", "disk_used_bytes") if one.series[2] == "/data"]
    assert one.row["status"] == "breached"
    assert one.split is not None
    assert {part.to_come for part in one.split.parts} == {0.0}
    assert one.evidence.crossings[-1].last == date(2026, 5, 19)
    assert one.evidence.crossed_days == 100
    assert one.changes is not None
    assert one.changes.keep_away is None
    assert "times the present one" not in one.text()
    assert re.search(r"the capacity would have to be [\d.]+ TB, [\d.]+ % more than now", one.text(1000))


def test_a_peak_of_the_last_day_is_no_lower_than_now(store: Path) -> None:
    """Where the newest level is worse than what was held for long enough, the text says that it was held."""
    one = explained(store, "web-03", "mem_used_pct", threshold="warning")[0]
    assert one.split is not None
    for more, said in ((-1.0, "the peak of the last day is"), (1.0, "the level held on the last day is")):
        told = replace(one, row={**one.row, "current": one.split.now + more}).text(1000)
        assert f"{said} {one.split.now:.1f} %" in told


def test_what_growth_changes_is_what_the_fleet_does(store: Path) -> None:
    """A leak of 0.45 points a day reaches 80 % from 72 %: away beyond 90 days with a growth of 7.8 / 90 points."""
    one = explained(store, "web-03", "mem_used_pct", threshold="warning")[0]
    found = one.changes
    assert found is not None
    assert found.days == 90
    assert found.keep_away == pytest.approx(7.8 / 90 - 0.45, abs=0.06)
    assert found.keep_safe is not None
    assert found.keep_away is not None
    assert found.keep_safe <= found.keep_away < 0.0
    assert found.reach is None
    chances = [raised.p_breach for raised in found.raised]
    assert chances == sorted(chances, reverse=True)
    assert found.capacity_needed == pytest.approx(one.row["capacity_needed_90d"])


def test_where_low_values_hurt_everything_is_told_the_other_way_round(store: Path) -> None:
    """The level falls, less of a fall keeps the crossing away, and capacity is no matter."""
    one = explained(store, "idle-01", threshold="warning")[0]
    assert one.row["direction"] == "below"
    assert one.split is not None
    assert one.split.slope == pytest.approx(-0.45, abs=0.01)
    assert one.split.target == 20.0
    assert one.changes is not None
    assert one.changes.keep_away is not None
    assert one.changes.keep_away > 0.0
    text = one.text(1000)
    assert "What the fall consists of" in text
    assert "capacity" not in text
    assert "the threshold would have to be" in text


def test_texts_are_plain_and_no_wider_than_asked(store: Path) -> None:
    """Every status, every host: no escapes, no marks of markup, no NaN, each grade reason in words."""
    seen = set()
    for host in (*HOSTS, "idle-01"):
        for one, width in product(explained(store, host), (80, 160)):
            text = one.text(width)
            seen.add(one.row["status"])
            assert max(map(len, text.splitlines())) <= width
            assert not re.search(r"[*`|<\x1b]|\bnan\b|\binf\b|None", text)
            assert not re.search(r"^\s*(#|\d+\.\s|[-+]\s)", text, re.M)
    assert seen >= {"ok", "will_breach", "breached", "too_short", "stale", "constant", "no_trend"}


def test_the_command_reads_at_any_width_and_names_the_other_series(store: Path) -> None:
    """The most urgent series is explained with a chart, its thresholds in turn; the others are named on stderr."""
    for columns in (80, 160):
        result = call(store, "web-03", columns=columns)
        assert result.exit_code == 0
        assert result.stdout.startswith("web-03 mem_used_pct, warning 80 %: will_breach, grade A\n")
        assert "\nweb-03 mem_used_pct, critical 90 %: will_breach, grade A\n" in result.stdout
        assert result.stdout.count("┊") > 5
        assert result.stdout.count("What it is built on") == 1
        assert max(map(len, result.stdout.splitlines())) <= columns
        assert "4 more series; name a METRIC" in result.stderr
    assert call(store, "web-03", "mem_used_pct", "--threshold", "critical").stderr == ""


def test_json_has_every_threshold_most_urgent_first(store: Path) -> None:
    """All series of the host, with all digits."""
    found = json.loads(call(store, "web-03", "--json").stdout)
    assert len({(one["row"]["metric"], one["row"]["instance"]) for one in found}) == 5
    assert found[0]["row"]["metric"] == found[1]["row"]["metric"] == "mem_used_pct"
    assert set(found[0]) == {"row", "split", "evidence", "changes", "corrections", "days"}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("db-3", "mem_used_pct"), "Did you mean 'db-03'?"),
        (("web-03", "mem_used_pc"), "Did you mean 'mem_used_pct'?"),
        (("web-03", "mem_used_pct", "--threshold", "warn"), "Did you mean 'warning'?"),
    ],
)
def test_a_wrong_name_is_answered_with_the_nearest(store: Path, arguments: tuple[str, ...], said: str) -> None:
    """Exit 2, one line."""
    result = call(store, *arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert said in result.stderr


def test_what_cannot_be_explained_says_why(store: Path) -> None:
    """No threshold, no samples yet, no such host."""
    with pytest.raises(DataError, match="must have a threshold to be explained"):
        cf.explain("batch-04", "net_rx_kbps", store=store, as_of=AS_OF)
    with pytest.raises(DataError, match="must hold samples of 'web-03' before"):
        cf.explain("web-03", store=store, as_of="2020-01-01")
    with pytest.raises(UnknownNameError):
        cf.explain("nobody", store=store)


def test_nothing_later_than_as_of_touches_an_explanation(store: Path, tmp_path: Path) -> None:
    """A store that ends at the moment explains like one that goes on."""
    moment = END_US - 20 * DAY_US
    samples = pl.read_parquet(store.parent / "samples.parquet").filter(pl.col("host") == "db-03")
    samples.filter(pl.col("ts").dt.epoch("us") < moment).write_parquet(tmp_path / "early.parquet")
    samples.write_parquet(tmp_path / "all.parquet")
    for name in ("early", "all"):
        cf.ingest(tmp_path / f"{name}.parquet", tmp_path / name)
    early, whole = (
        [one.to_dict() for one in cf.explain("db-03", store=tmp_path / name, as_of=moment)] for name in ("early", "all")
    )
    assert early == whole


def test_every_name_has_its_words() -> None:
    """Members of the pool, reasons of grades, patterns, drivers and what corrects probabilities."""
    near, far, _ = families("pool")
    members = {name for model in (*near, *far) for seasons in ((24, 168), (7,)) for name in model.members(seasons)}
    assert {name.partition("(")[0] for name in members} <= set(MEMBERS)
    assert member_words("smooth(0.1,0.3,0.05,0)") == MEMBERS["smooth"]
    assert member_words("statsforecast:AutoETS") == "statsforecast:AutoETS"
    assert set(CODES) <= set(REASONS)
    assert set(PATTERNS) <= set(PATTERN_WORDS)
    assert set(DRIVERS) == set(DRIVER_WORDS)
    assert {*INPUTS, "doubt"} == set(INPUT_WORDS)


@given(
    st.integers(0, 2**32 - 1), st.integers(1, 12), st.integers(1, 20), st.sampled_from([0.1, 0.3, 0.5, 0.9]),
    st.floats(-5, 60),
)  # fmt: skip
def test_growth_needed_is_the_least_that_crosses(seed: int, paths: int, days: int, chance: float, level: float) -> None:
    """With it the futures cross with the probability, with a little less they do not."""
    rng = np.random.default_rng(seed)
    peaks = 30 + rng.standard_normal((paths, 20)).cumsum(axis=1)
    weights = rng.random(paths)
    weights[0] = 0.0 if paths > 1 else 1.0
    weights /= weights.sum()
    peaks[weights == 0.0] = np.nan
    found = growth_needed(peaks, weights, level, days, chance)
    for more, crosses in ((1e-6, True), (-1e-6, False)):
        grown = peaks + (found + more) * np.arange(1, 21)
        future = Outlook(grown[None], weights[None])
        reached = probabilities(future, np.zeros(1, np.int64), np.array([level]))[0, days - 1]
        assert (reached >= chance - 1e-9) == crosses
    assert growth_needed(peaks, weights, np.full(20, level), days, chance) == found


def test_amounts_are_told_in_one_unit_without_the_dust_of_sums() -> None:
    """That of the largest; what is nothing beside it is 0."""
    assert column({"unit": "byte"}, [2e9, -3.5e8, 1e-3]) == (["2", "-0.35", "0"], "GB")
    assert column({"unit": "percent"}, [0.5, 0.0]) == (["0.5", "0"], "points")
    assert column({"unit": None}, [0.0]) == (["0"], "")


def test_dates_of_larger_capacities_are_those_of_the_futures(store: Path) -> None:
    """The median date of a threshold raised by a tenth is later by what the growth needs for it."""
    one = explained(store, "web-03", "mem_used_pct", threshold="warning")[0]
    assert one.changes is not None
    raised = one.changes.raised[0]
    assert (raised.more_pct, raised.threshold) == (10, pytest.approx(88.0))
    assert raised.breach_date_p50 is not None
    later = raised.breach_date_p50 - one.row["breach_date_p50"]
    assert abs(later - timedelta(days=8.0 / 0.45)) <= timedelta(days=2)
