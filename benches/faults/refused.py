"""Refused writes: ENOSPC and EIO at every durable step of a whole run, and limits of file size in the system itself.

Run: ``python benches/faults/refused.py [--stride 1] [--minutes 60]``. The steps are the calls through which
`store.durable` and `store.database` write, fsync, rename, link, make directories, remove, commit and checkpoint,
counted over a first and a second run; at each one the call fails once with either error. The run must end with one
line of error, what was published must stand or be the whole new run, and the same run again must publish the bytes of
one that nobody disturbed. With ``--sizes`` RLIMIT_FSIZE, which no seam hides from a library, cuts files at so many
sizes. The steps are tried in passes, each between those before, so that ``--minutes`` leaves out steps of all parts
of a run alike. The exit code is 1 when anything is otherwise.
"""

from __future__ import annotations

import argparse
import errno
import json
import os
import resource
import shutil
import signal
import sys
import tempfile
import time
import types
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import nights

CALLS = ("fsync", "replace", "rename", "mkdir", "open", "link", "unlink", "ftruncate", "pwrite")


class Failing:
    """A file whose writes are steps, too."""

    def __init__(self, file: Any, step: Callable[[], None]):
        self._file, self._step = file, step

    def write(self, data: Any) -> int:
        """Count, then write."""
        self._step()
        return self._file.write(data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)

    def __enter__(self) -> Any:
        return self

    def __exit__(self, *error: object) -> None:
        self._file.close()


def inject(at: int | None, code: int) -> Callable[[], int]:
    """Count the durable steps of this process and let one of them fail; return a function that tells the count."""
    import duckdb

    from capforecast.errors import StoreError
    from capforecast.store import database, durable

    count = 0

    def step(own: type[Exception] | None = None) -> None:
        nonlocal count
        count += 1
        if count == at:
            raise own(os.strerror(code)) if own else OSError(code, os.strerror(code))

    def wrapped(function: Callable[..., Any], own: type[Exception] | None = None) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            step(own)
            return function(*arguments, **options)

        return call

    fake = types.SimpleNamespace(**{name: getattr(os, name) for name in dir(os) if not name.startswith("__")})
    for name in CALLS:
        setattr(fake, name, wrapped(getattr(os, name)))
    opened = os.fdopen
    fake.fdopen = lambda fd, *mode: Failing(opened(fd, *mode), step)
    durable.os = fake
    for name, own in (("commit", duckdb.IOException), ("checkpoint", StoreError)):
        setattr(database, name, wrapped(getattr(database, name), own))
    return lambda: count


def steps_of(site: Path) -> int:
    """Return how many steps a run takes."""

    def run() -> None:
        told = inject(None, 0)
        try:
            nights.command(nights.run(site))()
        except SystemExit:
            print(json.dumps(told()))

    return int(nights.finished(run, site).said.splitlines()[-1])


def judged(ended: nights.Ended, site: Path, expected: dict[str, str], before: dict[str, Any] | None) -> list[str]:
    """Return what is wrong after a run that met an error."""
    store, wrong = site / "store", []
    said = [line for line in ended.said.splitlines() if line.startswith("Error")]
    # An error after everything is published, or of what a later run removes anyway, may leave the run good.
    if ended.code not in (0, 1, 4) or (ended.code == 1 and len(said) != 1) or "Traceback" in ended.said:
        wrong.append(f"exit {ended.code}: {ended.said[-700:]}")
    now = nights.pointer(store)
    if now != before and nights.content(store) != expected:
        wrong.append("something else is published")
    again, found = nights.recovered(nights.run(site), store, site)
    if again.code not in (0, 4):
        wrong.append(f"the next run: exit {again.code}: {again.said[-500:]}")
    if nights.content(store) != expected:
        wrong.append("the next run publishes other bytes")
    return wrong + found + nights.torn(store)


Point = tuple[str, Callable[[], object]]


def points(total: int, asked: argparse.Namespace) -> list[Point]:
    """Return what is refused, one after another, and what does it in the process of a run."""
    limits: list[Point] = [(f"files of {size} bytes", partial(limited, size)) for size in sizes(asked.sizes)]
    steps: list[Point] = []
    for at in in_passes(range(1, total + 1, asked.stride)):
        code = (errno.ENOSPC, errno.EIO)[at % 2]
        steps.append((f"{errno.errorcode[code]} at {at}", partial(inject, at, code)))
    return limits + steps


def refused(
    base: Path, folder: Path, deadline: float, asked: argparse.Namespace
) -> Iterator[tuple[int, Point, list[str]]]:
    """Yield the exit code of a run at each point, and what is wrong after it."""
    whole = nights.copied(base, folder / "whole")
    total = steps_of(whole)
    expected = nights.content(whole / "store")
    shutil.rmtree(whole)
    chosen = points(total, asked)[asked.skip :]
    print(json.dumps({"scene": base.name, "steps": total}), flush=True)
    for done, point in enumerate(chosen):
        if time.monotonic() > deadline:
            print(json.dumps({"scene": base.name, "left out": len(chosen) - done}), flush=True)
            return
        site = nights.copied(base, folder / "refused")
        pointer = nights.pointer(site / "store")
        ended = nights.finished(nights.command(nights.run(site)), site, before=point[1])
        yield ended.code, point, judged(ended, site, expected, pointer)
        shutil.rmtree(site)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--stride", type=int, default=1, help="only every so many steps")
    parser.add_argument("--minutes", type=float, default=float("inf"), help="time for all steps")
    parser.add_argument("--skip", type=int, default=0, help="points of each run that were tried before")
    parser.add_argument("--sizes", type=int, default=12, help="limits of file size to try")
    asked = parser.parse_args()
    nights.preload()
    bad, codes, end = 0, Counter(), time.monotonic() + 60 * asked.minutes
    with tempfile.TemporaryDirectory(prefix="capforecast-refused-") as name:
        folder = Path(name)
        new = nights.site(folder / "first run")
        night = nights.copied(new, folder / "second run")
        nights.first_night(night)
        nights.write_day(night / "inbox" / "last.csv", [0])
        for left, base in ((2, night), (1, new)):
            deadline = time.monotonic() + (end - time.monotonic()) / left
            for code, (what, _), wrong in refused(base, folder, deadline, asked):
                codes[code] += 1
                bad += bool(wrong)
                if wrong:
                    print(json.dumps({"scene": base.name, "point": what, "wrong": wrong}), flush=True)
                if codes.total() % 20 == 0:
                    print(json.dumps({"tried": codes.total(), "bad": bad}), flush=True)
    print(json.dumps({"tried": codes.total(), "bad": bad, "exit codes": dict(codes)}))
    return int(bad > 0)


def in_passes(numbers: range) -> list[int]:
    """Return numbers so that each pass lies between those before it."""
    found: dict[int, None] = {}
    step = 1 << len(numbers).bit_length()
    while step:
        found.update(dict.fromkeys(numbers[::step]))
        step //= 2
    return list(found)


def sizes(count: int) -> list[int]:
    """Return sizes from a kilobyte to some megabytes, each by the same factor larger."""
    return [int(1024 * (4096 ** (number / max(count - 1, 1)))) for number in range(count)]


def limited(size: int) -> None:
    """Let no file of this process grow beyond a size."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


if __name__ == "__main__":
    sys.exit(main())
