"""Units: spelling, factors to the canonical unit, and what is not guessed."""

import math

import pytest

from capforecast.kinds import Kind, kind_of
from capforecast.units import canonical, contradict, factor, known


@pytest.mark.parametrize(
    ("text", "unit", "value"),
    [
        ("B", "byte", 1.0), ("bytes", "byte", 1.0), ("kB", "byte", 1e3), ("KB", "byte", 1e3), ("KiB", "byte", 1024.0),
        ("GB", "byte", 1e9), ("GiB", "byte", 2.0**30), ("TiB", "byte", 2.0**40), ("kilobytes", "byte", 1e3),
        ("bit", "byte", 0.125), ("Mbit", "byte", 125e3), ("ms", "s", 1e-3), ("us", "s", 1e-6), ("min", "s", 60.0),
        ("%", "percent", 1.0), ("pct", "percent", 1.0), ("KB/s", "byte/s", 1e3), ("bytes/sec", "byte/s", 1.0),
        ("MiB per second", "byte/s", 2.0**20), ("Mbps", "byte/s", 125e3), ("MBps", "byte/s", 1e6),
        ("requests/s", "requests/s", 1.0), ("count/s", "1/s", 1.0), ("", "", 1.0), ("MHz", "MHz", 1.0),
    ],
)  # fmt: skip
def test_spellings_of_known_units(text, unit, value):
    assert canonical(text) == canonical(f" {text} ".strip())
    found = known(text)
    assert (found.canonical, found.factor) == (unit, pytest.approx(value, rel=1e-15))


@pytest.mark.parametrize("text", ["Kb", "Mb", "gb", "mb", "widgets", "m", "mB", "B/min", "byte/", "/s", "KKB"])
def test_what_is_ambiguous_or_strange_is_not_known_and_stays(text):
    assert known(text) is None
    assert canonical(text).canonical == text


def test_a_share_is_kept_in_percent_unless_the_metric_is_a_ratio_by_name():
    assert canonical("ratio", "cpu_usage").factor == 100.0
    assert canonical("ratio", "cache_hit_ratio") == canonical("fraction", "x_fraction")
    assert canonical("ratio", "cache_hit_ratio").canonical == "fraction"


def test_only_known_units_of_different_quantities_contradict_each_other():
    assert contradict("GB", "percent")
    assert not any(contradict(*pair) for pair in (("GB", "KiB"), ("widgets", "byte"), ("", "byte"), ("x", "y")))
    assert factor("GiB", "KiB") == 2.0**20
    assert math.isnan(factor("GB", "s"))
    assert math.isnan(factor("widgets", "byte"))


def test_a_kind_is_told_in_the_unit_of_the_series():
    own = Kind("own", "GB", 0.0, 512.0, patterns=("m",), thresholds=(("warning", 400.0),))
    found = kind_of("m", "byte", [own])
    assert (found.upper, found.thresholds, found.unit) == (512e9, (("warning", 400e9),), "byte")
    assert kind_of("m", "widgets", [own]) is own
    assert kind_of("cache_ratio", "percent").upper == 100.0
