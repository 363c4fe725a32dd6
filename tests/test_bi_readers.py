"""What is published, read by the programs that people read it with: types, values, history, and whole nights."""

from __future__ import annotations

import io
import json
import shutil
import subprocess
import sys
import threading
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import duckdb
import openpyxl
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.dataset
import pyarrow.parquet as pq
import pytest

from capforecast import registry
from capforecast.report import RenderOptions
from capforecast.schema import SCHEMA_VERSION, TABLES
from capforecast.store import Store
from capforecast.tables import Stamp, dictionary_rows
from tests.tables import AS_OF, HOSTILE, breach_tables

AS_OF_US = int(AS_OF.timestamp()) * 1_000_000
DAY_US = 86_400_000_000
SQL_TYPES = {
    "text": "VARCHAR", "double": "DOUBLE", "int64": "BIGINT", "bool": "BOOLEAN", "date": "DATE",
    "timestamp": "TIMESTAMP WITH TIME ZONE",
}  # fmt: skip
ARROW_TYPES = {
    "text": pa.string(), "double": pa.float64(), "int64": pa.int64(), "bool": pa.bool_(), "date": pa.date32(),
    "timestamp": pa.timestamp("us", "UTC"),
}  # fmt: skip
SPARK_TYPES = {
    "text": "string", "double": "double", "int64": "bigint", "bool": "boolean", "date": "date", "timestamp": "timestamp"
}  # fmt: skip


