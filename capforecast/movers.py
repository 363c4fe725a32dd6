"""What moved corrected probabilities, in plain words: raised by this, lowered by that."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from capforecast.calendar import date_of
from capforecast.correction import FIRST, Correction, Mover
from capforecast.learned import chance
from capforecast.numbers import digits, probability
from capforecast.panel import DAY_US
from capforecast.phrases import Lines, count, level_of, step_of
from capforecast.wording import INPUTS

SHOWN = 4
"""Things that are told of each side; the others are told together."""

FELT = 0.1
"""What moves the log-odds by less is told with the others."""

LEVELS = ("level_now", "highest_day", "highest_week", "highest_ever", "mean_day", "mean_recent", "highest_just_now")
SHARES = ("share_beyond_week", "growth_over_slack", "doubt")
DAYS = ("since_last_crossing", "history")
RATIOS = ("wait_against_longest", "slack_in_spreads")


def told_movers(corrections: Sequence[Correction], row: Mapping[str, Any]) -> Lines:
    """Return what moved the probabilities of a breach row: one line in general, and one per horizon."""
    if not corrections:
        return []
    first = corrections[0]
    day = date_of(first.learned_until_us // DAY_US)
    lines = [
        f"They are corrected by what came after past days of all series of its kind, until {day}: "
        f"of {first.windows} stretches of {first.days} days {first.crossings} crossed a threshold, on "
        f"{count(first.hosts, 'host')}. What is known of this one multiplies the odds:"
    ]
    return [*lines, *(_horizon(one, row) for one in corrections)]


def _horizon(one: Correction, row: Mapping[str, Any]) -> str:
    """Tell one horizon: where it begins, what raises and what lowers it, what comes out."""
    start = next(mover.log_odds for mover in one.movers if mover.name == FIRST)
    sums: dict[str, float] = {}
    never = any(mover.name == "crossings" and not mover.known for mover in one.movers)
    for mover in one.movers:
        if mover.name != FIRST:
            words = _words(mover, row, never)
            sums[words] = sums.get(words, 0.0) + mover.log_odds
    ranked = sorted(sums, key=lambda words: -abs(sums[words]))
    sides = [[words for words in ranked if sign * sums[words] >= FELT][:SHOWN] for sign in (1, -1)]
    rest = sum(value for words, value in sums.items() if words not in sides[0] and words not in sides[1])
    parts = [f"Within {one.days} days it begins at {probability(float(chance(np.array(start))))}, as for all."]
    for verb, side in zip(("Raised", "Lowered"), sides, strict=True):
        if side:
            parts.append(f"{verb} by: {'; '.join(f'{words} ({_factor(sums[words])})' for words in side)}.")
    if abs(rest) >= FELT:
        parts.append(f"All others together: {_factor(rest)}.")
    parts.append(f"So {probability(one.said)}, where the forecast alone says {probability(one.paths)}.")
    said = row[f"p_breach_{one.days}d"]
    if said is not None and probability(said) != probability(one.said):
        parts.append(f"The row says {probability(said)}: a crossing within a longer time is never less likely.")
    return " ".join(parts)


def _factor(log_odds: float) -> str:
    return f"x{digits(math.exp(log_odds))}"


def _words(mover: Mover, row: Mapping[str, Any], never: bool) -> str:
    """Return what is known of one input in words."""
    words = INPUTS[mover.name]
    if mover.known is None:
        return words
    if never and mover.name in ("since_last_crossing", "wait_against_longest", "crossings"):
        return "no crossing so far"
    return words.format(_value(mover.name, mover.known, row))


def _value(name: str, known: float, row: Mapping[str, Any]) -> str:
    sign = -1.0 if row["direction"] == "below" else 1.0
    if name in LEVELS:
        return level_of(row, row["threshold"] + sign * known * abs(row["threshold"]))
    if name == "spread":
        return step_of(row, known * abs(row["threshold"]), sign=False)
    if name in DAYS:
        return count(round(known), "day")
    if name in RATIOS:
        return digits(known)
    if name == "crossings":
        return count(round(known), "crossing")
    if name in SHARES:
        return f"{digits(100.0 * known)} %"
    return probability(known)
