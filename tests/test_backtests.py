"""The summary of a run's backtests: what is counted, what is left out, how rows are chosen."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest
from click.testing import CliRunner, Result

import capforecast as cf
from capforecast.backtests import FILTERS, OF_SERIES, OWN, ahead, summary
from capforecast.cli import main
from capforecast.errors import DataError, UnknownNameError

DATA = Path(__file__).parents[1] / "data"


def rows_of(*rows: tuple[str, str, str, str, int, float | None, float | None]) -> pl.LazyFrame:
    """Return rows of (host, metric, step, horizon, origins, skill, coverage)."""
    schema = {
        "host": pl.String, "metric": pl.String, "step": pl.String, "horizon": pl.String, "origins": pl.Int64,
        "skill_vs_naive": pl.Float64, "coverage_80": pl.Float64,
    }  # fmt: skip
    frame = pl.DataFrame(rows, schema=schema, orient="row")
    return frame.with_columns(instance=pl.lit(""), direction=pl.lit("above")).lazy()


TESTS = rows_of(
    ("a", "cpu", "1h", "25-168", 8, 0.5, 0.8),
    ("a", "cpu", "1h", "1-24", 10, 0.4, 0.7),
    ("b", "cpu", "1h", "1-24", 6, -0.2, 0.9),
    ("c", "cpu", "1h", "1-24", 2, None, None),
    ("b", "disk", "1d", "1-7", 5, 0.1, 0.6),
    ("a", "disk", "1h", "1-24", 4, 0.9, 1.0),
)
SERIES = pl.LazyFrame(
    {
        "host": ["a", "b", "c", "a", "b"],
        "metric": ["cpu", "cpu", "cpu", "disk", "disk"],
        "team": ["x", "y", None, "x", "y"],
    }
).with_columns(instance=pl.lit(""))


def test_scores_are_those_of_the_series_with_a_skill() -> None:
    """Each series counts once; one without skill is counted apart; all metrics together come last."""
    rows = summary(TESTS, SERIES)
    assert rows.select("metric", "step", "horizon").rows() == [
        ("cpu", "1h", "1-24"), ("cpu", "1h", "25-168"), ("disk", "1h", "1-24"), ("disk", "1d", "1-7"),
        (None, "1h", "1-24"), (None, "1h", "25-168"), (None, "1d", "1-7"),
    ]  # fmt: skip
    cpu = rows.row(0, named=True)
    assert (cpu["series"], cpu["origins"], cpu["without_skill"]) == (3, 18, 1)
    assert cpu["skill_median"] == pytest.approx(0.1)
    assert cpu["skill_mean"] == pytest.approx(0.1)
    assert cpu["better_than_naive"] == 0.5
    assert cpu["coverage_80"] == pytest.approx(0.8)
    together = rows.row(4, named=True)
    assert (together["series"], together["skill_median"]) == (4, 0.4)
    assert together["better_than_naive"] == pytest.approx(2 / 3)


def test_rows_are_chosen_by_conditions_on_tests_and_on_their_series() -> None:
    """All conditions must hold; what has no value matches none."""
    assert summary(TESTS, SERIES, metric="d*").get_column("metric").drop_nulls().unique().to_list() == ["disk"]
    assert summary(TESTS, SERIES, where=["host in (a, b)", "horizon = 1-24"]).row(0, named=True)["series"] == 2
    assert summary(TESTS, SERIES, metric="cpu", where=["team = *"]).row(0, named=True)["series"] == 2
    assert summary(TESTS, SERIES, where=["team = y and step = '1h'"]).get_column("origins").to_list() == [6, 6]
    with pytest.raises(DataError, match="there must be tests to sum up"):
        summary(TESTS, SERIES, where=["host=z*"])
    with pytest.raises(UnknownNameError, match="Did you mean 'disk'"):
        summary(TESTS, SERIES, metric="dsk")
    with pytest.raises(UnknownNameError, match="Did you mean 'team'"):
        summary(TESTS, SERIES, where=["tem = x"])


def test_every_filter_is_a_column() -> None:
    """Of one of the two tables."""
    assert set(FILTERS.names) == {*OWN, *OF_SERIES}


def test_distances_are_told_as_spans_of_time() -> None:
    """From the step and the range of steps."""
    assert ahead("1h", "1-24") == "up to 1d, 1h steps"
    assert ahead("1h", "25-168") == "1d to 7d, 1h steps"
    assert ahead("1d", "8-30") == "7d to 30d, 1d steps"
    assert ahead("15m", "1-96") == "up to 1d, 15m steps"


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("backtest") / "store"
    cf.ingest(DATA / "samples.csv", folder)
    cf.run(folder, as_of="2026-05-20")
    return folder


def call(store: Path, *arguments: str) -> Result:
    result = CliRunner().invoke(main, ["backtest", "--store", str(store), *arguments], prog_name="capforecast")
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def test_the_command_sums_up_the_published_run(store: Path) -> None:
    """For people a table, for programs the same numbers as the function gives."""
    rows = cf.backtest(store)
    told = call(store)
    assert told.exit_code == 0
    assert "9 of 9 series could be tested" in told.stdout
    assert told.stdout.count("all metrics") == rows.filter(pl.col("metric").is_null()).height
    assert "somewhat less well" in told.stderr
    facts = json.loads(call(store, "--json").stdout)
    assert facts["rows"] == rows.to_dicts()
    published = pl.read_parquet(store / "reports" / "latest" / "backtests.parquet")
    assert sum(row["origins"] for row in facts["rows"] if row["metric"] is None) == published["origins"].sum()


def test_wrong_conditions_are_usage_errors(store: Path) -> None:
    """Exit 2, with what to write or the nearest name."""
    for arguments, said in (
        (("--where", "host"), "a condition must have"),
        (("--where", "team = x", "--where", "grade >"), "a condition must have text there; got its end"),
        (("--where", "tem=x"), "Did you mean 'team'"),
        (("--metric", "cpu_util_pc"), "Did you mean 'cpu_util_pct'"),
        (("--run", "none"), "run must be a known name"),
        (("--as-of", "2026-05-20"), "--as-of must go with another command"),
    ):
        result = call(store, *arguments)
        assert (result.exit_code, result.stdout) == (2, ""), arguments
        assert said in result.stderr


@pytest.mark.parametrize("columns", ["80", "160"])
def test_the_table_fits_the_terminal(store: Path, monkeypatch: pytest.MonkeyPatch, columns: str) -> None:
    """Long names give way, no number does."""
    monkeypatch.setenv("COLUMNS", columns)
    lines = call(store).stdout.splitlines()
    assert max(map(len, lines)) <= int(columns)
    assert len({line.split()[-1] for line in lines[2:]} - {"%"}) == 0
