"""Databases as sources: a query gives the columns of samples, and can do nothing but read."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import adbc_driver_postgresql.dbapi as postgresql
import duckdb
import polars as pl
import pytest
from prometheus_server import free_port

from capforecast import registry
from capforecast.access import Access
from capforecast.address import parse_address
from capforecast.errors import CapforecastError, ConfigError, SchemaError, SourceError
from capforecast.exchange import Limits
from capforecast.servers import Pull, sqlite
from capforecast.servers.postgresql import connection_text

BEGIN_S = 1_788_220_800
TABLE = "CREATE TABLE usage (vm {text}, seen {time}, mount {text}, used {number})"
ROWS = [(f"db-{i % 3}", BEGIN_S + 60 * i, "/data", float(i)) for i in range(300)]
SQL = (
    "SELECT vm AS host, seen AS ts, mount AS instance, used AS value FROM usage WHERE seen >= {since} ORDER BY seen, vm"
)


def pulled_from(location: str, query: str = SQL, **more: Any) -> pl.DataFrame:
    settings: dict[str, Any] = {"from_us": (BEGIN_S + 6000) * 10**6, "to_us": (BEGIN_S + 10**6) * 10**6, "unit": "byte"}
    pull = Pull(parse_address(location), "disk_used_bytes", query, **{**settings, **more})
    batches = list(registry.load("server", pull.address.server)().read(pull))
    assert all(batch.rejects.is_empty() for batch in batches)
    return pl.concat([batch.rows for batch in batches])


@pytest.fixture(scope="module")
def sqlite_file(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("sqlite") / "it's.db"
    with sqlite3.connect(path) as con:
        con.execute(TABLE.format(text="TEXT", time="TEXT", number="REAL"))
        con.executemany("INSERT INTO usage VALUES (?, datetime(?, 'unixepoch'), ?, ?)", ROWS)
    con.close()
    return f"sqlite://{path}"


@pytest.fixture(scope="module")
def duckdb_file(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("duckdb") / "a.duckdb"
    with duckdb.connect(str(path)) as con:
        con.execute(TABLE.format(text="VARCHAR", time="TIMESTAMP", number="DECIMAL(18, 3)"))
        con.executemany("INSERT INTO usage VALUES (?, make_timestamp(?::BIGINT * 1000000), ?, ?)", ROWS)
    return f"duckdb://{path}"


@pytest.fixture(scope="module")
def postgresql_server() -> Iterator[str]:
    # Not where pytest keeps its directories: each of its runs shuts them for other users, and the server is one.
    with tempfile.TemporaryDirectory(prefix="capforecast-postgresql-") as folder, postgres(Path(folder)) as location:
        yield location


def programs() -> Path:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    one = shutil.which("initdb") or (str(found[-1]) if found else None)
    if one is None:
        pytest.skip("PostgreSQL is not installed (apt-get install postgresql)")
    return Path(one).parent


class postgres:  # noqa: N801 - used like a function
    """A PostgreSQL of its own on the loopback address, which asks for a password."""

    def __init__(self, folder: Path):
        self.folder, self.data = folder, folder / "data"

    def run(self, *command: str) -> None:
        # PostgreSQL does not start for root.
        first = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
        subprocess.run([*first, *command], check=True, cwd="/", timeout=60, stdout=subprocess.DEVNULL)

    def __enter__(self) -> str:
        bin_ = programs()
        self.control = str(bin_ / "pg_ctl")
        word = self.folder / "word"
        word.write_text("hunter2")
        if os.geteuid() == 0:
            shutil.chown(self.folder, "postgres")
            shutil.chown(word, "postgres")
        self.run(str(bin_ / "initdb"), "-D", str(self.data), "-A", "scram-sha-256", "-U", "me", f"--pwfile={word}")
        port = free_port()
        options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c fsync=off"
        self.run(self.control, "-D", str(self.data), "-o", options, "-l", str(self.folder / "log"), "-w", "start")
        with postgresql.connect(f"postgresql://me:hunter2@127.0.0.1:{port}/postgres") as con, con.cursor() as cursor:
            cursor.execute(TABLE.format(text="text", time="timestamptz", number="numeric"))
            cursor.executemany("INSERT INTO usage VALUES ($1, to_timestamp($2), $3, $4::float8)", ROWS)
            con.commit()
        return f"postgresql://127.0.0.1:{port}/postgres"

    def __exit__(self, *error: object) -> None:
        self.run(self.control, "-D", str(self.data), "-m", "immediate", "-w", "stop")


def access_to(location: str) -> dict[str, Any]:
    return {"access": Access("me", "hunter2")} if location.startswith("postgresql") else {}


@pytest.fixture(params=["sqlite_file", "duckdb_file", "postgresql_server"])
def location(request: pytest.FixtureRequest) -> str:
    return str(request.getfixturevalue(request.param))


def test_a_query_gives_the_samples_of_its_range(location: str) -> None:
    rows = pulled_from(location, **access_to(location))
    expected = [
        (vm, "disk_used_bytes", mount, "byte", second * 10**6, used)
        for vm, second, mount, used in ROWS
        if second >= BEGIN_S + 6000
    ]
    assert rows.drop("line").rows() == expected


def test_other_names_are_mapped_and_seconds_are_times(location: str) -> None:
    """What has no instance has none, and the range may be asked for in seconds."""
    seconds = {
        "sqlite": "CAST(strftime('%s', seen) AS INTEGER)",
        "duckdb": "epoch(seen)::BIGINT",
        "postgresql": "extract(epoch FROM seen)::bigint",
    }[location.partition(":")[0]]
    query = (
        "SELECT * FROM (SELECT vm, @ AS second, used FROM usage) AS u WHERE second >= {since_s} AND second < {until_s}"
    )
    query = query.replace("@", seconds)
    mapping = {"host": "vm", "ts": "second", "value": "used"}
    rows = pulled_from(location, query, mapping=mapping, **access_to(location))
    assert rows.height == 200
    assert set(rows["instance"]) == {""}
    assert rows["ts"].min() == (BEGIN_S + 6000) * 10**6


@pytest.mark.parametrize(
    "query",
    [
        "DELETE FROM usage",
        "CREATE TABLE x (a int)",
        "SELECT 1; DELETE FROM usage",
        "ATTACH '/tmp/x.db' AS x",
        "SELEC",
        "",
    ],
)
def test_what_is_not_a_query_that_reads_is_refused(location: str, query: str) -> None:
    with pytest.raises(CapforecastError):
        pulled_from(location, query, **access_to(location))
    assert pulled_from(location, **access_to(location)).height == 200


def test_a_missing_column_is_named(location: str) -> None:
    with pytest.raises(SchemaError, match="ts"):
        pulled_from(location, "SELECT vm AS host, used AS value FROM usage", **access_to(location))


@pytest.mark.parametrize(
    ("name", "query"),
    [
        ("sqlite_file", "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT max(x) FROM c"),
        ("duckdb_file", "SELECT sum(a.range * b.range) AS value FROM range(10000000) a, range(10000000) b"),
        ("postgresql_server", "SELECT pg_sleep(60)::text AS host"),
    ],
)
def test_a_query_without_end_is_ended(name: str, query: str, request: pytest.FixtureRequest) -> None:
    location = request.getfixturevalue(name)
    with pytest.raises(SourceError, match=r"in time; got (more than 1 seconds|.*statement timeout)"):
        pulled_from(location, query, limits=Limits(total=1.0), **access_to(location))


@pytest.mark.parametrize("kind", ["sqlite", "duckdb"])
def test_a_file_must_be_a_database(kind: str, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.write_bytes(bytes(range(256)) * 64)
    for location in (f"{kind}://{other}", f"{kind}://{tmp_path}/missing", f"{kind}://{tmp_path}"):
        with pytest.raises(SourceError):
            pulled_from(location)
    with pytest.raises(ConfigError, match="from the root on"):
        pulled_from(f"{kind}://here.db")
    assert not (tmp_path / "missing").exists()


def test_a_wrong_password_is_refused_and_not_repeated(postgresql_server: str) -> None:
    with pytest.raises(SourceError, match="password authentication failed") as caught:
        pulled_from(postgresql_server, access=Access("me", "hunter3"))
    assert "hunter3" not in str(caught.value)
    assert caught.value.__suppress_context__


def test_a_database_elsewhere_must_show_a_certificate(postgresql_server: str) -> None:
    """Only on this machine, or where it is written out, a connection may do without."""
    del postgresql_server
    told: Callable[..., str] = lambda location, **more: connection_text(  # noqa: E731
        Pull(parse_address(location), "m", "q", 0, 1, **more)
    )
    assert "sslmode='verify-full' sslrootcert='system'" in told("postgresql://db.example/x")
    assert "sslrootcert='/ca.pem'" in told("postgresql://db.example/x", access=Access(ca_file="/ca.pem"))
    assert "sslmode='disable'" in told("postgresql+plain://db.example/x")
    assert "sslmode='prefer'" in told("postgresql://localhost/x")
    assert r"password='a\'b\\c'" in told("postgresql:///x", access=Access("me", "a'b\\c"))


@pytest.mark.parametrize(
    ("first", "second", "read", "rejected"),
    [
        ([2**53 + 1, 1.5], [3], [2.0**53, 1.5, 3.0], 0),
        ([1, 2], [2.5, "n/a"], [1.0, 2.0, 2.5], 1),
        ([1.5], [2, None], [1.5, 2.0], 1),
        (["1", "x"], [4], [1.0, 4.0], 1),
        ([None], ["5", 6], [5.0, 6.0], 1),
    ],
)
def test_cells_of_sqlite_may_each_be_of_another_type(
    first: list[object], second: list[object], read: list[float], rejected: int,
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """Also in a later block than the one that told what the columns mean; what is no number is a reject."""
    cells = first + second
    with sqlite3.connect(tmp_path / "a.db") as con:
        con.execute("CREATE TABLE usage (ts, host, instance, value)")
        for k, cell in enumerate(cells):
            mount = None if k < len(first) else "/data"
            con.execute(
                "INSERT INTO usage VALUES (?, ?, ?, ?)",
                (BEGIN_S + 60.0 * k if k % 2 else BEGIN_S + 60 * k, "h", mount, cell),
            )
    con.close()
    pull = Pull(parse_address(f"sqlite://{tmp_path}/a.db"), "m", "SELECT * FROM usage ORDER BY rowid", 0, 1)
    for block in (len(first), 100):
        monkeypatch.setattr(sqlite, "ROWS", block)
        batches = list(sqlite.SQLite().read(pull))
        rows = pl.concat([batch.rows for batch in batches])
        assert rows["value"].to_list() == read
        assert sum(batch.rejects.height for batch in batches) == rejected
        assert {(BEGIN_S + 60 * k) * 10**6 for k in range(len(cells))} >= set(rows["ts"])
        assert set(rows["instance"]) <= {"", "/data"}
