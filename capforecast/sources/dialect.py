"""How delimited text is written: delimiter, header and the lines before the data.

The delimiter is the one that gives the most lines the same number of cells. The first line is a header
when one of its cells is the usual name of a time or value column, or when none is a number or a time; lines with
fewer cells before a header are titles. A header may be commented out with ``#``; then further such lines begin
sections with other columns, as ``sadf -d`` writes them. A first line ``sep=;`` is obeyed.
"""

from __future__ import annotations

import csv
import re
from collections import Counter
from dataclasses import dataclass

import polars as pl

from capforecast.errors import ConfigError, SchemaError, SourceError
from capforecast.sources import ReadOptions
from capforecast.sources.content import shown
from capforecast.sources.moments import kind_of
from capforecast.sources.naming import ALIASES, plain
from capforecast.sources.records import cells_of
from capforecast.sources.sadf import begins_sadf

DELIMITERS = (";", "\t", "|", ",")
"""In the order in which they win a tie: ``;`` followed by a tab, and decimal commas between ``;``."""
SAMPLE_LINES = 200
MOST_TITLES = 20
"""Lines before a header, such as the title of a report."""
READABLE = (
    "Readable are CSV, TSV and other delimited text, JSON lines (one object a line), Parquet, and what Telegraf, "
    "InfluxDB, Prometheus, OpenTelemetry, Graphite, CloudWatch, sysstat, Windows' performance counters, collectd and "
    "Zabbix write, plain or .gz or .zst; --format says which"
)
EXPOSITION = "Prometheus exposition text"
LINE_PROTOCOL = "InfluxDB line protocol"
SAR = "the text of sar"
"""What `foreign` calls the texts that other sources read."""
_SEP = re.compile(r"^\ufeff?sep=(.)$", re.IGNORECASE)
_SAR = re.compile(r"^(Linux|SunOS|AIX|HP-UX|Darwin) \S+.*\(.*\).*\d")
_EXPOSITION = re.compile(
    r"^# (HELP|TYPE|EOF|UNIT)\b|^[a-zA-Z_:][\w:]*(\{[^}]*\})? [-+0-9.eEnNaAiIfF]+( -?[\d.]+)?( #.*)?$"
)
_INFLUX = re.compile(r"^[^\s,=]+(,[^\s,=]+=(\\.|[^\s,\\])+)* [^\s=]+=\S.*?( -?\d+)?$")


@dataclass(frozen=True, slots=True)
class Dialect:
    """How a text table is written.

    Attributes
    ----------
    delimiter : str
        One ASCII character.
    names : tuple of str
        Column names; their numbers where there is no header.
    header : bool
        Is there one?
    skip : int
        Lines before the first row, the header among them.
    sections : bool
        Lines that begin with ``#`` are headers of further sections.
    """

    delimiter: str
    names: tuple[str, ...]
    header: bool
    skip: int
    sections: bool = False


def foreign(lines: list[str]) -> str | None:
    """Return what the text is when it is plainly something else than a table, else None."""
    filled = [line for line in lines if line.strip()][:SAMPLE_LINES]
    if not filled:
        return None
    first = filled[0].lstrip("\ufeff \t")
    if first.startswith("{"):
        return "JSON, but not as one object on each line"
    if first.startswith("["):
        return "a JSON document"
    if first.startswith(("<?xml", "<!DOCTYPE", "<html")):
        return "XML or HTML"
    if _SAR.match(first):
        return SAR
    for pattern, what in ((_EXPOSITION, EXPOSITION), (_INFLUX, LINE_PROTOCOL)):
        if sum(bool(pattern.match(line)) for line in filled) * 10 > 9 * len(filled):
            return what
    if any(c < " " and c not in "\t\x1f\x1c\x1d\x1e" for line in filled[:5] for c in line):
        return "binary data"
    return None


def detect(lines: list[str], options: ReadOptions, location: str) -> Dialect:
    """Return the dialect of a text that begins with these lines.

    Raises
    ------
    SourceError
        The text is not a table.
    SchemaError
        The header cannot be read, or fits no row.
    """
    other = None if options.format == "delimited" else foreign(lines)
    if other is not None:
        raise not_recognised(location, other)
    skip, delimiter = _preamble(lines)
    if skip < len(lines) and begins_sadf(lines[skip]) and options.delimiter is None and options.header is not False:
        return Dialect(";", header_names(lines[skip], ";", location), True, skip + 1, sections=True)
    body = table_lines(lines[skip:])
    if options.delimiter is not None:
        delimiter = asked_delimiter(options.delimiter)
    if delimiter is None:
        delimiter = recognised_delimiter(body)
    if delimiter is None:
        raise not_recognised(location, "text without a common delimiter", do="Add --delimiter if it has one. ")
    return _headed(lines, skip, delimiter, options, location)


def table_lines(lines: list[str]) -> list[str]:
    """Return the lines of the first table: without blank ones and comments, up to a second header."""
    body: list[str] = []
    for line in lines:
        if line.startswith("#"):
            if body:
                break
        elif line.strip():
            body.append(line)
    return body or [line[1:] for line in lines if line.strip()]


