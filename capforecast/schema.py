"""Every published table, once: columns, types, units, keys and meaning.

Types are names, not library objects, so that reading this module costs nothing:
``text``, ``double``, ``int64``, ``bool``, ``date`` and ``timestamp`` (microseconds, UTC).
Changes are additive only and raise `SCHEMA_VERSION`.
"""

from __future__ import annotations

from dataclasses import dataclass

from capforecast.errors import UnknownNameError

SCHEMA_VERSION = 2

STATUSES = (
    "ok",
    "will_breach",
    "breached",
    "no_trend",
    "too_short",
    "stale",
    "constant",
    "excluded",
    "error",
)
SEVERITIES = ("critical", "high", "medium", "low", "none")
DAYS_BUCKETS = ("0-7", "8-30", "31-60", "61-90", ">90", "none")
PATTERNS = ("steady", "daily", "weekly", "sawtooth", "stepped", "bursty", "flat", "leak", "month_end")
OUTCOME_MEANINGS = {
    "hit": "warned of, and crossed between breach_date_p10 and breach_date_p90, both days included",
    "early": "warned of, and crossed within the horizon before breach_date_p10",
    "late": "warned of, and crossed within the horizon after breach_date_p90",
    "false": "warned of, not crossed within the horizon, and nothing was done that is seen",
    "missed": "crossed within the horizon, not warned of",
    "averted": "warned of and not crossed, but after the warning the threshold or the capacity was moved away, or the "
    "level fell clearly: on each of the last seven days of the horizon (three of a week) the peak was lower than on "
    "the same weekday of the week before the warning, by the room that was left then, and by 5 % of the threshold",
    "quiet": "neither warned of nor crossed",
    "unknown": "not crossed as far as is known, but less than nine tenths of the horizon was measured",
}
"""What became of a prediction; warned of means that p_breach of the horizon was at least 0.5."""
LABELS = ("service", "team", "env", "site", "criticality")


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a published table."""

    name: str
    type: str
    meaning: str
    unit: str = ""
    computed: bool = True


@dataclass(frozen=True, slots=True)
class Table:
    """One published table."""

    name: str
    meaning: str
    key: tuple[str, ...]
    columns: tuple[Column, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """Column names in published order."""
        return tuple(column.name for column in self.columns)


def _run() -> tuple[Column, ...]:
    return (
        Column("run_date", "date", "UTC date of as_of"),
        Column("run_id", "text", "identifier of the run"),
        Column("as_of", "timestamp", "last moment the run could know"),
    )


def _series() -> tuple[Column, ...]:
    return (
        Column("host", "text", "what owns the resource"),
        Column("metric", "text", "what is measured"),
        Column("instance", "text", "which one on the host; empty when there is none"),
    )


def _labels() -> tuple[Column, ...]:
    return tuple(Column(name, "text", f"label '{name}' from limits.csv") for name in LABELS)


BREACHES = Table(
    "breaches",
    "one row per series and threshold, always, also when nothing is wrong or nothing could be done; most urgent first",
    ("run_id", "host", "metric", "instance", "threshold_name", "direction"),
    (
        *_run(),
        Column("risk_id", "text", "stable across runs: a hash of the row's key without the run"),
        *_series(),
        Column("unit", "text", "unit of the level and the threshold"),
        *_labels(),
        Column("statistic", "text", "rollup column that is forecast: mean, max, p95, last or min"),
        Column("threshold_name", "text", "warning, critical, full or a name from limits.csv"),
        Column("threshold", "double", "level that must not be crossed, in force at as_of", "unit"),
        Column("threshold_source", "text", "where the threshold comes from: limits.csv:LINE or kind:NAME"),
        Column("direction", "text", "above or below"),
        Column(
            "capacity",
            "double",
            "the most the resource can give, in force at as_of; of a percent metric the size of the whole, where known",
            "unit",
        ),
        Column("status", "text", "may this row be believed, and what it says: " + ", ".join(STATUSES)),
        Column("severity", "text", "how urgent: " + ", ".join(SEVERITIES)),
        Column("severity_rank", "int64", "1 critical ... 5 none, for sorting"),
        Column("current", "double", "newest complete rollup of the statistic", "unit"),
        Column(
            "current_p95",
            "double",
            "95th percentile of the statistic over the last 28 days; the 5th where low values hurt",
            "unit",
        ),
        Column("headroom", "double", "distance to the threshold; negative once crossed", "unit"),
        Column("headroom_pct", "double", "headroom in percent of the threshold's magnitude", "percent"),
        Column("growth_per_day", "double", "robust slope of the daily peak since the last change", "unit/day"),
        Column("pattern", "text", "shape of the series: " + ", ".join(PATTERNS)),
        Column("p_breach_7d", "double", "probability of a sustained crossing within 7 days", "0-1"),
        Column("p_breach_30d", "double", "the same within 30 days; NULL past the evidence", "0-1"),
        Column("p_breach_90d", "double", "the same within 90 days; NULL past the evidence", "0-1"),
        Column("breach_date_p10", "date", "date by which the crossing has come with probability 0.1"),
        Column("breach_date_p50", "date", "the same with probability 0.5; NULL beyond the horizon"),
        Column("breach_date_p90", "date", "the same with probability 0.9; NULL beyond the horizon"),
        Column("days_to_breach_p10", "int64", "whole days from as_of to breach_date_p10", "days"),
        Column("days_to_breach_p50", "int64", "whole days from as_of to breach_date_p50", "days"),
        Column("days_bucket", "text", "bucket of days_to_breach_p50: " + ", ".join(DAYS_BUCKETS)),
        Column("forecast_30d_p50", "double", "median of the daily peak 30 days ahead", "unit"),
        Column("forecast_30d_p90", "double", "0.9 quantile of the daily peak 30 days ahead", "unit"),
        Column("forecast_90d_p50", "double", "median of the daily peak 90 days ahead", "unit"),
        Column("forecast_90d_p90", "double", "0.9 quantile of the daily peak 90 days ahead", "unit"),
        Column(
            "capacity_needed_90d",
            "double",
            "capacity needed now, planned changes on top, that keeps P(breach in 90 days) at 0.1",
            "unit",
        ),
        Column("add_needed_90d", "double", "capacity_needed_90d less capacity, never negative", "unit"),
        Column("lead_time_days", "int64", "days needed to act", "days"),
        Column("start_by_date", "date", "breach_date_p10 less the lead time"),
        Column("model", "text", "members of the forecast with their weights, heaviest first"),
        Column("skill_vs_naive", "double", "1 - error / error of the seasonal naive forecast, rolling origins"),
        Column("coverage_80", "double", "share of backtested values inside the 80 % band", "0-1"),
        Column("grade", "text", "A (believe) to F (no forecast)"),
        Column("grade_reasons", "text", "codes joined by ';' that lowered the grade"),
        Column("history_days", "double", "from the first to the last sample", "days"),
        Column("gap_pct", "double", "share of the history's steps without data", "percent"),
        Column("change_class", "text", "against the previous run: new, worse, better, cleared, same"),
        Column("days_slipped", "int64", "breach_date_p50 now less that of the previous run", "days"),
        Column("reason", "text", "one plain sentence: what, when, why, how sure"),
    ),
)

FORECASTS = Table(
    "forecasts",
    "daily history and forecast quantiles of each series, for charts; by name, direction and day",
    ("run_id", "host", "metric", "instance", "direction", "day"),
    (
        *_run(),
        *_series(),
        Column("unit", "text", "unit of the values"),
        Column("statistic", "text", "rollup column that is forecast"),
        Column("direction", "text", "above: daily peaks; below: daily troughs"),
        Column("day", "date", "UTC day"),
        Column("actual", "double", "daily peak (or trough) that was measured; NULL in the future", "unit"),
        Column("q10", "double", "0.1 quantile of the forecast; NULL in the past", "unit"),
        Column("q50", "double", "median of the forecast; NULL in the past", "unit"),
        Column("q90", "double", "0.9 quantile of the forecast; NULL in the past", "unit"),
    ),
)

SERIES = Table(
    "series",
    "quality of each expected series, forecast or not; by name",
    ("run_id", "host", "metric", "instance"),
    (
        *_run(),
        *_series(),
        Column("unit", "text", "unit of the values"),
        *_labels(),
        Column("kind", "text", "metric kind that gave unit, bounds, statistic and default thresholds"),
        Column("statistic", "text", "rollup column that is forecast"),
        Column("step", "text", "natural step of the series, the base of its forecast"),
        Column("first_ts", "timestamp", "first accepted sample"),
        Column("last_ts", "timestamp", "end of the newest rollup before as_of"),
        Column("samples", "int64", "accepted samples that the run looked back on"),
        Column("history_days", "double", "from the first to the last sample", "days"),
        Column("gap_pct", "double", "share of the history's steps without data", "percent"),
        Column("above_bound_pct", "double", "share of rollups above the kind's upper bound", "percent"),
        Column("pattern", "text", "shape of the series: " + ", ".join(PATTERNS)),
        Column("last_change", "date", "day of the last level change that cut the training window"),
        Column("fitted", "date", "as_of's day of the run that fitted the forecast: an earlier one that still holds"),
        Column("thresholds", "int64", "number of thresholds that apply; 0 gives no breach rows"),
        Column("status", "text", "ok, too_short, stale, constant, excluded or error"),
        Column("grade", "text", "A (believe) to F (no forecast)"),
        Column("grade_reasons", "text", "codes joined by ';' that lowered the grade"),
        Column("detail", "text", "why nothing could be done, for status error"),
    ),
)

BACKTESTS = Table(
    "backtests",
    "rolling-origin scores of this run's forecasts; by name, direction, step and horizon",
    ("run_id", "host", "metric", "instance", "direction", "step", "horizon"),
    (
        *_run(),
        *_series(),
        Column("direction", "text", "above or below"),
        Column("step", "text", "step of the forecast"),
        Column("horizon", "text", "range of steps ahead, such as 1-24"),
        Column("origins", "int64", "rolling origins with at least one scored step"),
        Column("mae", "double", "mean absolute error of the combined forecast", "unit"),
        Column("mae_naive", "double", "the same of the seasonal naive forecast", "unit"),
        Column("skill_vs_naive", "double", "1 - mae / mae_naive"),
        Column("coverage_80", "double", "share of values inside the leave-one-origin-out 80 % band", "0-1"),
        Column("model", "text", "members with their weights, heaviest first"),
    ),
)

OUTCOMES = Table(
    "outcomes",
    "past predictions against what happened: those that fell due in the last 32 days, by due, horizon and urgency; "
    "each published p_breach of a row that was not breached yet is judged by the first run when its horizon has "
    "passed, from the rollups up to then. Listed are p_breach of 0.1 and more and every crossing; the rest is counted "
    "in the table record. Of fleets with more than 131072 breach rows a part is judged each night, in turn",
    ("run_id", "risk_id", "predicted_as_of", "horizon_days"),
    (
        *_run(),
        Column("risk_id", "text", "identifier of the breach row that predicted"),
        *_series(),
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
        *_run(),
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

RUN = Table(
    "run",
    "one row: what this run did",
    ("run_id",),
    (
        *_run(),
        Column("as_of_source", "text", "option, clock or watermark"),
        Column("tool_version", "text", "version of capforecast"),
        Column("schema_version", "int64", "version of these tables"),
        Column("config_hash", "text", "sha256 of the effective configuration"),
        Column("store_step", "text", "width of a rollup"),
        Column("series", "int64", "expected series"),
        Column("series_forecast", "int64", "series with a forecast"),
        Column("breach_rows", "int64", "rows of the table breaches"),
        Column("breached", "int64", "rows already over their threshold"),
        Column("will_breach", "int64", "rows expected to cross within the horizon"),
        Column("without_threshold", "int64", "series for which no threshold applies"),
        Column("errors", "int64", "series with status error"),
        Column("series_carried", "int64", "series whose forecast of an earlier run still holds"),
        Column("rows_in", "int64", "rows read by this run's ingests"),
        Column("rows_accepted", "int64", "rows accepted"),
        Column("rows_duplicate", "int64", "rows that were there already"),
        Column("rows_quarantined", "int64", "rows rejected, kept in quarantine with a reason"),
        Column("sources_failed", "int64", "configured sources that could not be read"),
        Column("data_watermark", "timestamp", "end of the newest rollup before as_of"),
        Column("model", "text", "model option of the run; pool is the built-in combination"),
        Column("record", "text", "one sentence: how the warnings of the past did"),
    ),
)

TABLES: dict[str, Table] = {t.name: t for t in (BREACHES, FORECASTS, SERIES, BACKTESTS, OUTCOMES, RECORD, RUN)}


def table(name: str) -> Table:
    """Return a table by name.

    Raises
    ------
    UnknownNameError
        There is no such table.
    """
    if name not in TABLES:
        raise UnknownNameError("table", name, TABLES)
    return TABLES[name]
