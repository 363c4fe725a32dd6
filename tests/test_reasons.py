"""The sentence of each status, and what changed since the run before."""

from __future__ import annotations

from datetime import date

import numpy as np
import polars as pl
import pytest

from capforecast.changes import Before, with_changes
from capforecast.findings import BREACHED_HOLDS, COMING_HOLDS
from capforecast.reasons import with_reasons
from capforecast.texts import hex_texts

TODAY = date(2026, 3, 1)
PLAIN: dict[str, object] = {
    "run_date": TODAY, "status": "ok", "direction": "above", "unit": "percent", "threshold_name": "critical",
    "threshold": 90.0, "current": 61.25, "peak": 70.0, "headroom": 28.75, "days_over": 0, "holds": 0, "reach": 90,
    "ceiling": None, "peak_hour": -1, "hours": 0,
    "p_reach": 0.02, "growth_per_day": 0.0, "history_days": 100.0, "pattern": "daily", "grade": "A",
    "breach_date_p10": None, "breach_date_p50": None, "breach_date_p90": None,
    "start_by_date": None, "lead_time_days": None,
}  # fmt: skip
DATES = ("run_date", "breach_date_p10", "breach_date_p50", "breach_date_p90", "start_by_date")
WHOLE = ("lead_time_days", "days_over", "holds", "reach", "peak_hour", "hours")
TYPES = {**dict.fromkeys(DATES, pl.Date), **dict.fromkeys(WHOLE, pl.Int64)}
COMING = {
    "status": "will_breach", "breach_date_p10": date(2026, 3, 20), "breach_date_p50": date(2026, 4, 1),
    "breach_date_p90": date(2026, 4, 10), "start_by_date": date(2026, 3, 6), "lead_time_days": 14,
}  # fmt: skip
SENTENCES: list[tuple[dict[str, object], str]] = [
    ({"status": "excluded"}, "Excluded by the configuration: it is not forecast."),
    ({"status": "stale"}, "No samples recently: the newest level is 61.2 %, too old to forecast from."),
    ({"status": "stale", "current": None}, "No samples recently, too old to forecast from."),
    ({"status": "too_short", "history_days": 1.25}, "Only 1.2 days of history: too short to forecast."),
    ({"status": "error"}, "No forecast could be made for this history."),
    (
        {"status": "breached", "current": 93.0, "peak": 93.0, "headroom": -3.0, "days_over": 7},
        "At 93 %, it is over the critical threshold of 90 % now.",
    ),
    (
        {"status": "breached", "current": 20.0, "peak": 91.0, "headroom": 70.0, "days_over": 4},
        "At 20 % (peak of the last day 91 %), it has been over the critical threshold of 90 % within the last day."
        " It was so on 4 of the last 7 days.",
    ),
    (
        {"status": "breached", "direction": "below", "current": 8.0, "peak": 7.0, "headroom": 0.0, "threshold": 8.0,
         "growth_per_day": -0.5},
        "At 8 % (lowest of the last day 7 %), it is under the critical threshold of 8 % now."
        " Its daily troughs fall by 0.5 points a day.",
    ),
    (
        {"status": "constant", "current": 61.0, "headroom": 29.0},
        "It has not moved from 61 %; the critical threshold of 90 % is 29 % away.",
    ),
    (
        {"status": "breached", "current": 20.0, "peak": 89.5, "headroom": 70.0, "days_over": 2,
         "holds": BREACHED_HOLDS},
        "At 20 % (peak of the last day 89.5 %), it was over the critical threshold of 90 % a few days ago and is not"
        " yet clearly below it. It was so on 2 of the last 7 days.",
    ),
    (
        {"status": "will_breach", "p_reach": 0.44, "holds": COMING_HOLDS},
        "At 61.2 % (peak of the last day 70 %) it is still watched: a little less likely than even, it may cross the"
        " critical threshold of 90 %: 44 % within 90 days. Pattern daily, grade A.",
    ),
    (
        {"status": "breached", "current": 93.0, "peak": 93.0, "headroom": -3.0, "days_over": 7, "peak_hour": 23,
         "hours": 3},
        "At 93 %, it is over the critical threshold of 90 % now. Its daily peaks fall between 23:00 and 02:00 UTC.",
    ),
    (
        {"pattern": "sawtooth", "ceiling": 71.5, "peak_hour": 2, "hours": 5},
        "At 61.2 % (peak of the last day 70 %) it is not expected to cross the critical threshold of 90 %: 2 %"
        " within 90 days. Clean-ups keep it under 71.5 %. Pattern sawtooth, grade A.",
    ),
    (
        COMING,
        "At 61.2 % (peak of the last day 70 %) it is expected to cross the critical threshold of 90 % around 2026-04-01"
        " (1 in 10 by 2026-03-20, 9 in 10 by 2026-04-10). Pattern daily, grade A.",
    ),
    (
        {**COMING, "breach_date_p90": None, "start_by_date": date(2026, 2, 20), "unit": "byte", "threshold": 2e12,
         "current": 1e12, "peak": 1e12, "growth_per_day": 2.5e10, "pattern": None},
        "At 1 TB it is expected to cross the critical threshold of 2 TB around 2026-04-01"
        " (1 in 10 by 2026-03-20, 9 in 10 by a day beyond the horizon)."
        " With 14 days of lead time, the moment to act was 2026-02-20. Its daily peaks grow by 25 GB a day."
        " Pattern None, grade A.",
    ),
    (
        {**COMING, "breach_date_p10": date(2026, 4, 1), "breach_date_p90": date(2026, 4, 1), "peak": None},
        "At 61.2 % it is expected to cross the critical threshold of 90 % on 2026-04-01. Pattern daily, grade A.",
    ),
    (
        {"current": 86.0, "peak": 85.9, "headroom": 4.0},
        "At 86 % it is not expected to cross the critical threshold of 90 %: 2 % within 90 days."
        " Pattern daily, grade A.",
    ),
    (
        {"current": 91.0, "peak": 85.9, "headroom": -1.0},
        "At 91 % (only briefly: it held 85.9 % on the last day) it is not expected to cross the critical threshold of"
        " 90 %: 2 % within 90 days. Pattern daily, grade A.",
    ),
    (
        {"direction": "below", "threshold": 8.0, "current": 12.0, "peak": 12.5, "headroom": 4.0, "unit": "byte"},
        "At 12 B it is not expected to cross the critical threshold of 8 B: 2 % within 90 days."
        " Pattern daily, grade A.",
    ),
    (
        {"reach": 0, "peak": None},
        "At 61.2 %; the critical threshold of 90 % is not crossed, and the history is too short to look ahead.",
    ),
    (
        {"status": "no_trend", "p_reach": 0.004},
        "At 61.2 % (peak of the last day 70 %) it shows no trend towards the critical threshold of 90 %:"
        " <1 % within 90 days. Pattern daily, grade A.",
    ),
    (
        {"reach": 12, "growth_per_day": 0.5, "grade": "C", "p_reach": 0.0},
        "At 61.2 % (peak of the last day 70 %) it is not expected to cross the critical threshold of 90 %:"
        " 0 % within 12 days. The history allows to look no further; growing on as now, it would cross around"
        " 2026-04-10. Its daily peaks grow by 0.5 points a day. Pattern daily, grade C.",
    ),
    (
        {"reach": 12, "growth_per_day": 0.01, "unit": None, "threshold": 95.0},
        "At 61.2 (peak of the last day 70) it is not expected to cross the critical threshold of 95:"
        " 2 % within 12 days. Pattern daily, grade A.",
    ),
]  # fmt: skip


