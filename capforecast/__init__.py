"""capforecast: which host runs out of what, when, how sure that is, why, and by when to order.

Importing it costs nothing; each public name is loaded when it is first used (`load` reads settings).
Where a function has the name of a module (explain, forecast, run, ingest, replay, warmup), ``capforecast.forecast`` is
the function; things of the module come by ``from capforecast.forecast import ...``.
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from capforecast import simulate as simulate
    from capforecast.api import backtest as backtest
    from capforecast.api import explain as explain
    from capforecast.api import forecast as forecast
    from capforecast.api import ingest as ingest
    from capforecast.api import replay as replay
    from capforecast.api import replay_store as replay_store
    from capforecast.api import run as run
    from capforecast.config import Config as Config
    from capforecast.config import load as load
    from capforecast.errors import CapforecastError as CapforecastError
    from capforecast.notebook import plot as plot
    from capforecast.store import Store as Store
    from capforecast.warmup import warmup as warmup

__version__ = "0.1.0"

_PUBLIC = {
    "CapforecastError": "capforecast.errors:CapforecastError",
    "Config": "capforecast.config:Config",
    "Store": "capforecast.store:Store",
    "backtest": "capforecast.api:backtest",
    "explain": "capforecast.api:explain",
    "forecast": "capforecast.api:forecast",
    "ingest": "capforecast.api:ingest",
    "load": "capforecast.config:load",
    "plot": "capforecast.notebook:plot",
    "replay": "capforecast.api:replay",
    "replay_store": "capforecast.api:replay_store",
    "run": "capforecast.api:run",
    "simulate": "capforecast.simulate:",
    "warmup": "capforecast.warmup:warmup",
}
__all__ = ["__version__", *_PUBLIC]  # noqa: PLE0604 - the names are those of the table above


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, _, attribute = _PUBLIC[name].partition(":")
    loaded = import_module(module)
    return getattr(loaded, attribute) if attribute else loaded


def __dir__() -> list[str]:
    return sorted({*globals(), *_PUBLIC})


class _Package(ModuleType):
    """A package on which importing ``capforecast.forecast`` does not cover the function."""

    def __setattr__(self, name: str, value: object) -> None:
        if name not in _PUBLIC or not isinstance(value, ModuleType):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package
