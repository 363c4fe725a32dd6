"""Metric kinds: what a metric's name and unit say about its bounds, direction and thresholds.

A kind is data. The first kind whose patterns match the metric name wins; without one the unit
decides; without that the metric is a ``gauge`` without bounds and without default thresholds.
Kinds from the configuration come before the built-in ones.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase

from capforecast import units


@dataclass(frozen=True, slots=True)
class Kind:
    """What is known about all metrics of one sort.

    Attributes
    ----------
    name : str
        Name of the kind.
    unit : str
        Unit of its values when the data name none.
    lower, upper : float
        Physical bounds in that unit; infinite where there are none.
    direction : str
        "above" when high values hurt, "below" when low ones do.
    statistic : str
        Rollup column that is forecast where the kind's own direction is watched: mean, max, p95, last or min.
    patterns : tuple of str
        Globs on the lower-case metric name.
    units : tuple of str
        Units that identify the kind where no pattern does.
    thresholds : tuple of (name, value)
        Default thresholds, in the unit of the kind.
    sustain : tuple of (int, int)
        A crossing is sustained when k of n consecutive steps are beyond the threshold.
    nature : str
        "counter" where samples count from some start and their rates are forecast, "gauge" where they are
        forecast as they are; empty where the source may say.
    """

    name: str
    unit: str = ""
    lower: float = -math.inf
    upper: float = math.inf
    direction: str = "above"
    statistic: str = "mean"
    patterns: tuple[str, ...] = ()
    units: tuple[str, ...] = ()
    thresholds: tuple[tuple[str, float], ...] = ()
    sustain: tuple[int, int] = (2, 3)
    nature: str = ""

    def within(self, unit: str) -> Kind:
        """Return the kind with bounds and thresholds in another unit of its quantity; itself where there is none."""
        scale = units.factor(self.unit, unit) if self.unit and unit else 1.0
        if scale == 1.0 or math.isnan(scale):
            return self
        thresholds = tuple((name, value * scale) for name, value in self.thresholds)
        return replace(self, unit=unit, lower=self.lower * scale, upper=self.upper * scale, thresholds=thresholds)

    def rollup(self, *, below: bool) -> str:
        """Return the rollup that is forecast for thresholds of a direction; the extreme where it is not the usual."""
        if below == (self.direction == "below"):
            return self.statistic
        return "min" if below else "max"

    @property
    def is_share(self) -> bool:
        """Are its values shares of something whose size may change."""
        return self.unit in ("percent", "fraction") and math.isfinite(self.upper)


_FREE = (
    "*free*pct", "*free*percent", "*avail*pct", "*avail*percent", "*idle*pct", "*idle*percent",
)  # fmt: skip
_STORAGE = (
    "*disk_used*",
    "*fs_used*",
    "*filesystem*",
    "*storage*",
    "*inode*",
    "*volume_used*",
    "*checkout_bytes*",
)
_SIZES = {
    "kb": "KB", "mb": "MB", "gb": "GB", "tb": "TB", "kib": "KiB", "mib": "MiB", "gib": "GiB", "tib": "TiB",
}  # fmt: skip
"""Units that names of metrics end with."""
_PCT = ("*_pct", "*_pct_*", "*pct", "*percent*", "*_util", "*utilization*", "*utilisation*")

BUILT_IN: tuple[Kind, ...] = (
    Kind(
        "percent_free", "percent", 0.0, 100.0, "below", "min", _FREE, (),
        (("warning", 20.0), ("critical", 10.0)),
    ),
    Kind(
        "percent_storage", "percent", 0.0, 100.0, "above", "max",
        tuple(f"{s}{p}" for s in _STORAGE for p in ("pct", "percent*", "_util*")), (),
        (("warning", 80.0), ("critical", 90.0), ("full", 100.0)), (1, 1),
    ),
    Kind(
        "percent_memory", "percent", 0.0, 100.0, "above", "max",
        tuple(f"*{m}*{p}" for m in ("mem", "memory", "swap") for p in ("pct", "percent*", "_util*")), (),
        (("warning", 80.0), ("critical", 90.0)),
    ),
    Kind(
        "percent", "percent", 0.0, 100.0, "above", "p95", _PCT, ("percent", "%", "pct"),
        (("warning", 80.0), ("critical", 90.0)),
    ),
    Kind(
        "fraction", "fraction", 0.0, 1.0, "above", "p95", ("*_ratio", "*_fraction"),
        ("fraction", "ratio", "normalised_0_1"),
    ),
    Kind(
        "bytes", "byte", 0.0, math.inf, "above", "max",
        (
            *_STORAGE, "*_bytes", "*_bytes_total", "*_byte",
            *(f"*_{name}" for name in _SIZES), "*mem_used*",
        ),
        ("byte", "bytes", "B", "KB", "MB", "GB", "KiB", "MiB", "GiB"), (), (1, 1),
    ),
    Kind(
        "rate", "", 0.0, math.inf, "above", "p95",
        ("*_kbps", "*_mbps", "*_bps", "*_per_sec*", "*_per_s", "*throughput*", "*_rate", "*iops*", "*_bits_*"),
        ("KB/s", "MB/s", "B/s", "byte/s", "bytes/s", "bit/s", "bit", "bps", "1/s"),
    ),
    Kind(
        "count", "count", 0.0, math.inf, "above", "max",
        ("*_count", "*_total", "*connections*", "*load*", "*requests*"), ("count",),
    ),
    Kind("duration_ms", "ms", 0.0, math.inf, "above", "p95", ("*_ms", "*_millis*", "*await*"), ("ms",)),
    Kind("duration_us", "us", 0.0, math.inf, "above", "p95", ("*_us", "*_micros*"), ("us",)),
    Kind("duration", "s", 0.0, math.inf, "above", "p95", ("*latency*", "*duration*", "*_seconds"), ("s",)),
    Kind("gauge"),
)  # fmt: skip


def kind_of(metric: str, unit: str = "", extra: Iterable[Kind] = ()) -> Kind:
    """Return the kind of a metric, in its unit: by pattern on its name, else by its unit, else ``gauge``.

    A unit per second tells more than the name: only patterns of `extra` come before it. Without a unit, a name that
    ends with one of bytes, as ``disk_used_gb`` does, tells it, where no pattern of `extra` knows better.
    """
    kinds = (*extra, *BUILT_IN)
    own, lowered = kinds[: -len(BUILT_IN)], metric.lower()
    # What is told per second is a rate, whatever its name says: counters keep theirs, such as bytes_total.
    told = unit or _SIZES.get(lowered.rpartition("_")[2], "")
    for part, known in ((own, unit), (() if unit.endswith("/s") else BUILT_IN, told)):
        for kind in part:
            if any(fnmatchcase(lowered, pattern) for pattern in kind.patterns):
                return kind.within(known)
    for kind in kinds:
        if unit and (unit in kind.units or (kind.name == "rate" and unit.endswith("/s"))):
            return kind.within(unit)
    return BUILT_IN[-1]


def is_storage(metric: str) -> bool:
    """Tell whether a metric says by its name how full something is that data are kept in."""
    return any(fnmatchcase(metric.lower(), pattern) for pattern in _STORAGE)


def by_name(extra: Iterable[Kind] = ()) -> Mapping[str, Kind]:
    """Return all kinds by name; kinds of the configuration replace built-in ones."""
    return {kind.name: kind for kind in (*BUILT_IN, *extra)}
