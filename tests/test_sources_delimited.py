"""Delimited text: what is recognised without options, and what becomes of bad lines."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest
from source_files import COMPRESS, START_S, START_US, load, together, write

from capforecast.errors import ConfigError, SchemaError, SourceError
from capforecast.sources import ReadOptions, records, text
from capforecast.sources.delimited import Delimited

STEP_US = 300_000_000
TABLE = [["host", "metric", "ts", "value"]] + [
    [f"wéb-{i % 2}", "cpu", str(START_S + 300 * i), f"{i}.5"] for i in range(40)
]
EXPECTED = [(f"wéb-{i % 2}", "cpu", "", "", START_US + STEP_US * i, i + 0.5, i + 2) for i in range(40)]


def table(delimiter: str = ",", newline: str = "\n", rows: list[list[str]] = TABLE) -> str:
    return "".join(delimiter.join(row) + newline for row in rows)


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|", ";\t"])
@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("ending", sorted(COMPRESS))
def test_delimiters_line_ends_and_compression_give_the_same_rows(
    tmp_path: Path, delimiter: str, newline: str, ending: str
) -> None:
    data = COMPRESS[ending](table(delimiter, newline).encode())
    found = load(write(tmp_path / f"a.csv{ending}", data))
    assert found.rows.rows() == EXPECTED
    assert found.rejects.is_empty()


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_encodings_are_told_by_their_bytes(tmp_path: Path, encoding: str, newline: str) -> None:
    found = load(write(tmp_path / "a.csv", table(newline=newline).encode(encoding)))
    assert found.rows.rows() == EXPECTED


@pytest.mark.parametrize("encoding", ["utf-8", "UTF8", "utf-16"])
def test_an_asked_encoding_does_not_keep_the_byte_order_mark(tmp_path: Path, encoding: str) -> None:
    written = "utf-16" if encoding == "utf-16" else "utf-8-sig"
    found = load(write(tmp_path / "a.csv", table().encode(written)), encoding=encoding)
    assert found.rows.rows() == EXPECTED


def test_latin_1_is_read_only_when_asked_for(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", table().encode("latin-1"))
    with pytest.raises(SourceError, match=r"a\.csv:2 \(byte 22\).*--encoding latin-1"):
        load(path)
    assert load(path, encoding="latin-1").rows.rows() == EXPECTED
    with pytest.raises(ConfigError, match="--encoding"):
        load(path, encoding="latin-99")
    with pytest.raises(ConfigError, match="--encoding"):
        load(path, encoding="base64")


def test_rows_do_not_depend_on_where_blocks_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lines, quoted line breaks, CRLF pairs and characters may be cut by any block."""
    rows = [[f'"a""{i}\nx, é"', "cpu", str(START_S + i), str(i)] for i in range(30)]
    path = write(tmp_path / "a.csv", table(newline="\r\n", rows=[TABLE[0], *rows]))
    whole = load(path)
    assert [f'a"{i}\nx, é' for i in range(30)] == whole.rows["host"].to_list()
    assert list(range(2, 62, 2)) == whole.rows["line"].to_list()
    monkeypatch.setattr("capforecast.sources.content.BLOCK_BYTES", 7)
    for size in (130, 131, 137, 200):
        monkeypatch.setattr(text, "TEXT_BYTES", size)
        assert whole.rows.rows() == load(path).rows.rows()


def test_standard_input_is_a_source(monkeypatch: pytest.MonkeyPatch) -> None:
    for data in (table().encode(), COMPRESS[".gz"](table().encode()), COMPRESS[".zst"](table().encode())):
        for stream in (io.BytesIO(data), io.BufferedReader(io.BytesIO(data))):
            monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(stream))
            assert load("-").rows.rows() == EXPECTED


