"""A forecast of a frame: one row per series and future step, the same for any order of the rows."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from capforecast.adhoc import forecast_frame
from capforecast.errors import ConfigError, DataError, SchemaError, UnknownNameError
from capforecast.times import from_us, parse_duration, to_us
from tests.strategies import levels

START = datetime(2026, 1, 5, tzinfo=UTC)
LEVELS = ("mean", "q0.1", "q0.5", "q0.9")


def samples(
    host: str, values: object, step: str = "1h", metric: str = "cpu_util_pct", start: datetime = START
) -> pl.DataFrame:
    """Return one series, a sample per step; NaN is a sample that is missing."""
    width = timedelta(microseconds=parse_duration(step))
    rows = [(host, metric, start + i * width, float(v)) for i, v in enumerate(np.asarray(values)) if not np.isnan(v)]
    types = {"host": pl.String, "metric": pl.String, "ts": pl.Datetime("us", "UTC"), "value": pl.Float64}
    return pl.DataFrame(rows, schema=types, orient="row")


def run(frame: pl.DataFrame, horizon: str = "6h", step: str = "1h", **options: object) -> pl.DataFrame:
    return forecast_frame(frame, horizon=horizon, step=step, **options)


def percent(seed: int, count: int = 24 * 15) -> np.ndarray:
    return np.clip(levels("seasonal", seed, count), 0, 100)


@pytest.fixture(scope="module")
def mixed() -> pl.DataFrame:
    """Return several series of every fate: good, flat, short, late, with gaps, without any number."""
    gappy = percent(2)
    gappy[40:90] = np.nan
    return pl.concat(
        [
            samples("web-2", percent(1)),
            samples("web-1", gappy),
            samples("flat", np.full(100, 40.0)),
            samples("short", np.arange(13.0)),
            samples("web-1", percent(3, 100), metric="mem_used_pct"),
            samples("late", percent(4, 200), start=START + timedelta(days=9)),
            samples("nothing", np.zeros(40)).with_columns(value=pl.lit(np.nan)),
        ]
    )


# --- the contract of the output -----------------------------------------------------------------


def test_one_row_per_series_and_future_step(mixed: pl.DataFrame) -> None:
    """Columns, types, the order of series, and a status for each of them."""
    got = run(mixed)
    assert got.columns == ["host", "metric", "instance", "ts", *LEVELS, "status"]
    assert got.schema["ts"] == pl.Datetime("us", "UTC")
    assert [got.schema[c] for c in LEVELS] == [pl.Float64] * 4
    assert got.height == 7 * 6
    keys = got.select("host", "metric").unique(maintain_order=True).rows()
    assert keys == sorted(set(mixed.select("host", "metric").rows()))
    statuses = dict(got.select("host", "status").unique().rows())
    assert statuses == {
        "flat": "constant", "late": "ok", "nothing": "too_short", "short": "too_short", "web-1": "ok", "web-2": "ok",
    }  # fmt: skip


def test_levels_are_null_where_there_is_no_forecast_and_never_nan(mixed: pl.DataFrame) -> None:
    """Numbers for good and for constant series, NULL for the others."""
    got = run(mixed)
    told = pl.col("status").is_in(["ok", "constant"])
    for name in LEVELS:
        assert got.filter(told).get_column(name).is_finite().all()
        assert got.filter(~told).get_column(name).is_null().all()
    constant = got.filter(pl.col("host") == "flat")
    np.testing.assert_allclose(constant.select(LEVELS).to_numpy(), 40.0)


def test_quantiles_rise_inside_the_bounds_of_the_metric(mixed: pl.DataFrame) -> None:
    """q0.1 <= q0.5 <= q0.9, and percentages stay between 0 and 100."""
    got = run(mixed, "10d", quantiles=(0.9, 0.01, 0.5, 0.1, 0.99))
    names = [c for c in got.columns if c.startswith("q")]
    assert names == ["q0.01", "q0.1", "q0.5", "q0.9", "q0.99"]
    table = got.drop_nulls().select(names).to_numpy()
    assert (np.diff(table, axis=1) >= 0).all()
    assert table.min() >= 0
    assert table.max() <= 100


@pytest.mark.parametrize(
    ("step", "horizon", "count"),
    [("1h", "48h", 48), ("15m", "1h", 4), ("6h", "2d", 8), ("1d", "30d", 30), ("7d", "14d", 2)],
)  # fmt: skip
def test_the_future_begins_where_the_series_ends(step: str, horizon: str, count: int) -> None:
    """The first row is the step after the newest sample's, the others follow step by step."""
    start = datetime(2026, 1, 1, tzinfo=UTC)  # A Thursday, as the epoch was: weeks begin there.
    got = run(samples("a", levels("normal", 1, 80), step, start=start), horizon, step)
    width = timedelta(microseconds=parse_duration(step))
    assert got.get_column("ts").to_list() == [start + (80 + i) * width for i in range(count)]


