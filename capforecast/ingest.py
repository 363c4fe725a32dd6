"""From a source to the store: what is acceptable is decided here, row by row, with a reason for each no."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

import numpy as np
import polars as pl

from capforecast.config import Config
from capforecast.errors import ConfigError, DamagedError, DataError, SchemaError, SourceError
from capforecast.kinds import Kind, kind_of
from capforecast.sources import NATURE, REJECTS, Batch, ReadOptions, Source
from capforecast.store import Ingested, Store
from capforecast.store.identify import identify
from capforecast.store.intake import as_text
from capforecast.times import LATEST_US, from_us

NAME_BYTES = 1024
"""Longest host, metric, instance or unit in bytes of UTF-8."""
RAW_CHARS = 2000
"""Longest text of a rejected row that is kept in quarantine."""
FUTURE = "timestamp in the future"
PART_ROWS = 500_000
"""Rows of a batch that are checked at a time where some are not acceptable."""
FAILURES = (SourceError, SchemaError, DataError, DamagedError, ConfigError)
"""What may be wrong with one source, or with what the settings say of it, while others can be taken."""
LeftOut = Callable[[str, tuple[str, ...]], None]
"""Is told a location and its columns of which nothing was read."""
_NAMES = ("host", "metric", "instance", "unit")


def ingest(  # noqa: PLR0913 - each is another person's decision
    store: Store,
    location: str,
    source: Source,
    options: ReadOptions,
    config: Config,
    *,
    as_of_us: int,
    run_id: str = "",
    progress: Callable[[int], None] | None = None,
    sha256: str | None = None,
    tell: LeftOut | None = None,
) -> Ingested:
    """Read a location and bring its samples into the store: all of it, or nothing.

    Parameters
    ----------
    store : Store
        Open for writing.
    location : str
        What the source reads.
    source : Source
        How it is read.
    options : ReadOptions
        What the location does not say itself.
    config : Config
        Settings: how far clocks may be ahead, how many series may be new, and the kinds of metrics, which give
        the unit where the data name none.
    as_of_us : int
        The moment of this run; rows farther ahead of it than clocks may be, or than `LATEST_US`, are quarantined.
    run_id : str
        Run that ingests.
    progress : callable, optional
        Called with the number of rows read so far.
    sha256 : str, optional
        What stands for the content, where the location is no file; left out: this reading is like no other.
    tell : callable, optional
        Called with the location and the names of its columns of which nothing was read, where there are some.

    Raises
    ------
    SourceError, SchemaError
        From the source; the store is as it was before.
    DataError
        The location holds no rows at all, or more new series than may come.
    """
    # The number of the last change makes each ingest another one, also of the same file.
    stamp = json.dumps([run_id, location, store.commit])
    ingest_id = hashlib.sha256(stamp.encode()).hexdigest()[:20]
    file = _file(location)
    latest_us = min(as_of_us + config.ingest.future_tolerance_us, LATEST_US)
    read = _readable(source.read(location, options), location)
    # Content that can be read only once has no hash beforehand: it is another source each time.
    if file is not None:
        # Looked at before it is hashed: what has this hash must be what is read.
        before = _state(file)
        sha256, read = _identity(file, options), _unchanged(read, file, before)
    elif sha256 is None:
        sha256 = hashlib.sha256(f"{location}\0{ingest_id}".encode()).hexdigest()
    return store.append(
        location, sha256, _checked(read, location, latest_us, tuple(config.metric_kinds), progress, tell),
        ingest_id=ingest_id, run_id=run_id, as_of_us=as_of_us, max_new_series=config.ingest.max_new_series,
    )  # fmt: skip


def content_of(location: str, options: ReadOptions) -> str | None:
    """Return the hash of a file's content and of how it is read; None where it can be read only once."""
    file = _file(location)
    return None if file is None else _identity(file, options)


def contents_taken(store: Store) -> frozenset[str]:
    """Return the hashes of contents that were taken, and from which reading again could not bring more.

    Rows that were quarantined because they lay in the future may be acceptable now, so what held some when it was
    last read is read again.
    """
    ledger = store.ledger().unique("sha256", keep="last")
    settled = ~pl.col("reasons").fill_null("").str.contains(FUTURE, literal=True)
    return frozenset(ledger.filter(settled)["sha256"].to_list())


