"""What can be set: each setting once, with its default, its check and its meaning.

`capforecast.config` merges a file, the environment and options into these tables; the template of
``capforecast init`` is made from the same fields.
"""

from __future__ import annotations

import os
from datetime import date
from pathlib import Path
from typing import Annotated, Literal, Self
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from capforecast.errors import ConfigError, UnknownNameError
from capforecast.kinds import Kind
from capforecast.registry import names
from capforecast.settings_server import ServerSettings
from capforecast.times import DAY_US, parse_duration, parse_moment, parse_step

CANONICAL = ("host", "metric", "instance", "unit", "ts", "value")
"""Columns of samples, which a source may call otherwise."""
HORIZON_DAYS = 730
"""Furthest that a run looks ahead."""
REFIT_DAYS = 28
"""Nights after which every series must have been fitted anew, at most."""
MOST_STEPS = 100_000


def _duration(text: str) -> str:
    parse_duration(text)
    return text


def whole_days(text: str) -> str:
    """Return the horizon of a run, or raise `ConfigError`: it counts days."""
    if parse_duration(text, name="horizon") % DAY_US or not DAY_US <= parse_duration(text) <= HORIZON_DAYS * DAY_US:
        raise ConfigError(
            f"the horizon of a run must be whole days, 1d to {HORIZON_DAYS}d", got=repr(text), do="Write 30d or 90d"
        )
    return text


def _nights(text: str) -> str:
    """Return how often every series is fitted anew, or raise `ConfigError`: it counts nights."""
    if parse_duration(text) % DAY_US or not DAY_US <= parse_duration(text) <= REFIT_DAYS * DAY_US:
        raise ConfigError(f"refit_every must be whole days, 1d to {REFIT_DAYS}d", got=repr(text), do="Write 7d")
    return text


def check_steps(horizon: str, step: str) -> None:
    """Refuse a forecast of more steps than anyone can want, before memory is taken for them.

    Raises
    ------
    ConfigError
        There are more than `MOST_STEPS`.
    """
    steps = parse_duration(horizon, name="horizon") // parse_step(step)
    if steps > MOST_STEPS:
        raise ConfigError(
            f"a forecast may have at most {MOST_STEPS} steps per series",
            got=f"{steps} ({horizon} in steps of {step})",
            do="Take a longer step or a shorter horizon",
        )


def _moment(moment: object) -> str:
    text = moment.isoformat() if isinstance(moment, date) else str(moment)
    parse_moment(text)
    return text


def timezone_name(name: str) -> str:
    """Return the name of a time zone, or raise `ConfigError`."""
    try:
        ZoneInfo(name)
    except (OSError, ValueError, KeyError) as error:
        raise ConfigError(
            "timezone must be a name of the time zone database", got=repr(name), do="Write UTC or Europe/Berlin"
        ) from error
    return name


def model_name(name: str) -> str:
    """Return the name of a model, or raise `UnknownNameError`."""
    if name != "pool" and not name.startswith("statsforecast:") and name not in names("model"):
        raise UnknownNameError("model", name, ["pool", *names("model"), "statsforecast:AutoETS"])
    return name


def _source_format(name: str) -> str:
    if name not in names("source"):
        raise UnknownNameError("format", name, names("source"))
    return name


def check_mapping(columns: dict[str, str]) -> dict[str, str]:
    """Return a mapping of columns, or raise `UnknownNameError` for a column that samples do not have."""
    for name in columns:
        if name not in CANONICAL:
            raise UnknownNameError("column", name, CANONICAL)
    return columns


def _number_only(value: object) -> object:
    if isinstance(value, bool):
        raise ValueError("must be a number, not true or false")
    return value


Duration = Annotated[str, AfterValidator(_duration)]
Moment = Annotated[str, BeforeValidator(_moment)]
Timezone = Annotated[str, AfterValidator(timezone_name)]
Whole = Annotated[int, BeforeValidator(_number_only)]
Number = Annotated[float, BeforeValidator(_number_only), Field(allow_inf_nan=False)]
Direction = Literal["above", "below"]


