"""Simulated fleets with a known future: patterns, statuses, probabilities and dates agree with it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from capforecast.config import load
from capforecast.errors import ConfigError
from capforecast.run import ingest_sources, nightly
from capforecast.simulate import END_US
from capforecast.simulate.courses import AHEAD_DAYS, COURSES, KnownFleet, brownian, courses, first_passage
from capforecast.sources import ReadOptions


def night(made: KnownFleet, folder: Path) -> pl.DataFrame:
    """Return the breach rows of one night beside the truth."""
    (folder / "limits.csv").write_text(made.limits, encoding="utf-8")
    made.samples.write_parquet(folder / "samples.parquet")
    config = load(None, {"limits.file": str(folder / "limits.csv")})
    ingest_sources(folder / "store", [str(folder / "samples.parquet")], ReadOptions(), config, now_us=END_US)
    rows = nightly(folder / "store", config, now_us=END_US, as_of_us=END_US).tables["breaches"]
    return made.truth.join(rows, on="host", suffix="_said", validate="1:1").sort("host")


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> pl.DataFrame:
    return night(courses(3, end_us=END_US), tmp_path_factory.mktemp("courses"))


def test_every_course_has_its_pattern(planted: pl.DataFrame) -> None:
    """A leak, a fill, teeth, a step, a resize, a month's end are told by what was measured alone."""
    assert set(planted["course"]) == set(COURSES)
    wrong = planted.filter(pl.col("pattern") != pl.col("pattern_said")).select("host", "pattern", "pattern_said")
    assert wrong.is_empty()


def test_every_course_has_its_status(planted: pl.DataFrame) -> None:
    """What crosses within the horizon will breach, all else is calm; no resize, clean-up or step is a breach."""
    said = pl.col("status").replace({"no_trend": "ok", "constant": "ok"})
    true = pl.when(pl.col("breach_day").is_null()).then(pl.lit("ok")).otherwise(pl.lit("will_breach"))
    wrong = planted.filter(said != true).select("host", "breach_day", "status", "p_breach_90d")
    # Where teeth are of unlike height, the day of the crossing is that of one high tooth.
    assert wrong.filter(~pl.col("host").str.starts_with("sawtooth_rising")).is_empty()
    assert wrong.height <= 1


def test_dates_of_courses(planted: pl.DataFrame) -> None:
    """Straight lines are dated to a twelfth of the time left, month ends to the day."""
    off = ((pl.col("breach_date_p50") - pl.col("run_date")).dt.total_days() - pl.col("breach_day").floor()).abs()
    worst = planted.group_by("course").agg(off.max().alias("off"), pl.col("breach_day").max())
    by = {row["course"]: row for row in worst.iter_rows(named=True)}
    assert by["month_end"]["off"] == 0
    for name in ("leak", "disk_fill"):
        assert by[name]["off"] <= by[name]["breach_day"] / 12


def test_walks_have_the_chances_of_their_law(tmp_path: Path) -> None:
    """On the mean of 160 Brownian motions with drift; dates hold the true ones about as often as they say."""
    rows = night(brownian(160, end_us=END_US), tmp_path)
    day = rows["breach_day"].fill_null(np.inf).to_numpy()
    for span in (7, 30, 90):
        said, law = rows[f"p_breach_{span}d"].to_numpy(), rows[f"p_{span}d"].to_numpy()
        came = day <= span
        # Four standard errors of the truth, and what not knowing the drift costs.
        chance = np.sqrt((law * (1 - law)).sum()) / law.size
        assert abs(said.mean() - law.mean()) < 0.06
        assert abs(law.mean() - came.mean()) < 4 * chance
        # Nobody knows the drift of a walk so far ahead.
        assert span == 90 or ((said - came) ** 2).mean() < came.mean() * (1 - came.mean())
    dates = [
        (rows[f"breach_date_{p}"] - rows["run_date"]).dt.total_days().fill_null(AHEAD_DAYS) for p in ("p10", "p90")
    ]
    true = np.minimum(np.floor(day), AHEAD_DAYS)
    inside = (true >= dates[0].to_numpy()) & (true <= dates[1].to_numpy())
    assert 0.6 < inside.mean() < 0.95


def test_the_law_of_first_passage() -> None:
    """Known values: half of all walks meet a level at 0.6745 in a day; a strong drift always comes; time only helps."""
    assert first_passage(0.0, 0.6744897501960817, 1.0) == pytest.approx(0.5)
    assert first_passage(1.0, 1.0, 1000.0) == pytest.approx(1.0)
    assert first_passage(-0.5, 3.0, 1e6) == pytest.approx(np.exp(-3.0))
    assert np.all(np.diff([first_passage(0.1, 2.0, t) for t in (1.0, 5.0, 30.0, 90.0)]) > 0)


def test_courses_are_the_same_every_time() -> None:
    """The seed decides; more of them change none; wrong arguments are refused."""
    small, large = courses(1, days=30, end_us=END_US), courses(2, days=30, end_us=END_US)
    hosts = small.truth["host"]
    assert large.samples.filter(pl.col("host").is_in(hosts.implode())).equals(small.samples)
    with pytest.raises(ConfigError, match="UTC midnight"):
        courses(1, end_us=END_US + 1)
