"""Numbers, dates and charts as text."""

from __future__ import annotations

import math
import re
import xml.etree.ElementTree as ET
from datetime import date

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from capforecast.chart import svg, terminal
from capforecast.numbers import date_range, number, probability

UNITS = ("", "percent", "byte", "KiB", "GB", "byte/s", "s", "ms", "1/s", "count", "fraction", "widgets")
ANY = hnp.arrays(np.float64, st.integers(0, 40), elements=st.floats(width=64))


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (1.2e12, "byte", "1.2 TB"),
        (1200, "GB", "1.2 TB"),
        (999.9, "B", "1 kB"),
        (12_345, "byte/s", "12.3 kB/s"),
        (12_345, "bps", "12.3 kbit/s"),
        (2048, "KiB", "2 MiB"),
        (93.44, "percent", "93.4 %"),
        (100, "%", "100 %"),
        (-0.04, "percent", "-0.04 %"),
        (0.25, "s", "250 ms"),
        (1500, "ms", "1.5 s"),
        (18_000, "s", "5 h"),
        (3e-9, "s", "3 ns"),
        (1234, "count", "1234"),
        (1_234_567, "count", "1.23 M"),
        (0.934, "fraction", "0.934"),
        (12_345, "1/s", "12.3 k/s"),
        (5, "widgets", "5 widgets"),
        (0, "byte", "0 B"),
        (-0.0, "", "0"),
        (5, "a\x1b[31m\n", "5 a\\x1b[31m "),
        (None, "byte", "-"),
        (math.nan, "byte", "-"),
        (math.inf, "percent", "-"),
    ],
)
def test_number_reads_as_people_write_it(value: float | None, unit: str, text: str) -> None:
    assert number(value, unit) == text


@given(st.floats(), st.sampled_from(UNITS))
def test_number_is_short_and_keeps_the_sign(value: float, unit: str) -> None:
    text = number(value, unit)
    assert len(text) <= 26
    assert not 1e-300 < abs(value) < math.inf or text.startswith("-") == (value < 0)


@given(st.floats(min_value=1e-3, max_value=1e17), st.sampled_from(["byte", "bit/s"]))
def test_number_is_off_by_half_a_percent_at_most(value: float, unit: str) -> None:
    digits, suffix = number(value, unit).split()
    power = " kMGTPE".index(suffix[0]) if suffix[0] in "kMGTPE" else 0
    assert float(digits) * 1000**power == pytest.approx(value, rel=0.005)


@pytest.mark.parametrize(
    ("p", "text"),
    [
        (None, "-"),
        (0, "0 %"),
        (0.001, "<1 %"),
        (0.5, "50 %"),
        (0.97, "97 %"),
        (0.9999, ">99 %"),
        (1, "100 %"),
    ],
)
def test_probability_is_certain_only_when_it_is(p: float | None, text: str) -> None:
    assert probability(p) == text


@pytest.mark.parametrize(
    ("first", "last", "text"),
    [
        (date(2026, 2, 3), date(2026, 2, 17), "2026-02-03..02-17"),
        (date(2026, 12, 30), date(2027, 1, 2), "2026-12-30..2027-01-02"),
        (date(2026, 2, 3), date(2026, 2, 3), "2026-02-03"),
        (date(2026, 2, 3), None, "2026-02-03.."),
        (None, None, "-"),
    ],
)
def test_date_range_is_short_and_unambiguous(first: date | None, last: date | None, text: str) -> None:
    assert date_range(first, last) == text


def _rising() -> tuple[np.ndarray, np.ndarray]:
    ahead = np.arange(90.0)
    return 50 + np.arange(60) / 3, np.stack([69 + ahead / 8, 70 + ahead / 4, 71 + ahead / 2])


def test_terminal_fills_its_size_and_names_its_parts() -> None:
    history, quantiles = _rising()
    text = terminal(
        history,
        quantiles,
        thresholds={"critical": 90.0},
        width=80,
        height=16,
        start_label="2026-01-01",
        end_label="2026-05-30",
        unit="percent",
    )
    lines = text.split("\n")
    assert len(lines) == 16
    assert max(map(len, lines)) == 80
    assert [line for line in lines if "╌" in line][0].startswith("critical 90 % ┤")
    assert lines[-1].split() == ["2026-01-01", "now", "2026-05-30"]


