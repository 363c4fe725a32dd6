"""The options that say how a source is read, and what they make."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from capforecast.cli.options import DURATION_US, MAPPING, MOMENT_US, Names, decorated
from capforecast.registry import names

if TYPE_CHECKING:
    from capforecast.config import Config
    from capforecast.sources import ReadOptions

_OPTIONS: dict[str, Callable[..., Any]] = {
    "map": click.option(
        "--map",
        "mapping",
        type=MAPPING,
        metavar="COLUMN=NAME,...",
        help="Where host, metric, instance, unit, ts and value stand, such as host=vm,ts=time: a name, or a number "
        "without header.  [default: recognised]",
    ),
    "format": click.option(
        "--format", "source_format", type=Names(names("source")), help="Format.  [default: recognised]"
    ),
    "tz": click.option(
        "--tz",
        "--timezone",
        metavar="ZONE",
        help="Zone of times that carry none, such as Europe/Berlin.  [default: UTC]",
    ),
    "host": click.option(
        "--host", metavar="NAME", help="Host of all rows, such as db-02.  [default: a column says it]"
    ),
    "metric": click.option(
        "--metric", metavar="NAME", help="Metric of all rows, such as cpu_util_pct.  [default: a column says it]"
    ),
    "unit": click.option(
        "--unit",
        metavar="NAME",
        help="Unit of all rows, such as byte.  [default: that of a column, else of the metric's kind]",
    ),
    "epoch": click.option(
        "--epoch", type=Names(["s", "ms", "us", "ns"]), help="Unit of whole-number times.  [default: by their size]"
    ),
    "time_format": click.option(
        "--time-format", metavar="FORMAT", help="How times are written, such as %d/%m/%Y %H:%M.  [default: recognised]"
    ),
    "decimal": click.option(
        "--decimal",
        type=Names(["point", "comma"]),
        help="How numbers are written: 1,234.5 or 1.234,5.  [default: 1234.5]",
    ),
    "delimiter": click.option(
        "--delimiter", metavar="CHAR", help="Delimiter of text, such as ';'.  [default: recognised]"
    ),
    "encoding": click.option(
        "--encoding", metavar="NAME", help="Encoding of text, such as latin-1.  [default: recognised]"
    ),
    "header": click.option(
        "--header/--no-header", default=None, help="Does the first line name the columns?  [default: recognised]"
    ),
    "layout": click.option(
        "--layout",
        type=Names(["long", "wide", "rows", "hosts"]),
        help="One sample a row, one column a metric, one series a row, or one column a host.  [default: recognised]",
    ),
    "start": click.option(
        "--start",
        "start_us",
        type=MOMENT_US,
        metavar="TS",
        help="Time of the first row, such as 2026-01-31T00:00Z.  [default: rows have times]",
    ),
    "step": click.option(
        "--step",
        "step_us",
        type=DURATION_US,
        metavar="STEP",
        help="Distance of rows without times, such as 5m.  [default: rows have times]",
    ),
}


def reading(*wanted: str) -> Callable[[Callable[..., Any]], Any]:
    """Give a command some of the options that say how a source is read; without names: all of them."""
    return lambda callback: decorated(callback, [_OPTIONS[name] for name in wanted or _OPTIONS])


def read_options(
    config: Config | None = None,
    *,
    mapping: dict[str, str] | None = None,
    source_format: str | None = None,
    tz: str | None = None,
    **rest: Any,
) -> ReadOptions:
    """Return what options and settings say together."""
    from capforecast.settings import timezone_name
    from capforecast.sources import ReadOptions

    default = config.ingest.timezone if config is not None else "UTC"
    return ReadOptions(
        mapping=mapping or {},
        format=source_format,
        timezone=timezone_name(tz) if tz is not None else default,
        **{key: value for key, value in rest.items() if value is not None},
    )
