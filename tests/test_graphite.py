"""Graphite as a source: paths and tags become hosts and instances, windows meet without gap or double."""

from __future__ import annotations

import json
import math
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from bad_server import Handler, bad_server, says
from prometheus_server import free_port, program, wait_for

from capforecast import portions
from capforecast.address import parse_address
from capforecast.config import load
from capforecast.errors import SchemaError, SourceError
from capforecast.exchange import TooLargeError
from capforecast.pulling import pulled
from capforecast.servers import Pull
from capforecast.servers.graphite import Graphite, identity
from capforecast.sources import ROWS
from capforecast.store import Ingested, Store

DAY_S = 86_400
DAYS = 3
# Graphite knows nothing that is older than what its files keep, counted from now.
BEGIN_S = int(time.time()) // DAY_S * DAY_S - (DAYS + 1) * DAY_S
SYSTEM_PYTHON = "/usr/bin/python3"
PATHS = [(host, disk) for host in ("db-1", "web-1") for disk in ("sda", "sdb")]


def value_at(host: str, disk: str, k: int) -> float:
    return PATHS.index((host, disk)) * 1000.0 + k % 12


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """A real graphite-web over files of its own format."""
    program("graphite-manage", "graphite-web")
    create, update = (program(f"whisper-{verb}", "python3-whisper") for verb in ("create", "update"))
    folder, found = tmp_path_factory.mktemp("graphite"), free_port()
    for host, disk in PATHS:
        file = folder / f"whisper/servers/{host}/disk/{disk}/used.wsp"
        file.parent.mkdir(parents=True)
        points = [f"{BEGIN_S + 300 * k}:{value_at(host, disk, k)}" for k in range(DAYS * 288)]
        subprocess.run([create, file, "300:10d", "--xFilesFactor=0"], check=True, capture_output=True)
        subprocess.run([update, file, *points], check=True, capture_output=True)
    command = [SYSTEM_PYTHON, str(Path(__file__).with_name("graphite_server.py")), str(folder), str(found)]
    running = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_for(f"http://127.0.0.1:{found}/render?format=json", running)
        yield found
    finally:
        running.terminate()
        running.wait(20)


def pull_from(port: int, query: str, **more: Any) -> Pull:
    settings: dict[str, Any] = {
        "from_us": BEGIN_S * 10**6, "to_us": (BEGIN_S + DAYS * DAY_S) * 10**6, "step_us": 300 * 10**6, **more
    }  # fmt: skip
    return Pull(parse_address(f"graphite://127.0.0.1:{port}"), "disk_used_bytes", query, **settings)


def rows_of(pull: Pull) -> pl.DataFrame:
    return pl.concat([batch.rows for batch in Graphite().read(pull)])


def test_points_come_once_each_with_the_host_and_instance_of_their_path(port: int) -> None:
    rows = rows_of(pull_from(port, "servers.*.disk.*.used", unit="byte", mapping={"host": "1", "instance": "3"}))
    expected = [
        (host, "disk_used_bytes", disk, "byte", (BEGIN_S + 300 * k) * 10**6, value_at(host, disk, k))
        for host, disk in PATHS
        for k in range(DAYS * 288)
    ]
    assert rows.drop("line").sort("host", "instance", "ts").rows() == expected
    assert rows["line"].to_list() == list(range(1, rows.height + 1))


def test_functions_over_whole_steps_give_whole_steps(port: int) -> None:
    """Of hours, also where the range begins and ends within one; names are those of the path behind the functions."""
    query = 'summarize(servers.*.disk.sda.used, "{step}", "sum")'
    half = {"from_us": (BEGIN_S + 1800) * 10**6, "to_us": (BEGIN_S + 2 * DAY_S + 1800) * 10**6, "step_us": 3600 * 10**6}
    rows = rows_of(pull_from(port, query, mapping={"host": "1"}, **half))
    assert sorted(rows["host"].unique()) == ["db-1", "web-1"]
    assert rows.height == 2 * 48
    assert set(rows.filter(pl.col("host") == "db-1")["value"]) == {66.0}
    assert rows["ts"].max() == (BEGIN_S + 47 * 3600) * 10**6
    named = rows_of(pull_from(port, "aliasByNode(servers.*.disk.sda.used, 1)"))
    assert sorted(named["host"].unique()) == ["db-1", "web-1"]


def test_two_series_are_never_made_one(port: int) -> None:
    with pytest.raises(SchemaError, match=r"map\.instance"):
        rows_of(pull_from(port, "servers.*.disk.*.used", mapping={"host": "1"}))


