"""The command line: declarations only; what a command needs is imported when it runs."""

from __future__ import annotations

import click

from capforecast import __version__
from capforecast.cli.group import LazyGroup

COMMANDS = {
    "demo": "capforecast.cli.nightly",
    "init": "capforecast.cli.nightly",
    "ingest": "capforecast.cli.nightly",
    "run": "capforecast.cli.nightly",
    "forecast": "capforecast.cli.adhoc",
    "explain": "capforecast.cli.explain",
    "backtest": "capforecast.cli.backtest",
    "replay": "capforecast.cli.adhoc",
    "report": "capforecast.cli.view",
    "status": "capforecast.cli.view",
    "schema": "capforecast.cli.view",
    "lint": "capforecast.cli.lint",
    "doctor": "capforecast.cli.view",
    "warmup": "capforecast.cli.warmup",
}


@click.group(
    cls=LazyGroup, commands_in=COMMANDS, context_settings={"help_option_names": ["-h", "--help"]}, epilog=
    "Exit codes: 0 published, 1 failed, 2 usage or settings, 3 --fail-on was met, 4 published but rows "
    "were quarantined or a source failed, 75 busy, 130 and 143 interrupted."
)  # fmt: skip
@click.version_option(__version__, "-V", "--version", prog_name="capforecast", message="%(prog)s %(version)s")
def main() -> None:
    """Which host runs out of what, when, how sure that is, why, and by when to order.

    \b
    Examples:
      capforecast demo                       try it on a simulated fleet
      capforecast init                       write capforecast.toml and limits.csv
      capforecast ingest metrics.csv.gz      take samples in
      capforecast run                        forecast all series and publish the report
      capforecast report --format html --output report.html
    """  # noqa: D301 - click's \b keeps the lines as they are
