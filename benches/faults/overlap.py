"""Overlapping runs, dead, frozen and stopped holders: one works, the others leave at once and name it.

Run: ``python benches/faults/overlap.py [--rounds 5] [--stops 100] [--seed N]``. In each round eight runs of one store
start together: one must publish what an undisturbed one does, seven must leave with 75 and name the process that
holds the lock. Then a holder is killed (the next run must start at once), one is frozen (it must not be overrun,
and ``--wait`` must end in time), and runs are sent SIGTERM or SIGINT at random moments (exit 143 or 130 within two
seconds, what was published as it was, the lock free). The exit code is 1 when anything is otherwise.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import nights

TOGETHER = 8
STOP_SECONDS = 2.0
NAMED = re.compile(r"held by process (\d+) \(.+\) on \S+ since \d{4}-")


def round_of_eight(site: Path, expected: dict[str, str]) -> list[str]:
    """Start eight runs together; return what is wrong."""
    processes = [nights.Process(nights.command(nights.run(site)), site) for _ in range(TOGETHER)]
    ended = [process.wait() for process in processes]
    codes = Counter(one.code for one in ended)
    wrong = []
    worked = [one for one in ended if one.code != 75]
    # One that comes when the first is done works, too, and changes nothing.
    if not worked or any(one.code not in (0, 4) for one in worked):
        wrong.append(f"exit codes {dict(codes)}")
    pids = {process.pid for process in processes}
    for one in ended:
        named = NAMED.search(one.said)
        if one.code == 75 and not (named and int(named[1]) in pids):
            wrong.append(f"the holder is not named: {one.said[-200:]}")
    if nights.content(site / "store") != expected:
        wrong.append("other bytes are published")
    return wrong + nights.torn(site / "store") + nights.checked(site / "store", site)


def held(site: Path) -> nights.Process:
    """Start a run and return it when it holds the lock."""
    process = nights.Process(nights.command(nights.run(site)), site)
    lock = site / "store" / "lock"
    deadline = time.monotonic() + nights.PATIENCE_S
    while str(process.pid) not in lock.read_text():
        if time.monotonic() >= deadline:
            raise TimeoutError(f"process {process.pid} does not hold {lock}, which says {lock.read_text()!r}")
        time.sleep(0.002)
    return process


def killed_and_frozen(site: Path, expected: dict[str, str]) -> tuple[dict[str, float], list[str]]:
    """Kill a holder, then freeze one; return how long others took, and what is wrong."""
    wrong, took = [], {}
    process = held(site)
    process.signal(signal.SIGKILL)
    process.wait()
    process = held(site)
    process.signal(signal.SIGSTOP)
    for words, least in (((), 0.0), (("--wait", "1.5"), 1.5)):
        one = nights.finished(nights.command(nights.run(site, *words)), site)
        took[f"busy{'_'.join(words)}_s"] = round(one.seconds, 2)
        if one.code != 75 or one.seconds < least or f"process {process.pid} " not in one.said:
            wrong.append(f"beside a frozen run: exit {one.code} after {one.seconds:.1f} s: {one.said[-200:]}")
    waiting = nights.Process(nights.command(nights.run(site, "--wait", "120")), site)
    time.sleep(1)
    if os.waitid(os.P_PID, waiting.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None:
        wrong.append("who should wait for a frozen run did not")
    process.signal(signal.SIGCONT)
    codes = process.wait().code, waiting.wait().code
    if not set(codes) <= {0, 4}:
        wrong.append(f"the frozen run and the one that waited for it end with {codes}")
    if nights.content(site / "store") != expected:
        wrong.append("other bytes are published")
    return took, wrong + nights.checked(site / "store", site)


def stopped(site: Path, number: int, after: float, cold: Path | None) -> tuple[str, float, list[str]]:
    """Send a signal to a run; return how it ended, after how long, and what is wrong."""

    def compile_anew() -> None:
        for name in ("NUMBA_CACHE_DIR", "XDG_CACHE_HOME", "TMPDIR"):
            os.environ[name] = str(cold)

    before = nights.pointer(site / "store")
    process = nights.Process(nights.command(nights.run(site)), site, before=None if cold is None else compile_anew)
    time.sleep(after)
    sent = time.monotonic()
    process.signal(number)
    ended = process.wait()
    seconds, wrong = time.monotonic() - sent, []
    if ended.code in (0, 4):
        return "done", seconds, []
    if ended.code == -number:
        # The command line had not taken over yet.
        return "at the start", seconds, []
    if ended.code != 128 + number or "Interrupted by" not in ended.said or "Traceback" in ended.said:
        wrong.append(f"exit {ended.code}: {ended.said[-300:]}")
    if seconds > STOP_SECONDS:
        wrong.append(f"took {seconds:.2f} s")
    now = nights.pointer(site / "store")
    if before is not None and now is not None and now["path"] != before["path"]:
        wrong += nights.torn(site / "store")
    return "stopped", seconds, wrong


def stops(folder: Path, night: Path, took: float, expected: dict[str, str], asked: argparse.Namespace) -> int:
    """Stop runs at random moments, in every fifth of them while kernels are compiled; return how many went wrong."""
    chance, states, slowest, bad = random.Random(asked.seed), Counter(), 0.0, 0
    for turn in range(asked.stops):
        site = nights.copied(night, folder / "stopped")
        cold = None
        if turn % 5 == 4:
            cold = folder / "cold"
            cold.mkdir()
        number = (signal.SIGTERM, signal.SIGINT)[turn % 2]
        after = chance.uniform(0.05, took * (1 if cold is None else 4))
        state, seconds, wrong = stopped(site, number, after, cold)
        again, found = nights.recovered(nights.run(site), site / "store", site)
        if again.code not in (0, 4) or nights.content(site / "store") != expected:
            wrong.append(f"the next run: exit {again.code}, {again.said[-300:]}")
        states[f"{state}{'' if cold is None else ', cold'}"] += 1
        slowest = max(slowest, seconds) if state == "stopped" else slowest
        if wrong + found:
            bad += 1
            print(json.dumps({"stop": turn, "after_s": after, "wrong": wrong + found}), flush=True)
        shutil.rmtree(site)
        if cold is not None:
            shutil.rmtree(cold)
        if turn % 20 == 19:
            print(json.dumps({"stops": turn + 1, "slowest_s": round(slowest, 2), "bad": bad}), flush=True)
    print(json.dumps({"stops": asked.stops, "slowest_s": round(slowest, 2), "bad": bad, "states": dict(states)}))
    return bad


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--stops", type=int, default=100)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**9))
    asked = parser.parse_args()
    print(json.dumps({"seed": asked.seed}), flush=True)
    nights.preload()
    bad = 0
    with tempfile.TemporaryDirectory(prefix="capforecast-overlap-") as name:
        folder = Path(name)
        night = nights.site(folder / "night")
        nights.first_night(night)
        nights.write_day(night / "inbox" / "last.csv", [0])
        whole = nights.copied(night, folder / "whole")
        took = nights.finished(nights.command(nights.run(whole)), whole).seconds
        expected = nights.content(whole / "store")
        for turn in range(asked.rounds):
            site = nights.copied(night, folder / "eight")
            wrong = round_of_eight(site, expected)
            bad += bool(wrong)
            print(json.dumps({"round": turn, "runs": TOGETHER, "wrong": wrong}), flush=True)
            shutil.rmtree(site)
        seconds, wrong = killed_and_frozen(nights.copied(night, folder / "frozen"), expected)
        bad += bool(wrong)
        print(json.dumps({"killed and frozen holders": seconds, "wrong": wrong}), flush=True)
        bad += stops(folder, night, took, expected, asked)
    return int(bad > 0)


if __name__ == "__main__":
    sys.exit(main())
