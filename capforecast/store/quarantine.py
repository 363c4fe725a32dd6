"""Rows for quarantine: gathered as they come, written in the order of their source, never all in memory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
from numpy.typing import NDArray

from capforecast.rejected import by_reason
from capforecast.store import durable
from capforecast.store.parquet import ROW_GROUP, Part, read, write_tables

REJECTS = pl.Schema({"line": pl.Int64(), "reason": pl.String(), "raw": pl.String()})
HELD_BYTES = 32 << 20
"""Size of the rows that wait in memory before they go to a scratch file."""
_QUARANTINE = pa.schema([("source", pa.string()), ("line", pa.int64()), ("reason", pa.string()), ("raw", pa.string())])


@dataclass(frozen=True, slots=True)
class _Run:
    """Rows in a scratch file, by line; their lines are in memory."""

    path: Path
    lines: NDArray[np.int64]

    def slice(self, first: int, count: int) -> pl.DataFrame:
        with pa.memory_map(str(self.path)) as mapped, pa.ipc.open_file(mapped) as file:
            return pl.DataFrame(pl.from_arrow(file.read_all().slice(first, count)))


@dataclass(slots=True)
class Rejects:
    """The rows of one ingest that go to quarantine.

    Attributes
    ----------
    staging : Path
        Where they wait when they are many.
    reasons, lines : dict of int
        Rows by reason, and the first line of each where lines are known.
    """

    staging: Path
    reasons: dict[str, int] = field(default_factory=dict)
    lines: dict[str, int] = field(default_factory=dict)
    _held: list[pl.DataFrame] = field(default_factory=list)
    _bytes: int = 0
    _runs: list[_Run] = field(default_factory=list)

    def add(self, rows: pl.DataFrame) -> None:
        """Take rows with the columns of `REJECTS`."""
        if not rows.height:
            return
        rows = rows.select(list(REJECTS)).cast(REJECTS)
        counts, lines = by_reason(rows)
        for reason, count in counts.items():
            self.reasons[reason] = self.reasons.get(reason, 0) + count
        for reason, line in lines.items():
            self.lines[reason] = min(line, self.lines.get(reason, line))
        self._held.append(rows)
        self._bytes += int(rows.estimated_size())
        if self._bytes > HELD_BYTES:
            self._spill()

    def tables(self) -> Iterator[pl.DataFrame]:
        """Yield the rows by line, those of a line as they came; the same frames whatever was in memory."""
        if not self._runs:
            whole = self._sorted()
            yield from (whole.slice(first, ROW_GROUP) for first in range(0, whole.height, ROW_GROUP))
            return
        if self._held:
            self._spill()
        starts = np.cumsum([0, *(run.lines.size for run in self._runs)])
        order = np.argsort(np.concatenate([run.lines for run in self._runs]), kind="stable")
        for first in range(0, order.size, ROW_GROUP):
            # Runs are sorted, so what a row group has of one of them stands together there.
            places = np.sort(order[first : first + ROW_GROUP])
            bounds = np.searchsorted(places, starts).tolist()
            taken = [
                run.slice(int(places[low] - start), high - low)
                for run, start, low, high in zip(self._runs, starts, bounds, bounds[1:], strict=False)
                if high > low
            ]
            yield pl.concat(taken).sort("line", maintain_order=True)

    def _sorted(self) -> pl.DataFrame:
        return pl.concat([REJECTS.to_frame(), *self._held]).sort("line", maintain_order=True)

    def _spill(self) -> None:
        rows = self._sorted()
        table, sink = rows.to_arrow(), pa.BufferOutputStream()
        with pa.ipc.new_file(sink, table.schema) as file:
            file.write_table(table)
        path = self.staging / f"rejects-{len(self._runs)}"
        durable.make_directory(self.staging)
        durable.write_scratch(path, {"rows": np.frombuffer(sink.getvalue(), np.uint8)})
        self._runs.append(_Run(path, rows["line"].fill_null(-1).to_numpy()))
        self._held, self._bytes = [], 0


def write_quarantine(store: Path, source: str, sha256: str, commit: int, rejects: Rejects) -> list[Part]:
    """Write the rejected rows of a source; no part where there are none.

    Parameters
    ----------
    store : Path
        Where the part goes.
    source, sha256 : str
        What was read, and what stands for its content.
    commit : int
        Number of the commit to come.
    rejects : Rejects
        The rows.
    """
    if not rejects.reasons:
        return []
    path = f"quarantine/{sha256[:32]}.c{commit:08d}.parquet"
    named = (rows.select(pl.lit(source).alias("source"), *REJECTS).to_arrow() for rows in rejects.tables())
    part = Part("quarantine", path, 0, -1, -1, 0, owner=sha256)
    return [write_tables(store, part, _QUARANTINE, (table.cast(_QUARANTINE) for table in named))]


def read_quarantine(store: Path, parts: list[Part], sha256: str | None) -> pl.DataFrame:
    """Return quarantined rows of one source, or of all."""
    frames = [pl.DataFrame(schema={"source": pl.String, **REJECTS})]
    for part in parts:
        if sha256 in (None, part.owner):
            frame = pl.DataFrame(pl.from_arrow(read(store / part.path, _QUARANTINE.names)))
            frames.append(frame.cast(frames[0].schema))
    return pl.concat(frames)
