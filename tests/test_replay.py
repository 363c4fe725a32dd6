"""Replaying past crossings: each case is answered from what was known at its cutoff, and comes back in its place."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from capforecast.errors import SchemaError, UnknownNameError
from capforecast.replay import replay
from capforecast.times import parse_duration
from tests.strategies import levels

START = datetime(2026, 1, 5, tzinfo=UTC)
ANSWERS = ["p_breach", "breach_p10", "breach_p50", "breach_p90", "status"]
DAY_S = 86_400


def samples(host: str, values: object, step: str = "5m", metric: str = "cpu_util_pct") -> pl.DataFrame:
    """Return one series, a sample per step from the start on."""
    width = timedelta(microseconds=parse_duration(step))
    rows = [(host, metric, START + i * width, float(v)) for i, v in enumerate(np.asarray(values))]
    types = {"host": pl.String, "metric": pl.String, "ts": pl.Datetime("us", "UTC"), "value": pl.Float64}
    return pl.DataFrame(rows, schema=types, orient="row")


def case(case_id: str, host: str, threshold: float, cutoff: datetime, **more: object) -> dict[str, object]:
    base = {"case_id": case_id, "host": host, "metric": "cpu_util_pct", "threshold": threshold, "cutoff": cutoff}
    return base | {"horizon_s": DAY_S, "direction": "above", "sustain_s": 0} | more


def table(*cases: dict[str, object]) -> pl.DataFrame:
    return pl.DataFrame(list(cases), infer_schema_length=None)


def one(frame: pl.DataFrame, history: pl.DataFrame) -> dict[str, object]:
    return replay(frame, history).row(0, named=True)


def hours(seed: int, days: int, kind: str = "seasonal") -> np.ndarray:
    return np.repeat(levels(kind, seed, 24 * days), 12)


@pytest.fixture(scope="module")
def history() -> pl.DataFrame:
    return pl.concat(
        [
            samples("a", hours(1, 20)),
            samples("b", hours(2, 9, "normal")),
            samples("flat", np.full(12 * 24 * 6, 40.0)),
            samples("daily", levels("ramp", 4, 200), "1d"),
        ]
    )


@pytest.fixture(scope="module")
def cases() -> pl.DataFrame:
    """Return cases of all sorts, in no order."""
    day = timedelta(days=1)
    return table(
        case("9", "b", 55.0, START + 8 * day),
        case("2", "a", 75.0, START + 9 * day + timedelta(hours=3), sustain_s=900),
        case("7", "nobody", 10.0, START + 9 * day),
        case("1", "a", 30.0, START + 9 * day, direction="below", horizon_s=3 * DAY_S),
        case("5", "daily", 60.0, START + 150 * day, horizon_s=30 * DAY_S),
        case("4", "a", 75.0, START + 7 * day, horizon_s=6 * 3600),
        case("3", "flat", 41.0, START + 5 * day),
        case("6", "a", 75.0, START + timedelta(hours=5)),
        case("8", "a", 80.0, START + 19 * day, horizon_s=30 * DAY_S),
    )


# --- the contract of the output -----------------------------------------------------------------


def test_the_cases_come_back_in_their_order(history: pl.DataFrame, cases: pl.DataFrame) -> None:
    """All columns and rows of the cases unchanged, five columns more, whatever the order of the cases."""
    got = replay(cases, history)
    assert got.columns == [*cases.columns, *ANSWERS]
    assert_frame_equal(got.select(cases.columns), cases, check_exact=True)
    assert got.schema["p_breach"] == pl.Float64
    assert got.schema["breach_p50"] == pl.Datetime("us", "UTC")
    statuses = dict(got.select("case_id", "status").rows())
    assert statuses["7"] == "unknown_series"
    assert statuses["6"] == "too_short"
    assert statuses["3"] in ("ok", "constant")
    assert all(statuses[i] in ("ok", "breached") for i in "12458")


def test_probabilities_and_dates_agree(history: pl.DataFrame, cases: pl.DataFrame) -> None:
    """A probability between 0 and 1, dates that rise within the horizon, a date only where it is reached."""
    for row in replay(cases, history).iter_rows(named=True):
        if row["status"] in ("unknown_series", "too_short"):
            assert [row[c] for c in ANSWERS[:4]] == [None] * 4
            continue
        assert 0 <= row["p_breach"] <= 1
        dates = [row[c] for c in ("breach_p10", "breach_p50", "breach_p90")]
        reached = [row["p_breach"] >= p - 1e-9 for p in (0.1, 0.5, 0.9)]
        assert [d is not None for d in dates] == reached
        known = [d for d in dates if d is not None]
        assert known == sorted(known)
        end = row["cutoff"] + timedelta(seconds=row["horizon_s"])
        assert all(row["cutoff"] <= d < end for d in known)


def test_the_input_stays_as_it_is(history: pl.DataFrame, cases: pl.DataFrame) -> None:
    """Neither frame is written to, and the same input gives the same bytes."""
    before = history.clone(), cases.clone()
    first = replay(cases, history)
    assert_frame_equal(replay(cases, history), first, check_exact=True)
    assert_frame_equal(history, before[0], check_exact=True)
    assert_frame_equal(cases, before[1], check_exact=True)


# --- what must not matter -----------------------------------------------------------------------


def test_only_samples_before_the_cutoff_matter(history: pl.DataFrame, cases: pl.DataFrame) -> None:
    """For each case alone: later samples inflated, shuffled or left out leave no trace in what the paths say."""
    whole = replay(cases, history, learning=False)
    for i in range(cases.height):
        cutoff = cases.item(i, "cutoff")
        later = pl.col("ts") >= cutoff
        past, rest = history.filter(~later), history.filter(later)
        changed = pl.concat([past, rest.with_columns(pl.col("value") * 9 + 100)])
        shuffled = pl.concat([past, rest.with_columns(pl.col("value").shuffle(seed=i))])
        for frame in (changed, shuffled):
            assert_frame_equal(replay(cases[i : i + 1], frame, learning=False), whole[i : i + 1], check_exact=True)
        if past.get_column("host").is_in([cases.item(i, "host")]).any():
            assert_frame_equal(replay(cases[i : i + 1], past, learning=False), whole[i : i + 1], check_exact=True)


@pytest.mark.parametrize("step", ["5m", "1h"])
@pytest.mark.parametrize("horizon", [5, 30])
def test_the_spacing_of_later_samples_does_not_matter(step: str, horizon: int) -> None:
    """A series that is measured once a day until the cutoff, and more often afterwards, is a daily one."""
    past = samples("a", levels("ramp", 1, 100), "1d")
    cutoff = START + timedelta(days=100)
    asked = table(case("1", "a", 70.0, cutoff, horizon_s=horizon * DAY_S))
    later = samples("a", np.full(3000, 5.0), step).with_columns(pl.col("ts") + timedelta(days=100))
    assert_frame_equal(replay(asked, pl.concat([past, later])), replay(asked, past), check_exact=True)


def test_cases_do_not_touch_each_other(history: pl.DataFrame, cases: pl.DataFrame) -> None:
    """Without learning, cases in another order, or one at a time, have the same answers, bitwise."""
    whole = replay(cases, history, learning=False)
    turned = replay(cases.reverse(), history, learning=False)
    assert_frame_equal(turned.reverse(), whole, check_exact=True)
    for i in range(cases.height):
        assert_frame_equal(replay(cases[i : i + 1], history, learning=False), whole[i : i + 1], check_exact=True)


def test_the_order_of_samples_leaves_no_trace(history: pl.DataFrame, cases: pl.DataFrame) -> None:
    """Samples shuffled, or some there twice."""
    want = replay(cases, history)
    mixed = pl.concat([history, history[::7]]).sample(fraction=1.0, shuffle=True, seed=1)
    assert_frame_equal(replay(cases, mixed), want, check_exact=True)


def test_many_cases_of_one_sort() -> None:
    """More cases than a block holds are each answered as if they were alone."""
    frame = samples("a", hours(1, 10))
    asked = table(*(case(str(i), "a", 60.0 + i / 10, START + timedelta(days=8, hours=i % 24)) for i in range(70)))
    whole = replay(asked, frame)
    for i in (0, 63, 64, 69):
        assert_frame_equal(replay(asked[i : i + 1], frame), whole[i : i + 1], check_exact=True)


# --- what the answers mean ----------------------------------------------------------------------


def test_a_higher_threshold_is_never_likelier(history: pl.DataFrame) -> None:
    """Along thresholds the probability falls, along horizons on one step it rises."""
    cutoff = START + timedelta(days=10)
    asked = table(*(case(str(t), "a", float(t), cutoff) for t in range(20, 100, 5)))
    chances = replay(asked, history).get_column("p_breach").to_list()
    assert chances == sorted(chances, reverse=True)
    assert (chances[0], chances[-1]) == (1.0, 0.0)


def test_below_mirrors_above(history: pl.DataFrame) -> None:
    """A metric without bounds, negated, that must not fall below -t answers as itself that must not exceed t."""
    free = history.with_columns(metric=pl.lit("depth"))
    turned = free.with_columns(pl.col("value") * -1)
    cutoff = START + timedelta(days=9, hours=7)
    above = table(*(case(str(t), "a", float(t), cutoff, metric="depth", sustain_s=600) for t in (40, 60, 70, 75, 80)))
    below = above.with_columns(pl.col("threshold") * -1, direction=pl.lit("below"))
    got, want = replay(below, turned), replay(above, free)
    assert_frame_equal(got.select(ANSWERS), want.select(ANSWERS), check_exact=True)


def test_what_is_over_already_is_breached_now() -> None:
    """At 95 for hours, a threshold of 90 is crossed at the cutoff with certainty."""
    frame = samples("a", np.concatenate([hours(1, 8, "normal"), np.full(12 * 6, 95.0)]))
    cutoff = START + timedelta(days=8, hours=6)
    for direction, threshold, metric in (("above", 90.0, "cpu_util_pct"), ("below", 96.0, "cpu_util_pct")):
        got = one(table(case("1", "a", threshold, cutoff, direction=direction, metric=metric)), frame)
        assert (got["status"], got["p_breach"]) == ("breached", 1.0)
        assert [got[c] for c in ANSWERS[1:4]] == [cutoff] * 3


def test_a_daily_ramp_crosses_when_arithmetic_says() -> None:
    """1 a day and at 99 on the day before the cutoff: 110 is reached in the 11th day after it."""
    frame = samples("a", np.arange(100.0), "1d", metric="queue_depth")
    cutoff = START + timedelta(days=100)
    asked = table(
        case("1", "a", 110.0, cutoff, metric="queue_depth", horizon_s=30 * DAY_S),
        case("2", "a", 200.0, cutoff, metric="queue_depth", horizon_s=30 * DAY_S),
    )
    near, far = replay(asked, frame).iter_rows(named=True)
    # Day 100 holds 100, so day 110 holds 110: ten days after the cutoff.
    assert near["breach_p50"] == cutoff + timedelta(days=10)
    assert near["p_breach"] > 0.9
    assert (far["p_breach"], far["breach_p10"], far["status"]) == (0.0, None, "ok")


def test_only_what_is_sustained_counts() -> None:
    """Five minutes at 100 every hour cross 90 at once, but never for a quarter of an hour."""
    values = np.where(np.arange(12 * 24 * 8) % 12 == 5, 100.0, 20.0)
    cutoff = START + timedelta(days=8)
    asked = table(case("1", "a", 90.0, cutoff), case("2", "a", 90.0, cutoff, sustain_s=900))
    at_once, sustained = replay(asked, samples("a", values)).get_column("p_breach").to_list()
    np.testing.assert_allclose(at_once, 1.0)
    np.testing.assert_allclose(sustained, 0.0)


def test_optional_columns_have_plain_defaults(history: pl.DataFrame) -> None:
    """Without direction, sustain_s and instance: above, at once, no instance; NULL means the same."""
    cutoff = START + timedelta(days=9)
    full = table(case("1", "a", 70.0, cutoff, instance=""))
    want = replay(full, history).select(ANSWERS)
    bare = full.drop("direction", "sustain_s", "instance")
    empty = full.with_columns(
        direction=pl.lit(None, pl.String), sustain_s=pl.lit(None, pl.Int64), instance=pl.lit(None, pl.String)
    )
    for frame in (bare, empty):
        assert_frame_equal(replay(frame, history).select(ANSWERS), want, check_exact=True)


def test_series_id_is_a_host(history: pl.DataFrame) -> None:
    """Tables that call the host series_id are read as they are, and keep their column."""
    asked = table(case("1", "a", 70.0, START + timedelta(days=9)))
    got = replay(asked.rename({"host": "series_id"}), history.rename({"host": "series_id"}))
    assert got.columns[1] == "series_id"
    assert_frame_equal(got.select(ANSWERS), replay(asked, history).select(ANSWERS), check_exact=True)


def test_instances_are_series_of_their_own(history: pl.DataFrame) -> None:
    """A case without the instance does not find a series with one."""
    frame = history.with_columns(instance=pl.lit("eth0"))
    asked = table(case("1", "a", 70.0, START + timedelta(days=9)), case("2", "a", 70.0, START + timedelta(days=9)))
    asked = asked.with_columns(instance=pl.Series(["eth0", ""]))
    assert replay(asked, frame).get_column("status").to_list() == ["ok", "unknown_series"]


def test_any_family_by_name(history: pl.DataFrame) -> None:
    """The model is the caller's choice, and a wrong name is a usage error."""
    asked = table(case("1", "a", 70.0, START + timedelta(days=9)))
    assert replay(asked, history, model="seasonal_naive").item(0, "status") == "ok"
    with pytest.raises(UnknownNameError):
        replay(asked, history, model="oracle")


