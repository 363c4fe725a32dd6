"""The nightly chain: ingest, forecast, breaches, publish."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import polars as pl

from capforecast import __version__, registry
from capforecast.adhoc import forecast_frame
from capforecast.config import Config
from capforecast.errors import DataError, printable
from capforecast.glance import glance
from capforecast.judging import judge
from capforecast.limits import read as read_limits
from capforecast.previous import breaches_before, memory_before
from capforecast.rejected import Rejected
from capforecast.replay import replay
from capforecast.report import RenderOptions
from capforecast.schema import RUN, SCHEMA_VERSION, SEVERITIES, TABLES
from capforecast.shards import Progress
from capforecast.store import AHEAD_US, Published, Store, published_tables
from capforecast.survey import survey
from capforecast.tables import Stamp, conform, dictionary_rows
from capforecast.taking import PartlyTakenError, Taken, files_of, ingest_sources, take
from capforecast.times import DAY_US, HOUR_US, MINUTE_US, format_duration, format_moment
from capforecast.timings import Timings

__all__ = ["PartlyTakenError", "RunResult", "files_of", "forecast_frame", "ingest_sources", "nightly", "replay"]


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
    rejected : Rejected
        Rows that this run's ingests rejected, by reason.
    sources_failed : tuple of str
        Configured sources that could not be read, with the reason.
    messages : tuple of str
        Sentences for the reader.
    silent : str
        The one of them that says that nothing has come for too long; empty when something has.
    most_urgent : int
        The least severity_rank of all breach rows; that of severity none without any.
    seconds : mapping of float
        What the stages took, summed over threads: ``all`` is the whole run.
    """

    run_id: str
    as_of_us: int
    tables: Mapping[str, pl.DataFrame]
    published: Published
    rejected: Rejected = field(default_factory=Rejected)
    sources_failed: tuple[str, ...] = ()
    messages: tuple[str, ...] = ()
    silent: str = ""
    most_urgent: int = len(SEVERITIES)
    seconds: Mapping[str, float] = field(default_factory=dict)

    @property
    def rows_quarantined(self) -> int:
        """Rows that this run's ingests rejected."""
        return self.rejected.rows

    def __repr__(self) -> str:
        state = "published" if self.published.changed else "published before"
        return f"<RunResult {self.run_id}: {state} in {printable(self.published.path)}>"

    def _repr_html_(self) -> str:
        return glance(f"Run {self.run_id}", self.tables["breaches"], self.messages)


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
            taken = take(store, config, now_us if as_of_us is None else as_of_us, progress)
            _take_limits(store, config)
        moment, source, aged = moment_of(store, config, now_us, as_of_us)
        stamp = Stamp(run_id_of(moment, config), moment)
        identity = {"run_id": stamp.run_id, "run_date": stamp.date, "as_of_us": moment, "run_us": now_us}
        memory, damage = memory_before(store, config, moment, refit=refit)
        before, lost = breaches_before(store, moment)
        with store.publication(identity) as publication:
            _begin(progress, "judge")
            with timings.stage("judge"):
                past = judge(store, config, stamp, publication)
            found = survey(
                store, config, stamp, before=before, progress=progress,
                sink=publication, timings=timings, memory=memory,
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
        # A moment that has not come yet makes nothing old.
        come_us = min(moment, now_us)
        if config.ingest.samples_days is not None:
            store.prune_samples(config.ingest.samples_days, until_us=come_us)
        store.prune_history(Stamp(stamp.run_id, come_us).date - timedelta(days=config.store.history_days))
        tables = published_tables(store.path / published.path, published.files, {"run": row})
    silent = aged or _silent(found.counts, moment)
    notes = [note for note in (silent, _placed(moment, now_us, latest=published.latest)) if note]
    return RunResult(
        stamp.run_id, moment, tables, published, taken.rejected, tuple(taken.failed),
        (*notes, *taken.warnings, *damage, *lost, *past.messages, *found.messages), silent,
        found.counts["most_urgent"], timings.seconds(),
    )  # fmt: skip


def _silent(counts: Mapping[str, int], moment: int) -> str:
    """Say that no series at all has samples that are new enough; nothing when one has."""
    if counts["stale"] < counts["series"]:
        return ""
    return (
        f"all {counts['series']} series are stale: the newest sample is from {format_moment(counts['last_us'])}, "
        f"nothing is forecast as of {format_moment(moment)}"
    )


def _placed(moment: int, now_us: int, *, latest: bool) -> str:
    """Say what is unusual about where a run stands in time."""
    if not latest:
        return "reports/latest shows a run as of a later moment: this one is in reports/history alone"
    if moment > now_us + AHEAD_US:
        return (
            f"as of {format_moment(moment)} lies ahead of the clock, {format_moment(now_us // MINUTE_US * MINUTE_US)}: "
            "the next run as of a moment that has come takes the place of this one in reports/latest"
        )
    return ""


def _begin(progress: Progress | None, stage: str) -> None:
    """Tell that a stage begins of which it is not known how far it is."""
    if progress is not None:
        progress(stage, 0, None)


def _take_limits(store: Store, config: Config) -> None:
    """Take limits.csv into the store; without the file none but the kinds' defaults apply."""
    path = Path(config.limits.file)
    lines = read_limits(path, missing_ok=config.origin("limits.file") == "default")
    content = path.read_bytes() if path.exists() else b""
    store.set_limits(lines, str(path), hashlib.sha256(content).hexdigest())


def moment_of(store: Store, config: Config, now_us: int, as_of_us: int | None) -> tuple[int, str, str]:
    """Return the moment of the run, whole in the store's step, where it comes from, and that the store is old."""
    step = store.step_us
    if as_of_us is not None:
        return as_of_us // step * step, "option", ""
    newest = store.watermark_us()
    if newest is None:
        raise DataError("the store must hold samples", got="none", where=str(store.path), do="Run capforecast ingest")
    if now_us - newest <= config.run.stale_after_us:
        return now_us // step * step, "clock", ""
    moment = (newest // step + 1) * step
    unit = DAY_US if now_us - newest >= 2 * DAY_US else HOUR_US
    age = format_duration(max((now_us - newest) // unit, 1) * unit)
    note = (
        f"the newest sample of the whole store is {age} old: forecasting as of {format_moment(moment)}, "
        "the end of the data (pass --as-of to choose another moment)"
    )
    return moment, "watermark", note


def run_id_of(as_of_us: int, config: Config) -> str:
    """Return the identifier that this moment and these settings always have."""
    seed = f"{as_of_us}\0{config.sha256()}\0{__version__}"
    moment = format_moment(as_of_us).replace("-", "").replace(":", "")
    return f"{moment}-{hashlib.sha256(seed.encode()).hexdigest()[:8]}"


def _run_row(
    stamp: Stamp, source: str, counts: Mapping[str, int], taken: Taken, config: Config, store: Store
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
