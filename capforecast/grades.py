"""How far a row may be believed, and how urgent it is."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from capforecast.panel import Floats
from capforecast.shard import Outcome

GRADES = "ABCDEF"
FULL_GRADE_DAYS = (56.0, 28.0, 14.0, 3.0)
"""History from which the grade starts at A, B, C and D; less starts at E."""

REASONS = (
    "excluded", "error", "stale", "too_short", "short_history", "gaps", "long_gaps", "worse_than_naive",
    "no_skill", "band_too_narrow", "band_too_wide", "untested",
)  # fmt: skip


def grades(status: np.ndarray, history: Floats, out: Outcome) -> tuple[list[str], list[str]]:
    """Return grade and reason codes: history sets the start, each defect costs one grade."""
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
    none = np.isin(status, ("excluded", "stale", "too_short", "error"))
    letters = [GRADES[5 if f else r] for f, r in zip(none, rank, strict=True)]
    codes = []
    for i, name in enumerate(status):
        if none[i]:
            codes.append(str(name))
        else:
            codes.append(";".join(code for code in REASONS if code in defects and defects[code][i]))
    return letters, codes


def severity(
    status: np.ndarray, chance: Mapping[int, Floats], dates: Mapping[float, Floats], lead: Floats
) -> np.ndarray:
    """Return 1 (critical) to 5 (none).

    Critical: over the threshold, or likely to be within a week. High: a fifth within a week, likely
    within a month, or likely at all with the moment to act already here. Medium: a fifth within a
    month, likely within three. Low: a tenth within the horizon.
    """
    week, month = (np.nan_to_num(chance[d]) for d in (7, 30))
    soon = np.nan_to_num(dates[0.5], nan=np.inf) <= 7.0
    act = (status == "will_breach") & (np.nan_to_num(dates[0.1] - lead, nan=np.inf) <= 0.0)
    return np.select(
        [
            (status == "breached") | (week >= 0.5) | soon,
            (week >= 0.2) | (month >= 0.5) | act,
            (month >= 0.2) | (status == "will_breach"),
            ~np.isnan(dates[0.1]),
        ],
        [1, 2, 3, 4],
        5,
    ).astype(np.int64)
