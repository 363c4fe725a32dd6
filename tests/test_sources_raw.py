"""Files of other programs as they are: read, after the options that an error names where their oddity needs some."""

from __future__ import annotations

import re
from pathlib import Path

import polars as pl
import pytest
from source_files import START_US, load, shared, together

from capforecast import registry
from capforecast.config import Config
from capforecast.errors import CapforecastError, SchemaError, SourceError
from capforecast.ingest import ingest
from capforecast.sources import ReadOptions
from capforecast.sources.content import head
from capforecast.sources.recognise import choose, read
from capforecast.store import Store

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


def test_sadf_sections_are_read_and_what_is_no_sample_is_left_out() -> None:
    found = load(shared("rawformats/sysstat/expected.sadf-d"))
    series = found.rows.filter(pl.col("metric") == "cpu_idle_pct")
    assert {"all", *(str(i) for i in range(10))} >= set(series["instance"]) >= {"all", "0", "1"}
    assert {"/dev/sda9", "/dev/sda7"} < set(found.rows.filter(pl.col("metric") == "disk_used_pct")["instance"])
    assert {"SYSSTAT.TEST"} == set(found.rows["host"])
    assert {"percent"} == set(series["unit"])
    with open(shared("rawformats/sysstat/expected.sadf-d")) as file:
        text = file.read().splitlines()
    header, rows = "", set()
    for n, line in enumerate(text, 1):
        header = line if line.startswith("#") else header
        if line != header and line.split(";")[1] != "-1" and "idvendor" not in header:
            rows.add(n)
    assert found.rejects.is_empty()
    assert set(found.rows["line"]) == rows


@pytest.mark.parametrize(
    ("text", "options"), [("sar-10.1.5", {}), ("sar-11.6.1-full-output", {"time_format": "%m/%d/%y"})]
)
def test_every_row_of_sars_text_is_read(text: str, options: dict[str, str]) -> None:
    path = shared(f"rawformats/sar_text/{text}")
    found = load(path, **options)
    times = re.compile(r"\d\d:\d\d:\d\d +\S+ .*\d$|\d\d:\d\d:\d\d +[\d. ]+ /")
    lines = Path(path).read_text().splitlines()
    rows = {n for n, line in enumerate(lines, 1) if times.match(line) and not line.endswith("/s")}
    assert rows <= set(found.rows["line"])
    days = found.rows["ts"] // 86_400_000_000
    assert (days.n_unique(), found.rejects.height) == (1, 0)


def test_the_text_and_the_json_of_sadf_say_the_same() -> None:
    """Both were written from one data file: the JSON has more only of interrupts, those of each processor."""
    names = ["host", "metric", "instance", "unit", "ts", "value"]
    text, document = (load(shared(f"rawformats/sysstat/expected.sadf-{kind}")).rows.select(names) for kind in "dj")
    only = text.join(document, on=names, how="anti")
    assert (text.height, only.height) == (3619, 0)
    more = document.join(text, on=names, how="anti")
    of_one = (pl.col("metric") == "intr_per_s") & pl.col("instance").str.contains(" CPU")
    assert more.filter(of_one).height == document.filter(of_one).height > 0


START = {"start_us": START_US}
EVERY: dict[str, tuple[dict[str, object], str, int, int]] = {
    "bitbrains/837.csv": ({}, "", 86360, 0),
    "bitbrains/1052.csv": ({}, "", 19260, 0),
    "nab_cloudwatch/ec2_cpu_utilization_53ea38.csv": ({}, "", 4032, 0),
    "nab_cloudwatch/ec2_cpu_utilization_c6585a.csv": ({}, "", 4032, 0),
    "planetlab/146-179_surfsnel_dsl_internl_net_uw_oneswarm": (STEP, "--start TIME and --step", 288, 0),
    "prometheus_json/201907281200.json": ({}, "", 6839, 0),
    "prometheus_csv/scrape_duration_seconds.csv": ({}, "", 4320, 0),
    "exposition_text/e2e-output.txt": (START, "--start", 3027, 0),
    "sar_text/sar-10.1.5": ({}, "", 26136, 0),
    "sar_text/sar-11.6.1-full-output": ({"time_format": "%m/%d/%y"}, "--time-format %m/%d/%y", 6414, 0),
    "sysstat/expected.sadf-d": ({}, "", 3619, 0),
    "sysstat/expected.sadf-j": ({}, "", 5887, 0),
    "sysstat/expected.iostat-x-p-ALL-JSON": (STEP, "--start TIME", 958, 0),
    "influx_line/cloud1.influx": ({}, "", 1554, 3),
    "cloudwatch_stream/record.json": ({}, "", 1, 0),
    "otlp/metrics.json": ({}, "", 6, 0),
    "wide_csv/Hourly-test.csv": ({"layout": "rows", **STEP}, "--layout rows --start TIME --step", 19872, 0),
    "kpi_csv/sample_data.csv": ({}, "", 17568, 0),
    "linkedin/SAR-device.sdb.await.csv": ({}, "", 7200, 0),
    "gaps/sample_missing_input.csv": ({}, "", 1430, 0),
    "google_trace/task-usage-sample-1.csv": (
        {"mapping": {"ts": "0", "value": "mean CPU usage rate"}, "epoch": "us"}, "--map ts=", 6, 5,
    ),
    "alibaba/machine_usage_days_1_to_8_grouped_300_seconds.csv": (STEP, "--start TIME and --step", 11215, 0),
}  # fmt: skip
"""Options that each file needs, what the error without them names, rows and rejects."""


def test_the_list_of_files_is_that_of_the_manifest() -> None:
    folder = Path(shared("rawformats/MANIFEST.md")).parent
    listed = re.findall(r"^\| (\S+/\S+) \|", (folder / "MANIFEST.md").read_text(), re.MULTILINE)
    assert sorted(EVERY) == sorted(listed)


@pytest.mark.parametrize("path", EVERY)
def test_every_raw_file_is_ingested_and_its_rows_add_up(tmp_path: Path, path: str) -> None:
    location = shared(f"rawformats/{path}")
    given, named, rows, rejects = EVERY[path]
    if named:
        with pytest.raises(CapforecastError) as error:
            load(location)
        assert named in str(error.value)
    options = ReadOptions(**given)  # type: ignore[arg-type]
    found = together(list(read(location, options)))
    assert (rows, rejects) == (found.rows.height, found.rejects.height)
    source = registry.load("source", choose(location, head(location), options))()
    with Store.create(tmp_path / "store", created_us=START_US) as store:
        done = ingest(store, location, source, options, Config(), as_of_us=2 * START_US, run_id="run")
    assert rows + rejects == done.rows_in == done.accepted + done.duplicate + done.quarantined
    assert done.quarantined >= rejects
    assert done.accepted > 0


@pytest.mark.slow
def test_eleven_million_rows_of_parquet_come_as_one_batch() -> None:
    found = load(shared("datasets/bitbrains_faststorage.parquet"), mapping={"host": "series_id"})
    assert (found.rows.height, found.rejects.height) == (11_664_457, 0)
    assert found.rows.select("host", "metric").n_unique() == 1276
