"""Predictions against what happened, through a store: every outcome, each prediction once, nothing lost on the way."""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import polars as pl
import pyarrow as pa
import pytest

from capforecast import judging
from capforecast.config import Config, load
from capforecast.hindsight import NAMES
from capforecast.judging import Judged, judge
from capforecast.limits import read as read_limits
from capforecast.panel import DAY_US, HOUR_US
from capforecast.previous import breaches_before, earlier_runs
from capforecast.run import ingest_sources
from capforecast.schema import OUTCOME_MEANINGS
from capforecast.sources import ReadOptions
from capforecast.store import Store
from capforecast.tables import Stamp
from capforecast.times import from_us
from tests.tables import frame_of

P_US = 20_500 * DAY_US + 2 * HOUR_US
"""When the predictions were made."""
WEEK_US = P_US + 7 * DAY_US
DISK = {"metric": "disk_used_pct", "unit": "percent", "statistic": "max"}
CPU = {"metric": "cpu_util_pct", "unit": "percent", "statistic": "p95"}
FREE = {"metric": "disk_free_pct", "unit": "percent", "statistic": "min", "direction": "below", "threshold": 20.0}
LIMITS = f"""host,metric,threshold_name,threshold,valid_from
raised*,disk_used_pct,warning,95,{from_us(P_US + 3 * DAY_US):%Y-%m-%dT%H:%M:%SZ}
"""


@dataclass
class Kept:
    """A sink that keeps what it is given."""

    tables: dict[str, pl.DataFrame] = field(default_factory=dict)

    def write(self, table: str, rows: pa.Table) -> None:
        self.tables[table] = pl.DataFrame(rows)

    def scratch(self) -> BinaryIO:
        return BytesIO()


def level(low: float, *changes: tuple[float, float]) -> np.ndarray:
    """Return a level per hour from ten days before the predictions to eight days after: changes are (day, level)."""
    day = np.arange(-240, 192) / 24.0
    out = np.full(day.size, float(low))
    for since, value in changes:
        out[day >= since] = value
    return out


def hours_over(*hours: int) -> np.ndarray:
    out = level(60.0)
    out[240 + np.array(hours)] = 95.0
    return out


HOSTS: dict[str, tuple[str, np.ndarray, dict[str, Any]]] = {
    "hit": ("hit", level(75, (3, 85)), {"p_breach_7d": 0.9}),
    "early": ("early", level(75, (0.5, 85)), {"p_breach_7d": 0.9}),
    "late": ("late", level(75, (6, 85)), {"p_breach_7d": 0.9}),
    "false": ("false", level(75), {"p_breach_7d": 0.5}),
    "missed": ("missed", level(40, (4, 85)), {"p_breach_7d": 0.01}),
    "cleaned": ("averted", level(75, (2, 60)), {"p_breach_7d": 0.9}),
    "raised": ("averted", level(75, (5, 85)), {"p_breach_7d": 0.9}),
    "raised-late": ("hit", level(75, (2.2, 85)), {"p_breach_7d": 0.9}),
    "raised-little": ("hit", level(75, (4.2, 96)), {"p_breach_7d": 0.9}),
    "likely": ("quiet", level(75), {"p_breach_7d": 0.4}),
    "quiet": ("quiet", level(40), {"p_breach_7d": 0.001}),
    "silent": ("unknown", level(75, (5, np.nan)), {"p_breach_7d": 0.9}),
    "silent-quiet": ("unknown", level(40, (5, np.nan)), {"p_breach_7d": 0.001}),
    "gone": ("hit", level(75, (3, 85), (5, np.nan)), {"p_breach_7d": 0.9}),
    "one-hour": ("false", hours_over(30, 60, 90), {**CPU, "p_breach_7d": 0.6}),
    "two-hours": ("hit", hours_over(60, 62), {**CPU, "p_breach_7d": 0.6}),
    "free": ("hit", level(25, (3, 15)), {**FREE, "p_breach_7d": 0.9}),
    "after": ("false", level(75, (7.5, 85)), {"p_breach_7d": 0.9}),
    "before": ("quiet", level(85, (-5, 75)), {"p_breach_7d": 0.1}),
    "daily": ("hit", level(75, (3, 85)), {"p_breach_7d": 0.9}),
    "daily-cpu": ("hit", level(75, (3, 85), (4, 75)), {**CPU, "p_breach_7d": 0.9}),
    "daily-gap": ("unknown", level(75, (3, np.nan), (4, 75)), {"p_breach_7d": 0.9}),
    "daily-cleaned": ("averted", level(75, (3, 60)), {"p_breach_7d": 0.9}),
    "breached": ("", level(85), {"p_breach_7d": 1.0, "status": "breached"}),
    "unsaid": ("", level(75, (3, 85)), {"p_breach_7d": None}),
}
"""What became of each host's prediction for a week ahead, its level by the hour (daily: at noon), and what differs."""


