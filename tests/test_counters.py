"""Counters in the store: samples as they came, rollups of their rates, whatever the order, the files or the split."""

import dataclasses

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from store_rows import DAY, HOUR, MINUTE, START, Row, batch, put, state

from capforecast.sources import NATURE, Batch
from capforecast.store import Store, append, spans
from capforecast.store.spans import Density


@pytest.fixture
def store(tmp_path):
    with Store.create(tmp_path / "store", created_us=START) as opened:
        yield opened


def counted(rows, nature="counter", hosts=("c", "d")):
    """Return a batch in which the rows of some hosts say what they are."""
    one = batch(rows)
    said = pl.when(pl.col("host").is_in(hosts)).then(pl.lit(nature)).cast(NATURE)
    return Batch(one.rows.with_columns(nature=said), one.rejects)


def rolled(store, host, column="mean"):
    """Return bucket and value of a host's rollups."""
    sid = store.series().filter(host=host)["sid"].to_numpy().astype(np.int32)
    found = store.rollups(sid, [column])
    return list(zip((found.bucket - START // HOUR).tolist(), found.values[column].tolist(), strict=True))


def steady(host, hours, per_second=2.0, start=0.0, step=30 * MINUTE):
    times = range(0, hours * HOUR, step)
    return [Row(host, START + t, start + per_second * t / 1e6, metric="bytes_total", unit="byte") for t in times]


def test_rates_are_rolled_up_and_samples_stay_as_they_came(store):
    rows = steady("c", 5) + [Row("g", START + t * HOUR, 7.0) for t in range(5)]
    result = put(store, "f", counted(rows))
    assert (result.accepted, result.duplicate, result.quarantined) == (len(rows), 0, 0)
    assert rolled(store, "c") == [(hour, 2.0) for hour in range(5)]
    assert rolled(store, "c", "count") == [(0, 1.0), *((hour, 2.0) for hour in range(1, 5))]
    assert rolled(store, "g") == [(hour, 7.0) for hour in range(5)]
    assert store.samples("c", "bytes_total")["value"].to_list() == [row.value for row in rows if row.host == "c"]
    series = store.series().filter(host="c")
    assert series.select("unit", "nature", "samples").row(0) == ("byte/s", "counter", 10)
    assert store.verify() == []


def test_nightly_ingests_equal_one_whole_one(tmp_path):
    rows = steady("c", 24 * 5)
    with (
        Store.create(tmp_path / "whole", created_us=START) as whole,
        Store.create(tmp_path / "n", created_us=START) as nights,
    ):
        put(whole, "f", counted(rows))
        for night in range(5):
            put(nights, f"n{night}", counted([r for r in rows if (r.ts - START) // DAY == night]))
        assert state(nights) == state(whole)
        assert len(rolled(whole, "c")) == 24 * 5


def test_late_samples_correct_the_days_after_them(store):
    rows = steady("c", 72)
    late = [r for r in rows if START + 20 * HOUR <= r.ts < START + 40 * HOUR]
    put(store, "f", counted([r for r in rows if r not in late]))
    hours = [hour for hour, _ in rolled(store, "c")]
    assert (20 in hours, 39 in hours, 40 in hours) == (False, False, True)
    put(store, "g", counted(late))
    assert rolled(store, "c") == [(hour, 2.0) for hour in range(72)]


ROWS = st.builds(
    Row,
    host=st.sampled_from(["c", "d", "g"]),
    ts=st.integers(0, 90).map(lambda i: START + i * 5 * HOUR),
    value=st.sampled_from([0.0, 2.5, 7.0, 1e6, 2.0**32 - 1]),
    metric=st.just("m"),
    unit=st.just("byte"),
)


@settings(max_examples=15, deadline=None)
@given(data=st.data(), rows=st.lists(ROWS, min_size=1, max_size=60))
def test_any_order_any_split_and_any_repetition_leave_the_same_state(tmp_path_factory, data, rows):
    """Also with parts of all widths, blocks of few series, and a nature that is told late."""
    root = tmp_path_factory.mktemp("order")
    with Store.create(root / "once", created_us=START) as once:
        put(once, "f", counted(rows))
        want = state(once)
    mixed = data.draw(st.permutations(rows + rows[: data.draw(st.integers(0, len(rows)))]))
    widths = st.sampled_from([(1, 1), (2, 1), (3, 2), (9, 1), (9, 9)])
    silent = data.draw(st.booleans())
    with pytest.MonkeyPatch.context() as patch, Store.create(root / "many", created_us=START) as many:
        patch.setattr(append, "SAMPLES", Density(*data.draw(widths)))
        patch.setattr(append, "ROLLUPS", Density(*data.draw(widths)))
        patch.setattr(spans, "CROWDED", 1)
        patch.setattr(spans, "BLOCK", data.draw(st.sampled_from([1, 2, 100])))
        while mixed:
            cut = data.draw(st.integers(1, len(mixed)))
            one = batch(mixed[:cut]) if silent else counted(mixed[:cut])
            result = put(many, "g", one)
            assert result.rows_in == result.accepted + result.duplicate
            mixed = mixed[cut:]
        if silent:
            put(many, "h", counted(rows))
        assert state(many) == want
        assert many.verify() == []


def test_what_a_series_is_can_be_told_later_and_taken_back(store):
    rows = steady("c", 30)
    put(store, "f", batch(rows))
    before = state(store)
    assert rolled(store, "c")[-1][1] == rows[-1].value - 1800
    assert put(store, "f2", counted(rows[:1])).duplicate == 1
    assert rolled(store, "c") == [(hour, 2.0) for hour in range(30)]
    put(store, "f3", batch(rows[:1]))
    assert rolled(store, "c") == [(hour, 2.0) for hour in range(30)]
    put(store, "f4", counted(rows[:1], "gauge"))
    assert state(store) == before


def test_the_interval_across_pruned_samples_stays_known(store, monkeypatch):
    monkeypatch.setattr(append, "SAMPLES", Density(1, 1))
    rows = steady("c", 24 * 5)
    put(store, "f", counted(rows))
    before = rolled(store, "c")
    assert store.prune_samples(1) == 3
    # A correction of the oldest day that is left computes its rollups anew.
    oldest = store.samples("c", "bytes_total")["ts"].dt.epoch("us").min()
    again = [dataclasses.replace(r, value=r.value + 0.5) for r in rows if r.ts == oldest + 30 * MINUTE]
    assert put(store, "g", counted(again)).conflict == 1
    assert len(rolled(store, "c")) == len(before)
    assert rolled(store, "c", "count")[71:73] == [(71, 2.0), (72, 2.0)]
