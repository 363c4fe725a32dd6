"""Rows and curves in packed form: what comes out again, at which size."""

from __future__ import annotations

import json
import zlib
from base64 import b64decode
from collections.abc import Sequence
from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest

from capforecast import compact
from capforecast.compact import Curves, curves, fine_series, packed_curves, packed_rows
from tests.tables import HOSTILE, breach_tables

TODAY = date(2026, 3, 1)


def _inflated(text: str) -> bytes:
    assert text.isascii()
    return zlib.decompress(b64decode(text, validate=True))


def _unpacked(text: str) -> list[list[np.ndarray]]:
    """Return the four lines of each series, as the page's script reads them."""
    content = _inflated(text)
    length = int.from_bytes(content[:4], "little")
    about, codes = json.loads(content[4 : 4 + length]), np.frombuffer(content[4 + length :], np.uint8)
    out, at = [], 0
    for series, (low, high) in enumerate(zip(about["low"], about["high"], strict=True)):
        fine = series < about["fine"]
        stride, steps = (1, about["steps"]) if fine else (about["stride"], about["coarse_steps"])
        lines = []
        for span in (about["past"], *[about["ahead"]] * 3):
            count = -(-span[1] // stride)
            code = np.cumsum(codes[at : at + count], dtype=np.uint8)
            at += count
            lines.append(np.where(code == compact.GAP, np.nan, low + code * ((high - low) or 1) / steps))
        out.append(lines)
    assert at == codes.size
    return out


def _curves(series: int, past: int, ahead: int) -> Curves:
    levels = np.random.default_rng(5).normal(50, 9, (series, past)).astype(np.float32)
    fan = 60 + np.cumsum(np.random.default_rng(6).normal(0, 1, (3, series, ahead)), axis=2)
    return Curves(-past, 0, levels, np.sort(fan, axis=0).astype(np.float32))


def _packed(drawn: Curves, below: Sequence[bool] | None = None) -> list[list[np.ndarray]]:
    return _unpacked(packed_curves(drawn, np.array(below or [False] * len(drawn.past))))


def test_curves_come_out_within_half_a_step_of_their_range() -> None:
    drawn = _curves(3, 20, 9)
    drawn.past[1, 4:7] = np.nan
    for place, (past, *fan) in enumerate(_packed(drawn)):
        span = 1.01 * (np.nanmax([*drawn.past[place], *drawn.ahead[:, place].ravel()]) - np.nanmin(past))
        np.testing.assert_allclose(past, drawn.past[place], atol=span / compact.STEPS)
        np.testing.assert_allclose(fan, drawn.ahead[:, place], atol=span / compact.STEPS)


def test_curves_of_the_last_of_many_series_are_peaks_or_troughs_of_a_week(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compact, "POINTS", 150)
    drawn = _curves(4, 15, 8)
    assert fine_series(drawn) == 3
    coarse = _packed(drawn, [False, False, False, True])[3]
    week = drawn.past[3, ::-1]
    troughs = [week[14:].min(), week[7:14].min(), week[:7].min()]
    np.testing.assert_allclose(coarse[0], troughs, atol=0.8)
    np.testing.assert_allclose(coarse[2], [drawn.ahead[1, 3, :7].min(), drawn.ahead[1, 3, 7]], atol=0.8)


def test_curves_without_any_value_are_gaps() -> None:
    nothing = np.full((1, 3), np.nan, np.float32)
    (lines,) = _packed(Curves(-3, 0, nothing, np.stack([nothing] * 3)))
    assert all(np.isnan(line).all() for line in lines)


def test_a_band_does_not_flatten_what_it_surrounds() -> None:
    """Of the band no more is kept than the width of history and median again."""
    drawn = _curves(1, 20, 9)
    drawn.ahead[2] = 1e30
    width = drawn.past.max() - min(drawn.past.min(), drawn.ahead[1].min())
    assert np.nanmax(_packed(drawn)[0][3]) < drawn.past.max() + 1.1 * max(width, np.ptp(drawn.ahead[1]))


def test_curves_are_read_in_the_order_asked_for_and_no_further_back_than_drawn() -> None:
    tables = breach_tables([{"host": "b"}, {"host": "a"}, {"host": "c"}], history=300)
    series = tables["breaches"].select(compact.SERIES)
    drawn = curves(series, tables["forecasts"].lazy(), TODAY)
    assert drawn.past.shape == (3, compact.HISTORY_DAYS - 1)
    assert drawn.past_from == -compact.HISTORY_DAYS + 1
    assert (drawn.ahead_from, drawn.ahead.shape) == (0, (3, 3, 90))
    days, lines = drawn.course(1, TODAY)
    mine = tables["forecasts"].filter(host="a").tail(days.size)
    assert days.tolist() == mine["day"].to_list()
    np.testing.assert_allclose(lines[0], mine["actual"].cast(pl.Float32).fill_null(np.nan))
    np.testing.assert_allclose(lines[3], mine["q90"].cast(pl.Float32).fill_null(np.nan))


def test_a_series_without_curves_has_no_days() -> None:
    tables = breach_tables(1)
    drawn = curves(tables["breaches"].select(compact.SERIES), tables["forecasts"].lazy().filter(False), TODAY)
    assert drawn.course(0, TODAY)[0].size == 0


def test_rows_come_out_with_their_types() -> None:
    frame = pl.DataFrame(
        {
            "word": ["a", "b", None, "a", "a"],
            "text": ["1", "2", "3", "4", None],
            "level": [1.0, 12345.678, None, 1e-7, 0.5],
            "day": [TODAY + timedelta(days=d) if d else None for d in (-1, 0, 40, 1, 2)],
            "whole": [1, None, 3, 4, 5],
            "nothing": pl.Series([None] * 5, dtype=pl.String),
        }
    )
    content = json.loads(_inflated(packed_rows({"t": frame}, {"about": 1}, TODAY)))
    assert content["t"] == {
        "word": {"w": ["a", "b"], "c": [0, 1, None, 0, 0]},
        "text": ["1", "2", "3", "4", None],
        "level": [1, 12346, None, 1e-7, 0.5],
        "day": [-1, None, 40, 1, 2],
        "whole": [1, None, 3, 4, 5],
        "nothing": {"w": [], "c": [None] * 5},
    }
    assert content["about"] == 1


def test_names_are_packed_with_control_characters_as_escapes() -> None:
    content = json.loads(_inflated(packed_rows({"t": pl.DataFrame({"host": HOSTILE})}, {}, TODAY)))
    assert len(content["t"]["host"]) == len(HOSTILE)
    assert all(name.isprintable() for name in content["t"]["host"])
    assert "<script>alert(1)</script>" in content["t"]["host"]
    assert "two\\nlines" in content["t"]["host"]


def test_packing_gives_the_same_bytes_again() -> None:
    drawn = _curves(5, 20, 9)
    assert packed_curves(drawn, np.zeros(5, bool)) == packed_curves(_curves(5, 20, 9), np.zeros(5, bool))
