"""The verbs as functions: what they take, what they refuse, and that they do what the commands do."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pytest

import capforecast
from capforecast.arguments import moment_us
from capforecast.errors import ConfigError, SchemaError, UnknownNameError

DATA = Path(__file__).parents[1] / "data"
AS_OF = "2026-05-20"
DAY_US = 86_400_000_000
START = datetime(2026, 5, 1, tzinfo=UTC)


def wave(host: str, hours: int = 24 * 20) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "host": host,
            "metric": "cpu_util_pct",
            "ts": [START + timedelta(hours=i) for i in range(hours)],
            "value": [40.0 + 20.0 * (i % 24 >= 12) for i in range(hours)],
        }
    )


def test_the_function_takes_frames_of_any_library() -> None:
    """Polars, pandas, Arrow tables and lazy frames give the same rows."""
    frame = wave("a")
    expected = capforecast.forecast(frame, horizon="24h", step="1h")
    assert expected.height == 24
    for other in (frame.to_pandas(), frame.to_arrow(), frame.lazy(), frame.to_arrow().to_reader()):
        assert capforecast.forecast(other, horizon="24h", step="1h").equals(expected)
    with pytest.raises(SchemaError, match="a frame must be one of polars, pandas or Arrow; got list"):
        capforecast.forecast([1, 2], horizon="24h")


def test_the_functions_run_and_ingest_do_what_the_commands_do(tmp_path: Path) -> None:
    """A store of one's own, as of a moment given as text or datetime."""
    ((_, ingested),) = capforecast.ingest(DATA / "samples.csv", tmp_path / "store", as_of=AS_OF)
    assert ingested.quarantined == 0
    result = capforecast.run(tmp_path / "store", as_of=datetime(2026, 5, 20, tzinfo=UTC))
    assert result.tables["series"].height == 9
    with capforecast.Store.open(tmp_path / "store") as store:
        assert store.published(result.run_id)["breaches"].height == result.tables["breaches"].height


def test_columns_that_are_left_out_are_told(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("host,ts,load,team,rack\na,2026-01-01,1,x,y\n", encoding="utf-8")
    told: dict[str, tuple[str, ...]] = {}
    capforecast.ingest(path, tmp_path / "store", as_of=AS_OF, tell=told.__setitem__)
    assert told == {str(path): ("team", "rack")}


def test_durations_are_text_or_timedeltas() -> None:
    """Both mean the same."""
    expected = capforecast.forecast(wave("a"), "48h", "2h")
    assert expected.height == 24
    assert capforecast.forecast(wave("a"), timedelta(days=2), timedelta(hours=2)).equals(expected)


def test_one_quantile_may_stand_alone() -> None:
    """And numbers of numpy are numbers."""
    columns = ["host", "metric", "instance", "ts", "mean", "q0.5", "status"]
    for quantiles in (0.5, [0.5], np.array([0.5]), np.float32(0.5)):
        assert capforecast.forecast(wave("a"), "1h", quantiles=quantiles).columns == columns


def test_a_series_id_is_a_host() -> None:
    """As for replay and on the command line; a host beside it comes first."""
    expected = capforecast.forecast(wave("a"), "2h")
    assert capforecast.forecast(wave("a").rename({"host": "series_id"}), "2h").equals(expected)
    assert capforecast.forecast(wave("a").with_columns(series_id=pl.lit("b")), "2h").equals(expected)


@pytest.mark.parametrize(
    ("moment", "us"),
    [
        (None, None),
        (1_500, 1_500),
        (np.int64(7), 7),
        ("1970-01-02", DAY_US),
        ("1970-01-02T02:00:00+02:00", DAY_US),
        (date(1970, 1, 2), DAY_US),
        (datetime(1970, 1, 2), DAY_US),
        (datetime(1970, 1, 2, 2, tzinfo=timezone(timedelta(hours=2))), DAY_US),
        (pd.Timestamp("1970-01-02", tz="UTC"), DAY_US),
    ],
)
def test_moments_in_every_form(moment: object, us: int | None) -> None:
    """Without an offset a moment is UTC."""
    assert moment_us(moment) == us  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"horizon": 48}, "horizon must be text such as 48h, or a timedelta; got 48"),
        ({"horizon": "36"}, "horizon must be a whole number and a unit"),
        ({"horizon": timedelta(0)}, "horizon must be a whole number and a unit"),
        ({"horizon": timedelta(hours=-2)}, "horizon must be a whole number and a unit"),
        ({"horizon": "90d", "step": "1m"}, "at most 100000 steps per series; got 129600"),
        ({"step": 3600}, "step must be text such as 48h, or a timedelta; got 3600"),
        ({"step": timedelta(seconds=1)}, "step must lie between 1m and 7d"),
        ({"quantiles": "0.5"}, "quantiles must be numbers between 0 and 1; got '0.5'"),
        ({"quantiles": ["low"]}, "quantiles must be numbers between 0 and 1"),
        ({"quantiles": True}, "quantiles must be numbers between 0 and 1"),
        ({"quantiles": 1.0}, "quantiles must lie between 0 and 1"),
        ({"quantiles": []}, "quantiles must lie between 0 and 1"),
        ({"as_of": "yesterday"}, "as_of must be an ISO 8601 date or time; got 'yesterday'"),
        ({"as_of": 1.5}, "as_of must be a datetime, ISO 8601 text or whole microseconds"),
        ({"as_of": True}, "as_of must be a datetime"),
        ({"as_of": pd.NaT}, "as_of must be a datetime"),
        ({"model": None}, "model must be a name; got None"),
    ],
)
def test_what_is_refused_says_what_it_must_be(options: dict[str, object], said: str) -> None:
    """An error of this package, never one from deep inside."""
    with pytest.raises(ConfigError) as caught:
        capforecast.forecast(wave("a"), **options)  # type: ignore[arg-type]
    assert said in str(caught.value)


def test_a_model_that_is_not_known_is_refused_with_the_nearest() -> None:
    """By forecast and by replay, before anything is computed."""
    with pytest.raises(UnknownNameError, match="Did you mean 'pool'"):
        capforecast.forecast(wave("a"), model="polo")
    with pytest.raises(UnknownNameError, match="Did you mean 'pool'"):
        capforecast.replay(pl.DataFrame(), pl.DataFrame(), model="polo")


def test_replay_takes_frames_and_refuses_what_lacks_a_column() -> None:
    """The rows of the cases come out in their order."""
    cases = pl.DataFrame(
        {
            "case_id": ["x", "y"], "series_id": ["a", "none"], "metric": "cpu_util_pct", "threshold": 90.0,
            "cutoff": START + timedelta(days=15), "horizon_s": 3600,
        }
    )  # fmt: skip
    found = capforecast.replay(cases.to_pandas(), wave("a"))
    assert found.get_column("status").to_list() == ["ok", "unknown_series"]
    with pytest.raises(SchemaError, match="cases must have the columns"):
        capforecast.replay(cases.drop("cutoff"), wave("a"))


def test_settings_are_settings_or_a_path(tmp_path: Path) -> None:
    """Nothing else can be meant."""
    with pytest.raises(ConfigError, match="config must be a Config or a path; got dict"):
        capforecast.run(tmp_path, config={"run": {}})  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="must be a readable file"):
        capforecast.run(tmp_path, config=tmp_path / "none.toml")
