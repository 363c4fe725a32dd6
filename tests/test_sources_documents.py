"""JSON documents: how they stand in a file, and what each of them means."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from source_files import START_S, START_US, load, write

from capforecast.errors import SchemaError, SourceError
from capforecast.sources import Batch, documents

MS, NS = START_S * 1000, f"{START_S}000000000"


def rows(found: Batch, *columns: str) -> list[tuple[object, ...]]:
    return found.rows.select(columns or ("host", "metric", "instance", "value")).rows()


def document(tmp_path: Path, *values: Any, **options: object) -> Batch:
    return load(write(tmp_path / "d.json", "\n".join(json.dumps(value) for value in values)), **options)


def series(**labels: str) -> dict[str, Any]:
    return {"metric": {"__name__": "m", **labels}, "values": [[START_S, "1"], [START_S + 0.5, "2"]]}


def test_documents_may_stand_alone_on_lines_or_one_after_the_other(tmp_path: Path) -> None:
    whole = json.dumps([series(host="a")], indent=1)
    for text in (whole, whole + whole, f"{json.dumps(series(host='a'))}\n" * 3, json.dumps([series(host="a")])):
        found = load(write(tmp_path / "d.json", text))
        assert set(rows(found)) == {("a", "m", "", 1.0), ("a", "m", "", 2.0)}
        assert found.rows["line"].to_list() == list(range(1, found.rows.height + 1))


def test_half_a_document_is_refused_and_half_a_line_is_a_reject(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="must be whole and valid"):
        load(write(tmp_path / "d.json", json.dumps([series(host="a")], indent=1)[:-9]))
    lines = json.dumps(series(host="a")) + "\n"
    found = load(write(tmp_path / "d.json", lines + lines[:40]))
    assert (found.rows.height, found.rejects.rows()) == (2, [(3, "the line is not valid JSON", lines[:40])])


def test_a_document_may_not_be_longer_than_the_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(documents, "DOCUMENT_BYTES", 1000)
    with pytest.raises(SourceError, match="shorter than 1000 bytes"):
        document(tmp_path, [series(host="a")] * 50)
    assert document(tmp_path, *[series(host="a")] * 50).rows.height == 100


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ({"warnings": ["no store matched"]}, "no store matched"),
        ({"warnings": "no store matched"}, "no store matched"),
        ({"isPartial": True}, "the answer is partial"),
        ({"warnings": ["PromQL info: m might not be a counter"], "infos": ["x"], "isPartial": False}, None),
    ],
)
def test_an_answer_of_prometheus_that_is_not_whole_is_refused(
    tmp_path: Path, said: dict[str, Any], told: str | None
) -> None:
    answer = {"status": "success", "data": {"resultType": "matrix", "result": [series(host="a")]}, **said}
    if told is None:
        assert document(tmp_path, answer).rows.height == 2
        return
    with pytest.raises(SourceError, match=f"an answer must be whole; got warnings: {told}"):
        document(tmp_path, answer)
    error = {"status": "error", "errorType": "timeout", "error": "too slow"}
    with pytest.raises(SourceError, match="the answer must be a success; got too slow"):
        document(tmp_path, error)


@pytest.mark.parametrize("text", ['{"resourceMetrics": ' + "[" * 100_000, '{"resourceMetrics": ' + "9" * 9_000 + "}"])
def test_what_python_cannot_hold_is_no_json(tmp_path: Path, text: str) -> None:
    with pytest.raises(SourceError, match="must be whole and valid"):
        load(write(tmp_path / "d.json", text))


def test_half_a_surrogate_pair_is_no_name(tmp_path: Path) -> None:
    found = document(tmp_path, [series(host="a\ud800"), series(host="b")])
    assert (set(found.rows["host"]), found.rejects.height) == ({"b"}, 2)


def test_answers_of_prometheus(tmp_path: Path) -> None:
    def answer(kind: str, result: Any) -> dict[str, Any]:
        return {"status": "success", "data": {"resultType": kind, "result": result}}

    vector = [{"metric": {"__name__": "m", "instance": "w:9100", "a": "x"}, "value": [START_S, "NaN"]}]
    assert str(rows(document(tmp_path, answer("vector", vector)))) == "[('w', 'm', 'x', nan)]"
    bare = answer("matrix", [{"metric": {"host": "h"}, "values": [[START_S, "3"], [START_S, None], 5]}])
    with pytest.raises(SchemaError, match="--metric NAME"):
        document(tmp_path, bare)
    found = document(tmp_path, bare, metric="cpu")
    assert (rows(found), found.rejects["raw"].to_list()) == ([("h", "cpu", "", 3.0)], [f"[{START_S}, null]", "5"])
    export = {"metric": {"__name__": "m", "host": "h"}, "values": [1, 2], "timestamps": [MS, MS + 1]}
    assert document(tmp_path, export).rows["ts"].to_list() == [START_US, START_US + 1000]
    with pytest.raises(SourceError, match="got too slow"):
        document(tmp_path, {"status": "error", "error": "too slow"}, format="prometheus-json")


def otlp(kind: str, point: dict[str, Any], **more: Any) -> dict[str, Any]:
    resource = [("host.name", "stringValue", "h"), ("os.type", "stringValue", "linux")]
    attributes = [{"key": key, "value": {name: value}} for key, name, value in resource]
    metric = {"name": "n", "unit": "By", kind: {"dataPoints": [{"timeUnixNano": NS, **point}], **more}}
    return {"resourceMetrics": [{"resource": {"attributes": attributes}, "scopeMetrics": [{"metrics": [metric]}]}]}


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (otlp("gauge", {"asInt": "7"}), [("n", "byte", 7.0, "gauge")]),
        (
            otlp("sum", {"asDouble": 1.5}, isMonotonic=True, aggregationTemporality=2),
            [("n", "byte", 1.5, "counter")],
        ),
        (
            otlp("sum", {"asInt": 2}, isMonotonic=True, aggregationTemporality="AGGREGATION_TEMPORALITY_DELTA"),
            [("n", "byte", 2.0, "gauge")],
        ),
        (
            otlp("histogram", {"count": "4", "sum": 9.5, "bucketCounts": ["4"]}, aggregationTemporality=2),
            [("n_count", "", 4.0, "counter"), ("n_sum", "byte", 9.5, "counter")],
        ),
        (otlp("summary", {"count": 1, "sum": 2}), [("n_count", "", 1.0, "counter"), ("n_sum", "byte", 2.0, "counter")]),
    ],
)
def test_kinds_of_otlp(tmp_path: Path, value: Any, expected: list[tuple[object, ...]]) -> None:
    found = document(tmp_path, value)
    assert (rows(found, "metric", "unit", "value", "nature"), set(found.rows["host"])) == (expected, {"h"})


def test_otlp_by_state_and_what_is_missing(tmp_path: Path) -> None:
    state = [{"key": "state", "value": {"stringValue": "used"}}, {"key": "mountpoint", "value": {"stringValue": "/"}}]
    used = otlp("sum", {"asInt": "5", "attributes": state}, aggregationTemporality=2)
    used["resourceMetrics"][0]["scopeMetrics"][0]["metrics"][0]["name"] = "system.filesystem.usage"
    assert rows(document(tmp_path, used)) == [("h", "disk_used_bytes", "/", 5.0)]
    for mode, name, instance in (("user", "cpu_user_pct", ""), ("steal", "n", "steal")):
        share = otlp("gauge", {"asDouble": 0.5, "attributes": [{"key": "cpu.mode", "value": {"stringValue": mode}}]})
        named = "system.cpu.utilization" if name != "n" else "n"
        share["resourceMetrics"][0]["scopeMetrics"][0]["metrics"][0]["name"] = named
        assert rows(document(tmp_path, share)) == [("h", name, instance, 0.5)]
    for point, reason in (({"flags": 1}, "no value was recorded"), ({}, "not a number"), ({"asInt": "x"}, "number")):
        assert reason in document(tmp_path, otlp("gauge", point)).rejects["reason"][0]


def test_paths_and_tags_of_graphite(tmp_path: Path) -> None:
    path = {"target": "servers.web-1.disk.used", "datapoints": [[1.5, START_S], [None, START_S + 60], ["x", START_S]]}
    found = document(tmp_path, [path])
    assert rows(found) == [("d", "servers.web-1.disk.used", "", 1.5)]
    assert found.rejects["raw"].to_list() == [f'["x", {START_S}]']
    assert rows(document(tmp_path, [path], mapping={"host": "1"})) == [("web-1", "servers.disk.used", "", 1.5)]


def test_cloudwatch_in_all_its_forms(tmp_path: Path) -> None:
    record = {
        "metric_name": "CPUUtilization", "dimensions": {"InstanceId": "i-1"}, "timestamp": MS, "unit": "Percent",
        "value": {"sum": 30.0, "count": 4.0, "max": 20, "min": 1},
    }  # fmt: skip
    data = base64.b64encode((json.dumps(record) + "\n" + json.dumps({**record, "value": {}}) + "\n").encode())
    found = document(tmp_path, {"requestId": "r", "records": [{"data": data.decode()}, {"data": "%"}]})
    assert rows(found) == [("i-1", "cpu_util_pct", "", 7.5)]
    assert found.rejects.height == 2
    results = {"Label": "web-1 CPUUtilization", "Timestamps": ["2024-01-01T00:00:00Z", START_S], "Values": [1, 2]}
    found = document(tmp_path, {"MetricDataResults": [results]})
    assert rows(found, "host", "metric", "ts", "value") == [("web-1", "cpu_util_pct", START_US, v) for v in (1.0, 2.0)]
    points = [{"Timestamp": "2024-01-01T01:00:00+01:00", "Maximum": 9, "Average": 3, "Unit": "Bytes"}]
    found = document(tmp_path, {"Label": "x", "Datapoints": points}, host="h")
    assert rows(found, "host", "metric", "unit", "ts", "value") == [("h", "x", "byte", START_US, 3.0)]


def test_reports_of_iostat_need_times_that_it_may_not_write(tmp_path: Path) -> None:
    reports: list[dict[str, Any]] = [
        {"avg-cpu": {"user": 1.5}, "disk": [{"disk_device": "sda", "util": 7.0}]} for _ in "ab"
    ]
    value = {"sysstat": {"hosts": [{"nodename": "h", "statistics": reports}]}}
    with pytest.raises(SchemaError, match="--start TIME"):
        document(tmp_path, value)
    with pytest.raises(SchemaError, match="--step DURATION"):
        document(tmp_path, value, start_us=START_US)
    found = document(tmp_path, value, start_us=START_US, step_us=10)
    assert rows(found, "metric", "instance", "ts")[2:] == [
        ("cpu_user_pct", "", START_US + 10),
        ("disk_util_pct", "sda", START_US + 10),
    ]
    for report in reports:
        report["timestamp"] = "2024-01-01T01:00:00+0100"
    assert set(document(tmp_path, value).rows["ts"]) == {START_US}
