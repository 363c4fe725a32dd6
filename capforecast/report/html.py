"""One page that holds everything: facts of the run, the ranked table, a chart per urgent row.

The page asks for nothing: no font, no image, no script from elsewhere. Its policy allows only the
style and the script it carries, by their hashes; every text of the data is escaped on its way in.
"""

from __future__ import annotations

import math
from base64 import b64encode
from collections.abc import Iterable, Iterator, Mapping
from hashlib import sha256
from typing import Any

import jinja2
import polars as pl
from markupsafe import Markup

from capforecast import chart
from capforecast.errors import printable
from capforecast.numbers import NOTHING, date_range, number, probability
from capforecast.report import RenderOptions, Tables
from capforecast.schema import DAYS_BUCKETS, SEVERITIES, STATUSES

CHARTS = 150
ROWS = 5_000
HISTORY_DAYS = 120
SERIES = ("host", "metric", "instance", "direction")
CHANGES = ("new", "worse", "better", "cleared")
COUNTED = (
    ("Days to the breach, by its median date", "days_bucket", DAYS_BUCKETS),
    ("Status", "status", STATUSES),
    ("Against the previous run", "change_class", CHANGES),
)


def render(tables: Tables, options: RenderOptions) -> bytes:
    """Return the run as a self-contained page: rows in the order of the table, charts for the first ones.

    The page lists at most `ROWS` rows and draws at most `CHARTS` of them, and says so. Of tables that lie
    in files no more is read than the page shows.
    """
    breaches, runs = tables["breaches"].lazy(), tables["run"].lazy().collect()
    listed = breaches.head(ROWS if options.top is None else min(options.top, ROWS)).collect()
    counted = {column: breaches.group_by(column).len().collect() for _, column, _ in COUNTED}
    rows = int(counted["status"]["len"].sum())
    run = runs.row(0, named=True) if runs.height else {}
    style, script = _asset("page.css"), _asset("page.js")
    page = _PAGES.get_template("page.html").render(
        as_of=_moment(run.get("as_of")),
        facts=list(_facts(run)),
        warnings=list(_warnings(run)),
        counts=[{"title": title, "counts": _counts(counted[column], words)} for title, column, words in COUNTED],
        caption=_caption(rows, listed.height),
        rows=_rows(listed, breaches, tables["forecasts"].lazy()),
        style=style,
        style_hash=_hash(style),
        script=script,
        script_hash=_hash(script),
    )
    return page.encode()


def _shown(value: Any) -> Any:
    """Return text with control characters as escapes; everything but our own markup passes here."""
    if isinstance(value, Markup) or not isinstance(value, str):
        return value
    return printable(value).replace("\n", "\\n")


