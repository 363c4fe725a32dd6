"""What a nightly run learns from its own past: only when asked, kept for a week, said in the table run."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from capforecast.config import Config, load
from capforecast.explain import explain
from capforecast.inquiry import adhoc
from capforecast.run import RunResult, ingest_sources, nightly
from capforecast.sources import ReadOptions
from capforecast.store import Store
from capforecast.teaching import FILE, LEARNED_DAYS, recalled
from capforecast.times import DAY_US, to_us

DAYS, HOSTS = 130, 90
END = datetime(2026, 5, 20, tzinfo=UTC)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Daily peaks of hosts of which a third crosses 90 now and then, on days without any order."""
    base = tmp_path_factory.mktemp("teaching")
    rng = np.random.default_rng(5)
    levels = rng.normal(50.0, 4.0, (HOSTS, DAYS))
    levels[: HOSTS // 3] += 45.0 * (rng.random((HOSTS // 3, DAYS)) < 0.12)
    levels[:, -1] = 50.0
    moments = [END - timedelta(days=DAYS - i) for i in range(DAYS)]
    rows = pl.DataFrame(
        {
            "host": np.repeat([f"h{i:03d}" for i in range(HOSTS)], DAYS),
            "metric": "cpu_util_pct",
            "ts": moments * HOSTS,
            "value": levels.ravel(),
        }
    )
    rows.write_parquet(base / "samples.parquet")
    ingest_sources(base / "store", [str(base / "samples.parquet")], ReadOptions(), load(None, {}), now_us=to_us(END))
    return base / "store"


def settings(learning: bool = True, threads: int = 1) -> Config:
    return load(None, {"run.learning": learning, "run.threads": threads})


def night(store: Path, config: Config, ago: int = 0) -> RunResult:
    moment = to_us(END) - ago * DAY_US
    return nightly(store, config, now_us=to_us(END), as_of_us=moment)


def chances(result: RunResult) -> pl.DataFrame:
    rows = result.tables["breaches"].filter(pl.col("threshold_name") == "critical").sort("host")
    return rows.select("host", "status", "p_breach_7d", "p_breach_30d")


def test_a_run_learns_when_asked_and_says_what(store: Path) -> None:
    """Hosts that cross now and then are told from those that never do, better than by the paths; p rises with time."""
    without, learned = night(store, settings(False)), night(store, settings())
    assert without.tables["run"].item(0, "learned") is None
    assert "percent 7d" in learned.tables["run"].item(0, "learned")
    crossed = pl.col("host") < f"h{HOSTS // 3:03d}"
    often, never = (chances(learned).filter(which) for which in (crossed, ~crossed))
    assert often["p_breach_7d"].mean() > 0.3
    assert never["p_breach_7d"].mean() < 0.1
    assert (often["p_breach_30d"] >= often["p_breach_7d"]).all()


def test_what_was_learned_holds_for_a_week(store: Path, tmp_path: Path) -> None:
    """The next nights take it from the run before, and say since when; after a week it is learned anew."""
    config = settings()
    since = [night(store, config, ago).tables["run"].item(0, "learned")[:10] for ago in (9, 8, 3, 1)]
    assert since == ["2026-05-11", "2026-05-11", "2026-05-11", "2026-05-19"]
    assert LEARNED_DAYS == 7


def test_learning_leaves_no_trace_of_threads(store: Path) -> None:
    """The same bytes with two threads."""
    one, two = night(store, settings(threads=1)), night(store, settings(threads=2))
    assert not two.published.changed
    assert chances(one).equals(chances(two), null_equal=True)


def test_the_terminal_says_what_the_night_said(store: Path) -> None:
    """An ad hoc forecast is corrected by what the run of the moment had."""
    result = night(store, settings())
    rows = adhoc(store, settings(), host="h003", now_us=to_us(END), as_of_us=to_us(END))["breaches"]
    want = result.tables["breaches"].filter(pl.col("host") == "h003")
    assert rows.equals(want, null_equal=True)


def test_an_explanation_tells_what_moved_the_probabilities(store: Path) -> None:
    """As the night said them, on any later night; in words what is known of the host, exact in the plain form."""
    config = settings()
    result = night(store, config)
    found = explain(store, config, {"host": "h003"}, threshold="critical", now_us=to_us(END), as_of_us=to_us(END))[0]
    row = result.tables["breaches"].filter(pl.col("host") == "h003", pl.col("threshold_name") == "critical")
    assert found.corrections
    for one in found.corrections:
        assert one.said == pytest.approx(row.item(0, f"p_breach_{one.days}d"), abs=1e-9)
    text = found.text(80)
    assert "What moved these chances" in text
    assert re.search(r"Within 7 days it begins at \d+ %, as for all. Raised by: .* \(x[\d.]+\)", " ".join(text.split()))
    assert max(map(len, text.splitlines())) <= 80
    for plain in json.loads(json.dumps(found.to_dict()["corrections"])):
        odds = np.prod([mover["odds_factor"] for mover in plain["movers"]])
        assert odds / (1.0 + odds) == pytest.approx(plain["said"])
    alone = explain(store, settings(False), {"host": "h003"}, now_us=to_us(END), as_of_us=to_us(END))
    assert not any(one.corrections for one in alone)
    assert "What moved" not in alone[0].text()


def test_a_damaged_file_is_learned_again(store: Path) -> None:
    """What cannot be read, or says something else than what was learned, costs seconds alone."""
    config = settings()
    first = night(store, config, 2)
    (file,) = store.glob(f"reports/history/*/run_id={first.run_id}*/{FILE}")
    whole = file.read_bytes()
    assert json.loads(whole)["lessons"]
    recalled_of = partial(recalled, config=config, run_path=first.published.path, as_of_us=first.as_of_us + DAY_US)
    other = json.loads(whole)
    other["lessons"][0]["windows"] += 1
    with Store.open(store) as opened:
        assert recalled_of(opened)[1] == []
        for torn in (json.dumps(other).encode(), whole.replace(b"1", b"2", 1), b"[]", b"5", b"[" * 5000):
            file.write_bytes(torn)
            taught, (said,) = recalled_of(opened)
            assert taught is None
            assert "damaged" in said
    file.write_bytes(b"{")
    again = night(store, config, 1)
    assert again.tables["run"].item(0, "learned")[:10] == "2026-05-19"
    assert any("damaged" in text for text in again.messages)
