"""`backtest`: how the forecasts of a run did on their own past, over the whole store."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from capforecast.cli.options import Common, Parsed, common_but_as_of
from capforecast.cli.output import columns, print_json
from capforecast.errors import ConfigError

if TYPE_CHECKING:
    import polars as pl


def _condition(text: str) -> tuple[str, str]:
    column, sign, glob = text.partition("=")
    if not sign or not column.strip():
        raise ConfigError("a condition must be COLUMN=GLOB", got=repr(text), do="Write team=team-web or host=db-*")
    return column.strip(), glob.strip()


@click.command("backtest")
@click.option("--metric", metavar="GLOB", help="Only these metrics, such as disk_*.")
@click.option(
    "--where", metavar="COLUMN=GLOB", multiple=True, type=Parsed("column=glob", _condition),
    help="Only what matches: host, instance, direction, kind, pattern, grade, a label ...; may stand several times.",
)  # fmt: skip
@click.option("--run", "run_id", metavar="RUN_ID", help="A run of the past.  [default: the latest]")
@common_but_as_of("It sums up what a run has tested; choose an older one with --run")
def backtest_command(
    common: Common, metric: str | None, where: tuple[tuple[str, str], ...], run_id: str | None
) -> None:
    """Sum up how a run's forecasts did on their own past.

    Each night every series is forecast again from earlier moments, knowing only what came before
    them, and compared with what came. By metric and distance ahead: series and tests, by how much
    the error was below that of the naive forecast (the season before once more: the day before on
    steps below a day, the week before on daily peaks) for the median and the mean series, the share
    of series where it was, and the share of values inside the 80 % band.

    The weights of the members are chosen at the same moments at which they are tested: what is yet to
    come is met somewhat less well. Series without room for a test are counted, not judged.

    \b
    Examples:
      capforecast backtest
      capforecast backtest --metric 'disk_*' --where team=team-db
      capforecast backtest --json
    """  # noqa: D301
    from capforecast.backtests import summary
    from capforecast.store import scan_published

    tables = scan_published(common.settings().store.path, run_id)
    rows = summary(tables["backtests"], tables["series"], metric=metric, where=dict(where))
    facts = _facts(tables)
    if common.json:
        print_json({**facts, "rows": rows.to_dicts()})
        return
    click.echo(
        f"Run {facts['run_id']}: {facts['tested']} of {facts['series']} series could be tested on their own past."
    )
    click.echo(columns(_lines(rows)))
    common.say("The members' weights were chosen at the same moments: what is to come is met somewhat less well.")
    lost = max(row["without_skill"] for row in rows.iter_rows(named=True) if row["metric"] is None)
    if lost:
        common.say(f"Of {lost} series there is no skill at some distance: the naive forecast made no error.")


def _facts(tables: Any) -> dict[str, Any]:
    """Return the run, its series, and how many of them were tested."""
    run = tables["run"].select("run_id", "series").collect().row(0, named=True)
    tested = tables["backtests"].select("host", "metric", "instance").unique().collect().height
    return {"run_id": run["run_id"], "series": run["series"], "tested": tested}


def _lines(rows: pl.DataFrame) -> list[tuple[str, ...]]:
    """Return the table for people."""
    from capforecast.backtests import ahead

    def share(value: float | None) -> str:
        return "-" if value is None else f"{100 * value:.0f} %"

    lines: list[tuple[str, ...]] = [
        ("metric", "ahead", "series", "tests", "better by, median", "mean", "better in", "80 % band held")
    ]
    # One metric is all there are.
    if rows.get_column("metric").n_unique() == 2:
        rows = rows.filter(rows.get_column("metric").is_not_null())
    for row in rows.iter_rows(named=True):
        shares = (share(row[name]) for name in ("skill_median", "skill_mean", "better_than_naive", "coverage_80"))
        name = "all metrics" if row["metric"] is None else row["metric"]
        lines.append((name, ahead(row["step"], row["horizon"]), str(row["series"]), str(row["origins"]), *shares))
    return lines
