"""Names of all exchangeable parts, and where each one lives.

A new part is one file and one line here. Importing this module imports none of them.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from capforecast.errors import UnknownNameError

PARTS: dict[str, dict[str, str]] = {
    "model": {
        "seasonal_naive": "capforecast.models.seasonal_naive:SeasonalNaive",
        "double_seasonal": "capforecast.models.double_seasonal:DoubleSeasonal",
        "trend": "capforecast.models.trend:Trend",
        "statsforecast": "capforecast.models.statsforecast_adapter:StatsForecastModel",
    },
    "source": {
        "delimited": "capforecast.sources.delimited:Delimited",
        "jsonl": "capforecast.sources.jsonl:JsonLines",
        "parquet": "capforecast.sources.parquet:Parquet",
        "influx": "capforecast.sources.influx:Influx",
        "influx-csv": "capforecast.sources.influx_csv:InfluxCsv",
        "openmetrics": "capforecast.sources.openmetrics:OpenMetrics",
        "prometheus-json": "capforecast.sources.prometheus_json:PrometheusJson",
        "otlp": "capforecast.sources.otlp:Otlp",
        "graphite": "capforecast.sources.graphite:Graphite",
        "cloudwatch": "capforecast.sources.cloudwatch:CloudWatch",
        "sar": "capforecast.sources.sar:Sar",
        "sysstat-json": "capforecast.sources.sysstat_json:SysstatJson",
        "sysstat": "capforecast.sources.sysstat_binary:SysstatBinary",
        "collectd": "capforecast.sources.collectd:Collectd",
        "zabbix": "capforecast.sources.zabbix:Zabbix",
    },
    "server": {
        "prometheus": "capforecast.servers.prometheus:Prometheus",
        "graphite": "capforecast.servers.graphite:Graphite",
        "influxdb": "capforecast.servers.influxdb:InfluxDB",
        "postgresql": "capforecast.servers.postgresql:PostgreSQL",
        "duckdb": "capforecast.servers.duckdb:DuckDB",
        "sqlite": "capforecast.servers.sqlite:SQLite",
    },
    "storage": {
        "s3": "capforecast.storages.s3:S3",
    },
    "report": {
        "table": "capforecast.report.table:render",
        "html": "capforecast.report.html:render",
        "csv": "capforecast.report.csv:render",
        "jsonl": "capforecast.report.jsonl:render",
        "md": "capforecast.report.markdown:render",
        "xlsx": "capforecast.report.xlsx:render",
        "parquet": "capforecast.report.parquet:render",
    },
    "learner": {
        "trees": "capforecast.learners.trees:grow",
    },
    "engine": {
        "threads": "capforecast.engine.threads:run",
        "serial": "capforecast.engine.serial:run",
    },
}


def names(kind: str) -> list[str]:
    """Return the sorted names of one kind of part (the keys of `PARTS`)."""
    if kind not in PARTS:
        raise UnknownNameError("part", kind, PARTS)
    return sorted(PARTS[kind])


def load(kind: str, name: str) -> Any:
    """Import and return the part `name` of `kind`.

    Raises
    ------
    UnknownNameError
        The kind or the name is not in the registry.
    """
    if name not in names(kind):
        raise UnknownNameError(kind, name, PARTS[kind])
    module, _, attribute = PARTS[kind][name].partition(":")
    return getattr(import_module(module), attribute)
