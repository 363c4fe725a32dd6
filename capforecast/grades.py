"""How far a row may be believed, and how urgent it is."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from capforecast.outcome import Outcome
from capforecast.panel import Floats, Ints
from capforecast.schema import GRADES, STATUSES

FULL_GRADE_DAYS = (56.0, 28.0, 14.0, 3.0)
"""History from which the grade starts at A, B, C and D; less starts at E."""

REASONS = (
    "excluded", "error", "stale", "too_short", "short_history", "gaps", "long_gaps", "worse_than_naive",
    "no_skill", "band_too_narrow", "band_too_wide", "untested",
)  # fmt: skip

UNKNOWN = ("excluded", "error", "stale", "too_short")
"""Statuses of which nothing can be said; each is its own reason."""


def status_code(name: str) -> int:
    """Return the number that stands for a status."""
    return STATUSES.index(name)


def is_unknown(status: Ints) -> np.ndarray:
    """Tell where nothing can be said."""
    return np.isin(status, [status_code(name) for name in UNKNOWN])


def grades(status: Ints, history: Floats, out: Outcome) -> tuple[Ints, Ints]:
    """Return the place of the grade in `capforecast.schema.GRADES`, and reasons as bits in the order of `REASONS`.

    History sets the start, each defect costs one grade.
    """
    start = sum((history < days).astype(np.int64) for days in FULL_GRADE_DAYS)
    with np.errstate(invalid="ignore"):
        defects = {
            "short_history": start > 0,
            "gaps": out.gap > 0.05,
            "long_gaps": out.gap > 0.2,
            "worse_than_naive": out.skill < -0.02,
            "no_skill": (out.skill >= -0.02) & (out.skill < 0.02) & ~out.constant,
            "band_too_narrow": out.coverage < 0.7,
            "untested": np.isnan(out.skill),
        }
        # A band around a constant level holds everything; that is no defect.
        defects["band_too_wide"] = (out.coverage > 0.95) & ~out.constant
    costly = ("gaps", "long_gaps", "worse_than_naive", "band_too_narrow", "untested")
    rank = np.minimum(start + sum(defects[name].astype(np.int64) for name in costly), 4)
    none = is_unknown(status)
    bits = sum(defect.astype(np.int64) << REASONS.index(name) for name, defect in defects.items())
    alone = np.zeros(len(STATUSES), np.int64)
    for name in UNKNOWN:
        alone[status_code(name)] = 1 << REASONS.index(name)
    return np.where(none, GRADES.index("F"), rank), np.where(none, alone[status], bits)


def reason_codes(bits: int) -> str:
    """Return the reasons that bits stand for, joined."""
    return ";".join(name for place, name in enumerate(REASONS) if bits >> place & 1)


def severity(status: Ints, chance: Mapping[int, Floats], dates: Mapping[float, Floats], lead: Floats) -> Ints:
    """Return 1 (critical) to 5 (none).

    Critical: over the threshold, or likely to be within a week. High: a fifth within a week, likely
    within a month, or likely at all with the moment to act already here. Medium: a fifth within a
    month, likely within three. Low: a tenth within the horizon.
    """
    coming = status == status_code("will_breach")
    week, month = (np.nan_to_num(chance[d]) for d in (7, 30))
    soon = np.nan_to_num(dates[0.5], nan=np.inf) <= 7.0
    act = coming & (np.nan_to_num(dates[0.1] - lead, nan=np.inf) <= 0.0)
    return np.select(
        [
            (status == status_code("breached")) | (week >= 0.5) | soon,
            (week >= 0.2) | (month >= 0.5) | act,
            (month >= 0.2) | coming,
            ~np.isnan(dates[0.1]),
        ],
        [1, 2, 3, 4],
        5,
    ).astype(np.int64)