def prediction(host: str, number: int, **overrides: Any) -> dict[str, Any]:
    date = from_us(P_US).date()
    row = {
        "run_date": date, "run_id": "then", "as_of": from_us(P_US), "risk_id": f"{number:016x}", "host": host,
        "instance": "", **DISK, "threshold_name": "warning", "threshold": 80.0, "direction": "above",
        "capacity": 100.0, "status": "will_breach",
        "breach_date_p10": from_us(P_US + 2 * DAY_US).date(), "breach_date_p50": from_us(P_US + 3 * DAY_US).date(),
        "breach_date_p90": from_us(P_US + 5 * DAY_US).date(),
    }  # fmt: skip
    return row | overrides


def publish(store: Store, run_id: str, as_of_us: int, tables: Mapping[str, pl.DataFrame]) -> None:
    identity = {"run_id": run_id, "run_date": from_us(as_of_us).date(), "as_of_us": as_of_us, "run_us": as_of_us}
    store.publish(identity, tables, {})


def fill(path: Path, config: Config) -> None:
    """Ingest the levels of all hosts and publish the predictions."""
    hours = (P_US - 240 * HOUR_US + np.arange(432) * HOUR_US).astype("datetime64[us]")
    frames = [
        pl.DataFrame({"host": host, "metric": said.get("metric", "disk_used_pct"), "ts": hours, "value": values})
        .with_columns(pl.col("ts").dt.replace_time_zone("UTC"), unit=pl.lit("percent"))
        .filter(
            pl.col("value").is_not_nan() & ((pl.col("ts").dt.hour() == 12) | ~pl.col("host").str.starts_with("daily"))
        )
        for host, (_, values, said) in HOSTS.items()
    ]
    pl.concat(frames).write_parquet(path.parent / "samples.parquet")
    ingest_sources(path, [str(path.parent / "samples.parquet")], ReadOptions(), config, now_us=WEEK_US + DAY_US)
    rows = [prediction(host, i, **said) for i, (host, (_, _, said)) in enumerate(HOSTS.items())]
    (path.parent / "limits.csv").write_text(LIMITS)
    with Store.open(path, writable=True) as store:
        publish(store, "then", P_US, {"breaches": frame_of("breaches", rows)})
        store.set_limits(read_limits(path.parent / "limits.csv"), "limits.csv", "0" * 64)


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("judging") / "store"
    fill(path, load(None, {}))
    return path


@pytest.fixture
def store(filled: Path, tmp_path: Path) -> Path:
    shutil.copytree(filled, tmp_path / "store")
    return tmp_path / "store"


def judged(path: Path, as_of_us: int, publish_as: str | None = None, **settings: Any) -> tuple[Judged, Kept]:
    """Judge as a run of some moment would, and publish it when it has a name."""
    sink = Kept()
    with Store.open(path, writable=True) as opened:
        said = judge(opened, load(None, {"run.threads": 1, **settings}), Stamp(publish_as or "now", as_of_us), sink)
        if publish_as is not None:
            publish(opened, publish_as, as_of_us, sink.tables)
    return said, sink


def of_all(record: pl.DataFrame, days: int = 7, period: str = "last_30d") -> dict[str, Any]:
    chosen = (pl.col("period") == period) & (pl.col("horizon_days") == days) & (pl.col("p_range") == "all")
    return record.row(by_predicate=chosen, named=True)