def test_bad_lines_are_rejects_with_line_reason_and_text(tmp_path: Path) -> None:
    lines = [
        "host,metric,ts,value",
        f"a,cpu,{START_S},1",
        f"a,cpu,{START_S + 1}",
        f"a,cpu,{START_S + 2},1,2",
        f"a,cpu,{START_S + 3},",
        f"a,cpu,{START_S + 4},twelve",
        f",cpu,{START_S + 5},1",
        f"a, ,{START_S + 6},1",
        "a,cpu,,1",
        "a,cpu,yesterday,1",
        "a,cpu,1704067200123,1",
        "",
        f'"a,cpu,{START_S + 7},1',
        f'"a"b,cpu,{START_S + 8},1',
        f'a" b,cpu,{START_S + 9}, 2 ',
        f"a,cpu,{START_S + 10},1,5",
    ]
    found = load(write(tmp_path / "a.csv", "\n".join(lines)))
    assert found.rows.select("line", "value").rows() == [(2, 1.0), (15, 2.0)]
    assert found.rows["host"][1] == 'a" b'
    assert found.rejects.select("line", "reason").rows() == [
        (3, "3 columns instead of 4"),
        (4, "5 columns instead of 4"),
        (5, "value is empty"),
        (6, "value is not a number"),
        (7, "host is empty"),
        (8, "metric is empty"),
        (9, "time is empty"),
        (10, "time is no number of the column's unit (s)"),
        (11, "time is no number of the column's unit (s)"),
        (13, "a quote is not closed"),
        (14, "the quotes are misplaced"),
        (16, "5 columns instead of 4"),
    ]
    assert [lines[n - 1] for n in found.rejects["line"]] == found.rejects["raw"].to_list()


def test_decimal_commas_are_told_apart_from_other_text_and_not_read_unasked(tmp_path: Path) -> None:
    """A column of them is one of values, so that no metric of a wide table is left out without a word."""
    reason = "has a decimal comma or grouped thousands (see --decimal)"
    rows = [["a", "cpu", str(START_S + i), cell] for i, cell in enumerate(("3,5", "-1.234,5", "4", "1,2,3", "n/a"))]
    found = load(write(tmp_path / "long.csv", table(delimiter=";", rows=[TABLE[0], *rows])))
    assert found.rows["value"].to_list() == [4.0]
    numberless = "value is not a number"
    assert found.rejects.select("line", "reason").rows() == [
        (2, f"value {reason}"), (3, f"value {reason}"), (5, numberless), (6, numberless)
    ]  # fmt: skip
    wide = write(tmp_path / "wide.csv", f"ts;cpu;mem;note\n{START_S};3,5;7;x\n{START_S + 60};4,5;8;y\n")
    found = load(wide)
    assert found.rows.select("metric", "value").rows() == [("mem", 7.0), ("mem", 8.0)]
    assert found.rejects["reason"].to_list() == [f"'cpu' {reason}"] * 2


def test_not_a_number_and_infinity_stay_in_the_rows(tmp_path: Path) -> None:
    cells = ["NaN", "nan", "inf", "-Infinity", "1e400"]
    rows = [["a", "cpu", str(START_S + i), cell] for i, cell in enumerate(cells)]
    found = load(write(tmp_path / "a.csv", table(rows=[TABLE[0], *rows])))
    assert [str(v) for v in found.rows["value"]] == ["nan", "nan", "inf", "-inf", "inf"]


def test_a_quote_that_is_never_closed_costs_its_own_line_only(tmp_path: Path) -> None:
    rows = [[f"h{i}", "cpu", str(START_S + i), "1"] for i in range(200)]
    rows[50][0] = '"h50'
    rows[60][0] = '"h60'
    found = load(write(tmp_path / "a.csv", table(rows=[TABLE[0], *rows])))
    assert found.rejects["line"].to_list() == [52, 62]
    assert found.rows.height == 198


def test_a_quote_inside_a_cell_is_an_ordinary_character(tmp_path: Path) -> None:
    rows = [[name, "cpu", str(START_S + i), "1"] for i, name in enumerate(['5" a', "b", '3" c', 'd"'])]
    found = load(write(tmp_path / "a.csv", table(rows=[TABLE[0], *rows])))
    assert found.rows["host"].to_list() == ['5" a', "b", '3" c', 'd"']


def test_a_record_over_several_lines_counts_once_and_keeps_its_first_line(tmp_path: Path) -> None:
    content = f'host,note,ts,value\na,"one\ntwo, ""2""\n\nthree",{START_S},1\nb,x,{START_S},2\nc,x,{START_S},q\n'
    found = load(write(tmp_path / "a.csv", content), metric="m")
    assert found.rows.select("host", "line").rows() == [("a", 2), ("b", 6)]
    assert [(7, f"c,x,{START_S},q")] == found.rejects.select("line", "raw").rows()


