"""The verb lint: what looks wrong in a store, or in files before they are taken."""

from __future__ import annotations

import os
import tempfile
import time
from typing import TYPE_CHECKING, Any

import click

from capforecast.cli.lost import tell_left_out
from capforecast.cli.options import Common, common
from capforecast.cli.output import leave, print_json
from capforecast.cli.source_options import read_options, reading
from capforecast.errors import printable

if TYPE_CHECKING:
    from capforecast.config import Config
    from capforecast.lint import Finding

FINE, SUSPECT = 0, 4


@click.command("lint")
@click.argument("sources", metavar="[FILE...]", nargs=-1)
@reading()
@common
def lint_command(common: Common, sources: tuple[str, ...], **how: Any) -> None:
    """Say what looks wrong in the store or in files.

    Units that do not fit, counters taken as levels, caches counted as memory, percents beyond 100, levels above
    their capacity, capacities and thresholds of another magnitude than the levels, thresholds in the wrong order,
    lines of limits.csv and the settings that match no series, series that went flat or changed their step, clocks
    that are ahead, hosts that were renamed. Nothing is changed; of each sort 20 are named. The exit code is 4 when
    anything was found, else 0.

    \b
    Examples:
      capforecast lint
      capforecast lint metrics.csv.gz --json
    """  # noqa: D301
    from capforecast.limits import read
    from capforecast.lint import lint
    from capforecast.store import Store

    config = common.settings()
    now_us = time.time_ns() // 1000
    as_of_us = now_us if common.as_of_us is None else common.as_of_us
    if sources:
        left_out: dict[str, tuple[str, ...]] = {}
        found = _of_files(config, sources, read_options(config, **how), as_of_us, left_out)
        if not common.quiet:
            tell_left_out(left_out)
    else:
        # What stands in the file is what the next run takes; the last one may have taken another.
        limits = read(config.limits.file) if os.path.exists(config.limits.file) else None
        with Store.open(config.store.path) as store:
            found = lint(store, config, as_of_us, limits=limits)
    if common.json:
        print_json({"findings": [one.row() for one in found]})
    elif found or not common.quiet:
        click.echo("\n".join(map(_line, found)) or "nothing looks wrong")
    leave(SUSPECT if found else FINE)


def _of_files(
    config: Config, sources: tuple[str, ...], options: Any, as_of_us: int, left_out: dict[str, tuple[str, ...]]
) -> list[Finding]:
    """Take files into a store of their own for as long as they are looked at; note what columns are left out."""
    from pathlib import Path

    from capforecast.limits import read
    from capforecast.lint import lint
    from capforecast.run import ingest_sources
    from capforecast.store import Store

    with tempfile.TemporaryDirectory(prefix="capforecast-lint-") as folder:
        path = Path(folder) / "store"
        ingest_sources(path, sources, options, config, now_us=as_of_us, tell=left_out.__setitem__)
        with Store.open(path) as store:
            limits = read(config.limits.file, missing_ok=True)
            return lint(store, config, as_of_us, limits=limits, whole=False)


def _line(one: Finding) -> str:
    name = " ".join(printable(part) for part in (one.host, one.metric, one.instance) if part)
    return f"{one.code:<10} {name}: {printable(one.message)}" if name else f"{one.code:<10} {printable(one.message)}"
