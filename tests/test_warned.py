"""Figures of warnings and the worst cases, against numbers worked out by hand; what `replay` prints of a store."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from click.testing import CliRunner, Result
from past_stores import filling, frame, noise, quiet, stored

import capforecast
from capforecast.cli import main
from capforecast.warned import figures, verdicts, worst

NIGHT = datetime(2026, 5, 1, tzinfo=UTC)


def cases(*rows: tuple[str, str, str, float | None, float | None]) -> pl.DataFrame:
    """Return cases of (host, metric, outcome, p, days to the crossing), a week ahead; the level of host e fell."""
    return verdicts(
        pl.DataFrame(
            [
                (host, metric, "", "critical", "above", NIGHT, 604_800, outcome, host == "e", p,
                 None if days is None else NIGHT + timedelta(days=days))
                for host, metric, outcome, p, days in rows
            ],
            schema={
                **dict.fromkeys(("host", "metric", "instance", "threshold_name", "direction"), pl.String),
                "cutoff": pl.Datetime("us", "UTC"), "horizon_s": pl.Int64, "outcome": pl.String, "fell": pl.Boolean,
                "p_breach": pl.Float64, "crossed_at": pl.Datetime("us", "UTC"),
            },
            orient="row",
        )
    )  # fmt: skip


def test_figures_by_hand() -> None:
    """Two warned of (2 and 4 days before), one missed, one without a forecast, one false, three quiet, one unknown."""
    table = figures(
        cases(
            ("a", "cpu", "crossed", 0.9, 2.0), ("b", "cpu", "crossed", 0.5, 4.0), ("c", "cpu", "crossed", 0.2, 1.0),
            ("d", "cpu", "crossed", None, 1.0), ("e", "cpu", "quiet", 0.6, None), ("f", "cpu", "quiet", 0.1, None),
            ("f", "cpu", "quiet", 0.0, None), ("g", "cpu", "unknown", 0.9, None), ("h", "mem", "quiet", 0.3, None),
        )
    )  # fmt: skip
    every, cpu, mem = table.to_dicts()
    assert (every["metric"], every["every"], cpu["metric"], mem["metric"]) == ("all", True, "cpu", "mem")
    assert {name: cpu[name] for name in ("series", "cases", "unknown", "unforecast", "crossings", "events")} == {
        "series": 7, "cases": 7, "unknown": 1, "unforecast": 1, "crossings": 4, "events": 4
    }  # fmt: skip
    assert (cpu["warned"], cpu["missed"], cpu["false"], cpu["alarm_rate"]) == (2, 2, 1, 3 / 7)
    assert (cpu["fell"], mem["fell"]) == (1, 0)
    assert cpu["lead_days"] == 3.0
    brier = (0.1**2 + 0.5**2 + 0.8**2 + 0.6**2 + 0.1**2) / 6
    assert cpu["brier"] == pytest.approx(brier)
    assert cpu["brier_skill"] == pytest.approx(1 - brier / 0.25)
    assert cpu["auc"] == pytest.approx(7 / 9)
    assert (mem["cases"], mem["auc"], mem["brier_skill"], mem["lead_days"]) == (1, None, None, None)
    assert every["cases"] == 8


def test_a_crossing_that_several_nights_see_is_one_event() -> None:
    """Cases are counted, and the crossings behind them apart."""
    seen = cases(
        ("a", "cpu", "crossed", 0.9, 2.0), ("a", "cpu", "crossed", 0.8, 2.0), ("b", "cpu", "crossed", 0.9, 2.0)
    )
    assert figures(seen).row(0, named=True)["crossings"] == 3
    assert figures(seen).row(0, named=True)["events"] == 2


def test_a_lower_bar_warns_of_more() -> None:
    """The same cases with other words for them; scores of the probabilities stay."""
    seen = cases(("a", "cpu", "crossed", 0.3, 2.0), ("b", "cpu", "quiet", 0.2, None), ("c", "cpu", "quiet", 0.1, None))
    likely, wary = figures(seen).row(0, named=True), figures(verdicts(seen, 0.2)).row(0, named=True)
    assert (likely["warned"], likely["missed"], likely["false"]) == (0, 1, 0)
    assert (wary["warned"], wary["missed"], wary["false"]) == (1, 0, 1)
    assert (likely["auc"], likely["brier"]) == (wary["auc"], wary["brier"])


def test_the_worst_come_first_once_a_series() -> None:
    """Missed: without a forecast or the least probable; false: the surest."""
    wrong = cases(
        ("a", "cpu", "crossed", 0.4, 2.0), ("b", "cpu", "crossed", 0.1, 2.0), ("b", "cpu", "crossed", 0.3, 2.0),
        ("c", "cpu", "crossed", None, 2.0), ("d", "cpu", "quiet", 0.6, None), ("e", "cpu", "quiet", 0.9, None),
        ("f", "cpu", "crossed", 0.9, 2.0),
    )  # fmt: skip
    assert worst(wrong, "missed", 5).get_column("host").to_list() == ["c", "b", "a"]
    assert worst(wrong, "false", 1).get_column("host").to_list() == ["e"]


def call(*args: object, width: int = 80) -> Result:
    return CliRunner().invoke(main, [str(arg) for arg in args], env={"COLUMNS": str(width)}, prog_name="capforecast")


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two disks that fill, a quiet host, and one that jumps over its threshold out of nothing."""
    jump = frame("jump-of-a-host-with-a-long-name", "cpu_util_pct", 30.0 + noise("jump"))
    late = pl.col("ts") >= pl.col("ts").max() - timedelta(days=5)
    jump = jump.with_columns(value=pl.when(late).then(95.0).otherwise("value"))
    return stored(tmp_path_factory.mktemp("cli"), filling("disk-1", 4), filling("disk-2", 12), quiet("web"), jump)