def test_series_end_each_at_their_own_time() -> None:
    """Without as_of a series that stopped earlier is forecast from where it stopped."""
    got = run(pl.concat([samples("a", percent(1, 100)), samples("b", percent(1, 90))]), "1h")
    assert got.get_column("ts").to_list() == [START + timedelta(hours=100), START + timedelta(hours=90)]


def test_samples_of_one_step_are_averaged() -> None:
    """Quarter-hours on an hourly step are the same as their means."""
    hours = percent(5, 60)
    quarters = samples("a", (hours[:, None] + np.array([-3.0, 3.0, -1.0, 1.0])).ravel(), "15m")
    got, want = run(quarters), run(samples("a", hours))
    assert_frame_equal(got, want, rel_tol=1e-9, abs_tol=1e-9)


# --- what must not matter -----------------------------------------------------------------------


def test_the_order_of_rows_leaves_no_trace(mixed: pl.DataFrame) -> None:
    """Rows shuffled, bitwise."""
    want = run(mixed)
    for seed in range(3):
        assert_frame_equal(run(mixed.sample(fraction=1.0, shuffle=True, seed=seed)), want, check_exact=True)


def test_a_series_alone_is_forecast_as_among_others(mixed: pl.DataFrame) -> None:
    """Every series by itself, bitwise."""
    want = run(mixed)
    for host, metric in want.select("host", "metric").unique().rows():
        one = (pl.col("host") == host) & (pl.col("metric") == metric)
        assert_frame_equal(run(mixed.filter(one)), want.filter(one), check_exact=True)


def test_as_of_hides_every_later_sample(mixed: pl.DataFrame) -> None:
    """Later samples changed, or left out altogether, leave no trace; all series begin at as_of."""
    moment = START + timedelta(days=10, minutes=25)
    as_of_us = to_us(moment)
    want = run(mixed, as_of_us=as_of_us)
    later = pl.col("ts") >= moment
    changed = mixed.with_columns(value=pl.when(later).then(pl.col("value") * -7 + 1000).otherwise("value"))
    shuffled = pl.concat([mixed.filter(~later), mixed.filter(later).with_columns(pl.col("value").shuffle(seed=1))])
    for frame in (changed, shuffled, mixed.filter(~later)):
        assert_frame_equal(run(frame, as_of_us=as_of_us), want, check_exact=True)
    assert set(want.get_column("ts").to_list()) == {datetime(2026, 1, 15, hour, tzinfo=UTC) for hour in range(6)}
    assert "ok" in want.get_column("status").to_list()


def test_as_of_does_not_see_the_step_it_lies_in() -> None:
    """At 10:25 the hour of 10 is not over, and is forecast."""
    frame = samples("a", percent(1, 100))
    got = run(frame, "1h", as_of_us=to_us(START + timedelta(hours=50, minutes=25)))
    assert got.get_column("ts").to_list() == [START + timedelta(hours=50)]
    assert_frame_equal(got, run(frame[:50], "1h"), check_exact=True)


