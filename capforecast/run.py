"""The nightly chain: ingest, forecast, breaches, publish."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import polars as pl

from capforecast import __version__, registry
from capforecast.address import names_server, parse_address
from capforecast.adhoc import forecast_frame
from capforecast.config import Config
from capforecast.errors import ConfigError, DamagedError, DataError, SourceError, printable
from capforecast.glance import glance
from capforecast.ingest import ingest, taken_before
from capforecast.judging import judge
from capforecast.limits import read as read_limits
from capforecast.previous import breaches_before, memory_before
from capforecast.pulling import pulled
from capforecast.replay import replay
from capforecast.report import RenderOptions
from capforecast.schema import RUN, SCHEMA_VERSION, SEVERITIES, TABLES
from capforecast.settings import SourceSettings
from capforecast.sources import ReadOptions
from capforecast.sources.content import head
from capforecast.sources.recognise import choose, resolve
from capforecast.store import Ingested, Published, Store, published_tables
from capforecast.survey import Progress, survey
from capforecast.tables import Stamp, conform, dictionary_rows
from capforecast.times import DAY_US, HOUR_US, format_duration, format_moment, parse_duration, parse_moment
from capforecast.timings import Timings

__all__ = ["RunResult", "forecast_frame", "ingest_sources", "nightly", "replay"]


_AS_SET = (
    "format", "epoch", "time_format", "delimiter", "encoding", "header", "layout", "host", "metric", "unit"
)  # fmt: skip
"""Settings of a source that are options of reading as they stand."""


@dataclass(frozen=True, slots=True)
class RunResult:
    """What a run did.

    Attributes
    ----------
    run_id : str
        Identifier: the same store, moment and settings give the same one.
    as_of_us : int
        Last moment the run could know.
    tables : mapping of DataFrame
        The published tables, each read when it is first asked for.
    published : Published
        Where they are.
    rows_quarantined : int
        Rows that this run's ingests rejected.
    sources_failed : tuple of str
        Configured sources that could not be read, with the reason.
    messages : tuple of str
        Sentences for the reader.
    most_urgent : int
        The least severity_rank of all breach rows; that of severity none without any.
    seconds : mapping of float
        What the stages took, summed over threads: ``all`` is the whole run.
    """

    run_id: str
    as_of_us: int
    tables: Mapping[str, pl.DataFrame]
    published: Published
    rows_quarantined: int = 0
    sources_failed: tuple[str, ...] = ()
    messages: tuple[str, ...] = ()
    most_urgent: int = len(SEVERITIES)
    seconds: Mapping[str, float] = field(default_factory=dict)

    def __repr__(self) -> str:
        state = "published" if self.published.changed else "published before"
        return f"<RunResult {self.run_id}: {state} in {printable(self.published.path)}>"

    def _repr_html_(self) -> str:
        return glance(f"Run {self.run_id}", self.tables["breaches"], self.messages)


@dataclass(slots=True)
class _Taken:
    """What the configured sources gave."""

    rows: dict[str, int] = field(
        default_factory=lambda: dict.fromkeys(("in", "accepted", "duplicate", "quarantined"), 0)
    )
    failed: list[str] = field(default_factory=list)
    warnings: dict[str, None] = field(default_factory=dict)

    def add(self, one: Ingested) -> None:
        self.warnings |= dict.fromkeys(one.warnings)
        self.rows["in"] += one.rows_in
        self.rows["accepted"] += one.accepted
        self.rows["duplicate"] += one.duplicate
        self.rows["quarantined"] += one.quarantined


def nightly(
    store_path: str | Path,
    config: Config,
    *,
    now_us: int,
    as_of_us: int | None = None,
    wait_seconds: float = 0.0,
    progress: Progress | None = None,
    refit: bool = False,
) -> RunResult:
    """Run the nightly job: ingest the configured sources, forecast, find breaches, publish.

    Parameters
    ----------
    store_path : path
        Directory of the store.
    config : Config
        Settings.
    now_us : int
        The clock, read once by the caller.
    as_of_us : int, optional
        Last moment the run may know. Without it: now, or the newest sample where the whole store is
        older than the settings' ``stale_after``; the result says so.
    wait_seconds : float
        How long to wait for the lock.
    progress : callable, optional
        Called with stage, done and total.
    refit : bool
        Fit every series anew instead of using forecasts of the nights before where they hold.

    Raises
    ------
    LockedError, StoreError, ConfigError, DataError
    """
    timings = Timings()
    with timings.stage("all"), Store.open(store_path, writable=True, wait_seconds=wait_seconds) as store:
        with timings.stage("ingest"):
            taken = _take(store, config, now_us if as_of_us is None else as_of_us, progress)
            _take_limits(store, config)
        moment, source, notes = moment_of(store, config, now_us, as_of_us)
        stamp = Stamp(run_id_of(moment, config), moment)
        identity = {"run_id": stamp.run_id, "run_date": stamp.date, "as_of_us": moment, "run_us": now_us}
        memory, damage = memory_before(store, config, moment, refit=refit)
        before, lost = breaches_before(store, moment)
        with store.publication(identity) as publication:
            _begin(progress, "judge")
            with timings.stage("judge"):
                past = judge(store, config, stamp, publication)
            found = survey(
                store, config, stamp, series=store.series(), before=before,
                progress=progress, sink=publication, timings=timings, memory=memory,
            )  # fmt: skip
            if not found.counts["series"]:
                raise DataError(
                    "the store must hold samples before as_of",
                    got=format_moment(moment),
                    do="Ingest some, or pass --as-of",
                )
            row = _run_row(stamp, source, found.counts, taken, config, store)
            row = row.with_columns(
                pl.lit(past.sentence).alias("record"), pl.lit(found.learned, pl.String).alias("learned")
            )
            publication.write("run", row.to_arrow())
            publication.write("dictionary", dictionary_rows(stamp).to_arrow())
            _begin(progress, "report")
            with timings.stage("report"):
                shown = {name: publication.finish(name) for name in TABLES}
                page = registry.load("report", "html")(shown, RenderOptions())
            _begin(progress, "publish")
            with timings.stage("publish"):
                published = publication.publish({"report.html": page})
        if config.ingest.samples_days is not None:
            store.prune_samples(config.ingest.samples_days)
        store.prune_history(stamp.date - timedelta(days=config.store.history_days))
        tables = published_tables(store.path / published.path, published.files, {"run": row})
    return RunResult(
        stamp.run_id, moment, tables, published, taken.rows["quarantined"], tuple(taken.failed),
        (*notes, *taken.warnings, *damage, *lost, *past.messages, *found.messages), found.counts["most_urgent"],
        timings.seconds(),
    )  # fmt: skip


def ingest_sources(
    store_path: str | Path,
    locations: Sequence[str],
    options: ReadOptions,
    config: Config,
    *,
    now_us: int,
    as_of_us: int | None = None,
    wait_seconds: float = 0.0,
    progress: Progress | None = None,
) -> list[tuple[str, Ingested]]:
    """Bring files into a store, which is created when it is missing.

    Returns
    -------
    list of (location, Ingested)
        One per file; directories are their files.

    Raises
    ------
    SourceError, SchemaError, DataError
        A location cannot be read; those before it stay ingested.
    """
    path = Path(store_path)
    moment = now_us if as_of_us is None else as_of_us
    files = [name for location in locations for name in resolve(location, options)]
    opened = (
        Store.open(path, writable=True, wait_seconds=wait_seconds)
        if (path / "store.json").exists()
        else Store.create(path, created_us=now_us)
    )
    out = []
    with opened as store:
        for done, name in enumerate(files):
            if progress is not None:
                progress("ingest", done, len(files))
            if names_server(name):
                out += _ingest_server(store, name, config, moment)
            else:
                out.append((name, _ingest_file(store, name, options, config, moment)))
        if progress is not None:
            progress("ingest", len(files), len(files))
    return out


def _take(store: Store, config: Config, as_of_us: int, progress: Progress | None) -> _Taken:
    """Ingest the configured sources; one that fails is named and the others go on."""
    taken = _Taken()
    for done, settings in enumerate(config.sources):
        if progress is not None:
            progress("ingest", done, len(config.sources))
        if names_server(settings.location):
            for one in pulled(store, settings, config, as_of_us):
                taken.failed.append(one) if isinstance(one, str) else taken.add(one)
            continue
        try:
            options = _options(settings, config)
            for name in resolve(settings.location, options):
                if taken_before(store, name, options):
                    continue
                taken.add(_ingest_file(store, name, options, config, as_of_us))
        except (SourceError, DataError, DamagedError, ValueError) as error:
            if isinstance(error, ConfigError):
                raise
            taken.failed.append(f"{settings.location}: {error}")
    if progress is not None and config.sources:
        progress("ingest", len(config.sources), len(config.sources))
    return taken


def _begin(progress: Progress | None, stage: str) -> None:
    """Tell that a stage begins of which it is not known how far it is."""
    if progress is not None:
        progress(stage, 0, None)


def _ingest_file(store: Store, name: str, options: ReadOptions, config: Config, as_of_us: int) -> Ingested:
    source = registry.load("source", choose(name, head(name), options))()
    return ingest(
        store, name, source, options, as_of_us=as_of_us, run_id="", tolerance_us=config.ingest.future_tolerance_us,
        kinds=config.metric_kinds,
    )  # fmt: skip


def _ingest_server(store: Store, location: str, config: Config, as_of_us: int) -> list[tuple[str, Ingested]]:
    """Ask a server what the settings say; all its queries are asked before one that failed is told."""
    parse_address(location)
    settings = next((source for source in config.sources if source.location == location), None)
    if settings is None:
        raise SourceError(
            "a server must be a source of the settings, which say what it is asked", got=location,
            do="Add it to capforecast.toml, or write one with capforecast init --from prometheus URL",
        )  # fmt: skip
    found = list(pulled(store, settings, config, as_of_us))
    failed = [one for one in found if isinstance(one, str)]
    if failed:
        raise SourceError("every query of a server must be answered", got=" | ".join(failed))
    return [(one.source, one) for one in found if isinstance(one, Ingested)]


def _options(settings: SourceSettings, config: Config) -> ReadOptions:
    """Return how to read a configured source."""
    return ReadOptions(
        mapping=dict(settings.map),
        timezone=settings.timezone or config.ingest.timezone,
        start_us=None if settings.start is None else parse_moment(settings.start),
        step_us=None if settings.step is None else parse_duration(settings.step),
        **{name: getattr(settings, name) for name in _AS_SET},
    )


def _take_limits(store: Store, config: Config) -> None:
    """Take limits.csv into the store; without the file none but the kinds' defaults apply."""
    path = Path(config.limits.file)
    if not path.exists() and config.origin("limits.file") != "default":
        raise ConfigError("limits.file must exist", got=repr(config.limits.file), do="Create it or correct the path")
    content = path.read_bytes() if path.exists() else b""
    store.set_limits(read_limits(path, missing_ok=True), str(path), hashlib.sha256(content).hexdigest())


