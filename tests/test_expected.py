"""What a run expects: items and thresholds of series, texts kept once, where the time goes."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from capforecast.config import load
from capforecast.expected import Expected, expect, lean, ranges
from capforecast.limits import read, resolve
from capforecast.settings import KindSettings
from capforecast.timings import Timings


def expected_of(limits_text: str, names: list[tuple[str, str, str]], path, *kinds: KindSettings) -> Expected:
    file = path / "limits.csv"
    file.write_text("host,metric,threshold_name,threshold,direction\n" + limits_text, encoding="utf-8")
    series = pl.DataFrame(sorted(names), schema=["host", "metric", "unit"], orient="row").with_columns(
        sid=pl.int_range(pl.len(), dtype=pl.Int32).reverse(), instance=pl.lit("")
    )
    moment = pl.lit(0).cast(pl.Datetime("us", "UTC"))
    series = series.with_columns(moment.alias("first_ts"), moment.alias("last_ts"))
    config = load(None, {}).model_copy(update={"kinds": kinds})
    return expect(series, resolve(series, read(file), config.metric_kinds, 1), config)


def test_items_and_thresholds_of_series(tmp_path) -> None:
    """One item per series and direction: those that are watched, else the usual one; each threshold has its item."""
    found = expected_of(
        "*,cpu_util_pct,idle,5,below\nb,other,low,1,below\n",
        [("a", "cpu_util_pct", "percent"), ("a", "mem_free_pct", "percent"), ("b", "other", ""), ("c", "other", "")],
        tmp_path,
    )
    # cpu of a: warning and critical above, idle below; free memory below only; b by its own line; c by its kind.
    assert found.first_item.tolist() == [0, 2, 3, 4, 5]
    assert found.owner.tolist() == [0, 0, 1, 2, 3]
    assert found.below.tolist() == [False, True, True, True, False]
    assert np.diff(found.first_threshold).tolist() == [3, 2, 1, 0]
    names = found.thresholds["threshold_name"].cast(pl.String).to_list()
    assert list(zip(names, found.item.tolist(), strict=True)) == [
        ("critical", 0), ("idle", 1), ("warning", 0), ("critical", 2), ("warning", 2), ("low", 3),
    ]  # fmt: skip
    assert found.statistics(np.arange(5)).tolist() == ["p95", "min", "min", "min", "mean"]
    items = found.arrays(np.array([1, 2]), np.array([0, 1]))
    assert items.sign.tolist() == [-1.0, -1.0]
    assert items.upper.tolist() == [100.0, 100.0]


@pytest.mark.parametrize(
    ("kind", "above", "below"),
    [
        ({"direction": "below", "statistic": "mean"}, "max", "mean"),
        ({"direction": "below", "statistic": "p95"}, "max", "p95"),
        ({"direction": "below"}, "max", "min"),
        ({"direction": "above", "statistic": "min"}, "min", "min"),
        ({"direction": "above", "statistic": "last"}, "last", "min"),
        ({"direction": "above"}, "mean", "min"),
    ],
)
def test_the_statistic_of_a_kind_of_ones_own_is_forecast(
    kind: dict[str, str], above: str, below: str, tmp_path
) -> None:
    """As it is set, where its own direction is watched; a threshold of the other one sees the other extreme."""
    own = KindSettings(name="depth", patterns=("queue",), **kind)
    found = expected_of("*,queue,high,9,above\n*,queue,low,1,below\n", [("a", "queue", "")], tmp_path, own)
    assert found.below.tolist() == [False, True]
    assert found.statistics(np.arange(2)).tolist() == [above, below]


def test_names_that_repeat_are_kept_once() -> None:
    """A column of few texts becomes codes and stays what it says, NULL too; one of many stays text."""
    frame = pl.DataFrame({"few": ["x", "y", None, "x"] * 10, "many": [f"{i}" for i in range(40)], "none": [None] * 40})
    frame = frame.cast({"none": pl.String})
    kept = lean(frame, ("few", "many", "none"))
    assert [dtype.base_type() for dtype in kept.dtypes] == [pl.Enum, pl.String, pl.Enum]
    assert kept.cast(pl.String).equals(frame, null_equal=True)


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 4))))
def test_numbers_of_ranges(drawn: list[tuple[int, int]]) -> None:
    """All numbers of each range, one range after the other, empty ones left out."""
    starts, counts = (np.array(column, np.int64) for column in (zip(*drawn, strict=True) if drawn else ((), ())))
    assert ranges(starts, counts).tolist() == [start + i for start, count in drawn for i in range(count)]


def test_stages_add_up() -> None:
    """Each entry into a stage adds to it, also one that ends with an error."""
    timings = Timings()
    timings.add("read", 1.5)
    for _ in range(2):
        try:
            with timings.stage("read"), timings.stage("inner"):
                raise ZeroDivisionError
        except ZeroDivisionError:
            pass
    seconds = timings.seconds()
    assert list(seconds) == ["read", "inner"]
    assert seconds["read"] >= 1.5 + seconds["inner"]
