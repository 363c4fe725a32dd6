"""Names are data in every output and a path, a query, markup or a formula in none."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import openpyxl
import polars as pl
import pytest
from click.testing import CliRunner
from store_rows import DAY, HOUR, START

from capforecast import registry
from capforecast.cli import main
from capforecast.config import load
from capforecast.run import ingest_sources, nightly
from capforecast.sources import ReadOptions
from capforecast.store import Store, scan_published

HOSTILE = (
    "../../etc/passwd",
    "/etc/passwd",
    "..\\..\\windows",
    "C:\\x",
    "a/b/../c",
    ".",
    "..",
    "con",
    "~root",
    "$(touch pwned)",
    "`touch pwned`",
    "; touch pwned",
    "| touch pwned",
    "'; DROP TABLE series; --",
    '" OR 1=1 --',
    "x'); COPY series TO 'pwned.csv'; --",
    "read_csv('pwned')",
    "<script>alert(1)</script>",
    "</script><img src=x onerror=alert(1)>",
    "<!--",
    "]]>",
    "&lt;b&gt;&amp;",
    "javascript:alert(1)",
    "{{7*7}}",
    "{% for x in y %}",
    "${jndi:ldap://x}",
    "%s%n%d",
    "{0.__class__}",
    "=1+1",
    "+1+1",
    "-1+1",
    "@SUM(A1)",
    "\t=1+1",
    "\r=1+1",
    '=HYPERLINK("http://x","y")',
    "=cmd|' /C calc'!A0",
    "\x1b[31mred\x1b[0m",
    "\x1b]0;title\x07",
    "\x9b31m",
    "a\nb",
    "a\rb",
    "\u202egnp.exe",
    "\u200bzero",
    "\ufeffbom",
    "р\u0430ypal",
    "e\u0301",
    "\u00e9",
    "\U0001f4a5",
    "*",
    "[a-z]",
    "a?b",
    "host=*",
    "__HIVE_DEFAULT_PARTITION__",
    "run_id=x",
    "NULL",
    "nan",
    "null",
    "None",
    "true",
    "1e999",
    " lead",
    "trail ",
    "x" * 1024,
    "[link](javascript:alert(1))",
    "|pipe|",
    "**bold**",
    "#heading",
    "a,b;c",
    '"quoted"',
    "'",
)
REFUSED = ("nul\0byte", "y" * 1025, "z" * 65_536)
HOURS = 72


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, set[str]]:
    """A run over hosts with hostile names, and all paths around it beforehand."""
    folder = tmp_path_factory.mktemp("hostile") / "inside"
    folder.mkdir()
    names = [*HOSTILE, *REFUSED]
    frame = pl.DataFrame({"host": names, "metric": [f"m {name}"[:1000] for name in names], "instance": names})
    hours = pl.DataFrame({"ts": [START + i * HOUR for i in range(HOURS)], "value": [float(i) for i in range(HOURS)]})
    rows = frame.join(hours, how="cross").with_columns(pl.col("ts").cast(pl.Datetime("us", "UTC")))
    rows.write_parquet(folder / "in.parquet")
    (folder / "limits.csv").write_text("host,metric,instance,threshold_name,threshold\n*,*,*,critical,60\n")
    before = os.getcwd()
    os.chdir(folder)
    try:
        options = {"store.path": "store", "limits.file": "limits.csv", "run.horizon": "7d", "run.threads": 1}
        config = load(None, {**options, "run.learning": False}, environ={})
        end = START + HOURS * HOUR
        config = config.model_copy(update={"exclude": ()})
        ((_, told),) = ingest_sources("store", ["in.parquet"], ReadOptions(), config, now_us=end, as_of_us=end + DAY)
        assert (told.accepted, told.quarantined) == (len(HOSTILE) * HOURS, len(REFUSED) * HOURS)
        nightly("store", config, now_us=end)
    finally:
        os.chdir(before)
    # White space around a name is no part of it.
    return folder / "store", {name.strip() for name in HOSTILE}


def test_names_are_byte_for_byte_in_the_tables_and_nowhere_a_path(published: tuple[Path, set[str]]) -> None:
    store, names = published
    tables = scan_published(store)
    for name in ("breaches", "series", "forecasts"):
        assert set(tables[name].select("host").unique().collect()["host"]) == names, name
        assert set(tables[name].select("instance").unique().collect()["instance"]) == names, name
    with Store.open(store) as opened:
        assert set(opened.series()["host"]) == names
        assert opened.samples("'; DROP TABLE series; --", "m '; DROP TABLE series; --").height == HOURS
        assert opened.verify() == []
    ours = re.compile(r"[A-Za-z0-9._=~-]+")
    for path in store.rglob("*"):
        assert ours.fullmatch(path.name), path
    assert sorted(path.name for path in store.parent.iterdir()) == ["in.parquet", "limits.csv", "store"]
    assert sorted(path.name for path in store.parent.parent.iterdir()) == ["inside"]


def test_what_cannot_be_a_name_is_in_quarantine_with_its_reason(published: tuple[Path, set[str]]) -> None:
    with Store.open(published[0]) as store:
        rows = store.quarantine()
    assert rows.height == len(REFUSED) * HOURS
    assert set(rows["reason"]) == {"host contains a NUL character", "host is longer than 1024 bytes"}
    assert rows["raw"].str.len_chars().max() <= 2000


@pytest.mark.parametrize("name", registry.names("report"))
def test_no_rendering_takes_a_name_for_more_than_text(
    published: tuple[Path, set[str]], tmp_path: Path, name: str
) -> None:
    store, _ = published
    output = tmp_path / f"out.{name}"
    told = CliRunner().invoke(main, ["report", "--store", str(store), "--format", name, "--output", str(output)])
    assert told.exit_code == 0, told.output
    content = output.read_bytes()
    if name == "xlsx":
        sheet = openpyxl.load_workbook(output).active
        cells = [cell for row in sheet.iter_rows() for cell in row]
        assert [cell.value for cell in cells if cell.data_type == "f" or cell.hyperlink] == []
        return
    if name == "parquet":
        assert set(pl.read_parquet(output)["host"]) == published[1]
        return
    text = content.decode()
    if name != "csv":
        # What is read by people holds no control character but line ends; CSV is data, as it is.
        assert not re.search(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\x80-\x9f]", text), name
    if name == "html":
        assert "<script>alert(1)" not in text
        assert "<img src=x" not in text
        assert "49" not in re.findall(r"<td[^>]*>m? ?(49)</td>", text)
    if name == "jsonl":
        assert {json.loads(line)["host"] for line in text.splitlines()} == published[1]
    if name == "csv":
        cells = pl.read_csv(content, infer_schema=False, columns=["host", "metric", "instance"])
        for cell in cells["host"]:
            assert not cell.startswith(("=", "+", "-", "@", "\t", "\r")), cell
    if name == "md":
        assert "<script>" not in text
        assert not re.search(r"(?<!\\)\]\(javascript:", text)


def test_messages_show_control_characters(published: tuple[Path, set[str]]) -> None:
    """Words for a terminal never hold what would move its cursor."""
    store, _ = published
    for words in (["status"], ["report"], ["explain", "\x1b[31mred\x1b[0m"], ["explain", "\x1b[0mnobody"]):
        told = CliRunner().invoke(main, [*words, "--store", str(store)])
        assert "\x1b" not in told.output, words
        assert "\x9b" not in told.output, words
