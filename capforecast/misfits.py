"""Capacities and thresholds that do not fit the levels they are laid against, or each other: mostly slips of units.

What is told of a line of limits.csv is told once for each metric, with the number of its series and one of them. A
series at rest says nothing about units, nor does one that is all zero: an idle host, an empty disk.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from capforecast.limits import Resolved, capacity_steps
from capforecast.panel import Floats

FAR, NEVER_NEAR, FREE = 100.0, 1000.0, 1e6
"""How often a limit fits into a level, or a level into it, that are of different units; FREE: a least that is free."""
ORDER = (("warning", "critical"), ("warning", "full"), ("critical", "full"))
"""Thresholds of which the second must be met later than the first; full is only for levels that rise."""
SHARES = {"percent": 100.0, "fraction": 1.0}
"""The whole of what is a share by its unit; the capacity of such a series is no level of it."""
NAMES = ("host", "metric", "instance")
Misfit = tuple[str, tuple[str, str, str], str]


@dataclass(frozen=True, slots=True)
class Levels:
    """Lowest, middle and highest level of S series in the time that is looked at, float64 (S,); NaN without any."""

    low: Floats
    middle: Floats
    high: Floats


def misfits(
    series: pl.DataFrame, lines: pl.DataFrame, limits: Resolved, levels: Levels, as_of_us: int
) -> Iterator[Misfit]:
    """Yield the code, a series, and what does not fit.

    Parameters
    ----------
    series : DataFrame
        Rows of ``store.series()``.
    lines : DataFrame
        Lines of limits.csv.
    limits : Resolved
        What they say about the series.
    levels : Levels
        What the series did.
    as_of_us : int
        Lines that hold later are left out; microseconds since the epoch.
    """
    known = series.select(*NAMES, "unit", "given", "scale", "nature").with_columns(
        series=pl.int_range(pl.len(), dtype=pl.Int64),
        low=pl.Series(levels.low), middle=pl.Series(levels.middle), high=pl.Series(levels.high),
    )  # fmt: skip
    # What never moves may be an empty disk or an idle host, whatever the unit.
    known = known.filter(pl.col("high").is_finite()).with_columns(moves=pl.col("high") > pl.col("low"))
    yield from _told("capacity", "capacity", _capacities(known, series, lines, limits, as_of_us))
    yield from _told("threshold", "threshold", _thresholds(known, lines, limits))
    yield from _order(limits, series)


def apart(ratio: float) -> str:
    """Say what the ratio of a level to its limit reminds of."""
    for power, names in ((1, "KiB and kB"), (2, "MiB and MB"), (3, "GiB and GB"), (4, "TiB and TB")):
        if abs(ratio / 1.024**power - 1) < 0.004:
            return f"they differ as {names} do"
        for base in (1000.0, 1024.0):
            if 0.2 < ratio / base**power < 1.0001 or 0.2 < ratio * base**power < 1.0001:
                return f"about a factor of {base**power:.3g}: one of them is likely to be in another unit"
    return "correct limits.csv, or the unit of either"


def _capacities(
    known: pl.DataFrame, series: pl.DataFrame, lines: pl.DataFrame, limits: Resolved, as_of_us: int
) -> pl.DataFrame:
    """Return the series whose capacity is of another magnitude: line, limit and the columns of `known`."""
    steps = capacity_steps(series, lines, as_of_us).unique("series", keep="last", maintain_order=True)
    sized = limits.series.select(
        pl.int_range(pl.len(), dtype=pl.Int64).alias("series"), pl.col("capacity").alias("limit")
    )
    held = known.filter(~pl.col("unit").is_in(list(SHARES))).join(steps.select("series", "line"), on="series")
    held = held.join(sized, on="series")
    ratio = pl.col("high") / pl.col("limit")
    return held.filter((ratio >= FAR) | _never_near(ratio))


def _thresholds(known: pl.DataFrame, lines: pl.DataFrame, limits: Resolved) -> pl.DataFrame:
    """Return the series with an absolute threshold of another magnitude: line, limit and the columns of `known`."""
    absolute = lines.filter(~pl.col("percent")).select("line")
    line = pl.col("threshold_source").cast(pl.String).str.strip_prefix("limits.csv:").cast(pl.Int64, strict=False)
    said = limits.thresholds.select(
        pl.col("series").cast(pl.Int64), pl.col("threshold").alias("limit"), "direction", line=line
    )
    held = said.join(absolute, on="line").join(known, on="series").filter(pl.col("limit") > 0)
    ratio, below, limit = pl.col("high") / pl.col("limit"), pl.col("direction") == "below", pl.col("limit")
    percent, whole = pl.col("unit") == "percent", pl.col("unit").replace_strict(SHARES, default=None)
    as_share = pl.when(below).then((limit < 1.0) & (pl.col("low") > limit)).otherwise(
        (limit <= 1.0) & (pl.col("middle") > limit)
    )  # fmt: skip
    of_another = pl.when(below).then((ratio >= FREE) | (pl.col("moves") & (ratio <= 1 / FAR)))
    return held.filter(
        of_another.otherwise((ratio >= FAR) | _never_near(ratio))
        | (percent & as_share)
        | (~below & (limit >= 2 * whole) & (pl.col("high") <= whole)).fill_null(False)
    )


def _never_near(ratio: pl.Expr) -> pl.Expr:
    """Tell where no series of a line comes near its limit, though it moves."""
    far = pl.when(pl.col("moves") & (ratio > 0)).then(ratio)
    return far.is_not_null() & (far.max().over("line", "metric") < 1 / NEVER_NEAR)


def _told(code: str, word: str, found: pl.DataFrame) -> Iterator[Misfit]:
    for (line, _), part in found.sort(*NAMES).group_by("line", "metric", maintain_order=True):
        one = part.row(0, named=True)
        # As people wrote them: in the unit that samples came in.
        plain = one["scale"] == 1.0 or one["nature"] != ""
        unit, scale = (one["unit"], 1.0) if plain else (one["given"], one["scale"])
        limit, high = one["limit"] / scale, one["high"] / scale
        said = f"the {word} of this{_more(part)} is {limit:.4g}, and levels reach {high:.4g} {unit}".rstrip()
        yield code, _name(one), f"limits.csv:{line}: {said}: {_hint(limit, high, one['unit'])}"


def _name(row: dict[str, Any]) -> tuple[str, str, str]:
    return row["host"], row["metric"], row["instance"]


def _more(part: pl.DataFrame) -> str:
    return f" and {part.height - 1} more series" * (part.height > 1)


def _hint(limit: float, high: float, unit: str) -> str:
    whole = SHARES.get(unit)
    if whole is not None:
        return f"the whole is {whole:g}"
    return apart(high / limit)


def _order(limits: Resolved, series: pl.DataFrame) -> Iterator[Misfit]:
    """Yield thresholds that are met later than one that is worse."""
    said = limits.thresholds.select(
        "series", "direction", pl.col("threshold_name").cast(pl.String).alias("name"),
        pl.col("threshold").alias("level"), pl.col("threshold_source").cast(pl.String).alias("source"),
    )  # fmt: skip
    named = series.select(*NAMES).with_columns(series=pl.int_range(pl.len(), dtype=pl.Int64))
    for first, second in ORDER:
        pair = said.filter(pl.col("name") == first).join(
            said.filter(pl.col("name") == second), on=["series", "direction"], suffix="_worse"
        )
        rising, level, worse = pl.col("direction") == "above", pl.col("level"), pl.col("level_worse")
        wrong = pair.filter(pl.when(rising).then(level > worse).otherwise((level < worse) & (second != "full")))
        wrong = wrong.with_columns(pl.col("series").cast(pl.Int64)).join(named, on="series").sort(*NAMES)
        for _, part in wrong.group_by("source", "source_worse", "direction", "metric", maintain_order=True):
            one = part.row(0, named=True)
            yield (
                "order",
                _name(one),
                (
                    f"{one['source']}: {first} at {one['level']:.4g} of this{_more(part)} lies beyond {second} at "
                    f"{one['level_worse']:.4g} ({one['source_worse']}), direction {one['direction']}"
                ),
            )


def nothing(count: int) -> Levels:
    """Return that nothing is known of some series."""
    return Levels(*(np.full(count, np.nan) for _ in range(3)))
