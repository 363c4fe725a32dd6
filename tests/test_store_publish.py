"""Publishing: exact tables, immutable history, fixed names, the pointer, generations."""

import hashlib
import json
import math
from datetime import date

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from store_rows import AS_OF, DAY, START
from tables import RUN, breach_tables, empty_tables

from capforecast.errors import ConfigError, LockedError, SchemaError, StoreError, UnknownNameError
from capforecast.schema import SCHEMA_VERSION, TABLES
from capforecast.schema_polars import TYPES
from capforecast.store import Store, read_published

IDENTITY = {"run_id": "r-1", "run_date": date(2026, 3, 1), "as_of_us": AS_OF, "run_us": AS_OF + DAY}
ARROW = {
    "text": pa.string(),
    "double": pa.float64(),
    "int64": pa.int64(),
    "bool": pa.bool_(),
    "date": pa.date32(),
    "timestamp": pa.timestamp("us", "UTC"),
}


@pytest.fixture
def store(tmp_path):
    with Store.create(tmp_path / "store", created_us=START) as opened:
        yield opened


def bytes_below(path):
    return {p.relative_to(path).as_posix(): p.read_bytes() for p in path.rglob("*") if p.is_file()}


def test_tables_are_published_in_history_and_under_fixed_names(store):
    tables = breach_tables(3)
    published = store.publish(IDENTITY, tables, {"report.html": b"<p>"})
    assert published.path == "reports/history/run_date=2026-03-01/run_id=r-1"
    assert (published.generation, published.changed) == (1, True)
    history, latest = bytes_below(store.path / published.path), bytes_below(store.path / "reports/latest")
    manifest = json.loads(history.pop("manifest.json"))
    assert (manifest["run_id"], sorted(manifest["files"])) == ("r-1", sorted(history))
    assert sorted(history) == sorted(f"{name}.parquet" for name in TABLES)
    assert sorted(latest) == sorted([*history, "latest.json", "report.html"])
    assert {name: latest[name] for name in history} == history
    assert published.latest
    assert published.paths == {name: f"reports/latest/{name}" for name in [*history, "report.html"]}
    for name, frame in store.published().items():
        assert frame.equals(tables[name]), name


def test_every_file_has_the_columns_types_order_and_metadata_of_the_schema(store):
    store.publish(IDENTITY, {"breaches": breach_tables(2)["breaches"]}, {})
    for name, table in TABLES.items():
        file = pq.ParquetFile(store.path / "reports/latest" / f"{name}.parquet")
        schema = file.schema_arrow
        assert [(f.name, f.type) for f in schema] == [(c.name, ARROW[c.type]) for c in table.columns]
        assert schema.metadata[b"schema_version"] == str(SCHEMA_VERSION).encode()
        for group in range(file.metadata.num_row_groups):
            assert file.metadata.row_group(group).column(0).compression == "SNAPPY"


def test_the_pointer_names_the_run_its_files_rows_and_sha256(store):
    store.publish(IDENTITY, breach_tables(3), {"report.html": b"<p>"})
    pointer = json.loads((store.path / "reports/latest/latest.json").read_text())
    assert (pointer["run_id"], pointer["schema_version"]) == ("r-1", SCHEMA_VERSION)
    assert pointer["as_of"].endswith("Z")
    for name, told in pointer["files"].items():
        data = (store.path / pointer["path"] / name).read_bytes()
        assert told["sha256"] == hashlib.sha256(data).hexdigest()
        assert told["bytes"] == len(data)
        assert told["rows"] == pq.read_metadata(store.path / pointer["path"] / name).num_rows
    assert pointer["pages"]["report.html"]["sha256"] == hashlib.sha256(b"<p>").hexdigest()


def test_publishing_the_same_again_changes_no_byte(store):
    store.publish(IDENTITY, breach_tables(3), {"report.html": b"<p>"})
    before = bytes_below(store.path / "reports")
    again = store.publish(IDENTITY, breach_tables(3), {"report.html": b"<p>"})
    assert (again.changed, again.generation) == (False, 1)
    assert bytes_below(store.path / "reports") == before
    assert store.runs().height == 1


def test_another_content_of_the_same_run_is_a_new_generation_beside_the_older_ones(store):
    store.publish(IDENTITY, breach_tables(3), {})
    history = store.path / "reports/history/run_date=2026-03-01"
    first = bytes_below(history / "run_id=r-1")
    again = store.publish(IDENTITY, breach_tables(2), {})
    assert (again.changed, again.generation) == (True, 2)
    assert again.path == "reports/history/run_date=2026-03-01/run_id=r-1~2"
    store.close()
    with Store.open(store.path, writable=True) as opened:
        assert sorted(p.name for p in history.iterdir()) == ["run_id=r-1", "run_id=r-1~2"]
        assert bytes_below(history / "run_id=r-1") == first
        assert opened.published()["breaches"].height == opened.published("r-1")["breaches"].height == 2
        assert opened.runs().select("run_id", "generation", "path").rows() == [("r-1", 2, again.path)]
        assert opened.verify() == []
        for n in range(3, 12):
            assert opened.publish(IDENTITY, breach_tables(n), {}).generation == n
        assert opened.published("r-1")["breaches"].height == 11
        (history / "run_id=r-1/breaches.parquet").unlink()
        assert opened.verify() == ["reports/history/run_date=2026-03-01/run_id=r-1/breaches.parquet: is missing"]