@pytest.mark.parametrize("column", ["case_id", "host", "metric", "threshold", "cutoff", "horizon_s"])
def test_a_missing_column_is_named(history: pl.DataFrame, column: str) -> None:
    """The message says which column the cases lack."""
    asked = table(case("1", "a", 70.0, START + timedelta(days=9))).drop(column)
    with pytest.raises(SchemaError, match=f"--map {column}="):
        replay(asked, history)


def test_a_wrong_direction_is_refused(history: pl.DataFrame) -> None:
    """Neither above nor below is not taken for one of them."""
    asked = table(case("1", "a", 70.0, START + timedelta(days=9), direction="upwards"))
    with pytest.raises(SchemaError):
        replay(asked, history)


def test_no_cases_give_no_rows(history: pl.DataFrame, cases: pl.DataFrame) -> None:
    """An empty table of cases comes back empty, with all columns."""
    got = replay(cases.clear(), history)
    assert got.height == 0
    assert got.columns == [*cases.columns, *ANSWERS]


@pytest.mark.parametrize(("minutes", "sustain_s"), [(5, 900), (10, 900), (60, 3600), (360, 900)])
def test_sustain_counts_in_the_distance_of_the_samples(minutes: int, sustain_s: int) -> None:
    """A rule in seconds is answered on samples of any distance."""
    count = 40 * 1440 // minutes
    level = 50 + 20 * np.sin(2 * np.pi * np.arange(count) * minutes / 1440)
    frame = pl.DataFrame(
        {"host": "a", "metric": "m", "ts": np.arange(count) * minutes * 60_000_000, "value": level}
    ).with_columns(pl.col("ts").cast(pl.Datetime("us", "UTC")))
    end = frame.item(-1, "ts") + timedelta(minutes=minutes)
    asked = pl.DataFrame({
        "case_id": ["over", "never"], "host": "a", "metric": "m", "threshold": [60.0, 90.0], "cutoff": end,
        "horizon_s": 86_400, "sustain_s": sustain_s,
    })  # fmt: skip
    got = replay(asked, frame)
    assert got["status"].to_list() == ["ok", "ok"]
    assert got["p_breach"].to_list() == pytest.approx([1.0, 0.0], abs=0.02)