def moment_of(store: Store, config: Config, now_us: int, as_of_us: int | None) -> tuple[int, str, list[str]]:
    """Return the moment of the run, whole in the store's step, where it comes from, and what to tell of it."""
    step = store.step_us
    if as_of_us is not None:
        return as_of_us // step * step, "option", []
    newest = store.watermark_us()
    if newest is None:
        raise DataError("the store must hold samples", got="none", where=str(store.path), do="Run capforecast ingest")
    if now_us - newest <= config.run.stale_after_us:
        return now_us // step * step, "clock", []
    moment = (newest // step + 1) * step
    unit = DAY_US if now_us - newest >= 2 * DAY_US else HOUR_US
    age = format_duration(max((now_us - newest) // unit, 1) * unit)
    note = (
        f"the newest sample of the whole store is {age} old: forecasting as of {format_moment(moment)}, "
        "the end of the data (pass --as-of to choose another moment)"
    )
    return moment, "watermark", [note]


def run_id_of(as_of_us: int, config: Config) -> str:
    """Return the identifier that this moment and these settings always have."""
    seed = f"{as_of_us}\0{config.sha256()}\0{__version__}"
    moment = format_moment(as_of_us).replace("-", "").replace(":", "")
    return f"{moment}-{hashlib.sha256(seed.encode()).hexdigest()[:8]}"


def _run_row(
    stamp: Stamp, source: str, counts: Mapping[str, int], taken: _Taken, config: Config, store: Store
) -> pl.DataFrame:
    """Return the single row of the table ``run``."""
    row = pl.DataFrame(
        {
            "as_of_source": source,
            "tool_version": __version__,
            "schema_version": SCHEMA_VERSION,
            "config_hash": config.sha256(),
            "store_step": format_duration(store.step_us),
            **{name: count for name, count in counts.items() if name in RUN.names},
            **{f"rows_{name}": count for name, count in taken.rows.items()},
            "sources_failed": len(taken.failed),
            "data_watermark": counts["last_us"],
            "model": config.forecast.model,
        }
    ).with_columns(stamp.columns())
    return conform(row, RUN)
