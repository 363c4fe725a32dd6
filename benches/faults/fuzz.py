"""Mutated input of every parser: only errors of the package's own, no hang, bounded memory, no row lost.

Run: ``python benches/faults/fuzz.py [--inputs 200000] [--minutes 60] [--only NAME] [--seed N]``. The parsers are every
registered source, compressed text, settings and limits, those of the most risk first; with ``--minutes`` each gets an
equal share of what is left and says how far it came. Each input is a valid file with random edits, made of the seed
and its number alone; after the first ``--alone`` ones text of lines is read in files of many inputs after a valid one,
and each of a file that is refused as a whole is read alone. What was read goes through the checks of an ingest, the
rows of many files at once and again file by file where that fails. A parser works in a process of its own, and one that
dies, takes more than `MEMORY_BYTES` or longer than `PATIENCE_S` for a file is a finding, as is every other error.
Findings are kept in ``--keep``. The exit code is 1 when there is one.
"""

from __future__ import annotations

import argparse
import json
import mmap
import os
import random
import resource
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TypeVar

os.environ.setdefault("POLARS_MAX_THREADS", "1")

import numpy as np
from parsers import PARSERS, Parser, valid
from source_files import together
from source_mutations import assert_acceptable

from capforecast.sources import Batch

PATIENCE_S = 30.0
MEMORY_BYTES = 1 << 30
ADDRESS_BYTES = 16 << 30
"""Most addresses: a single request for memory that is not there fails instead of stopping the machine. Each thread
reserves many, so that they say nothing about what is used."""
MEMORY = Path("/dev/shm")
"""Where files are written, if it is there: a disk that keeps each of them takes longer than most parsers."""
TOGETHER = 200
Answer = TypeVar("Answer")
COUNTS = ("next", "since_ms", "read", "refused", "files of many", "refused as a whole", "findings", "slowest_ms")


class Board:
    """Numbers that a parser's process writes and its parent reads, also when it was killed."""

    def __init__(self) -> None:
        self._numbers = np.frombuffer(mmap.mmap(-1, 8 * len(COUNTS)), dtype=np.int64)

    def __getitem__(self, name: str) -> int:
        return int(self._numbers[COUNTS.index(name)])

    def __setitem__(self, name: str, value: int) -> None:
        self._numbers[COUNTS.index(name)] = value


class Work:
    """The inputs of one parser, one after another.

    Parameters
    ----------
    parser : Parser
        What reads them.
    folder : Path
        A directory for the file that is read.
    board : Board
        Where it is told how far things are.
    asked : argparse.Namespace
        The options of the bench.
    """

    def __init__(self, parser: Parser, folder: Path, board: Board, asked: argparse.Namespace):
        self._parser, self._board, self._asked = parser, board, asked
        self.path = folder / parser.name / parser.file
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._unchecked: list[tuple[int, Batch]] = []

    def all(self, deadline: float) -> None:
        """Read inputs from that of the board on."""
        while self._board["next"] < self._asked.inputs and time.monotonic() < deadline:
            first = self._board["next"]
            if first < self._asked.alone or not self._parser.lines:
                self._one(first)
                self._board["next"] = first + 1
            else:
                self._many(range(first, min(first + TOGETHER, self._asked.inputs)))
            if len(self._unchecked) >= TOGETHER:
                self._check()
        self._check()

    def _input(self, number: int) -> bytes:
        chosen = random.Random(f"{self._asked.seed} {self._parser.name} {number}")
        return self._parser.input(chosen)

    def _one(self, number: int) -> None:
        data = self._input(number)
        batches = self._read(data, number)
        self._board["refused" if batches is None else "read"] += 1
        if batches:
            self._unchecked.append((number, together(batches)))

    def _many(self, numbers: range) -> None:
        # Bytes that are no text would end the reading of all.
        inputs = [self._input(number).decode(errors="ignore").encode() for number in numbers]
        data = b"\n".join([valid(self._parser.name), *inputs])
        self._board["files of many"] += 1
        batches = self._read(data, numbers[0])
        if batches is not None:
            self._watched(lambda: assert_acceptable(together(batches)), data, numbers[0])
            self._board["read"] += len(inputs)
            self._board["next"] = numbers.stop
            return
        self._board["refused as a whole"] += 1
        for number in numbers:
            self._one(number)
            self._board["next"] = number + 1

    def _check(self) -> None:
        """Check what was read and not checked yet, all of it and, where that fails, each input alone."""
        waiting, self._unchecked = self._unchecked, []
        try:
            assert_acceptable(together([batch for _, batch in waiting]))
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt | SystemExit):
                raise
            findings = self._board["findings"]
            for number, batch in waiting:
                self._watched(partial(assert_acceptable, batch), self._input(number), number)
            if self._board["findings"] == findings:
                self.found(f"together only: {type(error).__name__}: {str(error)[:200]}", waiting[0][0], b"")

    def _read(self, data: bytes, number: int) -> list[Batch] | None:
        """Return what an input holds, None where it is refused or a finding."""
        self.path.write_bytes(data)
        return self._watched(partial(self._parser.reads, self.path), data, number)

    def _watched(self, work: Callable[[], Answer], data: bytes, number: int) -> Answer | None:
        """Do a piece of work; whatever it raises is a finding."""
        begin = time.monotonic()
        self._board["since_ms"] = int(begin * 1000)
        try:
            return work()
        except BaseException as error:
            # Panics of polars are no exceptions of the usual kind.
            if isinstance(error, KeyboardInterrupt | SystemExit):
                raise
            self.found(f"{type(error).__name__}: {str(error)[:200]}", number, data)
        finally:
            self._board["slowest_ms"] = max(self._board["slowest_ms"], int((time.monotonic() - begin) * 1000))
        return None

    def found(self, what: str, number: int, data: bytes) -> None:
        """Tell of a finding, and keep its input."""
        self._board["findings"] += 1
        print(json.dumps({"parser": self._parser.name, "input": number, "finding": what}), flush=True)
        if self._asked.keep is not None:
            self._asked.keep.mkdir(exist_ok=True)
            (self._asked.keep / f"{self._parser.name}-{number}").write_bytes(data)


