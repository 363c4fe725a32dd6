"""The nightly chain on a fleet with known truth."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from capforecast.config import Config, load
from capforecast.errors import ConfigError, DataError, UnknownNameError
from capforecast.inquiry import adhoc
from capforecast.run import RunResult, ingest_sources, nightly
from capforecast.schema import PATTERNS, SEVERITIES, STATUSES, TABLES, WORDS
from capforecast.simulate import fleet
from capforecast.sources import ReadOptions
from capforecast.store import Store
from capforecast.tables import TYPES
from capforecast.times import DAY_US, to_us

HOSTS = (
    "db-02", "web-03", "file-05", "cache-03", "app-01", "web-13", "batch-01", "cache-02", "file-01",
    "build-01", "web-05",
)  # fmt: skip
KEYS = ["host", "metric", "instance", "threshold_name"]


@dataclass(frozen=True)
class Night:
    """A store with one published run, and what is true of it."""

    path: Path
    config: Config
    result: RunResult
    truth: pl.DataFrame
    samples: pl.DataFrame
    now_us: int


def take(store: Path, samples: pl.DataFrame, name: str, config: Config, now_us: int) -> None:
    """Write samples beside the store and ingest them."""
    file = store.parent / f"{name}.parquet"
    samples.write_parquet(file)
    ingest_sources(store, [str(file)], ReadOptions(), config, now_us=now_us)


@pytest.fixture(scope="module")
def night(tmp_path_factory: pytest.TempPathFactory) -> Night:
    """A run over hosts that carry most patterns."""
    base = tmp_path_factory.mktemp("night")
    made = fleet(hosts=HOSTS)
    (base / "limits.csv").write_text(made.limits, encoding="utf-8")
    config = load(None, {"limits.file": str(base / "limits.csv"), "run.threads": 1})
    now_us = to_us(made.samples.get_column("ts").max()) + 15 * 60_000_000
    take(base / "store", made.samples, "samples", config, now_us)
    result = nightly(base / "store", config, now_us=now_us, as_of_us=now_us)
    return Night(base / "store", config, result, made.truth, made.samples, now_us)


def same(first: Mapping[str, pl.DataFrame], second: Mapping[str, pl.DataFrame], *names: str) -> bool:
    """Tell whether tables are equal to the last bit."""
    return all(first[name].equals(second[name], null_equal=True) for name in names)


TABLES_OF_A_MOMENT = ("breaches", "forecasts", "series", "backtests")


def test_every_series_has_a_row(night: Night) -> None:
    """One series row per expected series; one breach row per series and threshold; known enums only."""
    expected = night.samples.select("host", "metric", "instance").unique()
    series, breaches = night.result.tables["series"], night.result.tables["breaches"]

    assert series.height == expected.height
    assert series.select("host", "metric", "instance").is_unique().all()
    watched = night.truth.filter(pl.col("threshold_name").is_not_null())
    assert breaches.select(KEYS).sort(KEYS).equals(watched.select(KEYS).sort(KEYS))
    assert set(breaches["status"]) <= set(STATUSES)
    assert set(breaches["severity"]) <= set(SEVERITIES)
    assert set(series["pattern"].drop_nulls()) <= set(PATTERNS)


def test_statuses_tell_the_truth(night: Night) -> None:
    """What was planted is what is said, but for what the truth itself leaves open."""
    both = night.truth.filter(pl.col("threshold_name").is_not_null()).join(
        night.result.tables["breaches"], on=KEYS, suffix="_said", validate="1:1"
    )
    calm = both.with_columns(pl.col("status_said").replace({"no_trend": "ok"}))
    wrong = calm.filter(pl.col("status") != pl.col("status_said"))
    # The season that grows within noise is foreseen with less than even odds on its farther threshold.
    wrong = wrong.filter(pl.col("pattern") != "season_growth")

    assert wrong.select(*KEYS, "status", "status_said").is_empty()


def test_planted_dates_are_found(night: Night) -> None:
    """The median date of a leak, a fill and a rising sawtooth is within a week of the planted one."""
    planted = night.truth.filter(
        pl.col("breach_day").is_not_null() & pl.col("pattern").is_in(["memory_leak", "disk_fill", "sawtooth_rising"])
    )
    both = planted.join(night.result.tables["breaches"], on=KEYS, suffix="_said")
    horizon = both.filter((pl.col("breach_day") - pl.col("run_date")).dt.total_days() <= 90)
    off = (horizon["breach_date_p50"] - horizon["breach_day"]).dt.total_days()

    assert horizon.height >= 8
    assert off.null_count() == 0
    assert off.abs().max() <= 7


def test_rows_agree_with_themselves(night: Night) -> None:
    """p10 <= p50 <= p90 and 7 <= 30 <= 90 days everywhere; starts lie a lead time before the early date."""
    rows = night.result.tables["breaches"]
    dates = ["breach_date_p10", "breach_date_p50", "breach_date_p90"]
    chances = ["p_breach_7d", "p_breach_30d", "p_breach_90d"]
    for names in (dates, chances, ["forecast_30d_p50", "forecast_30d_p90"], ["forecast_90d_p50", "forecast_90d_p90"]):
        for low, high in zip(names, names[1:], strict=False):
            assert rows.filter(pl.col(low) > pl.col(high)).is_empty(), (low, high)
    assert rows.filter(pl.col("breach_date_p50").is_not_null() & pl.col("breach_date_p10").is_null()).is_empty()
    led = rows.filter(pl.col("start_by_date").is_not_null())
    assert (led["breach_date_p10"] - led["start_by_date"]).dt.total_days().to_list() == led["lead_time_days"].to_list()
    higher = rows.filter(pl.col("threshold_name") == "critical").join(
        rows.filter(pl.col("threshold_name") == "warning"), on=["host", "metric", "instance"]
    )
    assert higher.height > 20
    assert higher.filter(pl.col("p_breach_90d") > pl.col("p_breach_90d_right")).is_empty()
    assert higher.filter(pl.col("breach_date_p10") < pl.col("breach_date_p10_right")).is_empty()


def test_published_tables_follow_the_schema(night: Night) -> None:
    """Every table is published with every column, in order and type, and neither NaN nor infinity."""
    with Store.open(night.path) as store:
        published = store.published()
    for name, table in TABLES.items():
        frame = published[name]
        assert frame.columns == list(table.names)
        assert frame.dtypes == [TYPES[column.type] for column in table.columns]
        for column in frame.select(pl.col(pl.Float64)).get_columns():
            assert column.drop_nulls().is_finite().all(), (name, column.name)
        for column_name in set(frame.columns) & set(WORDS):
            assert set(frame[column_name].drop_nulls()) <= set(WORDS[column_name]), (name, column_name)
    run = published["run"].row(0, named=True)
    assert (run["series"], run["breach_rows"]) == (published["series"].height, published["breaches"].height)


def test_columns_not_computed_are_null(night: Night) -> None:
    """What the schema calls not computed yet is empty, and nothing else is empty throughout."""
    for name, table in TABLES.items():
        frame = night.result.tables[name]
        for column in table.columns:
            if not column.computed:
                assert frame[column.name].null_count() == frame.height, (name, column.name)


@pytest.mark.parametrize(("setting", "value"), [("run.threads", 2), ("run.shard_series", 7)])
def test_threads_and_shards_change_nothing(night: Night, setting: str, value: int) -> None:
    """The tables are the same to the last bit for any number of threads and any size of a shard."""
    settings = {"limits.file": night.config.limits.file, "run.threads": 1, setting: value}
    with Store.open(night.path) as store:
        runs = store.runs().height
    again = _surveyed(night, load(None, settings))

    assert same(night.result.tables, again, *TABLES_OF_A_MOMENT)
    with Store.open(night.path) as store:
        assert store.runs().height == runs


@pytest.mark.parametrize(("threads", "size"), [(2, 7), (1, 512)])
def test_the_published_bytes_depend_on_the_samples_alone(night: Night, tmp_path: Path, threads: int, size: int) -> None:
    """Not on threads or shards, nor on the order in which the store came to know the series."""
    settings = {"limits.file": night.config.limits.file, "run.threads": threads, "run.shard_series": size}
    config = load(None, settings)
    store = tmp_path / "store"
    for host in (*HOSTS[4:], *HOSTS[:4]):
        take(store, night.samples.filter(pl.col("host") == host), host, config, night.now_us)
    with Store.open(store) as opened:
        sids = opened.series().get_column("sid").to_list()
    result = nightly(store, config, now_us=night.now_us, as_of_us=night.now_us)

    assert sids != sorted(sids)
    assert result.published.files == night.result.published.files
    assert same(night.result.tables, result.tables, *TABLES)


def test_rows_stand_in_the_order_that_is_promised(night: Night) -> None:
    """Breaches by urgency, where what is not known comes last; all other tables by name."""
    tables = night.result.tables
    calm = pl.col("status").is_in(["ok", "no_trend"])
    keys = ["severity_rank", "breach_date_p10", "p_breach_30d", ~calm, "headroom_pct", "host", "metric", "instance",
            "threshold", "threshold_name"]  # fmt: skip
    order = [False, False, True, *[False] * 7]
    assert tables["breaches"].equals(tables["breaches"].sort(keys, descending=order, nulls_last=True), null_equal=True)
    for name, more in (("series", []), ("forecasts", ["direction", "day"]), ("backtests", ["direction"])):
        by_name = tables[name].sort("host", "metric", "instance", *more, maintain_order=True)
        assert tables[name].equals(by_name, null_equal=True), name


def test_a_run_says_where_the_time_went(night: Night) -> None:
    """Seconds per stage, the whole run among them, in the result and not in what is published."""
    seconds = night.result.seconds
    assert {"read", "panel", "kernels", "breach", "tables", "write", "all"} <= set(seconds)
    assert all(0.0 <= value <= seconds["all"] for value in seconds.values())
    assert night.result.most_urgent == night.result.tables["breaches"]["severity_rank"].min()


def test_progress_goes_on_to_the_end_of_each_stage(night: Night) -> None:
    """Whoever listens hears of every stage, never backwards, until all of it is done."""
    told: dict[str, list[tuple[int, int | None]]] = {}

    def listen(stage: str, done: int, total: int | None) -> None:
        told.setdefault(stage, []).append((done, total))

    tables = _surveyed(night, night.config, progress=listen)
    assert list(told) == ["forecast", "breaches", "series"]
    for stage, rows in (("forecast", "series"), ("breaches", "breaches"), ("series", "series")):
        assert told[stage] == sorted(told[stage])
        assert told[stage][-1] == (tables[rows].height, tables[rows].height)


def _surveyed(night: Night, config: Config, **options: Any) -> Mapping[str, pl.DataFrame]:
    from capforecast.survey import survey
    from capforecast.tables import Stamp

    with Store.open(night.path) as store:
        stamp = Stamp(night.result.run_id, night.result.as_of_us)
        return survey(store, config, stamp, **options).tables


def test_as_of_replays_the_night(night: Night, tmp_path: Path) -> None:
    """A run as of an earlier moment gives what it gave then, though later and shuffled samples have come since."""
    early_us = night.now_us - 20 * DAY_US
    known = night.samples.filter(pl.col("ts").dt.epoch("us") < early_us)
    then, now = tmp_path / "then" / "store", tmp_path / "now" / "store"
    for path in (then, now):
        path.parent.mkdir()
    take(then, known, "early", night.config, early_us)
    before = nightly(then, night.config, now_us=early_us, as_of_us=early_us)
    mixed = night.samples.sample(fraction=1.0, shuffle=True, seed=3)
    take(now, mixed[::2], "half", night.config, night.now_us)
    take(now, mixed[1::2], "other-half", night.config, night.now_us)
    after = nightly(now, night.config, now_us=night.now_us, as_of_us=early_us)
    # A series that begins later is not expected yet; every other table cell is the same.
    assert before.run_id == after.run_id
    assert same(before.tables, after.tables, *TABLES_OF_A_MOMENT)


def test_a_shuffled_future_changes_nothing(night: Night, tmp_path: Path) -> None:
    """Values at or after as_of never touch a forecast."""
    early_us = night.now_us - 10 * DAY_US
    late = pl.col("ts").dt.epoch("us") >= early_us
    noise = np.random.default_rng(5).permutation(night.samples.height)
    shuffled = night.samples.with_columns(
        pl.when(late).then(pl.lit(night.samples["value"].to_numpy()[noise])).otherwise("value").alias("value")
    )
    results = []
    for name, samples in (("plain", night.samples), ("shuffled", shuffled)):
        store = tmp_path / name / "store"
        store.parent.mkdir()
        take(store, samples, "samples", night.config, night.now_us)
        results.append(nightly(store, night.config, now_us=night.now_us, as_of_us=early_us).tables)

    assert same(*results, *TABLES_OF_A_MOMENT)


def test_adhoc_gives_the_numbers_of_the_night(night: Night) -> None:
    """The forecast of one host at the terminal is that of the nightly run."""
    tables = adhoc(night.path, night.config, host="db-02", now_us=night.now_us, as_of_us=night.now_us)
    nightly_rows = night.result.tables["breaches"].filter(pl.col("host") == "db-02")

    assert tables["breaches"].equals(nightly_rows, null_equal=True)
    with pytest.raises(UnknownNameError, match="db-02"):
        adhoc(night.path, night.config, host="db-2", now_us=night.now_us)


def test_second_night_says_what_changed(night: Night, tmp_path: Path) -> None:
    """Against the run before, rows are new, worse, better, cleared or same; without one they say nothing."""
    assert night.result.tables["breaches"]["change_class"].null_count() == night.result.tables["breaches"].height
    store = tmp_path / "store"
    take(store, night.samples, "samples", night.config, night.now_us)
    first = nightly(store, night.config, now_us=night.now_us, as_of_us=night.now_us - 30 * DAY_US)
    second = nightly(store, night.config, now_us=night.now_us, as_of_us=night.now_us)
    rows = second.tables["breaches"]

    assert rows["change_class"].null_count() == 0
    appeared = rows.filter(pl.col("change_class") == "new")
    before = first.tables["breaches"].filter(pl.col("risk_id").is_in(appeared["risk_id"].to_list()))
    assert appeared.height > 0
    assert not set(before["status"]) & {"breached", "will_breach"}


def test_thresholds_are_asked_for(night: Night, tmp_path: Path) -> None:
    """A metric without thresholds has a forecast, no breach rows, and a hint that says what to add."""
    samples = night.samples.filter((pl.col("host") == "cache-02") & (pl.col("metric") == "net_rx_bytes_total"))
    store = tmp_path / "store"
    config = load(None, {})
    take(store, samples, "samples", config, night.now_us)
    result = nightly(store, config, now_us=night.now_us, as_of_us=night.now_us)

    assert result.tables["breaches"].is_empty()
    assert result.tables["forecasts"].filter(pl.col("q50").is_not_null()).height > 0
    assert any("net_rx_bytes_total" in text and "limits.csv" in text for text in result.messages)


def test_old_data_are_forecast_as_of_their_end(night: Night) -> None:
    """Where the whole store is old, the run says so and looks from the end of the data."""
    result = nightly(night.path, night.config, now_us=night.now_us + 400 * DAY_US)

    assert result.as_of_us == night.now_us
    assert result.tables["run"].item(0, "as_of_source") == "watermark"
    assert "400d old" in result.silent
    assert result.silent in result.messages
    assert not night.result.silent
    stale = night.result.tables["series"].filter(pl.col("status") == "stale").height
    assert night.result.tables["run"].item(0, "stale") == stale > 0


def test_a_moment_that_has_not_come_yet_spoils_nothing(night: Night, tmp_path: Path) -> None:
    """A mistyped --as-of is told, deletes no history, and the next run is the latest again."""
    store = tmp_path / "store"
    take(store, night.samples, "samples", night.config, night.now_us)
    good = nightly(store, night.config, now_us=night.now_us, as_of_us=night.now_us)
    future = nightly(store, night.config, now_us=night.now_us, as_of_us=night.now_us + 400 * DAY_US)
    height = future.tables["series"].height
    assert future.published.latest
    assert future.silent.startswith(f"all {height} series are stale")
    assert any("ahead of the clock" in text for text in future.messages)
    assert (store / good.published.path / "breaches.parquet").exists()

    again = nightly(store, night.config, now_us=night.now_us, as_of_us=night.now_us)
    assert again.published.latest
    assert again.messages == good.messages
    assert set(again.published.paths.values()) == {f"reports/latest/{name}" for name in again.published.files}
    older = nightly(store, night.config, now_us=night.now_us, as_of_us=night.now_us - DAY_US)
    assert not older.published.latest
    assert any("reports/history alone" in text for text in older.messages)


def test_nothing_to_forecast_is_an_error(tmp_path: Path) -> None:
    """An empty store, and a moment before all samples, are errors that say what to do."""
    with Store.create(tmp_path / "store", created_us=0):
        pass
    with pytest.raises(DataError, match="ingest"):
        nightly(tmp_path / "store", load(None, {}), now_us=DAY_US)


def test_steps_live_together(tmp_path: Path) -> None:
    """Series of different natural steps share a store; each is forecast on its own step."""
    end_us = 1_775_001_600_000_000
    parts = []
    for name, step_us, count in (("h1", 3600, 1500), ("h6", 21600, 300), ("d1", 86400, 200), ("w1", 604800, 100)):
        ts = end_us - (np.arange(count)[::-1] + 1) * step_us * 1_000_000
        parts.append(
            pl.DataFrame(
                {"host": name, "metric": "cpu_util_pct", "ts": ts, "value": 30 + np.arange(count) % 7 * 1.0}
            ).with_columns(pl.col("ts").cast(pl.Datetime("us", "UTC")))
        )
    store = tmp_path / "store"
    config = load(None, {})
    take(store, pl.concat(parts), "samples", config, end_us)
    result = nightly(store, config, now_us=end_us, as_of_us=end_us)

    steps = dict(result.tables["series"].select("host", "step").iter_rows())
    assert steps == {"h1": "1h", "h6": "6h", "d1": "1d", "w1": "7d"}
    assert set(result.tables["breaches"]["status"]) <= {"ok", "no_trend"}
    ahead = result.tables["forecasts"].filter(pl.col("q50").is_not_null())
    assert dict(ahead.group_by("host").len().iter_rows()) == {"h1": 63, "h6": 75, "d1": 90, "w1": 90}


def test_limits_that_are_gone_no_longer_apply(tmp_path: Path) -> None:
    """Without limits.csv the thresholds of the kinds apply, whatever the file said the night before."""
    end_us = 1_775_001_600_000_000
    ts = pl.Series("ts", end_us - (np.arange(400)[::-1] + 1) * 3_600_000_000).cast(pl.Datetime("us", "UTC"))
    store = tmp_path / "store"
    file = tmp_path / "limits.csv"
    file.write_text("host,metric,threshold_name,threshold\n*,cpu_util_pct,watch,70\n", encoding="utf-8")
    config = load(None, {}).model_copy(update={"limits": load(None, {}).limits.model_copy(update={"file": str(file)})})
    take(store, pl.DataFrame({"host": "a", "metric": "cpu_util_pct", "ts": ts, "value": 30.0}), "s", config, end_us)
    with_file = nightly(store, config, now_us=end_us, as_of_us=end_us).tables["breaches"]
    file.unlink()
    without = nightly(store, config, now_us=end_us, as_of_us=end_us).tables["breaches"]

    assert set(with_file["threshold_name"]) == {"watch", "warning", "critical"}
    assert set(without["threshold_name"]) == {"warning", "critical"}


@pytest.mark.parametrize(("name", "told"), [("none.csv", "must be a file"), (".", "Is a directory")])
def test_limits_that_were_asked_for_must_be_readable(name: str, told: str, tmp_path: Path) -> None:
    config = load(None, {"limits.file": str(tmp_path / name)})
    Store.create(tmp_path / "store", created_us=0).close()
    with pytest.raises(ConfigError, match=told):
        nightly(tmp_path / "store", config, now_us=1_775_001_600_000_000)


def test_short_and_vanished_series_say_so(tmp_path: Path) -> None:
    """Less history than min_history is too_short; a series unseen for years is stale and keeps its dates."""
    end_us = 1_775_001_600_000_000
    hours = np.arange(60)
    parts = []
    for host, end in (("now", end_us), ("gone", end_us - 1000 * DAY_US)):
        ts = end - (hours[::-1] + 1) * 3_600_000_000
        parts.append(pl.DataFrame({"host": host, "metric": "cpu_util_pct", "ts": ts, "value": 20.0 + hours % 24}))
    samples = pl.concat(parts).with_columns(pl.col("ts").cast(pl.Datetime("us", "UTC")))
    store = tmp_path / "store"
    take(store, samples, "s", load(None, {}), end_us)
    status = {}
    for least in ("2d", "3d"):
        tables = nightly(store, load(None, {"run.min_history": least}), now_us=end_us, as_of_us=end_us).tables
        status[least] = dict(tables["series"].select("host", "status").iter_rows())
    gone = tables["series"].row(by_predicate=pl.col("host") == "gone", named=True)

    assert status == {"2d": {"now": "ok", "gone": "stale"}, "3d": {"now": "too_short", "gone": "stale"}}
    assert to_us(gone["last_ts"]) == end_us - 1000 * DAY_US
    assert gone["history_days"] == 2.5
    assert gone["step"] is None
    assert gone["gap_pct"] is None


def test_a_silence_is_no_level_that_a_series_keeps(tmp_path: Path) -> None:
    """A disk that grew in a line and went silent has no pattern and no jump: of a stale series nothing is said."""
    end_us = 1_775_001_600_000_000
    hours = np.arange(24 * 60)
    samples = pl.DataFrame(
        {
            "host": "db-1", "metric": "disk_used_pct", "value": 20.0 + 0.02 * hours,
            "ts": end_us - (hours[::-1] + 1) * 3_600_000_000,
        }
    ).with_columns(pl.col("ts").cast(pl.Datetime("us", "UTC")))  # fmt: skip
    store = tmp_path / "store"
    take(store, samples, "s", load(None, {}), end_us)
    then, silent = (
        nightly(store, load(None, {}), now_us=end_us + days * DAY_US, as_of_us=end_us + days * DAY_US).tables
        for days in (0, 70)
    )
    shape = [tables["series"].select("status", "pattern", "last_change").row(0) for tables in (then, silent)]

    assert shape == [("ok", "steady", None), ("stale", None, None)]
    assert silent["breaches"].get_column("pattern").unique().to_list() == [None]


@pytest.mark.parametrize("hour", [0, 2, 23])
def test_the_date_is_that_of_the_crossing(tmp_path: Path, hour: int) -> None:
    """10 GB a day reach the threshold at noon of the tenth day: that day is the date, whenever the night runs."""
    crossing_us = to_us(datetime(2026, 5, 11, 12, tzinfo=UTC))
    as_of_us = to_us(datetime(2026, 5, 1, hour, tzinfo=UTC))
    ts = as_of_us - (np.arange(24 * 80)[::-1] + 1) * 3_600_000_000
    level = 1e12 + 10e9 * (ts - crossing_us) / DAY_US
    store = tmp_path / "store"
    limits = tmp_path / "limits.csv"
    limits.write_text("host,metric,threshold_name,threshold\n*,disk_used_bytes,full,1e12\n", encoding="utf-8")
    config = load(None, {"limits.file": str(limits)})
    samples = pl.DataFrame({"host": "a", "metric": "disk_used_bytes", "ts": ts, "value": level})
    take(store, samples.with_columns(pl.col("ts").cast(pl.Datetime("us", "UTC"))), "s", config, as_of_us)
    row = nightly(store, config, now_us=as_of_us, as_of_us=as_of_us).tables["breaches"].row(0, named=True)

    assert str(row["breach_date_p50"]) == "2026-05-11"
    assert row["days_to_breach_p50"] == 10
    assert row["p_breach_7d"] == 0.0
    assert row["p_breach_30d"] == pytest.approx(1.0)


def test_a_crossing_in_working_hours_is_seen_at_night(tmp_path: Path) -> None:
    """What crossed for hours each day is breached for a run at night, too, and the sentence says how often."""
    as_of_us = to_us(datetime(2026, 5, 1, 2, tzinfo=UTC))
    ts = as_of_us - (np.arange(24 * 40)[::-1] + 1) * 3_600_000_000
    busy = (ts // 3_600_000_000 % 24 >= 10) & (ts // 3_600_000_000 % 24 < 15)
    started = ts >= as_of_us - 4 * DAY_US
    samples = pl.DataFrame(
        {"host": "a", "metric": "cpu_util_pct", "ts": ts, "value": np.where(busy & started, 85.0, 20.0)}
    )
    store = tmp_path / "store"
    config = load(None, {})
    take(store, samples.with_columns(pl.col("ts").cast(pl.Datetime("us", "UTC"))), "s", config, as_of_us)
    rows = nightly(store, config, now_us=as_of_us, as_of_us=as_of_us).tables["breaches"]
    row = rows.row(by_predicate=pl.col("threshold_name") == "warning", named=True)

    assert (row["status"], row["severity"], row["current"]) == ("breached", "critical", 20.0)
    assert "peak of the last day 85 %" in row["reason"]
    assert "4 of the last 7 days" in row["reason"]


def test_a_file_that_was_taken_is_not_read_again(tmp_path: Path) -> None:
    """One bad row in a source makes one night say so, not every one after it."""
    end_us = 1_775_001_600_000_000
    lines = [f"a,cpu_util_pct,{(end_us - h * 3_600_000_000) // 1_000_000},20" for h in range(100, 0, -1)]
    (tmp_path / "in.csv").write_text("host,metric,ts,value\n" + "\n".join([*lines, "a,cpu_util_pct,now,1"]) + "\n")
    (tmp_path / "capforecast.toml").write_text('[[sources]]\nlocation = "in.csv"\n')
    config = load(tmp_path / "capforecast.toml", {})
    with Store.create(tmp_path / "store", created_us=0):
        pass
    nights = [nightly(tmp_path / "store", config, now_us=end_us, as_of_us=end_us) for _ in range(2)]

    assert [night.rows_quarantined for night in nights] == [1, 0]
    assert [night.tables["run"].item(0, "rows_in") for night in nights] == [101, 0]
    with Store.open(tmp_path / "store") as store:
        assert store.ledger().height == 1


def test_short_history_names_the_date_that_growth_points_to(tmp_path: Path) -> None:
    """Where the history is too short to look as far as a growing level needs, the sentence does not reassure."""
    end_us = 1_775_001_600_000_000
    ts = end_us - (np.arange(24 * 12)[::-1] + 1) * 3_600_000_000
    samples = pl.DataFrame({"host": "a", "metric": "mem_used_pct", "ts": ts, "value": 60.0 + np.arange(24 * 12) / 24})
    store = tmp_path / "store"
    config = load(None, {})
    take(store, samples.with_columns(pl.col("ts").cast(pl.Datetime("us", "UTC"))), "s", config, end_us)
    rows = nightly(store, config, now_us=end_us, as_of_us=end_us).tables["breaches"]
    row = rows.row(by_predicate=pl.col("threshold_name") == "critical", named=True)

    assert row["breach_date_p50"] is None
    # 72 % now, one point a day: 90 % in 18 days, and the history holds 12.
    day = (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=end_us + 18 * DAY_US)).date()
    assert f"around {day}" in row["reason"]
    assert "within 12 days" in row["reason"]