def _identity(file: Path, options: ReadOptions) -> str:
    """Return the hash of a file's content and of how it is read."""
    return read_so(_digest(file), options)


def read_so(content: hashlib._Hash, options: ReadOptions) -> str:
    """Return the hash of a content, to which how it is read is added."""
    content.update(json.dumps(asdict(options), sort_keys=True, default=str).encode())
    return content.hexdigest()


def _file(location: str) -> Path | None:
    path = Path(location)
    try:
        return path if path.is_file() else None
    except (OSError, ValueError):
        return None


def _digest(path: Path) -> hashlib._Hash:
    with _looking(path), path.open("rb") as file:
        return hashlib.file_digest(file, "sha256")


def _state(path: Path) -> tuple[int, int, int]:
    """Return what changes where a file is written to or another one takes its name."""
    with _looking(path):
        now = os.stat(path)
    return now.st_ino, now.st_size, now.st_mtime_ns


@contextmanager
def _looking(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise SourceError(
            "a source must be readable", got=error.strerror, where=str(path), do="Check its permissions"
        ) from error


def _readable(batches: Iterator[Batch], location: str) -> Iterator[Batch]:
    """Tell what the operating system refuses in the middle of a source as an error of that source."""
    try:
        yield from batches
    except OSError as error:
        if isinstance(error, SourceError):
            raise
        raise SourceError(
            "a source must be readable to its end", got=error.strerror or str(error), where=location,
            do="Nothing was taken from it",
        ) from error  # fmt: skip


def _unchanged(batches: Iterator[Batch], path: Path, before: tuple[int, int, int]) -> Iterator[Batch]:
    yield from batches
    if _state(path) != before:
        raise SourceError(
            "a source must not change while it is read",
            where=str(path),
            do="Ingest it again when it is complete; nothing was taken from it",
        )


def _checked(
    batches: Iterable[Batch],
    location: str,
    latest_us: int,
    kinds: tuple[Kind, ...],
    progress: Callable[[int], None] | None,
    tell: LeftOut | None,
) -> Iterator[Batch]:
    total = 0
    left_out: dict[str, None] = {}
    for batch in batches:
        total += batch.rows.height + batch.rejects.height
        left_out |= dict.fromkeys(batch.left_out)
        yield from _in_parts(batch, latest_us, kinds)
        if progress is not None:
            progress(total)
    if not total:
        raise DataError(
            "a source must hold at least one row",
            got="none",
            where=location,
            do="Check that it is the right one and not empty; name its format with --format",
        )
    if left_out and tell is not None:
        tell(location, tuple(left_out))


def _in_parts(batch: Batch, latest_us: int, kinds: tuple[Kind, ...]) -> Iterator[Batch]:
    """Check a batch; many rows that are rejected come as batches of their own, so that they need not be held."""
    rows = batch.rows
    if rows.height <= PART_ROWS or _numbers_are_fine(rows, latest_us):
        yield check(batch, latest_us, kinds)
        return
    yield Batch(rows.clear(), batch.rejects)
    good = []
    for first in range(0, rows.height, PART_ROWS):
        one = check(Batch(rows.slice(first, PART_ROWS), batch.rejects.clear()), latest_us, kinds)
        yield Batch(rows.clear(), one.rejects)
        good.append(one.rows)
    yield Batch(pl.concat(good, how="diagonal"), batch.rejects.clear())


def check(batch: Batch, latest_us: int, kinds: tuple[Kind, ...] = ()) -> Batch:
    """Return a batch whose rows are all acceptable; the others are among its rejects, with the reason.

    A source hands over what it read, not the text it read it from: for a row that is rejected here, raw is
    ``host,metric,instance,unit,ts,value`` as parsed, ts in microseconds (see `as_text`).

    Parameters
    ----------
    batch : Batch
        As it came from the source.
    latest_us : int
        Last acceptable time.
    kinds : tuple of Kind
        Kinds before the built-in ones, for units.
    """
    rows = batch.rows
    if not rows.height:
        return batch
    found = identify(rows, _NAMES)
    names = _judged(found.names, kinds)
    natured = names["nature"].null_count() < names.height
    bad_names = (names["reason"].is_not_null()).to_numpy()
    rejects = batch.rejects
    if bad_names.any() or not _numbers_are_fine(rows, latest_us):
        which = pl.Series("which", found.spread(np.arange(names.height, dtype=np.int32)))
        reason = pl.coalesce(names["reason"].gather(which), _number_reasons(latest_us))
        rows = rows.with_columns(reason=reason)
        rejects = pl.concat([rejects.select(list(REJECTS)), _rejected(rows.filter(pl.col("reason").is_not_null()))])
        keep = rows["reason"].is_null()
        # Names that only rejected rows have must not become series.
        return check(Batch(rows.filter(keep).drop("reason"), rejects), latest_us, kinds)
    if names["unit"].equals(found.names["unit"], null_equal=True) and not natured:
        return batch
    each = found.spread(np.arange(names.height, dtype=np.int32))
    rows = rows.with_columns(names["unit"].gather(each))
    if natured:
        # Settings know better than the source.
        said = names["nature"].cast(NATURE).gather(each)
        rows = rows.with_columns(pl.coalesce(said, batch.nature).alias("nature"))
    return Batch(rows, rejects)


def _judged(names: pl.DataFrame, kinds: tuple[Kind, ...]) -> pl.DataFrame:
    """Fill unit and nature of distinct names where their kind knows them, and say why some are not acceptable."""
    reason = pl.coalesce(
        *(pl.when(pl.col(c).fill_null("") == "").then(pl.lit(f"{c} is missing")) for c in ("host", "metric")),
        *(
            pl.when(pl.col(c).str.len_bytes() > NAME_BYTES).then(pl.lit(f"{c} is longer than {NAME_BYTES} bytes"))
            for c in _NAMES
        ),
        *(
            pl.when(pl.col(c).str.contains("\0", literal=True)).then(pl.lit(f"{c} contains a NUL character"))
            for c in _NAMES
        ),
        pl.lit(None, dtype=pl.String),
    )
    units = {
        metric: kind_of(metric, "", kinds).unit
        for metric in names.filter(pl.col("unit").fill_null("") == "")["metric"].drop_nulls().unique().to_list()
    }
    metrics = names["metric"].drop_nulls().unique().to_list()
    told = natures(metrics, kinds)
    by_kind = pl.Series([units.get(metric, "") for metric in names["metric"].to_list()], dtype=pl.String)
    return names.with_columns(
        reason=reason,
        unit=pl.when((pl.col("unit").fill_null("") == "") & (by_kind != "")).then(by_kind).otherwise("unit"),
        nature=pl.Series([told.get(metric) for metric in names["metric"].to_list()], dtype=pl.String),
    )


def natures(metrics: Iterable[str], kinds: tuple[Kind, ...]) -> dict[str, str]:
    """Return what settings say that metrics are, counter or gauge; the others are what their sources say."""
    found = {metric: kind_of(metric, "", kinds).nature for metric in metrics} if kinds else {}
    return {metric: nature for metric, nature in found.items() if nature}


def _numbers_are_fine(rows: pl.DataFrame, latest_us: int) -> bool:
    ts, value = rows["ts"], rows["value"]
    if ts.null_count() or value.null_count():
        return False
    first, last = ts.min(), ts.max()
    assert isinstance(first, int)
    assert isinstance(last, int)
    return first >= 0 and last <= latest_us and bool(value.is_finite().all())


def _number_reasons(latest_us: int) -> pl.Expr:
    ts, value = pl.col("ts"), pl.col("value")
    return pl.coalesce(
        pl.when(ts.is_null()).then(pl.lit("timestamp is missing")),
        pl.when(ts < 0).then(pl.lit("timestamp before 1970")),
        pl.when(ts > LATEST_US).then(pl.lit(f"timestamp after {from_us(LATEST_US):%Y-%m-%d}")),
        pl.when(ts > latest_us).then(pl.lit(FUTURE)),
        pl.when(value.is_null()).then(pl.lit("value is missing")),
        pl.when(~value.is_finite()).then(pl.lit("value is not a finite number")),
        pl.lit(None, dtype=pl.String),
    )


def _rejected(rows: pl.DataFrame) -> pl.DataFrame:
    raw = as_text([*_NAMES, "ts", "value"]).str.slice(0, RAW_CHARS)
    return rows.select("line", "reason", raw=raw).cast(pl.Schema(REJECTS))