def run_table(rows_in):
    nulls = {c.name: pl.Series([None], dtype=TYPES[c.type]) for c in TABLES["run"].columns}
    return pl.DataFrame(nulls).with_columns(run_id=pl.lit("r-1"), rows_in=pl.lit(rows_in, dtype=pl.Int64))


def test_a_repetition_that_differs_in_nothing_but_its_counters_changes_no_byte(store):
    tables = breach_tables(3)
    store.publish(IDENTITY, {**tables, "run": run_table(7)}, {"report.html": b"<p>7"})
    before, commit = bytes_below(store.path / "reports"), store.commit
    again = store.publish(IDENTITY, {**tables, "run": run_table(0)}, {"report.html": b"<p>0"})
    assert (again.changed, again.generation, again.latest) == (False, 1, True)
    assert bytes_below(store.path / "reports") == before
    assert store.commit == commit
    assert store.published()["run"]["rows_in"].to_list() == [7]
    assert again.files["run.parquet"] == hashlib.sha256(before["latest/run.parquet"]).hexdigest()


def test_a_run_with_an_older_as_of_goes_into_history_only_with_its_pages(store):
    store.publish(IDENTITY, breach_tables(3), {"report.html": b"<p>new"})
    latest = bytes_below(store.path / "reports/latest")
    late = {**IDENTITY, "run_id": "r-0", "as_of_us": AS_OF - 1}
    for changed in (True, False):
        published = store.publish(late, breach_tables(1), {"report.html": b"<p>old"})
        assert (published.latest, published.changed) == (False, changed)
        assert bytes_below(store.path / "reports/latest") == latest
        assert {store.path / path for path in published.paths.values()} == {
            store.path / published.path / name for name in published.files
        }
        assert (store.path / published.paths["report.html"]).read_bytes() == b"<p>old"
    assert store.published()["breaches"].height == 3
    assert store.published("r-0")["breaches"].height == 1
    assert store.verify() == []
    # One that is as old as the latest run takes its place.
    assert store.publish({**IDENTITY, "run_id": "r-2"}, breach_tables(2), {}).latest
    assert store.published()["breaches"].height == 2
    # A run that was the latest once, repeated later.
    again = store.publish({**IDENTITY, "run_id": "r-3", "as_of_us": AS_OF + 1}, breach_tables(4), {})
    assert again.latest
    again = store.publish(IDENTITY, breach_tables(3), {"report.html": b"<p>new"})
    assert (again.latest, again.changed) == (False, False)
    assert (store.path / again.paths["report.html"]).read_bytes() == b"<p>new"
    assert store.published()["breaches"].height == 4


def test_what_is_published_is_read_while_a_writer_holds_the_lock_and_without_a_catalog(store):
    store.publish({**IDENTITY, "run_id": "r-0"}, breach_tables(1), {})
    store.publish(IDENTITY, breach_tables(2), {})
    store.publish(IDENTITY, breach_tables(3), {})
    with pytest.raises(LockedError):
        Store(store.path)
    assert read_published(store.path)["breaches"].height == 3
    assert read_published(str(store.path), "r-0")["breaches"].height == 1
    with pytest.raises(UnknownNameError, match=r"Did you mean 'r-1'.*r-0, r-1"):
        read_published(store.path, "r-11")
    store.close()
    (store.path / "catalog.duckdb").unlink()
    assert read_published(store.path, "r-1")["breaches"].height == 3
    manifest = store.path / "reports/history/run_date=2026-03-01/run_id=r-1~2/manifest.json"
    for content in (b"", b"[]", b"{}"):
        manifest.write_bytes(content)
        with pytest.raises(StoreError, match="undamaged"):
            read_published(store.path, "r-1")
    file = store.path / "reports/history/run_date=2026-03-01/run_id=r-0/breaches.parquet"
    file.write_bytes(file.read_bytes() + b"x")
    with pytest.raises(StoreError, match="differs from its sha256"):
        read_published(store.path, "r-0")


def test_reading_where_there_is_no_store_or_nothing_published_is_told(store, tmp_path):
    with pytest.raises(StoreError, match="must exist"):
        read_published(tmp_path / "none")
    with pytest.raises(StoreError, match="must hold store.json"):
        read_published(tmp_path)
    with pytest.raises(StoreError, match="a run must have been published"):
        read_published(store.path)
    with pytest.raises(UnknownNameError, match="Known: none"):
        read_published(store.path, "r-1")


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b'{"run_id": 1}', b"\xff"])
def test_a_damaged_pointer_is_told(store, content):
    store.publish(IDENTITY, {}, {})
    (store.path / "reports/latest/latest.json").write_bytes(content)
    with pytest.raises(StoreError, match="latest.json"):
        read_published(store.path)


