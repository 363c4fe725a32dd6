"""limits.csv: what is read, what is refused, and which line holds for which series."""

from __future__ import annotations

import time
from fnmatch import fnmatchcase
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from capforecast import limits
from capforecast.errors import ConfigError
from capforecast.kinds import Kind
from capforecast.limits_csv import FRAME
from capforecast.times import parse_moment

AS_OF = parse_moment("2026-06-01")
HEADER = ",".join(limits.COLUMNS)


def write(folder: Path, *lines: str) -> Path:
    path = folder / "limits.csv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def series(*rows: tuple[str, str, str, str]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=["host", "metric", "instance", "unit"], orient="row")


def resolved(folder: Path, frame: pl.DataFrame, *lines: str, kinds: tuple[Kind, ...] = ()) -> limits.Resolved:
    return limits.resolve(frame, limits.read(write(folder, *lines)), kinds, AS_OF)


def thresholds(result: limits.Resolved) -> dict[tuple[int, str], tuple[float, str, str]]:
    rows = result.thresholds.select("series", "threshold_name", "threshold", "direction", "threshold_source")
    return {(s, name): (value, direction, source) for s, name, value, direction, source in rows.iter_rows()}


def test_reading_keeps_the_line_of_the_file_and_the_types(tmp_path: Path) -> None:
    """Comments and blank lines count as lines; every column has its type."""
    line = "web-*,,,500,critical,90%,above,14,2026-01-02T03:00:00Z,shop,,,,"
    frame = limits.read(write(tmp_path, "# planned", HEADER, "", line))
    assert frame.schema == pl.Schema(FRAME)
    row = frame.row(0, named=True)
    assert (row["line"], row["pattern_host"], row["pattern_metric"], row["pattern_instance"]) == (
        4,
        "web-*",
        "*",
        "*",
    )
    assert (row["capacity"], row["threshold"], row["percent"], row["lead_time_days"]) == (
        500.0,
        90.0,
        True,
        14,
    )
    assert row["valid_from"].isoformat() == "2026-01-02T03:00:00+00:00"
    assert (row["service"], row["team"]) == ("shop", None)


def test_a_file_with_few_columns_is_enough(tmp_path: Path) -> None:
    """Only host and metric must be there; a file with a header alone says nothing."""
    assert limits.read(write(tmp_path, "host,metric,capacity", "a,b,3")).get_column("capacity").to_list() == [3.0]
    assert limits.read(write(tmp_path, "host,metric")).schema == pl.Schema(FRAME)


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (["host,metrik"], "'metrik'; in *:1. Did you mean 'metric'?"),
        (["host,metric,host"], "'host' twice; in *:1"),
        (["metric,capacity"], "column 'host' must be there"),
        (["host,metric,threshold"], "column 'threshold_name' must be there"),
        (["host,metric,capacity", "a,b"], "got 2, not 3; in *:2"),
        (["host,metric,capacity", "a,b,many"], "capacity must be a number; got 'many'; in *:2"),
        (["host,metric,capacity", "a,b,nan"], "capacity must be a number; got 'nan'"),
        (["host,metric,capacity", "a,b,1TB"], "in that of the samples: 1000000000000 if they come in byte"),
        (["host,metric,capacity", "a,b,1.5 GiB"], "in that of the samples: 1610612736 if they come in byte"),
        (["host,metric,capacity", "a,b,0"], "capacity must be positive"),
        (["host,metric,threshold_name,threshold", "# x", "a,b,full,90 pct"], "got '90 pct'; in *:3"),
        (["host,metric,threshold_name,threshold", "a,b,low,-10%"], "must not be negative; got '-10%'; in *:2"),
        (["host,metric,threshold_name,threshold", "a,b,full,"], "threshold must be given with 'full'"),
        (["host,metric,threshold_name,threshold", "a,b,,90"], "threshold_name must be given with '90'"),
        (["host,metric,direction", "a,b,up"], "direction must be above or below; got 'up'"),
        (["host,metric,lead_time_days", "a,b,2.5"], "lead_time_days must be a whole number"),
        (
            ["host,metric,valid_from", "a,b,soon"],
            "valid_from must be an ISO 8601 date or time; got 'soon'; in *:2",
        ),
        (["host,metric", 'a,"b'], "the limits must be CSV"),
        ([""], "the limits must have a header"),
    ],
)
def test_a_wrong_line_is_named(tmp_path: Path, lines: list[str], said: str) -> None:
    """A message says what must hold, what was got and on which line."""
    path = write(tmp_path, *lines)
    with pytest.raises(ConfigError) as caught:
        limits.read(path)
    assert said.replace("*", str(path)) in str(caught.value)