def test_every_outcome(store: Path) -> None:
    """Each hand-made week ends as it should; listed is what was at all likely, or crossed."""
    _, sink = judged(store, WEEK_US)
    outcomes = sink.tables["outcomes"]
    listed = {h: o for h, (o, _, said) in HOSTS.items() if o and (said["p_breach_7d"] >= 0.1 or o == "missed")}

    assert dict(outcomes.select("host", "outcome").iter_rows()) == listed
    assert set(listed.values()) | {"quiet"} == set(OUTCOME_MEANINGS)
    assert outcomes["horizon_days"].unique().to_list() == [7]
    breached = dict(outcomes.select("host", "breached").iter_rows())
    crossed = {"hit", "early", "late", "missed"}
    assert breached == {h: None if o == "unknown" else o in crossed for h, o in listed.items()}
    hit = outcomes.row(by_predicate=pl.col("host") == "hit", named=True)
    assert hit["breached_at"] == from_us(P_US + 3 * DAY_US)
    assert hit["breach_date"] == from_us(P_US + 3 * DAY_US).date()
    assert (hit["due"], hit["first_warned"]) == (from_us(WEEK_US), from_us(P_US))
    assert hit["judged_run_id"] == "now"
    assert hit["predicted_run_id"] == "then"


def test_counts_hold_all_predictions(store: Path) -> None:
    """Also those that are not listed; scores leave out averted and unknown."""
    said, sink = judged(store, WEEK_US)
    month = of_all(sink.tables["record"], period=f"{from_us(WEEK_US):%Y-%m}")
    became = [outcome for outcome, _, _ in HOSTS.values() if outcome]
    kept = [
        (s["p_breach_7d"], o in ("hit", "early", "late", "missed"))
        for o, _, s in HOSTS.values()
        if o not in ("", "averted", "unknown")
    ]

    assert {name: month[f"predictions_{name}"] for name in NAMES} == {name: became.count(name) for name in NAMES}
    assert month["predictions"] == len(became)
    assert month["brier"] == pytest.approx(np.mean([(p - y) ** 2 for p, y in kept]))
    assert month["p_mean"] == pytest.approx(np.mean([p for p, _ in kept]))
    assert month["breached_share"] == pytest.approx(np.mean([y for _, y in kept]))
    base = month["breached_share"]
    assert month["brier_skill"] == pytest.approx(1 - month["brier"] / (base * (1 - base)))
    gaps = 0.0
    for place in range(10):
        mine = [(p, y) for p, y in kept if min(int(p * 10 + 1e-9), 9) == place]
        gaps += abs(sum(p for p, _ in mine) - sum(y for _, y in mine))
    assert month["ece"] == pytest.approx(gaps / len(kept))
    assert "No prediction" not in said.sentence
    # Of the other crossings a later night may still have warned.
    assert month["crossings"] == of_all(sink.tables["record"])["crossings"] == 1


def test_each_prediction_is_judged_once(store: Path) -> None:
    """What one run judged is carried by the next, which adds nothing; a month later it has left the table."""
    _, first = judged(store, WEEK_US, "first")
    _, second = judged(store, WEEK_US + DAY_US, "second")
    judged(store, WEEK_US + 33 * DAY_US, "third")
    _, late = judged(store, WEEK_US + 40 * DAY_US)
    run = ["run_date", "run_id", "as_of"]

    assert first.tables["outcomes"].height > 10
    assert second.tables["outcomes"].drop(run).equals(first.tables["outcomes"].drop(run), null_equal=True)
    assert second.tables["outcomes"]["run_id"].unique().to_list() == ["second"]
    month = f"{from_us(WEEK_US):%Y-%m}"
    drop = (*run, *(c for c in first.tables["record"].columns if c.startswith("crossings")), "recall", "lead_days_p50")
    one, two = (k.tables["record"].filter(pl.col("period") == month).drop(drop) for k in (first, second))
    assert one.equals(two, null_equal=True)
    assert late.tables["outcomes"].filter(pl.col("horizon_days") == 7).is_empty()
    kept = late.tables["record"].filter((pl.col("period") == month) & (pl.col("horizon_days") == 7))
    assert kept.drop(drop).equals(two, null_equal=True)


def test_the_same_night_gives_the_same_rows(store: Path) -> None:
    """Before and after it was published, with one thread or two."""
    _, once = judged(store, WEEK_US, "first")
    for settings in ({}, {"run.threads": 2}):
        _, again = judged(store, WEEK_US, "first", **settings)
        assert all(once.tables[name].equals(again.tables[name], null_equal=True) for name in ("outcomes", "record"))


