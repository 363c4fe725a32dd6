"""The verbs of every night: demo, init, ingest, run."""

from __future__ import annotations

import os
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from capforecast.cli.lost import tell_conflicts, tell_left_out, tell_lost
from capforecast.cli.options import MODEL, RUN_HORIZON, Common, Names, common, common_but_as_of, given
from capforecast.cli.output import columns, leave, print_json, progress
from capforecast.cli.source_options import read_options, reading
from capforecast.errors import ConfigError, printable
from capforecast.schema import SEVERITIES

if TYPE_CHECKING:
    from capforecast.run import RunResult

PUBLISHED, FAILED, MET, PARTLY = 0, 1, 3, 4
FILES = ("capforecast.toml", "limits.csv")


@click.command("demo")
@click.argument("directory", metavar="[DIR]", required=False)
@click.option("--days", type=click.IntRange(2, 3650), default=100, show_default=True, help="Days of history.")
@click.option("--seed", type=click.IntRange(0), default=7, show_default=True, help="Seed of the simulation.")
@common
def demo_command(common: Common, directory: str | None, days: int, seed: int) -> None:
    """Try it: simulate a fleet, forecast it, show the report.

    All of it happens in DIR, which must be new or empty; by default in a temporary directory.

    \b
    Examples:
      capforecast demo
      capforecast demo /tmp/try --days 60
    """  # noqa: D301
    import tempfile

    from capforecast import simulate
    from capforecast.cli.files import make_folder, write_bytes, write_frame
    from capforecast.cli.templates import settings_text
    from capforecast.config import load
    from capforecast.run import nightly
    from capforecast.store import Store

    if given(click.get_current_context(), "config"):
        raise ConfigError("a demonstration must have settings of its own", got="--config", do="Leave it out")
    folder = Path(directory) if directory else Path(tempfile.mkdtemp(prefix="capforecast-demo-"))
    make_folder(folder)
    if os.listdir(folder):
        raise ConfigError("the directory of a demonstration must be new or empty", where=str(folder))
    with progress(common) as report:
        report("simulate", 0, None)
        made = simulate.fleet(days=days, seed=seed)
        write_frame(str(folder / "samples.parquet"), made.samples)
        write_bytes(folder / "limits.csv", made.limits.encode())
        settings = settings_text('location = "samples.parquet"', _absolute(common.store))
        write_bytes(folder / "capforecast.toml", settings.encode())
        # The environment is left out: a demonstration never touches the store of every day.
        store = common.store or str(folder / "capforecast-store")
        config = load(folder / "capforecast.toml", {"store.path": store}, environ={})
        moment = simulate.END_US if common.as_of_us is None else common.as_of_us
        when: dict[str, Any] = {"as_of_us": moment, "now_us": simulate.END_US, "progress": report}
        Store.create(config.store.path, created_us=simulate.END_US).close()
        result = nightly(config.store.path, config, **when)
    _show_run(common, config.store.path, result, extra={"directory": folder.resolve()}, table=True)
    leave(_exit_code(result, None))


@click.command("init")
@click.argument("directory", metavar="[DIR]", default=".")
@click.option("-f", "--force", is_flag=True, help="Replace files that are there.")
@click.option(
    "--from", "origin", type=(Names(["prometheus"]), str), metavar="KIND URL",
    help="Ask a server what it has: prometheus http://HOST:9090.  [default: none is asked]",
)  # fmt: skip
@click.option(
    "--user", metavar="NAME", help="Name at that server, for a password.  [default: none, a secret is a token]"
)
@click.option("--secret-env", metavar="NAME", help="Variable that holds its password or token.  [default: none]")
@click.option("--secret-file", metavar="FILE", help="File that holds it, mode 0600.  [default: none]")
@click.option("--ca-file", metavar="FILE", help="Authorities to trust.  [default: the system's]")
@common_but_as_of("It asks for what is there now")
def init_command(
    common: Common, directory: str, force: bool, origin: tuple[str, str] | None, **shown: str | None
) -> None:
    """Write a commented capforecast.toml and limits.csv.

    They go into DIR, by default here. With --from, they name what a Prometheus has of node_exporter's
    metrics, and the sizes of memory, file systems and links as capacities. With --store, they name that store.

    \b
    Examples:
      capforecast init
      capforecast init /etc/capforecast --force
      capforecast init --from prometheus http://metrics.example:9090
    """  # noqa: D301
    from capforecast.cli.discovery import found_at
    from capforecast.cli.files import make_folder, write_bytes
    from capforecast.cli.templates import limits_text, settings_text

    folder = Path(directory)
    there = [name for name in FILES if os.path.lexists(folder / name)]
    if there and not force:
        raise ConfigError(
            "init must not replace files",
            got=" and ".join(there),
            where=str(folder.absolute()),
            do="Add --force to replace them",
        )
    source, known = found_at(origin[1], shown, _now_us()) if origin is not None else (None, "")
    make_folder(folder)
    for name, text in zip(FILES, (settings_text(source, _absolute(common.store)), limits_text(known)), strict=True):
        write_bytes(folder / name, text.encode())
    paths = [folder / name for name in FILES]
    if common.json:
        print_json({"written": paths})
    elif not common.quiet:
        click.echo("\n".join(str(path) for path in paths))


