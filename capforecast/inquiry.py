"""What a store says about some series now, without publishing."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import polars as pl

from capforecast.config import Config
from capforecast.errors import UnknownNameError
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
    """
    with Store.open(store_path) as store:
        named = {"host": host, "metric": metric, "instance": instance}
        return of_names(store, config, named, now_us=now_us, as_of_us=as_of_us).tables


def of_names(
    store: Store, config: Config, names: Mapping[str, str | None], *, now_us: int, as_of_us: int | None
) -> Survey:
    """Do what `adhoc` does with an open store, and keep how it came about; a name that is None stands for all."""
    series = store.series()
    for name, wanted in names.items():
        if wanted is not None:
            known = series.get_column(name).unique().to_list()
            series = series.filter(pl.col(name) == wanted)
            if series.is_empty():
                raise UnknownNameError(name, wanted, known)
    moment, _, _ = moment_of(store, config, now_us, as_of_us)
    stamp = Stamp(run_id_of(moment, config), moment)
    before, memory = breaches_before(store, moment)[0], memory_at(store, config, moment)
    return survey(store, config, stamp, series=series, before=before, memory=memory)