def test_later_data_change_nothing(store: Path) -> None:
    """A run judges with what had happened when the horizon ended: 'after' crossed later, and was false."""
    _, now = judged(store, WEEK_US)
    _, later = judged(store, WEEK_US + 12 * HOUR_US)
    run = ["run_date", "run_id", "as_of"]
    assert now.tables["outcomes"].drop(run).equals(later.tables["outcomes"].drop(run), null_equal=True)


def test_warnings_and_crossings_count_once(store: Path) -> None:
    """However many nights warned; a crossing counts when the last night before it has fallen due."""
    with Store.open(store, writable=True) as opened:
        for night in (1, 2, 3):
            rows = [
                prediction(
                    h, i, **{**said, "p_breach_7d": 0.8 if h == "missed" and night == 3 else said["p_breach_7d"]}
                )
                for i, (h, (_, _, said)) in enumerate(HOSTS.items())
                if h in ("hit", "false", "missed")
            ]
            publish(opened, f"then-{night}", P_US + night * DAY_US, {"breaches": frame_of("breaches", rows)})
    for night in range(5):
        said, sink = judged(store, WEEK_US + night * DAY_US, f"night-{night}")
    row = of_all(sink.tables["record"])
    outcomes = sink.tables["outcomes"]
    missed = outcomes.filter(pl.col("host") == "missed").sort("predicted_as_of")

    assert missed["outcome"].to_list() == ["missed", "missed", "missed", "hit"]
    assert missed["first_warned"].to_list() == [None, None, None, from_us(P_US + 3 * DAY_US)]
    # 'missed' was warned of by its last night, so it came true after all.
    became = [o for h, (o, _, _) in HOSTS.items() if h != "missed"]
    assert row["warnings_true"] == sum(became.count(o) for o in ("hit", "early", "late")) + 1
    assert (row["warnings_false"], row["warnings_averted"]) == (became.count("false"), became.count("averted"))
    assert row["precision"] == pytest.approx(row["warnings_true"] / (row["warnings_true"] + row["warnings_false"]))
    assert f"Of {row['warnings']} warnings for the next 7 days" in said.sentence
    # Only crossings up to the fourth day are over: what crossed later may still be told by a night to come.
    assert row["crossings"] == sum(o in ("hit", "early", "missed") for o, _, _ in HOSTS.values())
    assert row["crossings_missed"] == 0


def test_nothing_due_says_when(store: Path) -> None:
    """Before the first horizon has passed the sentence names the day on which it does."""
    said, sink = judged(store, WEEK_US - HOUR_US)
    assert said.sentence == f"No prediction has fallen due yet; the next will on {from_us(WEEK_US):%Y-%m-%d}."
    assert sink.tables["outcomes"].is_empty()
    assert sink.tables["record"].is_empty()


def test_history_that_is_gone_is_not_missed(store: Path) -> None:
    """Directories that were deleted leave nothing to judge; a damaged one is told, and the run goes on."""
    judged(store, WEEK_US, "first")
    file = next(store.glob("reports/history/*/run_id=then/breaches.parquet"))
    whole = file.read_bytes()
    shutil.rmtree(next(store.glob("reports/history/*/run_id=first")))
    file.write_bytes(whole[:-9] + b"123456789")
    said, sink = judged(store, WEEK_US + DAY_US)
    assert any("run then for 7 days cannot be judged" in text for text in said.messages)
    assert sink.tables["outcomes"].is_empty()
    shutil.rmtree(file.parent)
    said, sink = judged(store, WEEK_US + DAY_US)
    assert said.messages == []
    assert sink.tables["outcomes"].is_empty()


def test_what_a_lost_run_judged_is_judged_again(store: Path) -> None:
    """When the directory of the run that judged is gone, the next one judges anew."""
    _, first = judged(store, WEEK_US, "first")
    shutil.rmtree(next(store.glob("reports/history/*/run_id=first")))
    _, again = judged(store, WEEK_US + DAY_US)
    drop = ["run_date", "run_id", "as_of", "judged_run_id"]
    assert again.tables["outcomes"].drop(drop).equals(first.tables["outcomes"].drop(drop), null_equal=True)


