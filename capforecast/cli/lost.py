"""What was not taken, told on stderr: sources that could not be read, rows that are in quarantine."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from capforecast.errors import printable

if TYPE_CHECKING:
    from capforecast.rejected import Rejected

TOLD = 10
"""Failures that are told; the others are counted."""


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


def _shortened(failed: Sequence[str]) -> Iterator[str]:
    """Yield failures, each advice with the first that gives it."""
    given = set()
    for one in failed:
        what, _, advice = one.partition(". ")
        yield what if advice in given else one
        given |= {advice} - {""}


def _line(text: str) -> str:
    return printable(text.replace("\n", " "))
