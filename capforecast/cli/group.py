"""The group of commands: loaded when named, errors in one line, interruptions with their exit code."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Mapping
from importlib import import_module
from threading import Event, Thread
from types import FrameType, TracebackType
from typing import Any, Self

import click

from capforecast.errors import CapforecastError

GRACE_SECONDS = 1.0
"""How long a command has to end in its own way after a signal."""


class Failure(click.ClickException):
    """An error of the user's, shown as one line; the exit code is that of the error."""

    def __init__(self, error: CapforecastError):
        super().__init__(" ".join(str(error).split("\n")))
        self.exit_code = error.exit_code  # type: ignore[misc]  # click's own subclasses set it so


class Stop:
    """Remembers the first SIGINT or SIGTERM and raises KeyboardInterrupt; the second one ends at once.

    An exception that is raised inside foreign code may come out as another one, or not at all: whoever
    works long calls `check` between its steps. Where neither ends the command within `GRACE_SECONDS`, since
    a library or a thread is at work, a thread of its own ends the process: what is on the disk is as
    after a kill, which is right at any moment.
    """

    signals = (signal.SIGINT, signal.SIGTERM)

    def __init__(self) -> None:
        self.received: int | None = None
        self._before: dict[int, Any] = {}
        self._ended = Event()

    def __enter__(self) -> Self:
        self._before = {number: signal.signal(number, self._receive) for number in self.signals}
        # The interpreter's own handler writes the number there, also while the main thread is in a library.
        self._reading, self._writing = os.pipe()
        os.set_blocking(self._writing, False)
        self._wakeup_before = signal.set_wakeup_fd(self._writing, warn_on_full_buffer=False)
        Thread(target=self._watch, name="stop", daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(self._wakeup_before)
        self._ended.set()
        os.close(self._writing)

    def _watch(self) -> None:
        while (number := (os.read(self._reading, 1) or b"\0")[0]) not in (0, *self.signals):
            pass
        os.close(self._reading)
        if number and not self._ended.wait(GRACE_SECONDS):
            os.write(2, f"Interrupted by {signal.Signals(number).name}.\n".encode())
            os._exit(128 + number)

    def _receive(self, number: int, frame: FrameType | None) -> None:
        self.received = number
        for each in self.signals:
            signal.signal(each, signal.SIG_DFL)
        raise KeyboardInterrupt

    def check(self) -> None:
        """Raise KeyboardInterrupt if a signal has come in."""
        if self.received is not None:
            raise KeyboardInterrupt


class LazyGroup(click.Group):
    """A group that imports the module of a command when the command is looked up.

    Parameters
    ----------
    commands_in : mapping
        Name of the command to the module that defines it under the same name.
    """

    def __init__(self, *args: Any, commands_in: Mapping[str, str], **kwargs: Any):
        super().__init__(*args, **kwargs)
        self._modules = dict(commands_in)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in the order of use."""
        return list(self._modules)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return a command."""
        if cmd_name not in self._modules:
            return None
        command: click.Command = getattr(import_module(self._modules[cmd_name]), f"{cmd_name}_command")
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find a command; a wrong name is answered with the nearest ones."""
        try:
            return super().resolve_command(ctx, args)
        except click.exceptions.NoSuchCommand as error:
            raise click.exceptions.NoSuchCommand(args[0], possibilities=self._modules, ctx=ctx) from error

    def main(self, *args: Any, **options: Any) -> Any:
        """Run the program; output that cannot be written is one line and exit 1."""
        _open_streams()
        try:
            return super().main(*args, **options)
        except OSError as error:
            if not _came_from_printing(error):
                raise
            _silence()
            reason = error.strerror or str(error)
            click.echo(f"Error: what is printed must be writable; got {reason}; in standard output", err=True)
            sys.exit(1)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; turn errors, signals and a closed pipe into one line and an exit code."""
        with Stop() as stop:
            ctx.obj = stop
            try:
                result = super().invoke(ctx)
                stop.check()
                return result
            except BaseException as error:
                if stop.received is not None:
                    click.echo(f"Interrupted by {signal.Signals(stop.received).name}.", err=True)
                    raise click.exceptions.Exit(128 + stop.received) from error
                if isinstance(error, CapforecastError):
                    raise Failure(error) from error
                if isinstance(error, BrokenPipeError):
                    _silence()
                    raise click.exceptions.Exit(0) from error
                raise


def _open_streams() -> None:
    """Occupy standard streams that the caller closed.

    Otherwise the next file that is opened, such as the catalog, gets the number of standard output. What
    stands in cannot be written to (nor be anything read from), so that printing fails where it should.
    """
    while (spare := os.open(os.devnull, os.O_RDONLY)) <= 2:
        pass
    os.close(spare)
    if sys.stdin is None:
        sys.stdin = open(0, encoding="utf-8")  # noqa: SIM115 - open to the end, as standard streams are
    if sys.stdout is None:
        sys.stdout = open(1, "w", encoding="utf-8")  # noqa: SIM115
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115


def _came_from_printing(error: OSError) -> bool:
    """Tell whether it was click's echo that failed, and not a file of ours."""
    trace, last = error.__traceback__, None
    while trace is not None:
        trace, last = trace.tb_next, trace
    return last is not None and last.tb_frame.f_code is click.echo.__code__


def _silence() -> None:
    """Let what is still buffered go nowhere: there is no one to take it."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)
