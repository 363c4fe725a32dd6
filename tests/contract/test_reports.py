"""What every rendering of the registry must do, whatever its format."""

from __future__ import annotations

import csv
import html.parser
import io
import json
import re

import openpyxl
import polars as pl
import pytest
from rich.cells import cell_len

from capforecast import registry
from capforecast.errors import printable
from capforecast.report import RenderOptions
from tests.tables import HOSTILE, RUN, breach_tables, empty_tables, frame_of

NAMES = registry.names("report")
WIDE = RenderOptions(width=600)


def _csv(page: bytes) -> list[str]:
    return [row["risk_id"] for row in csv.DictReader(io.StringIO(page.decode(), newline=""))]


def _jsonl(page: bytes) -> list[str]:
    return [json.loads(line)["risk_id"] for line in page.decode().splitlines()]


def _xlsx(page: bytes) -> list[str]:
    head, *rows = openpyxl.load_workbook(io.BytesIO(page)).worksheets[0].iter_rows(values_only=True)
    return [row[head.index("risk_id")] for row in rows]


class _Hosts(html.parser.HTMLParser):
    """The heads of the rows of the ranked table; other tables of the page have heads, too."""

    def __init__(self) -> None:
        super().__init__()
        self.hosts: list[str] = []
        self.ranked = self.inside = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.ranked |= ("id", "rows") in attrs
        self.inside = self.ranked and ("scope", "row") in attrs
        if self.inside:
            self.hosts.append("")

    def handle_data(self, data: str) -> None:
        if self.inside:
            self.hosts[-1] += data


def _html(page: bytes) -> list[str]:
    parser = _Hosts()
    parser.feed(page.decode())
    return parser.hosts


def _md(page: bytes) -> list[str]:
    rows = [line for line in page.decode().splitlines() if line.startswith("|")][2:]
    return [re.split(r"(?<!\\)\|", row)[2].strip() for row in rows]


def _cells(line: str) -> list[str]:
    """One entry per cell of the terminal: wide characters take two, combining ones none."""
    cells: list[str] = []
    for character in line:
        width = cell_len(character)
        if width:
            cells += [character] + [""] * (width - 1)
        else:
            cells[-1] += character
    return cells


def _table(page: bytes) -> list[str]:
    head, *rows = page.decode().split("\n\n")[0].splitlines()
    start, stop = head.index("host"), head.index("metric")
    return ["".join(_cells(row)[start:stop]).strip() for row in rows]


READERS = {
    "csv": (_csv, "risk_id"),
    "jsonl": (_jsonl, "risk_id"),
    "xlsx": (_xlsx, "risk_id"),
    "parquet": (lambda page: pl.read_parquet(io.BytesIO(page))["risk_id"].to_list(), "risk_id"),
    "html": (_html, "host"),
    "md": (_md, "host"),
    "table": (_table, "host"),
}


def _read(name: str, page: bytes) -> list[str]:
    assert name in READERS, f"say here how the rows of {name} are read back"
    return READERS[name][0](page)


def _expected(name: str, frame: pl.DataFrame) -> list[str]:
    return frame[READERS[name][1]].to_list()


@pytest.mark.parametrize("name", NAMES)
def test_renders_tables_without_rows(name: str) -> None:
    page = registry.load("report", name)(empty_tables(), WIDE)
    assert isinstance(page, bytes)
    if name != "table":
        assert _read(name, page) == []


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("rows", [1, 9])
def test_every_row_comes_out_once_in_the_order_of_the_table(name: str, rows: int) -> None:
    tables = breach_tables([{"host": f"host-{(i * 7) % rows}"} for i in range(rows)])
    page = registry.load("report", name)(tables, WIDE)
    assert _read(name, page) == _expected(name, tables["breaches"])


@pytest.mark.parametrize("name", NAMES)
def test_top_keeps_the_first_rows(name: str) -> None:
    tables = breach_tables([{"host": f"host-{i}"} for i in range(9)])
    page = registry.load("report", name)(tables, RenderOptions(width=600, top=4))
    assert _read(name, page) == _expected(name, tables["breaches"].head(4))


@pytest.mark.parametrize("name", NAMES)
def test_a_row_that_knows_only_its_key_renders(name: str) -> None:
    key = RUN | {"risk_id": "r", "host": "only", "metric": "m", "instance": "", "threshold_name": "full"}
    row = key | {"direction": "above", "status": "error"}
    tables = empty_tables() | {"breaches": frame_of("breaches", [row]), "run": frame_of("run", [RUN])}
    page = registry.load("report", name)(tables, WIDE)
    assert _read(name, page) == _expected(name, tables["breaches"])


def _hostile() -> dict[str, pl.DataFrame]:
    fields = ("host", "metric", "instance", "unit", "team", "threshold_name", "threshold_source", "reason")
    return breach_tables([dict.fromkeys((*fields, "model", "grade_reasons"), text) for text in HOSTILE])


@pytest.mark.parametrize("name", NAMES)
def test_hostile_names_cost_no_row(name: str) -> None:
    page = registry.load("report", name)(_hostile(), WIDE)
    assert len(_read(name, page)) == len(HOSTILE)


@pytest.mark.parametrize("name", [n for n in NAMES if n not in ("parquet", "xlsx", "csv")])
@pytest.mark.parametrize("colour", [False, True])
def test_no_control_character_of_the_data_comes_through(name: str, colour: bool) -> None:
    """CSV keeps them: it is data for programs, and says what the name is byte for byte."""
    page = registry.load("report", name)(_hostile(), RenderOptions(width=600, colour=colour)).decode()
    if name == "table" and colour:
        page = re.sub("\x1b\\[[0-9;]*m", "", page.replace("\\x1b[31m", ""))
    assert [c for c in page if not c.isprintable() and c != "\n"] == []


@pytest.mark.parametrize("name", ["html", "table"])
def test_people_see_hostile_hosts_as_text(name: str) -> None:
    seen = _read(name, registry.load("report", name)(_hostile(), RenderOptions(width=3000)))
    assert [text.strip() for text in seen] == [printable(h).replace("\n", "\\n").strip() for h in HOSTILE]


@pytest.mark.parametrize("name", NAMES)
def test_same_tables_give_same_bytes(name: str) -> None:
    render = registry.load("report", name)
    assert render(_hostile(), WIDE) == render(_hostile(), WIDE)


@pytest.mark.parametrize("name", NAMES)
def test_the_tables_given_stay_as_they_are(name: str) -> None:
    tables, before = _hostile(), _hostile()
    registry.load("report", name)(tables, WIDE)
    assert all(tables[table].equals(before[table]) for table in before)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("top", [None, 3])
def test_tables_in_files_are_rendered_like_tables_in_memory(name: str, top: int | None) -> None:
    """A rendering reads what it needs of tables that are not in memory, and says the same."""
    tables = breach_tables(7)
    render = registry.load("report", name)
    options = RenderOptions(width=200, top=top)
    told, lazily = (render(some, options) for some in (tables, {key: frame.lazy() for key, frame in tables.items()}))
    assert told == lazily if name != "xlsx" else _xlsx(told) == _xlsx(lazily)
