"""What callers may give the functions of the library: frames of any library, moments, durations, settings."""

from __future__ import annotations

import time
from collections.abc import Iterable
from datetime import date, datetime, timedelta
from numbers import Integral, Real
from pathlib import Path
from typing import Any

import narwhals as nw
import polars as pl

from capforecast.config import Config, load
from capforecast.errors import ConfigError, SchemaError
from capforecast.times import checked_as_of, format_duration, parse_as_of, to_us

Moment = int | str | datetime | date | None


def to_polars(frame: Any) -> pl.DataFrame:
    """Return a frame of polars, pandas, pyarrow, DuckDB or anything with an Arrow stream as polars.

    Raises
    ------
    SchemaError
        The object is no frame.
    """
    if isinstance(frame, pl.LazyFrame):
        return frame.collect()
    try:
        native = nw.from_native(frame)
    except TypeError as error:
        if hasattr(frame, "__arrow_c_stream__"):
            return pl.DataFrame(frame)
        raise SchemaError("a frame must be one of polars, pandas or Arrow", got=type(frame).__name__) from error
    if isinstance(native, nw.LazyFrame):
        native = native.collect()
    converted: pl.DataFrame = native.to_polars()
    return converted


def moment_us(moment: Moment) -> int | None:
    """Return a moment in microseconds since the epoch; text is ISO 8601, without an offset it is UTC.

    Raises
    ------
    ConfigError
        It is no moment, or before 1970, or too far ahead for a run.
    """
    if moment is None:
        return None
    if isinstance(moment, Integral) and not isinstance(moment, bool):
        return checked_as_of(int(moment), repr(moment))
    if isinstance(moment, str):
        return parse_as_of(moment)
    # A missing time of pandas is a datetime that does not equal itself.
    if isinstance(moment, date) and moment == moment:
        return checked_as_of(to_us(moment), repr(moment))
    raise ConfigError("as_of must be a datetime, ISO 8601 text or whole microseconds since the epoch", got=repr(moment))


def duration_text(value: object, name: str) -> str:
    """Return a duration as text, to be parsed by whoever takes it.

    Raises
    ------
    ConfigError
        It is neither text nor a timedelta.
    """
    if isinstance(value, timedelta):
        return format_duration(value // timedelta(microseconds=1))
    if isinstance(value, str):
        return value
    raise ConfigError(f"{name} must be text such as 48h, or a timedelta", got=repr(value))


def probabilities(value: object) -> list[float]:
    """Return one or several probabilities as a list.

    Raises
    ------
    ConfigError
        They are no numbers.
    """
    wanted = [value] if isinstance(value, Real) else value
    if isinstance(wanted, str) or not isinstance(wanted, Iterable):
        raise ConfigError("quantiles must be numbers between 0 and 1", got=repr(value), do="Write [0.1, 0.5, 0.9]")
    found = list(wanted)
    if not all(isinstance(one, Real) and not isinstance(one, bool) for one in found):
        raise ConfigError("quantiles must be numbers between 0 and 1", got=repr(value), do="Write [0.1, 0.5, 0.9]")
    return [float(one) for one in found]


def settings_of(config: Config | str | Path | None, store: str | Path | None) -> Config:
    """Return settings, those of a path or those in force, for the store that is named.

    Raises
    ------
    ConfigError
        They are neither settings nor a path, or wrong.
    """
    if not isinstance(config, Config | str | Path | None):
        raise ConfigError("config must be a Config or a path", got=type(config).__name__)
    if isinstance(config, Config):
        if store is None:
            return config
        return config.model_copy(update={"store": config.store.model_copy(update={"path": str(store)})})
    return load(config, {"store.path": None if store is None else str(store)})


def now_us() -> int:
    """Return the clock, which the verbs read once."""
    return time.time_ns() // 1000
