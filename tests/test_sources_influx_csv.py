"""CSV that InfluxDB writes: annotated, pivoted, of several tables, and of the client of 1.x."""

from __future__ import annotations

from pathlib import Path

import pytest
from source_files import START_S, START_US, load, write

from capforecast.errors import SchemaError, SourceError
from capforecast.sources import Batch, ReadOptions
from capforecast.sources.content import head
from capforecast.sources.recognise import choose

NAMED = ",result,table,_start,_stop,_time,_value,_field,_measurement"
GROUP = "#group,false,false,true,true,false,false,true,true,true,true"
TYPES = "#datatype,string,long,dateTime:RFC3339,dateTime:RFC3339,dateTime:RFC3339,double,string,string,string,string"
RANGE = "2023-12-01T00:00:00Z,2024-02-01T00:00:00Z"
AT = ("2024-01-01T00:00:00Z", "2024-01-01T00:01:00.123456789Z")


def answer(tmp_path: Path, *lines: str, **options: object) -> Batch:
    path = write(tmp_path / "a.csv", "\r\n".join(lines) + "\r\n")
    assert choose(str(path), head(str(path)), ReadOptions()) == "influx-csv"
    return load(path, **options)


def rows(found: Batch) -> list[tuple[object, ...]]:
    return found.rows.select("host", "metric", "instance", "ts", "value", "line").rows()


def test_tables_of_flux_follow_each_other_and_fields_of_one_measurement_are_metrics_of_their_own(
    tmp_path: Path,
) -> None:
    found = answer(
        tmp_path,
        GROUP,
        TYPES,
        "#default,mean,,,,,,,,,",
        f"{NAMED},cpu,host",
        f",,0,{RANGE},{AT[0]},1.5,usage_user,cpu,cpu-total,a",
        f",,1,{RANGE},{AT[1]},2.5,usage_idle,cpu,cpu-total,a",
        "",
        GROUP,
        TYPES,
        "#default,mean,,,,,7,,,,/srv",
        f"{NAMED},host,path",
        f',,2,{RANGE},{AT[0]},,used_percent,disk,"b ""1""","/var, tmp"',
        "",
        f"{NAMED},path,host",
        f",,3,{RANGE},{AT[0]},8.5,used_percent,disk,/,b",
    )
    assert rows(found) == [
        ("a", "cpu_user_pct", "cpu-total", START_US, 1.5, 5),
        ("a", "cpu_idle_pct", "cpu-total", START_US + 60_123_456, 2.5, 6),
        ('b "1"', "disk_used_pct", "/var, tmp", START_US, 7.0, 12),
        ("b", "disk_used_pct", "/", START_US, 8.5, 15),
    ]
    assert found.rejects.is_empty()


def test_of_a_pivoted_table_each_column_of_numbers_is_a_field(tmp_path: Path) -> None:
    """Text is a tag where it is grouped by; what a row has nothing of is no reject."""
    found = answer(
        tmp_path,
        "#group,false,false,false,true,true,false,false,false,false",
        "#datatype,string,long,dateTime:RFC3339,string,string,double,unsignedLong,boolean,string",
        "#default,_result,,,,,,,,",
        ",result,table,_time,_measurement,host,load1,n_cpus,ok,uptime_format",
        f",,0,{AT[0]},system,a,1.5,4,true,1 day",
        f",,0,{AT[1]},system,a,2.5,,,2 days",
    )
    assert [row[1:3] + row[4:5] for row in rows(found)] == [
        ("load_1", "", 1.5), ("system_n_cpus", "", 4.0), ("system_ok", "", 1.0), ("load_1", "", 2.5)
    ]  # fmt: skip


@pytest.mark.parametrize("scale", [1, 1_000, 1_000_000_000])
def test_the_client_of_influxdb_1_writes_tags_in_one_column_and_times_in_any_unit(tmp_path: Path, scale: int) -> None:
    found = answer(
        tmp_path,
        "name,tags,time,mean,max",
        f'cpu,"cpu=cpu-total,host=a",{START_S * scale},1.5,2.5',
        f"cpu,host=b,{START_S * scale + 60 * scale},3.5,",
        f"cpu,host=b,{START_S},4.5," if scale > 1 else "cpu,host=b,17,4.5,",
        "name,tags,time,mean",
        f"mem,host=b,{START_S * scale},5.5",
    )
    assert rows(found) == [
        ("a", "cpu_mean", "cpu-total", START_US, 1.5, 2),
        ("a", "cpu_max", "cpu-total", START_US, 2.5, 2),
        ("b", "cpu_mean", "", START_US + 60_000_000, 3.5, 3),
        ("b", "mem_mean", "", START_US, 5.5, 6),
    ]
    assert found.rejects.select("line", "reason").rows() == [(4, "time is missing or not readable")]


def test_what_is_no_row_is_a_reject(tmp_path: Path) -> None:
    head_lines = (",result,table,_time,_value,_field,host", f",,0,{AT[0]},1.5,load,a")
    bad = [f",,0,{AT[0]},1.5,load", ",,0,yesterday,1.5,load,a", f",,0,{AT[0]},x,load,a", f',,0,"{AT[0]},1.5,load,a']
    found = answer(tmp_path, *head_lines, *bad)
    assert rows(found) == [("a", "load", "", START_US, 1.5, 2)]
    assert found.rejects.rows() == [
        (3, "6 columns instead of 7", bad[0]),
        (4, "time is missing or not readable", bad[1]),
        (5, "value is not a number", bad[2]),
        (6, "the quotes are misplaced", bad[3]),
    ]


def test_what_cannot_be_a_series_is_an_error_that_says_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"got the error.*failed to parse.*a\.csv:3"):
        answer(tmp_path, "#datatype,string,long", ",error,reference", ",failed to parse query,897")
    with pytest.raises(SchemaError, match="must have _time"):
        answer(tmp_path, ",result,table,_value,_field,host", ",,0,1.5,load,a")
    with pytest.raises(SchemaError, match="must have _value, or #datatype must tell its numbers"):
        answer(tmp_path, ",result,table,_time,load1,host", f",,0,{AT[0]},1.5,a")
    nameless = (",result,table,_time,_value,host", f",,0,{AT[0]},1.5,a")
    with pytest.raises(SchemaError, match=r"_measurement or _field; in .*a\.csv:2\. Add --metric NAME"):
        answer(tmp_path, *nameless)
    assert rows(answer(tmp_path, *nameless, metric="load")) == [("a", "load", "", START_US, 1.5, 2)]


@pytest.mark.parametrize("default", ["#default,mean,,,,,,,cpu", "#default,mean,,,,,,,cpu,,,,,"])
def test_defaults_may_be_fewer_or_more_than_the_columns(tmp_path: Path, default: str) -> None:
    found = answer(tmp_path, GROUP, TYPES, default, f"{NAMED},cpu,host", f",,0,{RANGE},{AT[0]},1.5,x,,cpu-total,a")
    assert rows(found) == [("a", "cpu_x", "cpu-total", START_US, 1.5, 5)]
