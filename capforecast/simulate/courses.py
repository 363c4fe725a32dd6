"""Courses with a known future: what runs out and when, so that statuses, patterns and probabilities can be judged.

Other than the fleet of the demonstration each course comes many times, with numbers drawn anew, and its
future is simulated as well.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import erf, exp, sqrt

import numpy as np
import polars as pl

from capforecast.errors import ConfigError
from capforecast.simulate.clock import Clock, Floats, clock
from capforecast.times import DAY_US, HOUR_US, from_us

AHEAD_DAYS = 90
THRESHOLD = 90.0
RESIZE_DAY = -30
_KEEP = 0.6


@dataclass(frozen=True, slots=True)
class Usage:
    """How a resource is used.

    Attributes
    ----------
    metric : str
        A percent metric.
    pattern : str
        What it is called.
    level : callable
        Percent over the hours of a clock, from draws of random numbers.
    noise : float
        Spread of the noise, which remembers some hours.
    """

    metric: str
    pattern: str
    level: Callable[[Clock, np.random.Generator], Floats]
    noise: float = 0.3


def _teeth(axis: Clock, rng: np.random.Generator, every: float, rise: float, floor: float) -> Floats:
    """Return teeth that begin anew every so many days, give or take a seventh."""
    resets = axis.day[0] + np.cumsum(every * rng.uniform(0.85, 1.15, int(2 * np.ptp(axis.day) / every) + 4)) - every
    since = axis.day - resets[np.maximum(np.searchsorted(resets, axis.day, side="right") - 1, 0)]
    out: Floats = floor + rise * np.maximum(since, 0.0) / every
    return out


def _rising(axis: Clock, rng: np.random.Generator) -> Floats:
    teeth = _teeth(axis, rng, rng.uniform(3, 8), rng.uniform(15, 22), 50.0)
    return teeth + rng.uniform(0.32, 0.42) * np.floor(axis.day)


def _monthly(axis: Clock, rng: np.random.Generator) -> Floats:
    out: Floats = 30.0 + rng.uniform(64.0, 68.0) * axis.month_end * np.sin(axis.hour * (np.pi / 24)) ** 2
    return out


def _climbing(axis: Clock, rng: np.random.Generator) -> Floats:
    out: Floats = 75.0 + rng.uniform(0.2, 0.4) * axis.day
    return out


def _stepped(axis: Clock, rng: np.random.Generator) -> Floats:
    return np.where(axis.day >= -rng.integers(25, 60), 55.0, 30.0)


def _managed(axis: Clock, rng: np.random.Generator) -> Floats:
    """Return teeth whose cleaner begins when it is at 82 %."""
    out: Floats = 50 + (axis.day * rng.uniform(3.0, 8.0)) % 32
    return out


COURSES: dict[str, Usage] = {
    "leak": Usage("mem_used_pct", "leak", _climbing),
    "disk_fill": Usage("disk_used_pct", "steady", _climbing, 0.05),
    "sawtooth": Usage(
        "disk_used_pct",
        "sawtooth",
        lambda a, rng: _teeth(a, rng, rng.uniform(3, 10), rng.uniform(20, 35), rng.uniform(30, 35)),
    ),
    "sawtooth_rising": Usage("disk_used_pct", "sawtooth", _rising),
    "managed_ceiling": Usage("disk_used_pct", "sawtooth", _managed),
    "step": Usage("mem_used_pct", "stepped", _stepped, 0.5),
    "resize": Usage("disk_used_pct", "steady", lambda a, rng: 45 + rng.uniform(0.05, 0.1) * a.day, 0.05),
    "month_end": Usage("mem_used_pct", "month_end", _monthly, 1.0),
    "flat": Usage("mem_used_pct", "flat", lambda a, rng: np.full(a.day.size, 40.0), 0.0),
}
"""Courses by name; the size of what `resize` uses was doubled thirty days before the end."""


@dataclass(frozen=True)
class KnownFleet:
    """A fleet whose future is known.

    Attributes
    ----------
    samples : DataFrame
        host, metric, instance, unit, ts, value.
    limits : str
        Text of the limits.csv that belongs to them.
    truth : DataFrame
        host, course, pattern, breach_day (days from the end of the history to the first crossing, NULL for
        none in the horizon); of `brownian` also p_7d, p_30d and p_90d, the chances that its law gives.
    """

    samples: pl.DataFrame
    limits: str
    truth: pl.DataFrame


def courses(count: int, *, days: int = 120, end_us: int, seed: int = 7) -> KnownFleet:
    """Return every course so many times, with the threshold critical of 90 %.

    Parameters
    ----------
    count : int
        Series of each course.
    days : int
        Length of the history.
    end_us : int
        End of the history, a UTC midnight.
    seed : int
        Seed of all randomness.
    """
    _check(count, days, end_us)
    axis = clock(end_us - days * DAY_US, end_us + AHEAD_DAYS * DAY_US, HOUR_US, end_us=end_us)
    values, rows = [], []
    for place, (name, course) in enumerate(COURSES.items()):
        for number in range(count):
            rng = np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, place, number])))
            level = np.clip(course.level(axis, rng) + course.noise * _remembering(rng, axis.day.size), 0.0, 100.0)
            rows.append((f"{name}-{number:03d}", course.metric, name, course.pattern, _crossed(level, THRESHOLD, days)))
            past = level[: days * 24].copy()
            if name == "resize":
                past[axis.day[: past.size] < RESIZE_DAY] *= 2.0
            values.append(np.round(past, 2))
    frame = pl.DataFrame(rows, schema=["host", "metric", "course", "pattern", "breach_day"], orient="row")
    resized = from_us(end_us + RESIZE_DAY * DAY_US).date().isoformat()
    lines = [
        "host,metric,capacity,threshold_name,threshold,valid_from",
        "*,*,,warning,off,", "*,*,,full,off,", f"*,*,,critical,{THRESHOLD},",
        "resize-*,disk_used_pct,1e12,,,", f"resize-*,disk_used_pct,2e12,,,{resized}",
    ]  # fmt: skip
    return KnownFleet(
        _samples(frame, np.array(values), end_us, "percent"), "\n".join(lines) + "\n", frame.drop("metric")
    )


def brownian(count: int, *, days: int = 120, end_us: int, seed: int = 7) -> KnownFleet:
    """Return Brownian motions with drift, each with a threshold above its last level.

    Drifts (0, .05, .1 and .3 a day) and distances (2, 5, 10 and 15) come in turn; the spread of a day's
    move is 1. Arguments are as for `courses`.

    Notes
    -----
    P(T <= t) = Phi((m t - a) / sqrt t) + exp(2 m a) Phi(-(m t + a) / sqrt t) for drift m and distance a.
    """
    _check(count, days, end_us)
    hours = (days + AHEAD_DAYS) * 24
    values, rows, lines = np.empty((count, days * 24)), [], ["host,metric,threshold_name,threshold"]
    for number in range(count):
        rng = np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, number])))
        drift, distance = (0.0, 0.05, 0.1, 0.3)[number % 4], (2.0, 5.0, 10.0, 15.0)[number // 4 % 4]
        level = 1000 + np.cumsum(drift / 24 + rng.standard_normal(hours) / sqrt(24))
        values[number] = level[: days * 24]
        threshold = float(values[number, -1]) + distance
        chances = [first_passage(drift, distance, float(t)) for t in (7, 30, 90)]
        rows.append((f"walk-{number:04d}", "walk", "steady", _crossed(level, threshold, days), drift, *chances))
        lines.append(f"walk-{number:04d},*,full,{threshold!r}")
    names = ["host", "course", "pattern", "breach_day", "drift", "p_7d", "p_30d", "p_90d"]
    frame = pl.DataFrame(rows, schema=names, orient="row")
    samples = _samples(frame.with_columns(metric=pl.lit("walk_level")), values, end_us, "")
    return KnownFleet(samples, "\n".join(lines) + "\n", frame)


def first_passage(drift: float, distance: float, days: float) -> float:
    """Return the chance that a Brownian motion of spread 1 a day goes so far up within some days."""
    root = sqrt(days)
    return _normal((drift * days - distance) / root) + exp(2 * drift * distance) * _normal(
        -(drift * days + distance) / root
    )


def _normal(z: float) -> float:
    return 0.5 * (1.0 + erf(z / sqrt(2.0)))


def _check(count: int, days: int, end_us: int) -> None:
    if count < 1 or days < 2 or end_us % DAY_US:
        raise ConfigError(
            "count must be at least 1, days at least 2, end_us a UTC midnight",
            got=(count, days, end_us),
            where="simulate",
        )


def _remembering(rng: np.random.Generator, size: int) -> Floats:
    noise = rng.standard_normal(size)
    for i in range(1, size):
        noise[i] = _KEEP * noise[i - 1] + sqrt(1 - _KEEP**2) * noise[i]
    return noise


def _crossed(level: Floats, threshold: float, days: int) -> float | None:
    """Return after how many days the threshold is first met behind the history."""
    over = np.flatnonzero(level[days * 24 :] >= threshold)
    return float(over[0]) / 24 if over.size else None


def _samples(names: pl.DataFrame, values: Floats, end_us: int, unit: str) -> pl.DataFrame:
    count, hours = values.shape
    ts = end_us - HOUR_US * np.arange(hours, 0, -1)
    rows = names.select("host", "metric")[np.repeat(np.arange(count), hours)]
    return rows.with_columns(
        instance=pl.lit(""),
        unit=pl.lit(unit),
        ts=pl.Series(np.tile(ts, count)).cast(pl.Datetime("us", "UTC")),
        value=pl.Series(values.ravel()),
    )
