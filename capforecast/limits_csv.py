"""limits.csv as a typed frame; what its lines mean for a series is said in `capforecast.limits`."""

from __future__ import annotations

import csv
import difflib
import math
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import polars as pl

from capforecast.errors import ConfigError
from capforecast.schema import LABELS
from capforecast.store.limits import COLUMNS as FRAME
from capforecast.times import from_us, parse_moment
from capforecast.units import known

SERIES = ("host", "metric", "instance")
COLUMNS: dict[str, str] = {
    "host": "glob on the host; empty or * is all",
    "metric": "glob on the metric",
    "instance": "glob on the instance",
    "capacity": "the most the resource can give, in the unit of the samples; of a percent metric the size of the whole",
    "threshold_name": "warning, critical, full or a name of your own",
    "threshold": "a number in the unit of the samples as they come, a share of the capacity such as 90%, or off",
    "direction": "above or below; empty: as usual for the metric",
    "lead_time_days": "days needed to act",
    "valid_from": "ISO date or time from which the line holds; empty: always",
    **{label: f"label {label!r} of the series" for label in LABELS},
}
"""Columns of limits.csv and their meaning."""


def read(path: str | Path, *, missing_ok: bool = False) -> pl.DataFrame:
    """Return the lines of a limits.csv as a frame with the columns `FRAME`.

    Parameters
    ----------
    path : path
        UTF-8 text with a header; lines that begin with ``#`` are comments.
    missing_ok : bool
        Return no lines where there is no such file.

    Raises
    ------
    ConfigError
        The file cannot be read, a column is unknown, missing or doubled, or a value is wrong; file and line
        are named.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError as error:
        # A link that leads nowhere stands for limits that are lost.
        if missing_ok and not path.is_symlink():
            return pl.DataFrame(schema=FRAME)
        raise ConfigError(
            "the limits must be a file", got="nothing", where=str(path), do="Create it, or correct limits.file"
        ) from error
    except OSError as error:
        raise ConfigError(
            "the limits must be a readable file", got=error.strerror, where=str(path), do="Correct limits.file"
        ) from error
    except UnicodeDecodeError as error:
        raise ConfigError("the limits must be UTF-8 text", got=error.reason, where=str(path)) from error
    return pl.DataFrame(list(_lines(text, path)), schema=FRAME, orient="row")


def _lines(text: str, path: Path) -> Iterator[tuple[object, ...]]:
    kept = ("" if line.lstrip().startswith("#") else line for line in text.split("\n"))
    reader = csv.reader(kept, strict=True)
    header: list[str] | None = None
    try:
        for cells in reader:
            where = f"{path}:{reader.line_num}"
            cells = [cell.strip() for cell in cells]
            if not any(cells):
                continue
            if header is None:
                header = _header(cells, where)
            elif len(cells) != len(header):
                raise ConfigError(
                    "a line must have as many fields as the header",
                    got=f"{len(cells)}, not {len(header)}",
                    where=where,
                )
            else:
                yield _line(dict(zip(header, cells, strict=True)), reader.line_num, where)
    except csv.Error as error:
        raise ConfigError("the limits must be CSV", got=str(error), where=f"{path}:{reader.line_num}") from error
    if header is None:
        raise ConfigError("the limits must have a header", got="nothing", where=str(path), do=_columns_hint())


def _header(cells: list[str], where: str) -> list[str]:
    for cell in cells:
        if cell not in COLUMNS:
            near = difflib.get_close_matches(cell, COLUMNS, n=1, cutoff=0.5)
            hint = f"Did you mean {near[0]!r}? " if near else ""
            raise ConfigError("a column must be known", got=repr(cell), where=where, do=hint + _columns_hint())
        if cells.count(cell) > 1:
            raise ConfigError("a column must stand once", got=f"{cell!r} twice", where=where)
    missing = [name for name in ("host", "metric") if name not in cells]
    if ("threshold" in cells) != ("threshold_name" in cells):
        missing.append("threshold" if "threshold_name" in cells else "threshold_name")
    if missing:
        raise ConfigError(f"column {missing[0]!r} must be there", got=", ".join(cells), where=where, do=_columns_hint())
    return cells


def _columns_hint() -> str:
    return f"Columns are {', '.join(COLUMNS)}, separated by commas"


def _line(cells: Mapping[str, str], number: int, where: str) -> tuple[object, ...]:
    value, percent = _threshold(cells, where)
    direction = cells.get("direction", "") or None
    if direction not in (None, "above", "below"):
        raise ConfigError("direction must be above or below", got=repr(direction), where=where)
    lead = cells.get("lead_time_days", "")
    if lead and not re.fullmatch(r"[0-9]{1,5}", lead):
        raise ConfigError("lead_time_days must be a whole number of days", got=repr(lead), where=where)
    capacity = _number(cells["capacity"], "capacity", where) if cells.get("capacity") else None
    if capacity is not None and capacity <= 0:
        raise ConfigError("capacity must be positive", got=cells["capacity"], where=where)
    return (
        *(cells.get(name, "") or "*" for name in SERIES),
        capacity,
        cells.get("threshold_name", "") or None,
        value,
        percent,
        direction,
        int(lead) if lead else None,
        _valid_from(cells.get("valid_from", ""), where),
        *(cells.get(label, "") or None for label in LABELS),
        number,
    )


def _threshold(cells: Mapping[str, str], where: str) -> tuple[float | None, bool]:
    text, name = cells.get("threshold", ""), cells.get("threshold_name", "")
    if bool(text) != bool(name):
        missing = "threshold" if name else "threshold_name"
        raise ConfigError(f"{missing} must be given with {text or name!r}", got="nothing", where=where)
    if not text or text.lower() == "off":
        return None, False
    percent = text.endswith("%")
    value = _number(text.removesuffix("%").strip(), "threshold", where)
    if percent and value < 0:
        raise ConfigError("a share of the capacity must not be negative", got=repr(text), where=where)
    return value, percent


def _number(text: str, name: str, where: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value) or "_" in text:
        allowed = "a number, a share such as 90%, or off" if name == "threshold" else "a number"
        raise ConfigError(f"{name} must be {allowed}", got=repr(text), where=where, do=_without_unit(text))
    return value


def _without_unit(text: str) -> str | None:
    """Return what to write instead of a number with a unit; None where it is none."""
    found = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)\s*([A-Za-z]+(?:/s)?)", text)
    unit = known(found[2]) if found else None
    if found is None or unit is None:
        return None
    plain = f"{float(found[1]) * unit.factor:.15g}"
    return f"Write it without a unit, in that of the samples: {plain} if they come in {unit.canonical}"


def _valid_from(text: str, where: str) -> object:
    try:
        return from_us(parse_moment(text, name="valid_from")) if text else None
    except ConfigError as error:
        raise ConfigError(error.must, got=error.got, where=where, do=error.do) from error
