"""Taking many sources in: one that cannot be read stops none of the others."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from capforecast.config import Config
from capforecast.errors import CapforecastError, DamagedError, DataError, SchemaError, SourceError
from capforecast.rejected import Rejected
from capforecast.run import PartlyTakenError, files_of, ingest_sources
from capforecast.sources import ReadOptions
from capforecast.store import Ingested

_COUNTED = ("rows_in", "accepted", "duplicate", "conflict", "quarantined", "reasons", "warnings")


@dataclass(slots=True)
class Tally:
    """What became of each file.

    Attributes
    ----------
    counts : list of dict
        source, rows_in, accepted, duplicate, conflict, quarantined, reasons and warnings of each file that was taken.
    left_out : dict
        Of each file that has some: its columns of which nothing was read.
    rejected : Rejected
        Why rows are in quarantine.
    failed : list of str
        Why a location or a file was not.
    stopped : CapforecastError, optional
        What ended the work before all files were tried: the store or an option, not a source.
    """

    counts: list[dict[str, Any]] = field(default_factory=list)
    left_out: dict[str, tuple[str, ...]] = field(default_factory=dict)
    rejected: Rejected = field(default_factory=Rejected)
    failed: list[str] = field(default_factory=list)
    stopped: CapforecastError | None = None

    def add(self, found: Iterable[tuple[str, Ingested]]) -> None:
        """Count what was taken."""
        for place, one in found:
            self.counts.append({"source": place, **{key: getattr(one, key) for key in _COUNTED}})
            self.rejected.add(place, one.reasons, one.lines)


def take(
    config: Config,
    locations: Sequence[str],
    options: ReadOptions,
    *,
    as_of_us: int | None,
    now_us: int,
    wait_seconds: float,
    progress: Callable[[str, int, int | None], None],
) -> Tally:
    """Bring files and directories into the store of the settings, file by file."""
    taken = Tally()
    files = []
    for location in locations:
        try:
            files += files_of(location, config)
        except SourceError as error:
            taken.failed.append(error.about(location))
    for done, name in enumerate(files):
        progress("ingest", done, len(files))
        try:
            found = ingest_sources(
                config.store.path, [name], options, config,
                as_of_us=as_of_us, now_us=now_us, wait_seconds=wait_seconds, tell=taken.left_out.__setitem__,
            )  # fmt: skip
        except PartlyTakenError as error:
            taken.failed += error.failed
            taken.add(error.taken)
        except (SourceError, SchemaError, DataError, DamagedError) as error:
            taken.failed.append(error.about(name))
        except CapforecastError as error:
            taken.stopped = error
            break
        else:
            taken.add(found)
    progress("ingest", len(files), len(files))
    return taken
