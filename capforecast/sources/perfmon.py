r"""What the performance counters of Windows are called where ``relog``, ``typeperf`` or ``esxtop -b`` write them.

The first header is ``(PDH-CSV 4.0) (W. Europe Standard Time)(-60)``, whose number says how many minutes UTC is
ahead; the others are ``\\HOST\Object(instance)\Counter``. A time zone that is asked for goes before the number,
which knows nothing of clock changes while the counters were recorded.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from capforecast.errors import SchemaError
from capforecast.sources import ReadOptions
from capforecast.sources.canonical import METRICS
from capforecast.sources.columns import Layout, Metric
from capforecast.sources.content import shown, stem
from capforecast.sources.moments import Clock, check_zone
from capforecast.sources.naming import metric_name
from capforecast.sources.roles import Column

_FIRST = re.compile(r"\(PDH-[CT]SV \d\.\d\)(?: \(.*\)\((-?\d{1,4})\))?$")
_COUNTER = re.compile(r"\\\\([^\\]+)\\([^\\(]+)(?:\((.*)\))?\\([^\\]+)")
_FORMAT = "%m/%d/%Y %H:%M:%S%.f"
_MINUTE_US = 60_000_000


def begins_perfmon(header: str) -> bool:
    """Tell whether a table whose first header this is holds performance counters."""
    return _FIRST.match(header) is not None


def counters(columns: Sequence[Column], options: ReadOptions, location: str) -> Layout:
    """Return the layout of a table whose first column is the time and whose others are counters.

    Raises
    ------
    SchemaError
        Two columns are one series.
    """
    found: dict[tuple[str, str, str], Metric] = {}
    left_out = {}
    for i, column in enumerate(columns[1:], 1):
        if column.kind not in ("number", "empty", "formatted"):
            left_out[i] = column.name
            continue
        # Processor and Processor Information say the same of their sums; the second keeps its own name.
        for one in _named(i, column.name):
            if found.setdefault((one.host, one.name, one.instance), one) is one:
                break
        else:
            raise SchemaError(
                "columns must give different series", got=f"{column.name!r} twice", where=shown(location),
                do="Leave one of them out",
            )  # fmt: skip
    return Layout("wide", {"ts": 0}, tuple(found.values()), options.host or stem(location), "", left_out=left_out)


def _named(index: int, header: str) -> Iterator[Metric]:
    """Yield what a counter can be called, the names that are common to all programs first."""
    found = _COUNTER.fullmatch(header)
    if found is None:
        yield Metric(index, header, *metric_name(header))
        return
    host, owner, instance, name = found.groups(default="")
    if (known := METRICS.get(f"{owner}\\{name}")) is not None:
        yield Metric(index, header, *known, host=host, instance=instance)
    metric, unit = metric_name(name)
    yield Metric(index, header, f"{metric_name(owner)[0]}_{metric}", unit, host=host, instance=instance)


def clock(header: str, options: ReadOptions) -> Clock:
    """Return how the times of a table are read whose first header this is.

    Raises
    ------
    ConfigError
        The time zone is not known.
    """
    check_zone(options.timezone)
    found = _FIRST.match(header)
    ahead = int(found[1]) if found is not None and found[1] is not None and options.timezone == "UTC" else 0
    form = options.time_format or _FORMAT
    return Clock("format", timezone=options.timezone, format=form, ahead_us=ahead * _MINUTE_US)
