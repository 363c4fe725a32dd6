"""One page that holds everything: the fleet at a glance, the ranked table, a chart per series.

The page asks for nothing: no font, no image, no script from elsewhere. Its policy allows only the
style and the script it carries, by their hashes; every text of the data is escaped on its way in.
The first rows and charts stand in the page as they are; all listed rows and the curves behind them
are in it once more in packed form, which its script finds, sorts and draws from.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator, Mapping
from datetime import date
from hashlib import sha256
from typing import Any

import jinja2
import polars as pl
from markupsafe import Markup

from capforecast import chart
from capforecast.compact import SERIES, STRIDE, Curves, curves, fine_series, packed_curves, packed_rows
from capforecast.details import FACTS, ITEM_COLUMNS, ROW_COLUMNS, facts, prepared, slipped
from capforecast.errors import printable
from capforecast.numbers import NOTHING, date_range, number, probability
from capforecast.overview import (
    GROUPS,
    PERIODS,
    RECORD,
    SOON,
    counted,
    grouped,
    joined,
    record_lines,
    reliability,
    totalled,
)
from capforecast.report import RenderOptions, Tables
from capforecast.schema import CHANGES, DAYS_BUCKETS, SEVERITIES, STATUSES, TABLES
from capforecast.schema_polars import types_of

ROWS = 30_000
"""Most rows that are listed."""
WRITTEN_ROWS, WRITTEN_CHARTS = 300, 60
"""Rows that can be read without the script; the first ones with a chart and all that is known."""
FEW_CHARTS = 300
"""Of a fleet with more rows than are listed, the first series alone are drawn: reading the others takes minutes."""
COUNTED = (
    ("Days to the breach, by its median date", "days_bucket", DAYS_BUCKETS),
    ("Changed since the run before", "change_class", CHANGES),
    ("Status", "status", STATUSES),
)


def render(tables: Tables, options: RenderOptions) -> bytes:
    """Return the run as a self-contained page: rows in the order of the table, each with a chart and its details.

    The page lists at most `ROWS` rows, and says so where there are more. Of tables that lie in files no more
    is read than the page shows; all tables but ``breaches``, ``forecasts`` and ``run`` may be missing.
    """
    found = {name: tables[name].lazy() if name in tables else _nothing(name) for name in TABLES}
    breaches, runs, record = found["breaches"], found["run"].collect(), found["record"].collect()
    run = runs.row(0, named=True) if runs.height else {}
    counts = [(title, column, counted(breaches, column, words)) for title, column, words in COUNTED]
    total = int(breaches.select(pl.len()).collect().item())
    listed = breaches.head(ROWS if options.top is None else min(options.top, ROWS)).collect()
    rows = prepared(listed, found["series"], found["outcomes"], found["backtests"])
    items, rows = _items(rows)
    known = items.select(SERIES).unique(maintain_order=True)
    series = known if total <= ROWS else known.head(FEW_CHARTS)
    today = run["run_date"] if run else listed.item(0, "run_date") if listed.height else date(1970, 1, 1)
    drawn = curves(series, found["forecasts"], today)
    style, script = _asset("page.css"), Markup("").join(_asset(f"{name}.js") for name in ("unpack", "chart", "page"))
    page = _PAGES.get_template("page.html").render(
        as_of=_moment(run.get("as_of")),
        facts=[*_facts(run), *([f"Only rows {options.only}."] if options.only else [])],
        warnings=list(_warnings(run)),
        counts=counts,
        compared=any(rows for _, rows, _ in counts[1][2]) or _is_compared(breaches),
        groups=grouped(breaches),
        # Of some rows only there is no total.
        totals={} if options.only else totalled(found["totals"]),
        most_groups=GROUPS,
        soon=SOON,
        record_heads=[head for head, _, _ in RECORD],
        record=record_lines(record),
        periods=PERIODS,
        reliability=reliability(record),
        caption=_caption(total, rows.height, series.height, known.height),
        rows=_written(rows.head(WRITTEN_ROWS), breaches, drawn, series, today),
        written=min(rows.height, WRITTEN_ROWS),
        listed=rows.height,
        detailed=min(rows.height, WRITTEN_CHARTS),
        packed_rows=_packed_rows(rows, items, series, today),
        packed_curves=packed_curves(drawn, (series.get_column("direction") == "below").to_numpy()),
        coarse=(STRIDE, fine_series(drawn)) if series.height > fine_series(drawn) else None,
        style=style,
        style_hash=_hash(style),
        script=script,
        script_hash=_hash(script),
        joined=joined,
        range=date_range,
    )
    return page.encode()


def _nothing(name: str) -> pl.LazyFrame:
    """Return a table that is not there, without rows."""
    return pl.LazyFrame(schema=types_of(TABLES[name]))


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


def _is_compared(breaches: pl.LazyFrame) -> bool:
    """Return whether changes were told against a run before."""
    return bool(breaches.select(pl.col("change_class").is_not_null().any()).collect().item())


def _caption(total: int, listed: int, drawn: int, series: int) -> str:
    which = f"All {total} rows" if listed == total else f"The first {listed} of {total} rows"
    charts = "each with a chart" if drawn == series else f"charts of the first {drawn} series"
    return f"{which}, most urgent first, {charts}; the table breaches holds every column."


def _items(rows: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return what the thresholds of a series share, once, and the rows with the place of theirs as `item`."""
    items = rows.select(ITEM_COLUMNS).unique(maintain_order=True).with_row_index("item")
    return items, rows.join(items, on=ITEM_COLUMNS, how="left", nulls_equal=True, maintain_order="left")


