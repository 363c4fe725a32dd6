"""Which files a location means, and which source is chosen for one."""

from __future__ import annotations

import os
from pathlib import Path

import polars as pl
import pytest
from source_files import COMPRESS, START_S, load, write

from capforecast.errors import ConfigError, SchemaError, SourceError, UnknownNameError
from capforecast.sources import ReadOptions
from capforecast.sources.columns import recognise
from capforecast.sources.content import head, stem
from capforecast.sources.naming import metric_name, plain
from capforecast.sources.openmetrics import OpenMetrics
from capforecast.sources.recognise import choose, resolve
from capforecast.sources.roles import Column

CSV = f"ts,value\n{START_S},1\n"


def test_a_directory_means_its_files_in_order(tmp_path: Path) -> None:
    for name in ("b.csv", "a.csv", "sub/c.csv", ".hidden.csv", "_temporary.csv", ".git/x.csv"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        write(tmp_path / name, CSV)
    assert [str(tmp_path / n) for n in ("a.csv", "b.csv", "sub/c.csv")] == resolve(str(tmp_path))


def test_locations_are_literal(tmp_path: Path) -> None:
    write(tmp_path / "a1.csv", CSV)
    for name in ("a[1].csv", "*.csv", "a?.csv", "~", "$HOME"):
        with pytest.raises(SourceError, match="taken literally"):
            resolve(str(tmp_path / name))
    write(tmp_path / "a[1].csv", CSV.replace(",1", ",7"))
    assert [str(tmp_path / "a[1].csv")] == resolve(str(tmp_path / "a[1].csv"))
    assert load(tmp_path / "a[1].csv").rows["value"][0] == 7.0
    assert resolve("-") == ["-"]


def test_missing_files_and_empty_directories_are_refused(tmp_path: Path) -> None:
    for name in ("missing.csv", "a\0b", "x" * 5000):
        with pytest.raises(SourceError):
            resolve(str(tmp_path / name))
    with pytest.raises(SourceError, match="must hold files"):
        resolve(str(tmp_path))
    with pytest.raises(SourceError, match="readable file"):
        load(tmp_path)
    with pytest.raises(SourceError, match="readable file"):
        load(tmp_path / "missing.csv")


def test_a_pipe_is_read_once_and_as_delimited_text(tmp_path: Path) -> None:
    reader, writer = os.pipe()
    os.write(writer, CSV.encode())
    os.close(writer)
    try:
        assert load(f"/dev/fd/{reader}").rows.height == 1
    finally:
        os.close(reader)


@pytest.mark.parametrize("ending", sorted(COMPRESS))
def test_the_content_and_not_the_name_chooses(tmp_path: Path, ending: str) -> None:
    texts = {"delimited": CSV, "jsonl": f'{{"ts": {START_S}, "value": 1}}\n'}
    for name, text in texts.items():
        path = str(write(tmp_path / f"data.txt{ending}", COMPRESS[ending](text.encode())))
        assert name == choose(path, head(path), ReadOptions())
    pl.DataFrame({"ts": [START_S], "value": [1.0]}).write_parquet(tmp_path / "data.csv")
    assert choose("data.csv", head(str(tmp_path / "data.csv")), ReadOptions()) == "parquet"


def test_an_asked_format_is_used_and_an_unknown_one_refused() -> None:
    assert choose("x", CSV.encode(), ReadOptions(format="jsonl")) == "jsonl"
    with pytest.raises(UnknownNameError, match="Did you mean 'jsonl'"):
        choose("x", CSV.encode(), ReadOptions(format="json1"))


def test_content_that_two_sources_claim_is_not_guessed(monkeypatch: pytest.MonkeyPatch) -> None:
    text = f"m,host=h v=1 {START_S}\n".encode()
    assert choose("x", text, ReadOptions()) == "influx"
    monkeypatch.setattr(OpenMetrics, "claims", lambda *_: True)
    with pytest.raises(SourceError, match="got influx or openmetrics.*Add --format influx"):
        choose("x", text, ReadOptions())
    assert choose("x", text, ReadOptions(format="openmetrics")) == "openmetrics"


@pytest.mark.parametrize(
    "content",
    [
        b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0",
        b"hello world\nthis is prose\n",
        b"<?xml version='1.0'?>\n<a/>\n",
        b"%PDF-1.4 \x01\x02",
    ],
)
def test_other_content_is_refused_with_what_is_readable(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(SourceError, match="Readable are CSV"):
        load(write(tmp_path / "a.csv", content))


@pytest.mark.parametrize(
    ("location", "expected"),
    [
        ("-", "stdin"), ("a/837.csv", "837"), ("web.example.com.csv.gz", "web.example.com"), (".csv", ".csv"),
        ("host.with.dots", "host.with.dots"), ("A.JSONL.ZST", "A"),
    ],
)  # fmt: skip
def test_the_stem_keeps_dots_that_are_no_known_ending(location: str, expected: str) -> None:
    assert expected == stem(location)


@pytest.mark.parametrize(
    ("header", "name", "unit"),
    [
        ("CPU usage [%]", "cpu_usage_pct", "percent"),
        ("Disk read throughput [KB/s]", "disk_read_throughput_kb_per_s", "KB/s"),
        ("%memused", "memused_pct", "percent"),
        ("rxkB/s", "rxkb_per_s", ""),
        ("ldavg-15", "ldavg_15", ""),
        ("node_load1", "node_load1", ""),
        (" Größe (GB) ", "größe_gb", "GB"),
        ("[x]", "x", ""),
        ("***", "***", ""),
    ],
)
def test_metrics_are_named_after_their_headers(header: str, name: str, unit: str) -> None:
    assert (name, unit) == metric_name(header)


@pytest.mark.parametrize(
    ("header", "role"),
    [
        ("Host", "host"), ("hostname", "host"), ("instance_id", "host"), ("VM", "host"), ("series_id", "host"),
        ("unique_id", "host"), ("Machine ID", "host"), ("__name__", "metric"), ("_measurement", "metric"),
        ("Mount Point", "instance"), ("device", "instance"), ("IFACE", "instance"), ("Unit", "unit"),
    ],
)  # fmt: skip
def test_common_names_are_recognised(header: str, role: str) -> None:
    columns = [Column("_time", "time"), Column(header, "text"), Column("_value", "number")]
    assert recognise(columns, ReadOptions(), "a.csv").roles[role] == 1


def test_the_name_of_a_role_goes_before_its_aliases() -> None:
    columns = [Column(n, "text") for n in ("node", "host", "time", "ts", "val", "value")]
    layout = recognise(columns, ReadOptions(), "a.csv")
    assert (layout.roles, layout.metrics[0].index) == ({"host": 1, "ts": 3}, 5)
    assert plain(" Timestamp [ms]") == "timestamp"


def test_each_column_may_be_a_host(tmp_path: Path) -> None:
    """A header is a name then, whatever it usually means; the metric is asked for, or the file's name."""
    text = '"Time","web-01","{instance=""db:9100""}","node","server","note"\n2024-01-01 00:00:00,1.5,2 %,3,4,x\n'
    path = write(tmp_path / "cpu load.csv", text)
    found = load(path, layout="hosts", metric="cpu_util_pct", unit="percent")
    assert found.rows.select("host", "metric", "instance", "unit", "value").rows() == [
        ("web-01", "cpu_util_pct", "", "percent", 1.5),
        ('{instance="db:9100"}', "cpu_util_pct", "", "percent", 2.0),
        ("node", "cpu_util_pct", "", "percent", 3.0),
        ("server", "cpu_util_pct", "", "percent", 4.0),
    ]
    assert load(path, layout="hosts").rows["metric"].unique().to_list() == ["cpu_load"]
    with pytest.raises(ConfigError, match="add --layout hosts if each is a host"):
        load(write(tmp_path / "b.csv", "time,a,b\n2024-01-01,1,2\n"), metric="cpu_util_pct")
    with pytest.raises(ConfigError, match="each column is a host"):
        load(path, layout="hosts", mapping={"host": "note"})
    with pytest.raises(SchemaError, match="a value column is needed"):
        load(write(tmp_path / "a.csv", "time,a\n2024-01-01,x\n"), layout="hosts")


def test_a_name_beside_several_numbers_may_be_that_of_a_host(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "Name,Timestamp,CPU|Usage (%),Memory|Usage (%)\nvm-1,2024-01-01,12.5,30\n")
    with pytest.raises(SchemaError, match="--map value=COLUMN .*, or --map host=Name if that one names hosts"):
        load(path)
    found = load(path, mapping={"host": "Name"}).rows
    assert found.select("host", "metric", "unit").rows() == [
        ("vm-1", "cpu_usage_pct", "percent"), ("vm-1", "memory_usage_pct", "percent")
    ]  # fmt: skip
