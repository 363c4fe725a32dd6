"""JSON lines: the same columns and rules as delimited text."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from source_files import COMPRESS, START_S, START_US, load, write

from capforecast.errors import SchemaError, SourceError
from capforecast.sources import ReadOptions
from capforecast.sources.recognise import read


def lines(*objects: object) -> str:
    return "".join(json.dumps(o, ensure_ascii=False) + "\n" for o in objects)


@pytest.mark.parametrize("ending", sorted(COMPRESS))
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_objects_with_numbers_or_text_become_rows(tmp_path: Path, ending: str, encoding: str) -> None:
    text = lines(
        {"timestamp": START_S, "hostname": "wé\u2028b", "name": "cpu", "device": "sda", "value": 1.5, "unit": "%"},
        {"hostname": "b", "name": "cpu", "timestamp": str(START_S + 1), "value": "2", "labels": {"x": [1]}},
    )
    found = load(write(tmp_path / f"a.jsonl{ending}", COMPRESS[ending](text.encode(encoding))))
    assert found.rows.rows() == [
        ("wé\u2028b", "cpu", "sda", "%", START_US, 1.5, 1),
        ("b", "cpu", "", "", START_US + 1_000_000, 2.0, 2),
    ]
    assert found.rejects.is_empty()


def test_wide_objects_give_a_metric_for_each_number(tmp_path: Path) -> None:
    text = lines(
        {"time": "2024-01-01T00:00:00Z", "node": "a", "cpu": 1, "mem [%]": 2, "state": "up"},
        {"time": "2024-01-01T00:00:00Z", "node": "b", "cpu": True, "mem [%]": None},
    )
    found = load(write(tmp_path / "a.jsonl", text))
    assert found.rows.select("host", "metric", "unit", "value").rows() == [
        ("a", "cpu", "", 1.0),
        ("a", "mem_pct", "percent", 2.0),
    ]
    assert found.rejects.select("line", "reason").rows() == [(2, "'cpu' is not a number")]


def test_bad_lines_are_rejects(tmp_path: Path) -> None:
    good = {"ts": START_S, "host": "a", "metric": "m", "value": 1}
    raw = [
        json.dumps(good),
        "{broken",
        "[1, 2]",
        '{"ts": 1704067200, "ts": 1704067201, "host": "a", "metric": "m", "value": 1}',
        json.dumps({**good, "value": None}),
        json.dumps({**good, "value": [1]}),
        json.dumps({"ts": START_S}),
        '{"ts": 1704067200, "host": "a", "metric": "m", "value": ' + "9" * 5000 + "}",
        "[" * 100_000,
        "",
        '{"ts": 1704067200, "host": "a", "metric": "m", "value": NaN}',
        json.dumps({**good, "host": "a\ud800"}),
        json.dumps({**good, "note\udfff": 1}),
        json.dumps({**good, "host": "\U0001f600"}),
    ]
    found = load(write(tmp_path / "a.jsonl", "\n".join(raw)))
    assert found.rows["line"].to_list() == [1, 11, 14]
    assert str(found.rows["value"][1]) == "nan"
    assert found.rejects.select("line", "reason").rows() == [
        (2, "the line is not valid JSON"),
        (3, "the line is not a JSON object"),
        (4, "a key stands twice"),
        (5, "value is empty"),
        (6, "value is empty"),
        (7, "host is empty"),
        (8, "the line is not valid JSON"),
        (9, "the line is not valid JSON"),
        (12, "it holds half of a surrogate pair, which is no text"),
        (13, "it holds half of a surrogate pair, which is no text"),
    ]
    assert raw[1] == found.rejects["raw"][0]


def test_a_row_with_nearly_the_name_of_a_column_spoils_no_other(tmp_path: Path) -> None:
    good = {"ts": START_S, "host": "a", "metric": "m", "value": 1}
    bad = {"ts": START_S, ";host": "b", "metric": "m", "value": 1}
    found = load(write(tmp_path / "a.jsonl", "\n".join(map(json.dumps, [good, bad, good]))))
    assert found.rows["line"].to_list() == [1, 3]
    assert found.rejects.select("line", "reason").rows() == [(2, "host is empty")]


@pytest.mark.parametrize("text", ['{\n  "ts": 1\n}\n', '[{"ts": 1}]\n', '{"ts":\n1}\n'])
def test_a_json_document_is_not_json_lines(tmp_path: Path, text: str) -> None:
    with pytest.raises(SourceError, match="JSON.*one object a line"):
        load(write(tmp_path / "a.json", text))


def test_keys_that_cannot_be_told_are_listed(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", lines({"when": START_S, "what": 1}))
    with pytest.raises(SchemaError, match=r"0 'when', 1 'what'.*--map"):
        load(path)
    assert load(path, mapping={"ts": "when"}).rows["ts"][0] == START_US
    with pytest.raises(SourceError, match="no line that is a JSON object"):
        load(write(tmp_path / "b.jsonl", "1\n2\n"), format="jsonl")
    with pytest.raises(SourceError, match="must hold data"):
        load(write(tmp_path / "c.jsonl", ""), format="jsonl")


def test_rows_without_time_get_start_and_step_also_over_bad_lines(tmp_path: Path) -> None:
    text = lines({"cpu": 1}) + "broken\n" + lines({"cpu": 3})
    found = load(write(tmp_path / "a.jsonl", text), start_us=START_US, step_us=60_000_000)
    assert found.rows["ts"].to_list() == [START_US, START_US + 120_000_000]


def test_what_stands_in_objects_inside_has_dotted_names(tmp_path: Path) -> None:
    """As Metricbeat writes it, whose percents are shares of one."""
    system = {"cpu": {"total": {"pct": 0.25}, "cores": 4}, "load": {"1": 1.5}}
    events = [
        {"@timestamp": "2024-01-01T00:00:00.000Z", "host": {"name": "a"}, "metricset": {"name": "x"}, "system": system},
        {
            "@timestamp": "2024-01-01T00:01:00.000Z",
            "host": {"id": "x", "name": "a", "": {}},
            "system": {"cpu": {"cores": 8}},
        },
        {"@timestamp": "2024-01-01T00:02:00.000Z", "host": {"name": "a"}, "a.b": 1, "a": {"b": 2}},
        {"@timestamp": "2024-01-01T00:03:00.000Z", "host": {"name": "a"}, "system": {"load": {"1": "\ud800"}}},
    ]
    text = "".join(json.dumps(event) + "\n" for event in events)
    (batch,) = read(str(write(tmp_path / "m.jsonl", text)), ReadOptions())
    assert batch.rows.select("host", "metric", "unit", "value", "line").rows() == [
        ("a", "system_cpu_total_pct", "fraction", 0.25, 1),
        ("a", "system_cpu_cores", "", 4.0, 1),
        ("a", "system_load_1", "", 1.5, 1),
        ("a", "system_cpu_cores", "", 8.0, 2),
    ]
    assert batch.left_out == ("metricset.name", "host.id")
    assert batch.rejects.select("line", "reason").rows() == [
        (3, "a key stands twice"), (4, "it holds half of a surrogate pair, which is no text")
    ]  # fmt: skip