def test_quoted_names_may_hold_the_delimiter_and_quotes(tmp_path: Path) -> None:
    content = f'"host","metric","ts","value, mean"\n"a, ""b""","c,d","{START_S}","1"\n'
    found = load(write(tmp_path / "a.csv", content), mapping={"value": "value, mean"})
    assert found.rows.rows() == [('a, "b"', "c,d", "", "", START_US, 1.0, 2)]


def test_a_wide_table_gives_a_metric_for_each_column_of_numbers(tmp_path: Path) -> None:
    content = (
        "Time [s];Node;CPU usage [%];Mem used (KB);%idle;tps/s;state;interval\n"
        f"{START_S};a;1;2;3;4;ok;60\n{START_S + 60};b;;x;7;8;ok;60\nnever;b;1;2;3;4;ok;60\n"
    )
    found = load(write(tmp_path / "web.csv", content))
    assert found.rows.select("host", "metric", "unit", "value", "line").rows() == [
        ("a", "cpu_usage_pct", "percent", 1.0, 2),
        ("a", "mem_used_kb", "KB", 2.0, 2),
        ("a", "idle_pct", "percent", 3.0, 2),
        ("a", "tps_per_s", "", 4.0, 2),
        ("b", "idle_pct", "percent", 7.0, 3),
        ("b", "tps_per_s", "", 8.0, 3),
    ]
    assert (found.rejects.select("line", "reason").rows()) == [
        (3, "'Mem used (KB)' is not a number"),
        (4, "time is no number of the column's unit (s)"),
    ]


def test_missing_names_come_from_options_and_then_from_the_file(tmp_path: Path) -> None:
    path = write(tmp_path / "Disk-Await.csv.gz", COMPRESS[".gz"](f"time,value\n{START_S},1\n".encode()))
    named = ("host", "metric", "unit")
    assert load(path).rows.select(named).row(0) == ("Disk-Await", "disk_await", "")
    assert load(path, host="h", metric="m", unit="s").rows.select(named).row(0) == ("h", "m", "s")
    path = write(tmp_path / "web-1.csv", f"time,resp. time [ms]\n{START_S},1\n")
    for options in ({}, {"mapping": {"value": "resp. time [ms]"}}):
        assert load(path, **options).rows.select(named).row(0) == ("web-1", "resp_time_ms", "ms")
    assert load(path, metric="latency").rows.select(named).row(0) == ("web-1", "latency", "ms")


def test_tables_without_header_or_time(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "2024-01-01 00:00:00,1\n2024-01-01 00:05:00,2\n")
    assert load(path).rows.select("ts", "value", "line").rows() == [(START_US, 1.0, 1), (START_US + STEP_US, 2.0, 2)]
    path = write(tmp_path / "b.csv", "x,2024-01-01 00:00:00,1\ny,2024-01-01 00:05:00,2\n")
    with pytest.raises(SchemaError, match=r"columns 0 '0'.*--map ts=0,value=1"):
        load(path)
    assert load(path, mapping={"host": "0", "ts": "1", "value": "2"}).rows["host"].to_list() == ["x", "y"]
    path = write(tmp_path / "c.csv", "1\n2\nthree\n4\n")
    with pytest.raises(SchemaError, match="--start TIME and --step"):
        load(path)
    found = load(path, start_us=START_US, step_us=STEP_US)
    assert found.rows["ts"].to_list() == [START_US, START_US + STEP_US, START_US + 3 * STEP_US]
    assert found.rejects["line"].to_list() == [3]
    with pytest.raises(ConfigError, match="--start and --step"):
        load(path, start_us=START_US)


