"""Answers that no right server gives: each is an error of its query, and nothing of it is taken."""

from __future__ import annotations

import json
from typing import Any

import pytest
from bad_server import Handler, bad_server

from capforecast import exchange
from capforecast.address import parse_address
from capforecast.config import load
from capforecast.errors import SourceError
from capforecast.exchange import Exchange, UnfinishedError
from capforecast.recipes import discovered
from capforecast.registry import load as registered
from capforecast.servers import Pull
from capforecast.store import Store
from capforecast.taking import take

END = 1_767_225_600
AT = END - 3600
HUGE = 10**400
QUERIES = {
    "prometheus": "up",
    "graphite": "a.b",
    "influxdb": "SELECT mean(x) FROM y WHERE time >= {since} AND time < {until} GROUP BY time({step})",
}


def matrix(metric: Any, values: Any, **more: Any) -> Any:
    return {
        "status": "success",
        "data": {"resultType": "matrix", "result": [{"metric": metric, "values": values}]},
        **more,
    }


def results(**series: Any) -> Any:
    return {"results": [{"series": [{"columns": ["time", "x"], "tags": {"host": "a"}, **series}]}]}


WRONG = [
    ("prometheus", matrix({"host": "\ud800"}, [[AT, "1"]])),
    ("prometheus", matrix({"\udfff": "a"}, [[AT, "1"]])),
    ("prometheus", matrix({"host": "a"}, [[AT, HUGE]])),
    ("prometheus", matrix({"host": "a"}, [[HUGE, "1"]])),
    ("prometheus", matrix({"host": "a"}, [[1e300, "1"]])),
    ("prometheus", matrix({"host": "a"}, [[float("nan"), "1"]])),
    ("prometheus", matrix({"host": "a"}, [], warnings=5)),
    ("graphite", [{"target": "\ud800", "datapoints": [[1, AT]]}]),
    ("graphite", [{"target": "a", "tags": {"host": "\ud800"}, "datapoints": [[1, AT]]}]),
    ("graphite", [{"target": "a", "datapoints": [[HUGE, AT]]}]),
    ("influxdb", results(values=[[AT * 10**6, 1]], tags={"host": "\ud800"})),
    ("influxdb", results(values=[[HUGE, 1]])),
    ("influxdb", results(values=[[AT * 10**6, HUGE]])),
    ("influxdb", results(values=[[AT * 10**6, {}], [AT * 10**6 + 1, 1]])),
    ("influxdb", {"results": [{"series": ["x"]}]}),
    ("influxdb", {"results": [{"series": 5}]}),
    ("influxdb", {"results": [{"series": None}]}),
]


def read(server: str, body: bytes, monkeypatch: pytest.MonkeyPatch) -> int:
    """Return how many rows a server makes of an answer."""
    monkeypatch.setattr(Exchange, "ask", lambda self, path, fields, read, get=False: self._taken(read, body))
    pull = Pull(parse_address(f"{server}://h:1/db"), "m", QUERIES[server], AT * 10**6, END * 10**6)
    return sum(batch.rows.height for batch in registered("server", server)().read(pull))


@pytest.mark.parametrize(("server", "answer"), WRONG)
def test_an_answer_that_cannot_be_kept_is_an_error(server: str, answer: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SourceError):
        read(server, json.dumps(answer).encode(), monkeypatch)


def test_characters_of_two_halves_are_text(monkeypatch: pytest.MonkeyPatch) -> None:
    body = json.dumps([{"target": "\N{GRINNING FACE}", "datapoints": [[1, AT]]}]).encode()
    assert b"ud83d" in body
    assert read("graphite", body, monkeypatch) == 1


def test_what_is_no_json_is_asked_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    for body in (b"", b"[" * 100_000, b'["\xff"]', b"[" + b"1" * 5000 + b"]"):
        with pytest.raises(UnfinishedError):
            read("prometheus", body, monkeypatch)


def test_names_beside_texts_are_texts(monkeypatch: pytest.MonkeyPatch) -> None:
    """A column of InfluxDB that is a text here and a number there."""
    rows = [[AT * 10**6 + k, 1, cell] for k, cell in enumerate(["sda", 5, None])]
    answer = results(columns=["time", "x", "device"], values=rows)
    assert read("influxdb", json.dumps(answer).encode(), monkeypatch) == 3


def test_one_wrong_answer_stops_no_other_source_and_shows_no_secret(tmp_path, monkeypatch) -> None:
    """A server that sends back what it was shown, where a time must be."""
    monkeypatch.setattr(exchange, "ATTEMPTS", 1)
    monkeypatch.setenv("CAPFORECAST_TEST_TOKEN", "s3cr3t")

    def echo(handler: Handler) -> None:
        handler.reply(200, json.dumps(matrix({"host": handler.headers["Authorization"]}, [["x"]])).encode())

    (tmp_path / "a.csv").write_text("host,metric,ts,value\na,cpu_util_pct,2026-01-01T00:00:00Z,1\n")
    with bad_server(echo) as server:
        (tmp_path / "capforecast.toml").write_text(
            f"[[sources]]\nlocation = 'prometheus://127.0.0.1:{server.port}'\nsecret_env = 'CAPFORECAST_TEST_TOKEN'\n"
            f"[[sources.queries]]\nmetric = 'm'\nquery = 'up'\n[[sources]]\nlocation = '{tmp_path}/a.csv'\n"
        )
        config = load(tmp_path / "capforecast.toml", environ={})
        with Store.create(tmp_path / "store", created_us=END * 10**6) as store:
            taken = take(store, config, END * 10**6, None)
    assert len(taken.failed) == taken.rows["accepted"] == 1
    assert "Bearer ***" in taken.failed[0]
    assert "s3cr3t" not in taken.failed[0]


@pytest.mark.parametrize("one", [{}, {"metric": 5}, {"metric": {}, "value": 5}, {"metric": {}, "value": [1, HUGE]}])
def test_discovery_tells_of_an_answer_that_is_no_series(one: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    body = json.dumps({"status": "success", "data": {"resultType": "vector", "result": [one]}}).encode()
    monkeypatch.setattr(Exchange, "ask", lambda self, path, fields, read, get=False: self._taken(read, body))
    with pytest.raises(SourceError, match="labels and a value"):
        discovered(Pull(parse_address("prometheus://h:1"), "", "", 0, 0), "5m")
