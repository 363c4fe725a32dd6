"""Performance counters of Windows, as relog, typeperf and esxtop write them."""

from __future__ import annotations

from pathlib import Path

import pytest
from source_files import START_US, load, write

from capforecast.errors import SchemaError
from capforecast.sources import Batch

HOUR_US = 3_600_000_000


def table(tmp_path: Path, first: str, *counters: str, cells: str = '"1.5"', **options: object) -> Batch:
    lines = [",".join(f'"{name}"' for name in (first, *counters)), f'"01/01/2024 01:00:00.250",{cells}']
    return load(write(tmp_path / "counters.csv", "\r\n".join(lines) + "\r\n"), **options)


@pytest.mark.parametrize(
    ("first", "zone", "hours"),
    [
        ("(PDH-CSV 4.0) (W. Europe Standard Time)(-60)", "UTC", 0),
        ("(PDH-CSV 4.0) (India Standard Time)(-330)", "UTC", -4.5),
        ("(PDH-CSV 4.0) (Central Daylight Time)(300)", "UTC", 6),
        ("(PDH-CSV 4.0) (Central Daylight Time)(300)", "America/New_York", 6),
        ("(PDH-CSV 4.0)", "UTC", 1),
        ("(PDH-CSV 4.0)", "Europe/Berlin", 0),
    ],
)
def test_the_header_says_how_far_utc_is_ahead_unless_a_zone_is_asked_for(
    tmp_path: Path, first: str, zone: str, hours: float
) -> None:
    found = table(tmp_path, first, r"\\A\System\Processor Queue Length", timezone=zone).rows
    assert found["ts"].to_list() == [START_US + 250_000 + round(hours * HOUR_US)]
    assert found.select("host", "metric", "instance", "unit").row(0) == ("A", "system_processor_queue_length", "", "")


@pytest.mark.parametrize(
    ("header", "series"),
    [
        (r"\\WEB-01\Processor(_Total)\% Processor Time", ("WEB-01", "cpu_util_pct", "_Total", "percent")),
        (r"\\WEB-01\Memory\Available MBytes", ("WEB-01", "mem_available_bytes", "", "MiB")),
        (r"\\web\LogicalDisk(C:)\% Free Space", ("web", "disk_free_pct", "C:", "percent")),
        (r"\\db\MSSQL$X:Databases(a (1))\Percent Log Used", ("db", "mssql_x_databases_percent_log_used", "a (1)", "")),
        (r"\\esx\Physical Disk(vmhba1:\a b)\Reads/sec", ("esx", "physical_disk_reads_sec", r"vmhba1:\a b", "")),
        ("of no host", ("counters", "of_no_host", "", "")),
    ],
)
def test_a_column_is_a_series_of_its_host_object_and_instance(
    tmp_path: Path, header: str, series: tuple[str, ...]
) -> None:
    found = table(tmp_path, "(PDH-CSV 4.0) (UTC)(0)", header)
    assert found.rows.select("host", "metric", "instance", "unit").rows() == [series]
    assert found.rejects.is_empty()


def test_blank_cells_are_no_samples_and_columns_of_text_are_left_out(tmp_path: Path) -> None:
    """Counters that say the same of the sum are two metrics, and one that stands twice is refused."""
    names = [rf"\\a\{name}(_Total)\% Processor Time" for name in ("Processor", "Processor Information")]
    found = table(tmp_path, "(PDH-CSV 4.0)", *names, r"\\a\b\c", r"\\a\b\d", cells='"1","2"," ","x"')
    assert found.rows.select("metric", "value").rows() == [
        ("cpu_util_pct", 1.0), ("processor_information_processor_time_pct", 2.0)
    ]  # fmt: skip
    assert found.rejects.is_empty()
    with pytest.raises(SchemaError, match="different series"):
        table(tmp_path, "(PDH-CSV 4.0)", r"\\a\b\c d", r"\\a\b\C D", cells='"1","2"')
    mapped = table(tmp_path, "(PDH-CSV 4.0)", names[0], mapping={"ts": "0"}, time_format="%m/%d/%Y %H:%M:%S%.f")
    assert mapped.rows["metric"].to_list() == ["a_processor_total_pct_processor_time"]
