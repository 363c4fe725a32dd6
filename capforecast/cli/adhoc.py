"""The verbs of the moment: forecast and replay."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from capforecast.cli.options import (
    CASE_MAPPING,
    DURATION,
    DURATION_US,
    DURATIONS_US,
    MODEL,
    QUANTILES,
    STEP,
    Common,
    common,
    common_but_as_of,
    given,
)
from capforecast.cli.output import leave, progress
from capforecast.cli.pictures import pictured
from capforecast.cli.source_options import read_options, reading
from capforecast.errors import ConfigError, printable

if TYPE_CHECKING:
    import polars as pl

    from capforecast.rejected import Rejected

PUBLISHED, PARTLY = 0, 4
FOR_FILES = (
    "step", "quantiles", "output", "mapping", "source_format", "tz", "epoch", "time_format", "decimal", "delimiter",
    "encoding", "header", "layout",
)  # fmt: skip
FOR_HOSTS = ("html", "png", "svg")
DATA_ENDINGS = (
    ".csv", ".tsv", ".tab", ".psv", ".txt", ".dat", ".jsonl", ".ndjson", ".json", ".parquet", ".pq", ".gz", ".zst"
)  # fmt: skip


@click.command("forecast")
@click.argument("target", metavar="HOST|FILE")
@click.argument("metric", required=False)
@click.option("--instance", metavar="NAME", help="Only this instance of the host, such as /var.  [default: all]")
@click.option(
    "--horizon", type=DURATION, metavar="DURATION", help="How far ahead, such as 48h; for a HOST days.  [default: 90d]"
)
@click.option("--model", type=MODEL, help="pool, one of its members, or statsforecast:NAME.  [default: pool]")
@click.option(
    "--html", metavar="OUT", help="HOST: write the page of the report for it instead of a chart, such as to db-02.html."
)
@pictured("HOST: draw each series instead, into OUT, OUT-2 ..., most urgent first,")
@click.option(
    "--step",
    type=STEP,
    metavar="STEP",
    help="FILE: distance of the forecast's steps, 1m to 7d.  [default: 1h]",
)
@click.option("--quantiles", type=QUANTILES, default="0.1,0.5,0.9", show_default=True, help="FILE: which quantiles.")
@click.option("-o", "--output", metavar="OUT", help="FILE: write .parquet, .csv or .jsonl.  [default: CSV on stdout]")
@reading("map", "format", "tz", "epoch", "time_format", "decimal", "delimiter", "encoding", "header", "layout")
@common
def forecast_command(
    common: Common, target: str, metric: str | None, html: str | None, png: str | None, svg: str | None, **how: Any
) -> None:
    """Forecast a host of the store, or a file.

    A HOST comes with a chart and a sentence per threshold. A FILE (- is standard input) has the columns
    host, metric, ts and value (instance and unit too, if it likes); no store is needed. A file is meant
    when there is one of that name, or when the name ends like one (.csv, .parquet, .gz ...).

    \b
    Examples:
      capforecast forecast db-02
      capforecast forecast db-02 disk_used_pct --instance /data --horizon 30d
      capforecast forecast db-02 disk_used_pct --png db-02.png
      capforecast forecast samples.parquet --step 1h --horizon 48h --output forecast.parquet
    """  # noqa: D301
    context = click.get_current_context()
    for_files, for_hosts = given(context, *FOR_FILES), given(context, *FOR_HOSTS)
    if _is_file(target, metric, bool(for_files)):
        if metric is not None:
            raise ConfigError("a file must stand alone", got=f"{metric!r} behind it", do="Leave it out")
        if for_hosts:
            raise ConfigError(f"{for_hosts[0]} must go with a host", got=f"the file {target!r}")
        _forecast_file(common, target, **how)
        return
    if for_files:
        raise ConfigError(f"{for_files[0]} must go with a file", got=f"{target!r}, which is none")
    from capforecast.cli.host import Instead, forecast_host

    instead = Instead(html=html, png=png, svg=svg)
    forecast_host(common, target, metric, how["instance"], how["horizon"], how["model"], instead)


def _is_file(target: str, metric: str | None, for_files: bool) -> bool:
    """Tell whether a file is meant: it is there, or its name or an option for files with it says so."""
    path = Path(target)
    looks = target == "-" or target.lower().endswith(DATA_ENDINGS)
    if metric is not None:
        return looks and (for_files or target == "-" or path.is_file())
    return looks or path.is_file() or (for_files and (path.is_dir() or os.sep in target))


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
    from capforecast.cli.lost import tell_left_out
    from capforecast.run import forecast_frame
    from capforecast.settings import check_steps

    if output is not None:
        check_ending(output)
    config = common.settings(forecast__model=model)
    horizon, step = horizon or config.run.horizon, step or "1h"
    check_steps(horizon, step)
    left_out: dict[str, tuple[str, ...]] = {}
    samples, unread = read_samples(path, read_options(config, **how), config, left_out.__setitem__)
    if not common.quiet:
        tell_left_out(left_out)
    if instance is not None:
        samples = samples.filter(instance=instance)
    found = forecast_frame(
        samples,
        horizon=horizon,
        step=step,
        quantiles=quantiles,
        as_of_us=common.as_of_us,
        model=config.forecast.model,
        kinds=config.metric_kinds,
    )
    _deliver(common, found, output)
    _leave_after(path, unread)


_CASE_MAP = click.option(
    "--map", "mapping", type=CASE_MAPPING, metavar="COLUMN=NAME,...",
    help="What columns are called in the cases, the samples or both: host=vm,cutoff=at.  [default: recognised]",
)  # fmt: skip


FOR_CASES = ("learning", "samples_path", "mapping", "source_format", "tz", "delimiter", "encoding")
FOR_NIGHTS = ("since", "every", "horizon", "most", "warn_at")


@click.command("replay")
@click.argument("cases", metavar="[CASES]", required=False)
@click.option("--input", "samples_path", metavar="FILE", help="CASES: where the samples are.  [default: the store]")
@click.option("--since", type=DURATION_US, default="60d", show_default=True, help="Store: how far back nights go.")
@click.option("--every", type=DURATION_US, default="7d", show_default=True, help="Store: from one night to the next.")
@click.option(
    "--horizon", type=DURATIONS_US, default="7d,30d", show_default=True, help="Store: how far ahead, in whole days."
)
@click.option("--most", type=click.IntRange(1), default=10_000, show_default=True, help="Store: cases at most.")
@click.option(
    "--warn-at",
    type=click.FloatRange(0, 1, min_open=True),
    default=0.5,
    show_default=True,
    help="Store: probability from which on a case counts as a warning.",
)
@click.option("--model", type=MODEL, help="pool, one of its members, or statsforecast:NAME.  [default: pool]")
@click.option(
    "--learning/--no-learning",
    default=None,
    help="CASES: learn from past windows of all series that had ended before a cutoff, or take the paths alone."
    "  [default: learning]",
)
@click.option(
    "-o",
    "--output",
    metavar="OUT",
    help="Write all cases to .parquet, .csv or .jsonl.  [default: those of CASES as CSV on stdout]",
)
@_CASE_MAP
@reading("format", "tz", "delimiter", "encoding")
@common_but_as_of("Each case has a cutoff of its own, the column cutoff")
def replay_command(
    common: Common, cases: str | None, model: str | None, output: str | None, samples_path: str | None, **how: Any
) -> None:
    """Tell which past crossings would have been foreseen.

    Each case is forecast knowing only what came before its cutoff. CASES is CSV, Parquet or JSON lines
    with case_id, host (or series_id), metric, threshold, cutoff and horizon_s (and instance, direction
    and sustain_s, if it likes). The same rows come out with p_breach, breach_p10, breach_p50, breach_p90
    and status.

    Without CASES the store is asked about its own past: would it have warned me? Its thresholds are
    forecast as of past nights and laid beside what came: crossings warned of, missed, false warnings,
    lead time, Brier score and AUC by horizon and metric, and the cases that were most wrong. Their
    probabilities are those of the paths alone, before a run corrects them by what it learned.

    \b
    Examples:
      capforecast replay
      capforecast replay --since 120d --every 1d --horizon 7d,30d,90d --output cases.parquet
      capforecast replay cases.csv --input samples.parquet --output replayed.csv
      capforecast replay cases.parquet --store /var/lib/capforecast
    """  # noqa: D301
    context = click.get_current_context()
    for_cases, for_nights = given(context, *FOR_CASES), given(context, *FOR_NIGHTS)
    *asking, warn_at = [how.pop(name) for name in FOR_NIGHTS]
    if cases is not None:
        if for_nights:
            raise ConfigError(f"{for_nights[0]} must go without CASES", got=repr(cases), do="Leave one of them out")
        _replay_cases(common, cases, samples_path, model, output, for_cases, **how)
        return
    if for_cases:
        raise ConfigError(f"{for_cases[0]} must go with CASES", got="none")
    from capforecast.cli.lookback import look_back_at_store
    from capforecast.questions import Asking

    look_back_at_store(common, model, Asking(*asking), warn_at, output)


def _replay_cases(
    common: Common,
    cases: str,
    samples_path: str | None,
    model: str | None,
    output: str | None,
    for_cases: list[str],
    *,
    mapping: dict[str, str] | None,
    learning: bool | None,
    **how: Any,
) -> None:
    from capforecast.cli.cases import read_cases, samples_for
    from capforecast.cli.files import check_ending, stored_samples
    from capforecast.run import replay

    if output is not None:
        check_ending(output)
    reading_options = [name for name in for_cases if name not in ("--input", "--map", "--learning")]
    if samples_path is None and reading_options:
        raise ConfigError(f"{reading_options[0]} must go with --input", got="none")
    config = common.settings(forecast__model=model, run__learning=learning)
    frame, renamed, warning = read_cases(cases, mapping or {}, alone=samples_path is None)
    if warning is not None:
        common.say(f"Warning: {printable(warning)}")
    unread = None
    with progress(common) as report:
        report("read", 0, None)
        if samples_path is None:
            samples = stored_samples(config.store.path, frame)
        else:
            options = read_options(config, mapping=mapping, **how)
            samples, unread = samples_for(samples_path, options, renamed, config)
        model, learns = config.forecast.model, config.run.learning
        found = replay(frame, samples, model=model, kinds=config.metric_kinds, learning=learns)
    _deliver(common, found.rename(renamed), output)
    _leave_after(str(samples_path), unread)


def _leave_after(path: str, unread: Rejected | None) -> None:
    """End the command; say, also with --quiet, why the exit code is 4."""
    if unread is None or not unread.rows:
        leave(PUBLISHED)
    rows = f"{unread.rows} row{'s' * (unread.rows > 1)}"
    click.echo(f"Warning: {printable(path)}: {rows} could not be read ({printable(str(unread))})", err=True)
    leave(PARTLY)


def _deliver(common: Common, found: pl.DataFrame, output: str | None) -> None:
    """Write a frame to a file, or to stdout as CSV, or as JSON lines with --json."""
    from capforecast.cli.files import csv_text, jsonl_text, write_frame
    from capforecast.phrases import count

    if output is not None:
        write_frame(output, found)
        common.say(f"{output}: {count(found.height, 'row')}")
    elif common.json:
        click.echo(jsonl_text(found), nl=False)
    else:
        click.echo(csv_text(found), nl=False)
