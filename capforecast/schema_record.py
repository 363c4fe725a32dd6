"""The published tables of past predictions: what became of each, and how good they were together."""

from __future__ import annotations

from capforecast.schema_columns import OUTCOME_MEANINGS, Column, Table, run_columns, series_columns

OUTCOMES = Table(
    "outcomes",
    "past predictions against what happened: those that fell due in the last 32 days, by due, horizon and urgency; "
    "each published p_breach of a row that was not breached yet is judged by the first run when its horizon has "
    "passed, from the rollups up to then. Listed are p_breach of 0.1 and more and every crossing; the rest is counted "
    "in the table record. Of fleets with more than 131072 breach rows a part is judged each night, in turn",
    ("run_id", "risk_id", "predicted_as_of", "horizon_days"),
    (
        *run_columns(),
        Column("risk_id", "text", "identifier of the breach row that predicted"),
        *series_columns(),
        Column("threshold_name", "text", "threshold of the prediction"),
        Column("direction", "text", "above or below"),
        Column("threshold", "double", "level of the prediction", "unit"),
        Column("predicted_as_of", "timestamp", "as_of of the run that predicted"),
        Column("horizon_days", "int64", "horizon of the prediction: 7, 30 or 90", "days"),
        Column("p_breach", "double", "predicted probability", "0-1"),
        Column("breach_date_p50", "date", "predicted median date"),
        Column(
            "breached",
            "bool",
            "did a sustained crossing (k of n steps, as in the forecast) happen within the horizon: of the predicted "
            "threshold, or of the one in force on the day where that was moved away; NULL where it is not known",
        ),
        Column("breach_date", "date", "day of the first such crossing, counted as the predicted dates are"),
        Column("outcome", "text", "; ".join(f"{name}: {meaning}" for name, meaning in OUTCOME_MEANINGS.items())),
        Column("breach_date_p10", "date", "predicted early date"),
        Column("breach_date_p90", "date", "predicted late date; NULL beyond the horizon of the run"),
        Column("breached_at", "timestamp", "start of the step that made the crossing sustained"),
        Column("due", "timestamp", "end of the horizon: predicted_as_of and horizon_days"),
        Column("warned", "bool", "was p_breach at least 0.5"),
        Column(
            "first_warned",
            "timestamp",
            "as_of of the first run that warned of this crossing at this horizon, up to here",
        ),
        Column("known_pct", "double", "share of the horizon's steps that were measured", "percent"),
        Column("judged_run_id", "text", "run that judged first"),
        Column("predicted_run_id", "text", "run that predicted"),
    ),
)

RECORD = Table(
    "record",
    "how good predictions were: by the month in which they fell due, horizon and range of probability, newest first",
    ("run_id", "period", "horizon_days", "p_range"),
    (
        *run_columns(),
        Column("period", "text", "UTC month in which predictions fell due (2026-03), or last_30d before as_of"),
        Column("horizon_days", "int64", "horizon of the predictions: 7, 30 or 90", "days"),
        Column("p_range", "text", "all, or a tenth of the predicted probability such as 0.3-0.4 (months only)"),
        Column("predictions", "int64", "predictions that fell due and were judged; NULL in last_30d, as all of them"),
        *(Column(f"predictions_{name}", "int64", f"predictions with the outcome {name}") for name in OUTCOME_MEANINGS),
        Column("p_mean", "double", "mean predicted probability, without averted and unknown, as all scores", "0-1"),
        Column("breached_share", "double", "share of them that breached", "0-1"),
        Column("brier", "double", "mean squared difference of probability and what happened"),
        Column("brier_skill", "double", "1 - brier / that of breached_share said each time"),
        Column("ece", "double", "mean distance of p_mean and breached_share over the tenths, by their predictions"),
        Column(
            "warnings",
            "int64",
            "risks that were warned of, each once a period however many nights did; unknown left out",
        ),
        Column("warnings_true", "int64", "of them, crossed within the horizon of a night that warned"),
        Column("warnings_averted", "int64", "of the others, averted according to the newest night that warned"),
        Column("warnings_false", "int64", "the rest of them"),
        Column(
            "crossings", "int64", "sustained crossings, each once: when the last prediction before it has fallen due"
        ),
        Column("crossings_missed", "int64", "of them, never warned of at this horizon"),
        Column("precision", "double", "warnings_true / (warnings_true + warnings_false)", "0-1"),
        Column("recall", "double", "1 - crossings_missed / crossings", "0-1"),
        Column("lead_days_p50", "double", "median over the other crossings of the days since first_warned", "days"),
        Column("one_in", "int64", "judged was one in so many of the predictions; 1 is all of them"),
    ),
)
