"""The verb before the first night: warmup."""

from __future__ import annotations

import time

import click

from capforecast.cli.options import Common, common_but_as_of
from capforecast.cli.output import leave, print_json, progress

FAILED = 1


@click.command("warmup")
@common_but_as_of("Kernels are the same at any time")
def warmup_command(common: Common) -> None:
    """Compile all kernels now, so that nothing later waits for it.

    They are kept beside the package, or else in a cache directory of the user; NUMBA_CACHE_DIR names another.
    What is kept already is not compiled again. The exit code is 1 when they cannot be kept anywhere.

    In an image for containers, warm up as the last step of the installation; programs that run as another
    user, or on a read-only file system, then find the kernels. They are made for the kind of processor that
    they are compiled on: where an image runs on several kinds, set NUMBA_CPU_NAME=generic, both when it is
    made and when it runs.

    \b
    Examples:
      capforecast warmup
      RUN pip install capforecast && capforecast warmup      (in a Dockerfile)
      NUMBA_CACHE_DIR=/var/cache/capforecast capforecast warmup --json
    """  # noqa: D301
    from capforecast import kernel_cache
    from capforecast.warmup import warmup

    begun = time.monotonic()
    with progress(common) as report:
        done = warmup(report)
    seconds = time.monotonic() - begun
    folders = [str(folder) for folder in kernel_cache.used()]
    if common.json:
        counted = {"compiled": done.compiled, "lost": done.lost}
        print_json({**counted, "seconds": round(seconds, 1), "directories": folders})
    elif not common.quiet:
        what = f"{done.compiled} kernels compiled" if done.compiled else "all kernels were there"
        click.echo(f"{what} ({seconds:.1f} s); kept in {', '.join(folders) or 'no place'}")
    leave(FAILED if done.lost else 0)
