"""The options --png and --svg: pictures of series as files."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from capforecast.cli.files import write_bytes
from capforecast.cli.options import Common
from capforecast.errors import printable

if TYPE_CHECKING:
    from capforecast.picture import Picture


def pictured(told: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Return the options --png and --svg for a command; `told` says what is drawn."""

    def decorate(callback: Callable[..., Any]) -> Callable[..., Any]:
        for name, article, needs in (("svg", "an", "."), ("png", "a", "; needs capforecast[png].")):
            option = click.option(f"--{name}", metavar="OUT", help=f"{told} as {article} {name.upper()} picture{needs}")
            callback = option(callback)
        return callback

    return decorate


def write_pictures(common: Common, drawn: Sequence[Picture], png: str | None, svg: str | None) -> None:
    """Write pictures where --png and --svg say.

    Raises
    ------
    ConfigError
        The extra capforecast[png] is not installed.
    SourceError
        A file cannot be written.
    """
    for number, picture in enumerate(drawn, start=1):
        for name, content in ((png, picture.png), (svg, picture.svg)):
            if name is not None:
                made, path = content(), _numbered(Path(name), number)
                write_bytes(path, made.encode() if isinstance(made, str) else made)
                common.say(f"{path}: {printable(picture.title)}")


def _numbered(path: Path, number: int) -> Path:
    return path if number == 1 else path.with_name(f"{path.stem}-{number}{path.suffix}")