def test_large_fleets_take_turns(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Above a number of rows each night judges one part of the series; all parts together are the whole."""
    _, whole = judged(store, WEEK_US)
    monkeypatch.setattr(judging, "PART", 9)
    monkeypatch.setattr(judging, "TURN", 1)
    seen = []
    with Store.open(store) as opened:
        for turn in range(3):
            due = judging.Due("then", P_US + turn * DAY_US, 7, 3)
            seen += judging._predictions(opened, due).get_column("host").to_list()
    said, part = judged(store, WEEK_US)

    assert sorted(seen) == sorted(host for host, (outcome, _, _) in HOSTS.items() if outcome)
    assert 0 < part.tables["outcomes"].height < whole.tables["outcomes"].height
    assert of_all(part.tables["record"], period=f"{from_us(WEEK_US):%Y-%m}")["one_in"] == 3
    assert "(one series in 3 is judged)" in said.sentence


def test_missed_nights_are_made_up_for(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The newest first, up to a bound; what stays unjudged is told."""
    rows = [prediction(host, i, **said) for i, (host, (_, _, said)) in enumerate(HOSTS.items())]
    with Store.open(store, writable=True) as opened:
        for night in (1, 2):
            publish(opened, f"then-{night}", P_US - night * DAY_US, {"breaches": frame_of("breaches", rows)})
    said, sink = judged(store, WEEK_US)
    assert sink.tables["outcomes"]["predicted_run_id"].unique(maintain_order=True).to_list() == [
        "then-2",
        "then-1",
        "then",
    ]
    assert said.messages == []
    monkeypatch.setattr(judging, "CATCH_UP", 2 * len(HOSTS))
    said, sink = judged(store, WEEK_US)
    assert sink.tables["outcomes"]["predicted_run_id"].unique(maintain_order=True).to_list() == ["then-1", "then"]
    assert any("up to run then-2 stay unjudged" in text for text in said.messages)


def test_early_versions_had_no_record(store: Path) -> None:
    """A run that never judged is passed over, and what fell due meanwhile is judged now."""
    with Store.open(store, writable=True) as opened:
        publish(opened, "old", WEEK_US, {})
        runs = earlier_runs(opened, WEEK_US + DAY_US)
        old = runs.with_columns(pl.col("manifest").str.replace("record.parquet", "no.parquet"))
        messages: list[str] = []
        assert judging._ledger_before(opened, old, messages).as_of_us == 0
        assert judging._ledger_before(opened, runs, messages).as_of_us == WEEK_US
    assert messages == []


def test_changes_are_told_against_a_run_that_is_there(store: Path) -> None:
    """Where the directory of the run before is gone, the one before it counts."""
    judged(store, WEEK_US, "newer")
    moments = {"newer": 0, "then": len(HOSTS)}
    with Store.open(store) as opened:
        for run_id, rows in moments.items():
            before, _ = breaches_before(opened, WEEK_US + DAY_US)
            assert before is not None
            assert before.height == rows
            shutil.rmtree(next(store.glob(f"reports/history/*/run_id={run_id}")))
        assert breaches_before(opened, WEEK_US + DAY_US) == (None, [])


def test_the_first_night_that_warned_is_remembered(store: Path) -> None:
    """Also by nights that do not warn any more: the crossing had been warned of, and its lead counts from there."""
    said = {**HOSTS["late"][2], "p_breach_7d": 0.2}
    row = prediction("late", list(HOSTS).index("late"), **said)
    with Store.open(store, writable=True) as opened:
        for night in (4, 5, 6):
            publish(opened, f"then-{night}", P_US + night * DAY_US, {"breaches": frame_of("breaches", [row])})
    for night in (0, 4, 5, 6):
        _, sink = judged(store, WEEK_US + night * DAY_US, f"night-{night}")
    rows = sink.tables["outcomes"].filter(pl.col("host") == "late").sort("predicted_as_of")
    record = of_all(sink.tables["record"])

    assert rows["outcome"].to_list() == ["late", "missed", "missed", "missed"]
    assert rows["first_warned"].unique().to_list() == [from_us(P_US)]
    assert record["crossings_missed"] == sum(o == "missed" for o, _, _ in HOSTS.values())
