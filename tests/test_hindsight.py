"""What became of a prediction: the definitions, on hand-made numbers."""

import numpy as np
import pytest

from capforecast.hindsight import NAMES, Said, Seen, dates_of, fell, outcome_codes
from capforecast.panel import DAY_US, HOUR_US
from capforecast.schema import OUTCOME_MEANINGS

DAY = 20_000
AS_OF_US = DAY * DAY_US + 2 * HOUR_US


def outcome(chance, window, crossed_day=None, known=1.0, eased=False):
    """Return what became of one prediction; days are counted from as_of's date."""
    early, late = (np.nan if day is None else DAY + day for day in window)
    said = Said(np.array([chance]), np.array([early]), np.array([late]))
    crossed = -1 if crossed_day is None else AS_OF_US + crossed_day * DAY_US + 5 * HOUR_US
    seen = Seen(np.array([crossed]), np.array([known]), np.array([eased]))
    return NAMES[outcome_codes(said, seen, AS_OF_US)[0]]


@pytest.mark.parametrize(
    ("expected", "prediction"),
    [
        ("hit", dict(chance=0.9, window=(2, 5), crossed_day=3)),
        ("hit", dict(chance=0.5, window=(2, 5), crossed_day=2)),
        ("hit", dict(chance=0.9, window=(2, 5), crossed_day=5)),
        ("hit", dict(chance=0.6, window=(2, None), crossed_day=6)),
        ("early", dict(chance=0.9, window=(2, 5), crossed_day=1)),
        ("late", dict(chance=0.9, window=(2, 5), crossed_day=6)),
        ("missed", dict(chance=0.49, window=(2, None), crossed_day=3)),
        ("missed", dict(chance=0.0, window=(None, None), crossed_day=3)),
        ("false", dict(chance=0.5, window=(2, 5))),
        ("averted", dict(chance=0.9, window=(2, 5), eased=True)),
        ("quiet", dict(chance=0.4, window=(2, None))),
        ("quiet", dict(chance=0.1, window=(None, None), eased=True)),
        ("unknown", dict(chance=0.9, window=(2, 5), known=0.89)),
        ("unknown", dict(chance=0.0, window=(None, None), known=0.0)),
        ("unknown", dict(chance=0.9, window=(2, 5), known=0.5, eased=True)),
        # What was measured over the threshold has crossed, whatever is missing elsewhere.
        ("hit", dict(chance=0.9, window=(2, 5), crossed_day=3, known=0.2)),
        ("missed", dict(chance=0.1, window=(None, None), crossed_day=3, known=0.2)),
    ],
)
def test_outcomes(expected, prediction):
    """Each outcome is what its definition says, ends of the window included."""
    assert outcome(**prediction) == expected


def test_every_outcome_has_a_meaning():
    assert tuple(OUTCOME_MEANINGS) == NAMES
    assert all(OUTCOME_MEANINGS.values())


@pytest.mark.parametrize(("hour", "days"), [(0, [0, 0, 1]), (2, [0, 0, 1]), (14, [1, 1, 2])])
def test_dates_are_counted_like_predicted_ones(hour, days):
    """A day ahead ends at as_of's time of day and is called by the date of its middle."""
    as_of_us = DAY * DAY_US + hour * HOUR_US
    crossed = as_of_us + np.array([0, 23, 24]) * HOUR_US
    assert (dates_of(crossed, as_of_us) - DAY).tolist() == days


def peaks(week, days):
    return np.array([[*week, *days]], float)


def test_a_fall_is_clear_when_the_room_has_doubled():
    """The last three days must lie lower by the room that was left, and by 5 % of the threshold."""
    week = [85.0] * 7
    assert fell(peaks(week, [85, 85, 85, 85, 80, 80, 80]), np.array([90.0])).tolist() == [True]
    assert fell(peaks(week, [85, 85, 85, 85, 80.1, 80, 80]), np.array([90.0])).tolist() == [False]
    assert fell(peaks(week, [80, 80, 80, 80, 85, 80, 80]), np.array([90.0])).tolist() == [False]
    # Of little room 5 % of the threshold is asked.
    assert fell(peaks([89.9] * 7, [89.9] * 4 + [86] * 3), np.array([90.0])).tolist() == [False]
    assert fell(peaks([89.9] * 7, [89.9] * 4 + [85] * 3), np.array([90.0])).tolist() == [True]


def test_a_weekend_is_no_fall():
    """Days are compared with the same weekday, so that a quiet weekend at the end is none."""
    week = [85, 85, 85, 85, 85, 40, 40]
    assert fell(peaks(week, week), np.array([90.0])).tolist() == [False]
    assert fell(peaks(week, [*week, 80, 40, 40, 40, 40, 30, 30]), np.array([90.0])).tolist() == [True]


def test_what_is_not_known_is_no_fall():
    assert fell(peaks([85.0] * 7, [85] * 4 + [40, np.nan, 40]), np.array([90.0])).tolist() == [False]
    assert fell(peaks([np.nan] * 7, [40] * 7), np.array([90.0])).tolist() == [False]
