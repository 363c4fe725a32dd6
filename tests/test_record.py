"""A fleet over forty nights: what the ledger says against what is known of every series."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from capforecast.config import Config, load
from capforecast.hindsight import NAMES
from capforecast.panel import DAY_US, HOUR_US
from capforecast.record import ALL, ROLLING, sentence
from capforecast.run import RunResult, ingest_sources, nightly
from capforecast.sources import ReadOptions
from capforecast.store import Store
from capforecast.times import from_us
from tests.tables import frame_of

NIGHTS = 40
SERIES = 60
FIRST_US = 20_500 * DAY_US + 2 * HOUR_US
LAST_US = FIRST_US + (NIGHTS - 1) * DAY_US
HOURS = FIRST_US - 60 * DAY_US + np.arange((60 + NIGHTS) * 24) * HOUR_US
THRESHOLDS = {"warning": 80.0, "critical": 90.0, "full": 100.0}


def levels(number: int, day: np.ndarray) -> np.ndarray:
    """Return the used percent of a disk; day 0 is the first night. What happens depends on the number alone."""
    wave = 0.1 * np.sin(2 * np.pi * (day + number / 7))
    kind, more = number % 6, number // 6
    if kind == 0:
        # Fills, and crosses 80 on a day from 4 to 31.
        return np.minimum(80 + 0.9 * (day - 4 - 3 * more), 99) + wave
    if kind == 1:
        # Fills, and is cleaned up some days before it would cross.
        level = 80 + 0.9 * (day - 10 - 2 * more)
        return np.where(day < 5 + 2 * more, level, level - 35) + wave
    if kind == 2:
        # Jumps over the threshold out of a calm sky.
        return np.where(day < 6 + 2 * more, 40.0, 86.0) + wave
    if kind == 3:
        # Fills, and is not measured any more some days before it would cross.
        level = 80 + 0.9 * (day - 20 - more)
        return np.where(day < 14 + more, level + wave, np.nan)
    return 30.0 + 3 * more + wave


def first_over(number: int, threshold: float, start_us: int, end_us: int) -> int | None:
    """Return the first hour in a window at which the level is at or over the threshold: disks need but one."""
    hours = HOURS
    level = levels(number, (hours - FIRST_US) / DAY_US)
    with np.errstate(invalid="ignore"):
        over = hours[(hours >= start_us) & (hours < end_us) & (np.round(level, 4) >= threshold)]
    return int(over[0]) if over.size else None


def unmeasured(number: int, start_us: int, end_us: int) -> float:
    """Return the share of a window that was not measured."""
    hours = HOURS
    window = hours[(hours >= start_us) & (hours < end_us)]
    return float(np.isnan(levels(number, (window - FIRST_US) / DAY_US)).mean())


@dataclass(frozen=True)
class Fallen:
    """A published prediction that fell due, and what is known to have happened."""

    row: dict[str, Any]
    run: RunResult
    days: int
    chance: float
    crossed_us: int | None
    possible: set[str]

    @property
    def month(self) -> str:
        return f"{from_us(self.run.as_of_us + self.days * DAY_US):%Y-%m}"


@dataclass(frozen=True)
class Nights:
    """A store after forty nights."""

    path: Path
    config: Config
    runs: list[RunResult]

    def fallen(self) -> Iterator[Fallen]:
        """Yield every prediction that fell due, with the outcomes that the truth allows."""
        for run in self.runs:
            for days in (7, 30):
                due_us = run.as_of_us + days * DAY_US
                for row in run.tables["breaches"].iter_rows(named=True) if due_us <= LAST_US else ():
                    p, number = row[f"p_breach_{days}d"], int(row["host"][-2:])
                    if row["status"] == "breached" or p is None:
                        continue
                    crossed = first_over(number, row["threshold"], run.as_of_us, due_us)
                    possible = {"false", "averted"} if p >= 0.5 else {"quiet"}
                    if crossed is not None:
                        possible = {"hit", "early", "late"} if p >= 0.5 else {"missed"}
                    elif unmeasured(number, run.as_of_us, due_us) > 0.1:
                        possible = {"unknown"}
                    yield Fallen(row, run, days, p, crossed, possible)

    def judged(self) -> dict[tuple[str, str, int], dict[str, Any]]:
        """Return what each night judged itself, not what it carried."""
        own = [run.tables["outcomes"].filter(pl.col("judged_run_id") == run.run_id) for run in self.runs]
        rows = [row for frame in own for row in frame.iter_rows(named=True)]
        found = {(row["risk_id"], row["predicted_run_id"], row["horizon_days"]): row for row in rows}
        assert len(found) == len(rows)
        return found

    def months(self) -> pl.DataFrame:
        record = self.runs[-1].tables["record"]
        return record.filter((pl.col("period") != ROLLING) & (pl.col("p_range") == ALL))


@pytest.fixture(scope="module")
def nights(tmp_path_factory: pytest.TempPathFactory) -> Nights:
    base = tmp_path_factory.mktemp("forty")
    frames = []
    for number in range(SERIES):
        value = np.round(levels(number, (HOURS - FIRST_US) / DAY_US), 4)
        frames.append(pl.DataFrame({"host": f"host-{number:02d}", "ts": HOURS, "value": value}))
    samples = pl.concat(frames).filter(pl.col("value").is_not_nan())
    samples = samples.with_columns(
        pl.col("ts").cast(pl.Datetime("us", "UTC")), metric=pl.lit("disk_used_pct"), unit=pl.lit("percent")
    )
    samples.write_parquet(base / "samples.parquet")
    config = load(None, {"run.threads": 2})
    ingest_sources(base / "store", [str(base / "samples.parquet")], ReadOptions(), config, now_us=LAST_US)
    moments = [FIRST_US + night * DAY_US for night in range(NIGHTS)]
    runs = [nightly(base / "store", config, now_us=LAST_US, as_of_us=moment) for moment in moments]
    return Nights(base / "store", config, runs)


@pytest.mark.slow
def test_every_prediction_is_judged_once_and_rightly(nights: Nights) -> None:
    """Listed is what was at all likely or crossed; outcomes, moments and windows are those of the truth."""
    judged = nights.judged()
    listed = 0
    for one in nights.fallen():
        said = judged.get((one.row["risk_id"], one.run.run_id, one.days))
        assert (said is not None) == (one.chance >= 0.1 or one.crossed_us is not None)
        if said is None:
            continue
        listed += 1
        assert said["outcome"] in one.possible, (one.row["host"], one.days, one.chance)
        assert said["breached_at"] == (None if one.crossed_us is None else from_us(one.crossed_us))
        if said["outcome"] == "averted":
            assert int(one.row["host"][-2:]) % 6 == 1
        if said["outcome"] in ("hit", "early", "late"):
            late = one.row["breach_date_p90"]
            early = said["breach_date"] < one.row["breach_date_p10"]
            assert said["outcome"] == ("early" if early else "late" if late and said["breach_date"] > late else "hit")
    assert listed == len(judged)


@pytest.mark.slow
def test_the_record_adds_up(nights: Nights) -> None:
    """Counts and Brier scores of each month are those of all predictions, one by one."""
    judged = nights.judged()
    counts: dict[tuple[int, str], dict[str, int]] = {}
    squares: dict[tuple[int, str], list[float]] = {}
    for one in nights.fallen():
        said = judged.get((one.row["risk_id"], one.run.run_id, one.days))
        outcome = said["outcome"] if said else min(one.possible)
        key = (one.days, one.month)
        counts.setdefault(key, dict.fromkeys(NAMES, 0))[outcome] += 1
        if outcome not in ("averted", "unknown"):
            squares.setdefault(key, []).append((one.chance - (one.crossed_us is not None)) ** 2)
    told = {(row["horizon_days"], row["period"]): row for row in nights.months().iter_rows(named=True)}

    assert {key: {name: row[f"predictions_{name}"] for name in NAMES} for key, row in told.items()} == counts
    assert {key: row["brier"] for key, row in told.items()} == pytest.approx(
        {key: np.mean(values) for key, values in squares.items()}
    )
    seen = {name for one in counts.values() for name, count in one.items() if count}
    assert seen >= {"hit", "missed", "averted", "quiet", "unknown"}


@pytest.mark.slow
def test_each_crossing_counts_once(nights: Nights) -> None:
    """When its last prediction has fallen due, in one month; a jump is missed, what fills is warned of."""
    closed = []
    for number in range(SERIES):
        for threshold in THRESHOLDS.values():
            crossed = first_over(number, threshold, FIRST_US, LAST_US - 7 * DAY_US + 1)
            if crossed is not None and from_us(crossed + 7 * DAY_US - 2 * HOUR_US).date() <= from_us(LAST_US).date():
                closed.append(number)
    week = nights.months().filter(pl.col("horizon_days") == 7)

    assert len(closed) > 20
    assert week["crossings"].sum() == len(closed)
    assert week["crossings_missed"].sum() == sum(number % 6 == 2 for number in closed) > 0


@pytest.mark.slow
def test_the_last_night_again_is_the_same(nights: Nights) -> None:
    """Byte for byte, and the store is whole; the sentence is that of the record."""
    again = nightly(nights.path, nights.config, now_us=LAST_US, as_of_us=LAST_US)
    last = nights.runs[-1]

    assert not again.published.changed
    assert again.published.files == last.published.files
    assert last.tables["run"].item(0, "record") == sentence(last.tables["record"], 0)
    assert "warnings for the next 30 days that fell due in the last 30 nights" in last.tables["run"].item(0, "record")
    with Store.open(nights.path) as opened:
        assert opened.verify() == []


def rolling(days: int = 30, **counts: int) -> pl.DataFrame:
    row = {"period": ROLLING, "horizon_days": days, "p_range": ALL, "warnings": 0, "crossings": 0, **counts}
    return frame_of("record", [row, {"period": "2026-03", "horizon_days": days, "p_range": ALL, "one_in": 1}])


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        (
            rolling(warnings=41, warnings_true=33, warnings_averted=0, crossings=36, crossings_missed=3),
            "Of 41 warnings for the next 30 days that fell due in the last 30 nights 33 came true; "
            "of 36 crossings whose last prediction has fallen due 3 were missed.",
        ),
        (
            rolling(7, warnings=1, warnings_true=0, warnings_averted=1, crossings=1, crossings_missed=0),
            "Of 1 warning for the next 7 days that fell due in the last 30 nights 0 came true and 1 averted; "
            "of 1 crossing whose last prediction has fallen due none was missed.",
        ),
        (
            rolling(warnings=2, warnings_true=2, warnings_averted=0),
            "Of 2 warnings for the next 30 days that fell due in the last 30 nights 2 came true.",
        ),
        (
            pl.concat([rolling(7, warnings=9, warnings_true=9, warnings_averted=0), rolling()]),
            "Of 9 warnings for the next 7 days that fell due in the last 30 nights 9 came true.",
        ),
        (
            pl.concat([rolling(7), rolling(crossings=2, crossings_missed=1)]),
            "There was no warning for the next 30 days that fell due in the last 30 nights; "
            "of 2 crossings whose last prediction has fallen due 1 was missed.",
        ),
        (
            pl.concat([rolling(7), rolling()]),
            "There was no warning for the next 30 days that fell due in the last 30 nights.",
        ),
        (frame_of("record", []), "No prediction has fallen due yet; the next will on 2026-02-16."),
    ],
)
def test_one_sentence(record: pl.DataFrame, expected: str) -> None:
    """It tells of a month ahead, else of a week, if such predictions fell due and there is something to tell."""
    assert sentence(record, FIRST_US) == expected