def test_a_bad_case_is_a_status_of_its_own(history: pl.DataFrame) -> None:
    """A case without a threshold, cutoff or positive horizon is an error row; the others are answered."""
    good = case("good", "a", 70.0, START + timedelta(days=9))
    asked = table(*[{**good, "case_id": name} for name in ("good", "limit", "when", "far", "zero")])
    place = pl.col("case_id")
    asked = asked.with_columns(
        pl.when(place != "limit").then("threshold").alias("threshold"),
        pl.when(place != "when").then("cutoff").alias("cutoff"),
        pl.when(place == "zero").then(0).when(place != "far").then("horizon_s").alias("horizon_s"),
    )
    got = replay(asked, history)
    assert got["status"].to_list() == ["ok", "error", "error", "error", "error"]
    assert got["p_breach"].null_count() == 4


def test_the_kind_says_which_side_hurts() -> None:
    """Without a direction, free space is watched from above: 22 % now is not under 20 %."""
    count = 24 * 30
    frame = pl.DataFrame({
        "host": "a", "metric": "disk_free_pct", "ts": np.arange(count) * 3_600_000_000,
        "value": 40 - np.arange(count) / 40,
    }).with_columns(pl.col("ts").cast(pl.Datetime("us", "UTC")))  # fmt: skip
    end = frame.item(-1, "ts") + timedelta(hours=1)
    asked = pl.DataFrame({
        "case_id": ["1", "2"], "host": "a", "metric": "disk_free_pct", "threshold": [20.0, 5.0], "cutoff": end,
        "horizon_s": 7 * 86_400,
    })  # fmt: skip
    got = replay(asked, frame)
    # 0.6 points a day from 22: 20 is reached after 3.3 days, 5 after 28.
    assert got["status"].to_list() == ["ok", "ok"]
    assert got["p_breach"].to_list() == pytest.approx([1.0, 0.0], abs=0.02)


