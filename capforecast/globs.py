"""Which series match globs on host, metric and instance.

Names are data: only the glob is a pattern. Each distinct name is compared once with each distinct
glob, and a glob without wildcards is looked up, so that a million series are no more work than
their distinct names.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from fnmatch import translate

import numpy as np
import polars as pl
from numpy.typing import NDArray

SERIES = ("host", "metric", "instance")
Rows = NDArray[np.int64]


class Names:
    """Which rows of a series frame match globs; each distinct name is looked at once per distinct glob."""

    def __init__(self, series: pl.DataFrame):
        self.rows = series.height
        self._codes: dict[str, Rows] = {}
        self._values: dict[str, list[str]] = {}
        self._matched: dict[tuple[str, str], Rows | None] = {}
        for name in SERIES:
            column = series.select(pl.col(name).cast(pl.String)).with_row_index("row")
            distinct = column.group_by(name, maintain_order=True).agg(pl.col("row").min())
            distinct = distinct.select(name).with_row_index("code")
            codes = column.join(distinct, on=name, how="left", maintain_order="left", nulls_equal=True)
            self._codes[name] = codes.get_column("code").to_numpy().astype(np.int64)
            self._values[name] = distinct.get_column(name).fill_null("").to_list()
        self._lookup = {name: {v: i for i, v in enumerate(values)} for name, values in self._values.items()}
        order = np.argsort(self._codes["host"], kind="stable")
        counts = np.bincount(self._codes["host"], minlength=len(self._values["host"]))
        self._by_host, self._offsets = order, np.concatenate([[0], np.cumsum(counts)])

    def any(self, host: str, metric: str, instance: str) -> bool:
        """Tell whether any row matches all three globs."""
        globs = [(name, glob) for name, glob in zip(SERIES, (host, metric, instance), strict=True) if glob != "*"]
        # Every name that is known has a row: only two globs can miss each other.
        found = [self._match(name, glob) for name, glob in globs]
        if any(codes is not None and not codes.size for codes in found):
            return False
        return bool(self.rows) and (len(globs) < 2 or bool(self.match(host, metric, instance).size))

    def is_host(self, name: str) -> bool:
        """Tell whether a row has this very host."""
        return name in self._lookup["host"]

    def metrics(self) -> list[str]:
        """Return the metrics, each once."""
        return self._values["metric"]

    def match(self, host: str, metric: str, instance: str) -> Rows:
        """Return the rows, ascending, whose names match all three globs."""
        found = {name: self._match(name, glob) for name, glob in zip(SERIES, (host, metric, instance), strict=True)}
        hosts = found.pop("host")
        if hosts is None:
            rows = np.arange(self.rows)
        else:
            parts = [self._by_host[self._offsets[code] : self._offsets[code + 1]] for code in hosts]
            rows = np.sort(np.concatenate(parts)) if parts else np.empty(0, np.int64)
        for name, codes in found.items():
            if codes is not None:
                wanted = np.zeros(len(self._values[name]), bool)
                wanted[codes] = True
                rows = rows[wanted[self._codes[name][rows]]]
        return rows

    def _match(self, name: str, glob: str) -> Rows | None:
        """Return the codes of the names that match; None for all of them."""
        if glob == "*":
            return None
        if not any(special in glob for special in "*?["):
            code = self._lookup[name].get(glob)
            return np.array([] if code is None else [code], np.int64)
        if (name, glob) not in self._matched:
            fits = re.compile(translate(glob)).match
            self._matched[name, glob] = np.array(
                [code for code, value in enumerate(self._values[name]) if fits(value)], np.int64
            )
        return self._matched[name, glob]


def matching(series: pl.DataFrame, globs: Sequence[tuple[str, str, str]]) -> pl.Series:
    """Return per row of `series` whether any (host, metric, instance) glob matches."""
    names = Names(series)
    found = np.zeros(series.height, bool)
    for host, metric, instance in globs:
        found[names.match(host or "*", metric or "*", instance or "*")] = True
    return pl.Series("matching", found)
