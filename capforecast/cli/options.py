"""Options that every command has, and the types of option values."""

from __future__ import annotations

import difflib
import functools
import os
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from capforecast.errors import ConfigError
from capforecast.times import parse_duration, parse_moment, parse_step

if TYPE_CHECKING:
    from capforecast.config import Config

DEFAULT_CONFIG = "capforecast.toml"


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

        path = self.config or (DEFAULT_CONFIG if Path(DEFAULT_CONFIG).is_file() else None)
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


def _model(name: str) -> str:
    from capforecast.settings import model_name

    return model_name(name)


def _mapping(text: str) -> dict[str, str]:
    from capforecast.settings import check_mapping

    pairs: dict[str, str] = {}
    for pair in filter(None, text.split(",")):
        canonical, _, column = (part.strip() for part in pair.partition("="))
        if not column:
            raise ConfigError("a mapping must be COLUMN=NAME,...", got=repr(pair), do="Write host=vm,ts=time")
        pairs[canonical] = column
    return check_mapping(pairs)


def _quantiles(text: str) -> tuple[float, ...]:
    try:
        values = tuple(float(part) for part in text.split(","))
    except ValueError:
        values = ()
    if not values or not all(0 < value < 1 for value in values) or list(values) != sorted(set(values)):
        raise ConfigError("quantiles must be rising numbers between 0 and 1", got=repr(text), do="Write 0.1,0.5,0.9")
    return values


MOMENT_US = Parsed("timestamp", parse_moment)
DURATION = Parsed("duration", _text_after(parse_duration))
DURATION_US = Parsed("duration", parse_duration)
STEP = Parsed("step", _text_after(parse_step))
MODEL = Parsed("name", _model)
MAPPING = Parsed("column=name,...", _mapping)
QUANTILES = Parsed("q,q,...", _quantiles)


def common(callback: Callable[..., Any]) -> Any:
    """Give a command the options all commands have; it gets them as its first argument, a `Common`."""

    @functools.wraps(callback)
    def call(*args: Any, **values: Any) -> Any:
        own = {
            "store": values.pop("store"),
            "config": values.pop("config"),
            "as_of_us": values.pop("as_of"),
            "json": values.pop("json"),
            "quiet": values.pop("quiet"),
            "verbose": values.pop("verbose"),
            "color": _color(values.pop("no_color")),
        }
        return callback(Common(**own), *args, **values)

    return decorated(call, _COMMON)


def decorated(callback: Callable[..., Any], options: Iterable[Callable[..., Any]]) -> Any:
    """Apply option decorators so that help lists them in their order."""
    for option in reversed(list(options)):
        callback = option(callback)
    return callback


def _color(refused: bool) -> bool:
    plain = refused or bool(os.environ.get("NO_COLOR")) or os.environ.get("TERM") == "dumb"
    return not plain and sys.stdout.isatty()


_COMMON = (
    click.option(
        "--store", metavar="DIR", help="The store.  [env: CAPFORECAST_STORE; default: ./capforecast-store]"
    ),
    click.option(
        "--config", metavar="FILE", envvar="CAPFORECAST_CONFIG",
        help="The settings.  [env: CAPFORECAST_CONFIG; default: ./capforecast.toml if there is one]",
    ),
    click.option("--as-of", type=MOMENT_US, metavar="TS", help="Act as if it were then (ISO 8601, UTC)."),
    click.option("--json", is_flag=True, help="Print JSON for programs."),
    click.option("-q", "--quiet", is_flag=True, help="No words, no progress; errors remain."),
    click.option("-v", "--verbose", is_flag=True, help="More words on stderr."),
    click.option("--no-color", is_flag=True, help="No colours.  [also: NO_COLOR, TERM=dumb]"),
)  # fmt: skip
