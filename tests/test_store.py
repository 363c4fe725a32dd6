"""The store: conservation, idempotence, order-freedom, series, reading, limits, opening, locking."""

import errno
import json
import os
import subprocess
import sys
from datetime import date

import duckdb
import numpy as np
import polars as pl
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from store_rows import AS_OF, DAY, HOUR, MINUTE, START, Row, batch, put, sha, state
from tables import breach_tables

from capforecast.errors import ConfigError, LockedError, SchemaError, StoreError
from capforecast.store import Store, append, layout, lock, migrations, spans
from capforecast.store import limits as limits_table
from capforecast.store import samples as sample_parts
from capforecast.store.spans import Density


@pytest.fixture
def store(tmp_path):
    with Store.create(tmp_path / "store", created_us=START) as opened:
        yield opened


def grid(hosts, hours, start=START, value=1.0):
    return [Row(h, start + i * 5 * MINUTE, value + i % 7) for h in hosts for i in range(hours * 12)]


def test_rows_in_equal_accepted_duplicate_and_quarantined_in_result_and_ledger(store):
    rows = [*grid(["a", "b"], 2), Row("a", START, 1.0), Row("a", START, 9.0)]
    result = put(store, "f", batch(rows, [(7, "value is missing", "a,,"), (8, "value is missing", "b,,")]))
    assert (result.rows_in, result.accepted, result.duplicate, result.conflict) == (52, 48, 2, 2)
    assert (result.quarantined, result.series_new) == (2, 2)
    assert result.reasons == {"value is missing": 2}
    line = store.ledger().row(0, named=True)
    for name in ("rows_in", "accepted", "duplicate", "conflict", "quarantined", "series_new"):
        assert line[name] == getattr(result, name)
    assert line["status"] == "partial"
    assert line["sha256"] == sha("f")


def test_taking_in_the_same_rows_again_changes_nothing_and_writes_no_part(store):
    rows = grid(["a", "b"], 30)
    put(store, "f", batch(rows, [(7, "bad", "raw")]))
    before, files = state(store), sorted(store.path.glob("[sr]*/**/*.parquet"))
    again = put(store, "f", batch(rows, [(7, "bad", "raw")]))
    assert (again.accepted, again.duplicate, again.conflict, again.quarantined) == (0, len(rows), 0, 1)
    assert state(store) == before
    assert sorted(store.path.glob("[sr]*/**/*.parquet")) == files
    assert store.ledger().height == 2


def test_the_larger_value_of_a_key_stays_whichever_comes_first(store):
    put(store, "low", batch([Row("a", START, 1.0), Row("b", START, 5.0)]))
    result = put(store, "high", batch([Row("a", START, 5.0), Row("b", START, 1.0)]))
    assert (result.accepted, result.duplicate, result.conflict) == (0, 2, 2)
    assert store.samples("a", "cpu_pct")["value"].to_list() == [5.0]
    assert store.samples("b", "cpu_pct")["value"].to_list() == [5.0]
    assert store.rollups(None, ["max", "count"]).values["max"].tolist() == [5.0, 5.0]


def test_minus_zero_is_zero(store):
    put(store, "f", batch([Row("a", START, -0.0)]))
    assert np.signbit(store.samples("a", "cpu_pct")["value"].to_numpy()).tolist() == [False]


ROWS = st.builds(
    Row,
    host=st.sampled_from(["a", "b", "\U0001f600"]),
    ts=st.integers(0, 60).map(lambda i: START + i * 17 * HOUR),
    value=st.sampled_from([-1.0, 0.0, 2.5, 7.0]),
    metric=st.sampled_from(["cpu", "mem"]),
    instance=st.sampled_from([None, "", "/var"]),
    unit=st.sampled_from([None, "x", "y"]),
)