def test_series_in_rows_need_the_layout_a_start_and_a_step(tmp_path: Path) -> None:
    path = write(tmp_path / "m4.csv", '"V1","V2","V3","V4"\n"A","1","2",""\n"B","3","x","5"\n')
    with pytest.raises(SchemaError, match="--layout rows --start TIME --step DURATION"):
        load(path)
    found = load(path, layout="rows", start_us=START_US, step_us=STEP_US)
    assert found.rows.select("host", "metric", "ts", "value").rows() == [
        ("A", "m4", START_US, 1.0),
        ("A", "m4", START_US + STEP_US, 2.0),
        ("B", "m4", START_US, 3.0),
        ("B", "m4", START_US + 2 * STEP_US, 5.0),
    ]
    assert found.rejects.select("line", "reason").rows() == [(3, "'V3' is not a number")]


def test_comments_before_a_header_are_skipped_and_a_commented_header_is_one(tmp_path: Path) -> None:
    body = f"{START_S},a,1\n"
    for start in (
        "# written by x, y\nts,host,value\n",
        "#ts,host,value\n",
        "# a\n# ts,host,value\n",
        "sep=,\nts,host,value\n",
    ):
        assert load(write(tmp_path / "a.csv", start + body)).rows.select("host", "ts", "value").row(0) == (
            "a",
            START_US,
            1.0,
        )


def test_sections_of_sysstat_each_have_their_own_columns(tmp_path: Path) -> None:
    content = (
        "# hostname;interval;timestamp;CPU;%usr;%idle\nh;60;2024-01-01 00:00:00 UTC;-1;1;99\n"
        "h;60;2024-01-01 00:00:00 UTC;0;2;98\nh;-1;2024-01-01 00:00:30 UTC;LINUX-RESTART\n"
        "# hostname;interval;timestamp;tps\n# hostname;interval;timestamp;kbmemfree\nh;60;2024-01-01 00:00:00 UTC;7\n"
    )
    found = load(write(tmp_path / "sa.csv", content))
    assert found.rows.select("host", "metric", "instance", "value", "line").rows() == [
        ("h", "cpu_user_pct", "all", 1.0, 2),
        ("h", "cpu_idle_pct", "all", 99.0, 2),
        ("h", "cpu_user_pct", "0", 2.0, 3),
        ("h", "cpu_idle_pct", "0", 98.0, 3),
        ("h", "mem_free_bytes", "", 7.0, 7),
    ]
    assert found.rejects.is_empty()


def test_what_sadf_writes_besides_samples_is_left_out_and_of_interrupts_the_sum_is_read(tmp_path: Path) -> None:
    """The rows of interrupts have a cell for each processor that is on, which may be another number each time."""
    at = "2024-01-01 00:00:00 UTC"
    content = (
        f"# hostname;interval;timestamp;INTR;CPU*\nh;60;{at};sum;7.5;2.5;5.0\nh;60;{at};24;3.5;3.5\nh;60;{at};25;\n"
        f"h;-1;{at};LINUX-RESTART\t(2 CPU)\nh;-1;{at};COM ; and; more\nh;60;{at};26\n"
        f"# hostname;interval;timestamp;manufact;product;BUS;idvendor;idprod;maxpower\nh;60;{at};a;b;1;3f0;862;196\n"
        f"# hostname;interval;timestamp;tps\nh;60;{at};1.5;2\n"
    )
    found = load(write(tmp_path / "sa.csv", content))
    assert found.rows.select("metric", "instance", "value", "line").rows() == [
        ("intr_per_s", "sum", 7.5, 2),
        ("intr_per_s", "24", 3.5, 3),
    ]
    assert found.rejects.select("line", "reason").rows() == [
        (7, "4 columns instead of 5"),
        (11, "5 columns instead of 4"),
    ]


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ("a,b,c", "a time column is needed.*columns 0 'a', 1 'b', 2 'c'.*--map ts=COLUMN"),
        ("ts,ts,value", "must differ.*'ts' twice"),
        ("date,time,value", "one column must hold the ts.*'date' and 'time'.*--map ts=date"),
        ("ts,metric,host", "a value column is needed"),
        ("ts,cpu used,cpu-used", "different metrics.*cpu_used"),
    ],
)
def test_columns_that_cannot_be_told_are_refused_by_name(tmp_path: Path, header: str, message: str) -> None:
    path = write(tmp_path / "a.csv", f"{header}\n{START_S},1,2\n{START_S + 1},1,2\n{START_S + 2},1,2\n")
    if header == "ts,metric,host":
        path = write(tmp_path / "a.csv", f"{header}\n{START_S},cpu,h\n")
    with pytest.raises(SchemaError, match=message):
        load(path)


