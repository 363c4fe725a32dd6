"""What was planted into the ordinary fleet, and therefore known to be true."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from capforecast.simulate.clock import Clock, Floats
from capforecast.simulate.hosts import DATA, GB, MOUNTS, RENAMED, disk, disk_thresholds, percent
from capforecast.simulate.plan import (
    COUNTER,
    CPU,
    DISK,
    DISK_PCT,
    MEMORY,
    NETWORK,
    Plan,
    Window,
    percent_thresholds,
)
from capforecast.simulate.shapes import (
    constant,
    month_end,
    office,
    ramp,
    sawtooth,
    scaled,
    season,
    steps,
    total,
)
from capforecast.times import SECOND_US

RESIZED = "dwh-01"
RESIZE_DAY = -30.0
RESIZED_TO = 4000 * GB
_BYTES_PER_KILOBIT = 125.0


def planted(plans: list[Plan], window: Window) -> list[Plan]:
    """Return the plans with every pattern of the fleet planted, sorted by series."""
    by_key = {plan.key: plan for plan in plans}
    for plan in (*_rising(window), *_storage(window), *_utilisation(window)):
        by_key[plan.key] = plan
    for key in (("db-02", DISK, "/data"), (RESIZED, DISK, "/data"), ("web-04", DISK, "/")):
        share = _as_percent(by_key[key])
        by_key[share.key] = share
    counter = _as_counter(by_key["cache-02", NETWORK, "eth0"], window)
    by_key[counter.key] = counter
    lived = [_life(plan, window) for plan in by_key.values()]
    return sorted(lived, key=lambda plan: plan.key)


def _rising(window: Window) -> list[Plan]:
    """Return what runs out on a day that follows from the plan."""
    leak = percent("web-03", MEMORY, "memory_leak", ramp(72.0, 0.45, 20.0), noise=0.2)
    fill = disk("db-02", "/data", "disk_fill", ramp(1450 * GB, 12 * GB, 100 * GB), DATA["db"])
    slow = disk("file-01", "/data", "disk_fill", ramp(2880 * GB, 6 * GB, 200 * GB), DATA["file"])
    teeth = sawtooth(110 * GB, 40 * GB, every_days=7, floor_per_day=0.5 * GB)
    rising = disk("batch-01", "/var", "sawtooth_rising", teeth, MOUNTS["/var"])
    return [
        replace(leak, dated=True, note="leaks 0.45 points a day"),
        replace(fill, dated=True, note="fills by 12 GB a day"),
        replace(slow, dated=True, note="fills by 6 GB a day; critical is further than 90 days away"),
        replace(rising, dated=True, note="cleaned up every 7 days, but the floor rises by 0.5 GB a day"),
        _link_growth(),
        _resized(window),
    ]


def _link_growth() -> Plan:
    shape = scaled(ramp(1.0, 0.006, 0.2), season(64_000.0, 640_000.0, weekend=0.6))
    return Plan(
        "web-05",
        NETWORK,
        "eth0",
        "season_growth",
        shape,
        capacity=constant(1e6),
        noise=4000.0,
        thresholds=(("warning", 8e5), ("critical", 9e5)),
        dated=True,
        note="daily peaks rise by 0.6 % of today's peak a day; dated by the noiseless peak",
    )


def _resized(window: Window) -> Plan:
    day, old, per_day = window.event(RESIZE_DAY), DATA["dwh"], 17 * GB
    plan = disk(RESIZED, "/data", "resize", ramp(0.875 * old - per_day * day, per_day, 0.05 * old), old)
    return replace(
        plan,
        capacity=steps(old, ((day, RESIZED_TO - old),)),
        thresholds=disk_thresholds(RESIZED_TO),
        dated=True,
        note="the capacity was doubled (limits.csv, valid_from); growth went on",
    )


def _storage(window: Window) -> list[Plan]:
    """Return mounts with events, but without a breach to come."""
    freed = total(ramp(1600 * GB, 4 * GB), steps(1400 * GB, ((window.event(-25.0), -1400 * GB),)))
    size = DATA["file"]
    cleaned = disk("file-02", "/data", "clean_up", freed, size)
    flat = disk("cache-03", "/", "flat", constant(4096.0 * 10_000_000), MOUNTS["/"])
    full = disk("file-05", "/data", "already_full", ramp(0.965 * size, 0.0001 * size), size)
    high = disk("file-06", "/data", "above_warning", constant(0.84 * size), size)
    return [
        replace(cleaned, note="1.4 TB were freed at once; the growth before and after is the same, and slow"),
        replace(flat, noise=0.0, expected="constant", note="never changes"),
        replace(full, note="above both thresholds for weeks"),
        replace(high, note="above the warning, steady, below critical"),
    ]


def _utilisation(window: Window) -> list[Plan]:
    """Return processors and memory with events, but without a breach to come."""
    shift = window.event(-30.0)
    moved = total(season(14.0, 30.0), steps(0.0, ((shift, 24.0),)))
    berlin = office(10.0, 62.0)
    return [
        replace(
            percent("db-03", CPU, "level_shift", moved, noise=1.0),
            note="24 points more since one day, for good",
        ),
        replace(
            percent("db-04", MEMORY, "level_shift", steps(38.0, ((shift, 22.0),)), noise=0.5),
            note="22 points more since one day, for good",
        ),
        replace(
            percent("batch-04", CPU, "month_end", month_end(22.0, 72.0), noise=1.0),
            note="peaks on the last day of each month",
        ),
        replace(
            percent("web-08", CPU, "dst_day", berlin, noise=1.0),
            note="office hours of Europe/Berlin: in UTC they move by an hour when the clocks change",
        ),
    ]


def _as_percent(plan: Plan) -> Plan:
    """Return the used share of a mount, made from the same bytes."""
    capacity = plan.capacity if plan.capacity is not None else constant(np.inf)

    def share(c: Clock, used: Floats) -> Floats:
        return 100.0 * used / capacity(c)

    return replace(
        plan,
        metric=DISK_PCT,
        thresholds=percent_thresholds(DISK_PCT),
        noise_of=DISK,
        derive=share,
    )


def _as_counter(plan: Plan, window: Window) -> Plan:
    """Return the running total of a rate, which starts from zero again at two restarts."""
    restarts = (window.event(-61.0) + 0.25, window.event(-17.0) + 0.5)

    def count(c: Clock, kbps: Floats) -> Floats:
        added = kbps * (_BYTES_PER_KILOBIT * c.step_us / SECOND_US)
        running = np.cumsum(added)
        before = np.zeros(running.size)
        for day in restarts:
            first = int(np.searchsorted(c.day, day))
            if 0 < first < running.size:
                before[first:] = running[first - 1]
        return running - before

    return replace(
        plan,
        metric=COUNTER,
        pattern="counter_reset",
        thresholds=(),
        noise_of=NETWORK,
        derive=count,
        note="counts all bytes since the last restart; restarted twice",
    )


def _life(plan: Plan, window: Window) -> Plan:
    """Return the plan with the life of its host: gaps, late starts, an end."""
    if plan.host == "file-03":
        gap = (window.event(-45.0), window.event(-39.0))
        return replace(plan, pattern="gap", gap=gap, note="nothing was measured for six days")
    if plan.host == "app-01":
        note = f"renamed to {RENAMED} forty days before the end"
        return replace(plan, pattern="rename_old", last_day=window.event(-40.0), expected="stale", note=note)
    if plan.host == RENAMED:
        note = "named app-01 until forty days before the end"
        return replace(plan, pattern="rename_new", first_day=window.event(-40.0), note=note)
    if plan.host == "web-12":
        note = "measured for the last twenty days only"
        return replace(plan, pattern="late_start", first_day=window.event(-20.0), note=note)
    if plan.host == "web-13":
        note = "measured for the last twelve hours only"
        return replace(plan, pattern="just_started", first_day=-0.5, expected="too_short", note=note)
    return plan