def test_terminal_draws_history_left_of_now_and_rising_levels_upwards() -> None:
    history, quantiles = _rising()
    rows = terminal(history, np.empty((3, 0)), thresholds={}, width=60, height=10).split("\n")[:8]
    columns = [[r for r in range(8) if c < len(rows[r]) and rows[r][c] > "\u2800"] for c in range(5, 59)]
    tops = [min(column) for column in columns if column]
    assert tops == sorted(tops, reverse=True)
    assert (tops[0], tops[-1]) == (7, 0)
    ahead = terminal([], quantiles, thresholds={}, width=60, height=10)
    assert ahead.count("\n") == 9


def test_terminal_leaves_a_gap_where_nothing_was_measured() -> None:
    history = np.full(200, 5.0)
    history[80:120] = np.nan
    rows = terminal(history, np.empty((3, 0)), thresholds={}, width=60, height=8).split("\n")
    drawn = next(row.split("┤")[-1].split("│")[-1] for row in rows if any(c > "\u2800" for c in row))
    assert drawn.strip()[24:30].strip() == ""


@given(
    ANY,
    hnp.arrays(np.float64, st.tuples(st.just(3), st.integers(0, 30)), elements=st.floats(width=64)),
    st.floats(),
)
def test_terminal_draws_any_numbers(history: np.ndarray, quantiles: np.ndarray, level: float) -> None:
    text = terminal(history, quantiles, thresholds={"\x1b]0;x\x07": level}, width=60, height=10, unit="byte")
    assert len(text.split("\n")) == 10
    assert all(c.isprintable() for c in text.replace("\n", ""))


def _chart(values: list[float], **words: str) -> ET.Element:
    days = np.datetime64("2026-01-01") + np.arange(len(values))
    nothing = np.full(len(values), np.nan)
    drawing = svg(days, values, [nothing] * 3, {}, title=words.get("title", "t"), unit="percent")
    return ET.fromstring(drawing)


def _path(root: ET.Element, name: str) -> str:
    return next(e.get("d", "") for e in root.iter() if e.get("class") == name)


def test_svg_breaks_its_line_at_a_gap_and_dots_a_lone_value() -> None:
    nan = math.nan
    assert _path(_chart([1, 2, 3]), "actual").count("M") == 1
    line = _path(_chart([1, 2, nan, 3, nan, 4, 5]), "actual")
    assert line.count("M") == 3
    assert line.count("h0") == 1


def test_svg_breaks_its_line_where_days_are_left_out() -> None:
    days = np.datetime64("2026-01-01") + np.array([0, 1, 2, 3, 10, 11, 12])
    nothing = np.full(7, np.nan)
    drawing = svg(days, np.arange(7.0), [nothing] * 3, {}, title="t")
    assert _path(ET.fromstring(drawing), "actual").count("M") == 2


def test_svg_has_a_title_an_axis_of_dates_and_its_thresholds() -> None:
    days = np.datetime64("2026-01-01") + np.arange(100)
    past = np.where(np.arange(100) < 60, 50.0 + np.arange(100) / 3, np.nan)
    ahead = np.where(np.arange(100) >= 60, 70.0, np.nan)
    drawing = svg(days, past, [ahead - 5, ahead, ahead + 5], {"full": 100.0}, title="<b>&", unit="percent")
    root = ET.fromstring(drawing)
    texts = ["".join(e.itertext()) for e in root.iter() if e.tag.endswith("text")]
    assert root.get("role") == "img"
    assert [e.text for e in root if e.tag.endswith("title")] == ["<b>&"]
    assert {"2026-01-01", "2026-04-10", "full 100 %"} <= set(texts)
    assert _path(root, "band").endswith("Z")
    assert _path(root, "now").startswith("M")


@pytest.mark.parametrize("title", ['"><script>', "\x00\x1b[31m\x85\u2028", "]]>", "two\nlines", "\ufffe"])
def test_svg_is_well_formed_whatever_the_title(title: str) -> None:
    root = _chart([1, 2], title=title)
    assert {e.tag.split("}")[1] for e in root.iter()} == {"svg", "title", "path", "text"}


@given(ANY, st.floats())
def test_svg_draws_any_numbers(values: np.ndarray, level: float) -> None:
    days = np.datetime64("2026-01-01") + np.arange(values.size)
    drawing = svg(days, values, [values, values, values[::-1]], {"limit": level}, title="t", unit="byte")
    for element in ET.fromstring(drawing).iter():
        path = element.get("d", "")
        assert "nan" not in path
        assert "inf" not in path
        for start in path.split("M")[1:]:
            x, y = re.match(r"(\d+) (\d+)", start).groups()
            assert 720 <= int(x) <= 6280
            assert 100 <= int(y) <= 1900