def rows_of(changes: list[dict[str, object]]) -> pl.DataFrame:
    made = [{**PLAIN, **change} for change in changes]
    return pl.DataFrame(made, schema_overrides=TYPES)


@pytest.mark.parametrize(("change", "sentence"), SENTENCES)
def test_the_sentence_of_a_row(change: dict[str, object], sentence: str) -> None:
    """What is expected, when, why and how sure that is."""
    assert with_reasons(rows_of([change]))["reason"].to_list() == [sentence]


def test_rows_do_not_touch_each_other() -> None:
    """All at once each row says what it says alone, and nothing but the sentence is added."""
    rows = rows_of([change for change, _ in SENTENCES])
    told = with_reasons(rows)
    assert told["reason"].to_list() == [sentence for _, sentence in SENTENCES]
    assert told.drop("reason").equals(rows, null_equal=True)


OLD: dict[str, object] = {
    "risk": 7, "status": "will_breach", "breach_date_p50": date(2026, 4, 1), "change_class": None, "days_slipped": None
}  # fmt: skip
PAST = {
    "risk": pl.UInt64, "status": pl.String, "breach_date_p50": pl.Date,
    "change_class": pl.String, "days_slipped": pl.Int64,
}  # fmt: skip


@pytest.mark.parametrize(
    ("status", "day", "then", "want"),
    [
        ("will_breach", date(2026, 4, 1), {"risk": 8}, ("new", None)),
        ("will_breach", date(2026, 4, 1), {"status": "ok", "breach_date_p50": None}, ("new", None)),
        ("ok", None, {}, ("cleared", None)),
        ("no_trend", None, {"status": "breached"}, ("cleared", None)),
        ("stale", None, {}, ("worse", None)),
        ("stale", None, {"status": "ok", "breach_date_p50": None}, ("worse", None)),
        ("stale", None, {"status": "stale", "breach_date_p50": None}, ("same", None)),
        ("stale", None, {"risk": 8}, ("same", None)),
        ("ok", None, {"status": "stale", "breach_date_p50": None}, ("better", None)),
        ("will_breach", date(2026, 4, 1), {"status": "stale", "breach_date_p50": None}, ("new", None)),
        ("ok", None, {"status": "ok", "breach_date_p50": None}, ("same", None)),
        ("breached", date(2026, 3, 1), {}, ("worse", -31)),
        ("will_breach", date(2026, 4, 1), {"status": "breached", "breach_date_p50": date(2026, 3, 1)}, ("better", 31)),
        ("breached", date(2026, 3, 1), {"status": "breached", "breach_date_p50": date(2026, 2, 28)}, ("same", None)),
        ("will_breach", date(2026, 3, 28), {}, ("worse", -4)),
        ("will_breach", date(2026, 3, 29), {}, ("same", -3)),
        ("will_breach", date(2026, 4, 8), {}, ("better", 7)),
        ("will_breach", date(2026, 4, 4), {}, ("same", 3)),
        ("will_breach", date(2026, 6, 9), {"breach_date_p50": date(2026, 6, 1)}, ("same", 8)),
        ("will_breach", date(2026, 3, 29), {"change_class": "same", "days_slipped": -2}, ("worse", -5)),
        ("will_breach", date(2026, 3, 29), {"change_class": "same", "days_slipped": 2}, ("same", -1)),
        ("will_breach", date(2026, 3, 29), {"change_class": "worse", "days_slipped": -9}, ("same", -3)),
        ("will_breach", date(2026, 3, 29), {"change_class": "new"}, ("same", -3)),
    ],
)
def test_what_changed(status: str, day: date | None, then: dict[str, object], want: tuple[str, int | None]) -> None:
    """New, cleared, worse, better, same; days of the median date only where both runs have one."""
    before = pl.DataFrame([{**OLD, **then}], schema=PAST)
    before = before.with_columns(hex_texts(before["risk"].to_numpy()).alias("risk_id"))
    now = pl.DataFrame(
        {"risk": [7], "status": [status], "breach_date_p50": [day],
         "days_to_breach_p50": [None if day is None else (day - TODAY).days]},
        schema={"risk": pl.UInt64, "status": pl.String, "breach_date_p50": pl.Date, "days_to_breach_p50": pl.Int64},
    )  # fmt: skip
    told = with_changes(now, Before.of(before))
    assert told.select("change_class", "days_slipped").row(0) == want
    assert told.columns == [*now.columns, "change_class", "days_slipped"]


