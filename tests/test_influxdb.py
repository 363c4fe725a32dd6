"""InfluxDB 1.x as a source: windows that cut no group, tags that become host and instance, nothing written."""

from __future__ import annotations

import json
import subprocess
import urllib.request
from collections.abc import Iterator
from typing import Any

import polars as pl
import pytest
from bad_server import bad_server, says
from prometheus_server import free_port, program, wait_for

from capforecast.address import parse_address
from capforecast.errors import SourceError
from capforecast.servers import Pull
from capforecast.servers.influxdb import InfluxDB

BEGIN_S = 1_788_220_800
DAYS = 3
RANGE = "WHERE time >= {since} AND time < {until}"
CONFIG = """
reporting-disabled = true
bind-address = "127.0.0.1:{rpc}"
[meta]
  dir = "{folder}/meta"
[data]
  dir = "{folder}/data"
  wal-dir = "{folder}/wal"
[http]
  bind-address = "127.0.0.1:{port}"
  log-enabled = false
[monitor]
  store-enabled = false
"""


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    server, folder = program("influxd", "influxdb"), tmp_path_factory.mktemp("influxdb")
    found = free_port()
    (folder / "i.conf").write_text(CONFIG.format(rpc=free_port(), port=found, folder=folder))
    running = subprocess.Popen(
        [server, "-config", folder / "i.conf"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        wait_for(f"http://127.0.0.1:{found}/ping", running)
        post(found, "/query", b"q=CREATE DATABASE cap WITH DURATION INF SHARD DURATION 30d")
        lines = [
            f"disk,host=h{h},path=/d{d} used={h * 1000 + d * 100 + k % 12},free=1i {BEGIN_S + 300 * k}"
            for k in range(DAYS * 288)
            for h in range(2)
            for d in range(2)
        ]
        post(found, "/write?db=cap&precision=s", "\n".join(lines).encode())
        yield found
    finally:
        running.terminate()
        running.wait(20)


def post(port: int, path: str, body: bytes) -> None:
    with urllib.request.urlopen(urllib.request.Request(f"http://127.0.0.1:{port}{path}", body), timeout=30):
        return


def pull_from(port: int, query: str, **more: Any) -> Pull:
    settings: dict[str, Any] = {
        "from_us": BEGIN_S * 10**6, "to_us": (BEGIN_S + DAYS * 86_400) * 10**6, "step_us": 3600 * 10**6, **more
    }  # fmt: skip
    return Pull(
        parse_address(f"influxdb://127.0.0.1:{port}/cap"), "disk_used_bytes", query.replace("RANGE", RANGE), **settings
    )


def rows_of(pull: Pull) -> pl.DataFrame:
    return pl.concat([batch.rows for batch in InfluxDB().read(pull)])


def test_raw_points_come_once_each_with_host_and_instance(port: int) -> None:
    rows = rows_of(pull_from(port, "SELECT used FROM disk RANGE GROUP BY host, path", unit="byte"))
    expected = [
        (f"h{h}", "disk_used_bytes", f"/d{d}", "byte", (BEGIN_S + 300 * k) * 10**6, float(h * 1000 + d * 100 + k % 12))
        for h in range(2)
        for d in range(2)
        for k in range(DAYS * 288)
    ]
    assert rows.drop("line").sort("host", "instance", "ts").rows() == expected
    assert rows["line"].to_list() == list(range(1, rows.height + 1))


def test_groups_of_time_are_never_cut(port: int) -> None:
    """Also where the range begins within one; the last, which is not over, is left for the next night."""
    query = "SELECT count(used) FROM disk RANGE GROUP BY time({step}), host"
    half = {"from_us": (BEGIN_S + 1800) * 10**6, "to_us": (BEGIN_S + 2 * 86_400 + 1800) * 10**6}
    rows = rows_of(pull_from(port, query, **half))
    assert rows.height == 2 * 48
    assert set(rows["value"]) == {24.0}
    assert rows["ts"].max() == (BEGIN_S + 47 * 3600) * 10**6


def test_tags_among_the_columns_and_several_fields(port: int) -> None:
    rows = rows_of(pull_from(port, "SELECT used, free, host, path FROM disk RANGE", mapping={"instance": "path"}))
    keys = rows.select("host", "metric", "instance").unique().sort(pl.all()).rows()
    metrics = ("disk_used_bytes_free", "disk_used_bytes_used")
    assert keys == [(h, m, d) for h in ("h0", "h1") for m in metrics for d in ("/d0", "/d1")]


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ("SELECT used INTO other FROM disk RANGE", "writes nothing"),
        ("SELECT used FROM disk RANGE; DROP DATABASE cap", "writes nothing"),
        ("DROP DATABASE cap", "writes nothing"),
        ("SELECT used FROM disk", "name its range"),
        ("SELECT used FROM RANGE", "HTTP 400 .*error parsing query"),
    ],
)
def test_only_one_reading_query_with_its_range_is_asked(port: int, query: str, told: str) -> None:
    with pytest.raises(SourceError, match=told):
        rows_of(pull_from(port, query))


@pytest.mark.parametrize(
    "result",
    [
        {"error": "timeout"},
        {"partial": True, "series": []},
        {"series": [{"partial": True, "columns": ["time", "x"], "values": [[BEGIN_S * 10**6, 1]]}]},
        {"series": [{"columns": ["time", "x"], "values": [[1]]}]},
        {"series": [{"columns": ["x"], "values": [[1]]}]},
        {"series": [{}]},
    ],
)
def test_what_is_partial_or_no_table_is_no_answer(result: Any) -> None:
    with bad_server(says(200, json.dumps({"results": [result]}).encode())) as server, pytest.raises(SourceError):
        rows_of(pull_from(server.port, "SELECT x FROM y RANGE"))