def usable_cpus() -> int:
    """Return the processors this process may use: its affinity, cut by the quota of its cgroup."""
    cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        group = Path("/proc/self/cgroup").read_text(encoding="ascii").strip().rpartition("::")[2]
        quota, period = Path(f"/sys/fs/cgroup{group}/cpu.max").read_text(encoding="ascii").split()
    except (OSError, ValueError):
        return cpus  # No cgroup of version 2: there is no quota to respect.
    return cpus if quota == "max" else max(1, min(cpus, int(quota) // int(period)))


class Section(BaseModel):
    """A table of the file: frozen, and without unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=False)


class StoreSettings(Section):
    """Where the data are kept."""

    path: str = Field(default="capforecast-store", min_length=1, description="directory of the store")
    history_days: Whole = Field(
        default=100,
        ge=1,
        le=36_500,
        description="days that published runs are kept, the latest ever; predictions are judged from them, the "
        "furthest after 90 days",
    )


class RunSettings(Section):
    """The nightly job."""

    horizon: Annotated[str, AfterValidator(whole_days)] = Field(
        default="90d", description=f"how far ahead breaches are looked for: whole days, at most {HORIZON_DAYS}d"
    )
    threads: Whole = Field(
        default_factory=usable_cpus,
        ge=1,
        le=1024,
        examples=[4],
        description="threads of the forecast; default: usable processors",
    )
    target_probability: Number = Field(
        default=0.1,
        gt=0,
        lt=1,
        description="accepted probability of a breach, for the capacity that is needed",
    )
    stale_after: Duration = Field(default="2d", description="a series without samples for this long is stale")
    min_history: Duration = Field(default="2d", description="a series with less history is too_short")
    refit_every: Annotated[str, AfterValidator(_nights)] = Field(
        default="14d",
        description="a series is fitted anew after this long at the latest, and at once where what came was not "
        "foretold; whole days, 1d: all every night",
    )
    learning: bool = Field(
        default=True,
        description="correct probabilities by what past windows of the fleet taught, where that did better on windows "
        "it had not seen: in run, and in replay of CASES",
    )
    shard_series: Whole = Field(default=1024, ge=1, le=1_000_000, description="series in memory at a time")

    @property
    def horizon_us(self) -> int:
        """The horizon in microseconds."""
        return parse_duration(self.horizon)

    @property
    def refit_every_us(self) -> int:
        """`refit_every` in microseconds."""
        return parse_duration(self.refit_every)

    @property
    def stale_after_us(self) -> int:
        """`stale_after` in microseconds."""
        return parse_duration(self.stale_after)

    @property
    def min_history_us(self) -> int:
        """`min_history` in microseconds."""
        return parse_duration(self.min_history)


class ForecastSettings(Section):
    """How forecasts are made."""

    model: Annotated[str, AfterValidator(model_name)] = Field(
        default="pool",
        description="pool (the built-in combination), one of its members, or statsforecast:NAME",
    )


class IngestSettings(Section):
    """What is accepted."""

    timezone: Timezone = Field(default="UTC", description="zone of times that carry none")
    future_tolerance: Duration = Field(default="1d", description="samples further in the future are quarantined")
    max_new_series: Whole = Field(
        default=1_000_000,
        ge=1,
        description="a source that brings more series than this that nobody knows is refused: mostly a label holds "
        "what is new each time; each takes about 1.5 kB of memory",
    )
    samples_days: Whole | None = Field(
        default=None,
        ge=0,
        examples=[400],
        description="days that raw samples are kept at least: files go whole, and one holds a day of many samples, but "
        "a month or a year of few; left out: for ever",
    )

    @property
    def future_tolerance_us(self) -> int:
        """`future_tolerance` in microseconds."""
        return parse_duration(self.future_tolerance)


class LimitsSettings(Section):
    """Capacities and thresholds."""

    file: str = Field(default="limits.csv", min_length=1, description="table of capacities, thresholds and labels")


class Exclusion(Section):
    """Series that are not forecast: globs, all three must match."""

    host: str = Field(default="*", description="glob on the host")
    metric: str = Field(default="*", description="glob on the metric")
    instance: str = Field(default="*", description="glob on the instance")


class SourceSettings(ServerSettings, Section):
    """A source that the nightly job reads."""

    location: str = Field(min_length=1, description="file or directory, taken literally, s3://BUCKET/PATH, or a server")
    format: Annotated[str, AfterValidator(_source_format)] | None = Field(
        default=None, description="name of the format; recognised when left out"
    )
    map: Annotated[dict[str, str], AfterValidator(check_mapping)] = Field(
        default={}, description="canonical column to the source's column, such as host = 'vm'"
    )
    timezone: Timezone | None = Field(default=None, description="zone of times that carry none; else that of [ingest]")
    host: str | None = Field(default=None, description="host of every row, where the data have no such column")
    metric: str | None = Field(default=None, description="metric of every row, likewise")
    unit: str | None = Field(default=None, description="unit of every row, likewise")
    decimal: Literal["point", "comma"] | None = Field(
        default=None, description="how numbers are written, 1,234.5 or 1.234,5; 1234.5 when left out"
    )
    delimiter: str | None = Field(
        default=None, min_length=1, description="of text, such as ';' or 'tab'; recognised when left out"
    )
    encoding: str | None = Field(default=None, description="of text; recognised when left out")
    epoch: Literal["s", "ms", "us", "ns"] | None = Field(default=None, description="unit of whole-number times")
    header: bool | None = Field(default=None, description="does the first line name the columns")
    time_format: str | None = Field(default=None, description="how times are written, as for strftime")
    layout: Literal["long", "wide", "rows", "hosts"] | None = Field(
        default=None,
        description="long, wide, rows (one series a row) or hosts (one column a host); recognised when left out",
    )
    start: Moment | None = Field(default=None, description="time of the first row, where rows carry no time")
    step: Duration | None = Field(
        default=None,
        description="distance of the rows, where rows carry no time; of a server that of the samples, or 5m",
    )


class KindSettings(Section):
    """A metric kind of your own; it comes before the built-in ones and replaces one of the same name."""

    name: str = Field(min_length=1, description="name of the kind")
    unit: str = Field(default="", description="unit of its values when the data name none")
    lower: Number | None = Field(default=None, description="smallest possible value")
    upper: Number | None = Field(default=None, description="largest possible value")
    direction: Direction = Field(default="above", description="above when high values hurt, below when low ones do")
    statistic: Literal["mean", "max", "p95", "last", "min"] | None = Field(
        default=None,
        description="rollup that is forecast; left out: min where low values hurt, else mean. A threshold of the other "
        "direction sees the other extreme",
    )
    patterns: tuple[str, ...] = Field(default=(), description="globs on the lower-case metric name")
    units: tuple[str, ...] = Field(default=(), description="units that identify the kind where no pattern does")
    thresholds: dict[str, Number] = Field(default={}, description="default thresholds in the unit of the kind")
    sustain: tuple[Whole, Whole] = Field(default=(2, 3), description="a crossing counts when k of n steps are beyond")
    nature: Literal["counter", "gauge"] | None = Field(
        default=None,
        description="counter: samples only grow, but for restarts, and their rates are forecast; gauge: as they are; "
        "left out: what the source says, which is gauge for most",
    )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.lower is not None and self.upper is not None and self.lower >= self.upper:
            raise ValueError(f"lower must be less than upper, got {self.lower} and {self.upper}")
        if not 1 <= self.sustain[0] <= self.sustain[1]:
            raise ValueError(f"sustain must be [k, n] with 1 <= k <= n, got {list(self.sustain)}")
        return self

    def kind(self) -> Kind:
        """Return the settings as a kind."""
        bounds = {key: value for key in ("lower", "upper") if (value := getattr(self, key)) is not None}
        return Kind(
            name=self.name,
            unit=self.unit,
            direction=self.direction,
            statistic=self.statistic or ("min" if self.direction == "below" else "mean"),
            patterns=tuple(pattern.lower() for pattern in self.patterns),
            units=self.units,
            thresholds=tuple(self.thresholds.items()),
            sustain=self.sustain,
            nature=self.nature or "",
            **bounds,
        )