def not_recognised(location: str, what: str, do: str = "") -> SourceError:
    """Return the error for content no source reads."""
    return SourceError("the content of a source must be recognised", got=what, where=shown(location), do=do + READABLE)


def asked_delimiter(text: str) -> str:
    r"""Return the delimiter of an option: one ASCII character; ``tab`` and ``\t`` are a tab.

    Raises
    ------
    ConfigError
        It cannot be a delimiter.
    """
    found = {"tab": "\t", "\\t": "\t", "comma": ",", "semicolon": ";", "pipe": "|", "space": " "}.get(text, text)
    # Blanks around cells are stripped anyway, so a delimiter followed by some is the delimiter alone.
    found = found[0] if len(found) > 1 and not found[1:].strip() else found
    if len(found) != 1 or not found.isascii() or found.isalnum() or found in '"\n\r.+-_\x00':
        raise ConfigError("--delimiter must be one ASCII sign", got=repr(text), do="Write , or ; or tab")
    return found


def recognised_delimiter(lines: list[str]) -> str | None:
    """Return the delimiter of these rows, a comma for rows of one number each, or None."""
    best: tuple[tuple[float, ...], str] | None = None
    for delimiter in DELIMITERS:
        counts = [width for width in (_width(line, delimiter) for line in lines) if width]
        if not counts:
            continue
        usual, times = Counter(counts).most_common(1)[0]
        if usual < 2 or times * 2 <= len(counts):
            continue
        score = (float(counts[0] == usual), times / len(counts), float(usual))
        if best is None or score > best[0]:
            best = (score, delimiter)
    if best is not None:
        return best[1]
    rest = pl.Series(lines[1:] or lines, dtype=pl.String)
    return "," if kind_of(rest) == "number" else None


def header_names(line: str, delimiter: str, location: str) -> tuple[str, ...]:
    """Return the names of a header line, commented out or not.

    Raises
    ------
    SchemaError
        Its quotes are wrong.
    """
    try:
        return tuple(cell.strip() for cell in cells_of(line.lstrip("#").lstrip(), delimiter))
    except csv.Error as error:
        raise SchemaError(
            "a header must stand on one line with its quotes closed",
            got=repr(line[:80]),
            where=shown(location),
        ) from error


def is_header(cells: tuple[str, ...]) -> bool:
    """Tell whether the cells of a line are names rather than data."""
    if any(plain(cell) in (*ALIASES["ts"], *ALIASES["value"]) for cell in cells):
        return True
    return not any(kind_of(pl.Series([cell])) in ("number", "formatted", "time") for cell in cells)


def _preamble(lines: list[str]) -> tuple[int, str | None]:
    skip = 0
    while skip < len(lines) and not lines[skip].strip():
        skip += 1
    found = _SEP.match(lines[skip]) if skip < len(lines) else None
    return (skip + 1, found[1]) if found else (skip, None)


def _width(line: str, delimiter: str) -> int:
    try:
        return len(cells_of(line, delimiter))
    except csv.Error:
        return 0


def _after_titles(lines: list[str], place: int, delimiter: str, usual: int, location: str) -> int:
    """Return where the header is: behind lines that are narrower than the table, if what follows them is one."""
    for k in range(place, min(place + MOST_TITLES, len(lines))):
        width = _width(lines[k], delimiter)
        if width >= usual:
            return k if width == usual and is_header(header_names(lines[k], delimiter, location)) else place
    return place


def _headed(lines: list[str], skip: int, delimiter: str, options: ReadOptions, location: str) -> Dialect:
    place = skip
    while place < len(lines) and (lines[place].startswith("#") or not lines[place].strip()):
        place += 1
    comments = [k for k in range(skip, place) if lines[k].startswith("#")]
    widths = [_width(line, delimiter) for line in table_lines(lines[place:])[:50]]
    usual = Counter(widths).most_common(1)[0][0] if widths else 0
    plain_header = False
    names: tuple[str, ...] = ()
    if options.header is not False:
        place = _after_titles(lines, place, delimiter, usual, location)
    if place < len(lines):
        names = header_names(lines[place], delimiter, location)
        plain_header = is_header(names) if options.header is None else options.header
    if plain_header:
        if usual != len(names) and 0 not in widths and len(widths) > 2:
            raise SchemaError(
                "the header must have as many columns as the rows",
                got=f"{len(names)} names and {usual} cells in most rows",
                where=shown(location),
                do="Correct the header, or add --delimiter",
            )
        return Dialect(delimiter, names, True, place + 1)
    if comments and options.header is not False:
        last = comments[-1]
        commented = header_names(lines[last], delimiter, location)
        if len(commented) == usual or (not usual and len(commented) > 1):
            return Dialect(delimiter, commented, True, last + 1, sections=True)
    return Dialect(delimiter, tuple(str(i) for i in range(usual or len(names))), False, place)
