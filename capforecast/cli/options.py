"""Options that every command has, and the types of option values."""

from __future__ import annotations

import difflib
import functools
import os
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from capforecast.errors import ConfigError, UnknownNameError
from capforecast.times import parse_as_of, parse_duration, parse_moment, parse_step

if TYPE_CHECKING:
    from capforecast.config import Config

DEFAULT_CONFIG = "capforecast.toml"
CASE_COLUMNS = ("case_id", "threshold", "direction", "cutoff", "horizon_s", "sustain_s")
"""Columns of cases that samples do not have."""


@dataclass(frozen=True, slots=True)
class Common:
    """What the common options say."""

    store: str | None
    config: str | None
    as_of_us: int | None
    json: bool
    quiet: bool
    verbose: bool
    color: bool

    def settings(self, **options: object) -> Config:
        """Return the effective settings; options are keys like ``run__horizon`` with None for not given."""
        from capforecast.config import load

        # A link that leads nowhere is a file that is missing, not settings that nobody wrote.
        path = self.config or (DEFAULT_CONFIG if os.path.lexists(DEFAULT_CONFIG) else None)
        given = {key.replace("__", "."): value for key, value in options.items()}
        return load(path, {"store.path": self.store, **given})

    def say(self, text: str) -> None:
        """Write words for people to stderr, unless --quiet."""
        if not self.quiet:
            click.echo(text, err=True)

    def detail(self, text: str) -> None:
        """Write words to stderr only with --verbose."""
        if self.verbose:
            click.echo(text, err=True)


class Names(click.Choice[str]):
    """One of some names; a wrong one is answered with the nearest."""

    def get_invalid_choice_message(self, value: Any, ctx: click.Context | None) -> str:
        """Add the nearest name to click's message."""
        near = difflib.get_close_matches(str(value), [str(name) for name in self.choices], n=1, cutoff=0.5)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        return super().get_invalid_choice_message(value, ctx) + hint


class Parsed(click.ParamType[Any]):
    """A value that one of this package's parsers reads; its message becomes a usage error."""

    def __init__(self, name: str, parse: Callable[[str], Any]):
        self.name, self._parse = name, parse

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return what the parser makes of the text; what is no text was converted before."""
        if not isinstance(value, str):
            return value
        try:
            return self._parse(value)
        except ConfigError as error:
            self.fail(str(error), param, ctx)


def _text_after(check: Callable[[str], object]) -> Callable[[str], str]:
    def parse(text: str) -> str:
        check(text)
        return text.strip()

    return parse


def _run_horizon(text: str) -> str:
    from capforecast.settings import whole_days

    return whole_days(text.strip())


def _model(name: str) -> str:
    from capforecast.settings import model_name

    return model_name(name)


def _mapping(text: str, *more: str) -> dict[str, str]:
    from capforecast.settings import CANONICAL

    known = (*CANONICAL, *more)
    pairs: dict[str, str] = {}
    for pair in filter(None, text.split(",")):
        canonical, _, column = (part.strip() for part in pair.partition("="))
        if not column:
            raise ConfigError("a mapping must be COLUMN=NAME,...", got=repr(pair), do="Write host=vm,ts=time")
        if canonical not in known:
            raise UnknownNameError("column", canonical, known)
        pairs[canonical] = column
    return pairs


def _quantiles(text: str) -> tuple[float, ...]:
    try:
        values = tuple(float(part) for part in text.split(","))
    except ValueError:
        values = ()
    if not values or not all(0 < value < 1 for value in values) or list(values) != sorted(set(values)):
        raise ConfigError("quantiles must be rising numbers between 0 and 1", got=repr(text), do="Write 0.1,0.5,0.9")
    return values


MOMENT_US = Parsed("timestamp", parse_moment)
AS_OF_US = Parsed("timestamp", parse_as_of)
DURATION = Parsed("duration", _text_after(lambda text: parse_duration(text, name="horizon")))
RUN_HORIZON = Parsed("duration", _run_horizon)
DURATION_US = Parsed("duration", parse_duration)
DURATIONS_US = Parsed(
    "duration,...", lambda text: tuple(parse_duration(part, name="horizon") for part in text.split(","))
)
STEP = Parsed("step", _text_after(parse_step))
MODEL = Parsed("name", _model)
MAPPING = Parsed("column=name,...", _mapping)
CASE_MAPPING = Parsed("column=name,...", lambda text: _mapping(text, *CASE_COLUMNS))
QUANTILES = Parsed("q,q,...", _quantiles)


def common(callback: Callable[..., Any]) -> Any:
    """Give a command the options all commands have; it gets them as its first argument, a `Common`."""
    return decorated(_with_common(callback), _COMMON)


def common_but_as_of(reason: str) -> Callable[[Callable[..., Any]], Any]:
    """Give a command the common options but ``--as-of``, which is refused with the reason."""

    def refuse(ctx: click.Context, param: click.Parameter, value: str | None) -> None:
        if value is not None:
            raise ConfigError(f"--as-of must go with another command than {ctx.info_name}", do=reason)

    hidden = click.option("--as-of", metavar="TS", hidden=True, callback=refuse)
    kept = [hidden if option is _AS_OF else option for option in _COMMON]
    return lambda callback: decorated(_with_common(callback), kept)


def _with_common(callback: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(callback)
    def call(*args: Any, **values: Any) -> Any:
        from capforecast import kernel_cache

        own = {
            "store": values.pop("store"),
            "config": values.pop("config"),
            "as_of_us": values.pop("as_of"),
            "json": values.pop("json"),
            "quiet": values.pop("quiet"),
            "verbose": values.pop("verbose"),
            "color": _color(values.pop("no_color")),
        }
        made = Common(**own)
        kernel_cache.say = made.say
        return callback(made, *args, **values)

    return call


def given(ctx: click.Context, *names: str) -> list[str]:
    """Return those of some parameters that stand on the command line, as they are written there."""
    spelled = {param.name: max(param.opts, key=len) for param in ctx.command.params}
    source = click.core.ParameterSource.COMMANDLINE
    return [spelled[name] for name in names if ctx.get_parameter_source(name) is source]


def decorated(callback: Callable[..., Any], options: Iterable[Callable[..., Any]]) -> Any:
    """Apply option decorators so that help lists them in their order."""
    for option in reversed(list(options)):
        callback = option(callback)
    return callback


def _color(refused: bool) -> bool:
    plain = refused or bool(os.environ.get("NO_COLOR")) or os.environ.get("TERM") == "dumb"
    return not plain and sys.stdout.isatty()


_AS_OF = click.option(
    "--as-of", type=AS_OF_US, metavar="TS", help="Act as if it were then, such as 2026-01-31T02:00Z.  [default: now]"
)
_COMMON = (
    click.option(
        "--store", metavar="DIR", help="The store.  [env: CAPFORECAST_STORE; default: ./capforecast-store]"
    ),
    click.option(
        "--config", metavar="FILE", envvar="CAPFORECAST_CONFIG",
        help="The settings.  [env: CAPFORECAST_CONFIG; default: ./capforecast.toml if there is one]",
    ),
    _AS_OF,
    click.option("--json", is_flag=True, help="Print JSON for programs."),
    click.option("-q", "--quiet", is_flag=True, help="No words, no progress; errors remain."),
    click.option("-v", "--verbose", is_flag=True, help="More words on stderr."),
    click.option("--no-color", is_flag=True, help="No colours.  [also: NO_COLOR, TERM=dumb]"),
)  # fmt: skip
