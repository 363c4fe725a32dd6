"""Times: the unit of numbers is decided for the whole column, text is ISO 8601, zones are honoured."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from source_files import START_S, START_US, load, write

from capforecast.errors import ConfigError, SchemaError, SourceError
from capforecast.sources import ReadOptions, content, text
from capforecast.sources.moments import clock_for, read

PER_SECOND = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}


def times(tmp_path: Path, cells: list[str], **options: object) -> tuple[list[int], list[tuple[int, str]]]:
    path = write(tmp_path / "a.csv", "ts;value\n" + "".join(f"{cell};1\n" for cell in cells))
    found = load(path, **options)
    return found.rows["ts"].to_list(), found.rejects.select("line", "reason").rows()


@pytest.mark.parametrize("unit", list(PER_SECOND))
@pytest.mark.parametrize("header", ["ts", "Timestamp [ms]", "epoch_s", "_time", "DS"])
def test_size_decides_the_unit_and_not_the_header(tmp_path: Path, unit: str, header: str) -> None:
    count = PER_SECOND[unit]
    path = write(tmp_path / "a.csv", f"{header},value\n" + "".join(f"{(START_S + i) * count},1\n" for i in range(9)))
    assert [START_US + i * 1_000_000 for i in range(9)] == load(path).rows["ts"].to_list()


def test_the_unit_is_decided_for_the_column_and_never_for_a_row(tmp_path: Path) -> None:
    cells = [str(START_S), str(START_S + 1), str(START_S * 1000), "0", "-5", "1e30", "nan", str(START_S + 2)]
    good, bad = times(tmp_path, cells)
    assert good == [START_US, START_US + 1_000_000, START_US + 2_000_000]
    assert [line for line, _ in bad] == [4, 5, 6, 7, 8]
    good, bad = times(tmp_path, cells, epoch="s")
    assert good == [START_US, START_US + 1_000_000, START_S * 1000 * 1_000_000, 0, -5_000_000, START_US + 2_000_000]
    assert [line for line, _ in bad] == [7, 8]


def test_decimal_and_scientific_epochs_are_read(tmp_path: Path) -> None:
    good, _ = times(tmp_path, [f"{START_S}.804", "1.7040672e9", f"+{START_S}.000001"])
    assert good == [START_US + 804_000, START_US, START_US + 1]
    good, _ = times(tmp_path, ["1704067200123456789"])
    assert good == [1_704_067_200_123_456]


@pytest.mark.parametrize("cell", ["100", "20240131", "202401310000", "20240131235959", "0"])
def test_numbers_that_may_be_no_epoch_are_refused(tmp_path: Path, cell: str) -> None:
    with pytest.raises(SourceError, match=r"column 'ts'.*--epoch"):
        times(tmp_path, [cell] * 3)
    with pytest.raises(ConfigError, match="--epoch must be"):
        times(tmp_path, [cell], epoch="h")
    assert [int(cell)] == times(tmp_path, [cell], epoch="us")[0]


@pytest.mark.parametrize(
    ("cell", "offset_us"),
    [
        ("2024-01-01", 0),
        ("2024-01-01 00:00", 0),
        ("2024-01-01T00:00:00", 0),
        ("2024/01/01 00:00:00", 0),
        (" 2024-01-01  00:00:01 ", 1_000_000),
        ("2024-01-01T00:00:00Z", 0),
        ("2024-01-01 00:00:00 UTC", 0),
        ("2024-01-01T01:00:00+01:00", 0),
        ("2024-01-01T01:00:00+0100", 0),
        ("2023-12-31T19:00:00-05", 0),
        ("2024-01-01T05:45:00 +05:45", 0),
        ("2024-01-01T00:00:00.5Z", 500_000),
        ("2024-01-01T00:00:00,25", 250_000),
        ("2024-01-01 00:00:00.703000069", 703_000),
        ("2024-01-01 00:00:00.9999999999", 999_999),
    ],
)
def test_iso_8601_is_read_with_and_without_zone_and_fraction(tmp_path: Path, cell: str, offset_us: int) -> None:
    assert ([START_US + offset_us], []) == times(tmp_path, [cell])


@pytest.mark.parametrize(
    "cell",
    ["2023-02-29", "2024-13-01", "2024-00-10", "2024-01-32", "2024-01-01 24:00", "2024-01-01 10:60",
     "2024-01-01 10:10:60", "2024-1-1", "2024-01-01T10", "2024-01-01 10:00 CET", "2024-01-01T10:00+99:00", "x",
     # Digits of other scripts.
     "2024-01-0\uff11T00:00:00Z", "2024-01-01T00:00:00.\u0665Z", "2024-01-01T00:00+0\u0967:00"],
)  # fmt: skip
def test_what_is_no_moment_is_a_reject(tmp_path: Path, cell: str) -> None:
    good, bad = times(tmp_path, ["2024-01-01", cell, "2024-01-01"])
    assert (good, bad) == ([START_US] * 2, [(3, "time is not an ISO 8601 time")])


@given(
    st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30)),
    st.none() | st.integers(-23 * 60, 23 * 60),
    st.sampled_from(["T", " "]),
)
def test_every_moment_python_writes_is_read_back(moment: datetime, minutes: int | None, between: str) -> None:
    zone = UTC if minutes is None else timezone(timedelta(minutes=minutes))
    aware = moment.replace(tzinfo=zone)
    text = (moment if minutes is None else aware).isoformat(sep=between)
    cells = pl.Series([text])
    expected = (aware - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
    assert [expected] == read(cells, clock_for(cells, ReadOptions(), "test")).us.to_list()


@pytest.mark.parametrize("cell", ["03/28/16 08:51:10", "28/03/2016", "1 Jan 2024", "01.02.2024 10:00"])
def test_dates_that_may_mean_two_things_are_refused(tmp_path: Path, cell: str) -> None:
    with pytest.raises(SourceError, match=r"ISO 8601.*column 'ts'.*--time-format"):
        times(tmp_path, [cell])


@pytest.mark.parametrize(
    ("cell", "formats"),
    [
        ("01/02/24 00:00", "%d/%m/%y %H:%M:%S or %m/%d/%y %H:%M:%S"),
        ("1/2/2024 12:00:00 AM", "%d/%m/%Y %I:%M:%S %p or %m/%d/%Y %I:%M:%S %p"),
        ("01.02.2024 00:00", "%d.%m.%Y %H:%M:%S or %m.%d.%Y %H:%M:%S"),
        ("2024-01-02 12:00 am", "%Y-%m-%d %I:%M:%S %p"),
    ],
)
def test_a_time_that_could_be_another_is_refused_with_formats_like_it(tmp_path: Path, cell: str, formats: str) -> None:
    with pytest.raises(SourceError) as found:
        times(tmp_path, [cell])
    assert str(found.value).endswith(f"Add --time-format, such as {formats}")


def test_a_time_format_says_what_a_date_means(tmp_path: Path) -> None:
    us = 1_000_000
    assert [START_US + 86_400 * us] == times(tmp_path, ["02/01/24 00:00"], time_format="%d/%m/%y %H:%M")[0]
    assert [START_US + 31 * 86_400 * us] == times(tmp_path, ["02/01/24 00:00"], time_format="%m/%d/%y %H:%M")[0]
    assert times(tmp_path, ["01.01.2024"], time_format="%d.%m.%Y")[0] == [START_US]
    assert times(tmp_path, ["20240101020000 +0200"], time_format="%Y%m%d%H%M%S %z")[0] == [START_US]
    assert times(tmp_path, ["1/1/2024 12:00:00 AM"], time_format="%m/%d/%Y %I:%M:%S %p")[0] == [START_US]
    assert times(tmp_path, ["Jan 1, 2024 00:00:00.250"], time_format="%b %d, %Y %H:%M:%S.%f")[0] == [START_US + 250_000]
    good, bad = times(tmp_path, ["01.01.2024", "1/1/24", ""], time_format="%d.%m.%Y")
    assert (good, bad) == ([START_US], [(3, "time is not in the given format"), (4, "time is empty")])
    berlin = times(tmp_path, ["01.01.2024"], time_format="%d.%m.%Y", timezone="Europe/Berlin")[0]
    assert [START_US - 3_600 * us] == berlin


def test_local_times_are_read_in_the_zone_and_doubled_or_skipped_hours_are_rejects(tmp_path: Path) -> None:
    cells = [
        "2024-01-01 01:00:00",
        "2024-01-01 01:00:00Z",
        "2024-03-31 02:30:00",
        "2024-10-27 02:30:00",
        "2024-10-27 02:30:00+02:00",
        "2024-07-01 02:00:00",
    ]
    good, bad = times(tmp_path, cells, timezone="Europe/Berlin")
    expected = ["2024-01-01T00:00Z", "2024-01-01T01:00Z", "2024-10-27T00:30Z", "2024-07-01T00:00Z"]
    assert [int(datetime.fromisoformat(e).timestamp()) * 1_000_000 for e in expected] == good
    assert bad == [
        (4, "local time is skipped by a clock change in Europe/Berlin"),
        (5, "local time is doubled by a clock change in Europe/Berlin"),
    ]
    with pytest.raises(ConfigError, match="--timezone"):
        times(tmp_path, cells, timezone="Europe/Nowhere")
    with pytest.raises(ConfigError, match="--timezone"):
        times(tmp_path, cells, timezone="../etc/passwd")


def test_a_column_without_any_time_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="only empty cells"):
        times(tmp_path, ["", ""])


def test_times_that_a_spreadsheet_rounded_are_rejects(tmp_path: Path) -> None:
    """Exponents with all digits, as programs write them, are times."""
    good, bad = times(tmp_path, ["1.7040672e9", "1.70407E+09", "1.70407E+09", "1.7040672E9", "17040672E+02"])
    assert good == [START_US] * 3
    assert bad == [(line, "time has lost its last digits, as in a spreadsheet") for line in (3, 4)]


def test_the_day_and_the_time_of_day_may_stand_in_two_columns(tmp_path: Path) -> None:
    """Without a time of day there is no moment; which column is the time can be said all the same."""
    lines = [
        "Date,host,Time,load", "2024-01-01,a,00:00:00,1", "2024-01-01,a, 00:05,2", "2024-01-01,a,,3", "2024-01-02,a,x,4"
    ]  # fmt: skip
    path = write(tmp_path / "a.csv", "\n".join(lines) + "\n")
    found = load(path)
    assert found.rows.select("ts", "value").rows() == [(START_US, 1.0), (START_US + 300_000_000, 2.0)]
    assert found.rows["metric"].unique().to_list() == ["load"]
    assert found.rejects.select("line", "reason", "raw").rows() == [
        (4, "time is empty", lines[3]), (5, "time is not an ISO 8601 time", lines[4])
    ]  # fmt: skip
    american = "time,date,load\n12:05:00 AM,1/1/2024,1\n1:00:00 PM,1/1/2024,2\n"
    found = load(write(tmp_path / "b.csv", american), time_format="%m/%d/%Y %I:%M:%S %p")
    assert found.rows["ts"].to_list() == [START_US + 300_000_000, START_US + 13 * 3_600_000_000]
    days = write(tmp_path / "c.csv", "date,time,load\n2024-01-01,00:05,1\n2024-01-02,00:05,2\n")
    assert load(days, mapping={"ts": "date"}).rows["ts"].to_list() == [START_US, START_US + 86_400_000_000]
    with pytest.raises(SchemaError, match="one column must hold the ts"):
        load(write(tmp_path / "d.csv", "date,time,load\n2024-01-01,2024-01-01 00:05,1\n"))


def test_day_and_time_of_day_are_put_together_in_each_block(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text, "TEXT_BYTES", 1000)
    monkeypatch.setattr(content, "BLOCK_BYTES", 1000)
    rows = [f"2024-01-01,{k // 60:02d}:{k % 60:02d},{k}" for k in range(1000)]
    found = load(write(tmp_path / "a.csv", "\n".join(["date,time,load", *rows]) + "\n"))
    assert found.rows.select("ts", "value").rows() == [(START_US + k * 60_000_000, float(k)) for k in range(1000)]
