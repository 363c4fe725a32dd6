"""In which unit each series is kept, and what its rows are in it, whichever unit they name.

A new series is kept in the canonical unit of its quantity. One that has samples already keeps the unit
that it has: what is in the store is never converted, and what comes later never changes what it means.
Rows that name no unit, or one that nobody knows, are in the unit that the first rows of the series named.
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
    given : dict of int to str
        Unit that the first rows named, in which those are that name none that is known.
    told : dict of int to set of str
        Units of rows that were taken, the one of former ingests among them.
    """

    kept: dict[int, str] = field(default_factory=dict)
    given: dict[int, str] = field(default_factory=dict)
    told: dict[int, set[str]] = field(default_factory=dict)

    @classmethod
    def of(cls, known: pl.DataFrame) -> Conversion:
        """Return the units of the series of the catalog, by sid."""
        given = {sid: unit for sid, unit in enumerate(known["given"]) if unit}
        return cls(dict(enumerate(known["unit"])), given, {sid: {unit} for sid, unit in given.items()})

    def factor(self, sid: int, unit: str, metric: str) -> float:
        """Return by what a value must be multiplied; NaN where the series is of another quantity.

        The rows of one series must come in the order of `order`, so that theirs does not matter.
        """
        found = self._named(sid, unit, metric) if unit and units.known(unit) is not None else self._vague(sid, unit)
        if unit and not math.isnan(found):
            self.told.setdefault(sid, set()).add(unit)
        return found

    def _named(self, sid: int, unit: str, metric: str) -> float:
        kept = self.kept.get(sid)
        if kept and _contradict(unit, kept):
            return math.nan
        if kept and units.known(kept) is not None:
            self.given.setdefault(sid, unit)
            return _factor(unit, kept)
        self.given[sid] = unit
        found = _canonical(unit, metric)
        if kept is None:
            self.kept[sid] = found.canonical
            return found.factor
        # Values of no unit, or of one that is not known, are taken to be in the one that is named later.
        self.kept[sid] = found.canonical if found.factor == 1.0 else unit
        return 1.0

    def _vague(self, sid: int, unit: str) -> float:
        kept, given = self.kept.setdefault(sid, unit), self.given.get(sid, "")
        if units.known(kept) is None or not kept:
            # Of several that are not known one must be told, whichever came first.
            named = [one for one in (kept, given, unit) if one]
            self.kept[sid] = self.given[sid] = min(named, default="")
            return 1.0
        factor = _factor(given, kept) if given else 1.0
        return 1.0 if math.isnan(factor) else factor

    def mixed(self) -> dict[int, list[str]]:
        """Return the series with samples in several units that cannot be converted into each other."""
        several = ((sid, sorted(told)) for sid, told in self.told.items() if len(told) > 1)
        return {sid: told for sid, told in several if math.isnan(sum(_factor(unit, told[0]) for unit in told))}


def order(names: pl.Series) -> pl.Series:
    """Return the place of each unit among those of one series: what is known, then what is not, then none."""
    vague = [unit for unit in names.unique().to_list() if unit and units.known(unit) is None]
    place = pl.when(names == "").then(2).when(names.is_in(vague)).then(1).otherwise(0)
    return pl.select(place.alias("place")).to_series()


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
