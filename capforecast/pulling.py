"""Configured servers, query by query: each is read from where the last reading ended, and is an ingest of its own."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import polars as pl

from capforecast import registry
from capforecast.access import access_of
from capforecast.address import parse_address
from capforecast.config import Config
from capforecast.exchange import Limits
from capforecast.ingest import FAILURES, ingest
from capforecast.servers import Pull, Server
from capforecast.settings import SourceSettings
from capforecast.settings_server import QuerySettings
from capforecast.sources import Batch, ReadOptions
from capforecast.store import Ingested, Store
from capforecast.times import SECOND_US, parse_duration, parse_step

STEP = "5m"
"""Distance of samples where a server can choose it and the settings do not."""


@dataclass(slots=True)
class _Asked:
    """A query as a source: it reads what it was asked for, whatever the location."""

    name: str
    server: Server
    pull: Pull
    general: bool = False

    def claims(self, location: str, head: bytes) -> bool:
        """Tell that no file is meant."""
        return False

    def read(self, location: str, options: ReadOptions) -> Iterator[Batch]:
        """Yield the samples of the query."""
        yield from self.server.read(self.pull)


def pulled(store: Store, settings: SourceSettings, config: Config, as_of_us: int) -> Iterator[Ingested | str]:
    """Ask a server every query of its settings; yield what became of each, or why it failed.

    The first reading of a query goes back over the settings' ``history``; a later one begins ``overlap`` before
    the last sample of the one before. A query that was changed is another one.

    Parameters
    ----------
    store : Store
        Open for writing.
    settings : SourceSettings
        A source whose location names a server.
    config : Config
        Settings.
    as_of_us : int
        The moment of this run: nothing later is asked for.
    """
    for query in settings.queries:
        name = query_name(settings, query, config)
        hidden: Callable[[str], str] = str
        try:
            pull = pull_of(settings, query, config, range_us(store, name, settings, as_of_us))
            hidden = pull.access.hidden
            asked = _Asked(pull.address.server, registry.load("server", pull.address.server)(), pull)
            yield ingest(store, name, asked, ReadOptions(), config, as_of_us=as_of_us)
        except FAILURES as error:
            place = f"{settings.location}#{query.metric}"
            # What is quoted of an answer may hold what the server was shown.
            yield hidden(error.about(place))


def query_name(settings: SourceSettings, query: QuerySettings, config: Config) -> str:
    """Return the name of a query in the ledger: where, what, and a digest of how and as whom it is asked."""
    how = [
        query.query, query.unit or settings.unit, settings.step, settings.host, sorted(settings.map.items()),
        settings.timezone or config.ingest.timezone, settings.user, settings.secret_env, settings.secret_file,
        sorted(settings.headers.items()),
    ]  # fmt: skip
    digest = hashlib.sha256(json.dumps(how).encode()).hexdigest()[:8]
    return f"{settings.location}#{query.metric}@{digest}"


def range_us(store: Store, name: str, settings: SourceSettings, as_of_us: int) -> tuple[int, int]:
    """Return the first moment to ask for, and the first that is not wanted any more.

    The last reading knew nothing after its own moment, even where a clock that is ahead says so. One that brought
    no good row reached nothing.
    """
    ledger = store.ledger()
    before = ledger.filter((pl.col("source") == name) & pl.col("last_ts").is_not_null()).select(
        pl.min_horizontal("last_ts", "started").dt.epoch("us").max()
    )
    known = before.item() if before.height else None
    if known is None:
        return max(0, as_of_us - parse_duration(settings.history)), as_of_us
    return max(0, min(known, as_of_us) - parse_duration(settings.overlap)), as_of_us


def pull_of(settings: SourceSettings, query: QuerySettings, config: Config, span: tuple[int, int]) -> Pull:
    """Return a query of the settings for a range of time.

    Raises
    ------
    SourceError
        The secret cannot be read.
    """
    total = parse_duration(settings.deadline) / SECOND_US
    silence = parse_duration(settings.timeout) / SECOND_US
    return Pull(
        address=parse_address(settings.location),
        metric=query.metric,
        query=query.query,
        from_us=span[0],
        to_us=span[1],
        unit=query.unit or settings.unit or "",
        step_us=parse_step(settings.step or STEP),
        mapping=dict(settings.map),
        host=settings.host,
        timezone=settings.timezone or config.ingest.timezone,
        access=access_of(settings),
        limits=Limits(min(10.0, silence), silence, total),
    )
