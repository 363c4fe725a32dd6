"""What is acceptable: decided row by row, with a reason for each no."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import polars as pl

from capforecast.kinds import Kind, kind_of
from capforecast.sources import NATURE, REJECTS, Batch
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
_NAMES = ("host", "metric", "instance", "unit")


def checked(batch: Batch, latest_us: int, kinds: tuple[Kind, ...]) -> Iterator[Batch]:
    """Yield what `check` makes of a batch; many rejected rows come as batches of their own, so that none are held."""
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
