"""The hosts of the simulated fleet and what each of them does on an ordinary day."""

from __future__ import annotations

from dataclasses import dataclass, replace

from capforecast.simulate.clock import Floats, generator
from capforecast.simulate.plan import (
    CPU,
    DISK,
    MEMORY,
    NETWORK,
    Plan,
    Thresholds,
    percent_thresholds,
)
from capforecast.simulate.shapes import Shape, constant, nightly, ramp, sawtooth, season

GB = 1e9
ROLES: dict[str, int] = {
    "web": 13,
    "app": 1,
    "db": 6,
    "batch": 4,
    "build": 4,
    "cache": 6,
    "file": 6,
    "dwh": 1,
}
RENAMED = "app-01-new"
FORMER_NAMES = {RENAMED: "app-01"}
MOUNTS: dict[str, float] = {"/": 100 * GB, "/var": 200 * GB}
DATA: dict[str, float] = {"db": 2000 * GB, "batch": 1000 * GB, "file": 4000 * GB, "dwh": 2000 * GB}
DISK_THRESHOLDS_PCT = (("warning", 80), ("critical", 90))
LINKS_KBPS: dict[str, float] = {"web": 1e6, "file": 1e7}
LINK_THRESHOLDS: dict[str, Thresholds] = {
    "web": (("warning", 8e5), ("critical", 9e5)),
    "file": (("critical", 9e6),),
}


@dataclass(frozen=True, slots=True)
class Host:
    """One machine: its name, and the role that decides what it does."""

    name: str
    role: str


def hosts() -> list[Host]:
    """Return all hosts of the fleet."""
    numbered = [Host(f"{role}-{n:02d}", role) for role, count in ROLES.items() for n in range(1, count + 1)]
    return [*numbered, Host(RENAMED, "app")]


def ordinary(host: Host, seed: int) -> list[Plan]:
    """Return the series of a host on which nothing special was planted."""
    plans = [_cpu(host, seed), _memory(host, seed), _network(host, seed)]
    plans += [_disk(host, mount, capacity, seed) for mount, capacity in MOUNTS.items()]
    if host.role in DATA:
        plans.append(_disk(host, "/data", DATA[host.role], seed))
    return plans


def disk(host: str, mount: str, pattern: str, shape: Shape, capacity: float) -> Plan:
    """Return a mount of fixed capacity, with the thresholds every mount has."""
    return Plan(
        host,
        DISK,
        mount,
        pattern,
        shape,
        capacity=constant(capacity),
        noise=0.0005 * capacity,
        thresholds=disk_thresholds(capacity),
    )


def disk_thresholds(capacity: float) -> Thresholds:
    """Return the thresholds of a mount in bytes."""
    return tuple((name, share * capacity / 100) for name, share in DISK_THRESHOLDS_PCT)


def percent(host: str, metric: str, pattern: str, shape: Shape, *, noise: float) -> Plan:
    """Return a metric between 0 and 100."""
    return Plan(
        host,
        metric,
        "",
        pattern,
        shape,
        capacity=constant(100.0),
        noise=noise,
        thresholds=percent_thresholds(metric),
    )


def _draw(seed: int, host: Host, metric: str, instance: str, count: int) -> Floats:
    """Return the random numbers that set the levels of a series; a renamed host keeps its levels."""
    return generator(seed, FORMER_NAMES.get(host.name, host.name), metric, instance, "level").random(count)


def _cpu(host: Host, seed: int) -> Plan:
    a, b = _draw(seed, host, CPU, "", 2)
    name = host.name
    if host.role in ("batch", "dwh"):
        return percent(name, CPU, "nightly_batch", nightly(8 + 6 * a, 62 + 8 * b), noise=1.0)
    if host.role == "build":
        plan = percent(name, CPU, "bursty", constant(8 + 6 * a), noise=1.0)
        return _bursty(plan, per_day=10.0, height=25.0, ceiling=76.0)
    if host.role in ("cache", "file"):
        return percent(name, CPU, "daily", season(8 + 6 * a, 22 + 12 * b), noise=1.0)
    shape = season(12 + 8 * a, 46 + 14 * b, peak_hour=13.0 + 2 * a, weekend=0.5)
    return percent(name, CPU, "daily_weekly", shape, noise=1.5)


def _memory(host: Host, seed: int) -> Plan:
    (a,) = _draw(seed, host, MEMORY, "", 1)
    return percent(host.name, MEMORY, "steady", constant(35 + 30 * a), noise=0.6)


def _network(host: Host, seed: int) -> Plan:
    a, b = _draw(seed, host, NETWORK, "eth0", 2)
    link = LINKS_KBPS.get(host.role)
    size = link or 1e6
    if host.role in ("build", "batch", "dwh"):
        plan = Plan(host.name, NETWORK, "eth0", "bursty", constant((0.02 + 0.02 * a) * size), noise=0.004 * size)
        return _bursty(plan, per_day=8.0, height=0.15 * size, ceiling=0.75 * size)
    shape = season((0.05 + 0.03 * a) * size, (0.25 + 0.2 * b) * size, weekend=0.6)
    return Plan(
        host.name,
        NETWORK,
        "eth0",
        "daily_weekly",
        shape,
        capacity=None if link is None else constant(link),
        noise=0.01 * size,
        thresholds=LINK_THRESHOLDS.get(host.role, ()),
    )


def _bursty(plan: Plan, *, per_day: float, height: float, ceiling: float) -> Plan:
    return replace(plan, burst=(per_day, height), ceiling=ceiling)


def _disk(host: Host, mount: str, capacity: float, seed: int) -> Plan:
    a, b = _draw(seed, host, DISK, mount, 2)
    if mount == "/":
        return disk(host.name, mount, "steady", constant((0.3 + 0.25 * a) * capacity), capacity)
    if mount == "/var":
        shape = sawtooth((0.25 + 0.1 * a) * capacity, (0.18 + 0.12 * b) * capacity, every_days=7)
        return disk(host.name, mount, "sawtooth", shape, capacity)
    shape = ramp((0.4 + 0.15 * a) * capacity, (0.0001 + 0.0003 * b) * capacity)
    return disk(host.name, mount, "slow_growth", shape, capacity)
