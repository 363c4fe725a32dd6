"""The program: the command line in a process of its own, which starts and ends quickly."""

from __future__ import annotations

import atexit
import gc
import os
import sys

from capforecast.cli import main


def program() -> None:
    """Run one command and end the process."""
    _quicken()
    try:
        main(prog_name="capforecast")
    except SystemExit as done:
        _end(done)
        raise


def _quicken() -> None:
    """Set up a process that lives for one command.

    Most objects that a short command makes are modules and functions, and stay: at the default pace, a tenth
    of its time would go into looking for cycles among them. Threads that a library of linear algebra
    starts when it is loaded are never used: shards are what runs in threads. Nothing that is written can be
    written to by everybody, whatever the umask: libraries make files, too.
    """
    os.umask(os.umask(0o077) | 0o002)
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    gc.set_threshold(50_000, 20, 20)


def _end(done: SystemExit) -> None:
    """End the process when all that must be done at the end is done; return where output is left unwritten.

    Taking all modules apart once more, as the interpreter does, takes a fifth of a short command's time.
    """
    if done.code is not None and not isinstance(done.code, int):
        return
    atexit._run_exitfuncs()
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except (OSError, ValueError):
        return
    os._exit(done.code or 0)