def test_without_a_run_before_nothing_is_said() -> None:
    """NULL without one; an empty one makes all that is at risk new."""
    now = pl.DataFrame({"risk": [2**64 - 1, 3], "status": ["breached", "ok"]}, schema_overrides={"risk": pl.UInt64})
    now = now.with_columns(breach_date_p50=pl.lit(TODAY), days_to_breach_p50=pl.lit(0, pl.Int64))
    none = pl.DataFrame(schema={**PAST, "risk_id": pl.String})
    assert with_changes(now, None)["change_class"].to_list() == [None, None]
    assert with_changes(now, Before.of(none))["change_class"].to_list() == ["new", "same"]


def test_each_row_finds_its_own_past() -> None:
    """Rows of the run before in any order, risks of all sizes, and some that are gone or new."""
    rng = np.random.default_rng(3)
    risks = rng.integers(0, 2**64, 500, dtype=np.uint64)
    statuses = np.array(["ok", "will_breach", "breached"])[rng.integers(0, 3, 500)]
    before = pl.DataFrame({"risk_id": hex_texts(risks[:400]), "status": statuses[:400]}).with_columns(
        breach_date_p50=pl.lit(TODAY), change_class=pl.lit("same"), days_slipped=pl.lit(0)
    )
    found, _ = Before.of(before).columns(risks[100:])
    assert found.to_list() == [*statuses[100:400].tolist(), *[None] * 100]
