"""`explain HOST METRIC`: why, from what, how sure, and what would change it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from capforecast.cli.options import MODEL, RUN_HORIZON, Common, common
from capforecast.cli.output import print_json
from capforecast.cli.pictures import pictured

if TYPE_CHECKING:
    from capforecast.explanation import Explanation

LISTED = 8
WIDEST = 120
"""Sentences get no wider than this, however wide the terminal."""


@click.command("explain")
@click.argument("host")
@click.argument("metric", required=False)
@click.option("--instance", metavar="NAME", help="Only this instance of the host.")
@click.option("--threshold", metavar="NAME", help="Only this threshold, such as critical.")
@click.option("--horizon", type=RUN_HORIZON, metavar="DURATION", help="How far ahead, in days.  [default: 90d]")
@click.option("--model", type=MODEL, help="pool, one of its members, or statsforecast:NAME.  [default: pool]")
@pictured("Draw the series instead,")
@common
def explain_command(
    common: Common,
    host: str,
    metric: str | None,
    instance: str | None,
    threshold: str | None,
    horizon: str | None,
    model: str | None,
    png: str | None,
    svg: str | None,
) -> None:
    """Explain why a threshold will be crossed, or why not.

    Of several series of a HOST the most urgent one is explained, and the others are named. For each
    threshold there is a sentence, its chance and dates, what the rise consists of, the evidence, the
    grade in words, and what growth or capacity would change the date.

    The rise leads from the level at which the looked-back days began (at most 120 of them, the level of the
    trend without seasons) over the peak of the last day to where the median meets the threshold on its
    date, or to the highest median peak where no crossing is foreseen. It is split exactly into trend, dated
    level shifts, daily, weekly and month-end seasons and the rest, so far and to come; the rest is what is
    left over, and makes all parts sum to the rise. Shares are whole percents of it, rounded by largest
    remainders so that they sum to 100; amounts are rounded for reading, --json has all digits.

    \b
    Examples:
      capforecast explain db-02 disk_used_bytes
      capforecast explain db-02 disk_used_bytes --instance /data --threshold critical
      capforecast explain db-02 --json
      capforecast explain db-02 --png db-02.png
    """  # noqa: D301
    import time

    from capforecast import raster
    from capforecast.cli.pictures import write_pictures
    from capforecast.explain import explain
    from capforecast.picture import picture

    if png is not None:
        raster.require()
    config = common.settings(run__horizon=horizon, forecast__model=model)
    found = explain(
        config.store.path,
        config,
        {"host": host, "metric": metric, "instance": instance},
        threshold=threshold,
        as_of_us=common.as_of_us,
        now_us=time.time_ns() // 1000,
    )
    if common.json:
        print_json([one.to_dict() for one in found])
        return
    first = [one for one in found if one.series == found[0].series]
    if png is not None or svg is not None:
        same = [one for one in first if one.row["direction"] == first[0].row["direction"]]
        write_pictures(common, [picture(same[0].days, [one.row for one in same])], png, svg)
        return
    click.echo("\n\n".join(_told(one, place) for place, one in enumerate(first)))
    _name_others(common, found[len(first) :])


def _told(one: Explanation, place: int) -> str:
    """Return the heading, the chart with the first threshold of a direction, and the text."""
    import shutil

    from capforecast.cli.host import picture
    from capforecast.narrative import heading

    width = shutil.get_terminal_size((100, 24)).columns
    chart = [picture(one.days, one.thresholds, one.row["unit"] or "")] if place == 0 and one.days.height else []
    return "\n".join([heading(one.row), *chart, one.text(min(width, WIDEST), brief=place > 0)])


def _name_others(common: Common, others: list[Explanation]) -> None:
    """Name the series that are not explained, on stderr."""
    from capforecast.narrative import heading

    rows = {one.series: one.row for one in reversed(others)}
    if rows:
        common.say(f"\n{len(rows)} more series; name a METRIC or --instance to have them explained:")
        for row in list(rows.values())[::-1][:LISTED]:
            common.say(f"  {heading(row)}")
