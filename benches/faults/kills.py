"""SIGKILL at random moments of whole runs: what was published stands, and the next run is right.

Run: ``python benches/faults/kills.py [--kills 300] [--seed N]``. In turn a first run of a new store, the second
night of one that has published, and an ingest are killed. After each kill the store must open, the report that
``latest.json`` names must be whole, rows in must equal accepted + duplicate + quarantined, and the same run again
must publish the bytes of one that nobody disturbed. The exit code is 1 when anything is otherwise.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import nights

SCENES = ("first run", "second run", "ingest")


def prepared(folder: Path) -> tuple[dict[str, Path], dict[str, float], dict[str, dict[str, str]]]:
    """Return a site for each scene, how long its undisturbed run takes, and what that publishes in the end."""
    new = nights.site(folder / "new")
    night = nights.copied(new, folder / "night")
    nights.first_night(night)
    nights.write_day(night / "inbox" / "last.csv", [0])
    sites = {"first run": new, "second run": night, "ingest": night}
    took, expected = {}, {}
    for scene, site in sites.items():
        copy = nights.copied(site, folder / "whole")
        ended = nights.finished(nights.command(arguments(scene, copy)), copy)
        assert ended.code == 4, ended
        took[scene] = ended.seconds
        again = nights.finished(nights.command(nights.run(copy)), copy)
        assert again.code in (0, 4), again
        expected[scene] = nights.content(copy / "store")
        wrong = nights.checked(copy / "store", copy)
        assert not wrong, wrong
        shutil.rmtree(copy)
    return sites, took, expected


def arguments(scene: str, site: Path) -> list[str]:
    return nights.ingest(site, "inbox/last.csv") if scene == "ingest" else nights.run(site)


def killed(site: Path, scene: str, after: float, expected: dict[str, str]) -> tuple[str, list[str]]:
    """Kill one run, and return where it was (before, published or done) and what is wrong afterwards."""
    store, wrong = site / "store", []
    before = nights.pointer(store)
    process = nights.Process(nights.command(arguments(scene, site)), site)
    time.sleep(after)
    process.signal(signal.SIGKILL)
    ended = process.wait()
    now = nights.pointer(store)
    state = "done" if ended.code >= 0 else "published" if now != before else "before"
    if ended.code not in (4, -signal.SIGKILL):
        wrong.append(f"exit {ended.code}: {ended.said[-300:]}")
    wrong += nights.torn(store)
    again, found = nights.recovered(nights.run(site), store, site)
    wrong += found
    if again.code not in (0, 4):
        wrong.append(f"the next run: exit {again.code}: {again.said[-600:]}")
    if nights.content(store) != expected:
        differ = [name for name, sha in expected.items() if nights.content(store).get(name) != sha]
        wrong.append(f"the next run publishes other bytes in {differ}")
    return state, wrong + nights.torn(store)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=300)
    parser.add_argument("--seed", type=int, default=None)
    asked = parser.parse_args()
    seed = random.SystemRandom().randrange(10**9) if asked.seed is None else asked.seed
    chance, states, bad = random.Random(seed), Counter(), 0
    print(json.dumps({"seed": seed}), flush=True)
    nights.preload()
    with tempfile.TemporaryDirectory(prefix="capforecast-kills-") as folder:
        sites, took, expected = prepared(Path(folder))
        print(json.dumps({"undisturbed_s": {scene: round(s, 2) for scene, s in took.items()}}), flush=True)
        for number in range(asked.kills):
            scene = SCENES[number % len(SCENES)]
            site = nights.copied(sites[scene], Path(folder) / "killed")
            after = chance.uniform(0, 1.1 * took[scene])
            state, wrong = killed(site, scene, after, expected[scene])
            states[f"{scene}: {state}"] += 1
            if wrong:
                bad += 1
                print(json.dumps({"kill": number, "scene": scene, "after_s": after, "wrong": wrong}), flush=True)
            shutil.rmtree(site)
            if number % 20 == 19:
                print(json.dumps({"kills": number + 1, "bad": bad}), flush=True)
    print(json.dumps({"kills": asked.kills, "bad": bad, "states": dict(sorted(states.items()))}))
    return int(bad > 0)


if __name__ == "__main__":
    sys.exit(main())
