"""Line protocol and exposition text: escapes, types, times, and which series labels are."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pytest
from source_files import START_S, START_US, load, write

from capforecast.errors import CapforecastError, SchemaError, SourceError
from capforecast.sources import Batch

NS = START_S * 10**9


def rows(found: Batch, *columns: str) -> list[tuple[object, ...]]:
    return found.rows.select(columns or ("host", "metric", "instance", "value")).rows()


def influx(tmp_path: Path, *lines: str, **options: object) -> Batch:
    return load(write(tmp_path / "a.influx", "\n".join(lines) + "\n"), **{"format": "influx", **options})


def test_escapes_of_line_protocol(tmp_path: Path) -> None:
    found = influx(
        tmp_path,
        r'disk\ io,host=web\ 1,pa\=th=C:\x\,y read\ s=1.5,note="a b",text="say \"x, y=1\"",z=2i ' + str(NS),
        f'm,host=a\\,b value=-.5e-3,ok=t,text="x" {NS}',
    )
    assert found.rejects.is_empty()
    assert rows(found) == [
        ("web 1", "disk io_read s", "C:\\x,y", 1.5),
        ("web 1", "disk io_z", "C:\\x,y", 2.0),
        ("a,b", "m", "", -0.0005),
        ("a,b", "m_ok", "", 1.0),
    ]


@pytest.mark.parametrize("scale", [1, 10**3, 10**6, 10**9])
def test_the_size_of_times_tells_their_unit(tmp_path: Path, scale: int) -> None:
    found = influx(tmp_path, *(f"m,host=h v={k} {(START_S + k) * scale}" for k in range(3)), f"m,host=h v=9 {17}")
    assert found.rows["ts"].to_list() == [START_US + k * 1_000_000 for k in range(3)]
    assert found.rejects.select("line", "raw").rows() == [(4, "m,host=h v=9 17")]


def test_lines_without_a_time_are_of_start_or_refused(tmp_path: Path) -> None:
    lines = ["m,host=h v=1", f"m,host=h v=2 {NS}"]
    with pytest.raises(SchemaError, match="--start TIME"):
        influx(tmp_path, lines[0])
    assert influx(tmp_path, *lines).rejects.rows() == [(1, "time is missing (see --start)", lines[0])]
    found = influx(tmp_path, *lines, start_us=START_US + 5)
    assert found.rows["ts"].to_list() == [START_US + 5, START_US]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("m,host=h", "has no fields"),
        ("m,host= v=1", "has no fields"),
        ("m v=1x 1704067200", "field 'v' is not a number"),
        ("m v=1,w=0x1f 1704067200", "field 'w' is not a number"),
        ('m v="1" 1704067200', "no field is a number"),
        ('m v="1 1704067200', "fields are not readable"),
        ("m v=1 1704067200 7", "only a time may stand"),
        ("m v=1 noon", "only a time may stand"),
        ("m v=1 9999999999999999999", "time is out of range"),
    ],
)
def test_unreadable_lines_are_rejects_with_their_text(tmp_path: Path, line: str, reason: str) -> None:
    found = influx(tmp_path, f"m v=1 {START_S}", "", "# comment", line)
    assert [(4, line)] == found.rejects.select("line", "raw").rows()
    assert reason in found.rejects["reason"][0]


def test_telegraf_has_usual_names_and_its_counters_are_known(tmp_path: Path) -> None:
    found = influx(
        tmp_path,
        f"mem,host=h used_percent=41.5,available=1024i {NS}",
        f"disk,device=sda1,fstype=ext4,host=h,mode=rw,path=/var used_percent=7,used=3i {NS}",
        f"net,host=h,interface=eth0 bytes_recv=12i {NS}",
    )
    assert rows(found, "metric", "instance", "unit", "nature") == [
        ("mem_used_pct", "", "percent", None),
        ("mem_available_bytes", "", "byte", None),
        ("disk_used_pct", "/var", "percent", None),
        ("disk_used_bytes", "/var", "byte", None),
        ("net_bytes_recv", "eth0", "", "counter"),
    ]


def test_labels_that_differ_never_become_one_series(tmp_path: Path) -> None:
    found = influx(
        tmp_path, f"m,host=h,a=1,b=2 v=1 {NS}", f"m,host=h,a=1\\,b\\=2 v=2 {NS}", f"m,host=h v=3 {NS}",
        f"disk,host=h,path=/,fstype=ext4,device=x used=4 {NS}", f"disk,host=h,path=/,fstype=xfs,device=y used=5 {NS}",
    )  # fmt: skip
    assert rows(found) == [
        ("h", "m_v", "a=1,b=2", 1.0),
        ("h", "m_v", "1,b=2", 2.0),
        ("h", "m_v", "", 3.0),
        ("h", "disk_used_bytes", "/", 4.0),
    ]
    assert "--map instance=" in found.rejects["reason"][0]
    mapped = influx(tmp_path, f"disk,host=h,path=/,fstype=xfs,device=y used=5 {NS}", mapping={"instance": "device"})
    assert rows(mapped)[0][:3] == ("h", "disk_used_bytes", "y")
    with pytest.raises(SchemaError, match="--map must name labels"):
        influx(tmp_path, f"m,host=h v=1 {NS}", mapping={"host": "vm"})


EXPOSITION = """\
# HELP http_requests_total All of them, "quoted" {braces}.
# TYPE http_requests_total counter
http_requests_total{instance="web-1:9100",job="node",code="200"} 1027 1704067200000
http_requests_total{instance="web-1:9100",job="node",code="500"} 3 1704067200000
# TYPE lat histogram
lat_bucket{instance="[::1]:80",le="0.1"} 5 1704067200000
lat_bucket{instance="[::1]:80",le="+Inf"} 9 1704067200000
lat_sum{instance="[::1]:80"} 1.5 1704067200000
lat_count{instance="[::1]:80"} 9 1704067200000
# TYPE t gauge
# UNIT t seconds
t{a="q\\"b\\\\c\\nd",} +Inf 1704067200000
untyped 1e3 1704067200000
up{instance="web-1:9100",job="node"} 1 1704067200000
"""


def test_types_units_and_escapes_of_exposition_text(tmp_path: Path) -> None:
    found = load(write(tmp_path / "e.prom", EXPOSITION))
    assert rows(found, "host", "metric", "instance", "unit", "value", "nature") == [
        ("web-1", "http_requests_total", "200", "", 1027.0, "counter"),
        ("web-1", "http_requests_total", "500", "", 3.0, "counter"),
        ("[::1]", "lat_sum", "", "", 1.5, "counter"),
        ("[::1]", "lat_count", "", "", 9.0, "counter"),
        ("e", "t", 'q"b\\c\nd', "s", float("inf"), "gauge"),
        ("e", "untyped", "", "", 1000.0, None),
        ("web-1", "up", "node", "", 1.0, None),
    ]
    assert set(found.rows["ts"]) == {START_US}
    assert found.rejects["line"].to_list() == [6, 7]
    assert "bucket of a histogram" in found.rejects["reason"][0]


def test_openmetrics_counts_by_family_and_takes_exemplars_away(tmp_path: Path) -> None:
    text = (
        "# TYPE c counter\nc_total 5 1704067200.5 # {trace_id=\"x\"} 0.67 1.5\nc_created 1 1704067200\n"
        "# TYPE s summary\ns{quantile=\"0.5\"} 2 1704067200\ns_count 4 1704067200\n# EOF\n"
    )  # fmt: skip
    found = load(write(tmp_path / "o.om", text))
    assert rows(found, "metric", "instance", "ts", "nature") == [
        ("c_total", "", START_US + 500_000, "counter"),
        ("c_created", "", START_US, "gauge"),
        ("s", "0.5", START_US, "gauge"),
        ("s_count", "", START_US, "counter"),
    ]


@pytest.mark.parametrize(
    "line", ['m{a="1" 2', 'm{a=1} 2', "m", "m x", 'm{a="1",a="2"} 3', "m 1 noon", "1m 2", 'm{a="\\x"', "m 1 2 3"]
)  # fmt: skip
def test_unreadable_lines_of_exposition_text_are_rejects(tmp_path: Path, line: str) -> None:
    found = load(write(tmp_path / "e.prom", f"a 1 {START_S}\n{line}\n"), format="openmetrics")
    assert [(2, line)] == found.rejects.select("line", "raw").rows()


def test_text_without_lines_is_refused(tmp_path: Path) -> None:
    for name in ("influx", "openmetrics", "sar", "collectd", "otlp", "zabbix"):
        with pytest.raises(SourceError, match="must hold data"):
            load(write(tmp_path / "empty", ""), format=name)


@pytest.mark.parametrize(
    "line",
    [
        "m,a=" + "\\" * 5_000,
        "m v=" + '"' + "\\" * 5_001,
        'm{a="' + "\\" * 5_000,
        "m" + ",a=b" * 5_000,
        "m " + "a=1," * 5_000,
    ],
)
def test_long_lines_that_never_end_are_told_soon(tmp_path: Path, line: str) -> None:
    with suppress(CapforecastError):
        load(write(tmp_path / "a.txt", line + "\n"))
    for name in ("influx", "openmetrics"):
        found = load(write(tmp_path / "a.txt", f"{line}\nm{{}} 1 {START_S}\nm v=1 {START_S}\n"), format=name)
        assert 1 in set(found.rejects["line"])