@settings(max_examples=12, deadline=None)
@given(data=st.data(), rows=st.lists(ROWS, min_size=1, max_size=40))
def test_any_order_any_split_and_any_repetition_leave_the_same_state(tmp_path_factory, data, rows):
    """Also where tiny densities make parts of all widths that are split while they grow."""
    root = tmp_path_factory.mktemp("order")
    with Store.create(root / "once", created_us=START) as once:
        put(once, "f", batch(rows))
        want = state(once)
    mixed = data.draw(st.permutations(rows + rows[: data.draw(st.integers(0, len(rows)))]))
    widths = st.sampled_from([(1, 1), (2, 1), (3, 2), (9, 1), (9, 9)])
    with pytest.MonkeyPatch.context() as patch, Store.create(root / "many", created_us=START) as many:
        patch.setattr(append, "SAMPLES", Density(*data.draw(widths)))
        patch.setattr(append, "ROLLUPS", Density(*data.draw(widths)))
        patch.setattr(spans, "CROWDED", 1)
        patch.setattr(spans, "BLOCK", data.draw(st.sampled_from([1, 2, 100])))
        while mixed:
            pieces = []
            for _ in range(data.draw(st.integers(1, 2))):
                cut = data.draw(st.integers(1, max(len(mixed), 1)))
                pieces.append(batch(mixed[:cut]))
                mixed = mixed[cut:]
            result = put(many, "g", *pieces)
            assert result.rows_in == result.accepted + result.duplicate
        assert state(many) == want
        assert many.verify() == []


def test_several_batches_are_merged_part_by_part_and_leave_no_scratch_files(store, tmp_path):
    rows = grid(["a", "b", "c"], 60)
    put(store, "f", batch(rows[::3]), batch([]), batch(rows[1::3]), batch(rows[2::3], [(1, "bad", "raw")]))
    with Store.create(tmp_path / "other", created_us=START) as other:
        put(other, "f", batch(rows, [(1, "bad", "raw")]))
        assert state(other) == state(store)
    assert not (store.path / ".staging").exists()


def test_an_ingest_that_fails_midway_leaves_the_store_as_it_was(store):
    put(store, "f", batch(grid(["a"], 3)))
    before = state(store)

    def broken():
        yield batch(grid(["b"], 3))
        yield batch(grid(["c"], 3))
        raise OSError("the source went away")

    with pytest.raises(OSError, match="went away"):
        store.append("g", sha("g"), broken(), ingest_id="g", run_id="r", as_of_us=AS_OF)
    assert state(store) == before
    assert store.verify() == []
    assert put(store, "g", batch(grid(["b"], 3))).accepted == 36


def test_an_ingest_id_that_is_known_returns_what_it_did_and_takes_nothing(store):
    first = put(store, "f", batch(grid(["a"], 1)), ingest_id="i")
    assert put(store, "f", batch(grid(["z"], 1)), ingest_id="i") == first
    assert store.ledger().height == 1
    with pytest.raises(StoreError, match="must name one ingest"):
        put(store, "other", batch([]), ingest_id="i")


def test_series_are_sorted_by_name_and_keep_their_sid(store):
    put(store, "f", batch([Row("m", START, 1.0), Row("z", START, 1.0)]))
    sids = dict(store.series().select("host", "sid").rows())
    put(store, "g", batch([Row("a", START + DAY, 1.0), Row("m", START + DAY, 2.0, unit=None)]))
    series = store.series()
    assert series["host"].to_list() == ["a", "m", "z"]
    assert {host: sid for host, sid in series.select("host", "sid").rows() if host != "a"} == sids
    assert series["samples"].to_list() == [1, 2, 1]
    assert series["unit"].to_list() == ["percent"] * 3
    assert series.schema["last_ts"] == pl.Datetime("us", "UTC")
    assert store.watermark_us() == START + DAY


def test_new_series_of_a_batch_get_their_sids_in_the_order_of_their_names(store):
    put(store, "f", batch([Row(h, START, 1.0) for h in "zxy"]))
    put(store, "g", batch([Row(h, START, 1.0) for h in "cba"]))
    assert store.series().select("host", "sid").rows() == [
        (h, i) for h, i in zip("abcxyz", [3, 4, 5, 0, 1, 2], strict=True)
    ]


