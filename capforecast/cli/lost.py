"""What was not taken, told on stderr: sources that could not be read, rows in quarantine, columns left out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from capforecast.errors import printable

if TYPE_CHECKING:
    from capforecast.rejected import Rejected

TOLD = 10
"""Failures, and columns of a file, that are told; the others are counted."""


def tell_lost(store: str, rejected: Rejected, failed: Sequence[str], word: str = "Warning") -> None:
    """Say on stderr, also with --quiet, why the exit code is 4: in a line, or in one more for each of many failures."""
    told = []
    if failed:
        count = f"{len(failed)} source{'s' * (len(failed) > 1)} could not be read"
        told.append(f"{count} ({_line(failed[0])})" if len(failed) == 1 else f"{count}, told below")
    if rejected.rows:
        rows = f"{rejected.rows} row{'s' * (rejected.rows > 1)} quarantined ({_line(str(rejected))})"
        told.append(f"{rows}, with reasons in {_line(str(Path(store) / 'quarantine'))}")
    if not told:
        return
    click.echo(f"{word}: {'; '.join(told)}", err=True)
    if len(failed) > 1:
        more = [f"{len(failed) - TOLD} more"] if len(failed) > TOLD else []
        click.echo("\n".join(f"  {_line(one)}" for one in [*_shortened(failed[:TOLD]), *more]), err=True)


def tell_left_out(left_out: Mapping[str, Sequence[str]]) -> None:
    """Say on stderr which columns of files (their names by location) were not read, each set of columns once."""
    alike: dict[tuple[str, ...], list[str]] = {}
    for location, names in left_out.items():
        alike.setdefault(tuple(names), []).append(location)
    for names, (first, *others) in alike.items():
        shown = ", ".join(map(repr, names[:TOLD])) + (f" and {len(names) - TOLD} more" if len(names) > TOLD else "")
        files = f" and {len(others)} more file{'s' * (len(others) > 1)}" if others else ""
        what = f"the columns {shown} are left out" if len(names) > 1 else f"the column {shown} is left out"
        click.echo(
            _line(f"Note: {first}{files}: {what}; --map gives one a role, such as instance={names[0]}"), err=True
        )


def tell_conflicts(counts: Sequence[Mapping[str, Any]]) -> None:
    """Say on stderr of which files (source and conflict) rows gave way to others of their series and time."""
    for count in counts:
        if rows := count["conflict"]:
            several = f"{rows} duplicate{'s' * (rows > 1)} ha{'ve' if rows > 1 else 's'} another value than the sample"
            click.echo(
                f"Note: {_line(str(count['source']))}: {several} of that series and time; the larger value stays",
                err=True,
            )


def _shortened(failed: Sequence[str]) -> Iterator[str]:
    """Yield failures, each advice with the first that gives it."""
    given = set()
    for one in failed:
        what, _, advice = one.partition(". ")
        yield what if advice in given else one
        given |= {advice} - {""}


def _line(text: str) -> str:
    return printable(text.replace("\n", " "))
