"""What commands print: JSON for programs, aligned columns for people, progress on a terminal."""

from __future__ import annotations

import json
import os
import shutil
import sys
import textwrap
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from capforecast.cli.group import Stop
from capforecast.cli.options import Common
from capforecast.errors import printable

if TYPE_CHECKING:
    from rich.progress import Progress, Task
    from rich.text import Text

Report = Callable[[str, int, int | None], None]

LEAST_ROOM = 24
"""Words that have less room are left in one line."""


def print_json(value: object) -> None:
    """Print a value as one line of JSON; moments in ISO 8601 with a Z, paths as text."""
    click.echo(json.dumps(value, default=_plain, allow_nan=False, separators=(", ", ": ")))


def _plain(value: object) -> str:
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Path):
        return str(value)
    raise TypeError(f"{type(value).__name__} has no place in JSON")


def leave(code: int) -> NoReturn:
    """End the command with an exit code."""
    click.get_current_context().exit(code)


def columns(table: Iterable[Sequence[object]], *, indent: int = 0, fold: bool = False) -> str:
    """Return rows of cells in aligned columns; the last column is not padded, and folded if that is asked for."""
    cells = [["-" if cell is None else printable(str(cell)).replace("\n", " ") for cell in row] for row in table]
    if not cells:
        return ""
    widths = [max(len(row[i]) for row in cells) for i in range(len(cells[0]) - 1)]
    lines = []
    for *first, last in cells:
        start = " " * indent + "".join(f"{cell.ljust(width)}  " for cell, width in zip(first, widths, strict=True))
        line = f"{start}{last}".rstrip()
        lines.append(folded(line, len(start)) if fold else line)
    return "\n".join(lines)


def folded(words: str, indent: int = 2) -> str:
    """Return words in lines no wider than the terminal, those after the first indented."""
    width = terminal_width()
    if width - indent < LEAST_ROOM:
        return words
    return textwrap.fill(
        words, width, subsequent_indent=" " * indent, break_long_words=False, break_on_hyphens=False
    )  # fmt: skip


def terminal_width() -> int:
    """Return the columns of the terminal, that of COLUMNS where it is set, else 100."""
    return shutil.get_terminal_size((100, 24)).columns


def aligned(
    table: Sequence[Sequence[str]], width: int, *, flexible: Sequence[str], left: Sequence[str] = ()
) -> list[str]:
    """Return rows of cells, the heads first, in aligned lines no wider than the terminal.

    Parameters
    ----------
    table : sequence of rows
        Texts without control characters; the first row holds the heads.
    width : int
        Columns of the terminal.
    flexible : sequence of str
        Heads of columns that give way, down to 8; they stand to the left.
    left : sequence of str
        Heads of others that stand to the left; numbers stand to the right.
    """
    if all(text.isascii() for row in table for text in row):
        # A letter is a column: what measures others need not be loaded.
        cell_len: Callable[[str], int] = len
    else:
        from rich.cells import cell_len
    heads = table[0]
    widths = [max(cell_len(row[i]) for row in table) for i in range(len(heads))]
    gap = 2 if sum(widths) + 2 * (len(heads) - 1) <= width else 1
    yielding = [i for i, head in enumerate(heads) if head in flexible]
    while yielding and sum(widths) + gap * (len(heads) - 1) > width:
        widest = max(yielding, key=lambda i: widths[i])
        if widths[widest] <= 8:
            break
        widths[widest] -= 1

    def cell(text: str, i: int) -> str:
        if cell_len(text) > widths[i]:
            from rich.cells import set_cell_size

            return set_cell_size(text, widths[i] - 1) + "…"
        space = " " * (widths[i] - cell_len(text))
        return text + space if heads[i] in (*flexible, *left) else space + text

    return [(" " * gap).join(cell(text, i) for i, text in enumerate(row)).rstrip() for row in table]


@contextmanager
def progress(common: Common) -> Iterator[Report]:
    """Give a function for (stage, done, total) that draws one line on stderr if that is a terminal.

    Each call is also where a signal that has come in ends the command.
    """
    stop = click.get_current_context().find_object(Stop)

    def check() -> None:
        if stop is not None:
            stop.check()

    if common.quiet or os.environ.get("TERM") == "dumb" or not sys.stderr.isatty():
        yield lambda stage, done, total: check()
        return
    with _bars() as bars:
        tasks: dict[str, Any] = {}

        def draw(stage: str, done: int, total: int | None) -> None:
            check()
            if stage not in tasks:
                for earlier in tasks.values():
                    bars.update(earlier, visible=False)
                tasks[stage] = bars.add_task(printable(stage), total=total)
            bars.update(tasks[stage], completed=done, total=total)

        yield draw


def _bars() -> Progress:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        Progress,
        ProgressColumn,
        TextColumn,
        TimeRemainingColumn,
    )
    from rich.text import Text

    class Done(ProgressColumn):
        """Finished things of all, where it is known how many there are."""

        def render(self, task: Task) -> Text:
            told = f"{task.completed:,.0f} of {task.total:,.0f}" if task.total else ""
            return Text(told, style="progress.download")

    class Rate(ProgressColumn):
        """Finished things a second."""

        def render(self, task: Task) -> Text:
            speed = task.speed or (task.completed / task.elapsed if task.elapsed else 0.0)
            return Text(f"{speed:,.0f}/s" if speed else "", style="progress.data.speed")

    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=24),
        Done(),
        Rate(),
        TimeRemainingColumn(elapsed_when_finished=True),
        console=Console(stderr=True),
        transient=True,
    )
