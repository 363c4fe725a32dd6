"""Data files of sysstat (``sa15``), which only the ``sadf`` of a fitting version reads: it is run on them."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from typing import IO

from capforecast.errors import SourceError
from capforecast.sources import Batch, ReadOptions
from capforecast.sources.content import STDIN, chunks, compression, raw_head, shown
from capforecast.sources.delimited import Delimited

_MAGIC = (b"\x96\xd5", b"\xd5\x96")
_ACTIVITIES = ("-bBdFHqSvwWy", "-r", "ALL", "-u", "ALL", "-P", "ALL", "-n", "ALL", "-m", "CPU")
TIME_LIMIT_S = 300.0
"""Longest run of sadf on one file."""
OUTPUT_BYTES = 8 << 30
"""Most text that sadf may write for one file."""


class SysstatBinary:
    """Data files of sysstat, through sadf."""

    name = "sysstat"
    general = False

    def claims(self, location: str, head: bytes) -> bool:
        """Tell whether the content begins as sysstat's data files do."""
        return head.startswith(_MAGIC)

    def read(self, location: str, options: ReadOptions) -> Iterator[Batch]:
        """Yield the location's samples.

        Raises
        ------
        SourceError
            sadf is not installed, does not read the file, or takes too long.
        """
        program = shutil.which("sadf")
        if program is None:
            raise SourceError(
                "sysstat's data files are read by its program sadf, which must be installed",
                got="no sadf in PATH",
                where=shown(location),
                do="Install the package sysstat, or take what sadf -d -U FILE -- -A writes where it is installed",
            )
        with tempfile.TemporaryDirectory(prefix="capforecast-sadf-") as folder:
            # An absolute path: a name that begins with - must not be an option.
            path = os.path.abspath(location)
            if location == STDIN or compression(raw_head(location)) is not None:
                path = os.path.join(folder, "data")
                with open(path, "wb") as plain:
                    plain.writelines(chunks(location))
            text = os.path.join(folder, "text")
            with open(text, "wb") as out:
                _run([program, "-d", "-U", path, "--", *_ACTIVITIES], out, location)
            yield from Delimited().read(text, replace(options, format="delimited"))


def _run(command: list[str], out: IO[bytes], location: str) -> None:
    """Write what sadf says."""
    environment = {**os.environ, "LC_ALL": "C", "TZ": "UTC"}
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.PIPE,
            env=environment,
            timeout=TIME_LIMIT_S,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise SourceError(
            f"sadf must be done within {TIME_LIMIT_S:g} seconds", got="no end", where=shown(location)
        ) from error
    except OSError as error:
        raise SourceError("sadf must run", got=error.strerror or str(error), where=shown(location)) from error
    size = os.path.getsize(out.name)
    if done.returncode != 0 or not size or size > OUTPUT_BYTES:
        said = done.stderr.decode(errors="replace").strip().splitlines()
        raise SourceError(
            "sadf must read the file",
            got=f"exit code {done.returncode}, {size} bytes" + (f": {said[0]}" if said else ""),
            where=shown(location),
            do="A file of an older version is converted by: sadf -c FILE > NEW",
        )
