"""The time axis of a simulated fleet with its calendars, and the noise along it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from capforecast.times import DAY_US, HOUR_US

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

LOCAL_ZONE = "Europe/Berlin"
_MEMORY_HOURS = 2.0
_MONDAY = 4  # The epoch was a Thursday, so day 4 after it was a Monday.


@dataclass(frozen=True, slots=True)
class Clock:
    """Moments and their place in the calendars.

    Attributes
    ----------
    ts_us : int64 (n,)
        Moments, microseconds since the epoch.
    day : float64 (n,)
        Days from the end of the simulated history; negative in the past.
    hour : float64 (n,)
        Hour of the day in UTC, 0 <= hour < 24.
    weekday : int64 (n,)
        Day of the week in UTC, Monday is 0.
    local_hour, local_weekday : float64 (n,), int64 (n,)
        The same on the wall clock of `LOCAL_ZONE`.
    month_end : bool (n,)
        True on the last UTC day of a month.
    step_us : int
        Distance of neighbouring moments.
    """

    ts_us: Ints
    day: Floats
    hour: Floats
    weekday: Ints
    local_hour: Floats
    local_weekday: Ints
    month_end: NDArray[np.bool_]
    step_us: int


def clock(start_us: int, stop_us: int, step_us: int, *, end_us: int) -> Clock:
    """Return the moments start, start + step, ... before stop; days count from `end_us`."""
    ts = np.arange(start_us, stop_us, step_us, dtype=np.int64)
    local = ts + utc_offset_us(ts)
    dates = ts.astype("datetime64[us]").astype("datetime64[D]")
    next_month = (dates + np.timedelta64(1, "D")).astype("datetime64[M]")
    return Clock(
        ts_us=ts,
        day=(ts - end_us) / DAY_US,
        hour=(ts % DAY_US) / HOUR_US,
        weekday=_weekday(ts),
        local_hour=(local % DAY_US) / HOUR_US,
        local_weekday=_weekday(local),
        month_end=next_month != dates.astype("datetime64[M]"),
        step_us=step_us,
    )


def utc_offset_us(ts_us: Ints) -> Ints:
    """Return the distance of the wall clock of `LOCAL_ZONE` from UTC at each moment, in microseconds."""
    moments = pl.Series(ts_us).cast(pl.Datetime("us", "UTC")).dt.convert_time_zone(LOCAL_ZONE)
    offset = moments.dt.base_utc_offset() + moments.dt.dst_offset()
    return offset.dt.total_microseconds().to_numpy().astype(np.int64)


def generator(seed: int, *names: str) -> np.random.Generator:
    """Return the random numbers of one named thing: other names never change them."""
    digest = hashlib.blake2b("\0".join(names).encode(), digest_size=8).digest()
    sequence = np.random.SeedSequence([seed, int.from_bytes(digest, "little")])
    return np.random.Generator(np.random.PCG64(sequence))


def red_noise(rng: np.random.Generator, c: Clock) -> Floats:
    """Return noise of unit standard deviation that remembers about two hours."""
    keep = np.exp(-c.step_us / (_MEMORY_HOURS * HOUR_US))
    length = max(1, int(5 * _MEMORY_HOURS * HOUR_US / c.step_us))
    kernel = keep ** np.arange(length)
    white = rng.standard_normal(c.day.size + length - 1)
    return np.convolve(white, kernel / np.sqrt(np.sum(kernel**2)), mode="valid")


def bursts(rng: np.random.Generator, c: Clock, *, per_day: float, height: float) -> Floats:
    """Return sudden rises of random height (mean `height`) that fade within about an hour."""
    count = int(rng.poisson(per_day * c.day.size * c.step_us / DAY_US))
    sparks = np.zeros(c.day.size)
    np.add.at(sparks, rng.integers(0, c.day.size, count), rng.exponential(height, count))
    fade = np.exp(-np.arange(0, 5 * HOUR_US, c.step_us) / HOUR_US)
    return np.convolve(sparks, fade)[: c.day.size]


def _weekday(ts_us: Ints) -> Ints:
    return (ts_us // DAY_US - _MONDAY) % 7