def test_a_mapping_that_names_no_column_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", f"ts,x\n{START_S},1\n")
    with pytest.raises(SchemaError, match=r"--map value=\.\.\. must name a column.*'z'.*0 'ts', 1 'x'"):
        load(path, mapping={"value": "z"})
    with pytest.raises(ConfigError, match="value"):
        load(path, mapping={"valeu": "x"})
    assert load(path, mapping={"value": "X"}).rows["value"][0] == 1.0
    assert load(path, mapping={"value": "1"}).rows["value"][0] == 1.0
    with pytest.raises(ConfigError, match="--metric names one metric"):
        load(write(tmp_path / "b.csv", f"ts,x,y2\n{START_S},1,2\n"), metric="m")


def test_a_header_that_fits_no_row_is_refused(tmp_path: Path) -> None:
    content = "ts,value\n" + f"{START_S},a,1\n" * 5
    with pytest.raises(SchemaError, match="2 names and 3 cells"):
        load(write(tmp_path / "a.csv", content))


@pytest.mark.parametrize("delimiter", ["", "ab", "é", '"', "\n", "1"])
def test_a_delimiter_is_one_ascii_sign(tmp_path: Path, delimiter: str) -> None:
    with pytest.raises(ConfigError, match="--delimiter"):
        load(write(tmp_path / "a.csv", table()), delimiter=delimiter, format="delimited")


def test_any_delimiter_can_be_asked_for(tmp_path: Path) -> None:
    for asked, used in ((":", ":"), ("tab", "\t"), ("\\t", "\t"), ("~", "~"), (";\t", ";")):
        rows = [[cell.replace(":", "") for cell in row] for row in TABLE]
        path = write(tmp_path / "a.csv", table(used, rows=rows))
        assert load(path, delimiter=asked, format="delimited").rows.rows() == EXPECTED


def test_extra_columns_are_ignored(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", f"region,ts,value,label\neu,{START_S},1,0\n")
    assert load(path).rows.rows() == [("a", "a", "", "", START_US, 1.0, 2)]


def test_batches_are_no_longer_than_asked(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", table())
    batches = list(Delimited().read(str(path), ReadOptions(chunk_rows=7)))
    assert [batch.rows.height for batch in batches] == [7, 7, 7, 7, 7, 5]
    assert together(batches).rows.rows() == EXPECTED


def test_one_long_line_is_refused_without_reading_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text, "TEXT_BYTES", 1000)
    path = write(tmp_path / "a.csv", table(rows=TABLE[:3]) + "x" * 5000)
    with pytest.raises(SourceError, match=r"a line must be shorter.*a\.csv:4"):
        load(path)


def test_the_text_of_a_reject_is_kept_up_to_a_length(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", table(rows=TABLE[:3]) + "x" * 5000)
    assert load(path).rejects["raw"][0] == "x" * records.MAX_RAW


def test_an_empty_file_is_refused_and_a_header_alone_is_not(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="must hold data"):
        load(write(tmp_path / "a.csv", ""))
    assert load(write(tmp_path / "a.csv", "ts,value\n")).rows.is_empty()


def test_titles_before_a_header_are_no_rows(tmp_path: Path) -> None:
    """Where no header follows them, they are what they were: a header that fits no row."""
    rows = f"ts,host,load\n{START_S},a,1\n{START_S + 60},a,2\n"
    titles = "CPU report, all hosts\nGenerated: 2024-01-01\n\n"
    found = load(write(tmp_path / "a.csv", titles + rows))
    assert found.rows.select("host", "metric", "value", "line").rows() == [("a", "load", 1.0, 5), ("a", "load", 2.0, 6)]
    assert found.rejects.is_empty()
    with pytest.raises(SchemaError, match="the header must have as many columns as the rows"):
        load(write(tmp_path / "b.csv", titles + rows.partition("\n")[2] * 2))
    with pytest.raises(SchemaError, match="the header must have as many columns as the rows"):
        load(write(tmp_path / "c.csv", "x,y\n" * 21 + rows + rows.partition("\n")[2] * 30))
