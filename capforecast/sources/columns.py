"""What the columns of a source are: which of them hold values (see `roles` for the others), and of what.

Rules
-----
* With a value column the layout is *long*; without one it is *wide* and every column of numbers that
  has no role is a metric. What else there is, is left out and told, but for numbers in `NOT_METRICS`.
* In the layout *hosts* every column of numbers is a host, and all are of one metric.
* A metric of a wide table is the header as `naming.metric_name` cleans it; of sysstat's, see `canonical`.
* A missing host is ``--host`` or the file's name without its endings; a missing metric is ``--metric``,
  or the name of the value column when that says more than "value", or the file's name as `metric_name`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from capforecast.errors import ConfigError, SchemaError, UnknownNameError
from capforecast.sources import ReadOptions
from capforecast.sources.canonical import sysstat_metric
from capforecast.sources.content import shown, stem
from capforecast.sources.naming import ALIASES, NOT_METRICS, metric_name, plain
from capforecast.sources.roles import Column, listed, roles_of

_SYSSTAT = ("CPU", "DEV", "IFACE", "FILESYSTEM", "TTY", "INTR", "FCHOST", "BAT", "BUS")
_NUMBERS = ("number", "measured", "formatted")
"""Kinds of the cells of values; the rows of the last are rejects that say so."""
_NUMBERED = re.compile(r"^(.*?)(\d+)$", re.DOTALL)
LAYOUTS = ("long", "wide", "rows", "hosts")


@dataclass(frozen=True, slots=True)
class Metric:
    """A column of values: its number, its header, and the metric and unit it stands for.

    A column that is one series by itself has a host, and an instance if there are several. One that is measured has
    units in its cells.
    """

    index: int
    header: str
    name: str
    unit: str
    host: str = ""
    instance: str = ""
    measured: bool = False


@dataclass(frozen=True, slots=True)
class Layout:
    """How rows become samples.

    Attributes
    ----------
    kind : str
        "long", "wide", or "rows" (one series per row, one column per step).
    roles : dict
        Role to number of its column; roles without a column are absent.
    metrics : tuple of Metric
        The value columns: one when long, one per metric when wide, one per step for rows.
    host, unit : str
        Used where there is no such column.
    sysstat : bool
        Instance -1 means all.
    left_out : dict
        Number to name of the columns that hold something and are not read, text before numbers.
    """

    kind: str
    roles: dict[str, int]
    metrics: tuple[Metric, ...]
    host: str
    unit: str
    sysstat: bool = False
    left_out: dict[int, str] = field(default_factory=dict)

    @property
    def wanted(self) -> list[int]:
        """Numbers of the columns that are read."""
        return sorted({*self.roles.values(), *(metric.index for metric in self.metrics)})


def recognise(columns: Sequence[Column], options: ReadOptions, location: str, *, header: bool = True) -> Layout:
    """Return the layout of a source with these columns.

    Raises
    ------
    SchemaError
        A needed column is missing, doubled or could be several; the message lists the columns.
    """
    sysstat = tuple(c.name for c in columns[:3]) == ("hostname", "interval", "timestamp")
    roles = roles_of(columns, options, location, header=header)
    if sysstat and len(columns) > 3 and columns[3].name in _SYSSTAT:
        roles.setdefault("instance", 3)
    free = [i for i in range(len(columns)) if i not in roles.values()]
    kind = _kind(roles, columns, free, options, location)
    _require_time(roles, columns, kind, options, location)
    if kind == "long":
        metrics: tuple[Metric, ...] = (_value(roles, columns, options, location, header=header),)
    elif kind == "rows":
        metrics = _steps(roles, columns, options, location)
    elif kind == "hosts":
        kind, metrics = "wide", _hosts(roles, columns, options, location)
    else:
        metrics = _wide(roles, columns, options, location, sysstat=sysstat)
    roles.pop("value", None)
    unit = options.unit or (metrics[0].unit if kind == "long" else "")
    left_out = _left_out(columns, {*roles.values(), *(metric.index for metric in metrics)})
    return Layout(kind, roles, metrics, options.host or stem(location), unit, sysstat, left_out)


def _left_out(columns: Sequence[Column], read: set[int]) -> dict[int, str]:
    rest = [i for i, column in enumerate(columns) if i not in read and column.kind != "empty"]
    told = [i for i in rest if columns[i].kind not in _NUMBERS or plain(columns[i].name) not in NOT_METRICS]
    return {i: columns[i].name for i in sorted(told, key=lambda i: columns[i].kind in _NUMBERS)}


def _kind(
    roles: dict[str, int], columns: Sequence[Column], free: list[int], options: ReadOptions, location: str
) -> str:
    if options.layout is not None:
        if options.layout not in LAYOUTS:
            raise UnknownNameError("layout", options.layout, LAYOUTS)
        if options.layout == "long" and "value" not in roles:
            raise _missing("value", columns, location)
        if options.layout != "long":
            roles.pop("value", None)
        return options.layout
    numbers = [i for i in free if columns[i].kind in _NUMBERS]
    if "value" not in roles and "metric" in roles:
        if len(numbers) != 1:
            other = f", or --map host={columns[roles['metric']].name} if that one names hosts and not metrics"
            raise _missing("value", columns, location, other if len(numbers) > 1 else "")
        roles["value"] = numbers[0]
    if "value" in roles:
        return "long"
    if "ts" not in roles and _numbered([columns[i].name for i in numbers]):
        raise SchemaError(
            "a table must have a time or a value column",
            got=f"{listed(columns)}; each row looks like one series",
            where=shown(location),
            do="Add --layout rows --start TIME --step DURATION to read every row as a series",
        )
    return "wide"


def _numbered(names: list[str]) -> bool:
    """Tell if names only count on: V1, V2, V3."""
    found = [_NUMBERED.match(name) for name in names]
    parts = [(m[1], int(m[2][-9:])) for m in found if m]
    return (
        len(parts) == len(names) >= 3
        and len({prefix for prefix, _ in parts}) == 1
        and all(b[1] == a[1] + 1 for a, b in zip(parts, parts[1:], strict=False))
    )


def _missing(role: str, columns: Sequence[Column], location: str, other: str = "") -> SchemaError:
    return SchemaError(
        f"a {role} column is needed",
        got=listed(columns),
        where=shown(location),
        do=f"Add --map {role}=COLUMN (a name, or a number from 0){other}",
    )


def _require_time(
    roles: dict[str, int], columns: Sequence[Column], kind: str, options: ReadOptions, location: str
) -> None:
    if (options.start_us is None) != (options.step_us is None):
        raise ConfigError("--start and --step must be given together")
    if options.start_us is not None and (kind == "rows" or "ts" not in roles):
        roles.pop("ts", None)
        return
    if kind == "rows" or "ts" not in roles:
        raise SchemaError(
            "a time column is needed" if kind != "rows" else "series in rows need a first time and a step",
            got=listed(columns),
            where=shown(location),
            do="Add --start TIME and --step DURATION for values at a regular step"
            + ("" if kind == "rows" else ", or --map ts=COLUMN,value=COLUMN (names, or numbers from 0)"),
        )


def _value(
    roles: dict[str, int], columns: Sequence[Column], options: ReadOptions, location: str, *, header: bool
) -> Metric:
    index = roles["value"]
    name = columns[index].name
    metric, unit = metric_name(name)
    if not header or plain(name) in ALIASES["value"]:
        metric = metric_name(stem(location))[0]
    return Metric(index, name, options.metric or metric, unit, measured=columns[index].kind == "measured")


def _steps(roles: dict[str, int], columns: Sequence[Column], options: ReadOptions, location: str) -> tuple[Metric, ...]:
    texts = [i for i, c in enumerate(columns) if c.kind == "text" and i not in roles.values()]
    if "host" not in roles and texts:
        roles["host"] = texts.pop(0)
    metric = options.metric or metric_name(stem(location))[0]
    used = {*roles.values(), *texts}
    steps = [i for i in range(len(columns)) if i not in used]
    if not steps or texts:
        raise _missing("host", columns, location)
    return tuple(Metric(i, columns[i].name, metric, options.unit or "") for i in steps)


def _hosts(roles: dict[str, int], columns: Sequence[Column], options: ReadOptions, location: str) -> tuple[Metric, ...]:
    if "host" in roles:
        raise ConfigError("with --layout hosts each column is a host", got=f"--map host={options.mapping['host']}")
    metric = options.metric or metric_name(stem(location))[0]
    found = tuple(
        Metric(i, column.name, metric, options.unit or "", host=column.name, measured=column.kind == "measured")
        for i, column in enumerate(columns)
        if i not in roles.values() and column.kind in (*_NUMBERS, "empty") and column.name
    )
    if all(columns[one.index].kind == "empty" for one in found):
        raise _missing("value", columns, location)
    return found


def _wide(
    roles: dict[str, int], columns: Sequence[Column], options: ReadOptions, location: str, *, sysstat: bool
) -> tuple[Metric, ...]:
    found: dict[str, Metric] = {}
    headers = {column.name for column in columns}
    for i, column in enumerate(columns):
        if i in roles.values() or column.kind not in (*_NUMBERS, "empty") or plain(column.name) in NOT_METRICS:
            continue
        name, unit = sysstat_metric(column.name, headers) if sysstat else metric_name(column.name)
        if name in found:
            raise SchemaError(
                "columns must give different metrics",
                got=f"{found[name].header!r} and {column.name!r}, both {name}",
                where=shown(location),
                do="Rename one of them",
            )
        found[name] = Metric(i, column.name, name, options.unit or unit, measured=column.kind == "measured")
    if not found or all(columns[m.index].kind == "empty" for m in found.values()):
        raise _missing("value", columns, location)
    if options.metric is not None:
        if len(found) > 1:
            raise ConfigError(
                "--metric names one metric",
                got=f"{len(found)} value columns: {', '.join(found)}",
                where=shown(location),
                do="Leave it out, choose one column with --map value=COLUMN, or add --layout hosts if each is a host",
            )
        (only,) = found.values()
        return (replace(only, name=options.metric),)
    return tuple(found.values())
