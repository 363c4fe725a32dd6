"""Scores of the breach bench, against numbers worked out by hand and against plain loops."""

from __future__ import annotations

import numpy as np
import pytest
from warnings_scored import alerts, calibration_error, date_error

from capforecast import event_scores

HIT = np.array([True, False, True, False])
ONE = np.ones(4)


def test_auc_counts_pairs_and_ties_half() -> None:
    """Of the four pairs two are in order, one is tied and one is not: 2.5 of 4."""
    assert event_scores.auc(HIT, np.array([0.9, 0.5, 0.5, 0.1]), ONE) == pytest.approx(3.5 / 4)
    assert event_scores.auc(HIT, np.array([0.2, 0.5, 0.5, 0.1]), ONE) == pytest.approx(2.5 / 4)
    assert event_scores.auc(HIT, np.zeros(4), ONE) == 0.5


def test_auc_needs_both_outcomes() -> None:
    """Without an event, or with nothing else, there is nothing to rank."""
    assert np.isnan(event_scores.auc(np.zeros(4, bool), ONE, ONE))
    assert np.isnan(event_scores.auc(np.ones(4, bool), ONE, ONE))


def test_auc_agrees_with_all_pairs() -> None:
    """Weighted, with many ties and an answer of minus infinity, it is the weighted share of ordered pairs."""
    k = np.arange(60)
    hit, rank, weight = k * 7 % 5 < 2, np.where(k == 3, -np.inf, k * 13 % 7), 1.0 + k % 4
    total = won = 0.0
    for i in np.flatnonzero(hit):
        for j in np.flatnonzero(~hit):
            total += weight[i] * weight[j]
            won += weight[i] * weight[j] * (1.0 if rank[i] > rank[j] else 0.5 if rank[i] == rank[j] else 0.0)
    assert event_scores.auc(hit, rank, weight) == pytest.approx(won / total)


def test_brier_and_its_skill() -> None:
    """Errors .2, .4, .6, .4 squared; the base rate of a half scores a quarter, one of .2 scores .16."""
    p = np.array([0.8, 0.4, 0.4, 0.4])
    assert event_scores.brier(HIT, p, ONE) == pytest.approx((0.04 + 0.16 + 0.36 + 0.16) / 4)
    assert event_scores.brier_skill(HIT, p, ONE) == pytest.approx(1 - 0.18 / 0.25)
    weight = np.array([1.0, 4.0, 1.0, 4.0])
    assert event_scores.brier_skill(HIT, p, weight) == pytest.approx(1 - (0.04 + 0.64 + 0.36 + 0.64) / 10 / 0.16)
    assert event_scores.brier_skill(HIT, HIT.astype(float), ONE) == 1.0
    assert np.isnan(event_scores.brier_skill(np.ones(4, bool), p, ONE))


def test_calibration_error_is_taken_per_bin() -> None:
    """Bin .4-.5 says .45, .45 and half came: gap .1 of two; bin .9-1 says .9 and 1, one came: gap .9."""
    p = np.array([0.45, 0.45, 0.9, 1.0])
    assert calibration_error(HIT, p, ONE) == pytest.approx((0.1 + 0.9) / 4)
    assert calibration_error(HIT, HIT.astype(float), ONE) == 0.0


def test_alerts_take_the_likeliest_up_to_a_share_of_the_weight() -> None:
    """Half of a weight of 8 holds the first case whole and half of the two that are tied behind it."""
    weight = np.array([1.0, 3.0, 3.0, 1.0])
    lead = np.array([5.0, np.nan, 9.0, np.nan])
    made = alerts(HIT, np.array([3.0, 2.0, 2.0, 1.0]), weight, lead, 0.5)
    # Of the six behind, three are warned of, half of them events: 1 + 1.5 of 4 are true.
    assert made.precision == pytest.approx(2.5 / 4)
    assert made.recall == pytest.approx(2.5 / 4)
    assert made.lead == 9.0


def test_alerts_without_an_event() -> None:
    """All warnings are false; nothing can be said of recall and lead time."""
    made = alerts(np.zeros(4, bool), ONE, ONE, np.full(4, np.nan), 0.05)
    assert made.precision == 0.0
    assert np.isnan(made.recall)
    assert np.isnan(made.lead)


def test_date_error_counts_what_is_beyond_the_horizon_as_its_end() -> None:
    """Over ten days: said 4 came 2; came 6 but never said; said 3 but never came; neither said nor came."""
    lead, said = np.array([2.0, 6.0, np.nan, 50.0]), np.array([4.0, np.nan, 3.0, np.nan])
    assert date_error(lead, said, 10.0, ONE) == pytest.approx((0.2 + 0.4 + 0.7 + 0.0) / 4)
