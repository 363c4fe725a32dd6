"""What became of predictions: the definitions of `capforecast.schema.OUTCOME_MEANINGS`, on arrays."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from capforecast.calendar import day_up_to
from capforecast.panel import DAY_US, Floats, Ints
from capforecast.schema import OUTCOME_MEANINGS

WARNED = 0.5
"""A prediction warns from this probability on: more likely than not."""

KNOWN = 0.9
"""Share of the horizon's steps that must be measured before it may be said that nothing crossed."""

LISTED = 0.1
"""Predictions of at least this probability are listed, whatever became of them."""

WEEK = 7
LAST, LAST_LONG, MARGIN = 3, 7, 0.05
NAMES = tuple(OUTCOME_MEANINGS)
CODES = {name: code for code, name in enumerate(NAMES)}
CROSSED = tuple(CODES[name] for name in ("hit", "early", "late", "missed"))
UNCOUNTED = tuple(CODES[name] for name in ("averted", "unknown"))
"""Outcomes that scores leave out: what would have happened is not known."""


@dataclass(frozen=True, slots=True)
class Said:
    """What was predicted of R thresholds; days are counted since the epoch.

    Attributes
    ----------
    chance : float64 (R,)
        Probability of a crossing within the horizon.
    early, late : float64 (R,)
        Dates by which the crossing has come with probability 0.1 and 0.9; NaN beyond the horizon.
    """

    chance: Floats
    early: Floats
    late: Floats

    @property
    def warned(self) -> np.ndarray:
        """Which predictions warned."""
        return self.chance >= WARNED


@dataclass(frozen=True, slots=True)
class Seen:
    """What happened to R thresholds.

    Attributes
    ----------
    crossed_us : int64 (R,)
        Start of the first step that made the crossing sustained; -1 for none within the horizon.
    known : float64 (R,)
        Share of the horizon's steps that were measured.
    eased : bool (R,)
        Was the threshold or the capacity moved away, or did the level fall clearly.
    """

    crossed_us: Ints
    known: Floats
    eased: np.ndarray


def outcome_codes(said: Said, seen: Seen, as_of_us: int) -> Ints:
    """Return what became of each prediction, places in `NAMES`, int64 (R,).

    Parameters
    ----------
    said, seen
        Predictions and what happened.
    as_of_us : int
        When the predictions were made.
    """
    crossed = seen.crossed_us >= 0
    date = dates_of(seen.crossed_us, as_of_us)
    with np.errstate(invalid="ignore"):
        rules = (
            ("missed", crossed & ~said.warned),
            ("early", crossed & (date < said.early)),
            ("late", crossed & (date > said.late)),
            ("hit", crossed),
            ("unknown", seen.known < KNOWN),
            ("averted", said.warned & seen.eased),
            ("false", said.warned),
        )
    return np.select([holds for _, holds in rules], [CODES[name] for name, _ in rules], CODES["quiet"])


def dates_of(crossed_us: Ints, as_of_us: int) -> Ints:
    """Return the days since the epoch of crossings, as predicted dates are counted."""
    return day_up_to(as_of_us) + 1 + (crossed_us - as_of_us) // DAY_US


def fell(peaks: Floats, threshold: Floats) -> np.ndarray:
    """Tell where a level fell clearly after a warning, bool (R,).

    Parameters
    ----------
    peaks : float64 (R, 7 + H)
        Sustained peak of each day, high hurts: the week before the warning and the H days after it.
    threshold : float64 (R,)
        Level that was predicted to be crossed, high hurts.

    Returns
    -------
    bool (R,)
        Where each of the last days, three of a horizon of a week and seven of a longer one, lies below the same
        weekday of the week before the warning, by the room that was left in that week and by 5 % of the threshold
        at least. A day that is not known is no fall.
    """
    week = peaks[:, :WEEK]
    last = np.arange(peaks.shape[1] - (LAST_LONG if peaks.shape[1] > 2 * WEEK else LAST), peaks.shape[1])
    with np.errstate(invalid="ignore"):
        top = np.where(np.isnan(week), -np.inf, week).max(axis=1)
        margin = np.maximum(threshold - top, MARGIN * np.abs(threshold))
        lower: np.ndarray = (peaks[:, last] <= week[:, last % WEEK] - margin[:, None]).all(axis=1)
    return lower
