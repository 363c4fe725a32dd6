"""Files of other programs as they are: read with the options their oddity needs, or refused by name."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
from source_files import START_US, load, shared

from capforecast.errors import CapforecastError, SchemaError, SourceError

STEP = {"start_us": START_US, "step_us": 300_000_000}


def seconds(frame: pl.DataFrame) -> tuple[int, int]:
    return frame["ts"].min() // 1_000_000, frame["ts"].max() // 1_000_000  # type: ignore[operator, return-value]


@pytest.mark.parametrize(("host", "rows"), [("837", 8636), ("1052", 1926)])
def test_bitbrains_seconds_under_a_header_that_says_milliseconds(host: str, rows: int) -> None:
    found = load(shared(f"rawformats/bitbrains/{host}.csv"))
    assert found.rejects.is_empty()
    assert 10 * rows == found.rows.height
    assert {host} == set(found.rows["host"])
    first, last = seconds(found.rows)
    assert 1_376_000_000 < first < last < 1_380_000_000
    units = dict(found.rows.select("metric", "unit").unique().rows())
    assert (
        units["cpu_usage_pct"], units["memory_usage_kb"], units["cpu_usage_mhz"], units["cpu_cores"],
    ) == ("percent", "KB", "MHZ", "")  # fmt: skip
    assert units["network_received_throughput_kb_per_s"] == "KB/s"


@pytest.mark.parametrize(
    ("path", "rows", "metric"),
    [
        ("nab_cloudwatch/ec2_cpu_utilization_53ea38.csv", 4032, "ec2_cpu_utilization_53ea38"),
        ("nab_cloudwatch/ec2_cpu_utilization_c6585a.csv", 4032, "ec2_cpu_utilization_c6585a"),
        ("gaps/sample_missing_input.csv", 1430, "sample_missing_input"),
        ("kpi_csv/sample_data.csv", 17568, "sample_data"),
        ("prometheus_csv/scrape_duration_seconds.csv", 4320, "scrape_duration_seconds"),
        ("linkedin/SAR-device.sdb.await.csv", 7200, "sar_device_sdb_await"),
    ],
)
def test_files_of_one_series_are_read_without_options(path: str, rows: int, metric: str) -> None:
    found = load(shared(f"rawformats/{path}"))
    assert (rows, 0) == (found.rows.height, found.rejects.height)
    assert {metric} == set(found.rows["metric"])
    assert found.rows["ts"].is_sorted()


def test_nanosecond_fractions_are_cut_to_microseconds() -> None:
    found = load(shared("rawformats/prometheus_csv/scrape_duration_seconds.csv"))
    assert found.rows.select("ts", "value").row(0) == (1_588_350_354_703_000, 0.022505785)


def test_alibaba_has_no_time_and_needs_start_and_step() -> None:
    path = shared("rawformats/alibaba/machine_usage_days_1_to_8_grouped_300_seconds.csv")
    with pytest.raises(SchemaError, match="--start TIME and --step"):
        load(path)
    found = load(path, **STEP)
    assert found.rows.height == 5 * 2243
    assert found.rows["ts"].max() == START_US + 2242 * 300_000_000


def test_planetlab_is_bare_numbers_and_needs_start_and_step() -> None:
    path = shared("rawformats/planetlab/146-179_surfsnel_dsl_internl_net_uw_oneswarm")
    with pytest.raises(SchemaError, match="--start TIME and --step"):
        load(path)
    assert load(path, metric="cpu_util_pct", **STEP).rows.height == 288


def test_google_trace_needs_a_mapping_and_the_unit_of_its_time() -> None:
    path = shared("rawformats/google_trace/task-usage-sample-1.csv")
    with pytest.raises(SchemaError, match=r"0 'start time of the measurement period'.*--map ts="):
        load(path)
    mapping = {"ts": "start time of the measurement period", "value": "mean CPU usage rate"}
    with pytest.raises(SourceError, match="--epoch"):
        load(path, mapping=mapping)
    found = load(path, mapping=mapping, epoch="us")
    assert (found.rows.height, found.rejects.height) == (6, 5)
    assert {"host is empty"} == set(found.rejects["reason"])
    assert [found.rows["ts"].min(), found.rows["ts"].max()] == [10_000_000, 42_000_000]


def test_m4_series_in_rows_need_a_layout() -> None:
    path = shared("rawformats/wide_csv/Hourly-test.csv")
    with pytest.raises(SchemaError, match="--layout rows"):
        load(path)
    found = load(path, layout="rows", metric="m4", start_us=START_US, step_us=3_600_000_000)
    assert (found.rows.height, found.rows["host"].n_unique()) == (414 * 48, 414)


def test_sadf_sections_are_read_and_events_are_rejects() -> None:
    found = load(shared("rawformats/sysstat/expected.sadf-d"))
    series = found.rows.filter(pl.col("metric") == "idle_pct")
    assert {"all", *(str(i) for i in range(10))} >= set(series["instance"]) >= {"all", "0", "1"}
    assert {"/dev/sda9", "/dev/sda7"} < set(found.rows.filter(pl.col("metric") == "fsused_pct")["instance"])
    assert {"SYSSTAT.TEST"} == set(found.rows["host"])
    assert {"percent"} == set(series["unit"])
    with open(shared("rawformats/sysstat/expected.sadf-d")) as file:
        text = file.read().splitlines()
    touched = {*found.rows["line"], *found.rejects["line"]}
    assert {n for n, line in enumerate(text, 1) if not line.startswith("#")} == touched


@pytest.mark.parametrize(
    ("path", "what"),
    [
        ("sysstat/expected.sadf-j", "JSON"),
        ("sysstat/expected.iostat-x-p-ALL-JSON", "JSON"),
        ("sar_text/sar-10.1.5", "text of sar"),
        ("sar_text/sar-11.6.1-full-output", "text of sar"),
    ],
)
def test_what_is_no_table_is_named_and_what_is_readable_is_listed(path: str, what: str) -> None:
    with pytest.raises(SourceError, match=rf"must be recognised.*{what}.*Readable are CSV, TSV.*Parquet"):
        load(shared(f"rawformats/{path}"))


def test_every_shared_file_gives_rows_or_one_of_our_errors() -> None:
    refused = 0
    for path in sorted(Path(shared("rawformats")).rglob("*")):
        if path.is_file():
            try:
                assert load(path).rows.height > 0
            except CapforecastError:
                refused += 1
    assert refused == 10


@pytest.mark.slow
def test_eleven_million_rows_of_parquet_come_as_one_batch() -> None:
    found = load(shared("datasets/bitbrains_faststorage.parquet"), mapping={"host": "series_id"})
    assert (found.rows.height, found.rejects.height) == (11_664_457, 0)
    assert found.rows.select("host", "metric").n_unique() == 1276
