"""The verbs as functions: frames of any library in, polars frames out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import polars as pl

from capforecast.adhoc import forecast_frame
from capforecast.arguments import Moment, duration_text, moment_us, now_us, probabilities, settings_of, to_polars
from capforecast.backtests import summary
from capforecast.config import Config
from capforecast.errors import ConfigError
from capforecast.explain import explain as explain_names
from capforecast.explanation import Explanation
from capforecast.lookback import Lookback, look_back
from capforecast.questions import Asking
from capforecast.replay import replay as replay_frames
from capforecast.run import RunResult, ingest_sources, nightly
from capforecast.settings import check_steps, model_name
from capforecast.sources import ReadOptions
from capforecast.store import Ingested, scan_published
from capforecast.times import parse_duration

Progress = Callable[[str, int, int | None], None]


def forecast(
    frame: Any,
    horizon: str | timedelta = "48h",
    step: str | timedelta = "1h",
    *,
    quantiles: float | Sequence[float] = (0.1, 0.5, 0.9),
    as_of: Moment = None,
    model: str = "pool",
) -> pl.DataFrame:
    """Forecast every series of a frame of samples; no store is needed.

    Parameters
    ----------
    frame : DataFrame
        host (or series_id), metric, ts and value (instance and unit are optional); polars, pandas, Arrow.
    horizon, step : str or timedelta
        How far ahead and in which steps, such as "48h" and "1h".
    quantiles : float or sequence of float
        Probabilities inside (0, 1).
    as_of : int, str or datetime, optional
        Last moment that may be known; an int is microseconds since the epoch.
    model : str
        ``pool``, one of its members or ``statsforecast:NAME``.

    Returns
    -------
    polars.DataFrame
        One row per series and future step: host, metric, instance, ts, mean, one column per quantile
        (``q0.1``), status.

    Raises
    ------
    SchemaError, ConfigError, DataError
    """
    horizon, step = duration_text(horizon, "horizon"), duration_text(step, "step")
    check_steps(horizon, step)
    samples = to_polars(frame)
    if "host" not in samples.columns and "series_id" in samples.columns:
        samples = samples.rename({"series_id": "host"})
    return forecast_frame(
        samples,
        horizon=horizon,
        step=step,
        quantiles=probabilities(quantiles),
        as_of_us=moment_us(as_of),
        model=_model(model),
    )


def replay(cases: Any, samples: Any, *, model: str = "pool", learning: bool = True) -> pl.DataFrame:
    """Return the cases with what would have been foreseen at their cutoffs.

    Parameters
    ----------
    cases : DataFrame
        case_id, host (or series_id), metric, threshold, cutoff, horizon_s; instance, direction and
        sustain_s are optional.
    samples : DataFrame
        host (or series_id), metric, ts, value; only those before a case's cutoff are used for it.
    model : str
        ``pool``, one of its members or ``statsforecast:NAME``.
    learning : bool
        Correct the paths by what past windows of all series of the metric kind teach, from windows that had
        ended before a case's cutoff.
    """
    return replay_frames(to_polars(cases), to_polars(samples), model=_model(model), learning=learning)


def replay_store(  # noqa: PLR0913 - options of the command, most of them left out
    store: str | Path | None = None,
    *,
    config: Config | str | Path | None = None,
    since: str | timedelta = "60d",
    every: str | timedelta = "7d",
    horizon: str | timedelta | Sequence[str | timedelta] = ("7d", "30d"),
    most: int = 10_000,
    warn_at: float = 0.5,
    progress: Progress | None = None,
) -> Lookback:
    """Forecast a store's past nights again and say which crossings that came would have been warned of.

    Parameters
    ----------
    store : path, optional
        Directory of the store; that of the settings when left out.
    config : Config or path, optional
        Settings, or a capforecast.toml.
    since, every : str or timedelta
        How far before the end of the data the oldest night lies, and how far nights are apart, in whole days.
    horizon : str or timedelta, or a sequence of them
        How far ahead each night looks, in whole days.
    most : int
        Cases at most, chosen by a hash of names and nights.
    warn_at : float
        Probability from which on a case counts as a warning.
    progress : callable, optional
        Called with stage, done and total.

    Returns
    -------
    Lookback
        ``figures`` (scores per horizon and metric), ``cases`` (each with what was said and what came) and
        ``messages``.

    Raises
    ------
    ConfigError, DataError, StoreError
    """
    settings = settings_of(config, store)
    horizons = [horizon] if isinstance(horizon, str | timedelta) else list(horizon)
    spans = [parse_duration(duration_text(one, "horizon"), name="horizon") for one in horizons]
    back = parse_duration(duration_text(since, "since"), name="since")
    asking = Asking(back, parse_duration(duration_text(every, "every"), name="every"), tuple(spans), most)
    return look_back(settings.store.path, settings, asking, warn_at=warn_at, progress=progress)


def explain(
    host: str,
    metric: str | None = None,
    *,
    instance: str | None = None,
    threshold: str | None = None,
    store: str | Path | None = None,
    config: Config | str | Path | None = None,
    as_of: Moment = None,
) -> list[Explanation]:
    """Explain the thresholds of a host's series: drivers, evidence, grade, and what would change the date.

    Parameters
    ----------
    host, metric, instance, threshold : str
        Names; those that are left out stand for all.
    store : path, optional
        Directory of the store; that of the settings when left out.
    config : Config or path, optional
        Settings, or a capforecast.toml.
    as_of : int, str or datetime, optional
        Last moment that may be known.

    Returns
    -------
    list of Explanation
        The thresholds of the most urgent series first; each has ``text()`` and ``to_dict()``.

    Raises
    ------
    UnknownNameError
        There is no such name; the nearest is proposed.
    DataError
        There are no samples before the moment, or no threshold.
    """
    settings = settings_of(config, store)
    return explain_names(
        settings.store.path,
        settings,
        {"host": host, "metric": metric, "instance": instance},
        threshold=threshold,
        as_of_us=moment_us(as_of),
        now_us=now_us(),
    )


def run(
    store: str | Path | None = None,
    *,
    config: Config | str | Path | None = None,
    as_of: Moment = None,
    wait_seconds: float = 0.0,
    progress: Progress | None = None,
    refit: bool = False,
) -> RunResult:
    """Do the nightly job: ingest the configured sources, forecast, publish.

    Parameters
    ----------
    store : path, optional
        Directory of the store; that of the settings when left out.
    config : Config or path, optional
        Settings, or a capforecast.toml.
    as_of : int, str or datetime, optional
        Last moment that may be known.
    wait_seconds : float
        How long to wait for another run.
    progress : callable, optional
        Called with stage, done and total.
    refit : bool
        Fit every series anew, also those whose last forecast still holds.

    Raises
    ------
    CapforecastError
        Nothing was published; what was published before stands.
    """
    settings = settings_of(config, store)
    return nightly(
        settings.store.path,
        settings,
        as_of_us=moment_us(as_of),
        now_us=now_us(),
        wait_seconds=wait_seconds,
        progress=progress,
        refit=refit,
    )


def backtest(
    store: str | Path | None = None,
    *,
    metric: str | None = None,
    where: str | Sequence[str] = (),
    run_id: str | None = None,
    config: Config | str | Path | None = None,
) -> pl.DataFrame:
    """Sum up how the forecasts of a published run did on their own past, by metric and distance ahead.

    Parameters
    ----------
    store : path, optional
        Directory of the store; that of the settings when left out.
    metric : str, optional
        Only metrics that match this glob.
    where : str or sequence of str
        Conditions such as ``"team = 'db' and grade in (A, B)"`` or ``"host=db-*"``, all of which must hold.
    run_id : str, optional
        A run of the past; the latest when left out.
    config : Config or path, optional
        Settings, or a capforecast.toml.

    Returns
    -------
    polars.DataFrame
        See `capforecast.backtests.summary`.

    Raises
    ------
    UnknownNameError, ConfigError, DataError, StoreError
    """
    tables = scan_published(settings_of(config, store).store.path, run_id)
    where = (where,) if isinstance(where, str) else where
    return summary(tables["backtests"], tables["series"], metric=metric, where=where)


def ingest(
    sources: str | Path | Sequence[str | Path],
    store: str | Path | None = None,
    *,
    config: Config | str | Path | None = None,
    options: ReadOptions | None = None,
    as_of: Moment = None,
    wait_seconds: float = 0.0,
    tell: Callable[[str, tuple[str, ...]], None] | None = None,
) -> list[tuple[str, Ingested]]:
    """Take the samples of files into a store, which is made if missing; return what became of each file.

    `tell` is called with each file that has columns of which nothing was read, and with their names.

    Raises
    ------
    SourceError, SchemaError, DataError
        A file cannot be read; those before it stay ingested. Where not all objects of a bucket or queries of a
        server could be taken, `taken` of the error says which were.
    """
    settings = settings_of(config, store)
    locations = [sources] if isinstance(sources, str | Path) else list(sources)
    return ingest_sources(
        settings.store.path,
        [str(location) for location in locations],
        options or ReadOptions(timezone=settings.ingest.timezone),
        settings,
        as_of_us=moment_us(as_of),
        now_us=now_us(),
        wait_seconds=wait_seconds,
        tell=tell,
    )


def _model(name: object) -> str:
    if not isinstance(name, str):
        raise ConfigError("model must be a name", got=repr(name), do="Write pool or statsforecast:AutoETS")
    return model_name(name)