def _absolute(store: str | None) -> str | None:
    """Return an option as a file elsewhere can name it."""
    return None if store is None else str(Path(store).absolute())


@click.command("ingest")
@click.argument("sources", metavar="SOURCE...", nargs=-1, required=True)
@reading()
@click.option(
    "--wait",
    type=click.FloatRange(0),
    default=0.0,
    metavar="SECONDS",
    show_default=True,
    help="Wait for another run this long, such as 600.",
)
@common
def ingest_command(common: Common, sources: tuple[str, ...], wait: float, **how: Any) -> None:
    """Take samples into the store, which is made if missing.

    A SOURCE is a file, a directory, objects of a bucket (s3://BUCKET/PATH) or - for standard input: CSV, TSV,
    JSON lines and Parquet, long or wide, and what Telegraf, InfluxDB, Prometheus, OpenTelemetry, Graphite,
    CloudWatch, sysstat, Windows' performance counters, collectd and Zabbix write, plain or compressed (gzip,
    zstd); or the location of a server that is in capforecast.toml, as it stands there. Rows that cannot be taken
    are kept in quarantine with a reason. A source that cannot be read is named and the others are taken. After
    either the exit code is 4. Columns that are left out are named.

    \b
    Examples:
      capforecast ingest metrics.csv.gz
      capforecast ingest vm.csv --map host=vm,ts=time,value=cpu --metric cpu_util_pct --unit percent
      capforecast ingest 's3://exports/vm/**.parquet'
      zcat export.gz | capforecast ingest - --format jsonl
    """  # noqa: D301
    from capforecast.cli.intake import take

    config = common.settings()
    options = read_options(config, **how)
    with progress(common) as report:
        taken = take(
            config, sources, options, as_of_us=common.as_of_us, now_us=_now_us(), wait_seconds=wait, progress=report
        )
    if taken.stopped is not None and not taken.counts:
        raise taken.stopped
    if common.json:
        left_out = {"columns_left_out": taken.left_out}
        print_json({"store": config.store.path, "sources": taken.counts, "failed_sources": taken.failed, **left_out})
    elif not common.quiet:
        for count in taken.counts:
            words = ", ".join(f"{count[key]} {key}" for key in ("accepted", "duplicate", "quarantined"))
            rows = f"{count['rows_in']} row{'s' * (count['rows_in'] != 1)} in"
            click.echo(f"{printable(str(count['source']))}: {rows}: {words}")
    if not common.quiet:
        for warning in dict.fromkeys(warning for count in taken.counts for warning in count["warnings"]):
            click.echo(f"Note: {printable(warning)}", err=True)
        tell_left_out(taken.left_out)
        tell_conflicts(taken.counts)
    word = "Warning" if taken.counts else "Error"
    tell_lost(config.store.path, taken.rejected, taken.failed, word)
    if taken.stopped is not None:
        raise taken.stopped
    if not taken.counts:
        leave(FAILED)
    leave(PARTLY if taken.failed or any(count["quarantined"] for count in taken.counts) else PUBLISHED)