def test_a_missing_file_is_an_error_unless_it_may_be_missing(tmp_path: Path) -> None:
    """A limits.csv that was asked for must be there."""
    with pytest.raises(ConfigError, match="must be a file"):
        limits.read(tmp_path / "limits.csv")
    assert limits.read(tmp_path / "limits.csv", missing_ok=True).is_empty()


def test_later_valid_from_beats_and_then_the_later_line(tmp_path: Path) -> None:
    """Lines of the future say nothing; of two with the same date the last one holds."""
    result = resolved(
        tmp_path,
        series(("a", "disk_bytes", "/", "byte")),
        "host,metric,capacity,threshold_name,threshold,valid_from",
        "*,*,100,full,100%,2026-05-01",
        "*,*,200,full,50%,2026-05-01",
        "*,*,300,full,10%,",
        "*,*,400,full,20%,2026-06-02",
    )
    assert thresholds(result) == {(0, "full"): (100.0, "above", "limits.csv:3")}
    assert result.series.get_column("capacity").to_list() == [200.0]


def test_defaults_of_the_kind_fill_what_the_file_leaves_open(tmp_path: Path) -> None:
    """A name that the file sets, also to off, is not taken from the kind."""
    result = resolved(
        tmp_path,
        series(("a", "cpu_util_pct", "", "percent"), ("b", "cpu_util_pct", "", "percent")),
        "host,metric,threshold_name,threshold",
        "a,*,warning,off",
        "a,*,critical,95",
    )
    assert thresholds(result) == {
        (0, "critical"): (95.0, "above", "limits.csv:3"),
        (1, "critical"): (90.0, "above", "kind:percent"),
        (1, "warning"): (80.0, "above", "kind:percent"),
    }


def test_a_share_without_a_capacity(tmp_path: Path) -> None:
    """It is a share of the kind's upper bound where there is one, else a warning that names the line."""
    result = resolved(
        tmp_path,
        series(("a", "mem_used_pct", "", "percent"), ("b", "disk_bytes", "/x", "byte")),
        "host,metric,threshold_name,threshold",
        "*,*,critical,70%",
    )
    assert thresholds(result)[0, "critical"] == (70.0, "above", "limits.csv:2")
    assert (1, "critical") not in thresholds(result)
    assert len(result.warnings) == 1
    assert result.warnings[0].startswith("limits.csv:2: ")
    assert "1 series, such as b disk_bytes /x" in result.warnings[0]


def test_direction_comes_from_the_kind_unless_the_line_says_it(tmp_path: Path) -> None:
    """Free space hurts when it is low."""
    result = resolved(
        tmp_path,
        series(("a", "disk_free_pct", "", "percent")),
        "host,metric,threshold_name,threshold,direction",
        "*,*,critical,5,",
        "*,*,odd,99,above",
    )
    assert thresholds(result)[0, "critical"][:2] == (5.0, "below")
    assert thresholds(result)[0, "odd"][:2] == (99.0, "above")


def test_one_name_may_stand_for_a_threshold_on_either_side(tmp_path: Path) -> None:
    """A line below leaves the kind's threshold above alone; off takes one side away; lines beat those of their side."""
    result = resolved(
        tmp_path,
        series(("a", "cpu_util_pct", "", "percent"), ("b", "cpu_util_pct", "", "percent")),
        "host,metric,threshold_name,threshold,direction",
        "*,*,critical,5,below",
        "a,*,critical,95,",
        "a,*,critical,4,below",
        "b,*,critical,off,above",
        "*,*,warning,off,",
    )
    rows = result.thresholds.select("series", "threshold_name", "direction", "threshold").rows()
    assert rows == [
        (0, "critical", "above", 95.0), (0, "critical", "below", 4.0), (1, "critical", "below", 5.0),
    ]  # fmt: skip


def test_a_share_has_the_size_of_its_whole_as_capacity(tmp_path: Path) -> None:
    """Of a percent metric 90% are 90, whatever its size; of bytes they are a share of the capacity."""
    result = resolved(
        tmp_path,
        series(("a", "mem_used_pct", "", "percent"), ("a", "mem_used_bytes", "", "byte")),
        "host,metric,capacity,threshold_name,threshold",
        "*,*,64e9,critical,90%",
    )
    assert result.thresholds.filter(threshold_name="critical").select("threshold", "capacity").rows() == [
        (90.0, 64e9), (57.6e9, 64e9),
    ]  # fmt: skip


