"""A query of a PostgreSQL server, in a transaction that cannot write."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from contextlib import closing
from threading import Timer
from typing import Any

import pyarrow as pa

from capforecast.errors import SourceError
from capforecast.servers import Pull
from capforecast.sources import Batch
from capforecast.sources.arrow import tabulated
from capforecast.sources.samples import joined

try:
    import adbc_driver_postgresql.dbapi as postgresql
except ImportError as error:
    raise SourceError("postgresql:// needs the extra: pip install capforecast[postgres]") from error


class PostgreSQL:
    """``postgresql://HOST:PORT/DATABASE``; without a host the socket of this machine, ``+plain`` without TLS."""

    name = "postgresql"

    def read(self, pull: Pull) -> Iterator[Batch]:
        """Yield the samples of a query that returns the columns of samples.

        Raises
        ------
        SourceError
            The server is out of reach, refuses, or takes too long; the query is wrong or writes.
        SchemaError
            A needed column is missing or of a type that cannot hold it.
        """
        yield from joined(_batches(pull), pull.chunk_rows)


def connection_text(pull: Pull) -> str:
    """Return what libpq is told: where, who, and that nothing may be written or last too long."""
    address, access = pull.address, pull.access
    milliseconds = max(1, int(pull.limits.total * 1000))
    settings = {
        "host": address.host,
        "port": address.port,
        "dbname": address.path.strip("/"),
        "user": access.user,
        "password": access.secret,
        "connect_timeout": max(2, int(pull.limits.connect)),
        "tcp_user_timeout": max(1, int(pull.limits.silence * 1000)),
        "application_name": "capforecast",
        "options": f"-c default_transaction_read_only=on -c statement_timeout={milliseconds} -c TimeZone=UTC",
        **_trust(pull),
    }
    return " ".join(f"{name}={_quoted(str(text))}" for name, text in settings.items() if text not in (None, ""))


def _trust(pull: Pull) -> dict[str, str]:
    """Return how the server must prove who it is: by a certificate, unless it is on this machine."""
    if pull.address.variant == "plain":
        return {"sslmode": "disable"}
    if pull.address.variant:
        raise SourceError(
            "a database must be asked over TLS, or plainly",
            got=repr(pull.address.variant), where=pull.where, do="Write postgresql:// or postgresql+plain://",
        )  # fmt: skip
    if not pull.address.host or _is_here(pull.address.host):
        return {"sslmode": "prefer"}
    return {"sslmode": "verify-full", "sslrootcert": pull.access.ca_file or "system"}


def _is_here(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _batches(pull: Pull) -> Iterator[Batch]:
    over: list[bool] = []
    try:
        with closing(postgresql.connect(connection_text(pull))) as con, closing(con.cursor()) as cursor:

            def cut() -> None:
                over.append(True)
                cursor.adbc_cancel()

            watch = Timer(pull.limits.total, cut)
            watch.daemon = True
            watch.start()
            try:
                cursor.execute(pull.sql())
                reader = cursor.fetch_record_batch()
                schema = pa.schema([pa.field(field.name, _stored(field.type)) for field in reader.schema])
                plain = (_plain(batch, schema) for batch in reader)
                yield from tabulated(schema, plain, pull.where, pull.read_options())
            finally:
                watch.cancel()
    except (postgresql.Error, pa.ArrowException, OSError) as error:
        if isinstance(error, SourceError):
            raise
        told = f"more than {pull.limits.total:g} seconds" if over else " ".join(str(error).split())
        # The driver's own error may hold what the server was shown, so it is not chained.
        raise SourceError("a query must read, in time", got=pull.access.hidden(told)[:500], where=pull.where) from None


def _stored(kind: Any) -> Any:
    """Return the type in which values of a type of the driver come, such as text for numeric."""
    return kind.storage_type if isinstance(kind, pa.BaseExtensionType) else kind


def _plain(batch: Any, schema: pa.Schema) -> pa.RecordBatch:
    columns = [c.storage if isinstance(c, pa.ExtensionArray) else c for c in batch.columns]
    return pa.RecordBatch.from_arrays(columns, schema=schema)
