"""Many hourly series at once, for benches that need numbers rather than names."""

from __future__ import annotations

import numpy as np

from capforecast.errors import ConfigError
from capforecast.simulate.clock import Floats

FAMILIES = (
    "steady",
    "daily",
    "daily_weekly",
    "growth",
    "sawtooth",
    "level_shift",
    "nightly_batch",
    "bursty",
)
_KEEP = 0.6
_DRAWS = 6


def matrix(series: int, hours: int, *, seed: int) -> Floats:
    """Return hourly levels between 0 and 100 of a mixed fleet.

    Parameters
    ----------
    series, hours : int
        Size of the result, each at least 1.
    seed : int
        Seed of all randomness, not negative.

    Returns
    -------
    float64 (series, hours)
        C-contiguous, without NaN. The last column ends at a Monday's midnight (UTC). Row i belongs
        to family ``FAMILIES[i % 8]`` and does not depend on the number of rows.

    Raises
    ------
    ConfigError
        A size is below 1, or the seed is negative.
    """
    if series < 1 or hours < 1 or seed < 0:
        raise ConfigError(
            "series and hours must be at least 1, seed not negative",
            got=(series, hours, seed),
            where="matrix()",
        )
    draws = np.empty((series, _DRAWS))
    out = np.empty((series, hours))
    for row in range(series):
        rng = np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, row])))
        draws[row] = rng.random(_DRAWS)
        rng.standard_normal(out=out[row])
    _remember(out)
    for family, name in enumerate(FAMILIES):
        rows = slice(family, None, len(FAMILIES))
        out[rows] = _family(name, draws[rows].T[:, :, None], out[rows])
    return np.clip(out, 0.0, 100.0, out=out)


def _remember(noise: Floats) -> None:
    """Turn white noise into noise of the same spread that remembers some hours, in place."""
    noise[:, 1:] *= np.sqrt(1 - _KEEP**2)
    for column in range(1, noise.shape[1]):
        noise[:, column] += _KEEP * noise[:, column - 1]


def _family(name: str, u: Floats, noise: Floats) -> Floats:
    """Return the levels of one family; `u` (6, n, 1) are draws from 0 to 1, `noise` is (n, hours)."""
    hours = noise.shape[1]
    t = np.arange(-hours, 0, dtype=np.float64)
    wave = 0.5 + 0.5 * np.cos((t % 24 - 14.0) * (2 * np.pi / 24))
    workday = np.where(t % 168 < 120, 1.0, 0.5)
    level: Floats
    low, spread = 10 + 20 * u[0], 0.3 + 2 * u[1]
    if name == "steady":
        level = low + 40 * u[2] + spread * noise
    elif name == "daily":
        level = low + (10 + 40 * u[2]) * wave + spread * noise
    elif name == "daily_weekly":
        level = low + (10 + 40 * u[2]) * wave * workday + spread * noise
    elif name == "growth":
        level = low + 20 + (5 + 35 * u[2]) * (t / hours + 1) + spread * 0.3 * noise
    elif name == "sawtooth":
        period = np.floor(24 + 144 * u[2])
        level = low + (20 + 30 * u[3]) * (((t + period * u[4]) % period) / period) + spread * 0.3 * noise
    elif name == "level_shift":
        level = low + 10 * wave + (10 + 30 * u[2]) * (t > -hours * u[3]) + spread * noise
    elif name == "nightly_batch":
        level = low + (20 + 40 * u[2]) * np.exp(-0.5 * (t % 24 - 2.0) ** 2) + spread * noise
    else:
        level = low + spread * noise + (10 + 30 * u[2]) * np.maximum(0.0, noise - 1.5)
    return level
