"""What one simulated series is made of, and the window its events are dated in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from capforecast.kinds import kind_of
from capforecast.simulate.clock import Clock, Floats, bursts, generator, red_noise
from capforecast.simulate.shapes import Shape
from capforecast.times import DAY_US

Thresholds = tuple[tuple[str, float], ...]

CPU = "cpu_util_pct"
MEMORY = "mem_used_pct"
DISK = "disk_used_bytes"
DISK_PCT = "disk_used_pct"
NETWORK = "net_rx_kbps"
COUNTER = "net_rx_bytes_total"

UNITS = {
    CPU: "percent",
    MEMORY: "percent",
    DISK: "byte",
    DISK_PCT: "percent",
    NETWORK: "kbit/s",
    COUNTER: "byte",
}
QUANTA = {CPU: 0.01, MEMORY: 0.01, DISK: 4096.0, DISK_PCT: 0.01, NETWORK: 1.0, COUNTER: 1.0}


@dataclass(frozen=True, slots=True)
class Window:
    """The simulated history: `days` days that end at `end_us`."""

    end_us: int
    days: int

    def event(self, day: float) -> float:
        """Return the UTC midnight at or before a day of the standard 100-day history.

        Days are negative and relative to the end; in shorter or longer histories events keep their
        share of the window.
        """
        moment = self.end_us + round(day * self.days / 100 * DAY_US)
        return (moment // DAY_US * DAY_US - self.end_us) / DAY_US


@dataclass(frozen=True, slots=True)
class Plan:
    """One series: a noiseless shape, what disturbs it, and what is known about its future.

    Attributes
    ----------
    host, metric, instance : str
        The series.
    pattern : str
        Name of what was planted.
    shape : Shape
        Level without noise, also in the future.
    capacity : Shape or None
        The most the resource can give; values never exceed it.
    noise : float
        Standard deviation of the noise, in the unit of the metric.
    burst : (float, float) or None
        Bursts a day and their mean height.
    ceiling : float
        Noise and bursts never lift a value above this.
    thresholds : tuple of (name, value)
        Thresholds that apply at the end of the history.
    first_day, last_day : float
        Life of the series, in days from the end.
    gap : (float, float) or None
        Days from the end between which nothing was measured.
    dated : bool
        The shape decides the day of a future breach.
    expected : str
        Status that overrides what the shape says; empty for none.
    noise_of : str
        Metric of the same host and instance whose noise this series shares; empty for its own.
    derive : callable or None
        Turns the disturbed level into the value that is measured, such as a counter.
    note : str
        One sentence for the reader of the truth table.
    """

    host: str
    metric: str
    instance: str
    pattern: str
    shape: Shape
    capacity: Shape | None = None
    noise: float = 0.0
    burst: tuple[float, float] | None = None
    ceiling: float = np.inf
    thresholds: Thresholds = ()
    first_day: float = -np.inf
    last_day: float = np.inf
    gap: tuple[float, float] | None = None
    dated: bool = False
    expected: str = ""
    noise_of: str = ""
    derive: Callable[[Clock, Floats], Floats] | None = None
    note: str = ""

    @property
    def key(self) -> tuple[str, str, str]:
        """Host, metric and instance."""
        return self.host, self.metric, self.instance

    @property
    def unit(self) -> str:
        """Unit of the values."""
        return UNITS[self.metric]


def percent_thresholds(metric: str) -> Thresholds:
    """Return the thresholds a percent metric has without any line in limits.csv."""
    return kind_of(metric, UNITS[metric]).thresholds


def values(plan: Plan, c: Clock, seed: int) -> tuple[Floats, np.ndarray]:
    """Return the measured values on a clock, and which of them exist.

    Returns
    -------
    value : float64 (n,)
        In the unit of the metric, rounded as a monitoring agent would.
    present : bool (n,)
        False before the first, after the last and in a gap.
    """
    rng = generator(seed, plan.host, plan.noise_of or plan.metric, plan.instance)
    level = plan.shape(c)
    if plan.noise:
        level = level + plan.noise * red_noise(rng, c)
    if plan.burst is not None:
        level = level + bursts(rng, c, per_day=plan.burst[0], height=plan.burst[1])
    level = np.clip(level, 0.0, plan.ceiling)
    if plan.capacity is not None:
        level = np.minimum(level, plan.capacity(c))
    if plan.derive is not None:
        level = plan.derive(c, level)
    present = (c.day >= plan.first_day) & (c.day < plan.last_day)
    if plan.gap is not None:
        present &= (c.day < plan.gap[0]) | (c.day >= plan.gap[1])
    return quantised(level, QUANTA[plan.metric]), present


def quantised(level: Floats, quantum: float) -> Floats:
    """Return the level as a whole multiple of a quantum, free of binary dust."""
    if quantum < 1:
        return np.round(level / quantum) / round(1 / quantum)
    return np.round(level / quantum) * quantum
