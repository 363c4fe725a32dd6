"""Accuracy on server data: hourly mean and hourly max, 24 and 168 hours ahead, with peers beside capforecast.

Usage: python benches/bench_server.py [--only ours] [--cases N] [--dataset NAME ...] [--csv]

Rolling origins over every series of six public data sets, at most 60 days of history before each. First all
cases with capforecast and the seasonal naive forecast (24 h; quantiles of its own past errors), then the same
with all peers on an even sample of N cases a data set (24). `--only ours` leaves the peers out.

CRPS is twice the mean pinball loss over 0.1 ... 0.9, MASE uses the median; both are divided by the mean
absolute difference between hours a day apart in the training window. Cases where that is zero are left out and
counted. A window that hardly moved makes huge scaled errors out of nothing, so there are also the mean with
each case capped at 10, and the geometric mean of the ratio to the seasonal naive forecast's CRPS.
"""

from __future__ import annotations

import argparse
import time

import numpy as np
from contenders import hourly_peers, ours, seasonal_naive
from scores import Scores, scale_of, score, together
from series import DATA, LEAST_KNOWN, ORIGINS, Cases, cases, hourly

NAIVE = "SeasonalNaive(24)"
HEAD = f"{'':34s} {'CRPS':>8s} {'capped':>7s} {'x naive':>7s} {'MASE':>8s} {'capped':>7s} {'in 80%':>6s}"


def halves(number: np.ndarray) -> dict[str, np.ndarray]:
    even = number % 2 == 0
    return {"all": even | True, "even": even, "odd": ~even}


def table(data: Cases, scored: dict[str, Scores], label: str, title: str) -> None:
    """Print one block: all methods on all cases, the even and the odd half."""
    scale = scale_of(data.train, 24)
    print(f"\n{title}; {int((scale == 0).sum())} of {len(data)} cases with scale zero")
    for half, rows in halves(data.number).items():
        if not (rows & (scale > 0)).any():
            continue
        print(f"{half:34s}" + HEAD[34:])
        sums = {name: together(one, scored[NAIVE], scale, rows) for name, one in scored.items()}
        for name, got in sums.items():
            print(
                f"  {name:32s} {got['crps']:8.4f} {got['capped']:7.4f} {got['ratio']:7.3f} "
                f"{got['mase']:8.4f} {got['mase_capped']:7.4f} {got['inside']:6.3f}"
            )
            if label:
                print(",".join(["csv", label, half, name, *(f"{x:.5g}" for x in got.values())]))


def fast(data: Cases, horizon: int) -> dict[str, Scores]:
    """Score capforecast and the seasonal naive forecast."""
    return {
        "capforecast": score(data.truth, ours(data.train, horizon, data.lower, data.upper)[1]),
        NAIVE: score(data.truth, seasonal_naive(data.train, horizon, 24)),
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


def study(data: Cases, title: str, options: argparse.Namespace, label: str) -> None:
    horizon = data.truth.shape[1]
    start = time.perf_counter()
    table(data, fast(data, horizon), f"{label},full" if label else "", f"{title}: {len(data)} cases")
    print(f"({time.perf_counter() - start:.1f} s)", flush=True)
    if options.only == "ours":
        return
    few = sample(data, options.cases)
    scored = fast(few, horizon)
    spent = []
    for name, peer in hourly_peers().items():
        start = time.perf_counter()
        scored[name] = score(few.truth, peer(few.train, horizon))
        spent.append(f"{name} {(time.perf_counter() - start) / len(few):.3f}")
    table(few, scored, f"{label},sample" if label else "", f"{title}: peers on a sample")
    print("seconds per case: " + ", ".join(spent), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=["ours"])
    parser.add_argument("--cases", type=int, default=24)
    parser.add_argument("--dataset", nargs="+", choices=ORIGINS, default=list(ORIGINS))
    parser.add_argument("--csv", action="store_true", help="also print lines that begin with csv,")
    options = parser.parse_args()
    if not (DATA / "smd.parquet").exists():
        raise SystemExit(f"the public data sets are not here: {DATA}")
    for dataset in options.dataset:
        frame = hourly(dataset)
        for statistic in ("mean", "max"):
            for horizon in LEAST_KNOWN:
                data = cases(frame, dataset, statistic, horizon)
                if len(data):
                    label = f"{dataset},{statistic},{horizon}" if options.csv else ""
                    study(data, f"{dataset}, hourly {statistic}, {horizon} h ahead", options, label)


if __name__ == "__main__":
    main()