def test_files_hold_blocks_of_series(store, monkeypatch):
    monkeypatch.setattr(spans, "BLOCK", 4)
    put(store, "f", batch(grid([f"h{i}" for i in range(10)], 3)))
    put(store, "g", batch(grid([f"h{i}" for i in range(6, 14)], 4)))
    for family in ("samples", "rollups"):
        assert sorted(p.name[22:26] for p in store.path.glob(f"{family}/**/*.parquet")) == [
            "b000",
            "b001",
            "b002",
            "b003",
        ]
    assert store.samples("h11", "cpu_pct").height == 48
    assert len(store.rollups(np.array([0, 13]), ["max"])) == 3 + 4
    assert store.rollups(None, ["max"]).sid.tolist() == sorted(store.rollups(None, ["max"]).sid.tolist())
    assert store.verify() == []


def test_rollups_hold_only_complete_buckets_of_the_series_that_are_asked_for(store):
    put(store, "f", batch(grid(["a", "b", "c"], 50)))
    by_host = dict(store.series().select("host", "sid").rows())
    first = START // HOUR
    some = store.rollups(
        np.array([by_host["c"], by_host["a"]]), ["max"], from_us=START + 1, to_us=START + 49 * HOUR + 59 * MINUTE
    )
    assert some.bucket.tolist() == 2 * list(range(first + 1, first + 49))
    assert sorted(set(some.sid.tolist())) == sorted([by_host["a"], by_host["c"]])
    assert (some.sid.dtype, some.bucket.dtype, some.values["max"].dtype) == (np.int32, np.int64, np.float64)
    assert len(store.rollups(np.array([99]), ["mean"])) == 0
    with pytest.raises(SchemaError, match="'median'"):
        store.rollups(None, ["median"])


def test_samples_are_found_by_host_metric_instance_and_time(store):
    rows = [Row("a", START + i * DAY, float(i), "used", inst) for i in range(5) for inst in ("/", "/var")]
    put(store, "f", batch([*rows, Row("a", START, 1.0, "cpu"), Row("b", START, 1.0, "used", "/")]))
    assert store.samples("a", "used").height == 10
    one = store.samples("a", "used", "/var", from_us=START + DAY, to_us=START + 3 * DAY)
    assert one["value"].to_list() == [1.0, 2.0]
    assert one.columns == ["host", "metric", "instance", "ts", "value"]
    assert store.samples("nobody", "used").schema == one.schema


def test_names_are_data_wherever_they_go(store):
    hosts = ["../../x", "a'; DROP TABLE series; --", "%s{0}", "*", "__HIVE_DEFAULT_PARTITION__", "day=2020-01-01"]
    put(store, "a'b;--", batch([Row(h, START, 1.0, metric=h, instance=h, unit=h) for h in hosts]))
    assert sorted(store.series()["host"].to_list()) == sorted(hosts)
    assert all(store.samples(h, h, h).height == 1 for h in hosts)
    assert not list(store.path.parent.glob("x*"))


def test_quarantine_names_source_line_and_reason_and_is_replaced_by_the_same_source(store):
    put(store, "f", batch([], [(3, "value is missing", "a,b"), (2, "bad", "c\x1b[31m")]))
    put(store, "g", batch([], [(1, "bad", "x")]))
    put(store, "f", batch([], [(3, "value is missing", "a,b")]))
    assert store.quarantine(sha("f")).rows() == [("f", 3, "value is missing", "a,b")]
    assert store.quarantine().height == 2
    put(store, "g", batch([Row("a", START, 1.0)]))
    assert store.quarantine(sha("g")).is_empty()


def test_pruned_days_stay_closed_and_their_rollups_stay(store):
    dense = pl.Series(range(60_000))
    rows = pl.DataFrame({"ts": START + dense * 1_000_000, "value": dense.cast(pl.Float64)}).with_columns(
        host=pl.lit("a"), metric=pl.lit("cpu"), instance=pl.lit(""), unit=pl.lit(""), line=dense
    )
    good = batch([])
    later = rows.with_columns(pl.col("ts") + 5 * DAY)
    put(store, "f", type(good)(rows, good.rejects), type(good)(later, good.rejects))
    rolled = store.rollups(None, ["max"])
    assert store.prune_samples(keep_days=30) == 0
    assert store.prune_samples(keep_days=2) == 1
    assert store.samples("a", "cpu").height == 60_000
    assert store.rollups(None, ["max"]).values["max"].tolist() == rolled.values["max"].tolist()
    late = put(store, "late", batch([Row("a", START + HOUR, 5.0, "cpu"), Row("a", START + 6 * DAY, 5.0, "cpu")]))
    assert (late.accepted, late.quarantined) == (1, 1)
    assert "older than the retained samples" in store.quarantine()["reason"][0]
    assert store.quarantine()["raw"].to_list() == [f"a,cpu,,percent,{START + HOUR},5.0"]
    assert store.verify() == []