@click.command("run")
@click.option("--model", type=MODEL, help="pool, one of its members, or statsforecast:NAME.  [default: pool]")
@click.option("--horizon", type=RUN_HORIZON, metavar="DAYS", help="How far ahead, such as 30d.  [default: 90d]")
@click.option("--threads", type=click.IntRange(1), metavar="N", help="Threads.  [default: usable processors]")
@click.option(
    "--fail-on",
    type=Names([name for name in SEVERITIES if name != "none"]),
    metavar="SEVERITY",
    help="Exit with 3 when a row is that urgent or more: critical, high, medium or low.  [default: never]",
)
@click.option("--refit", is_flag=True, help="Fit every series anew, also those whose last forecast still holds.")
@click.option(
    "--wait",
    type=click.FloatRange(0),
    default=0.0,
    metavar="SECONDS",
    show_default=True,
    help="Wait for another run this long, such as 600.",
)
@common
def run_command(
    common: Common,
    model: str | None,
    horizon: str | None,
    threads: int | None,
    fail_on: str | None,
    refit: bool,
    wait: float,
) -> None:
    """Do the nightly job: ingest, forecast, publish.

    It ingests the configured sources, forecasts every series and publishes the tables. The report lies
    in STORE/reports/latest. A series that cannot be forecast is a row that says so.

    \b
    Examples:
      capforecast run
      capforecast run --store /var/lib/capforecast --fail-on critical --wait 600
      capforecast run --as-of 2026-01-31T02:00:00Z --json
    """  # noqa: D301
    from capforecast.run import nightly
    from capforecast.store import Store

    config = common.settings(run__horizon=horizon, run__threads=threads, forecast__model=model)
    if config.sources and not Store.exists(config.store.path):
        Store.open_or_create(config.store.path, created_us=_now_us(), wait_seconds=wait).close()
    with progress(common) as report:
        result = nightly(
            config.store.path, config,
            as_of_us=common.as_of_us, now_us=_now_us(), wait_seconds=wait, progress=report,
            refit=refit,
        )  # fmt: skip
    _show_run(common, config.store.path, result)
    leave(_exit_code(result, fail_on))


def _now_us() -> int:
    return time.time_ns() // 1000


def _exit_code(result: RunResult, fail_on: str | None) -> int:
    """Return 3 when what was asked to be watched has come, else 4 when something was left out, else 0."""
    if fail_on is not None and result.most_urgent <= SEVERITIES.index(fail_on) + 1:
        return MET
    return PARTLY if result.rows_quarantined or result.sources_failed else PUBLISHED


def _show_run(
    common: Common, store: str, result: RunResult, extra: dict[str, object] | None = None, table: bool = False
) -> None:
    (facts,) = result.tables["run"].to_dicts()
    base = Path(store).absolute()
    published = {name: str(base / path) for name, path in result.published.paths.items()}
    for message in result.messages:
        # A night without any samples is none on which all is well: it is told also with --quiet.
        tell = partial(click.echo, err=True) if message == result.silent else common.say
        tell(f"Warning: {printable(message)}")
    stages = ", ".join(f"{stage} {seconds:.1f}" for stage, seconds in result.seconds.items())
    common.detail(f"Seconds, summed over threads: {stages}")
    tell_lost(store, result.rejected, result.sources_failed)
    if common.json:
        seconds = {"seconds": {stage: round(value, 3) for stage, value in result.seconds.items()}}
        print_json({**(extra or {}), **facts, "published": published, "messages": result.messages,
                    "failed_sources": result.sources_failed,
                    "quarantined_reasons": result.rejected.reasons, **(seconds if common.verbose else {})})  # fmt: skip
        return
    if common.quiet:
        return
    if table:
        from capforecast.cli.view import ranked

        click.echo(ranked(common, result.tables, top=20), nl=False)
    click.echo(
        f"Run {facts['run_id']} as of {facts['as_of']:%Y-%m-%d %H:%M} UTC: {facts['series']} series\n"
        f"  {facts['breached']} row{'s' * (facts['breached'] != 1)} breached, {facts['will_breach']} will breach, "
        f"{facts['errors']} errors, {facts['stale']} stale"
    )
    click.echo(columns(sorted(published.items()), indent=2))
