"""The verbs that look: report, status, schema, doctor."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from capforecast.cli.options import Common, Names, common_but_as_of, given
from capforecast.cli.output import columns, folded, leave, print_json, terminal_width
from capforecast.errors import CapforecastError, ConfigError, LockedError
from capforecast.registry import load, names
from capforecast.schema import SCHEMA_VERSION, TABLES, table

if TYPE_CHECKING:
    import polars as pl

BINARY = ("parquet", "xlsx")
ANY_TABLE = ("csv", "jsonl", "parquet", "xlsx")
ENDINGS = {f".{name}": name for name in (*ANY_TABLE, "html", "md")} | {".txt": "table"}
BUSY = LockedError.exit_code


@click.command("report")
@click.option(
    "--format",
    "report_format",
    type=Names(names("report")),
    help="Rendering.  [default: that of the ending of --output, else table]",
)
@click.option("-o", "--output", metavar="FILE", help="Write there, such as to breaches.csv.  [default: stdout]")
@click.option("--top", type=click.IntRange(1), metavar="N", help="Only the N most urgent rows.  [default: all]")
@click.option(
    "--where", metavar="CONDITION", multiple=True,
    help="Only rows for which it holds, such as \"team = 'db' and p_breach_30d >= 0.5\" or host=db-*; may stand "
    "several times.",
)  # fmt: skip
@click.option(
    "--changed-only", is_flag=True, help="Only rows that are new, worse, better or cleared since the run before."
)
@click.option(
    "--table",
    "name",
    type=Names(list(TABLES)),
    default="breaches",
    show_default=True,
    help="For csv, jsonl, parquet and xlsx.",
)
@click.option("--run", "run_id", metavar="RUN_ID", help="A run of the past.  [default: the latest]")
@common_but_as_of("A report renders what was published; choose an older run with --run")
def report_command(
    common: Common,
    report_format: str | None,
    output: str | None,
    top: int | None,
    where: tuple[str, ...],
    changed_only: bool,
    name: str,
    run_id: str | None,
) -> None:
    """Render a published run again.

    One row per series and threshold, the most urgent first. In the table for the terminal a status in
    brackets stands for no severity, and worse -12 d for a median date that came 12 days nearer since the
    row was last new, worse or better.

    A CONDITION compares columns of the table (capforecast schema names them) with values: = != < <= > >=,
    in (..), like 'db-%', glob db-*, is null, joined by and, or, not and brackets. Rows without a value
    pass no test of it but is null.

    \b
    Examples:
      capforecast report --top 20
      capforecast report --where "team = 'db' and start_by_date <= 2026-07-01"
      capforecast report --changed-only --json
      capforecast report --output report.html
      capforecast report --format csv --table forecasts > forecasts.csv
    """  # noqa: D301
    from capforecast.cli.files import write_bytes
    from capforecast.report import RenderOptions
    from capforecast.store import scan_published

    report_format = _format(common, report_format, output)
    if report_format in BINARY and output is None and sys.stdout.isatty():
        raise ConfigError(f"{report_format} must go to a file", do="Add --output FILE, or pipe it")
    if report_format not in ANY_TABLE and given(click.get_current_context(), "name"):
        raise ConfigError("--table must go with a format for any table", got=report_format, do=f"Take {_listed()}")
    if changed_only and name != "breaches":
        raise ConfigError("--changed-only must go with the table breaches", got=name)
    tables = scan_published(common.settings().store.path, run_id)
    tables, only = _chosen(tables, name, where, changed_only)
    options = RenderOptions(
        top=top, width=terminal_width(), colour=common.color and output is None, table=name, only=only
    )
    content: bytes = load("report", report_format)(tables, options)
    if output is None:
        click.echo(content, nl=False)
    else:
        write_bytes(Path(output), content)
        common.say(f"{output}: {len(content)} bytes")


def _chosen(
    tables: Mapping[str, pl.LazyFrame], name: str, where: Sequence[str], changed_only: bool
) -> tuple[Mapping[str, pl.LazyFrame], str]:
    """Return the tables with the rows of one that are asked for, and which these are in words."""
    from capforecast.conditions import changed, parse

    conditions = [parse(condition, table(name)) for condition in where]
    words = [f"where {condition}" for condition in where]
    if changed_only:
        conditions.append(changed())
        words.append("changed since the run before")
    return ({**tables, name: tables[name].filter(conditions)}, ", ".join(words)) if conditions else (tables, "")


def _format(common: Common, wanted: str | None, output: str | None) -> str:
    """Return the rendering that is asked for, by its name, by --json or by the ending of the output."""
    if common.json:
        if wanted not in (None, "jsonl"):
            raise ConfigError("--json must not go with another format", got=wanted, do="Leave one of them out")
        return "jsonl"
    if wanted is not None or output is None:
        return wanted or "table"
    ending = Path(output).suffix.lower()
    if ending not in ENDINGS:
        raise ConfigError(f"the output must end in one of {', '.join(ENDINGS)}, or --format be given", got=repr(output))
    return ENDINGS[ending]


def _listed() -> str:
    return f"{', '.join(ANY_TABLE[:-1])} or {ANY_TABLE[-1]}"


def ranked(common: Common, tables: Mapping[str, pl.DataFrame], top: int | None = None) -> str:
    """Return the ranked table for the terminal."""
    from capforecast.report import RenderOptions

    options = RenderOptions(top=top, width=terminal_width(), colour=common.color)
    text: bytes = load("report", "table")(tables, options)
    return text.decode()


@click.command("schema")
@click.argument("name", metavar="[TABLE]", required=False)
@common_but_as_of("The tables are the same at any time")
def schema_command(common: Common, name: str | None) -> None:
    """Print the published tables, column by column.

    \b
    Examples:
      capforecast schema
      capforecast schema breaches --json
    """  # noqa: D301
    chosen = [table(name)] if name is not None else list(TABLES.values())
    if common.json:
        content = {
            one.name: {
                "meaning": one.meaning,
                "key": one.key,
                "columns": [
                    {
                        "name": c.name,
                        "type": c.type,
                        "unit": c.unit,
                        "meaning": c.meaning,
                        "computed": c.computed,
                    }
                    for c in one.columns
                ],
            }
            for one in chosen
        }
        print_json({"schema_version": SCHEMA_VERSION, "tables": content})
        return
    for one in chosen:
        click.echo(folded(f"{one.name}: {one.meaning}") + "\n" + folded(f"  key: {', '.join(one.key)}", 7))
        lines = [
            (
                c.name,
                c.type,
                c.unit or "-",
                c.meaning + ("" if c.computed else " (not computed yet: always NULL)"),
            )
            for c in one.columns
        ]
        click.echo(columns(lines, indent=2, fold=True) + "\n")


@click.command("status")
@common_but_as_of("It tells what the store holds now")
def status_command(common: Common) -> None:
    """Say what the store holds and how past predictions did.

    Predictions are judged when their horizon has passed; `capforecast schema record` says what each number means.

    \b
    Examples:
      capforecast status
      capforecast status --json
    """  # noqa: D301
    from capforecast.cli.record import record_lines, record_of
    from capforecast.marks import Marks
    from capforecast.store import Store
    from capforecast.times import format_moment

    config = common.settings()
    with Store.open(config.store.path) as store:
        series, ledger, runs = store.series(), store.ledger(), store.runs()
        watermark_us = store.watermark_us()
    facts: dict[str, Any] = {
        "store": config.store.path,
        "series": series.height,
        "series_renamed": series.height - Marks.of(series, config).current(series).height,
        "watermark": None if watermark_us is None else format_moment(watermark_us),
        "ingests": ledger.height,
        "rows_in": int(ledger["rows_in"].sum()),
        "rows_accepted": int(ledger["accepted"].sum()),
        "rows_duplicate": int(ledger["duplicate"].sum()),
        "rows_quarantined": int(ledger["quarantined"].sum()),
        "runs": runs.height,
        "last_run": runs.select("run_id", "run_date", "as_of", "run_at", "path").row(-1, named=True)
        if runs.height
        else None,
    }
    record = record_of(config.store.path) if runs.height else None
    if common.json:
        print_json({**facts, "record": record})
        return
    last, renamed = facts.pop("last_run"), facts.pop("series_renamed")
    if renamed:
        facts["series"] = f"{series.height}, of which {renamed} went on under a new name and are told under that"
    told = "none" if last is None else f"{last['run_id']}, as of {last['as_of']:%Y-%m-%d %H:%M} UTC"
    lines = [*facts.items(), ("last run", told)]
    click.echo(columns((str(key).replace("_", " "), value) for key, value in lines))
    if record is not None:
        click.echo("\n" + "\n".join(record_lines(record, terminal_width())))


@click.command("doctor")
@click.option("--repair", is_flag=True, help="First make damaged rollups and tables of the latest run again.")
@common_but_as_of("It checks what is there now")
def doctor_command(common: Common, repair: bool) -> None:
    """Check the environment and the store: every file against its hash.

    Damaged rollups are computed anew from samples with --repair, and what was damaged is kept in
    STORE/damaged. The exit code is 1 when something is wrong, and 75 when all is well but the store is in use.

    \b
    Examples:
      capforecast doctor
      capforecast doctor --store /var/lib/capforecast --json
      capforecast doctor --repair
    """  # noqa: D301
    from capforecast.cli.checks import checks

    try:
        path: str | None = common.settings().store.path
        found = []
    except CapforecastError as error:
        path, found = common.store, [("settings", "WRONG", str(error))]
    found += checks(path, repair=repair)
    states = {state for _, state, _ in found}
    if common.json:
        rows = [
            {"check": check, "ok": state == "ok", "state": state, "detail": detail} for check, state, detail in found
        ]
        print_json({"checks": rows})
    elif not (common.quiet and states == {"ok"}):
        click.echo(columns((state, check, detail) for check, state, detail in found))
    leave(1 if "WRONG" in states else BUSY if "busy" in states else 0)
