"""The cases of a replay: read, renamed, and the samples that go with them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from capforecast.cli.files import read_samples
from capforecast.cli.options import CASE_COLUMNS
from capforecast.config import Config
from capforecast.errors import ConfigError, SchemaError, SourceError
from capforecast.rejected import Rejected
from capforecast.settings import CANONICAL
from capforecast.sources import ReadOptions
from capforecast.sources.content import STDIN
from capforecast.times import parse_moment

Renamed = dict[str, str]


def read_cases(path: str, mapping: Mapping[str, str], *, alone: bool) -> tuple[pl.DataFrame, Renamed, str | None]:
    """Return a table of cases, the columns that were renamed, and what is wrong with cutoffs, if anything.

    Names stay text, and a cutoff that is text becomes a moment; one that is none becomes NULL.

    Parameters
    ----------
    path : str
        CSV, Parquet (.parquet) or JSON lines (.jsonl).
    mapping : mapping
        Column to what the cases call it. Columns that samples have too may be named for those only, unless
        the cases stand alone.
    alone : bool
        Are there no samples to which the mapping could apply?

    Raises
    ------
    SourceError
        The file is missing, damaged or in no known format.
    SchemaError
        A mapped column is not there, or is there under both names.
    """
    frame = _read(path, set(mapping.values()))
    renamed: Renamed = {}
    for name, column in mapping.items():
        if column in frame.columns:
            if name in frame.columns and name != column:
                raise SchemaError(
                    f"--map {name}=... must not name a second column", got=f"{column!r} beside {name!r}", where=path
                )
            renamed[name] = column
        elif alone or name in CASE_COLUMNS:
            raise SchemaError(
                f"--map {name}=... must name a column", got=f"{column!r} of {', '.join(frame.columns)}", where=path
            )
    frame = frame.rename({column: name for name, column in renamed.items()})
    frame, warning = _with_moments(frame, path)
    return frame, renamed, warning


def samples_for(
    location: str, options: ReadOptions, renamed: Collection[str], config: Config
) -> tuple[pl.DataFrame, Rejected]:
    """Return the samples of a location, counters as their rates, and which rows could not be read.

    Columns that the cases call otherwise may, but need not, be called so in the samples too.
    """
    mapping = {name: column for name, column in options.mapping.items() if name in CANONICAL}
    own = {name: column for name, column in mapping.items() if name not in renamed}
    try:
        return read_samples(location, replace(options, mapping=mapping), config)
    except SchemaError as error:
        if location == STDIN or own == mapping:
            raise
        try:
            return read_samples(location, replace(options, mapping=own), config)
        except SchemaError:
            raise error from None


def _with_moments(frame: pl.DataFrame, path: str) -> tuple[pl.DataFrame, str | None]:
    if "cutoff" not in frame.columns or frame.schema["cutoff"] != pl.String():
        return frame, None
    moments: list[int | None] = []
    wrong: list[str] = []
    for row, text in enumerate(frame.get_column("cutoff"), start=1):
        try:
            moments.append(None if text is None else parse_moment(text, name="cutoff"))
        except ConfigError as error:
            moments.append(None)
            wrong.append(f"{path}, case {row}: {error}")
    more = f" (and {len(wrong) - 1} more)" if len(wrong) > 1 else ""
    cutoffs = pl.Series("cutoff", moments, pl.Int64()).cast(pl.Datetime("us", "UTC"))
    return frame.with_columns(cutoffs), f"{wrong[0]}{more}" if wrong else None


def _read(path: str, text: set[str]) -> pl.DataFrame:
    try:
        with open(path, "rb") as file:
            content = file.read()
        if path.endswith(".parquet"):
            # pyarrow refuses damaged files with an exception where polars may abort the process.
            frame = pl.from_arrow(pq.read_table(pa.BufferReader(content)))
            return frame if isinstance(frame, pl.DataFrame) else frame.to_frame()
        if path.endswith(".jsonl"):
            return pl.read_ndjson(content)
        names = dict.fromkeys(("case_id", "host", "series_id", "metric", "instance", "cutoff"), pl.String())
        return pl.read_csv(content, schema_overrides=names, infer_schema_length=None)
    except (OSError, ValueError, pl.exceptions.PolarsError) as error:
        reason = getattr(error, "strerror", None) or str(error).splitlines()[0]
        raise SourceError("the cases must be CSV, Parquet or JSON lines", got=reason, where=path) from error