def _publish(store: Store, night: int, rows: int = 0, level: float = 81.25) -> str:
    """Publish the night of so many days after the first, with so many hosts beside the hostile ones."""
    run_id, day = f"night-{night:03d}", AS_OF.date() + timedelta(days=night)
    hosts = [*HOSTILE, *(f"host-{i}" for i in range(rows))]
    tables = breach_tables([{"host": host, "current": level} for host in hosts], history=3, horizon=2)
    tables["dictionary"] = dictionary_rows(Stamp(run_id, AS_OF_US))
    moment = AS_OF + timedelta(days=night)
    named = {
        name: frame.with_columns(
            run_date=pl.lit(day), run_id=pl.lit(run_id), as_of=pl.lit(moment, pl.Datetime("us", "UTC"))
        )
        for name, frame in tables.items()
    }
    as_of_us = AS_OF_US + night * DAY_US
    store.publish({"run_id": run_id, "run_date": day, "as_of_us": as_of_us, "run_us": as_of_us}, named, {})
    return run_id


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The reports of three nights, the last one published again with another content."""
    path = tmp_path_factory.mktemp("bi") / "store"
    with Store.create(path, created_us=AS_OF_US) as store:
        for night in range(3):
            _publish(store, night)
        _publish(store, 2, level=90.5)
    return path / "reports"


def _sql(query: str) -> list[tuple[object, ...]]:
    connection = duckdb.connect()
    connection.execute("SET TimeZone='UTC'")
    return connection.execute(query).fetchall()


def test_duckdb_reads_names_types_and_values(reports: Path) -> None:
    """Each column has the type that the schema says, and no text is changed."""
    for name, table in TABLES.items():
        file = reports / "latest" / f"{name}.parquet"
        found = [(row[0], row[1]) for row in _sql(f"DESCRIBE SELECT * FROM '{file}'")]  # noqa: S608
        assert found == [(column.name, SQL_TYPES[column.type]) for column in table.columns], name
    file = reports / "latest" / "breaches.parquet"
    hosts = [row[0] for row in _sql(f"SELECT host FROM '{file}'")]  # noqa: S608
    assert hosts == list(HOSTILE)


def test_pandas_and_pyarrow_read_the_same(reports: Path) -> None:
    """Moments know that they are UTC, missing values are missing, dates are dates."""
    for name, table in TABLES.items():
        file = reports / "latest" / f"{name}.parquet"
        schema = pq.read_schema(file)
        assert [(field.name, field.type) for field in schema] == [(c.name, ARROW_TYPES[c.type]) for c in table.columns]
        assert schema.metadata[b"schema_version"] == str(SCHEMA_VERSION).encode()
    frame = pd.read_parquet(reports / "latest" / "breaches.parquet")
    assert frame["host"].tolist() == list(HOSTILE)
    assert str(frame["as_of"].dtype) == "datetime64[us, UTC]"
    assert frame["as_of"][0] == pd.Timestamp("2026-03-03T02:00:00Z")
    assert frame["breach_date_p10"][0] == date(2026, 3, 4)
    assert frame["current"].eq(90.5).all()
    assert frame["p_breach_90d"].isna().sum() == frame["status"].isin(["ok", "too_short"]).sum()


def test_history_is_one_table_for_every_reader(reports: Path) -> None:
    """Run date and identifier are columns of the files, so nobody has to understand the names of directories."""
    files = sorted((reports / "history").glob("*/*/breaches.parquet"))
    assert len(files) == 4
    glob = reports / "history" / "*" / "*" / "breaches.parquet"
    nights = [(AS_OF.date() + timedelta(days=i), f"night-{i:03d}") for i in range(3)]
    rows = len(HOSTILE)
    expected = [(*night, rows * (1 + (i == 2))) for i, night in enumerate(nights)]
    plain = "SELECT run_date, run_id, count(*) FROM read_parquet('{}', hive_partitioning=false) GROUP BY ALL ORDER BY 1"
    assert _sql(plain.format(glob)) == expected
    lazy = pl.scan_parquet(glob).group_by("run_date", "run_id").len().sort("run_date").collect()
    assert lazy.rows() == expected
    table = pyarrow.dataset.dataset([str(file) for file in files]).to_table(columns=["run_date", "run_id"])
    assert sorted(set(zip(*table.to_pydict().values(), strict=True))) == nights


def test_directories_of_history_are_hive_partitions(reports: Path) -> None:
    """Who reads them that way sees a second content of a run as ~2, and can leave the first one out."""
    glob = reports / "history" / "*" / "*" / "breaches.parquet"
    named = _sql(f"SELECT DISTINCT run_id FROM read_parquet('{glob}', hive_partitioning=true) ORDER BY 1")  # noqa: S608
    assert [row[0] for row in named] == ["night-000", "night-001", "night-002", "night-002~2"]
    newest = (
        "SELECT run_id, count(*), max(current) FROM read_parquet('{}', hive_partitioning=false, filename=true) "
        "SEMI JOIN (SELECT max(filename) AS filename FROM read_parquet('{}', hive_partitioning=false, filename=true) "
        "GROUP BY run_id) USING (filename) GROUP BY 1 ORDER BY 1"
    )
    assert _sql(newest.format(glob, glob)) == [
        ("night-000", len(HOSTILE), 81.25), ("night-001", len(HOSTILE), 81.25), ("night-002", len(HOSTILE), 90.5)
    ]  # fmt: skip


def test_the_dictionary_names_every_column_of_every_table(reports: Path) -> None:
    """In the order of the files, with what `capforecast schema` says."""
    rows = pl.read_parquet(reports / "latest" / "dictionary.parquet")
    for name, table in TABLES.items():
        mine = rows.filter(table_name=name)
        assert mine["column_name"].to_list() == pq.read_schema(reports / "latest" / f"{name}.parquet").names
        assert mine["position"].to_list() == list(range(1, mine.height + 1))
        assert mine["meaning"].to_list() == [column.meaning for column in table.columns]
        assert mine["type"].to_list() == [column.type for column in table.columns]
        assert mine["unit"].to_list() == [column.unit or None for column in table.columns]
        assert mine.filter("is_key")["column_name"].sort().to_list() == sorted(table.key)
    assert rows.height == sum(len(table.columns) for table in TABLES.values())


def test_a_workbook_opens_again_with_its_types(reports: Path) -> None:
    """Numbers are numbers, dates are dates, texts are texts, and the second sheet explains them."""
    tables = {name: pl.read_parquet(reports / "latest" / f"{name}.parquet") for name in TABLES}
    shown = [host for host in HOSTILE if host.isprintable() and "_x" not in host]
    tables["breaches"] = tables["breaches"].filter(pl.col("host").is_in(shown))
    page = registry.load("report", "xlsx")(tables, RenderOptions())
    frame = pd.read_excel(io.BytesIO(page), sheet_name="breaches", keep_default_na=False, na_values=[""])
    assert frame["host"].fillna("").tolist() == shown
    assert frame["current"].tolist() == [90.5] * len(shown)
    assert frame["as_of"][0] == pd.Timestamp("2026-03-03T02:00:00")
    book = openpyxl.load_workbook(io.BytesIO(page))
    assert not [cell for sheet in book for row in sheet.iter_rows() for cell in row if cell.data_type == "f"]
    assert [row[0] for row in book["columns"].iter_rows(min_row=2, values_only=True)] == list(TABLES["breaches"].names)


def test_csv_opens_again_with_duckdb_and_pandas(reports: Path, tmp_path: Path) -> None:
    """The twin for spreadsheets holds the same rows; formulas have become text."""
    tables = {name: pl.read_parquet(reports / "latest" / f"{name}.parquet") for name in TABLES}
    file = tmp_path / "breaches.csv"
    file.write_bytes(registry.load("report", "csv")(tables, RenderOptions()))
    rows = _sql(f"SELECT count(*), min(current), min(as_of), min(run_date) FROM read_csv('{file}', header=true)")  # noqa: S608
    count, current, moment, day = rows[0]
    assert (count, current, day) == (len(HOSTILE), 90.5, date(2026, 3, 3))
    assert moment.replace(tzinfo=UTC) == datetime(2026, 3, 3, 2, tzinfo=UTC)
    assert pd.read_csv(file)["host"].size == len(HOSTILE)


# --- while nights are published ------------------------------------------------------------------


def _checked(frame: pl.DataFrame) -> str:
    """Return the run of a table breaches, which is one and whole."""
    assert frame["run_id"].n_unique() == 1
    run = str(frame["run_id"][0])
    night = int(run.removeprefix("night-"))
    assert frame.height == len(HOSTILE) + night % 7
    assert frame["current"].unique().to_list() == [float(night)]
    return run


def _by_pointer(latest: Path) -> str:
    """Read as a careful reader does: the pointer, and the directory in history that it names."""
    pointer = json.loads((latest / "latest.json").read_bytes())
    folder = latest.parent.parent / pointer["path"]
    tables = {name: pl.read_parquet(folder / name) for name in pointer["files"]}
    assert {name: frame.height for name, frame in tables.items()} == {
        name: told["rows"] for name, told in pointer["files"].items()
    }
    assert {run for frame in tables.values() for run in frame["run_id"].unique()} == {pointer["run_id"]}
    return _checked(tables["breaches.parquet"])


def _by_name(latest: Path) -> str:
    """Read a file of a fixed name, opened once."""
    with open(latest / "breaches.parquet", "rb") as file:
        return _checked(pl.read_parquet(file))


def _by_program(latest: Path) -> str:
    """Read a file of a fixed name with DuckDB and polars, which open it again for each part.

    Where the file is replaced between the two they say so; they must not take a part of each.
    """
    run = ""
    for read in (
        lambda path: pl.from_arrow(duckdb.connect().sql(f"FROM '{path}'").to_arrow_table()),
        pl.read_parquet,
    ):
        try:
            run = max(run, _checked(pl.DataFrame(read(latest / "breaches.parquet"))))
        except (duckdb.Error, pl.exceptions.ComputeError):
            continue
    return run


def _read_during(path: Path, nights: int) -> dict[str, list[str]]:
    """Publish nights while somebody reads in three ways; return the runs that each way saw, in order."""
    ways = {"pointer": _by_pointer, "name": _by_name, "program": _by_program}
    seen: dict[str, list[str]] = {name: [] for name in ways}
    errors: list[BaseException] = []
    stop = threading.Event()
    latest = path / "reports" / "latest"

    def read() -> None:
        try:
            while not stop.is_set():
                for name, way in ways.items():
                    seen[name].append(way(latest))
        except BaseException as error:
            errors.append(error)

    with Store.create(path, created_us=AS_OF_US) as store:
        _publish(store, 0, level=0.0)
        reader = threading.Thread(target=read)
        reader.start()
        try:
            for night in range(1, nights):
                _publish(store, night, night % 7, float(night))
        finally:
            stop.set()
            reader.join()
    assert errors == []
    return seen


@pytest.mark.parametrize("nights", [5, pytest.param(200, marks=pytest.mark.slow)])
def test_a_reader_never_sees_a_torn_or_mixed_night(tmp_path: Path, nights: int) -> None:
    """Not through the pointer, not in a file of a fixed name, however many nights come; time goes forwards only."""
    seen = _read_during(tmp_path / "store", nights)
    for name, runs in seen.items():
        told = [run for run in runs if run]
        assert told == sorted(told), name
        assert len(set(told)) > nights // 20


# --- large programs, where they are installed -----------------------------------------------------


@pytest.mark.slow
def test_spark_reads_names_types_and_history(reports: Path) -> None:
    """The reader family of Athena, Trino and Hive."""
    pyspark = pytest.importorskip("pyspark.sql", reason="pyspark is not installed")
    if shutil.which("java") is None:
        pytest.skip("Spark needs Java")
    spark = (
        pyspark.SparkSession.builder.master("local[1]")
        .config("spark.ui.enabled", "false")
        .config("spark.sql.session.timeZone", "UTC")
        .getOrCreate()
    )
    try:
        for name, table in TABLES.items():
            frame = spark.read.parquet(str(reports / "latest" / f"{name}.parquet"))
            assert frame.dtypes == [(column.name, SPARK_TYPES[column.type]) for column in table.columns], name
        files = [str(file) for file in (reports / "history").glob("*/*/breaches.parquet")]
        counted = spark.read.parquet(*files).groupBy("run_id").count().orderBy("run_id").collect()
        assert [row["count"] for row in counted] == [len(HOSTILE), len(HOSTILE), 2 * len(HOSTILE)]
        rows = spark.read.parquet(str(reports / "latest" / "breaches.parquet")).collect()
        assert [row["host"] for row in rows] == list(HOSTILE)
    finally:
        spark.stop()


NOTEBOOK = """
import marimo
app = marimo.App()

