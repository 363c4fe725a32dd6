"""Statuses do not flap from night to night, and end when what they say is over."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from capforecast.changes import Before
from capforecast.config import load
from capforecast.expected import expect
from capforecast.findings import BREACHED_HOLDS, COMING_HOLDS, NEVER, STATE, TREND_HOLDS, VERDICT
from capforecast.grades import status_code
from capforecast.limits import read, resolve
from capforecast.panel import DAY_US, HOUR_US
from capforecast.run import ingest_sources, nightly
from capforecast.sources import ReadOptions
from capforecast.standing import settle
from capforecast.tables import Found, Stamp, risks
from capforecast.texts import hex_texts
from capforecast.times import parse_moment

END_US = parse_moment("2026-05-20")


def found_of(path: Path, holds: int, status: str = "ok", early: int = NEVER) -> Found:
    """Return one series with one threshold, of which a shard found something."""
    (path / "limits.csv").write_text("host,metric,threshold_name,threshold\n*,m,full,1\n", encoding="utf-8")
    moment = pl.lit(0).cast(pl.Datetime("us", "UTC"))
    series = pl.DataFrame({"host": ["a"], "metric": "m", "instance": "", "unit": "", "sid": [0]})
    series = series.with_columns(moment.alias("first_ts"), moment.alias("last_ts"))
    expected = expect(series, resolve(series, read(path / "limits.csv"), (), 1), load(None, {}))
    verdicts = np.zeros(1, VERDICT)
    verdicts["status"], verdicts["holds"], verdicts["severity"] = status_code(status), holds, 4
    verdicts["days"], verdicts["chance"], verdicts["p_reach"] = [[early, NEVER, NEVER]], [[0.1, 0.45, np.nan]], 0.45
    return Found(expected, np.zeros(1, STATE), verdicts, [], Stamp("run", END_US))


def before(found: Found, status: str | None) -> Before:
    rows = np.arange(0 if status is None else 1)
    ids = hex_texts(risks(found, rows)) if rows.size else pl.Series([], dtype=pl.String)
    frame = pl.DataFrame({"risk_id": ids, "status": pl.Series([status] * rows.size, dtype=pl.String)})
    nothing = {"breach_date_p50": pl.Date, "change_class": pl.String, "days_slipped": pl.Int64}
    return Before.of(frame.with_columns(pl.lit(None, kind).alias(name) for name, kind in nothing.items()))


@pytest.mark.parametrize(
    ("holds", "then", "now"),
    [
        (BREACHED_HOLDS, "breached", "breached"),
        (BREACHED_HOLDS, "will_breach", "ok"),
        (BREACHED_HOLDS | COMING_HOLDS, "breached", "breached"),
        (COMING_HOLDS, "will_breach", "will_breach"),
        (COMING_HOLDS, "breached", "will_breach"),
        (COMING_HOLDS, "ok", "ok"),
        (COMING_HOLDS, None, "ok"),
        (TREND_HOLDS, "no_trend", "no_trend"),
        (TREND_HOLDS, "constant", "ok"),
        (COMING_HOLDS, "no_trend", "ok"),
        (0, "breached", "ok"),
    ],
)
def test_a_status_holds_only_if_it_was_there_and_may(tmp_path: Path, holds: int, then: str | None, now: str) -> None:
    """What was not said the night before cannot hold; what is clearly over does not either."""
    found = found_of(tmp_path, holds)
    settle(found, before(found, then))
    verdict = found.verdicts[0]

    assert verdict["status"] == status_code(now)
    assert verdict["severity"] == {"breached": 1, "will_breach": 3}.get(now, 4)
    assert (verdict["holds"] > 0) == (now in ("breached", "will_breach"))


def test_without_a_run_before_nothing_holds(tmp_path: Path) -> None:
    """The first night says what it sees."""
    found = found_of(tmp_path, BREACHED_HOLDS | COMING_HOLDS)
    plain = found.verdicts.copy()
    settle(found, None)
    plain["holds"] = 0
    assert found.verdicts.tobytes() == plain.tobytes()


def test_what_holds_as_breached_is_breached_throughout(tmp_path: Path) -> None:
    """Its chances are one where anything is said, its dates are those of now, as of any breach."""
    found = found_of(tmp_path, BREACHED_HOLDS)
    settle(found, before(found, "breached"))
    verdict = found.verdicts[0]
    np.testing.assert_array_equal(verdict["chance"], [1.0, 1.0, np.nan])
    assert verdict["days"].tolist() == [0, 0, 0]
    # Whoever has to act soon is told so, too, of what still may come.
    soon = found_of(tmp_path, COMING_HOLDS, early=3)
    lead = soon.expected.thresholds.with_columns(lead_time_days=pl.lit(14, pl.Int64))
    soon = replace(soon, expected=replace(soon.expected, thresholds=lead))
    settle(soon, before(soon, "will_breach"))
    assert soon.verdicts["severity"].tolist() == [2]


def nights(path: Path, daily: list[float], count: int) -> Mapping[str, list[str]]:
    """Return status and change of a volume at its threshold of 90, over the last nights, one day a night."""
    hours = np.repeat(daily, 24)
    ts = END_US - HOUR_US * np.arange(hours.size, 0, -1)
    frame = pl.DataFrame({"host": "a", "metric": "disk_used_bytes", "ts": ts, "value": hours})
    frame = frame.with_columns(pl.col("ts").cast(pl.Datetime("us", "UTC")))
    frame.write_parquet(path / "s.parquet")
    (path / "limits.csv").write_text("host,metric,threshold_name,threshold\n*,*,full,90\n", encoding="utf-8")
    config = load(None, {"limits.file": str(path / "limits.csv"), "run.horizon": "10d", "run.threads": 1})
    ingest_sources(path / "store", [str(path / "s.parquet")], ReadOptions(), config, now_us=END_US)
    rows = []
    for back in range(count - 1, -1, -1):
        as_of_us = END_US - back * DAY_US
        tables = nightly(path / "store", config, now_us=END_US, as_of_us=as_of_us).tables
        rows.append(tables["breaches"].row(0, named=True))
    return {name: [row[name] for row in rows] for name in ("status", "change_class", "risk_id", "reason")}


def test_a_volume_that_swings_around_its_threshold_is_breached_until_it_recovers(tmp_path: Path) -> None:
    """A night under the threshold by a hair is no recovery, three of them are."""
    said = nights(tmp_path, [60.0] * 30 + [91.0, 89.5, 90.5, 89.5, 89.5, 89.5], 6)
    assert said["status"][:-1] == ["breached"] * 5
    assert said["status"][-1] != "breached"
    assert said["change_class"][1:-1] == ["same"] * 4
    assert len(set(said["risk_id"])) == 1
    assert "not yet clearly below" in said["reason"][1]


def test_a_clean_up_is_a_recovery_on_the_same_night(tmp_path: Path) -> None:
    """A level that is clearly under the threshold needs no second night."""
    said = nights(tmp_path, [60.0] * 30 + [91.0, 62.0], 2)
    assert said["status"][0] == "breached"
    assert said["status"][1] != "breached"