def test_earlier_runs_stay_readable_by_name(store):
    store.publish(IDENTITY, breach_tables(3), {})
    store.publish({**IDENTITY, "run_id": "r-2", "as_of_us": AS_OF + DAY, "note": "x"}, breach_tables(1), {})
    assert store.published("r-1")["breaches"].height == 3
    assert store.published()["breaches"].height == 1
    runs = store.runs()
    assert runs["run_id"].to_list() == ["r-1", "r-2"]
    assert runs["as_of"].dt.timestamp("us").to_list() == [AS_OF, AS_OF + DAY]
    assert json.loads(runs["details"][1]) == {"note": "x"}
    with pytest.raises(UnknownNameError, match="r-2"):
        store.published("r-3")


def test_nothing_published_yet_is_told(store):
    with pytest.raises(StoreError, match="capforecast run"):
        store.published()
    assert store.runs().is_empty()


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_nan_and_infinity_are_refused_and_nothing_is_written(store, value):
    tables = breach_tables(3)
    tables["breaches"][1, "headroom"] = value
    with pytest.raises(SchemaError, match=r"headroom.*breaches, row 1"):
        store.publish(IDENTITY, tables, {})
    assert not (store.path / "reports").exists()


def test_frames_that_do_not_fit_the_schema_are_refused(store):
    good = breach_tables(1)["breaches"]
    for frame, message in (
        (good.drop("host"), "missing .'host'."),
        (good.with_columns(extra=1), "extra .'extra'."),
        (good.select(reversed(good.columns)), "another order"),
        (good.cast({"severity_rank": pl.Int32}), "severity_rank must be int64"),
        (good.cast({"as_of": pl.Datetime("ms", "UTC")}), "as_of must be timestamp"),
    ):
        with pytest.raises(SchemaError, match=message):
            store.publish(IDENTITY, {"breaches": frame}, {})
    with pytest.raises(UnknownNameError, match="breaches"):
        store.publish(IDENTITY, {"breachs": good}, {})


def test_a_column_of_nulls_is_published_with_its_type(store):
    frame = breach_tables(2)["breaches"].with_columns(capacity=pl.lit(None))
    store.publish(IDENTITY, {"breaches": frame}, {})
    assert pq.read_schema(store.path / "reports/latest/breaches.parquet").field("capacity").type == pa.float64()


@pytest.mark.parametrize("name", ["../x", "a/b", "", ".hidden", "a\0b", "x" * 101, "a~2"])
def test_names_that_are_no_file_names_are_refused(store, name):
    with pytest.raises(ConfigError, match="letters, digits"):
        store.publish({**IDENTITY, "run_id": name}, {}, {})
    with pytest.raises(ConfigError, match="letters, digits"):
        store.publish(IDENTITY, {}, {name: b""})
    assert not list(store.path.parent.glob("x*"))


def test_a_run_without_identity_is_refused(store):
    with pytest.raises(StoreError, match="as_of_us and run_us"):
        store.publish({"run_id": "r"}, {}, {})


def test_a_changed_published_file_is_found_and_not_read_and_publishing_again_repairs(store):
    published = store.publish(IDENTITY, breach_tables(3), {"report.html": b"<p>"})
    file = store.path / published.path / "breaches.parquet"
    changed = file.read_bytes().replace(b"host-0000", b"host-0009")
    # The file of that name under reports/latest is the same one until it is replaced.
    file.unlink()
    file.write_bytes(changed)
    (store.path / "reports/latest/report.html").write_bytes(b"<q>")
    assert sorted(p.split(":")[0] for p in store.verify()) == [
        "reports/history/run_date=2026-03-01/run_id=r-1/breaches.parquet",
        "reports/latest/report.html",
    ]
    with pytest.raises(StoreError, match="differs from its sha256"):
        store.published()
    assert store.publish(IDENTITY, breach_tables(3), {"report.html": b"<p>"}).generation == 2
    assert store.verify() == []


def test_published_files_can_be_read_by_others_and_carry_page_checksums(store):
    store.publish(IDENTITY, breach_tables(3), {})
    for path in (store.path / "reports").rglob("*"):
        assert path.stat().st_mode & 0o044 == 0o044, path
    file = store.path / "reports/latest/breaches.parquet"
    data = bytearray(file.read_bytes())
    at = data.index(b"host-0000")
    data[at] ^= 1
    file.write_bytes(data)
    with pytest.raises(OSError, match=r"CRC|checksum"), pq.ParquetFile(file, page_checksum_verification=True) as f:
        f.read()


def test_readers_see_the_run_that_the_pointer_names_also_without_rows(store):
    store.publish(IDENTITY, empty_tables(), {})
    assert {name: frame.schema for name, frame in store.published().items()} == {
        name: frame.schema for name, frame in empty_tables().items()
    }
    assert RUN["run_id"] not in store.runs()["run_id"]