def test_limits_come_back_typed_and_in_their_order(store):
    assert store.limits().is_empty()
    assert store.limits().columns == list(limits_table.COLUMNS)
    frame = pl.DataFrame(
        {
            **dict.fromkeys(limits_table.COLUMNS, [None, None]),
            "pattern_host": ["z*", "a*"],
            "threshold": [90.0, None],
            "valid_from": pl.Series([START, None], dtype=pl.Int64).cast(pl.Datetime("us", "UTC")),
            "line": [2, 3],
        }
    )
    store.set_limits(frame, "limits.csv", sha("l"))
    back = store.limits()
    assert back["pattern_host"].to_list() == ["z*", "a*"]
    assert back.schema == pl.Schema(limits_table.COLUMNS)
    assert back["valid_from"].dt.timestamp("us").to_list() == [START, None]
    with pytest.raises(SchemaError, match="capacity"):
        store.set_limits(frame.drop("capacity"), "limits.csv", sha("l"))


def test_sample_parts_are_sorted_and_carry_no_partition_column(store):
    rows = [Row(h, START + i * MINUTE, 1.0, m) for i in range(3) for h in ("b", "a") for m in ("y", "x")]
    put(store, "f", batch(rows))
    (path,) = (store.path / "samples").glob("*/*.parquet")
    table = pq.ParquetFile(path).read()
    assert table.column_names == list(sample_parts.COLUMNS)
    assert str(table.schema.field("ts").type) == "timestamp[us, tz=UTC]"
    keys = list(zip(*(table[c].to_pylist() for c in ("metric", "host", "instance", "ts")), strict=True))
    assert keys == sorted(keys)


def test_files_and_directories_are_private_except_reports(store):
    put(store, "f", batch([Row("a", START, 1.0)], [(1, "bad", "raw")]))
    for path in store.path.rglob("*"):
        private = path.name != "store.json"
        assert not private or path.stat().st_mode & 0o077 == 0, path


def test_a_directory_with_other_things_is_neither_made_nor_opened_as_a_store(tmp_path):
    (tmp_path / "precious.txt").write_text("mine")
    with pytest.raises(StoreError, match=r"precious\.txt"):
        Store.create(tmp_path, created_us=START)
    with pytest.raises(StoreError, match=r"must hold store\.json"):
        Store.open(tmp_path)
    with pytest.raises(StoreError, match="must exist"):
        Store.open(tmp_path / "missing")
    assert os.listdir(tmp_path) == ["precious.txt"]


def test_a_store_is_not_made_twice_and_its_step_divides_a_day(store, tmp_path):
    with pytest.raises(StoreError, match="must not exist yet"):
        Store.create(store.path, created_us=START)
    with pytest.raises(ConfigError, match="divide a day"):
        Store.create(tmp_path / "odd", step_us=7 * HOUR, created_us=START)


def test_a_newer_format_is_refused_and_left_as_it_is(store):
    store.close()
    path = store.path / layout.MANIFEST
    content = {**json.loads(path.read_text()), "format_version": layout.FORMAT_VERSION + 1}
    path.write_text(json.dumps(content))
    before = {p: p.read_bytes() for p in store.path.rglob("*") if p.is_file()}
    for writable in (False, True):
        with pytest.raises(StoreError, match="at most 3; got 4"):
            Store.open(store.path, writable=writable)
    assert {p: p.read_bytes() for p in store.path.rglob("*") if p.is_file()} == before


def test_older_formats_are_migrated_in_order_by_the_next_writer(store, monkeypatch):
    store.close()
    done = []
    newest = layout.FORMAT_VERSION
    monkeypatch.setattr(layout, "FORMAT_VERSION", newest + 2)
    steps = [lambda path, n=n: done.append((n, path)) for n in range(1, newest + 2)]
    monkeypatch.setattr(migrations, "MIGRATIONS", steps)
    with pytest.raises(StoreError, match="migrates"):
        Store.open(store.path)
    with Store.open(store.path, writable=True) as opened:
        assert opened.format_version == newest + 2
    assert done == [(newest, store.path), (newest + 1, store.path)]


