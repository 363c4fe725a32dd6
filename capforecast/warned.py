"""How warnings did: per horizon and metric what was foreseen, missed and false, and the cases that matter most."""

from __future__ import annotations

import numpy as np
import polars as pl

from capforecast import event_scores
from capforecast.panel import DAY_US
from capforecast.pastcases import CROSSED, QUIET, UNKNOWN

LIKELY = 0.5
"""A case warns, if not told otherwise, when a crossing is more likely than not: then the p50 date is in the horizon."""

ALL = "all"
EVENT = ("host", "metric", "instance", "threshold_name", "direction", "crossed_at")
SCORES = ("alarm_rate", "lead_days", "brier", "brier_skill", "auc")


def verdicts(cases: pl.DataFrame, warn_at: float = LIKELY) -> pl.DataFrame:
    """Return cases with verdict: warned, missed, false, quiet or unknown.

    Parameters
    ----------
    cases : DataFrame
        outcome and p_breach. Without a probability there was no warning.
    warn_at : float
        Probability from which on a case warns.
    """
    warns = pl.col("p_breach").fill_null(0.0) >= warn_at
    crossed = pl.col("outcome") == CROSSED
    verdict = (
        pl.when(pl.col("outcome") == UNKNOWN).then(pl.lit(UNKNOWN))
        .when(crossed & warns).then(pl.lit("warned"))
        .when(crossed).then(pl.lit("missed"))
        .when(warns).then(pl.lit("false"))
        .otherwise(pl.lit(QUIET))
    )  # fmt: skip
    return cases.with_columns(verdict=verdict)


def figures(cases: pl.DataFrame) -> pl.DataFrame:
    """Return one row per horizon and metric, after one over all metrics of the horizon.

    Parameters
    ----------
    cases : DataFrame
        Result of `verdicts`, with horizon_s, cutoff, crossed_at, fell, the names of the series and the threshold.

    Returns
    -------
    DataFrame
        horizon_s, metric ("all" where `every` is true), every, series, cases (with a known outcome), unknown,
        unforecast (of the cases, those without a probability), crossings (cases that crossed), events (crossings
        apart, each of which several nights may see), warned, missed, false, fell (of the
        false, those in which the level fell clearly, perhaps because somebody saw to it), alarm_rate
        (warnings among cases), lead_days (median from warning to crossing), brier, brier_skill (against the
        share of crossings) and auc; scores are over the cases with a probability, NULL where there is no sense
        in them.
    """
    rows = []
    for (horizon,), part in cases.partition_by("horizon_s", as_dict=True).items():
        metrics = part.partition_by("metric", as_dict=True)
        rows.append((horizon, ALL, True, part))
        rows += [(horizon, name, False, one) for (name,), one in metrics.items()]
    found = [{"horizon_s": h, "metric": metric, "every": every, **_scores(part)} for h, metric, every, part in rows]
    frame = pl.DataFrame(found, schema_overrides=dict.fromkeys(SCORES, pl.Float64), infer_schema_length=None)
    if frame.is_empty():
        return frame
    return frame.with_columns(pl.col(SCORES).fill_nan(None)).sort("horizon_s", pl.col("every").not_(), "metric")


def _scores(part: pl.DataFrame) -> dict[str, object]:
    """Return the figures of some cases."""
    known = part.filter(pl.col("outcome") != UNKNOWN)
    count = dict(known.get_column("verdict").value_counts().iter_rows())
    warned, missed, false = (int(count.get(name, 0)) for name in ("warned", "missed", "false"))
    said = known.filter(pl.col("p_breach").is_not_null())
    hit = (said.get_column("outcome") == CROSSED).to_numpy()
    p, weight = said.get_column("p_breach").to_numpy(), np.ones(said.height)
    lead = known.filter(verdict="warned").select(pl.col("crossed_at") - pl.col("cutoff")).to_series()
    days = lead.dt.total_microseconds().median()
    return {
        "series": part.select("host", "metric", "instance").n_unique(),
        "cases": known.height,
        "unknown": part.height - known.height,
        "unforecast": known.height - said.height,
        "crossings": warned + missed,
        "events": known.filter(outcome=CROSSED).select(EVENT).n_unique(),
        "warned": warned,
        "missed": missed,
        "false": false,
        "fell": known.filter(verdict="false").get_column("fell").sum(),
        "alarm_rate": (warned + false) / known.height if known.height else None,
        "lead_days": None if days is None else float(days) / DAY_US,  # type: ignore[arg-type]
        "brier": event_scores.brier(hit, p, weight) if said.height else None,
        "brier_skill": event_scores.brier_skill(hit, p, weight) if said.height else None,
        "auc": event_scores.auc(hit, p, weight) if said.height else None,
    }


def worst(cases: pl.DataFrame, verdict: str, count: int) -> pl.DataFrame:
    """Return the most wrong of the missed or false cases, one per series.

    Parameters
    ----------
    cases : DataFrame
        Result of `verdicts`.
    verdict : str
        ``missed``: the least probable first, those without a probability before them; ``false``: the most
        probable first.
    count : int
        Rows at most.
    """
    keys = ("host", "metric", "instance")
    most = verdict == "false"
    wrong = cases.filter(verdict=verdict).with_columns(wrong=pl.col("p_breach").fill_null(0.0) * (-1 if most else 1))
    # Of equal ones that of the shortest horizon and the newest night says most.
    order = ("wrong", "horizon_s", "cutoff", *keys, "threshold_name", "direction")
    wrong = wrong.sort(order, descending=[name == "cutoff" for name in order])
    return wrong.unique(keys, keep="first", maintain_order=True).head(count).drop("wrong")