def test_labels_and_lead_times_come_from_the_last_line_that_names_one(tmp_path: Path) -> None:
    """An empty cell takes nothing away; a threshold's own lead time beats that of the series."""
    result = resolved(
        tmp_path,
        series(("a", "x", "", ""), ("b", "x", "", "")),
        "host,metric,threshold_name,threshold,lead_time_days,service,team",
        "*,*,,,30,shop,",
        "a,*,,,,,ops",
        "a,*,full,1,7,,",
        "b,*,full,1,,,",
    )
    assert result.series.select("service", "team").rows() == [("shop", "ops"), ("shop", None)]
    assert result.series.get_column("lead_time_days").to_list() == [7, 30]
    assert result.thresholds.get_column("lead_time_days").to_list() == [7, 30]


def test_kinds_of_the_configuration_come_first(tmp_path: Path) -> None:
    """A kind of one's own gives name, direction and thresholds."""
    queue = Kind("queue", patterns=("*_depth",), thresholds=(("full", 1000.0),))
    result = resolved(tmp_path, series(("a", "mq_depth", "", "")), "host,metric", kinds=(queue,))
    assert thresholds(result) == {(0, "full"): (1000.0, "above", "kind:queue")}
    assert result.series.get_column("kind").to_list() == ["queue"]


def test_names_are_data_and_only_the_pattern_side_is_a_glob(tmp_path: Path) -> None:
    """A host called ``*`` or ``[ab]`` matches no other host's line; case counts."""
    result = resolved(
        tmp_path,
        series(("*", "m", "", ""), ("[ab]", "m", "", ""), ("a", "m", "", ""), ("A", "m", "", "")),
        "host,metric,service",
        "a,*,literal",
        "[[]*,*,bracket",
    )
    assert result.series.get_column("service").to_list() == [None, "bracket", "literal", None]


def test_capacity_steps_are_dated_and_the_last_line_of_a_date_holds(tmp_path: Path) -> None:
    """Capacities of the future are left out."""
    lines = limits.read(
        write(
            tmp_path,
            "host,metric,capacity,valid_from",
            "*,*,100,",
            "a,*,150,2026-01-01",
            "a,*,200,2026-01-01",
            "*,*,900,2027-01-01",
        )
    )
    steps = limits.capacity_steps(series(("a", "m", "", ""), ("b", "m", "", "")), lines, AS_OF)
    assert steps.select("series", "capacity", "line").rows() == [(0, 100.0, 2), (0, 200.0, 4), (1, 100.0, 2)]


def test_nothing_in_nothing_out() -> None:
    """No series and no lines give empty frames with all columns."""
    empty = pl.DataFrame(schema={"host": pl.String, "metric": pl.String, "instance": pl.String, "unit": pl.String})
    result = limits.resolve(empty, pl.DataFrame(schema=FRAME), (), AS_OF)
    assert result.thresholds.is_empty()
    assert result.series.columns == [
        "kind", "capacity", "lead_time_days", "service", "team", "env", "site", "criticality",
    ]  # fmt: skip


NAMES = st.text("ab*?[]-", min_size=1, max_size=3)
GLOBS = st.one_of(st.just("*"), NAMES)


@given(
    st.lists(st.tuples(NAMES, NAMES, NAMES), min_size=1, max_size=8),
    st.lists(st.tuples(GLOBS, GLOBS, GLOBS), max_size=4),
)
def test_matching_is_fnmatchcase_on_all_three_names(
    rows: list[tuple[str, str, str]], globs: list[tuple[str, str, str]]
) -> None:
    """The fast way agrees with the plain one."""
    frame = pl.DataFrame(rows, schema=["host", "metric", "instance"], orient="row")
    plain = [any(all(map(fnmatchcase, row, glob)) for glob in globs) for row in rows]
    assert limits.matching(frame, globs).to_list() == plain


@pytest.mark.slow
def test_a_million_series_and_fifty_lines_take_seconds(tmp_path: Path) -> None:
    """The work grows with distinct names and lines, not with comparisons of rows."""
    size = 1_000_000
    number = pl.int_range(size, eager=True)
    frame = pl.DataFrame(
        {
            "host": pl.select(pl.format("h{}", number // 100)).to_series(),
            "metric": pl.select(pl.format("m{}_pct", number % 4)).to_series(),
            "instance": pl.select(pl.format("/v{}", number % 100)).to_series(),
            "unit": pl.repeat("percent", size, eager=True),
        }
    )
    text = [f"h{i}*,m{i % 4}*,,,critical,{60 + i % 30}" for i in range(50)]
    lines = limits.read(write(tmp_path, "host,metric,instance,capacity,threshold_name,threshold", *text))
    began = time.perf_counter()
    result = limits.resolve(frame, lines, (), AS_OF)
    assert time.perf_counter() - began < 15
    assert result.series.height == size
