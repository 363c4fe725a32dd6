"""Publishing row by row: the same bytes however rows come, nothing left when it fails, files shared with history."""

import errno
import os
from datetime import date

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from store_rows import AS_OF, DAY, START
from tables import breach_tables

from capforecast.errors import SchemaError, StoreError, UnknownNameError
from capforecast.schema import TABLES
from capforecast.store import Store, durable, published_tables, read_published, scan_published, tablefile
from capforecast.store.tablefile import TableFile

IDENTITY = {"run_id": "r-1", "run_date": date(2026, 3, 1), "as_of_us": AS_OF, "run_us": AS_OF + DAY}


@pytest.fixture
def store(tmp_path):
    with Store.create(tmp_path / "store", created_us=START) as opened:
        yield opened


def run_ends(table):
    """Return a table whose texts are run-end encoded."""
    columns = []
    for column in table.columns:
        plain = column.combine_chunks()
        text = pa.types.is_large_string(plain.type)
        columns.append(pa.compute.run_end_encode(plain.cast(pa.string())) if text else plain)
    return pa.table(dict(zip(table.column_names, columns, strict=True)))


@pytest.mark.parametrize("name", ["breaches", "forecasts", "series"])
@pytest.mark.parametrize("encoded", [False, True])
def test_the_bytes_of_a_file_depend_on_its_rows_alone(tmp_path, monkeypatch, name, encoded):
    """Pieces of any size, plain or run-end encoded, fill row groups of one size."""
    monkeypatch.setattr(tablefile, "ROW_GROUP", 100)
    frame = breach_tables(40)[name]
    frame = frame.with_columns(pl.when(pl.int_range(pl.len()) % 3 > 0).then("unit").alias("unit"))
    rows = frame.to_arrow().combine_chunks()
    told = []
    for number, size in enumerate((1, 7, 99, 100, 101, 10_000)):
        file = TableFile(TABLES[name], tmp_path / f"{number}.parquet")
        for start in range(0, rows.num_rows, size):
            piece = rows.slice(start, size)
            # A slice of a longer encoded column, too.
            file.write(run_ends(rows).slice(start, size) if encoded else piece)
        told.append(file.finish())
    assert [one == told[0] for one in told] == [True] * len(told)
    assert len({(tmp_path / f"{n}.parquet").read_bytes() for n in range(6)}) == 1
    read = pq.ParquetFile(tmp_path / "0.parquet")
    assert read.metadata.num_row_groups == -(-frame.height // (25 if name == "breaches" else 100))
    assert pl.DataFrame(read.read()).cast(frame.schema).equals(frame, null_equal=True)


def test_rows_come_in_pieces_and_the_run_is_published_whole(store):
    """What is written piece by piece is what is published at once."""
    tables = breach_tables(5)
    with store.publication(IDENTITY) as publication:
        for name in ("forecasts", "breaches"):
            for piece in tables[name].iter_slices(3):
                publication.write(name, piece.to_arrow())
        with publication.scratch() as scratch:
            scratch.write(b"abc")
            scratch.seek(1)
            assert scratch.read() == b"bc"
        publication.write("series", tables["series"].to_arrow())
        publication.write("run", tables["run"].to_arrow())
        assert publication.finish("breaches").collect().height == 5
        assert publication.finish("outcomes").collect().height == 0
        with pytest.raises(StoreError, match="before their table is finished"):
            publication.write("breaches", tables["breaches"].to_arrow())
        published = publication.publish({"report.html": b"<p>"})
    assert (published.changed, published.latest) == (True, True)
    assert store.publish(IDENTITY, tables, {"report.html": b"<p>"}).changed is False
    for name, frame in store.published().items():
        assert frame.equals(tables[name], null_equal=True), name
    assert store.verify() == []


def write(publication, *frames):
    for frame in frames:
        publication.write("breaches", frame.to_arrow())


def left(store):
    """Return what nobody reads: temporary files, days without a run."""
    reports = store.path / "reports"
    days = [day for day in (reports / "history").iterdir() if not any(day.iterdir())]
    return [*days, *(path for path in reports.rglob("*") if path.name.endswith(".tmp"))]


def test_what_is_not_published_leaves_nothing(store):
    """An error of the caller, rows that do not fit, a table that does not exist."""
    good = breach_tables(3)["breaches"]
    for wrong, error in (
        (good.with_columns(headroom=pl.lit(np.nan)), SchemaError),
        (good.drop("host"), SchemaError),
        (good.cast({"severity_rank": pl.Int32}), SchemaError),
    ):
        with pytest.raises(error), store.publication(IDENTITY) as publication:
            write(publication, good, wrong)
        assert left(store) == []
    with pytest.raises(UnknownNameError, match="breaches"), store.publication(IDENTITY) as publication:
        publication.write("breachs", good.to_arrow())
    with pytest.raises(AttributeError), store.publication(IDENTITY) as publication, publication.scratch():
        write(publication, good, "no frame")
    assert left(store) == []
    with pytest.raises(StoreError, match="Run `capforecast run`"):
        store.published()
    store.publication(IDENTITY)  # Killed before it ends.
    assert len(left(store)) == 1
    store.close()
    with Store.open(store.path, writable=True) as again:
        assert left(again) == []
        assert again.publish(IDENTITY, {"breaches": good}, {}).generation == 1


@pytest.mark.parametrize("after", [0, 3000])
def test_a_full_disk_is_a_store_error_and_leaves_nothing(store, monkeypatch, after):
    """Also where Arrow is what writes, in the middle of a file or at its end."""
    real = durable.new_file

    def new_file(path):
        file = real(path)
        write = file.write

        class Full:
            closed = False
            written = 0

            def write(self, data):
                self.written += len(data)
                if self.written > after:
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
                return write(data)

            def flush(self):
                file.flush()

            def fileno(self):
                return file.fileno()

            def close(self):
                self.closed = True
                file.close()

        return Full()

    monkeypatch.setattr(durable, "new_file", new_file)
    with pytest.raises(StoreError, match="ENOSPC"):
        store.publish(IDENTITY, breach_tables(30), {})
    monkeypatch.undo()
    assert left(store) == []
    assert store.publish(IDENTITY, breach_tables(30), {}).generation == 1
    assert store.verify() == []


def test_the_fixed_names_are_second_names_of_the_files_in_history(store, monkeypatch):
    """Large tables are on the disk once; where there are no links they are copied."""
    first = store.publish(IDENTITY, breach_tables(3), {})
    latest, history = store.path / "reports/latest", store.path / first.path
    assert (latest / "breaches.parquet").samefile(history / "breaches.parquet")

    def link(source, target):
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(os, "link", link)
    second = store.publish({**IDENTITY, "run_id": "r-2"}, breach_tables(4), {})
    assert not (latest / "breaches.parquet").samefile(store.path / second.path / "breaches.parquet")
    assert store.verify() == []
    assert store.published()["breaches"].height == 4
    assert store.published("r-1")["breaches"].height == 3
    monkeypatch.setattr(os, "link", lambda source, target: (_ for _ in ()).throw(OSError(errno.EIO, "no")))
    with pytest.raises(StoreError, match="EIO"):
        store.publish({**IDENTITY, "run_id": "r-3"}, breach_tables(5), {})
    monkeypatch.undo()
    assert left(store) == []


def test_only_what_is_asked_for_is_read(store):
    """Columns of one table; a damaged file of another table does not matter."""
    published = store.publish(IDENTITY, breach_tables(3), {"report.html": b"<p>"})
    (store.path / published.path / "forecasts.parquet").write_bytes(b"x")
    frame = read_published(store.path, "r-1", columns={"breaches": ["host", "status"]})["breaches"]
    assert frame.equals(breach_tables(3)["breaches"].select("host", "status"))
    tables = published_tables(store.path / published.path, published.files, {"run": pl.DataFrame({"a": [1]})})
    assert set(tables) == set(TABLES)
    assert len(tables) == len(TABLES)
    assert tables["breaches"].height == 3
    assert tables["run"].item() == 1
    scans = scan_published(store.path)
    assert scans["breaches"].head(2).collect().equals(breach_tables(3)["breaches"].head(2), null_equal=True)
    for lazily in (tables, scans):
        with pytest.raises(StoreError, match="differs from its sha256"):
            lazily["forecasts"]
        with pytest.raises(KeyError):
            lazily["breachs"]
