"""A simulated fleet: samples, limits and what is true of them."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import polars as pl

from capforecast.errors import ConfigError, UnknownNameError
from capforecast.simulate.clock import clock
from capforecast.simulate.hosts import hosts as all_hosts
from capforecast.simulate.hosts import ordinary
from capforecast.simulate.limits_file import limits_text
from capforecast.simulate.plan import Plan, Window, values
from capforecast.simulate.plants import planted
from capforecast.simulate.truth import truth_table
from capforecast.times import DAY_US, HOUR_US, MINUTE_US, parse_moment

END_US = parse_moment("2026-05-20T00:00:00Z")
STEP_US = 15 * MINUTE_US


@dataclass(frozen=True)
class Fleet:
    """Samples with known truth.

    Attributes
    ----------
    samples : DataFrame
        host, metric, instance, unit, ts (UTC, microseconds), value; sorted by series and time.
    limits : str
        Text of the limits.csv that belongs to them.
    truth : DataFrame
        One row per series and threshold: host, metric, instance, pattern (what was planted),
        threshold_name, threshold, direction, status (expected with a horizon of 90 days; ``ok``
        stands for every status that foresees no crossing), breach_day (UTC day of the first
        noiseless crossing, up to 400 days ahead; NULL where the plan does not decide it), note.
    """

    samples: pl.DataFrame
    limits: str
    truth: pl.DataFrame


def fleet(
    *,
    days: int = 100,
    seed: int = 7,
    end_us: int = END_US,
    step_us: int = STEP_US,
    hosts: Collection[str] | None = None,
) -> Fleet:
    """Return a simulated fleet of 42 hosts in which every pattern is planted at least once.

    The same arguments give the same fleet. Every series has random numbers of its own, drawn from
    the seed and its name, so that a host is the same in any selection of hosts. Events keep their
    share of the window, slopes and (but for the resize) days to the breach do not depend on it. The
    statuses of the truth are meant for histories of some 60 days and more.

    Parameters
    ----------
    days : int
        Length of the history, at least 2.
    seed : int
        Seed of all randomness, not negative.
    end_us : int
        End of the history (no sample at or after it), a UTC midnight in microseconds since the
        epoch. With the default, both European and American clocks change inside the window.
    step_us : int
        Distance of samples: at least a second, at most an hour, a whole share of an hour.
    hosts : collection of str, optional
        Only these hosts.

    Raises
    ------
    ConfigError
        An argument is out of its range.
    UnknownNameError
        There is no such host in the fleet.
    """
    _check(days, seed, end_us, step_us)
    known = {host.name: host for host in all_hosts()}
    chosen = set(known if hosts is None else hosts)
    for name in sorted(chosen - known.keys()):
        raise UnknownNameError("host", name, known)
    window = Window(end_us, days)
    plans = planted([plan for host in known.values() for plan in ordinary(host, seed)], window)
    plans = [plan for plan in plans if plan.host in chosen]
    return Fleet(
        samples=_samples(plans, window, step_us, seed),
        limits=limits_text(window, chosen),
        truth=truth_table(plans, end_us),
    )


def _check(days: int, seed: int, end_us: int, step_us: int) -> None:
    if days < 2:
        raise ConfigError("days must be at least 2", got=days, where="fleet()")
    if seed < 0:
        raise ConfigError("seed must not be negative", got=seed, where="fleet()")
    if end_us % DAY_US:
        raise ConfigError("end_us must be a UTC midnight", got=end_us, where="fleet()")
    if not 1_000_000 <= step_us <= HOUR_US or HOUR_US % step_us:
        raise ConfigError("step_us must be a whole share of an hour, at least a second", got=step_us, where="fleet()")


def _samples(plans: list[Plan], window: Window, step_us: int, seed: int) -> pl.DataFrame:
    axis = clock(window.end_us - window.days * DAY_US, window.end_us, step_us, end_us=window.end_us)
    level = np.empty((len(plans), axis.day.size))
    present = np.empty(level.shape, dtype=bool)
    for row, plan in enumerate(plans):
        level[row], present[row] = values(plan, axis, seed)
    series, moment = np.nonzero(present)
    names = pl.DataFrame(
        [(*plan.key, plan.unit) for plan in plans],
        schema={name: pl.String for name in ("host", "metric", "instance", "unit")},
        orient="row",
    )
    return names[series].with_columns(
        ts=pl.Series(axis.ts_us[moment]).cast(pl.Datetime("us", "UTC")),
        value=pl.Series(level[present]),
    )