def test_repeated_rows_and_nulls_leave_no_trace(mixed: pl.DataFrame) -> None:
    """A sample that is there twice counts once, one without a number or a time not at all."""
    blank = mixed[:5].with_columns(value=pl.lit(None, pl.Float64))
    odd = mixed[:3].with_columns(value=pl.lit(float("inf")))
    timeless = mixed[:2].with_columns(ts=pl.lit(None, pl.Datetime("us", "UTC")))
    noisy = pl.concat([mixed, mixed[::3], blank, odd, timeless])
    assert_frame_equal(run(noisy), run(mixed), check_exact=True)


@pytest.mark.parametrize("kind", [pl.Datetime("ms", "UTC"), pl.Datetime("us"), pl.Datetime("ns"), pl.Int64])
def test_times_of_any_kind(mixed: pl.DataFrame, kind: pl.DataType) -> None:
    """Milliseconds, nanoseconds, naive times and whole microseconds mean the same."""
    ts = pl.col("ts").dt.epoch("us") if kind == pl.Int64 else pl.col("ts").dt.replace_time_zone(None).cast(kind)
    if isinstance(kind, pl.Datetime) and kind.time_zone:
        ts = pl.col("ts").cast(kind)
    assert_frame_equal(run(mixed.with_columns(ts=ts)), run(mixed), check_exact=True)


def test_the_input_stays_as_it_is(mixed: pl.DataFrame) -> None:
    """Nothing is written into the caller's frame."""
    before = mixed.clone()
    run(mixed)
    assert_frame_equal(mixed, before, check_exact=True)


@pytest.mark.parametrize("size", [1e100, 1e160, 1e300])
@pytest.mark.parametrize("step", ["1h", "1d"])
def test_an_absurd_sample_gives_a_whole_forecast_or_none(size: float, step: str) -> None:
    """One mad sample may cost the forecast, but then the status says so: ok means numbers in every column."""
    values = np.ones(400)
    values[200] = size
    got = run(samples("a", values, step, "m"), "3d" if step == "1d" else "3h", step)
    told = got.get_column("status").is_in(["ok", "constant"])
    for name in LEVELS:
        assert got.get_column(name).is_not_null().to_list() == told.to_list(), name


# --- names and models ---------------------------------------------------------------------------


def test_names_are_data() -> None:
    """Hosts with quotes, markup, separators and nothing at all come out as they went in; instances are kept."""
    hosts = ["", " ", "a;b,c", "'; DROP TABLE x; --", "[red]", "../../x", "{0}%s", "ホスト", "\x1b[31m"]
    frame = pl.concat([samples(host, percent(i, 30)) for i, host in enumerate(hosts)])
    frame = frame.with_columns(instance=pl.lit("/var $(x)"))
    got = run(frame, "1h")
    assert got.get_column("host").to_list() == sorted(hosts)
    assert got.get_column("instance").to_list() == ["/var $(x)"] * len(hosts)
    assert got.get_column("status").to_list() == ["ok"] * len(hosts)


@pytest.mark.parametrize("model", ["seasonal_naive", "double_seasonal", "trend", "statsforecast:SeasonalNaive"])
def test_any_model_by_name(model: str) -> None:
    """Families and peers by name give forecasts in the same form."""
    frame = samples("a", percent(1, 24 * 15))
    got = run(frame, "3h", model=model)
    assert got.columns == run(frame, "3h").columns
    assert got.get_column("status").to_list() == ["ok"] * 3
    assert got.select(LEVELS).null_count().sum_horizontal().item() == 0