def as_format_1(path, *, blocks):
    """Give a closed store the shape that early versions wrote."""
    with duckdb.connect(str(path / layout.CATALOG)) as con:
        for table, column in (("ingests", "warnings"), ("series", "nature"), ("series", "given")):
            con.execute(f"ALTER TABLE {table} DROP COLUMN {column}")
        con.execute("DROP TABLE anchors")
        if not blocks:
            con.execute("ALTER TABLE parts DROP COLUMN block")
    for manifest in path.rglob("reports/history/*/*/manifest.json"):
        manifest.unlink()
    manifest = path / layout.MANIFEST
    manifest.write_text(json.dumps({**json.loads(manifest.read_text()), "format_version": 1}))


@pytest.mark.parametrize("blocks", [False, True])
def test_a_store_of_format_1_is_brought_to_this_format(store, blocks):
    rows = grid(["a", "b"], 50)
    put(store, "f", batch(rows, [(7, "bad", "raw")]), ingest_id="one")
    run = {"run_id": "r", "run_date": date(2026, 3, 1), "as_of_us": AS_OF, "run_us": AS_OF}
    store.publish(run, breach_tables(2), {})
    before = state(store)
    store.close()
    as_format_1(store.path, blocks=blocks)
    with pytest.raises(StoreError, match="must be 3; got 1.*migrates"):
        Store(store.path)
    with Store.open(store.path, writable=True) as opened:
        assert (opened.format_version, state(opened), opened.verify()) == (3, before, [])
        assert opened.published("r")["breaches"].height == 2
        assert put(opened, "f", batch([]), ingest_id="one").accepted == len(rows)
        assert put(opened, "f", batch([*rows, Row("c", START, 1.0)])).accepted == 1
        assert opened.verify() == []


def test_a_store_of_format_1_with_too_many_series_is_refused_and_left_as_it_is(store, monkeypatch):
    monkeypatch.setattr(migrations, "BLOCK", 1)
    put(store, "f", batch(grid(["a", "b"], 2)))
    store.close()
    as_format_1(store.path, blocks=False)
    for _ in range(2):
        with pytest.raises(StoreError, match="at most 1 series; got 2.*ingest its sources into a new store"):
            Store.open(store.path, writable=True)
    assert json.loads((store.path / layout.MANIFEST).read_text())["format_version"] == 1


@pytest.mark.parametrize("table", ["meta", "series", "parts", "ingests", "runs"])
def test_a_catalog_of_another_shape_is_a_store_error(store, table):
    store.close()
    with duckdb.connect(str(store.path / layout.CATALOG)) as con:
        con.execute(f"DROP TABLE {table}")

    def use():
        with Store(store.path) as opened:
            opened.rollups(None, ["mean"])
            opened.series()
            opened.ledger()
            opened.runs()

    with pytest.raises(StoreError, match=r"catalog must be readable.*catalog\.duckdb.*Restore the store"):
        use()

    def change():
        with Store.open(store.path, writable=True) as opened:
            put(opened, "f", batch(grid(["a"], 2)))

    with pytest.raises(StoreError):
        change()


def test_series_with_units_that_do_not_go_together_are_told(store):
    rows = [
        Row("a", START, 1.0, unit="pieces"),
        Row("a", START + 1, 1.0, unit="boxes"),
        Row("b", START, 1.0, unit="byte"),
    ]
    strange = "units that are not known stay as they are: 'boxes', 'pieces'"
    told = ("series a cpu_pct has samples in boxes and pieces", strange)
    assert put(store, "f", batch(rows), ingest_id="one").warnings == told
    assert store.series()["unit"].to_list() == ["boxes", "byte"]
    assert put(store, "f", batch([]), ingest_id="one").warnings == told
    later = put(store, "g", batch([Row("b", START + 1, 1.0, unit="crates"), Row("a", START + 2, 1.0, unit=None)]))
    assert later.warnings[0] == "series b cpu_pct has samples in byte and crates"
    assert store.series()["unit"].to_list() == ["boxes", "byte"]
    assert json.loads(store.ledger()["warnings"][0]) == list(told)


