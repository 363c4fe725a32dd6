"""Any model of statsforecast as a model of ours.

This file is imported only when such a model is asked for: statsforecast takes seconds to import. Its
models fit one series at a time from every origin, so they are slow here as they are there.
"""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np
from statsforecast import models

from capforecast.errors import ConfigError, UnknownNameError
from capforecast.models import Past
from capforecast.panel import Floats

KNOWN = tuple(
    name
    for name in dir(models)
    if inspect.isclass(getattr(models, name))
    and hasattr(getattr(models, name), "forecast")
    and getattr(models, name).__module__ == models.__name__
    and name not in ("NaNModel", "SklearnModel", "ConstantModel")
)
"""Models that can be asked for by name: those that need no object or constant from the caller."""

SMOOTHING = 0.2
"""Smoothing parameter of the models that want one given."""


class StatsForecastModel:
    """One model of statsforecast.

    Parameters
    ----------
    name : str
        Class name in ``statsforecast.models``, such as AutoETS, AutoTheta or MSTL.

    Raises
    ------
    UnknownNameError
        statsforecast has no such model.
    """

    origins = 3
    """Rolling origins that a fit per origin can afford."""

    def __init__(self, name: str = "AutoETS"):
        if name not in KNOWN:
            raise UnknownNameError("statsforecast model", name, KNOWN)
        self.name = name

    def members(self, seasons: tuple[int, ...]) -> tuple[str, ...]:
        """Return the single member."""
        return (self.name,)

    def forecast(self, past: Past, out: Floats, start: int) -> None:
        """Forecast; see ``capforecast.models.Model``. A fit that fails gives NaN."""
        out[:, :, start] = np.nan
        for s in range(past.values.shape[0]):
            for o in range(past.back.shape[1]):
                if past.back[s, o] >= 0:
                    y = past.values[s, past.first[s] : past.values.shape[1] - past.back[s, o]]
                    out[s, o, start] = self._fit(np.ascontiguousarray(y), out.shape[3], past.seasons)

    def _fit(self, y: Floats, horizon: int, seasons: tuple[int, ...]) -> Floats:
        if y.size < 3:
            return np.full(horizon, np.nan)
        try:
            model = self._model(y.size, seasons)
        except ImportError as error:
            raise ConfigError(
                f"statsforecast:{self.name} must find the libraries it needs", got=error, do="Install them"
            ) from error
        try:
            with np.errstate(all="ignore"):
                mean = np.asarray(model.forecast(y=y, h=horizon)["mean"], float)
        except Exception:  # noqa: BLE001  Models of others raise anything; one series must not stop the rest.
            return np.full(horizon, np.nan)
        return np.where(np.isfinite(mean), mean, np.nan)

    def _model(self, length: int, seasons: tuple[int, ...]) -> Any:
        """Return the model with the season lengths that the history holds at least twice."""
        kind = getattr(models, self.name)
        accepted = inspect.signature(kind.__init__).parameters
        held = [m for m in seasons if length >= 2 * m] or [1]
        arguments: dict[str, object] = {}
        if "season_length" in accepted:
            several = "List" in str(accepted["season_length"].annotation)
            arguments["season_length"] = held if several and len(held) > 1 else held[0]
        if "window_size" in accepted:
            seasonal = "season_length" in accepted
            arguments["window_size"] = min(4, length // held[0]) if seasonal else min(max(held[0], 7), length)
        if "lags" in accepted:
            arguments["lags"] = min(held[0], 24)
        arguments |= {name: SMOOTHING for name in ("alpha", "alpha_d", "alpha_p") if name in accepted}
        return kind(**arguments)
