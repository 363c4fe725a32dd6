"""Were real crossings foreseen? capforecast and its peers on the public breach cases, each as of its cutoff.

Usage: python benches/bench_breach.py [--sets smd,git_growth] [--horizon 6h] [--half even] [--no-slow] [--no-peers]

For each data set and horizon, with the weights of the case table, with those that undo its roles as well
(candidates.py), and on the cases as they were selected: AUC, Brier skill against the base rate, Brier score,
calibration error over ten bins, precision and recall and median lead time when the likeliest 1 % or 5 % are warned of,
and the censored date error (capforecast.event_scores says how). The last tables hold capforecast against the best
peer. Rules see only what was measured before the cutoff; labels and weights are used for scores alone. A case without
an answer counts as never.

`--output FILE` keeps every answer (Parquet, one row per case and rule); `--again FILE` scores such a file instead of
forecasting, `--peers-from FILE` takes only the peers out of it. Models of statsforecast are asked about a sample of the
cases and capforecast is compared on the same; their answers are kept in `--cache`. Halves are made of whole series, by
a hash of their names.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path

import polars as pl
from breach_cases import ASKED, SECOND_US, pasts, read_cases, read_samples
from breach_tables import bars, scored, table
from candidates import natural_weights
from crossings import RULES
from series import DATA

from capforecast.replay import replay
from capforecast.times import parse_duration

OURS = "capforecast"
ANSWER = {"case_id": pl.String, "rule": pl.String, "p": pl.Float64, "rank": pl.Float64, "after_s": pl.Float64}
SCORED = ["case_id", "dataset", "series_id", "metric", "horizon_s", "half", "breached", "lead_s", "weight"]
"""Columns of the cases that scores need."""


def ours(replayed: pl.DataFrame) -> pl.DataFrame:
    """Return capforecast's answers out of what `replay` returned."""
    after = pl.col("breach_p50").dt.epoch("us") - pl.col("cutoff").dt.epoch("us")
    p = pl.col("p_breach")
    return replayed.select("case_id", rule=pl.lit(OURS), p=p, rank=p, after_s=after / SECOND_US)


def plain(cases: pl.DataFrame, samples: pl.DataFrame) -> pl.DataFrame:
    """Return the answers of the plain rules to the cases of one data set."""
    rows = []
    asked = zip(cases.get_column("case_id"), cases.get_column("bucket_s"), pasts(cases, samples), strict=True)
    for case, width, past in asked:
        for name, rule in RULES.items() if past is not None else ():
            said = rule(past)
            rows.append((case, name, said.p, said.rank, said.after * width))
    return pl.DataFrame(rows, ANSWER, orient="row").with_columns(pl.col("after_s").fill_nan(None))


def slow(cases: pl.DataFrame, samples: pl.DataFrame, most: int, cache: Path) -> pl.DataFrame:
    """Return the answers of statsforecast's models to a sample of the cases of one data set."""
    from simulated_peers import answers, sample

    asked = sample(cases, most)
    said = answers(asked, pasts(asked, samples), cache).with_columns(pl.col("p", "rank", "after").fill_nan(None))
    said = said.join(asked.select("case_id", "bucket_s"), on="case_id")
    return said.select("case_id", "rule", "p", "rank", after_s=pl.col("after") * pl.col("bucket_s"))


def peers(cases: pl.DataFrame, samples: pl.DataFrame, options: argparse.Namespace) -> pl.DataFrame:
    """Return the answers of all peers to the cases of one data set."""
    said = plain(cases, samples).with_columns(sampled=False)
    if not options.slow:
        return said
    return pl.concat([said, slow(cases, samples, options.sample, options.cache).with_columns(sampled=True)])


