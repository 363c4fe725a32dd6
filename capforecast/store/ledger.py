"""One line of the ledger: what became of the rows of an ingest, and the transaction that says so."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl

from capforecast.errors import StoreError
from capforecast.store import durable
from capforecast.store.append import Done, Workplace, fresh_days, merge_rollups, merge_samples, total, unique
from capforecast.store.catalog import Catalog
from capforecast.store.conversion import Conversion
from capforecast.store.counters import Natures, rolled_again
from capforecast.store.identify import KEY, SeriesIndex
from capforecast.store.intake import Batch, Intake
from capforecast.store.parquet import Part
from capforecast.store.quarantine import write_quarantine
from capforecast.units import known

_TOLD = 20
"""Most series that warnings name."""


@dataclass(frozen=True, slots=True)
class Ingested:
    """What became of the rows of one ingest.

    Attributes
    ----------
    ingest_id, source : str
        Which ingest, and what was read.
    rows_in : int
        Rows read; always ``accepted + duplicate + quarantined``.
    accepted : int
        Samples that were not there before.
    duplicate, conflict : int
        Rows whose series and time were there already (or earlier in the same rows), and those of them
        with another value; the larger value stays.
    quarantined : int
        Rows that are in quarantine, with their reason.
    series_new : int
        Series that were not known before.
    first_us, last_us : int, optional
        First and last time of the rows that were not quarantined.
    reasons : dict
        Quarantined rows by reason.
    lines : dict
        By reason, the first line that it was met on; empty for an ingest that the ledger knew.
    warnings : tuple of str
        One sentence for each series whose rows name units that cannot be converted into each other, then of
        units that are not known and of percents beyond 100.
    """

    ingest_id: str
    source: str
    rows_in: int
    accepted: int
    duplicate: int
    conflict: int
    quarantined: int
    series_new: int
    first_us: int | None
    last_us: int | None
    reasons: dict[str, int]
    warnings: tuple[str, ...] = ()
    lines: dict[str, int] = field(default_factory=dict, compare=False)


@dataclass(frozen=True, slots=True)
class Request:
    """What an ingest is told besides its rows."""

    source: str
    sha256: str
    ingest_id: str
    run_id: str
    as_of_us: int
    max_new_series: int | None = None

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[0-9a-f]{64}", self.sha256):
            raise StoreError("sha256 must be 64 hexadecimal digits", got=repr(self.sha256))


def take_in(
    catalog: Catalog,
    store: Path,
    step_us: int,
    request: Request,
    batches: Iterable[Batch],
    committed: Callable[[int], None],
) -> Ingested:
    """Bring batches into the store in one transaction.

    Parameters
    ----------
    catalog, store, step_us
        The store, open for writing.
    request : Request
        Who asks.
    batches : iterable of Batch
        Rows that may be accepted, and rows for quarantine.
    committed : callable
        Called with the number of the commit as soon as it is durable.
    """
    known = _known(catalog, request)
    if known:
        return known
    staging = store / ".staging"
    durable.remove(staging)
    removed: list[Part] = []
    with catalog.transaction() as number:
        series = catalog.series().sort("sid")
        retained_us = catalog.meta("samples_from_us")
        index = SeriesIndex(series, request.source, request.max_new_series)
        intake = Intake(index, staging, retained_us, Conversion.of(series))
        intake.take(batches)
        place = Workplace(store, staging, number, step_us, intake.index)
        natures = Natures.of(series["nature"], intake.natures, len(intake.index))
        before = catalog.parts("samples")
        done = merge_samples(place, intake, before, natures)
        sampled = [part for one in done for part in one.added]
        gone = unique([part for one in done for part in one.removed])
        after = [part for part in before if part not in gone] + sampled
        again = rolled_again(
            place, natures, catalog.anchors(), after, fresh_days(done), staging if intake.spilled else None
        )
        rolled = [one.rolled for one in done if one.rolled is not None]
        added, removed = merge_rollups(place, rolled, catalog.parts("rollups"), again)
        added += sampled
        removed += gone
        kept = write_quarantine(store, request.source, request.sha256, number, intake.rejects)
        dropped = [part for part in catalog.parts("quarantine") if part.owner == request.sha256]
        seen = _seen(intake, done, series, natures)
        result = _result(request, intake, done, seen, _warnings(intake))
        catalog.record_parts(added + kept, removed + dropped)
        catalog.record_series(seen.drop("known"))
        catalog.record_ingest(_row(result, request, number))
    committed(number)
    for part in removed + dropped:
        durable.remove(store / part.path)
    durable.remove(staging)
    return result


def _known(catalog: Catalog, request: Request) -> Ingested | None:
    row = catalog.ingest(request.ingest_id)
    if row is None:
        return None
    if row["sha256"] != request.sha256:
        raise StoreError(
            "an ingest_id must name one ingest", got=repr(request.ingest_id), where="the ledger",
            do="Ingest other content under another ingest_id",
        )  # fmt: skip
    texts = {"reasons": json.loads(row["reasons"]), "warnings": tuple(json.loads(row["warnings"]))}
    return Ingested(**{name: texts.get(name, row[name]) for name in Ingested.__dataclass_fields__ if name in row})


def _seen(intake: Intake, done: list[Done], series: pl.DataFrame, natures: Natures) -> pl.DataFrame:
    """Return the rows of the series table that this ingest adds or widens."""
    index = intake.index
    sums = total(done, len(index))
    kept, given = intake.units.kept, intake.units.given
    frame = index.keys().with_columns(
        id=pl.Series(sums.ids),
        sid=pl.Series(sums.ids),
        first_us=pl.Series(sums.first_us),
        last_us=pl.Series(sums.last_us),
        samples=pl.Series(sums.accepted),
        unit=pl.Series([kept.get(sid, "") for sid in range(len(index))], dtype=pl.String),
        given=pl.Series([given.get(sid, "") for sid in range(len(index))], dtype=pl.String),
        before=_widened(series["unit"], len(index)),
        given_before=_widened(series["given"], len(index)),
        known=pl.arange(len(index)) < index.known,
        nature=natures.names(),
        changed=pl.Series(natures.changed),
    )
    renamed = (pl.col("unit") != pl.col("before")) | (pl.col("given") != pl.col("given_before"))
    touched = (pl.col("last_us") >= 0) | renamed | pl.col("changed")
    columns = ("sid", *KEY, "unit", "first_us", "last_us", "samples", "nature", "given", "known")
    return frame.filter(touched).select(*columns)


def _widened(known: pl.Series, count: int) -> pl.Series:
    """Return what is known of the known series, and nothing of new ones."""
    return pl.concat([known, pl.Series([""] * (count - known.len()), dtype=pl.String)])


def _warnings(intake: Intake) -> tuple[str, ...]:
    """Tell of series with units that do not go together, units that nobody knows, percents beyond 100."""
    keys, mixed = intake.index.keys(), intake.units.mixed()
    told = {" ".join(keys.row(sid)).rstrip(): " and ".join(units) for sid, units in mixed.items()}
    several = [f"series {name} has samples in {told[name]}" for name in sorted(told)]
    more = len(several) - _TOLD
    if more > 0:
        several = [*several[:_TOLD], f"{more} more series have samples in several units"]
    strange = sorted({unit for units in intake.units.told.values() for unit in units if known(unit) is None})
    if strange:
        shown = ", ".join(map(repr, strange[:_TOLD])) + (" ..." if len(strange) > _TOLD else "")
        several.append(f"units that are not known stay as they are: {shown}")
    if intake.beyond:
        first = min(" ".join(keys.row(sid)).rstrip() for sid in intake.beyond)
        several.append(f"{len(intake.beyond)} series of percents have values beyond 100, which stay, such as {first}")
    return tuple(several)


def _result(
    request: Request, intake: Intake, done: list[Done], seen: pl.DataFrame, warnings: tuple[str, ...]
) -> Ingested:
    reasons, lines = (dict(sorted(one.items())) for one in (intake.rejects.reasons, intake.rejects.lines))
    result = Ingested(
        request.ingest_id,
        request.source,
        rows_in=intake.rows_in,
        accepted=int(seen["samples"].sum()),
        duplicate=sum(one.duplicate for one in done),
        conflict=sum(one.conflict for one in done),
        quarantined=sum(reasons.values()),
        series_new=int((~seen["known"]).sum()),
        first_us=intake.first_us,
        last_us=intake.last_us,
        reasons=reasons,
        warnings=warnings,
        lines=lines,
    )
    if result.rows_in != result.accepted + result.duplicate + result.quarantined:
        raise StoreError(
            "rows in must equal accepted + duplicate + quarantined",
            got=f"{result.rows_in} != {result.accepted} + {result.duplicate} + {result.quarantined}",
            where=request.source,
            do="This is a bug of capforecast, please report it; nothing was committed",
        )
    return result


def _row(result: Ingested, request: Request, number: int) -> dict[str, object]:
    return {
        "ingest_id": request.ingest_id,
        "source": request.source,
        "sha256": request.sha256,
        "run_id": request.run_id,
        "started_us": request.as_of_us,
        "rows_in": result.rows_in,
        "accepted": result.accepted,
        "duplicate": result.duplicate,
        "conflict": result.conflict,
        "quarantined": result.quarantined,
        "series_new": result.series_new,
        "first_us": result.first_us,
        "last_us": result.last_us,
        "reasons": json.dumps(result.reasons, ensure_ascii=False),
        "status": "partial" if result.quarantined else "complete",
        "commit_number": number,
        "warnings": json.dumps(result.warnings, ensure_ascii=False),
    }
