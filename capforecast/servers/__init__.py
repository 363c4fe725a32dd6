"""Where samples come from when somebody else stores them: the contract of a server.

A server is asked one query for one range of time, and yields batches as a source does (`capforecast.sources`).
It knows nothing of the store or of earlier readings. It answers whole or not at all: what the other side calls
partial is an error. No part of it holds more than a window of the answer in memory.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Protocol

from capforecast.access import Access
from capforecast.address import Address
from capforecast.exchange import Limits
from capforecast.sources import Batch, ReadOptions
from capforecast.times import SECOND_US, from_us


@dataclass(frozen=True, slots=True)
class Pull:
    """One query for one range of time.

    Attributes
    ----------
    address : Address
        Where the server is.
    metric, query, unit : str
        What the answer is, what is asked in the server's language, and the unit of the values where the data
        name none.
    from_us, to_us : int
        First moment that is wanted, and the first that is not any more, microseconds since the epoch.
    step_us : int
        Distance of the samples, where the server can choose it.
    mapping : dict
        Canonical column (host, instance ...) to the server's label or column.
    host : str, optional
        Host of every sample, where the data have none.
    timezone : str
        Zone of times that carry none.
    access : Access
        What is shown to the server.
    limits : Limits
        How long it may take.
    chunk_rows : int
        Most rows of a batch.
    """

    address: Address
    metric: str
    query: str
    from_us: int
    to_us: int
    unit: str = ""
    step_us: int = 300_000_000
    mapping: dict[str, str] = field(default_factory=dict)
    host: str | None = None
    timezone: str = "UTC"
    access: Access = Access()
    limits: Limits = Limits()
    chunk_rows: int = 4_000_000

    @property
    def where(self) -> str:
        """The query as messages name it."""
        return f"{self.address.location}#{self.metric}"

    def read_options(self) -> ReadOptions:
        """Return how a table is read that answers the query."""
        return ReadOptions(
            mapping=self.mapping, timezone=self.timezone, host=self.host, metric=self.metric, unit=self.unit or None,
            chunk_rows=self.chunk_rows,
        )  # fmt: skip

    def sql(self) -> str:
        """Return the query with the range in place of {since}, {until} (text of UTC), {since_s} and {until_s}."""
        text = self.query
        for name, us in (("since", self.from_us), ("until", self.to_us)):
            seconds = us // SECOND_US
            moment = f"'{from_us(seconds * SECOND_US):%Y-%m-%d %H:%M:%S}'"
            text = text.replace(f"{{{name}}}", moment).replace(f"{{{name}_s}}", str(seconds))
        return text


class Server(Protocol):
    """One kind of server."""

    name: str

    def read(self, pull: Pull) -> Iterator[Batch]:
        """Yield the samples of a query.

        Raises
        ------
        SourceError
            The server could not be reached, refused, took too long, or answered less than it was asked for; the
            message holds no secret.
        SchemaError
            The answer lacks what makes a sample.
        """
        ...
