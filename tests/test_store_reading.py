"""Reading rollups: whatever the row groups, the range and the threads, the same as from a plain list."""

import gc
import os
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import duckdb
import numpy as np
import polars as pl
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from store_rows import HOUR, MINUTE, START, Row, batch, put, state

from capforecast.errors import StoreError
from capforecast.history import History, newest_us
from capforecast.store import Store, parquet, reading, rollups, shards, spans
from capforecast.store.reading import Reader
from capforecast.store.rollups import row_groups, write_rollups
from capforecast.store.spans import Span

STATISTICS = ("count", "mean", "max", "p95", "last", "min")
EVER = Span(-(1 << 40), 1 << 40)


@pytest.fixture
def store(tmp_path):
    with Store.create(tmp_path / "store", created_us=START) as opened:
        yield opened


def fleet(store, series, hours, *, without=()):
    """Put one sample an hour and series into a store, leaving some (series, hour) out."""
    put(store, f"f{series}", batch(
        Row(f"h{s:03d}", START + h * HOUR, s + h / 1000) for s in range(series) for h in range(hours)
        if (s, h) not in without
    ))  # fmt: skip


@st.composite
def parts_of_rows(draw):
    """Draw the rows of some parts that follow each other in time, and row groups of any size for each."""
    out = []
    for number in range(draw(st.integers(1, 3))):
        low, high = draw(st.tuples(st.integers(0, 5), st.integers(0, 12)).map(sorted))
        first = number * 10 + draw(st.integers(0, 3))
        box = [(s, b) for s in range(low, high + 1) for b in range(first, first + draw(st.integers(1, 6)))]
        gaps = draw(st.sets(st.sampled_from(box), max_size=3))
        rows = [pair for pair in box if pair not in gaps] or box
        cuts = draw(st.one_of(st.none(), st.lists(st.integers(1, len(rows)), unique=True, max_size=3).map(sorted)))
        out.append((rows, cuts, draw(st.booleans())))
    return out


@settings(max_examples=60, deadline=None)
@given(
    given=parts_of_rows(),
    wanted=st.one_of(st.none(), st.lists(st.integers(0, 15), max_size=6), st.just(range(3, 9))),
    between=st.tuples(st.integers(-5, 40), st.integers(0, 45)),
    names=st.lists(st.sampled_from(STATISTICS), max_size=3),
)
def test_any_rows_in_any_row_groups_are_read_as_from_a_list(tmp_path_factory, given, wanted, between, names):
    path, parts, rows = tmp_path_factory.mktemp("parts"), [], {}
    for number, (pairs, cuts, uneven) in enumerate(given):
        sid, bucket = (np.array(column, kind) for column, kind in zip(zip(*pairs, strict=True), "iq", strict=True))
        columns = {"sid": sid, "bucket": bucket, "count": np.where(uneven, 1 + bucket % 3, 7).astype(np.int32)}
        columns |= {name: np.sqrt(sid * 100 + bucket + i) for i, name in enumerate(STATISTICS[1:])}
        with pytest.MonkeyPatch.context() as patch:
            if cuts is not None:
                patch.setattr(rollups, "row_groups", lambda _, cuts=cuts, n=sid.size: [0, *(c for c in cuts if c < n)])
            parts.append(write_rollups(path, Span(number, number), 0, 1, columns, HOUR))
        rows |= {pair: tuple(columns[name][i].item() for name in STATISTICS) for i, pair in enumerate(pairs)}
    got = Reader(path, parts).select(None if wanted is None else np.array(wanted, np.int32), names, between, EVER)
    sids = sorted({s for s, _ in rows} if wanted is None else set(wanted))
    want = sorted((s, b) for s, b in rows if s in sids and between[0] <= b < between[1])
    sids = [s for s in sids if wanted is not None or any(s == t for t, _ in want)]
    assert got.sids.tolist() == sids
    assert list(zip(got.sid.tolist(), got.bucket.tolist(), strict=True)) == want
    assert got.starts.tolist() == [sum(t < s for t, _ in want) for s in sids] + [len(want)]
    for name in names:
        assert got.values[name].tolist() == [rows[pair][STATISTICS.index(name)] for pair in want], name
    assert got.samples.tolist() == [sum(rows[pair][0] for pair in want if pair[0] == s) for s in sids]


