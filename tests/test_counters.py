"""Counters in the store: samples as they came, rollups of their rates, whatever the order, the files or the split."""

import dataclasses

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal
from store_rows import DAY, HOUR, MINUTE, START, Row, batch, put, state

from capforecast.cli import main
from capforecast.sources import NATURE, Batch
from capforecast.store import Store, append, as_rates, spans, with_rates
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


def frame_of(rows, nature):
    moment = pl.col("ts").cast(pl.Datetime("us", "UTC"))
    return batch(rows).rows.with_columns(moment, nature=pl.lit(nature, pl.String))


@given(
    values=st.lists(
        st.tuples(st.integers(0, 60), st.sampled_from(["c", "d"]), st.integers(0, 2**33)), min_size=1, max_size=40
    ),
    seed=st.randoms(use_true_random=False),
)
@settings(max_examples=15)
def test_samples_of_a_file_become_the_rates_that_the_store_makes(values, seed, tmp_path_factory):
    """In any order, with two values at one moment, restarts, wraps and long gaps."""
    rows = [Row(host, START + k * HOUR, float(v), metric="bytes_total", unit="byte") for k, host, v in values]
    with Store.create(tmp_path_factory.mktemp("store") / "s", created_us=START) as store:
        put(store, "f", counted(rows))
        stored = {
            (host, START + hour * HOUR): value for host in store.series()["host"] for hour, value in rolled(store, host)
        }
        assert set(store.series()["unit"]) == {"byte/s"}
    seed.shuffle(rows)
    got = with_rates(frame_of(rows, "counter"))
    assert set(got["unit"]) == {"byte/s"}
    rated = got.filter(pl.col("value").is_not_nan()).with_columns(pl.col("ts").dt.epoch("us"))
    assert {(host, ts): value for host, ts, value in rated.select("host", "ts", "value").rows()} == stored


def test_no_series_is_lost_that_has_no_rate_and_gauges_are_left_alone():
    rows = [Row("c", START, 1.0), Row("d", START, float("nan")), Row("e", -HOUR, 3.0), Row("e", START, 5.0)]
    assert sorted(as_rates(frame_of(rows, "counter"))["host"]) == ["c", "d", "e", "e"]
    assert as_rates(frame_of(rows, "counter"))["value"].is_nan().all()
    plain = frame_of(rows, None)
    assert with_rates(plain).equals(plain.drop("nature"), null_equal=True)
    both = pl.concat([frame_of(rows, "counter"), frame_of(rows, "gauge")])
    assert with_rates(both).height == 8


def test_forecast_and_replay_of_a_file_take_the_rates_of_counters(tmp_path):
    """What settings call a counter is forecast as its rates are, and cases are laid against rates."""
    levels = 50 + 20 * np.sin(np.arange(24 * 20) / 24 * 2 * np.pi)
    seconds = START // 10**6 + 3600 * np.arange(levels.size + 1)
    total = np.concatenate([[0.0], np.cumsum(levels * 3600)])
    for name, ts, values in (("total", seconds, total), ("rate", seconds[1:], levels)):
        rows = [f"h,reads_{name},{t},{v}" for t, v in zip(ts, values, strict=True)]
        (tmp_path / f"{name}.csv").write_text("\n".join(["host,metric,ts,value", *rows, ""]))
        cutoff = int(seconds[-24])
        case = f"1,h,reads_{name},65,{np.datetime64(cutoff, 's')}Z,86400\n"
        (tmp_path / f"{name}-cases.csv").write_text("case_id,host,metric,threshold,cutoff,horizon_s\n" + case)
    (tmp_path / "c.toml").write_text('[[kinds]]\nname = "reads"\npatterns = ["reads_total"]\nnature = "counter"\n')
    found = {}
    for name in ("total", "rate"):
        file, common = str(tmp_path / f"{name}.csv"), ["--config", str(tmp_path / "c.toml")]
        ahead, back = str(tmp_path / f"{name}-f.parquet"), str(tmp_path / f"{name}-r.parquet")
        for command in (
            ["forecast", file, "--step", "1h", "--horizon", "48h", "--output", ahead],
            ["replay", str(tmp_path / f"{name}-cases.csv"), "--input", file, "--output", back],
        ):
            with pytest.raises(SystemExit) as end:
                main([*command, *common])
            assert end.value.code == 0
        found[name] = [pl.read_parquet(path).drop("metric") for path in (ahead, back)]
    for total_frame, rate_frame in zip(found["total"], found["rate"], strict=True):
        assert_frame_equal(total_frame, rate_frame)
    assert set(found["total"][0]["status"]) == {"ok"}
    assert found["total"][0]["mean"].max() < 75
