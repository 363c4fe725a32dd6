"""What a store says about some series now, without publishing."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import polars as pl

from capforecast.config import Config
from capforecast.errors import DataError, UnknownNameError
from capforecast.previous import breaches_before, memory_at
from capforecast.run import moment_of, run_id_of
from capforecast.store import Store
from capforecast.survey import Survey, survey
from capforecast.tables import Stamp


def adhoc(
    store_path: str | Path,
    config: Config,
    *,
    host: str,
    now_us: int,
    metric: str | None = None,
    instance: str | None = None,
    as_of_us: int | None = None,
) -> Mapping[str, pl.DataFrame]:
    """Forecast the series of one host now, by the same way as the nightly job, without publishing.

    Returns
    -------
    dict of DataFrame
        The tables breaches, forecasts, series and backtests.

    Raises
    ------
    UnknownNameError
        The store has no such host, metric or instance; the nearest is proposed.
    DataError
        The host goes on under another name.
    """
    with Store.open(store_path) as store:
        named = {"host": host, "metric": metric, "instance": instance}
        return of_names(store, config, named, now_us=now_us, as_of_us=as_of_us).tables


def of_names(
    store: Store, config: Config, names: Mapping[str, str | None], *, now_us: int, as_of_us: int | None
) -> Survey:
    """Do what `adhoc` does with an open store, and keep how it came about; a name that is None stands for all."""
    _must_be_known(store, names)
    moment, _, _ = moment_of(store, config, now_us, as_of_us)
    stamp = Stamp(run_id_of(moment, config), moment)
    before, memory = breaches_before(store, moment)[0], memory_at(store, config, moment)
    found = survey(store, config, stamp, names=names, before=before, memory=memory)
    newer = next((rename.new for rename in config.renames if rename.old == names.get("host")), None)
    if newer is not None and not found.counts["series"]:
        raise DataError(
            "a host must be asked for by its present name",
            got=f"{names['host']!r}, which is renamed to {newer!r}", do=f"Ask for {newer!r}",
        )  # fmt: skip
    return found


def _must_be_known(store: Store, names: Mapping[str, str | None]) -> None:
    """Refuse names that no series of a store has together."""
    series = store.series()
    for name, wanted in names.items():
        if wanted is not None:
            known = series.get_column(name).unique().to_list()
            series = series.filter(pl.col(name) == wanted)
            if series.is_empty():
                raise UnknownNameError(name, wanted, known)