def test_pandas_is_not_needed() -> None:
    """A forecast works where pandas cannot be imported, and loads neither DuckDB nor statsforecast."""
    program = """
import sys
sys.modules["pandas"] = None
import polars as pl
from capforecast.adhoc import forecast_frame
frame = pl.DataFrame({"host": "a", "metric": "m", "ts": [3600000000 * i for i in range(40)], "value": [1.0, 2.0] * 20})
assert forecast_frame(frame, horizon="2h", step="1h").height == 2
print(sorted({"duckdb", "statsforecast"} & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.strip()) == (0, "[]"), done.stderr


# --- refusals -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("horizon", "step", "options", "error"),
    [
        ("", "1h", {}, ConfigError),
        ("two days", "1h", {}, ConfigError),
        ("0h", "1h", {}, ConfigError),
        ("48h", "1y", {}, ConfigError),
        ("48h", "30s", {}, ConfigError),
        ("16d", "8d", {}, ConfigError),
        ("48h", "-1h", {}, ConfigError),
        ("2h", "1h", {"quantiles": ()}, ConfigError),
        ("2h", "1h", {"quantiles": (0.0,)}, ConfigError),
        ("2h", "1h", {"quantiles": (0.5, 1.0)}, ConfigError),
        ("2h", "1h", {"quantiles": (float("nan"), 0.5)}, ConfigError),
        ("2h", "1h", {"quantiles": (0.5, float("nan"))}, ConfigError),
        ("2h", "1h", {"model": "arima"}, UnknownNameError),
        ("2h", "1h", {"model": "statsforecast:Nothing"}, UnknownNameError),
        ("2h", "1h", {"model": "trend:x"}, UnknownNameError),
    ],
)
def test_wrong_options_are_usage_errors(horizon: str, step: str, options: dict[str, object], error: type) -> None:
    """What cannot be meant is refused, and no half answer is given."""
    with pytest.raises(error):
        run(samples("a", percent(1, 50)), horizon, step, **options)


def test_not_a_number_is_no_quantile() -> None:
    """NaN is refused wherever it stands among the others; it sorts anywhere, so many are tried."""
    for place in range(4):
        for _ in range(8):
            wanted = [0.1, 0.5, 0.9]
            wanted.insert(place, float("nan"))
            with pytest.raises(ConfigError):
                run(samples("a", percent(1, 50)), quantiles=wanted)


@pytest.mark.parametrize("column", ["host", "metric", "ts", "value"])
def test_a_missing_column_is_named(column: str, mixed: pl.DataFrame) -> None:
    """The message says which column is missing and how to rename one."""
    with pytest.raises(SchemaError, match=f"--map {column}="):
        run(mixed.drop(column))


@pytest.mark.parametrize("wrong", [{"ts": pl.lit("yesterday")}, {"value": pl.lit("much")}])
def test_a_column_of_another_type_is_refused(wrong: dict[str, pl.Expr], mixed: pl.DataFrame) -> None:
    """Text is neither a time nor a number."""
    with pytest.raises(SchemaError, match="ts must be a time and value a number"):
        run(mixed.with_columns(**wrong))


def test_an_empty_frame_is_refused(mixed: pl.DataFrame) -> None:
    """Without a single row there is nothing to answer."""
    with pytest.raises(DataError, match="at least one sample"):
        run(mixed.clear())


def test_before_all_samples_there_is_no_history(mixed: pl.DataFrame) -> None:
    """As of a moment before the first sample every series is too short, and none is lost."""
    got = run(mixed, as_of_us=to_us(START - timedelta(days=1)))
    assert set(got.get_column("status").to_list()) == {"too_short"}
    assert got.height == 7 * 6
    assert from_us(to_us(START)) == START


def test_a_horizon_is_rounded_up_to_whole_steps() -> None:
    """90 minutes ahead on an hourly step are two steps; an absurd number of steps is refused."""
    frame = samples("a", np.arange(100.0) % 24, "1h", "m")
    assert forecast_frame(frame, horizon="90m", step="1h").height == 2
    with pytest.raises(ConfigError, match="at most"):
        forecast_frame(frame, horizon="100000d", step="1h")


def test_near_quantiles_have_columns_of_their_own() -> None:
    """Columns are named after the probabilities in full."""
    frame = samples("a", np.arange(100.0) % 24, "1h", "m")
    got = forecast_frame(frame, horizon="1h", step="1h", quantiles=(0.1234567, 0.1234568))
    assert got.columns[5:7] == ["q0.1234567", "q0.1234568"]
