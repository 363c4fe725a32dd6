"""Parts: spans by density, merging of keys, names to numbers, damage that is found."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from store_rows import DAY, HOUR, START, Row, batch, put, state

from capforecast.errors import StoreError
from capforecast.store import Store, append, spans
from capforecast.store.identify import SeriesIndex, identify
from capforecast.store.merge import merge
from capforecast.store.spans import Density, Span, day_name, plan


@pytest.fixture
def store(tmp_path):
    with Store.create(tmp_path / "store", created_us=START) as opened:
        yield opened


def files(store, family):
    return sorted(store.path.glob(f"{family}/**/*.parquet"))


def test_25_years_of_daily_data_are_one_file_a_year(store):
    rows = [Row(h, i * DAY + HOUR, float(i)) for h in ("a", "b") for i in range(11_000, 11_000 + 25 * 365)]
    put(store, "f", batch(rows))
    assert len(files(store, "samples")) == len(files(store, "rollups")) == 26
    assert store.samples("a", "cpu_pct").height == 25 * 365
    name = files(store, "samples")[1]
    assert name.parent.name == "day=2001-01-01"
    assert name.name.startswith("2001-01-01_2001-12-31.")


def test_dense_data_are_one_file_a_day_and_less_dense_ones_one_a_month():
    days = np.arange(20_000, 20_040)
    for rows, count in ((60_000, 40), (20_000, 2), (999, 1)):
        assert len(plan(days, np.full(40, rows), (), spans.SAMPLES)) == count


DENSITIES = st.builds(lambda month, more: Density(month + more, month), st.integers(1, 9), st.integers(0, 9))


@settings(max_examples=100, deadline=None)
@given(
    days=st.lists(st.integers(0, 2000), min_size=1, max_size=30, unique=True).map(sorted),
    later=st.lists(st.integers(0, 2000), max_size=30, unique=True).map(sorted),
    density=DENSITIES,
    seed=st.integers(0, 999),
)
def test_each_day_belongs_to_exactly_one_span_also_when_days_come_later(days, later, density, seed):
    rng = np.random.default_rng(seed)
    first = plan(np.array(days), rng.integers(1, 20, len(days)), (), density)
    rest = np.array([d for d in later if not any(s.first <= d <= s.last for s in first)], np.int64)
    every = sorted(first + plan(rest, rng.integers(1, 20, rest.size), first, density))
    assert all(before.last < after.first for before, after in zip(every, every[1:], strict=False))
    for day in {*days, *later}:
        assert sum(s.first <= day <= s.last for s in every) == 1


def test_a_part_that_fills_up_is_split(store, monkeypatch):
    monkeypatch.setattr(append, "SAMPLES", Density(day=50, month=2))
    put(store, "sparse", batch([Row("a", START + d * DAY, 1.0) for d in range(60)]))
    assert [f.name[:21] for f in files(store, "samples")] == ["2024-01-01_2024-12-31"]
    put(store, "dense", batch([Row(f"h{h}", START + d * DAY, 1.0) for h in range(20) for d in range(60)]))
    assert [f.name[:21] for f in files(store, "samples")] == [
        "2024-10-01_2024-10-31", "2024-11-01_2024-11-30", "2024-12-01_2024-12-31",
    ]  # fmt: skip
    assert store.verify() == []
    assert store.samples("a", "cpu_pct").height == 60
    put(store, "one", batch([Row(f"h{h}", START + i, 1.0) for h in range(20) for i in range(99)]))
    assert store.samples("h3", "cpu_pct").height == 60 + 98


def test_only_the_parts_of_touched_days_are_rewritten(store, monkeypatch):
    monkeypatch.setattr(append, "SAMPLES", Density(day=1, month=1))
    monkeypatch.setattr(append, "ROLLUPS", Density(day=1, month=1))
    put(store, "f", batch([Row("a", START + d * DAY, 1.0) for d in range(10)]))
    before = set(files(store, "samples") + files(store, "rollups"))
    put(store, "late", batch([Row("b", START + 3 * DAY, 1.0)]))
    after = set(files(store, "samples") + files(store, "rollups"))
    day = day_name(START // DAY + 3)
    assert len(before - after) == len(after - before) == 2
    assert all(day in path.name for path in before ^ after)


def test_rollups_of_an_hour_are_computed_from_all_its_samples_when_one_comes_late(store):
    put(store, "f", batch([Row("a", START + i, float(i)) for i in range(0, 40, 2)]))
    put(store, "g", batch([Row("a", START + i, float(i)) for i in range(1, 40, 2)]))
    got = store.rollups(None, ["count", "mean", "p95", "last", "min", "max"]).values
    assert {name: column.tolist() for name, column in got.items()} == {
        "count": [40.0], "mean": [19.5], "p95": [37.0], "last": [39.0], "min": [0.0], "max": [39.0],
    }  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(
    incoming=st.lists(st.tuples(st.integers(0, 2), st.integers(0, 4), st.integers(0, 3)), max_size=20),
    stored=st.dictionaries(st.tuples(st.integers(0, 2), st.integers(0, 4)), st.integers(0, 3), max_size=10),
    far=st.booleans(),
)
def test_merge_equals_a_dictionary(incoming, stored, far):
    scale = 1 << 60 if far else 1
    rows = incoming + [(*key, value) for key, value in stored.items()]
    out = merge(
        np.array([r[0] for r in rows], np.int32),
        np.array([r[1] * scale for r in rows], np.int64),
        np.array([r[2] for r in rows], np.float64),
        np.arange(len(rows)) >= len(incoming),
    )
    want = {}
    for rank, ts, value in rows:
        want[rank, ts] = max(want.get((rank, ts), value), value)
    keys = list(zip(out.rank.tolist(), (out.ts // scale).tolist(), strict=True))
    assert keys == sorted(want)
    assert out.value.tolist() == [want[key] for key in keys]
    assert out.new.tolist() == [key not in stored for key in keys]
    assert out.fresh.tolist() == [stored.get(key) != want[key] for key in keys]
    assert out.duplicate == len(incoming) - int(out.new.sum())
    assert out.conflict == sum(v != stored.get((r, t), want[r, t]) for r, t, v in incoming)


@settings(max_examples=60, deadline=None)
@given(
    rows=st.lists(st.tuples(*[st.sampled_from([None, "", "a", "b"])] * 3), max_size=60),
    repeat=st.sampled_from([1, 40]),
)
def test_identify_tells_equal_names_from_different_ones(rows, repeat):
    frame = pl.DataFrame([r for r in rows for _ in range(repeat)], schema=dict.fromkeys("hmi", pl.String), orient="row")
    found = identify(frame, ["h", "m", "i"])
    assert found.names.unique().height == found.names.height == len(set(rows))
    each = found.spread(np.arange(found.names.height, dtype=np.int32))
    assert found.names[each].equals(frame) if rows else each.size == 0


def test_many_distinct_names_are_identified_too():
    rng = np.random.default_rng(0)
    frame = pl.DataFrame({c: pl.Series(rng.integers(0, 3000, 5000)).cast(pl.String) for c in "hmi"})
    found = identify(frame, list("hmi"))
    assert found.names[found.spread(np.arange(found.names.height, dtype=np.int32))].equals(frame)


def test_known_series_keep_their_sid_and_new_ones_get_the_next():
    known = pl.DataFrame({"sid": [0, 1], "host": ["m", "b"], "metric": ["x"] * 2, "instance": [""] * 2})
    index = SeriesIndex(known)
    keys = pl.DataFrame({"host": ["z", "b", "a"], "metric": ["x"] * 3, "instance": [""] * 3})
    assert index.ids(keys).tolist() == [2, 1, 3]
    assert index.ranks().tolist() == [2, 1, 3, 0]


@pytest.mark.parametrize("family", ["samples", "rollups", "quarantine"])
def test_every_changed_cut_or_missing_file_is_found_and_not_read(store, family):
    put(store, "f", batch([Row("a", START + i, float(i)) for i in range(500)], [(1, "bad", "raw" * 50)]))
    (path,) = files(store, family)
    good = path.read_bytes()
    for at in range(10, len(good), max(len(good) // 12, 1)):
        path.write_bytes(good[:at] + bytes([good[at] ^ 1]) + good[at + 1 :])
        assert len(store.verify()) == 1, at
    path.write_bytes(good[: len(good) // 2])
    assert "differs from its sha256" in store.verify()[0]
    reads = [lambda: state(store)]
    if family != "quarantine":
        reads.append(lambda: put(store, "g", batch([Row("a", START + 501, 1.0)])))
    for read in reads:
        with pytest.raises(StoreError, match="undamaged") as caught:
            read()
        assert str(path) in str(caught.value)
    path.unlink()
    assert "is missing" in store.verify()[0]
    path.write_bytes(good)
    assert store.verify() == []


def test_files_that_the_catalog_does_not_name_are_told_and_removed_by_the_next_writer(store):
    put(store, "f", batch([Row("a", START, 1.0)]))
    before = state(store)
    stray = store.path / "samples" / "day=2020-01-01" / "2020-01-01_2020-12-31.c00000009.parquet"
    stray.parent.mkdir()
    stray.write_bytes(b"left by a killed run")
    foreign = store.path / "samples" / "notes.txt"
    foreign.write_text("not ours")
    assert [problem.split(":")[0] for problem in store.verify()] == [stray.relative_to(store.path).as_posix()]
    store.close()
    with Store.open(store.path) as reader:
        assert state(reader) == before
    assert stray.exists()
    with Store.open(store.path, writable=True) as writer:
        assert state(writer) == before
    assert not stray.exists()
    assert foreign.exists()


def test_span_names_are_calendar_days():
    assert Span(0, 30).name == "1970-01-01_1970-01-31"
