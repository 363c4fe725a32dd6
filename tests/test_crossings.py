"""Plain rules of the breach bench: what they say of small histories, and that they see nothing of the future."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from breach_cases import pasts, read_cases, read_samples
from candidates import STRATUM, counted, natural_weights
from crossings import RULES, Past, held, line
from series import DATA

START = datetime(2024, 1, 1, tzinfo=UTC)
SMALL = ("dc_alibaba2018", "git_growth", "isp_traffic_a", "nab", "pcp_hosts", "planetlab")


def daily(values: list[float], threshold: float, horizon: int) -> Past:
    return Past(np.array(values, float), threshold, horizon, k=1, day=1)


def test_a_level_is_held_when_all_steps_are_there() -> None:
    """Three in a row, the lowest counts; a missing one breaks the row."""
    got = held(np.array([5.0, 7, 6, 8, np.nan, 9, 9, 9]), 3)
    assert got.tolist() == [5.0, 6.0, -np.inf, -np.inf, -np.inf, 9.0]


def test_climatology_is_the_share_of_past_windows() -> None:
    """Of the seven windows of two days that are over, those with the peak are two."""
    past = daily([1, 1, 9, 1, 1, 1, 1, 1], 5, 2)
    assert RULES["climatology"](past).p == pytest.approx(2 / 7)


def test_windows_end_where_the_last_crossing_can_be_seen_whole() -> None:
    """With three buckets to a crossing, the newest window leaves room for two more before the cutoff."""
    past = Past(np.arange(10.0), 5.0, 4, k=3, day=1)
    assert past.origins.tolist() == [4, 3, 2, 1, 0]


def test_windows_need_most_of_their_buckets() -> None:
    """A window of two days with one of them missing does not count."""
    assert daily([1, np.nan, 1, 1, 1], 5, 2).origins.tolist() == [3, 2]


def test_level_adjusted_climatology_moves_windows_to_the_level_now() -> None:
    """Growing by 1 a day, 3 days reach what is 3 above the last value, and not what is 4 above."""
    grown = list(range(1, 31))
    for above, p in ((3, 1.0), (4, 0.0)):
        assert RULES["level-adjusted climatology"](daily(grown, 30 + above, 3)).p == p
    assert RULES["level-adjusted climatology"](daily(grown, 33, 3)).after == 2.0


def test_the_ratio_moves_by_a_factor() -> None:
    """Doubling each day, 2 days reach four times the last value, and not five times."""
    doubled = [2.0**i for i in range(12)]
    for times, p in ((4.0, 1.0), (5.0, 0.0)):
        assert RULES["the same by ratio"](daily(doubled, times * doubled[-1], 2)).p == p


def test_a_line_is_extended_to_the_end_of_the_horizon() -> None:
    """Level and growth are those of the line, through gaps as well; 10 a day from 100 on meets 145 in the fifth day."""
    values = [10.0 * i for i in range(10)]
    values[3] = np.nan
    assert line(np.array(values)) == pytest.approx((100.0, 10.0, 0.0))
    assert RULES["predict_linear 7 d"](daily(values, 145, 5)).p == 1.0
    assert RULES["predict_linear 7 d"](daily(values, 145, 4)).p == 0.0
    assert RULES["timeleft 7 d"](daily(values, 145, 5)).after == pytest.approx(4.5)
    assert RULES["timeleft 7 d"](daily(values, 145, 4)).p == 0.0


def test_the_last_season_is_repeated_with_its_past_errors() -> None:
    """The odd day of last week comes again; of the 15 past weeks the newest alone was wrong on that very day."""
    week = RULES["seasonal naive, week"]
    said = week(daily([0.0, 0, 0, 9, 0, 0, 0] * 4, 5, 7))
    assert (said.p, said.after) == (1.0, 3.0)
    odd = [0.0] * 28
    odd[26] = 4.0
    assert week(daily(odd, 4, 7)).p == 1.0
    assert week(daily(odd, 8, 7)).p == pytest.approx(1 / 15)


def test_last_value_and_last_crossing() -> None:
    """The last value says no below the threshold; the last crossing counts when it is not older than the horizon."""
    past = daily([1, 9, 1, np.nan], 5, 3)
    assert RULES["last value"](past).p == 0.0
    assert RULES["last value"](past).rank == pytest.approx(-0.8)
    assert RULES["last crossing"](past).p == 1.0
    assert RULES["last crossing"](daily([1, 9, 1, 1], 5, 2)).p == 0.0


@pytest.mark.parametrize("name", RULES)
def test_rules_answer_on_next_to_nothing(name: str) -> None:
    """One known value is enough for an answer between 0 and 1."""
    for values in ([2.0], [np.nan, 2.0, np.nan]):
        assert 0.0 <= RULES[name](daily(values, 5, 30)).p <= 1.0


def table(values: list[float]) -> pl.DataFrame:
    times = [START + timedelta(minutes=5 * i) for i in range(len(values))]
    return pl.DataFrame({"host": "a", "metric": "cpu", "unit": "percent", "ts": times, "value": values})


def test_a_past_ends_at_the_cutoff() -> None:
    """Whatever comes at or after the cutoff, what a rule sees is the same."""
    cases = pl.DataFrame(
        {
            "series_id": ["a", "a", "b"], "metric": "cpu", "bucket_s": 300, "threshold": 80.0, "horizon_s": 3600,
            "sustain_s": 900, "cutoff": [START + timedelta(hours=h) for h in (2, 9, 2)],
        }
    )  # fmt: skip
    calm = [float(i) for i in range(48)]
    seen = [list(pasts(cases, table(calm[:24] + end))) for end in (calm[24:], [99.0] * 24, [])]
    for first, _, unknown in seen:
        assert first is not None
        assert first.values.tolist() == calm[:24]
        assert (first.horizon, first.k, first.day) == (12, 3, 288)
        assert unknown is None
    last = seen[0][1]
    assert last is not None
    assert last.values.size == 9 * 12
    assert np.isnan(last.values[48:]).all()


@pytest.mark.slow
@pytest.mark.skipif(not (DATA / "breach_cases.parquet").exists(), reason="the public data sets are not here")
@pytest.mark.parametrize("dataset", SMALL)
def test_crossings_are_those_of_the_case_table(dataset: str) -> None:
    """Asked after the horizon, the held levels tell the label and the first crossing of every case."""
    cases = read_cases(DATA / "breach_cases.parquet").filter(pl.col("dataset") == dataset)
    wait = pl.duration(seconds=pl.col("horizon_s") + pl.col("sustain_s") - pl.col("bucket_s"))
    later = pasts(cases.with_columns(pl.col("cutoff") + wait), read_samples(DATA, cases))
    asked = cases.select("breached", "lead_s", "bucket_s").iter_rows()
    for past, (breached, lead_s, bucket_s) in zip(later, asked, strict=True):
        assert past is not None
        met = np.flatnonzero(past.held[-past.horizon :] >= past.threshold)
        assert (met.size > 0) == breached
        assert not breached or met[0] * bucket_s == lead_s


@pytest.mark.slow
@pytest.mark.skipif(not (DATA / "breach_cases.parquet").exists(), reason="the public data sets are not here")
def test_candidates_are_those_of_the_case_table() -> None:
    """Every stratum has the candidates and the breaches that its base rate names, and the weights add up to them."""
    cases = read_cases(DATA / "breach_cases.parquet").filter(pl.col("dataset") == "smd")
    samples = read_samples(DATA, cases)
    found = counted(cases, samples).group_by(STRATUM).agg(
        candidates=pl.col("candidates").sum(), positives=pl.col("candidates").filter("breached").sum()
    )  # fmt: skip
    rates = pl.read_parquet(DATA / "breach_base_rates.parquet").with_columns(
        pl.col("dataset", "metric").cast(pl.String)
    )
    rates = rates.rename({"threshold_0_means_per_case": "threshold"}).filter(pl.col("dataset") == "smd")
    both = found.join(rates, on=STRATUM, suffix="_told")
    assert both.height == found.height == rates.height
    assert both.get_column("candidates").to_list() == both.get_column("candidates_told").to_list()
    assert both.get_column("positives").to_list() == both.get_column("positives_told").to_list()
    weights = cases.join(natural_weights(cases, samples), on="case_id")
    events = weights.filter("breached")
    assert events.get_column("natural").sum() == pytest.approx(events.get_column("weight").sum())
