"""`backtest`: how the forecasts of a run did on their own past, over the whole store."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from capforecast.cli.options import Common, common_but_as_of
from capforecast.cli.output import aligned, folded, print_json, terminal_width
from capforecast.errors import printable

if TYPE_CHECKING:
    import polars as pl


@click.command("backtest")
@click.option("--metric", metavar="GLOB", help="Only these metrics, such as disk_*.  [default: all]")
@click.option(
    "--where", metavar="CONDITION", multiple=True,
    help="Only tests for which it holds, such as \"team = 'db' and grade in (A, B)\" or host=db-*; may stand several "
    "times.",
)  # fmt: skip
@click.option("--run", "run_id", metavar="RUN_ID", help="A run of the past.  [default: the latest]")
@common_but_as_of("It sums up what a run has tested; choose an older one with --run")
def backtest_command(common: Common, metric: str | None, where: tuple[str, ...], run_id: str | None) -> None:
    """Sum up how a run's forecasts did on their own past.

    Each night every series is forecast again from earlier moments, knowing only what came before
    them, and compared with what came. By metric and distance ahead: series and tests, by how much
    the error was below that of the naive forecast (the season before once more: the day before on
    steps below a day, the week before on daily peaks) for the median and the mean series, the share
    of series where it was, and the share of values inside the 80 % band.

    The weights of the members are chosen at the same moments at which they are tested: what is yet to
    come is met somewhat less well. Series without room for a test are counted, not judged.

    A CONDITION is as in capforecast report; it may ask for columns of the tests (host, metric, instance,
    direction, step, horizon) and of their series (unit, kind, statistic, pattern, status, grade, labels).

    \b
    Examples:
      capforecast backtest
      capforecast backtest --metric 'disk_*' --where "team = 'team-db' and grade = A"
      capforecast backtest --json
    """  # noqa: D301
    from capforecast.backtests import summary
    from capforecast.store import scan_published

    tables = scan_published(common.settings().store.path, run_id)
    rows = summary(tables["backtests"], tables["series"], metric=metric, where=where)
    facts = _facts(tables)
    if common.json:
        print_json({**facts, "rows": rows.to_dicts()})
        return
    tested = f"{facts['tested']} of {facts['series']} series could be tested on their past"
    click.echo(folded(f"Run {facts['run_id']}: {tested}."))
    click.echo("\n".join(aligned(_lines(rows), terminal_width(), flexible=("metric",), left=("ahead",))))
    words = [
        "Better: by how much the error is below that of the naive forecast. Band: values in the 80 % band.",
        "The members' weights were chosen at the same moments: what is to come is met somewhat less well.",
    ]
    lost = max(row["without_skill"] for row in rows.iter_rows(named=True) if row["metric"] is None)
    if lost:
        words.append(f"Of {lost} series there is no skill at some distance: the naive forecast made no error.")
    common.say("\n".join(map(folded, words)))


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

    lines: list[tuple[str, ...]] = [("metric", "ahead", "series", "tests", "better by", "mean", "better in", "band")]
    # One metric is all there are.
    if rows.get_column("metric").n_unique() == 2:
        rows = rows.filter(rows.get_column("metric").is_not_null())
    for row in rows.iter_rows(named=True):
        shares = (share(row[name]) for name in ("skill_median", "skill_mean", "better_than_naive", "coverage_80"))
        name = "all metrics" if row["metric"] is None else printable(row["metric"])
        lines.append((name, ahead(row["step"], row["horizon"]), str(row["series"]), str(row["origins"]), *shares))
    return lines
