"""Golden cases: what arithmetic says about a series, and what a shard says.

A case is text. ``load STEP`` begins a shard; ``NAME LEVELS`` adds a series; ``bounds NAME LOW HIGH``,
``sustain K N`` (for the whole shard) and ``limit NAME above|below LEVEL`` say what is asked;
``expect NAME[/LEVEL] [below] KEY=VALUE ...`` says what must come out.

LEVELS are joined by commas: ``5x3`` is 5 5 5, ``10+2x3`` is 10 12 14, ``(1,2x2)x2`` is 1 2 2 1 2 2, ``nanx4`` is a
gap. Keys: now, growth (per day), gap, needed, changed (days since), enough, pattern, ``q50@7`` (level on day 7), and
per threshold ``p30`` (probability by day 30) and ``day50`` (first day with that probability). ``>=`` and ``<=`` bound
a number, ``+-`` allows for some, ``none`` is unknown.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pytest

from capforecast.breach import days_to
from capforecast.outcome import Outcome
from capforecast.schema import PATTERNS
from capforecast.times import parse_duration
from tests.shards import Row, run_rows

CASES = sorted((Path(__file__).parent / "golden").glob("*.case"))
CLAIM = re.compile(r"(?P<key>[a-z]+\d*(?:@\d+)?)(?P<sign>>=|<=|=)(?P<value>[^+]+?)(?:\+-(?P<slack>.+))?")


@dataclass
class Shard:
    """Series of one ``load``, by name and direction, and what is expected of them."""

    step_us: int
    levels: dict[str, list[float]] = field(default_factory=dict)
    bounds: dict[str, tuple[float, float]] = field(default_factory=dict)
    limits: dict[tuple[str, str], list[float]] = field(default_factory=dict)
    sustain: tuple[int, int] = (1, 1)
    expected: list[tuple[int, list[str]]] = field(default_factory=list)


def levels_of(text: str) -> list[float]:
    """Read LEVELS."""
    out: list[float] = []
    for part in re.findall(r"\([^()]*\)[^,]*|[^,()]+", text):
        inner, _, count = part.rpartition("x") if "x" in part else (part, "", "1")
        if inner.startswith("("):
            out += levels_of(inner[1:-1]) * int(count)
            continue
        start, sign, step = re.fullmatch(r"(nan|-?[\d.]+)(?:([+-])([\d.]+))?", inner).groups()
        slope = float(f"{sign}{step}") if sign else 0.0
        out += [float(start) + slope * i for i in range(int(count))]
    return out


def read(path: Path) -> list[Shard]:
    """Read a case file."""
    shards: list[Shard] = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        words = line.partition("#")[0].split()
        if not words:
            continue
        verb, *rest = words
        if verb == "load":
            shards.append(Shard(parse_duration(rest[0])))
        elif verb == "bounds":
            shards[-1].bounds[rest[0]] = float(rest[1]), float(rest[2])
        elif verb == "sustain":
            shards[-1].sustain = int(rest[0]), int(rest[1])
        elif verb == "limit":
            shards[-1].limits.setdefault((rest[0], rest[1]), []).append(float(rest[2]))
        elif verb == "expect":
            shards[-1].expected.append((number, rest))
        else:
            shards[-1].levels[verb] = levels_of(rest[0])
    return shards


def actual(key: str, out: Outcome, item: int, row: int) -> object:
    """Return what a shard says under a key."""
    if key == "enough":
        return "yes" if out.enough[item] else "no"
    if key == "pattern":
        return PATTERNS[out.pattern[item]]
    plain = {"now": out.last, "growth": out.growth, "gap": out.gap, "needed": out.needed, "changed": out.change_days}
    if key in plain:
        return float(plain[key][item])
    if key[0] == "q":
        band, day = key[1:].split("@")
        return float(out.quantiles[item, int(day) - 1, ("10", "50", "90").index(band)])
    if key[0] == "p":
        return float(out.cumulative[row, int(key[1:]) - 1])
    assert key.startswith("day"), key
    return float(days_to(out.cumulative[row : row + 1], int(key[3:]) / 100)[0])


def holds(claim: str, got: object) -> bool:
    """Tell whether a claim such as ``p30<=0.1`` or ``day50=26+-4`` holds for a value."""
    parts = CLAIM.fullmatch(claim)
    value = parts["value"]
    if value == "none":
        return bool(np.isnan(got))
    if isinstance(got, str):
        return value == got
    wanted, slack = float(value), float(parts["slack"] or 0.0) + 1e-6 * max(abs(float(value)), 1.0)
    at_least, at_most = parts["sign"] in ("=", ">="), parts["sign"] in ("=", "<=")
    return (not at_least or got >= wanted - slack) and (not at_most or got <= wanted + slack)


@pytest.mark.parametrize("path", CASES, ids=[path.stem for path in CASES])
def test_golden(path: Path) -> None:
    """Every line of a case that begins with expect holds."""
    wrong = []
    for shard in read(path):
        items = [(name, side) for name in shard.levels for side in ("above", "below") if (name, side) in shard.limits]
        rows = []
        for name, side in items:
            low, high = shard.bounds.get(name, (-np.inf, np.inf))
            row = Row(shard.levels[name], shard.step_us, tuple(shard.limits[name, side]), lower=low, upper=high)
            rows.append(replace(row, sign=1.0 if side == "above" else -1.0, k=shard.sustain[0], n=shard.sustain[1]))
        out = run_rows(rows)
        owned = [(name, side, level) for (name, side), row in zip(items, rows, strict=True) for level in row.thresholds]
        for number, (target, *claims) in shard.expected:
            name, _, level = target.partition("/")
            sides = [side for n, side in items if n == name]
            side = claims.pop(0) if claims[0] == "below" else sides[0]
            levels = shard.limits[name, side]
            row = owned.index((name, side, float(level) if level else levels[0]))
            for claim in claims:
                got = actual(CLAIM.fullmatch(claim)["key"], out, items.index((name, side)), row)
                if not holds(claim, got):
                    wrong.append(f"line {number}: {target} {claim}, got {got}")
    assert wrong == []


def test_the_language_of_levels() -> None:
    """The reader of levels, by hand."""
    assert levels_of("5x3,1") == [5, 5, 5, 1]
    assert levels_of("10+2x3,10-1x2") == [10, 12, 14, 10, 9]
    assert levels_of("(1,2x2)x2,7") == [1, 2, 2, 1, 2, 2, 7]
    assert np.isnan(levels_of("nanx2")).tolist() == [True, True]
