"""Pictures for notebooks."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from capforecast.arguments import Moment, duration_text, moment_us, now_us, settings_of
from capforecast.config import Config
from capforecast.inquiry import adhoc
from capforecast.picture import Picture, pictures, stacked
from capforecast.settings import whole_days

MOST = 8


def plot(
    host: str,
    metric: str | None = None,
    *,
    instance: str | None = None,
    store: str | Path | None = None,
    config: Config | str | Path | None = None,
    as_of: Moment = None,
    horizon: str | timedelta | None = None,
) -> Picture:
    """Draw the series of a host as they are forecast now: history, band, thresholds, dates.

    Parameters
    ----------
    host, metric, instance : str
        Names; those that are left out stand for all. Of many series the most urgent eight are drawn.
    store : path, optional
        Directory of the store; that of the settings when left out.
    config : Config or path, optional
        Settings, or a capforecast.toml.
    as_of : int, str or datetime, optional
        Last moment that may be known.
    horizon : str or timedelta, optional
        How far ahead, in whole days such as "30d".

    Returns
    -------
    Picture
        A notebook shows it; ``svg()`` and ``png()`` (needs capforecast[png]) give it as a file.

    Raises
    ------
    UnknownNameError
        There is no such name; the nearest is proposed.
    DataError
        There are no samples before the moment.
    """
    settings = settings_of(config, store)
    if horizon is not None:
        ahead = whole_days(duration_text(horizon, "horizon"))
        settings = settings.model_copy(update={"run": settings.run.model_copy(update={"horizon": ahead})})
    tables = adhoc(
        settings.store.path,
        settings,
        host=host,
        metric=metric,
        instance=instance,
        as_of_us=moment_us(as_of),
        now_us=now_us(),
    )
    return stacked(pictures(tables)[:MOST])
