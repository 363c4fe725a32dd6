"""Forecasts to compare: each takes training windows (N, T) and returns quantiles 0.1 ... 0.9, (N, H, 9)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from scores import CHANCES
from series import repeated
from statsforecast import models

from capforecast.forecast import forecast, quantiles
from capforecast.panel import DAY_US, HOUR_US, Panel
from capforecast.pool import FAR, NEAR, families

BLOCK = 64
LEAST_ERRORS = 48
Peer = Callable[[np.ndarray, int], np.ndarray]


def ours(
    train: np.ndarray, horizon: int, lower: np.ndarray, upper: np.ndarray, step_us: int = HOUR_US
) -> tuple[np.ndarray, np.ndarray]:
    """Return capforecast's mean (N, H) and quantiles (N, H, 9), as the nightly run forecasts that step."""
    near, far, _ = families("pool")
    pool, recipe = (near, NEAR) if step_us < DAY_US else (far, FAR)
    means, bands = [], []
    for i in range(0, len(train), BLOCK):
        part = np.array(train[i : i + BLOCK])
        limits = np.array(lower[i : i + BLOCK]), np.array(upper[i : i + BLOCK])
        result = forecast(Panel(part, step_us, np.zeros(len(part), np.int64), *limits), pool, horizon, recipe)
        means.append(result.mean)
        bands.append(quantiles(result, CHANCES.tolist()))
    return np.concatenate(means), np.concatenate(bands)


def known_quantiles(values: np.ndarray) -> np.ndarray:
    """Return the nine quantiles of each row's known values, as numpy's nanquantile but fast on many rows."""
    ordered = np.sort(values, axis=1)
    place = CHANCES * ((~np.isnan(ordered)).sum(axis=1)[:, None] - 1)
    low = place.astype(np.int64)
    below = np.take_along_axis(ordered, low, 1)
    above = np.take_along_axis(ordered, np.minimum(low + 1, ordered.shape[1] - 1), 1)
    return below + (place - low) * np.where(place > low, above - below, 0.0)


def seasonal_naive(train: np.ndarray, horizon: int, season: int) -> np.ndarray:
    """Repeat the last season; quantiles are those of its own past errors at the same distance in seasons."""
    filled = repeated(train, season)
    last = filled[:, -season:]
    # An hour of the day that was never measured has no last value: the newest value at all stands in.
    newest = np.array([row[~np.isnan(row)][-1] for row in train])
    last = np.where(np.isnan(last), newest[:, None], last)
    out = np.empty((len(train), horizon, CHANCES.size))
    spread = np.zeros((len(train), CHANCES.size))
    for k in range(-(-horizon // season)):
        errors = train[:, (k + 1) * season :] - filled[:, : -(k + 1) * season]
        # Fewer errors than that say too little: the spread of the distance before goes on.
        enough = (~np.isnan(errors)).sum(axis=1) >= LEAST_ERRORS
        if enough.any():
            spread[enough] = known_quantiles(errors[enough])
        stop = min((k + 1) * season, horizon)
        out[:, k * season : stop] = last[:, : stop - k * season, None] + spread[:, None, :]
    return out


def usable(row: np.ndarray, season: int) -> np.ndarray:
    """Return a history without gaps, as a user of a model that takes none would make it.

    Days (seasons, back from the origin) without any value are taken out, other gaps repeat the season before
    or, where that is missing too, the last value.
    """
    whole = row[row.size % season :].reshape(-1, season)
    row = whole[~np.isnan(whole).all(axis=1)].ravel()
    row = repeated(row[None, int(np.argmin(np.isnan(row))) :], season)[0]
    known = np.maximum.accumulate(np.where(np.isnan(row), 0, np.arange(row.size)))
    return row[known]


def normal_quantiles(made: dict[str, np.ndarray]) -> np.ndarray:
    """Return nine quantiles out of statsforecast's intervals of level 20, 40, 60 and 80."""
    low, high = ([made[f"{side}-{level}"] for level in (80, 60, 40, 20)] for side in ("lo", "hi"))
    return np.sort(np.stack([*low, made["mean"], *reversed(high)], axis=-1), axis=-1)


def statsforecast(make: Callable[[], Any], season: int) -> Peer:
    """Return a peer that fits one statsforecast model per series."""

    def run(train: np.ndarray, horizon: int) -> np.ndarray:
        made = [make().forecast(y=usable(row, season), h=horizon, level=[20, 40, 60, 80]) for row in train]
        return np.stack([normal_quantiles(one) for one in made])

    return run


def flair(letter: str, season: int) -> Peer | None:
    """Return flaircast as a peer, None when it is not installed (``pip install flaircast``)."""
    try:
        import flaircast
    except ModuleNotFoundError:
        return None

    def run(train: np.ndarray, horizon: int) -> np.ndarray:
        made = [flaircast.forecast(usable(row, season), horizon, letter, n_samples=500, seed=1) for row in train]
        return np.stack([np.quantile(one, CHANCES, axis=0).T for one in made])

    return run


def hourly_peers() -> dict[str, Peer]:
    """Return the peers of hourly data."""
    peers: dict[str, Peer | None] = {
        "statsf. SeasonalNaive(24)": statsforecast(lambda: models.SeasonalNaive(season_length=24), 24),
        "AutoETS(24)": statsforecast(lambda: models.AutoETS(season_length=24), 24),
        "AutoTheta(24)": statsforecast(lambda: models.AutoTheta(season_length=24), 24),
        "MSTL([24,168])": statsforecast(lambda: models.MSTL(season_length=[24, 168]), 24),
        "flaircast": flair("H", 24),
    }
    return {name: peer for name, peer in peers.items() if peer is not None}
