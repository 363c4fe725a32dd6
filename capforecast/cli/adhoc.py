"""The verbs of the moment: forecast and replay."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from capforecast.cli.options import DURATION, MODEL, QUANTILES, STEP, Common, common
from capforecast.cli.output import leave, print_json, progress
from capforecast.cli.source_options import read_options, reading
from capforecast.errors import ConfigError, printable

if TYPE_CHECKING:
    import polars as pl

PUBLISHED, PARTLY = 0, 4
CHARTS = 8


@click.command("forecast")
@click.argument("target", metavar="HOST|FILE")
@click.argument("metric", required=False)
@click.option("--instance", metavar="NAME", help="Only this instance of the host.")
@click.option("--horizon", type=DURATION, metavar="DURATION", help="How far ahead, such as 48h.  [default: 90d]")
@click.option(
    "--step",
    type=STEP,
    metavar="STEP",
    help="FILE: distance of the forecast's steps, 1m to 7d.  [default: 1h]",
)
@click.option("--model", type=MODEL, help="pool, one of its members, or statsforecast:NAME.  [default: pool]")
@click.option("--quantiles", type=QUANTILES, default="0.1,0.5,0.9", show_default=True, help="FILE: which quantiles.")
@click.option("-o", "--output", metavar="OUT", help="FILE: write .parquet, .csv or .jsonl.  [default: CSV on stdout]")
@reading("map", "format", "tz", "delimiter", "encoding")
@common
def forecast_command(common: Common, target: str, metric: str | None, **how: Any) -> None:
    """Forecast a host of the store, or a file.

    A host comes with a chart and a sentence per threshold. A FILE has the columns host, metric, ts and
    value (instance and unit too, if it likes); no store is
    needed. It is meant when --output is given, or when there is a file of that name.

    \b
    Examples:
      capforecast forecast db-02
      capforecast forecast db-02 disk_used_pct --instance /data --horizon 30d
      capforecast forecast samples.parquet --step 1h --horizon 48h --output forecast.parquet
    """  # noqa: D301
    if how["output"] is not None or (metric is None and Path(target).is_file()):
        if metric is not None:
            raise ConfigError("a file must stand alone", got=f"{metric!r} behind it", do="Leave it out")
        _forecast_file(common, target, **how)
    else:
        given = [f"--{key.replace('mapping', 'map')}" for key in ("step", "mapping") if how[key] is not None]
        if given:
            raise ConfigError(f"{given[0]} must go with a file", got=f"{target!r}, which is none")
        _forecast_host(common, target, metric, how["instance"], how["horizon"], how["model"])


def _forecast_file(
    common: Common,
    path: str,
    *,
    instance: str | None,
    horizon: str | None,
    step: str | None,
    model: str | None,
    quantiles: tuple[float, ...],
    output: str | None,
    **how: Any,
) -> None:
    from capforecast.cli.files import check_ending, read_samples
    from capforecast.run import forecast_frame

    if output is not None:
        check_ending(output)
    config = common.settings(run__horizon=horizon, forecast__model=model)
    samples, unread = read_samples(path, read_options(config, **how))
    if instance is not None:
        samples = samples.filter(instance=instance)
    found = forecast_frame(
        samples,
        horizon=config.run.horizon,
        step=step or "1h",
        quantiles=quantiles,
        as_of_us=common.as_of_us,
        model=config.forecast.model,
    )
    _deliver(common, found, output)
    if unread:
        common.say(f"Warning: {printable(path)}: {unread} rows could not be read")
    leave(PARTLY if unread else PUBLISHED)


def _forecast_host(
    common: Common,
    host: str,
    metric: str | None,
    instance: str | None,
    horizon: str | None,
    model: str | None,
) -> None:
    from capforecast.run import adhoc

    config = common.settings(run__horizon=horizon, forecast__model=model)
    tables = adhoc(
        config.store.path,
        config,
        host=host,
        metric=metric,
        instance=instance,
        as_of_us=common.as_of_us,
        now_us=time.time_ns() // 1000,
    )
    if common.json:
        print_json({name: frame.to_dicts() for name, frame in tables.items()})
        return
    rows = tables["series"].sort("metric", "instance").to_dicts()
    for row in rows[:CHARTS]:
        click.echo(_described(tables, row))
    if len(rows) > CHARTS:
        common.say(f"{len(rows) - CHARTS} more series; name a METRIC or --instance to see them")


def _described(tables: dict[str, pl.DataFrame], row: dict[str, Any]) -> str:
    """Return the chart of a series and one sentence per threshold."""
    import shutil

    import polars as pl

    from capforecast import chart

    one = {name: row[name] for name in ("host", "metric", "instance")}
    breaches = tables["breaches"].filter(**one)
    days = tables["forecasts"].filter(**one).sort("day")
    name = " ".join(printable(part) for part in one.values() if part)
    lines = [f"{name}: {row['status']}, grade {row['grade']}"]
    for direction in sorted(set(days["direction"])):
        part = days.filter(direction=direction)
        past, future = part.filter(pl.col("q50").is_null()), part.filter(pl.col("q50").is_not_null())
        levels = breaches.filter(direction=direction)
        picture = chart.terminal(
            past["actual"].to_numpy(),
            future.select("q10", "q50", "q90").to_numpy().T,
            thresholds=dict(zip(levels["threshold_name"], levels["threshold"], strict=True)),
            width=shutil.get_terminal_size((100, 24)).columns,
            start_label=str(part["day"].min()),
            end_label=str(part["day"].max()),
            unit=row["unit"] or "",
        )
        lines.append(picture)
    lines += [f"  {printable(text)}" for text in breaches["reason"] if text is not None]
    return "\n".join(lines) + "\n"


@click.command("replay")
@click.argument("cases", metavar="CASES")
@click.option("--input", "samples_path", metavar="FILE", help="Where the samples are.  [default: the store]")
@click.option("--model", type=MODEL, help="pool, one of its members, or statsforecast:NAME.  [default: pool]")
@click.option("-o", "--output", metavar="OUT", help="Write .parquet, .csv or .jsonl.  [default: CSV on stdout]")
@reading("map", "format", "tz", "delimiter", "encoding")
@common
def replay_command(
    common: Common, cases: str, samples_path: str | None, model: str | None, output: str | None, **how: Any
) -> None:
    """Tell which past crossings would have been foreseen.

    Each case is forecast knowing only what came before its cutoff. CASES is CSV, Parquet or JSON lines
    with case_id, host, metric, threshold, cutoff and horizon_s (and
    direction and sustain_s, if it likes). The same rows come out with p_breach, breach_p10, breach_p50,
    breach_p90 and status.

    \b
    Examples:
      capforecast replay cases.csv --input samples.parquet --output replayed.csv
      capforecast replay cases.parquet --store /var/lib/capforecast
    """  # noqa: D301
    from capforecast.cli.files import check_ending, read_cases, read_samples, stored_samples
    from capforecast.run import replay

    if output is not None:
        check_ending(output)
    config = common.settings(forecast__model=model)
    frame = read_cases(cases)
    unread = 0
    with progress(common) as report:
        report("read", 0, None)
        if samples_path is None:
            samples = stored_samples(config.store.path, frame)
        else:
            samples, unread = read_samples(samples_path, read_options(config, **how))
        found = replay(frame, samples, model=config.forecast.model)
    _deliver(common, found, output)
    if unread:
        common.say(f"Warning: {printable(str(samples_path))}: {unread} rows could not be read")
    leave(PARTLY if unread else PUBLISHED)


def _deliver(common: Common, found: pl.DataFrame, output: str | None) -> None:
    """Write a frame to a file, or to stdout as CSV, or as JSON lines with --json."""
    from capforecast.cli.files import csv_text, write_frame

    if output is not None:
        write_frame(output, found)
        common.detail(f"{output}: {found.height} rows")
    elif common.json:
        click.echo(found.write_ndjson(), nl=False)
    else:
        click.echo(csv_text(found), nl=False)
