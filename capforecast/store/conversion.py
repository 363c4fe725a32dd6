"""In which unit each series is kept, and what its rows are in it, whichever unit they name.

A new series is kept in the canonical unit of its quantity. One that has samples already keeps the unit
that it has: what is in the store is never converted.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import lru_cache

import polars as pl

from capforecast import units

_factor = lru_cache(4096)(units.factor)
_canonical = lru_cache(65_536)(units.canonical)
_contradict = lru_cache(4096)(units.contradict)


@dataclass(slots=True)
class Conversion:
    """The units of all series, as the rows of an ingest come.

    Attributes
    ----------
    kept : dict of int to str
        Unit by series number; empty where nothing named one.
    given : dict of int to set of str
        Units that rows named, those of former ingests among them.
    """

    kept: dict[int, str] = field(default_factory=dict)
    given: dict[int, set[str]] = field(default_factory=dict)

    @classmethod
    def of(cls, known: pl.DataFrame) -> Conversion:
        """Return the units of the series of the catalog, by sid."""
        told = {sid: {unit} for sid, unit in enumerate(known["given"]) if unit}
        return cls(dict(enumerate(known["unit"])), told)

    def factor(self, sid: int, unit: str, metric: str) -> float:
        """Return by what a value must be multiplied; NaN where the series is of another quantity.

        Of rows of one series, those that name no unit must come last: they are in the unit of the others.
        """
        kept = self.kept.get(sid)
        told = self.given.get(sid)
        if not unit:
            self.kept.setdefault(sid, "")
            factor = _factor(min(told), kept) if told and kept else 1.0
            return 1.0 if math.isnan(factor) else factor
        if kept is None:
            found = _canonical(unit, metric)
            self.kept[sid], factor = found.canonical, found.factor
        elif not kept or (units.known(kept) is None and units.known(unit) is not None):
            # Values without a unit are taken to be in the one that is named later.
            found = _canonical(unit, metric)
            self.kept[sid], factor = found.canonical if found.factor == 1.0 else unit, 1.0
        elif _contradict(unit, kept):
            return math.nan
        else:
            factor = _factor(unit, kept)
            if math.isnan(factor):
                factor = 1.0
                if units.known(kept) is None:
                    self.kept[sid] = min(unit, kept)
        self.given.setdefault(sid, set()).add(unit)
        return factor

    def mixed(self) -> dict[int, list[str]]:
        """Return the series with samples in several units that cannot be converted into each other."""
        several = ((sid, sorted(told)) for sid, told in self.given.items() if len(told) > 1)
        return {sid: told for sid, told in several if math.isnan(sum(_factor(unit, told[0]) for unit in told))}


def scale() -> pl.Expr:
    """Return what one of the unit that samples came in is in the unit of their series, 1 where nothing is known."""
    pair = pl.struct("given", "unit")
    return pair.map_batches(_scales, return_dtype=pl.Float64).alias("scale")


def _scales(pairs: pl.Series) -> pl.Series:
    frame = pairs.struct.unnest()
    distinct = frame.unique(maintain_order=True)
    found = [_factor(given, unit) if given else 1.0 for given, unit in distinct.iter_rows()]
    known = distinct.with_columns(scale=pl.Series(found, dtype=pl.Float64).fill_nan(1.0))
    return frame.join(known, on=["given", "unit"], how="left", maintain_order="left").get_column("scale")