def test_nights_go_on_where_the_last_ended(port: int, tmp_path: Path) -> None:
    (tmp_path / "capforecast.toml").write_text(
        f'[[sources]]\nlocation = "graphite://127.0.0.1:{port}"\nmap = {{host = "1", instance = "3"}}\n'
        'history = "2d"\noverlap = "1h"\n[[sources.queries]]\nmetric = "disk_used_bytes"\nunit = "byte"\n'
        'query = "servers.*.disk.*.used"\n[[sources.queries]]\nmetric = "none"\nquery = "no.such.path"\n'
    )
    config = load(tmp_path / "capforecast.toml", environ={})
    (source,) = config.sources
    counts = []
    with Store.create(tmp_path / "store", created_us=BEGIN_S * 10**6) as store:
        for hours in (48, 60):
            first, second = pulled(store, source, config, (BEGIN_S + hours * 3600) * 10**6)
            assert isinstance(first, Ingested)
            assert "#none" in str(second)
            counts.append((first.accepted, first.duplicate))
        values = store.samples("web-1", "disk_used_bytes").filter(pl.col("instance") == "sdb")["value"].to_list()
    # The last sample of the first night lies five minutes before its end.
    assert counts == [(4 * 48 * 12, 0), (4 * 12 * 12, 4 * 13)]
    assert values == [value_at("web-1", "sdb", k) for k in range(60 * 12)]


@pytest.mark.parametrize(
    ("target", "tags", "mapping", "host", "expected"),
    [
        ("servers.db-1.cpu", {}, {"host": "1"}, None, ("db-1", "")),
        ("servers.db-1.cpu", {}, {"host": "9"}, None, (None, "")),
        ("servers.db-1.cpu", {}, {}, None, ("servers.db-1.cpu", "")),
        ("servers.db-1.cpu", {}, {}, "web", ("web", "")),
        ("db-1.example.org", {"name": "servers.x.cpu"}, {}, None, ("db-1.example.org", "")),
        ("cpu;host=a;cpu=0", {"name": "cpu", "host": "a", "cpu": "0"}, {}, None, ("a", "")),
        ("cpu;vm=a;cpu=0", {"name": "cpu", "vm": "a", "cpu": "0"}, {"host": "vm", "instance": "cpu"}, "b", ("a", "0")),
        ("max(a.b.c)", {"name": "a.b.c"}, {"host": "2", "instance": "0"}, None, ("c", "a")),
    ],
)
def test_paths_and_tags_become_host_and_instance(
    target: str, tags: dict[str, str], mapping: dict[str, str], host: str | None, expected: Any
) -> None:
    assert identity(target, tags, pull_from(1, "x", mapping=mapping, host=host)) == expected


@pytest.mark.parametrize(
    "answer",
    [
        {"error": "x"},
        ["x"],
        [{"target": "a"}],
        [{"target": "a", "datapoints": [[1]]}],
        [{"target": "a", "datapoints": [[1, "2"]]}],
        [{"target": "a", "datapoints": [["x", 2]]}],
        [{"target": "a", "datapoints": [[1, 1e300]]}],
        [{"target": "a", "tags": [], "datapoints": 1}],
    ],
)
def test_what_is_no_list_of_series_is_no_answer(answer: Any) -> None:
    with bad_server(says(200, json.dumps(answer).encode())) as server, pytest.raises(SourceError):
        rows_of(pull_from(server.port, "a"))


def test_points_outside_the_window_and_without_a_value_are_left_out() -> None:
    def points(handler: Handler) -> None:
        start, end = (int(handler.form[name]) + 1 for name in ("from", "until"))
        told = [[1, start - 300], [2, start], [None, start + 300], [math.nan, end - 1], [4, end]]
        handler.reply(200, json.dumps([{"target": "a", "datapoints": told}]).encode())

    with bad_server(points) as server:
        rows = rows_of(pull_from(server.port, "a", to_us=(BEGIN_S + 3 * 3600) * 10**6))
    assert rows["value"].to_list()[0] == 2
    assert math.isnan(rows["value"].to_list()[1])


def test_portions_grow_and_shrink_with_the_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each moment is asked for once, in whole steps, in order; what is too large is asked for in halves."""
    monkeypatch.setattr(portions, "MOST_SAMPLES", 2000)
    hour = 3600 * 10**6
    asked: list[tuple[int, int]] = []

    def ask(start: int, end: int) -> pl.DataFrame:
        if end - start > 100 * hour:
            raise TooLargeError("too large")
        asked.append((start // hour, end // hour))
        count = (end - start) // hour * 10
        return pl.DataFrame({name: [None] * count for name in ROWS}, schema=ROWS)

    batches = list(portions.portions(7, 1000 * hour + 5, hour, ask))
    assert [end for _, end in asked[:-1]] == [start for start, _ in asked[1:]]
    assert (asked[0][0], asked[-1][1]) == (0, 1000)
    assert max(end - start for start, end in asked) <= 100
    lines = pl.concat([batch.rows for batch in batches])["line"].to_list()
    assert lines == list(range(1, 10_001))
    with pytest.raises(TooLargeError):
        list(portions.portions(0, 400 * hour, 200 * hour, ask))
