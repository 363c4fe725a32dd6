"""Accuracy on server data: hourly mean and hourly max, 24 and 168 hours ahead, with peers beside capforecast.

Usage: python benches/bench_server.py [--only ours] [--cases N] [--peers NAME ...] [--dataset NAME ...] [--days N]
                                      [--csv FILE]

Rolling origins over every series of six public data sets, at most 60 days of history before each. First all
cases with capforecast and the seasonal naive forecasts (24 and 168 h; quantiles of their own past errors), then
the same with all peers, or those named, on an even sample of N cases a block (24). `--only ours` leaves the
sample out. With `--days N` everybody sees the last N days before an origin alone, as of a host that is new.

CRPS is twice the mean pinball loss over 0.1 ... 0.9, MASE uses the median; both are divided by the mean
absolute difference between hours a day apart in the training window. Cases where that is zero are left out and
counted. A window that hardly moved makes huge scaled errors out of nothing, so there are also the mean with
each case capped at 10, and the geometric mean of the ratio to the seasonal naive forecast's CRPS. The last
table has both as ratios of capforecast to each other method: below 1 capforecast is better.
"""

from __future__ import annotations

import argparse
import time

import numpy as np
import polars as pl
from contenders import Peer, hourly_peers, ours, seasonal_naive
from scores import Scores, scale_of, score, together
from series import DATA, HISTORY, LEAST_KNOWN, ORIGINS, Cases, cases, hourly

ALL, SAMPLE = "all cases", "sample"
OURS = "capforecast"
NAIVE = "SeasonalNaive(24)"
HEAD = f" {'CRPS':>8s} {'capped':>7s} {'x naive':>7s} {'MASE':>8s} {'capped':>7s} {'in 80%':>6s}"


def halves(number: np.ndarray) -> dict[str, np.ndarray]:
    even = number % 2 == 0
    return {"all": even | True, "even": even, "odd": ~even}


class Results:
    """What was measured: printed block by block, kept for the last table."""

    def __init__(self) -> None:
        self.rows: list[tuple[str, str, str, str, dict[str, float]]] = []

    def add(self, data: Cases, scored: dict[str, Scores], title: str, sort: str) -> None:
        """Print one block: all methods on all cases, the even and the odd half."""
        scale = scale_of(data.train, 24)
        print(f"\n{title}, {sort}: {len(data)} cases, {int((scale == 0).sum())} of them with scale zero")
        for half, rows in halves(data.number).items():
            if not (rows & (scale > 0)).any():
                continue
            print(f"{half:34s}" + HEAD)
            for name, one in scored.items():
                got = together(one, scored[NAIVE], scale, rows)
                print(
                    f"  {name:32s} {got['crps']:8.4f} {got['capped']:7.4f} {got['ratio']:7.3f} "
                    f"{got['mase']:8.4f} {got['mase_capped']:7.4f} {got['inside']:6.3f}"
                )
                self.rows.append((title, sort, half, name, got))

    def write(self, path: str) -> None:
        """Write all numbers as CSV."""
        columns = {"title": 0, "cases": 1, "half": 2, "method": 3}
        pl.DataFrame([{c: row[i] for c, i in columns.items()} | row[4] for row in self.rows]).write_csv(path)

    def verdict(self, sort: str, halves_shown: tuple[str, ...]) -> None:
        """Print capforecast's CRPS over that of each other method: capped mean, and geometric mean of the cases."""
        print(f"\nCRPS of capforecast / other, capped mean and geometric mean; {sort}")
        for half in halves_shown:
            blocks: dict[str, dict[str, dict[str, float]]] = {}
            for title, kind, part, name, got in self.rows:
                if (kind, part) == (sort, half):
                    blocks.setdefault(title, {})[name] = got
            if not blocks:
                continue
            others = [name for name in next(iter(blocks.values())) if name != OURS]
            print(f"{half:36s}" + "".join(f"{name.replace('Seasonal', ''):>18s}" for name in others))
            cells: list[list[tuple[float, float]]] = []
            for title, methods in blocks.items():
                own = methods[OURS]
                cells.append(
                    [(own["capped"] / m["capped"], own["ratio"] / m["ratio"]) for m in map(methods.__getitem__, others)]
                )
                print(f"{title:36s}" + "".join(f"{a:11.3f} {b:6.3f}" for a, b in cells[-1]))
            mean = np.exp(np.log(np.array(cells)).mean(axis=0))
            print(f"{'geometric mean of these':36s}" + "".join(f"{a:11.3f} {b:6.3f}" for a, b in mean))


def fast(data: Cases, horizon: int) -> dict[str, Scores]:
    """Score capforecast and the seasonal naive forecasts."""
    return {
        OURS: score(data.truth, ours(data.train, horizon, data.lower, data.upper)[1]),
        NAIVE: score(data.truth, seasonal_naive(data.train, horizon, 24)),
        "SeasonalNaive(168)": score(data.truth, seasonal_naive(data.train, horizon, 168)),
    }


def sample(data: Cases, count: int) -> Cases:
    """Return an even sample, half of it from even and half from odd series where there are both."""
    even = np.flatnonzero(data.number % 2 == 0)
    odd = np.flatnonzero(data.number % 2 == 1)
    chosen: list[int] = []
    for part in (even, odd):
        want = min(part.size, count // 2 if odd.size else count)
        chosen += part[(np.arange(want) * part.size + part.size // 2) // max(want, 1)].tolist()
    return data.pick(np.array(sorted(chosen), np.int64))


def study(data: Cases, title: str, results: Results, peers: dict[str, Peer], count: int) -> None:
    """Score capforecast and the seasonal naive forecasts on all cases, and the peers with them on a sample."""
    horizon = data.truth.shape[1]
    start = time.perf_counter()
    results.add(data, fast(data, horizon), title, ALL)
    print(f"({time.perf_counter() - start:.1f} s)", flush=True)
    if not peers:
        return
    few = sample(data, count)
    scored = fast(few, horizon)
    spent = []
    for name, peer in peers.items():
        start = time.perf_counter()
        scored[name] = score(few.truth, peer(few.train, horizon))
        spent.append(f"{name} {(time.perf_counter() - start) / len(few):.3f}")
    results.add(few, scored, title, SAMPLE)
    print("seconds per case: " + ", ".join(spent), flush=True)


def main() -> None:
    peers = hourly_peers()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=["ours"])
    parser.add_argument("--cases", type=int, default=24)
    parser.add_argument("--peers", nargs="+", choices=list(peers), default=list(peers))
    parser.add_argument("--dataset", nargs="+", choices=ORIGINS, default=list(ORIGINS))
    parser.add_argument("--days", type=int, default=HISTORY // 24, metavar="N", help="most days of history")
    parser.add_argument("--csv", metavar="FILE", help="also write all numbers there")
    options = parser.parse_args()
    if not (DATA / "smd.parquet").exists():
        raise SystemExit(f"the public data sets are not here: {DATA}")
    if "flaircast" not in peers:
        print("flaircast is not installed and left out")
    peers = {} if options.only else {name: peers[name] for name in options.peers}
    results = Results()
    for dataset in options.dataset:
        frame = hourly(dataset)
        for statistic in ("mean", "max"):
            for horizon in LEAST_KNOWN:
                data = cases(frame, dataset, statistic, horizon).newest(24 * options.days)
                if len(data):
                    study(data, f"{dataset} {statistic} {horizon} h", results, peers, options.cases)
    results.verdict(ALL, ("all", "even", "odd"))
    if peers:
        results.verdict(SAMPLE, ("all", "even", "odd"))
    if options.csv:
        results.write(options.csv)


if __name__ == "__main__":
    main()
