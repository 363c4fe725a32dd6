"""A query of a DuckDB database, which is opened for reading and sees nothing but its file."""

from __future__ import annotations

import os
from collections.abc import Iterator

from capforecast.errors import SourceError
from capforecast.servers import Pull
from capforecast.sources import Batch
from capforecast.sources.arrow import tabulated
from capforecast.sources.samples import joined
from capforecast.store.foreign import answers


class DuckDB:
    """``duckdb:///path/to/file``."""

    name = "duckdb"

    def read(self, pull: Pull) -> Iterator[Batch]:
        """Yield the samples of a query that returns the columns of samples.

        Raises
        ------
        SourceError
            The file is no database, the query is wrong or takes too long.
        SchemaError
            A needed column is missing or of a type that cannot hold it.
        """
        path = pull.address.file()
        if not os.path.isfile(path):
            raise SourceError("a database must be a file", got="none", where=path)
        found = answers(path, pull.sql(), pull.limits.total, pull.where)
        yield from joined(tabulated(next(found), found, pull.where, pull.read_options()), pull.chunk_rows)