@settings(max_examples=80, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 70), st.integers(1, 12)), unique_by=lambda pair: pair[0]).map(sorted))
def test_row_groups_begin_with_whole_shards_of_series(pairs):
    """At multiples of 8 series, or of 4, 2, 1 where rows are many; small ones go together with the next."""
    sid = np.repeat(*np.array(pairs or [(0, 0)], np.int32).T)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rollups, "GROUP_SERIES", 8)
        patch.setattr(rollups, "GROUP_LEAST", 5)
        patch.setattr(rollups, "ROW_GROUP", 30)
        starts = row_groups(sid)
        size = next(
            size for size in (8, 4, 2, 1) if size == 1 or np.bincount(sid // size, minlength=1).max(initial=0) <= 30
        )
    assert starts[0] == 0
    assert all(sid[at] // size != sid[at - 1] // size for at in starts[1:])
    assert all(length >= 5 for length in np.diff(starts))
    edges = [0, *(i for i in range(1, sid.size) if sid[i] // size != sid[i - 1] // size)]
    left_out = [edge for edge in edges if edge not in starts]
    assert all(edge - max(at for at in starts if at < edge) < 5 for edge in left_out)


@given(st.sets(st.integers(0, 9000), max_size=60).map(sorted), st.sampled_from([1, 3, 512, 700, 1024, 1500, 5000]))
def test_shards_begin_where_row_groups_do_and_hold_each_series_once(sids, size):
    cuts = shards(np.array(sids, np.int32), size)
    assert [sid for start, stop in cuts for sid in sids[start:stop]] == sids
    assert all(0 < stop - start <= size for start, stop in cuts)
    whole = {1: 1, 3: 2, 512: 512, 700: 512, 1024: 1024, 1500: 1024, 5000: 4096}[size]
    assert len(cuts) == len({sid // whole for sid in sids})


def spied(monkeypatch):
    """Write down which columns of which file are read."""
    seen = []
    real = reading.opened

    class Spy:
        def __init__(self, file):
            self.file = file

        def read_row_group(self, group, columns, use_threads):
            seen.append((group, columns))
            assert use_threads is False
            return self.file.read_row_group(group, columns=columns, use_threads=use_threads)

    @contextmanager
    def opened(path, footer):
        with real(path, footer) as file:
            yield Spy(file)

    monkeypatch.setattr(reading, "opened", opened)
    return seen


def test_of_a_row_group_without_gaps_nothing_but_the_statistic_is_read(store, monkeypatch):
    monkeypatch.setattr(rollups, "GROUP_SERIES", 4)
    monkeypatch.setattr(rollups, "GROUP_LEAST", 1)
    fleet(store, 12, 50, without=[(9, 20)])
    seen = spied(monkeypatch)
    found = store.rollups(np.arange(4, 12), ["max"])
    assert seen == [(2, ["sid"]), (1, ["max"]), (2, ["max", "bucket"])]
    assert np.diff(found.starts).tolist() == [50] * 5 + [49] + [50] * 2
    assert found.samples.tolist() == [50] * 5 + [49] + [50] * 2


def test_counts_are_read_where_they_differ(store, monkeypatch):
    put(store, "f", batch(Row("a", START + i * MINUTE, 1.0) for i in range(90)))
    seen = spied(monkeypatch)
    assert store.rollups(None, ["mean"]).samples.tolist() == [90]
    assert store.rollups(None, ["mean"], to_us=START + HOUR).samples.tolist() == [60]
    assert [columns for _, columns in seen] == [["mean", "count"]] * 2


def test_any_shards_in_any_threads_read_the_same(store, monkeypatch):
    monkeypatch.setattr(spans, "BLOCK", 16)
    monkeypatch.setattr(rollups, "GROUP_SERIES", 4)
    monkeypatch.setattr(rollups, "GROUP_LEAST", 1)
    monkeypatch.setattr(reading, "BLOCKS_KEPT", 1)
    fleet(store, 70, 30, without=[(5, 3), (40, 29), (69, 0)])
    whole = store.rollups(None, ["p95"])
    for size in (1, 3, 16, 70):
        with ThreadPoolExecutor(4) as pool:
            tasks = [np.arange(start, min(start + size, 70)) for start in range(0, 70, size)]
            parts = list(pool.map(lambda sids: store.rollups(sids, ["p95"]), tasks))
        for name in ("sid", "bucket", "samples"):
            assert np.concatenate([getattr(part, name) for part in parts]).tolist() == getattr(whole, name).tolist()
        values = np.concatenate([part.values["p95"] for part in parts])
        assert values.tobytes() == whole.values["p95"].tobytes()


def test_the_system_is_told_what_will_be_read_and_nothing_else(store, monkeypatch):
    monkeypatch.setattr(rollups, "GROUP_SERIES", 4)
    monkeypatch.setattr(rollups, "GROUP_LEAST", 1)
    fleet(store, 12, 50, without=[(9, 20)])
    (path,) = store.path.glob("rollups/*.parquet")
    told = []
    monkeypatch.setattr(os, "posix_fadvise", lambda fd, start, size, advice: told.append((start, size)), raising=False)
    monkeypatch.setattr(os, "POSIX_FADV_WILLNEED", 3, raising=False)
    store.rollups(np.arange(4, 12), ["max"])
    groups = [pq.read_metadata(path).row_group(g) for g in (1, 2)]
    want = []
    for group, columns in zip(groups, ((4,), (4, 1, 0)), strict=True):
        for column in map(group.column, columns):
            start = column.dictionary_page_offset if column.has_dictionary_page else column.data_page_offset
            want.append((start, column.total_compressed_size))
    assert told == [(0, parquet.TAIL), *want]
    monkeypatch.delattr(os, "posix_fadvise")
    store._reader = None
    assert len(store.rollups(None, ["max"])) == 12 * 50 - 1


def test_footers_that_are_not_kept_leave_memory_at_once(store):
    """Nothing of a part stays in a cycle of references, which are looked for too seldom for so large things."""
    fleet(store, 3, 10)
    gc.collect()
    gc.disable()
    try:
        for _ in range(3):
            store.rollups(np.arange(3), ["max"])
            store._reader = None
        assert not [thing for thing in gc.get_objects() if isinstance(thing, pq.FileMetaData)]
    finally:
        gc.enable()


def test_what_was_ingested_after_the_first_reading_is_read_too(store):
    fleet(store, 2, 5)
    assert len(store.rollups(None, ["max"])) == 10
    put(store, "late", batch([Row("h000", START + 9 * HOUR, 77.0), Row("h000", START, 99.0)]))
    assert store.rollups(np.array([0]), ["max"]).values["max"].max() == 99.0
    assert store.rollups(np.array([0]), ["max"]).bucket[-1] == START // HOUR + 9


def test_damage_that_comes_after_the_footer_was_read_is_found(store):
    fleet(store, 3, 400)
    store.rollups(None, ["max"])
    (path,) = store.path.glob("rollups/*.parquet")
    good = path.read_bytes()
    at = pq.read_metadata(path).row_group(0).column(4).data_page_offset + 200
    path.write_bytes(good[:at] + bytes([good[at] ^ 1]) + good[at + 1 :])
    assert len(store.rollups(None, ["min"])) == 1200
    with pytest.raises(StoreError, match="undamaged") as caught:
        store.rollups(None, ["max"])
    assert str(path) in str(caught.value)
    path.unlink()
    with pytest.raises(StoreError, match="undamaged"):
        store.rollups(None, ["min"])


@pytest.mark.parametrize("family", ["samples", "rollups", "quarantine"])
def test_every_changed_byte_of_a_footer_is_found_when_it_is_read(store, family):
    """The footer says where rows are and between which bounds; Parquet itself has no checksum for it."""
    put(store, "f", batch([Row("a", START + i * HOUR, float(i)) for i in range(50)], [(1, "bad", "raw")]))
    (path,) = store.path.glob(f"{family}/**/*.parquet")
    good = path.read_bytes()
    footer = len(good) - 8 - int.from_bytes(good[-8:-4], "little")
    before = state(store)
    for at in [*range(footer, len(good) - 8, 11), *range(len(good) - 8, len(good))]:
        path.write_bytes(good[:at] + bytes([good[at] ^ 1]) + good[at + 1 :])
        store._reader = None
        with pytest.raises(StoreError, match="undamaged"):
            state(store)
    path.write_bytes(good)
    assert state(store) == before


def test_data_files_are_plain_parquet_for_others_and_need_no_seal(store):
    fleet(store, 3, 10)
    want = store.rollups(None, ["max"]).values["max"].tolist()
    (path,) = store.path.glob("rollups/*.parquet")
    assert pl.read_parquet(path)["max"].to_list() == want
    assert pq.read_table(path, page_checksum_verification=True)["max"].to_pylist() == want
    assert duckdb.sql("SELECT max FROM read_parquet(?)", params=[str(path)]).fetchall() == [(v,) for v in want]
    pq.write_table(pq.read_table(path), path, row_group_size=7)
    store._reader = None
    assert store.rollups(None, ["max"]).values["max"].tolist() == want


def test_a_file_whose_columns_have_no_bounds_is_damaged(store):
    fleet(store, 3, 10)
    (path,) = store.path.glob("rollups/*.parquet")
    pq.write_table(pq.read_table(path), path, write_statistics=False)
    with pytest.raises(StoreError, match="undamaged"):
        store.rollups(None, ["max"])


def test_values_that_repeat_are_kept_as_a_dictionary_and_others_are_not(tmp_path):
    number = np.arange(300)
    columns = {"sid": (number // 100).astype(np.int32), "bucket": number % 100, "count": np.full(300, 2, np.int32)}
    columns |= dict.fromkeys(STATISTICS[1:], number % 150 / 10) | {"mean": number % 151 / 10}
    part = write_rollups(tmp_path, Span(0, 0), 0, 1, columns, HOUR)
    group = pq.read_metadata(tmp_path / part.path).row_group(0)
    kept = [group.column(i).path_in_schema for i in range(group.num_columns) if group.column(i).has_dictionary_page]
    assert kept == ["max", "p95", "last", "min"]
    found = Reader(tmp_path, [part]).select(None, ["mean", "max"], (0, 100), EVER)
    assert found.values["mean"].tolist() == columns["mean"].tolist()
    assert found.values["max"].tolist() == columns["max"].tolist()


@given(lengths=st.lists(st.integers(0, 5), min_size=1, max_size=4), end=st.integers(0, 30), seed=st.integers(0, 99))
def test_the_newest_rollup_before_the_end_is_found_in_all_series_at_once(lengths, end, seed):
    rng = np.random.default_rng(seed)
    rows = [np.sort(rng.choice(25, n, replace=False)) for n in lengths]
    given = History(np.append(0, np.cumsum(lengths)), np.concatenate(rows), {}, HOUR)
    series = rng.integers(0, len(lengths), 6)
    want = [max(((b + 1) * HOUR for b in rows[s].tolist() if b < end), default=0) for s in series]
    assert newest_us(given, series, end * HOUR).tolist() == want
