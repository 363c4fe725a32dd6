"""Tables of the breach bench: every rule's scores, and capforecast against the best of its peers."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
from warnings_scored import alerts, calibration_error, date_error

from capforecast import event_scores

LEAST_EVENTS = 30
MOST_ERROR = 0.05
SHARES = {"1": 0.01, "5": 0.05}
HALVES = ("all", "even", "odd")
WEIGHTINGS = {"weighted": "weight", "natural": "natural", "as selected": None}
"""Column of the weights; ``natural`` is left out where it is ``weighted`` again."""

SAME = ", same cases"
"""Added to a rule's name where it is scored on the cases that the sampled peers were asked about."""

Row = dict[str, Any]


def scored(said: pl.DataFrame, ours: str) -> list[Row]:
    """Return one row of scores per data set, horizon, half, weighting and rule.

    Parameters
    ----------
    said : DataFrame
        One row per case and rule: dataset, horizon_s, half, breached, lead_s, weight, natural, rule, p, rank,
        after_s, sampled (the rule was asked about some of the cases only).
    ours : str
        Rule that is scored on the sampled cases as well.
    """
    rows = []
    # A sampled model that could not be fitted said nothing, neither yes nor no.
    said = said.filter(~pl.col("sampled") | pl.col("p").is_not_null())
    for (dataset, horizon), part in said.sort("dataset", "horizon_s", maintain_order=True).group_by(
        "dataset", "horizon_s", maintain_order=True
    ):
        asked = part.filter("sampled").get_column("case_id").unique()
        same = part.filter((pl.col("rule") == ours) & pl.col("case_id").is_in(asked.implode()))
        part = pl.concat([part, same.with_columns(pl.col("rule") + SAME, sampled=pl.lit(True))])
        known = (part.get_column("natural") == part.get_column("weight")).all()
        weightings = [name for name in WEIGHTINGS if name != "natural" or not known]
        for half in HALVES:
            chosen = part if half == "all" else part.filter(pl.col("half") == half)
            for (rule,), answers in chosen.group_by("rule", maintain_order=True):
                head = {"dataset": dataset, "horizon_s": horizon, "half": half, "rule": rule}
                for weighting in weightings:
                    rows.append({**head, "weighting": weighting, **_scores(answers, WEIGHTINGS[weighting])})
    return rows


def _scores(answers: pl.DataFrame, weights: str | None) -> Row:
    """Return the scores of one rule; a case without an answer counts as never."""
    horizon, sampled = answers.item(0, "horizon_s"), answers.item(0, "sampled")
    hit = answers.get_column("breached").to_numpy()
    p = answers.get_column("p").fill_null(0.0).to_numpy()
    rank = answers.get_column("rank").fill_null(-np.inf).to_numpy()
    lead, after = (answers.get_column(c).cast(pl.Float64).fill_null(np.nan).to_numpy() for c in ("lead_s", "after_s"))
    weight = answers.get_column(weights).to_numpy() if weights else np.ones(hit.size)
    row: Row = {
        "sampled": sampled,
        "cases": hit.size,
        "unanswered": answers.get_column("p").null_count(),
        "events": int(hit.sum()),
        "base": float(np.average(hit, weights=weight)),
        "auc": event_scores.auc(hit, rank, weight),
        "skill": event_scores.brier_skill(hit, p, weight),
        "brier": event_scores.brier(hit, p, weight),
        "ece": calibration_error(hit, p, weight),
    }
    for name, share in SHARES.items():
        warned = alerts(hit, rank, weight, lead, share)
        row |= {f"precision_{name}": warned.precision, f"recall_{name}": warned.recall, f"lead_{name}_s": warned.lead}
    return row | {"date": date_error(lead, after, horizon, weight)}


def ahead(horizon: int) -> str:
    """Return a horizon in words."""
    return f"{horizon // 86_400} d" if horizon > 3 * 86_400 else f"{horizon // 3_600} h"


def _strata(rows: list[Row]) -> dict[tuple[str, int], list[Row]]:
    """Return the rows by data set and horizon."""
    out: dict[tuple[str, int], list[Row]] = {}
    for row in rows:
        out.setdefault((row["dataset"], row["horizon_s"]), []).append(row)
    return out


def table(scores: list[Row]) -> None:
    """Print every rule's scores per data set and horizon, weighted and not."""
    head = ("AUC", "skill", "Brier", "ECE", "prec 1%", "rec 1%", "prec 5%", "rec 5%", "lead 5%", "date")
    for (dataset, horizon), rows in _strata([row for row in scores if row["half"] == "all"]).items():
        unit = 3_600 if horizon <= 3 * 86_400 else 86_400
        for weighting in dict.fromkeys(row["weighting"] for row in rows):
            part = [row for row in rows if row["weighting"] == weighting]
            first = part[0]
            print(f"\n{dataset}, {ahead(horizon)} ahead, {weighting}:", end=" ")
            print(f"{first['cases']} cases, {first['events']} breached ({100 * first['base']:.1f} %)", end="")
            print(f", capforecast had no answer to {first['unanswered']}" if first["unanswered"] else "")
            print(" " * 30 + "".join(f"{word:>9s}" for word in head))
            for row in part:
                named = row["rule"] + (f" ({row['cases']})" if row["sampled"] else "")
                cells = [row[k] for k in ("auc", "skill", "brier", "ece", "precision_1", "recall_1", "precision_5")]
                cells += [row["recall_5"], row["lead_5_s"] / unit, row["date"]]
                print(f"  {named:28s}" + "".join(f"{x:9.3f}" if x == x else " " * 8 + "-" for x in cells))


def bars(scores: list[Row], ours: str) -> None:
    """Print capforecast against the best peer wherever there are enough events, for all series and by half."""
    head = f"{'':30s}events {'AUC':>7s}  {'best peer':33s} {'skill':>7s}  {'best peer':33s} {'ECE':>6s}"
    for weighting, half in (("weighted", "all"), ("weighted", "even"), ("weighted", "odd"), ("natural", "all")):
        strata = _strata([row for row in scores if row["half"] == half and row["weighting"] == weighting])
        kept = {key: rows for key, rows in strata.items() if rows[0]["events"] >= LEAST_EVENTS}
        if kept:
            print(f"\nBars, {half} series, {weighting} (* missed):\n{head}")
        for (dataset, horizon), rows in kept.items():
            print(f"{dataset:22s}{ahead(horizon):>7s}" + _bar([row for row in rows if not row["sampled"]], ours))
            if any(row["sampled"] for row in rows):
                print(f"{'same cases as sampled':>29s}" + _bar([row for row in rows if row["sampled"]], ours + SAME))


def _bar(rows: list[Row], ours: str) -> str:
    """Return one line of the bars: capforecast, the best peer in AUC and in skill, and the calibration error."""
    mine = next(row for row in rows if row["rule"] == ours)
    text = f"{mine['events']:7d}"
    for score, floor in (("auc", -np.inf), ("skill", 0.0)):
        peers = [row for row in rows if row["rule"] != ours and not np.isnan(row[score])]
        best = max(peers, key=lambda row: row[score], default=None)
        level = max(best[score] if best else -np.inf, floor)
        named = f"{best[score]:.3f} {best['rule']}" if best else ""
        text += f" {mine[score]:7.3f}{' ' if mine[score] > level else '*'} {named:33s}"
    return text + f" {mine['ece']:6.3f}{' ' if mine['ece'] <= MOST_ERROR else '*'}"