def test_values_are_kept_in_the_canonical_unit_of_their_quantity(store):
    came = [("KB", 2.0), ("MiB", 1.0), (None, 3.0), ("bit", 8.0), ("byte", 7.0)]
    rows = [Row("a", START + i, value, metric="mem", unit=unit) for i, (unit, value) in enumerate(came)]
    rows += [Row("b", START, 1500.0, metric="wait", unit="ms"), Row("c", START, 0.93, metric="cpu", unit="ratio")]
    rows += [Row("d", START, 0.5, metric="hit_ratio", unit="ratio"), Row("e", START, 80.0, metric="net", unit="Mbit/s")]
    result = put(store, "f", batch(rows))
    assert (result.accepted, result.warnings) == (len(rows), ())
    # Rows that name no unit are in the first one, by the alphabet, of those that others of the series name.
    assert store.samples("a", "mem")["value"].to_list() == [2000.0, 2.0**20, 3000.0, 1.0, 7.0]
    found = store.series().select("unit", "given", "scale").rows()
    assert found[1:] == [
        ("s", "ms", 1e-3),
        ("percent", "ratio", 100.0),
        ("fraction", "ratio", 1.0),
        ("byte/s", "Mbit/s", 125e3),
    ]
    others = [("b", "wait", 1.5), ("c", "cpu", 93.0), ("d", "hit_ratio", 0.5), ("e", "net", 1e7)]
    assert all(store.samples(host, metric)["value"].to_list() == [value] for host, metric, value in others)


def test_rows_of_another_quantity_than_their_series_are_quarantined(store):
    put(store, "f", batch([Row("a", START, 1.0, metric="m", unit="GB")]))
    rows = [Row("a", START + 1, 1.0, metric="m", unit="percent"), Row("a", START + 2, 1.0, metric="m", unit="GiB")]
    result = put(store, "g", batch(rows))
    assert (result.rows_in, result.accepted, result.quarantined) == (2, 1, 1)
    assert result.reasons == {"unit is of another quantity than that of the series": 1}
    assert store.quarantine()["raw"].to_list() == [f"a,m,,percent,{START + 1},1.0"]
    assert store.samples("a", "m")["value"].to_list() == [1e9, 2.0**30]


def test_a_series_that_has_samples_without_a_unit_is_never_converted(store):
    put(store, "f", batch([Row("a", START, 1.0, metric="m", unit=None)]))
    put(
        store,
        "g",
        batch([Row("a", START + 1, 2.0, metric="m", unit="MB"), Row("a", START + 2, 3000.0, metric="m", unit="KB")]),
    )
    assert store.series().select("unit", "scale").row(0) == ("KB", 1.0)
    assert store.samples("a", "m")["value"].to_list() == [1.0, 2000.0, 3000.0]


def test_percents_beyond_100_and_values_too_large_to_convert_are_told(store):
    rows = [
        Row("a", START, 130.0),
        Row("b", START, 100.0),
        Row("c", START, 1e300, unit="GB"),
        Row("d", START, 1e300, unit="byte"),
        Row("c", START + 1, 1.0, unit="GB"),
        Row("c", START + 2, 1e300, unit=None),
    ]
    result = put(store, "f", batch(rows))
    assert result.warnings == ("1 series of percents have values beyond 100, which stay, such as a cpu_pct",)
    assert store.samples("a", "cpu_pct")["value"].to_list() == [130.0]
    assert result.reasons == {"value is too large in the canonical unit": 2}


def test_at_most_20_series_are_named(store):
    rows = [Row(f"h{i:02d}", START + t, 1.0, unit=u) for i in range(23) for t, u in enumerate(("x", "y"))]
    warnings = put(store, "f", batch(rows)).warnings
    assert (warnings[0], len(warnings)) == ("series h00 cpu_pct has samples in x and y", 22)
    assert warnings[-2] == "3 more series have samples in several units"