_PAGES = jinja2.Environment(
    loader=jinja2.PackageLoader("capforecast.report"),
    autoescape=True,
    finalize=_shown,
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def _asset(name: str) -> Markup:
    """Return one of our own files as it is."""
    assert _PAGES.loader is not None
    return Markup(_PAGES.loader.get_source(_PAGES, name)[0])  # noqa: S704 - our file, no data in it


def _hash(text: str) -> str:
    return "sha256-" + b64encode(sha256(text.encode()).digest()).decode()


def _moment(value: Any) -> str:
    return f"{value:%Y-%m-%d %H:%M} UTC" if value is not None else ""


def _facts(run: Mapping[str, Any]) -> Iterator[str]:
    if not run:
        yield "The table of the run is empty."
        return
    series, forecast = run["series"] or 0, run["series_forecast"] or 0
    newest = _moment(run["data_watermark"]) or "none"
    yield f"Newest data: {newest}. {series} series, {forecast} with a forecast."
    # Runs of early versions have no record.
    if run.get("record"):
        yield run["record"]
    source = f"as_of from {run['as_of_source']}, model {run['model']}, capforecast {run['tool_version']}"
    yield f"Run {run['run_id']}, {source}."


def _warnings(run: Mapping[str, Any]) -> Iterator[str]:
    for column, words in (
        ("sources_failed", "configured sources could not be read"),
        ("rows_quarantined", "rows were rejected and are kept in quarantine"),
        ("errors", "series could not be forecast because of an error"),
        ("without_threshold", "series have no threshold, so they cannot breach"),
    ):
        if run.get(column):
            yield f"{run[column]} {words}."


def _counts(counted: pl.DataFrame, words: Iterable[str]) -> list[tuple[str, int]]:
    """Return how often each word is there, in the order of the words."""
    found = dict(counted.iter_rows())
    return [(word, found.get(word, 0)) for word in words]


def _caption(rows: int, listed: int) -> str:
    drawn = min(listed, CHARTS)
    which = f"All {rows} rows" if listed == rows else f"The first {listed} of {rows} rows"
    charts = "each with a chart" if drawn == listed else f"the first {drawn} with a chart"
    return f"{which}, most urgent first, {charts}; the table breaches holds every column."


def _rows(listed: pl.DataFrame, breaches: pl.LazyFrame, forecasts: pl.LazyFrame) -> Iterator[dict[str, Any]]:
    """Yield what the page shows of each row, formatted but not yet escaped."""
    drawn = listed.head(CHARTS).select(SERIES).unique()
    days = _by_series(_of(drawn, forecasts).sort("day"))
    limits = _by_series(_of(drawn, breaches.select(*SERIES, "threshold_name", "threshold")))
    for rank, row in enumerate(listed.iter_rows(named=True), start=1):
        key = tuple(row[column] for column in SERIES)
        yield {
            "rank": rank,
            "severity": row["severity"] if row["severity"] in SEVERITIES else "none",
            "severity_rank": row["severity_rank"] or len(SEVERITIES),
            "status": "" if row["status"] == "will_breach" else row["status"],
            **{name: row[name] or "" for name in ("host", "metric", "instance")},
            "numbers": _numbers(row),
            "breach": date_range(row["breach_date_p10"], row["breach_date_p90"]),
            "start_by": str(row["start_by_date"] or NOTHING),
            "grade": row["grade"] or NOTHING,
            "reason": row["reason"] or row["status"] or NOTHING,
            "facts": _details(row),
            "chart": _chart(row, days[key], limits[key]) if rank <= CHARTS and key in days else "",
        }


def _of(drawn: pl.DataFrame, rows: pl.LazyFrame) -> pl.DataFrame:
    """Return the rows of the series that are drawn; by their hosts a reader of files leaves most of them out."""
    near = rows.filter(pl.col("host").is_in(drawn["host"].unique().to_list()))
    return near.collect().join(drawn, on=SERIES, how="semi", maintain_order="left")


def _by_series(frame: pl.DataFrame) -> dict[tuple[Any, ...], pl.DataFrame]:
    return frame.partition_by(SERIES, as_dict=True, maintain_order=True)


def _numbers(row: Mapping[str, Any]) -> list[tuple[float | None, str, str]]:
    """Return value, text and note of the numeric cells."""
    unit = row["unit"] or ""
    cells = [
        (row[column], number(row[column], unit), note)
        for column, note in (("threshold", row["threshold_name"]), ("current", ""), ("headroom", ""))
    ]
    return [*cells, (row["p_breach_30d"], probability(row["p_breach_30d"]), "")]


def _details(row: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return what lies behind a row: names and texts of what is known."""
    unit = row["unit"] or ""
    growth = row["growth_per_day"]
    facts = (
        ("Grade", ", ".join(filter(None, [row["grade"], *(row["grade_reasons"] or "").split(";")]))),
        ("Model", row["model"]),
        ("Growth", None if growth is None else f"{number(growth, unit)} per day"),
        ("Median date", row["breach_date_p50"]),
        ("Capacity", None if row["capacity"] is None else number(row["capacity"], unit)),
        ("To add for 90 days", number(row["add_needed_90d"], unit) if row["add_needed_90d"] else None),
        ("Change", row["change_class"]),
        ("Owner", ", ".join(filter(None, (row[label] for label in ("service", "team", "env", "site"))))),
        ("Threshold from", row["threshold_source"]),
    )
    return [(name, str(text)) for name, text in facts if text]


def _chart(row: Mapping[str, Any], days: pl.DataFrame, limits: pl.DataFrame) -> Markup:
    """Return the chart of a row's series with all thresholds that apply to it."""
    measured = days.height - days["actual"].null_count()
    shown = days.slice(max(measured - HISTORY_DAYS, 0))
    actual, q10, q50, q90 = (
        shown[name].cast(pl.Float64).fill_null(math.nan).to_numpy() for name in ("actual", "q10", "q50", "q90")
    )
    drawing = chart.svg(
        shown["day"].to_numpy().astype("datetime64[D]"),
        actual,
        q10,
        q50,
        q90,
        {
            name or "threshold": level
            for name, level in limits.select("threshold_name", "threshold").iter_rows()
            if level is not None
        },
        title=f"{row['host']} {row['metric']} {row['instance']}: history, forecast and thresholds",
        unit=row["unit"] or "",
    )
    return Markup(drawing)  # noqa: S704 - chart.svg escapes the texts it is given