@app.cell
def _():
    import marimo, duckdb
    rows = duckdb.sql("SELECT status, count(*) AS n FROM '{file}' GROUP BY ALL ORDER BY ALL").fetchall()
    marimo.md("statuses: " + "; ".join(f"{{status}}={{n}}" for status, n in rows))
    return

if __name__ == "__main__":
    app.run()
"""


@pytest.mark.slow
def test_a_notebook_tool_queries_the_latest_night(reports: Path, tmp_path: Path) -> None:
    """A marimo notebook, run without a browser, shows the counts of the table."""
    pytest.importorskip("marimo", reason="marimo is not installed")
    file = reports / "latest" / "breaches.parquet"
    (tmp_path / "notebook.py").write_text(NOTEBOOK.format(file=file), encoding="utf-8")
    command = [sys.executable, "-m", "marimo", "export", "html", "notebook.py", "-o", "out.html"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    counts = pl.read_parquet(file).group_by("status").len().sort("status")
    assert "statuses: " + "; ".join(f"{s}={n}" for s, n in counts.iter_rows()) in (tmp_path / "out.html").read_text()


@pytest.mark.slow
def test_an_older_duckdb_reads_it(reports: Path) -> None:
    """The program of the package duckdb-cli, which is of an earlier version than the library."""
    program = shutil.which("duckdb", path=str(Path(sys.executable).parent)) or shutil.which("duckdb")
    if program is None:
        pytest.skip("the program duckdb is not installed (package duckdb-cli)")
    query = f"SELECT count(*) AS n, max(as_of)::VARCHAR AS last FROM '{reports}/latest/breaches.parquet'"  # noqa: S608
    done = subprocess.run([program, "-json", "-c", query], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout)[0]["n"] == len(HOSTILE)