def peaks(work: Work, board: Board, deadline: float, asked: argparse.Namespace) -> Iterator[int]:
    """Work in a process, in another one from the next input on where that dies; yield the peak memory of each."""
    while board["next"] < asked.inputs and time.monotonic() < deadline:
        board["since_ms"] = int(time.monotonic() * 1000)
        pid = os.fork()
        if not pid:
            code = 1
            try:
                bounded()
                work.all(deadline)
                code = 0
            finally:
                os._exit(code)
        while True:
            ended, status, usage = os.wait4(pid, os.WNOHANG)
            if ended:
                break
            if time.monotonic() * 1000 - board["since_ms"] > PATIENCE_S * 1000 or resident(pid) > MEMORY_BYTES:
                os.kill(pid, signal.SIGKILL)
            time.sleep(0.05)
        code = os.waitstatus_to_exitcode(status)
        if code:
            work.found(f"the process ended with {code}", board["next"], work.path.read_bytes())
            board["next"] += 1
        yield usage.ru_maxrss // 1024


def resident(pid: int) -> int:
    """Return the memory that a process holds."""
    return int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1]) * resource.getpagesize()


def bounded() -> None:
    """Let no request of this process for memory stop the machine."""
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_BYTES, ADDRESS_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--inputs", type=int, default=200_000, help="inputs for each parser")
    parser.add_argument("--alone", type=int, default=10_000, help="inputs that are a file each, of text of lines")
    parser.add_argument("--minutes", type=float, default=float("inf"), help="time for all parsers")
    parser.add_argument("--only", choices=PARSERS, action="append", help="may be given several times")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**9))
    parser.add_argument("--keep", type=Path, help="directory for inputs that are findings")
    asked = parser.parse_args()
    print(json.dumps({"seed": asked.seed}), flush=True)
    end, bad = time.monotonic() + 60 * asked.minutes, 0
    chosen = [one for name, one in PARSERS.items() if asked.only is None or name in asked.only]
    with tempfile.TemporaryDirectory(prefix="capforecast-fuzz-", dir=MEMORY if MEMORY.is_dir() else None) as folder:
        for place, one in enumerate(chosen):
            begin, board = time.monotonic(), Board()
            work = Work(one, Path(folder), board, asked)
            deadline = begin + (end - begin) / (len(chosen) - place)
            peak = max(peaks(work, board, deadline, asked), default=0)
            bad += board["findings"]
            told = {"parser": one.name, "inputs": board["next"], **{name: board[name] for name in COUNTS[2:]}}
            rate = board["next"] / (time.monotonic() - begin)
            print(json.dumps({**told, "peak_mb": peak, "per_s": round(rate)}), flush=True)
    return int(bad > 0)


if __name__ == "__main__":
    sys.exit(main())