# --- learning from other series -----------------------------------------------------------------


def batches(hosts: int = 20, days: int = 24) -> pl.DataFrame:
    """Return hosts whose nightly batch crosses 80 on a third of the nights: the evening before is a little higher."""
    rng = np.random.default_rng(7)
    parts = []
    for number in range(hosts):
        hot = rng.random(days) < 0.33
        values = rng.normal(30.0, 2.0, (days, 24))
        values[:, 20:] += np.where(hot, 8.0, 0.0)[:, None]
        values[1:, 2:4] = np.where(hot[:-1], 90.0, 70.0)[:, None]
        parts.append(samples(f"h{number}", values.ravel(), "1h"))
    return pl.concat(parts)


def nights(hosts: int = 20) -> pl.DataFrame:
    """Return one case per host and night, at midnight of the last six days."""
    return table(
        *(
            case(f"{number}/{day}", f"h{number}", 80.0, START + timedelta(days=day), horizon_s=6 * 3600)
            for number in range(hosts)
            for day in range(18, 24)
        )
    )


def test_the_fleet_teaches_what_one_series_cannot() -> None:
    """What the evening before says about the night is learned from all hosts; without learning the paths stand."""
    frame, asked = batches(), nights()
    truth = [
        frame.filter(
            (pl.col("host") == row["host"]) & (pl.col("ts") >= row["cutoff"])
            & (pl.col("ts") < row["cutoff"] + timedelta(hours=6))
        ).get_column("value").max() >= 80.0
        for row in asked.iter_rows(named=True)
    ]  # fmt: skip
    loss = {}
    for learning in (True, False):
        found = replay(asked, frame, learning=learning)
        assert found.get_column("status").unique().to_list() == ["ok"]
        loss[learning] = ((found.get_column("p_breach").to_numpy() - np.array(truth)) ** 2).mean()
        dated = found.get_column("breach_p50").is_not_null().to_list()
        assert dated == (found.get_column("p_breach") >= 0.5 - 1e-9).to_list()
    assert loss[True] < 0.6 * loss[False]


def test_learning_never_looks_beyond_a_cutoff() -> None:
    """Samples of all hosts from a case's cutoff on are changed or missing, and its answer stays, bit for bit."""
    frame, asked = batches(), nights()
    want = replay(asked, frame)
    for day in (18, 21):
        cutoff = START + timedelta(days=day)
        later = pl.col("ts") >= cutoff
        known = (want.get_column("cutoff") <= cutoff).to_list()
        for other in (
            frame.with_columns(pl.when(later).then(85.0).otherwise("value").alias("value")),
            frame.filter(~later),
        ):
            got = replay(asked, other)
            assert_frame_equal(got.filter(pl.Series(known)), want.filter(pl.Series(known)), check_exact=True)


def test_learning_does_not_depend_on_the_order_of_cases_or_samples() -> None:
    """Both turned round: the same answers, bit for bit."""
    frame, asked = batches(), nights()
    turned = replay(asked.reverse(), frame.reverse()).reverse()
    assert_frame_equal(turned, replay(asked, frame), check_exact=True)
