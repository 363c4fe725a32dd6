"""`forecast HOST`: a chart and a sentence per threshold, or the page of the report."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import polars as pl

from capforecast import __version__, chart, raster
from capforecast.cli.files import write_bytes
from capforecast.cli.options import Common
from capforecast.cli.output import print_json, terminal_width
from capforecast.cli.pictures import write_pictures
from capforecast.config import Config
from capforecast.errors import DataError, printable
from capforecast.inquiry import adhoc
from capforecast.phrases import wrapped
from capforecast.picture import pictures
from capforecast.registry import load
from capforecast.report import RenderOptions
from capforecast.schema import RUN, SCHEMA_VERSION
from capforecast.tables import conform
from capforecast.times import format_moment

CHARTS = 8


@dataclass(frozen=True, slots=True)
class Instead:
    """Files to write instead of printing: the page of the report, pictures."""

    html: str | None = None
    png: str | None = None
    svg: str | None = None


def forecast_host(
    common: Common,
    host: str,
    metric: str | None,
    instance: str | None,
    horizon: str | None,
    model: str | None,
    instead: Instead,
) -> None:
    """Forecast the series of a host and print them, or write them as a page or as pictures.

    Raises
    ------
    DataError
        The host has no samples before the moment.
    ConfigError
        A PNG is asked for without the extra capforecast[png].
    """
    if instead.png is not None:
        raster.require()
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
    if tables["series"].is_empty():
        raise DataError(
            f"the store must hold samples of {host!r} before the moment of the forecast",
            got="none" if common.as_of_us is None else f"none before {format_moment(common.as_of_us)}",
            do="Choose a later --as-of",
        )
    if instead.svg is not None or instead.png is not None:
        write_pictures(common, pictures(tables), instead.png, instead.svg)
    if instead.html is not None:
        tables = {**tables, "run": _run_row(tables, config, "clock" if common.as_of_us is None else "option")}
        page: bytes = load("report", "html")(tables, RenderOptions())
        write_bytes(Path(instead.html), page)
        common.say(f"{instead.html}: {len(page)} bytes")
    if common.json:
        print_json({name: frame.to_dicts() for name, frame in tables.items()})
    elif instead == Instead():
        _print(common, tables)


def _print(common: Common, tables: Mapping[str, pl.DataFrame]) -> None:
    rows = tables["series"].sort("metric", "instance").to_dicts()
    for row in rows[:CHARTS]:
        click.echo("\n".join(_described(tables, row)) + "\n")
    if len(rows) > CHARTS:
        common.say(f"{len(rows) - CHARTS} more series; name a METRIC or --instance to see them")


def _described(tables: Mapping[str, pl.DataFrame], row: dict[str, Any]) -> Iterator[str]:
    """Yield the name, the charts of a series and one sentence per threshold."""
    one = {name: row[name] for name in ("host", "metric", "instance")}
    breaches = tables["breaches"].filter(**one)
    days = tables["forecasts"].filter(**one)
    name = " ".join(printable(part) for part in one.values() if part)
    yield f"{name}: {row['status']}, grade {row['grade']}"
    for direction in sorted(set(days["direction"])):
        levels = breaches.filter(direction=direction)
        thresholds = dict(zip(levels["threshold_name"], levels["threshold"], strict=True))
        yield picture(days.filter(direction=direction), thresholds, row["unit"] or "")
    for text in breaches["reason"]:
        if text is not None:
            yield from wrapped(printable(text), terminal_width())


def picture(days: pl.DataFrame, thresholds: Mapping[str, float], unit: str) -> str:
    """Return the chart of rows of the table ``forecasts`` of one direction: each column is as many days."""
    grid = days.select(pl.date_range(pl.col("day").min(), pl.col("day").max(), "1d"))
    whole = grid.join(days.select("day", "actual", "q10", "q50", "q90"), on="day", how="left", maintain_order="left")
    # Without a forecast all of it is past.
    past = [*whole.get_column("q50").is_not_null(), True].index(True)
    return chart.terminal(
        whole.get_column("actual")[:past].to_numpy(),
        whole.select("q10", "q50", "q90")[past:].to_numpy().T,
        thresholds=thresholds,
        width=terminal_width(),
        start_label=str(whole.item(0, "day")),
        end_label=str(whole.item(-1, "day")),
        unit=unit,
    )


def _run_row(tables: Mapping[str, pl.DataFrame], config: Config, source: str) -> pl.DataFrame:
    """Return what the page says of a forecast that is no run: nothing was ingested or published."""
    series = tables["series"]
    row = series.select("run_date", "run_id", "as_of").head(1).with_columns(
        as_of_source=pl.lit(source),
        tool_version=pl.lit(__version__),
        schema_version=pl.lit(SCHEMA_VERSION),
        config_hash=pl.lit(config.sha256()),
        series=pl.lit(series.height),
        series_forecast=pl.lit(series.filter(pl.col("status").is_in(["ok", "constant"])).height),
        breach_rows=pl.lit(tables["breaches"].height),
        without_threshold=pl.lit(series.filter(pl.col("thresholds") == 0).height),
        errors=pl.lit(series.filter(pl.col("status") == "error").height),
        stale=pl.lit(series.filter(pl.col("status") == "stale").height),
        data_watermark=pl.lit(series.get_column("last_ts").max()),
        model=pl.lit(config.forecast.model),
    )  # fmt: skip
    return conform(row, RUN)