def _packed_rows(rows: pl.DataFrame, items: pl.DataFrame, series: pl.DataFrame, today: date) -> str:
    curve = items.join(series.with_row_index("curve"), on=SERIES, how="left", nulls_equal=True, maintain_order="left")
    about = {"today": str(today), "facts": FACTS, "severities": SEVERITIES}
    frames = {"rows": rows.select("item", *ROW_COLUMNS), "items": curve.select(*ITEM_COLUMNS, "curve")}
    return packed_rows(frames, about, today)


def _written(
    rows: pl.DataFrame, breaches: pl.LazyFrame, drawn: Curves, series: pl.DataFrame, today: date
) -> Iterator[dict[str, Any]]:
    """Yield what the page shows of each row, formatted but not yet escaped."""
    places = {key: place for place, key in enumerate(series.iter_rows())}
    near = rows.head(WRITTEN_CHARTS).select(SERIES).unique()
    hosts = breaches.filter(pl.col("host").is_in(near.get_column("host").unique().implode()))
    limits = hosts.select(*SERIES, "threshold_name", "threshold").collect().partition_by(SERIES, as_dict=True)
    for rank, row in enumerate(rows.iter_rows(named=True), start=1):
        key = tuple(row[column] for column in SERIES)
        drawing = rank <= WRITTEN_CHARTS and key in places
        yield {
            "rank": rank,
            "severity": row["severity"] if row["severity"] in SEVERITIES else "none",
            "status": "" if row["status"] == "will_breach" else (row["status"] or "").replace("_", " "),
            **{name: row[name] or "" for name in ("host", "metric", "instance")},
            **_cells(row),
            "breach": date_range(row["breach_date_p10"], row["breach_date_p90"]),
            "change": slipped(row),
            "start_by": str(row["start_by_date"] or NOTHING),
            "grade": row["grade"] or NOTHING,
            "reason": row["reason"] or row["status"] or NOTHING,
            "facts": facts(row) if rank <= WRITTEN_CHARTS else [],
            "chart": _chart(row, drawn, places[key], limits[key], today) if drawing else "",
        }


def _cells(row: Mapping[str, Any]) -> dict[str, str]:
    """Return the texts of the numeric cells."""
    unit = row["unit"] or ""
    return {
        "threshold": number(row["threshold"], unit),
        "threshold_name": row["threshold_name"] or "",
        "now": number(row["current"], unit),
        "left": _left(row["headroom"], unit),
        "p": probability(row["p_breach_30d"]),
        "add": number(row["add_needed_90d"], unit) if row["add_needed_90d"] else NOTHING,
    }


def _left(headroom: float | None, unit: str) -> str:
    """Return the headroom in words."""
    return "" if headroom is None else f"{number(abs(headroom), unit)} {'left' if headroom >= 0 else 'over'}"


def _chart(row: Mapping[str, Any], drawn: Curves, place: int, limits: pl.DataFrame, today: date) -> Markup:
    """Return the chart of a row's series with all thresholds that apply to it."""
    days, lines = drawn.course(place, today)
    if not days.size:
        return Markup("")
    levels = limits.filter(pl.col("threshold").is_not_null()).select("threshold_name", "threshold")
    drawing = chart.svg(
        days,
        lines[0],
        lines[1:],
        {name or "threshold": level for name, level in levels.iter_rows()},
        title=f"{joined([row['host'], row['metric'], row['instance']])}: history, forecast and thresholds",
        unit=row["unit"] or "",
        window=(row["breach_date_p10"], row["breach_date_p50"], row["breach_date_p90"]),
    )
    return Markup(drawing)  # noqa: S704 - chart.svg escapes the texts it is given