def test_a_catalog_that_lost_commits_is_refused_and_nothing_is_swept(store):
    store.close()
    kept = (store.path / layout.CATALOG).read_bytes()
    with Store.open(store.path, writable=True) as opened:
        put(opened, "f", batch([Row("a", START, 1.0)]))
    (store.path / layout.CATALOG).write_bytes(kept)
    files = sorted(store.path.rglob("*.parquet"))
    with pytest.raises(StoreError, match="must hold commit 1"):
        Store.open(store.path, writable=True)
    assert sorted(store.path.rglob("*.parquet")) == files


@pytest.mark.parametrize("content", [b"", b"not a database", b"{}", b"[1]"])
def test_damaged_catalog_or_manifest_is_told_and_left_as_it_is(store, content):
    store.close()
    for name in (layout.CATALOG, layout.MANIFEST):
        good = (store.path / name).read_bytes()
        (store.path / name).write_bytes(content)
        with pytest.raises(StoreError):
            Store.open(store.path, writable=True)
        assert (store.path / name).read_bytes() == content
        (store.path / name).write_bytes(good)
    Store.open(store.path).close()


def test_many_readers_or_one_writer(store):
    with pytest.raises(LockedError, match=rf"process {os.getpid()} \(.+\) on .+ since"):
        Store.open(store.path)
    store.close()
    with Store.open(store.path) as one, Store.open(store.path) as two:
        assert one.series().equals(two.series())
        with pytest.raises(LockedError, match="a process that reads it"):
            Store.open(store.path, writable=True)
        with pytest.raises(StoreError, match="open for writing"):
            put(one, "f", batch([]))


def test_the_constructor_opens_for_reading(store):
    put(store, "f", batch([Row("a", START, 1.0)]))
    with pytest.raises(LockedError):
        Store(store.path)
    store.close()
    with Store(str(store.path)) as one, Store.open(store.path) as two:
        assert (one.path, state(one)) == (two.path, state(two))
        with pytest.raises(StoreError, match="open for writing"):
            put(one, "g", batch([]))
    with pytest.raises(StoreError, match="must exist"):
        Store(store.path / "none")


def test_waiting_for_the_lock_ends_when_it_is_free(store, monkeypatch):
    monkeypatch.setattr(lock.time, "sleep", lambda seconds: store.close())
    Store.open(store.path, writable=True, wait_seconds=60).close()


def test_a_file_system_without_locks_is_told_and_nothing_stays_open(store, monkeypatch):
    """NFS without its lock daemon, for one."""
    store.close()
    before = len(os.listdir("/proc/self/fd"))

    def refuses(*_):
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(lock.fcntl, "flock", refuses)
    for writable in (False, True):
        with pytest.raises(StoreError, match="take its lock; got ENOLCK"):
            Store.open(store.path, writable=writable)
    assert len(os.listdir("/proc/self/fd")) == before


@pytest.mark.parametrize("call", ["pwrite", "ftruncate"])
def test_a_lock_is_held_and_given_back_where_its_file_has_no_room_for_a_name(store, monkeypatch, call):
    store.close()
    real = getattr(os, call)

    def full(fd, *rest):
        if os.readlink(f"/proc/self/fd/{fd}") == str(store.path / "lock"):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return real(fd, *rest)

    monkeypatch.setattr(os, call, full)
    with Store.open(store.path, writable=True), pytest.raises(LockedError, match="held by a process"):
        Store.open(store.path, writable=True)
    Store.open(store.path, writable=True).close()


def test_who_comes_first_makes_the_store_and_the_others_wait_for_it(tmp_path, monkeypatch):
    path = tmp_path / "new"
    first = Store.open_or_create(path, created_us=START)
    (path / layout.MANIFEST).rename(tmp_path / "kept")

    def finishes(_):
        # The other one was still making it when this one looked.
        if (tmp_path / "kept").exists():
            (tmp_path / "kept").rename(path / layout.MANIFEST)
            put(first, "f", batch([Row("a", START, 1.0)]))
            first.close()

    monkeypatch.setattr(lock.time, "sleep", finishes)
    with Store.open_or_create(path, created_us=START + DAY, wait_seconds=60) as second:
        assert second.series()["host"].to_list() == ["a"]
        with pytest.raises(LockedError):
            Store.open_or_create(path, created_us=START)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "thing").touch()
    for wrong in ("other", "other/thing"):
        with pytest.raises(StoreError):
            Store.open_or_create(tmp_path / wrong, created_us=START)