def answered(cases: pl.DataFrame, options: argparse.Namespace) -> pl.DataFrame:
    """Return every rule's answers to all cases, one row per case and rule, and print the times."""
    out = sys.stderr if options.json else sys.stdout
    parts, weights, spent = [], [], 0.0
    if options.replayed:
        parts.append(ours(pl.read_parquet(options.replayed)).with_columns(sampled=False))
    for (dataset,), part in cases.group_by("dataset", maintain_order=True):
        samples = read_samples(options.data, part)
        weights.append(natural_weights(part, samples))
        if not options.replayed:
            start = time.perf_counter()
            parts.append(ours(replay(part.select(ASKED), samples)).with_columns(sampled=False))
            took = time.perf_counter() - start
            spent += took
            print(f"{dataset}: {part.height} cases, capforecast {took:.1f} s", file=out, flush=True)
        if options.peers and not options.peers_from:
            start = time.perf_counter()
            parts.append(peers(part, samples, options))
            print(f"{dataset}: peers {time.perf_counter() - start:.1f} s", file=out, flush=True)
    if options.peers_from:
        kept = pl.read_parquet(options.peers_from).filter(pl.col("rule") != OURS)
        parts.append(kept.select(*ANSWER, "sampled"))
    if spent:
        speed = f"{60 * cases.height / spent:.0f} cases per minute"
        print(f"all: {cases.height} cases, capforecast {spent:.1f} s, {speed}", file=out, flush=True)
    scored_on = cases.select(SCORED).join(pl.concat(weights), on="case_id", maintain_order="left")
    return scored_on.join(pl.concat(parts), on="case_id", maintain_order="left_right")


def chosen(cases: pl.DataFrame, options: argparse.Namespace) -> pl.DataFrame:
    """Return the cases that are asked for."""
    if options.sets:
        cases = cases.filter(pl.col("dataset").is_in(options.sets.split(",")))
    if options.horizon:
        wanted = [parse_duration(word) // SECOND_US for word in options.horizon.split(",")]
        cases = cases.filter(pl.col("horizon_s").is_in(wanted))
    return cases if options.half == "all" else cases.filter(pl.col("half") == options.half)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", help="data sets, with commas between")
    parser.add_argument("--horizon", help="horizons such as 6h,24h or 30d")
    parser.add_argument("--half", choices=["even", "odd", "all"], default="all")
    parser.add_argument("--peers", action=argparse.BooleanOptionalAction, default=True)
    parser.add_argument("--slow", action=argparse.BooleanOptionalAction, default=True, help="statsforecast as well")
    parser.add_argument("--sample", type=int, default=70, help="cases per data set and horizon for statsforecast")
    parser.add_argument("--data", type=Path, default=DATA, help="directory of the data sets")
    parser.add_argument("--cases", type=Path, help="the case table (default: breach_cases.parquet beside the data)")
    parser.add_argument("--cache", type=Path, default=Path(tempfile.gettempdir()) / "capforecast-bench")
    parser.add_argument("--output", type=Path, help="keep all answers here (Parquet)")
    parser.add_argument("--again", type=Path, help="score the answers kept here")
    parser.add_argument("--replayed", type=Path, help="take capforecast's answers from this output of its replay")
    parser.add_argument("--peers-from", type=Path, help="take the peers' answers from this output of this bench")
    parser.add_argument("--json", action="store_true", help="print all scores as JSON Lines, nothing else")
    parser.add_argument("--brief", action="store_true", help="print the last tables only")
    return parser.parse_args()


def main() -> None:
    options = arguments()
    path = options.cases or options.data / "breach_cases.parquet"
    if not path.exists():
        raise SystemExit(f"the public data sets are not here: {path}")
    if options.again:
        said = chosen(pl.read_parquet(options.again), options)
    else:
        said = answered(chosen(read_cases(path), options).sort("dataset", maintain_order=True), options)
    if options.output:
        said.write_parquet(options.output)
    scores = scored(said, OURS)
    if options.json:
        for row in scores:
            print(json.dumps({name: None if value != value else value for name, value in row.items()}))
        return
    if not options.brief:
        table(scores)
    bars(scores, OURS)


if __name__ == "__main__":
    main()
