"""Columns of text say what the functions of one value say."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from capforecast.numbers import NOTHING, digits, number, probability
from capforecast.scores import LEGS, MIX, heaviest, no_mixes
from capforecast.texts import (
    coded,
    digit_texts,
    hex_texts,
    mapped,
    mix_texts,
    model_texts,
    number_texts,
    probability_texts,
    worded,
)

UNITS = (
    "percent", "", "bytes", "kB", "MiB", "KiB/s", "1/s", "count", "ms", "s", "us", "ns", "bit/s", "Kbit", "requests",
    "a\nb", "bps", "TB", "EB", "widgets/s",
)  # fmt: skip
EDGES = (
    0.0, -0.0, 999.5, 999.4999, 1025.0, 1025.0001, 1024.0, 1e5, 99999.9, 1e15, 1e-4, 9.9e-5, 1e300, -5e-324, 172800.0,
    7200.0, 7199.9, 120.0, 119.99, 1.0, 0.999, 1e-3, 1e-6, 81.25, 2.675, 99.95, 9.995, 0.9995, 999.5e3, 1e18, 1e21,
    math.nan, math.inf, -math.inf, 0.1, 0.01, 10.0, 100.0, -99.95, 1e-5,
)  # fmt: skip


@pytest.mark.parametrize("unit", UNITS)
def test_levels_at_the_edges_of_the_rules(unit: str) -> None:
    """Where one way of writing ends and another begins, and halfway between two texts."""
    values = np.array(EDGES)
    assert number_texts(values, np.zeros(values.size, int), [unit]).to_list() == [number(v, unit) for v in EDGES]


@given(st.lists(st.tuples(st.floats(), st.sampled_from(UNITS)), max_size=20))
def test_any_level_in_any_unit(drawn: list[tuple[float, str]]) -> None:
    """Units may be mixed in one column."""
    values = np.array([value for value, _ in drawn], np.float64)
    units = np.array([UNITS.index(unit) for _, unit in drawn], np.int64)
    assert number_texts(values, units, UNITS).to_list() == [number(value, unit) for value, unit in drawn]


@given(st.lists(st.one_of(st.decimals(-2000, 2000, places=3), st.floats(1e-6, 1e7)).map(float), max_size=50))
def test_digits_of_short_decimals(values: list[float]) -> None:
    """Short decimals are often halfway between two texts."""
    assert digit_texts(np.array(values, np.float64)).to_list() == [digits(value) for value in values]


@given(st.lists(st.one_of(st.floats(0, 1), st.just(math.nan), st.integers(0, 200).map(lambda n: n / 200)), max_size=30))
def test_probabilities(values: list[float]) -> None:
    """Only certainty reads as 0 % or 100 %."""
    assert probability_texts(np.array(values, np.float64)).to_list() == [probability(value) for value in values]


@given(st.lists(st.integers(0, 2**64 - 1), max_size=20))
def test_hexadecimal_digits(values: list[int]) -> None:
    """Sixteen digits each, the leading zeros too."""
    assert hex_texts(np.array(values, np.uint64)).to_list() == [f"{value:016x}" for value in values]


def test_words_and_codes() -> None:
    """A code is a word, -1 is none; texts get codes in their own order, NULL is the empty text."""
    assert worded(np.array([1, -1, 0], np.int8), ("a", "b")).to_list() == ["b", None, "a"]
    assert worded(np.array([], np.int64), ()).to_list() == []
    assert mapped(np.array([5, 7, 5]), lambda n: None if n == 7 else f"<{n}>").to_list() == ["<5>", None, "<5>"]
    codes, words = coded(mapped(np.array([2, 1, 3]), lambda n: None if n == 3 else "ab"[n - 1]))
    assert [words[code] for code in codes] == ["b", "a", ""]
    assert words == sorted(words)


def naive_mix(weights: list[float], names: list[str]) -> str | None:
    order = sorted(range(len(names)), key=lambda k: -weights[k])[:3]
    return ", ".join(f"{names[k]} {weights[k]:.0%}" for k in order if weights[k] > 0.0) or None


WEIGHTS = st.sampled_from([0.0, 0.001, 0.125, 0.25, 0.335, 0.5, 1.0])


@given(st.lists(st.lists(WEIGHTS, min_size=5, max_size=5), min_size=1))
def test_the_heaviest_members(weights: list[list[float]]) -> None:
    """At most three, heaviest first, the first of equals first, none without weight."""
    names = ["a", "b", "c", "d", "e"]
    mix = heaviest(np.array(weights), np.arange(5))
    assert mix.dtype == MIX
    assert mix_texts(mix, names).to_list() == [naive_mix(row, names) for row in weights]


def test_members_of_two_forecasts() -> None:
    """The near one first; what has no near one has no text; NaN is no weight; fewer than three members are all."""
    mixes = no_mixes(3)
    assert mixes.shape == (3, LEGS)
    mixes[:2, 0] = heaviest(np.array([[0.25, 0.75], [1.0, np.nan]]), np.array([1, 0]))
    mixes[0, 1] = heaviest(np.array([1.0]), np.array([0]))
    assert model_texts(mixes, ["x", "y"]).to_list() == ["x 75%, y 25% | x 100%", "y 100%", None]
    assert NOTHING not in model_texts(mixes, ["x", "y"]).drop_nulls().to_list()
