"""An explanation in plain words: sentences and small tables that read in a terminal, a mail or a ticket.

Names are data: control characters in them come out as escapes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from capforecast.backtests import ahead
from capforecast.breach import SPANS
from capforecast.calendar import date_of
from capforecast.drivers import Split, percents
from capforecast.errors import printable
from capforecast.movers import told_movers
from capforecast.numbers import NOTHING, digits, probability
from capforecast.phrases import Lines, column, count, level_of, step_of, table, wrapped
from capforecast.wording import DRIVERS, PATTERNS, REASONS, member_words

if TYPE_CHECKING:
    from capforecast.explanation import Changes, Crossing, Evidence, Explanation

SHOWN_CROSSINGS = 5
WEEK = 7
SHOWN_MEMBERS = 4
PERCENT = ("percent", "%", "pct")
LITTLE = 0.1
"""A rise that is less of the way to the threshold is told to be little."""

FEW_TESTS = "Of fewer than five tests no share of the 80 % band is told: it would be chance. No grade is made of it."

SAME_CHANCE = 0.01
"""Probabilities that differ by less are told as the same."""


def told(explained: Explanation, width: int, brief: bool = False) -> str:
    """Return an explanation as text.

    Parameters
    ----------
    explained : Explanation
        What is known about one threshold.
    width : int
        Characters of a line.
    brief : bool
        Leave out what all thresholds of a series have in common.
    """
    sections = [
        (None, _verdict(explained)),
        ("How likely and when", _chances(explained)),
        ("What moved these chances", told_movers(explained.corrections, explained.row)),
        (f"What the {_way(explained.split)} consists of", _rise(explained)),
        ("What it is built on", [] if brief else _evidence(explained)),
        (f"Grade {explained.row['grade']}", [] if brief else _grade(explained)),
        ("What would change the date", _changes(explained)),
    ]
    out: Lines = []
    for title, lines in sections:
        if lines:
            out += ([] if title is None else ["", title]) + [part for line in lines for part in wrapped(line, width)]
    return "\n".join(out)


def heading(row: Mapping[str, Any]) -> str:
    """Return the name of a breach row in one line: series, threshold, status and grade."""
    name = " ".join(printable(row[part]).replace("\n", " ") for part in ("host", "metric", "instance") if row[part])
    limit = f"{printable(row['threshold_name'])} {level_of(row, row['threshold'])}"
    return f"{name}, {limit}: {row['status']}, grade {row['grade']}"


def _verdict(explained: Explanation) -> Lines:
    reason = explained.row["reason"]
    return [printable(reason).replace("\n", " ")] if reason else []


def _chances(explained: Explanation) -> Lines:
    row = explained.row
    known = [(days, row[f"p_breach_{days}d"]) for days in SPANS]
    said = [f"{probability(p)} within {days} days" for days, p in known if p is not None]
    past = _crossings(explained.evidence, row)
    if not said:
        return [past]
    lines = [f"A sustained crossing: {', '.join(said)}."]
    if len(said) < len(known):
        lines.append(f"Further ahead than its {row['history_days']:.0f} days of history nothing is said.")
    early, middle, late = (row[f"breach_date_p{p}"] for p in (10, 50, 90))
    if row["status"] == "breached":
        return [*lines, past]
    if early is None:
        lines.append("Not even the early date (1 in 10) lies within the horizon.")
    elif early == late:
        lines.append(f"Early, median and late date are the same: {early}.")
    else:
        dates = f"1 in 10 by {early}, as likely as not by {middle or 'a day beyond the horizon'}"
        lines.append(f"{dates}, 9 in 10 by {late or 'a day beyond the horizon'}.")
    if row["start_by_date"] is not None:
        lines.append(f"With {row['lead_time_days']} days of lead time the day to start is {row['start_by_date']}.")
    return [*lines, past]


def _rise(explained: Explanation) -> Lines:
    split, row = explained.split, explained.row
    if split is None:
        return []
    below = row["direction"] == "below"
    # What counts is held for several steps, so that the newest level alone may be worse.
    brief = row["current"] < split.now if below else row["current"] > split.now
    now = f"the {'trough' if below else 'peak'} of the last day" if not brief else "the level held on the last day"
    began = f"It began at {level_of(row, split.base)} on {date_of(split.base_day)} (its trend, without seasons)"
    first = f"{began}; {now} is {level_of(row, split.now)}{_aim(split, row)}."
    shares = split.shares()
    if shares is None:
        return [first, "It ends where it began, so there are no shares."]
    return [first, *_parts(split, row), *_mainly(split, shares, row)]


def _aim(split: Split, row: Mapping[str, Any]) -> str:
    """Say what level the split leads to."""
    if row["status"] == "breached":
        return ", which is where the split ends: the threshold is crossed already"
    day, level = date_of(split.target_day), level_of(row, split.target)
    if row["breach_date_p50"] is not None:
        return f", and the threshold of {level} is as likely as not crossed by {day}"
    far = "lowest" if row["direction"] == "below" else "highest"
    return f"; no crossing is foreseen, and the {far} median ahead is {level} on {day}"


def _parts(split: Split, row: Mapping[str, Any]) -> Lines:
    """Return the table of the parts, each with its shares; those that are nothing are left out."""
    shown = [
        i for i, part in enumerate(split.parts)
        if part.driver in ("trend", "residual") or part.so_far or part.to_come
    ]  # fmt: skip
    names, values = [], []
    for part in (split.parts[i] for i in shown):
        dated = "" if part.driver != "level_shift" or part.day is None else f" on {date_of(part.day)}"
        names.append(DRIVERS[part.driver] + dated)
        values += [part.so_far, part.to_come, part.whole]
    values += [split.now - split.base, split.target - split.now, split.target - split.base]
    cells, unit = column(row, values)
    signed = [f"+{cell}" if value > 0 and cell != "0" else cell for cell, value in zip(cells, values, strict=True)]
    to_come, whole = (_shares(split.shares(stage), shown) for stage in ("to_come", "whole"))
    rows = [(f"in {unit}" if unit else "", "so far", "to come", "share", "whole", "share")]
    for i, name in enumerate([*names, "sum"]):
        past, coming, all_of_it = signed[3 * i : 3 * i + 3]
        rows.append((name, past, coming, to_come[i], all_of_it, whole[i]))
    return table(rows)


def _shares(shares: list[int] | None, shown: Sequence[int]) -> list[str]:
    """Return the shares of some parts and of their sum as text."""
    if shares is None:
        return [NOTHING] * (len(shown) + 1)
    return [*(f"{shares[i]} %" for i in shown), "100 %"]


def _mainly(split: Split, shares: Sequence[int], row: Mapping[str, Any]) -> Lines:
    """Say what the largest part is, and what the trend does now."""
    largest, rest = split.largest, split.parts[-1].whole
    taken = [(part.whole, share) for part, share in zip(split.parts, shares, strict=True) if part.driver == largest]
    amount, share = sum(value for value, _ in taken), sum(share for _, share in taken)
    lines = [f"Mainly: {DRIVERS[largest]}, {share} % of the {_way(split)}."]
    if largest == "residual":
        lines = ["Mainly the rest: no trend, shift or season, but chance, or what the forecast adds to them."]
    elif rest * amount < 0.0 and abs(rest) > 0.5 * abs(amount):
        lines.append("The forecast does not follow it: the rest takes back most of that.")
    distance = row["threshold"] - split.base
    if abs(split.target - split.base) < LITTLE * abs(distance):
        lines.append(f"All of it is little beside the {step_of(row, abs(distance), sign=False)} to the threshold.")
    trend = split.parts[0]
    since = "" if trend.day is None else f", since a bend on {date_of(trend.day)}"
    lines.append(f"The trend is {step_of(row, split.slope)} a day{since}.")
    if min(shares) < 0:
        lines.append("Parts that pull the other way have negative shares; all of them sum to 100 %.")
    return [" ".join(lines)]


def _way(split: Split | None) -> str:
    return "fall" if split is not None and split.target < split.base else "rise"


def _evidence(explained: Explanation) -> Lines:
    found, row = explained.evidence, explained.row
    span = digits(found.history_days) if found.history_days < WEEK else f"{found.history_days:.0f}"
    history = f"{found.samples} samples over {span} days"
    if found.gap_pct is not None:
        history += f", {digits(found.gap_pct)} % of the steps missing"
    if found.empty_days:
        history += f"; {count(found.empty_days, 'day')} without any, {found.longest_gap_days} of them in a row"
    lines = [f"History: {history}."]
    if found.pattern is not None:
        lines.append(f"Pattern: {found.pattern}{_meaning(PATTERNS.get(found.pattern))}.")
    if found.tests:
        lines += _tests(found, row)
    if found.fitted is not None and found.fitted < row["run_date"]:
        anew = "what would change the date is reckoned with one fitted anew"
        lines.append(f"The forecast was fitted on {found.fitted} and still holds; {anew}.")
    legs = ("For the next days", "Further ahead") if len(found.mixes) > 1 else ("Forecast by",)
    lines += [f"{leg}: {_mix(mix)}." for leg, mix in zip(legs, found.mixes, strict=False) if mix]
    return lines


def _meaning(words: str | None) -> str:
    return "" if words is None else f" ({words})"


def _crossings(found: Evidence, row: Mapping[str, Any]) -> str:
    """Say when the threshold of now was crossed before."""
    limit = f"{printable(row['threshold_name'])} threshold of {level_of(row, row['threshold'])}".replace("\n", " ")
    if not found.crossings:
        return f"Past crossings of the {limit}: none in this history."
    times = f"{count(len(found.crossings), 'time')}, {count(found.crossed_days, 'day')} in all"
    newest = [_crossing(one, row) for one in found.crossings[-SHOWN_CROSSINGS:]]
    which = "the newest: " if len(found.crossings) > len(newest) else ""
    return f"Past crossings of the {limit}, as it is today: {times}; {which}{', '.join(newest)}."


def _crossing(one: Crossing, row: Mapping[str, Any]) -> str:
    days = str(one.first) if one.first == one.last else f"{one.first} to {one.last}"
    return f"{days} ({'down' if row['direction'] == 'below' else 'up'} to {level_of(row, one.worst)})"


def _tests(found: Evidence, row: Mapping[str, Any]) -> Lines:
    """Return what tests on its own past gave."""
    errors, unit = column(row, [test[name] for test in found.tests for name in ("mae", "mae_naive")])
    rows = [("ahead", "tests", f"error{unit and f', {unit}'}", "naive", "better by", "80 % band held")]
    for i, test in enumerate(found.tests):
        better, held = (
            NOTHING if test[name] is None else f"{100 * test[name]:.0f} %" for name in ("skill_vs_naive", "coverage_80")
        )
        name = ahead(test["step"], test["horizon"])
        rows.append((name, str(test["origins"]), errors[2 * i], errors[2 * i + 1], better, held))
    told = "Tests on its own past: the forecast was made again at earlier moments, knowing only what came before them."
    few = [] if all(test["coverage_80"] is not None for test in found.tests) else [FEW_TESTS]
    return [f"{told} Naive is repeating the season before.", *table(rows), *few]


def _mix(mix: Sequence[tuple[str, float]]) -> str:
    """Return the members in words with whole percents that sum to 100; alike ones together."""
    sums: dict[str, float] = {}
    for name, weight in mix:
        words = member_words(name)
        sums[words] = sums.get(words, 0.0) + weight
    ranked = sorted(sums.items(), key=lambda pair: -pair[1])
    if len(ranked) > SHOWN_MEMBERS:
        others = sum(weight for _, weight in ranked[SHOWN_MEMBERS - 1 :])
        ranked = [*ranked[: SHOWN_MEMBERS - 1], ("others", others)]
    shares = percents([weight for _, weight in ranked]) or []
    return ", ".join(f"{share} % {printable(words)}" for (words, _), share in zip(ranked, shares, strict=True))


def _grade(explained: Explanation) -> Lines:
    codes = list(filter(None, (explained.row["grade_reasons"] or "").split(";")))
    if not codes:
        return [f"Nothing speaks against it: the history is long and whole{_stood(explained)}."]
    text = "; ".join(REASONS.get(code, code) for code in codes)
    return [f"{text[0].upper()}{text[1:]}."]


def _stood(explained: Explanation) -> str:
    """Say how the tests on its own step went, those that the grade is made of."""
    row, tests = explained.row, explained.evidence.tests
    known = []
    if row["skill_vs_naive"] is not None and row["status"] != "constant":
        known.append("it was nearer than repeating the season before")
    if row["coverage_80"] is not None:
        known.append(f"the 80 % band held {100 * row['coverage_80']:.0f} %")
    return f"; in tests on its own step ({tests[0]['step']}) {' and '.join(known)}" if known and tests else ""


def _changes(explained: Explanation) -> Lines:
    found, row = explained.changes, explained.row
    if found is None:
        return []
    lines = _growth(found, row, explained.split)
    lines += _capacity(found, row)
    farthest = max(found.p_breach, default=0)
    published = row[f"p_breach_{farthest}d"] if farthest else None
    if (
        published is not None
        and abs(published - found.p_breach[farthest]) > SAME_CHANCE
        and row["status"] != "breached"
    ):
        alone, said = probability(found.p_breach[farthest]), probability(published)
        lines.append(
            f"This is reckoned with the possible futures alone: {alone} within {farthest} days; the row says {said}."
        )
    return lines


def _growth(found: Changes, row: Mapping[str, Any], split: Split | None) -> Lines:
    """Say what growth would keep the crossing away, and what growth would bring it nearer."""
    within = f"within {count(found.days, 'day')}"
    earlier = count(found.earlier_days or 0, "day")
    said = (
        (found.keep_away, f"it would no longer be as likely as not to cross {within}"),
        (found.keep_safe, f"the chance of a crossing {within} would be {probability(found.target)}"),
        (found.earlier, f"it would come {earlier} earlier"),
        (found.reach, f"it would be as likely as not to cross {within}"),
    )
    trend = None if split is None else split.slope
    return [f"{_faster(row, change, trend)}, {what}." for change, what in said if change is not None]


def _faster(row: Mapping[str, Any], change: float, trend: float | None) -> str:
    """Return a change of the growth per day as a condition, with the trend that it is a change of."""
    size = step_of(row, change, sign=False)
    if size == "0":
        return "With the growth of now"
    of_now = "" if trend is None else f" ({step_of(row, trend + change)} instead of {step_of(row, trend)})"
    return f"With {size} a day {'more' if change > 0 else 'less'} of growth{of_now}"


def _capacity(found: Changes, row: Mapping[str, Any]) -> Lines:
    """Say what capacity keeps the chance at the target, and what larger ones would do."""
    aim = f"keep the chance within {count(found.days, 'day')} at {probability(found.target)}"
    if found.level_needed is None:
        return []
    if found.capacity_needed is None or found.add_needed is None or row["capacity"] is None:
        return [f"To {aim} the threshold would have to be {level_of(row, found.level_needed)}.", *_raised(found, row)]
    needed = level_of(row, found.capacity_needed)
    if row["unit"] in PERCENT:
        needed = f"{digits(found.capacity_needed / row['capacity'])} times the present one"
    if found.add_needed == 0.0:
        return [f"The present capacity suffices to {aim}; {needed} would."]
    more = digits(100.0 * found.add_needed / row["capacity"])
    return [f"To {aim} the capacity would have to be {needed}, {more} % more than now.", *_raised(found, row)]


def _raised(found: Changes, row: Mapping[str, Any]) -> Lines:
    """Return what larger capacities would do."""
    what = "threshold" if row["capacity"] is None else "capacity"
    rows: list[tuple[str, ...]] = [
        (what, "threshold", f"chance, {found.days} days", "1 in 10 by", "as likely as not by")
    ]
    for one in found.raised:
        dates = (str(day) if day is not None else "beyond" for day in (one.breach_date_p10, one.breach_date_p50))
        rows.append((f"+{one.more_pct} %", level_of(row, one.threshold), probability(one.p_breach), *dates))
    return table(rows) if found.raised else []