def test_replay_without_cases_asks_the_store(store: Path, tmp_path: Path) -> None:
    """A table that fits 80 columns on stdout, words on stderr, all cases in a file."""
    result = call(
        "replay", "--store", store, "--since", "28d", "--horizon", "7d", "--output", tmp_path / "cases.parquet"
    )
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert max(map(len, lines)) <= 80
    assert lines[0].startswith("7d ahead: ")
    assert " ".join(lines[1].split()) == "metric cases crossed warned missed false alarms lead Brier skill AUC"
    assert "Missed, the least expected first:" in lines
    assert any(line.startswith("jump-of-") and "2026-05-15" in line for line in lines)
    assert "as of 4 past nights, 2026-04-22 to 2026-05-13" in result.stderr
    kept = pl.read_parquet(tmp_path / "cases.parquet")
    assert {"case_id", "outcome", "verdict", "p_breach", "breach_p50", "crossed_at"} <= set(kept.columns)
    assert kept.filter(verdict="missed").get_column("host").unique().to_list() == ["jump-of-a-host-with-a-long-name"]


def test_replay_without_cases_as_json(store: Path) -> None:
    """Figures and the worst cases; the command says the same as the function."""
    found = json.loads(
        call("replay", "--store", store, "--since", "28d", "--horizon", "7d", "--json", "--quiet").stdout
    )
    assert set(found) == {"figures", "missed", "false", "messages"}
    same = capforecast.replay_store(store, since=timedelta(days=28), horizon="7d")
    assert found["figures"] == same.figures.to_dicts()
    assert found["missed"][0]["host"] == "jump-of-a-host-with-a-long-name"


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["--input", "x.csv"], "--input must go with CASES"),
        (["--map", "host=vm"], "--map must go with CASES"),
        (["cases.csv", "--since", "7d"], "--since must go without CASES"),
        (["--since", "7d"], "every horizon must have passed since the oldest night"),
        (["--horizon", "7d,x"], "horizon"),
        (["--output", "cases.txt"], "the output must end in"),
        (["--warn-at", "0"], "--warn-at"),
    ],
)
def test_replay_refuses_what_does_not_go_together(store: Path, args: list[str], message: str) -> None:
    """Options of case files and of nights; durations that leave nothing to ask."""
    result = call("replay", "--store", store, *args)
    assert result.exit_code == 2
    assert message in result.stderr