def test_a_writer_in_another_process_locks_and_its_death_frees(store):
    store.close()
    code = (
        "import sys; from capforecast.store import Store\n"
        "s = Store.open(sys.argv[1], writable=True); print('held', flush=True); sys.stdin.read()"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", code, str(store.path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with child:
        assert child.stdout.readline() == "held\n"
        with pytest.raises(LockedError, match=rf"process {child.pid} \(python\) on") as caught:
            Store.open(store.path, writable=True)
        assert caught.value.exit_code == 75
        child.kill()
        child.wait()
    Store.open(store.path, writable=True).close()


def test_the_catalog_is_opened_by_nothing_but_duckdb(store, monkeypatch):
    opened = []

    def watch(event, args):
        if event == "open" and isinstance(args[0], str) and layout.CATALOG in args[0]:
            opened.append(args[0])

    sys.addaudithook(watch)
    put(store, "f", batch(grid(["a"], 2)))
    assert store.verify() == []
    state(store)
    assert opened == []


def test_what_a_migration_changes_is_kept_as_it_was(store):
    put(store, "f", batch(grid(["a", "b"], 5)))
    store.close()
    as_format_1(store.path, blocks=False)
    changed = {name: (store.path / name).read_bytes() for name in (layout.MANIFEST, layout.CATALOG)}
    Store.open(store.path, writable=True).close()
    backup = store.path / layout.BACKUP / "format-1"
    assert {path.name: path.read_bytes() for path in backup.iterdir()} == changed
    for name, content in changed.items():
        (store.path / name).write_bytes(content)
    # It is the store of before, and a migration that is repeated leaves the backup as it is.
    with Store.open(store.path, writable=True) as opened:
        assert opened.verify() == []
    assert {path.name: path.read_bytes() for path in backup.iterdir()} == changed


def test_a_store_that_went_on_with_the_earlier_version_is_backed_up_anew(store):
    """Put back without it, the catalog would name files that are long gone."""
    for number in (1, 2):
        if number == 2:
            store = Store.open(store.path, writable=True)
        put(store, f"f{number}", batch(grid(["a"], 4 * number)))
        store.close()
        as_format_1(store.path, blocks=False)
        before = {name: (store.path / name).read_bytes() for name in (layout.MANIFEST, layout.CATALOG)}
        Store.open(store.path, writable=True).close()
        backup = store.path / layout.BACKUP / ("format-1" if number == 1 else "format-1~2")
        assert {path.name: path.read_bytes() for path in backup.iterdir()} == before
    for name, content in before.items():
        (store.path / name).write_bytes(content)
    with Store.open(store.path, writable=True) as opened:
        assert opened.verify() == []


def test_nothing_is_made_that_everybody_can_write_to(tmp_path):
    before = os.umask(0)
    try:
        with Store.create(tmp_path / "store", created_us=START) as made:
            put(made, "f", batch([Row("a", START, 1.0)], [(1, "bad", "raw")]))
            run = {"run_id": "r", "run_date": date(2026, 3, 1), "as_of_us": AS_OF, "run_us": AS_OF}
            made.publish(run, breach_tables(2), {"report.html": b"<p>"})
    finally:
        os.umask(before)
    assert [path for path in (tmp_path / "store").rglob("*") if path.stat().st_mode & 0o002] == []


def test_old_runs_are_forgotten_but_never_the_latest(store):
    for day in range(1, 6):
        run = {"run_id": f"r{day}", "run_date": date(2026, 3, day), "as_of_us": AS_OF + day * DAY, "run_us": AS_OF}
        store.publish(run, breach_tables(day), {})
    assert store.prune_history(date(2026, 3, 4)) == 3
    assert store.runs()["run_id"].to_list() == ["r4", "r5"]
    assert [path.name for path in sorted((store.path / layout.HISTORY).iterdir())] == [
        "run_date=2026-03-04",
        "run_date=2026-03-05",
    ]
    assert store.prune_history(date(2027, 3, 4)) == 1
    assert store.published()["breaches"].height == 5
    assert store.verify() == []
    assert store.prune_history(date(2027, 3, 4)) == 0
