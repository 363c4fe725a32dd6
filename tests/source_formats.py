"""The same samples as every source reads them: how a test writes a file of each format."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import polars as pl

NAMES = ("host", "metric", "instance", "unit", "ts", "value")
Sample = tuple[str, str, str, str, int, float]


@dataclass(frozen=True)
class Format:
    """How samples are written for one source.

    Attributes
    ----------
    write : function
        Gives the content of the file.
    name : str
        Path of the file below a folder.
    first : int
        Line of the first sample.
    unit : bool
        Does the format carry units.
    samples : function
        What the format can express of samples.
    label : str, optional
        The label that holds the instance; columns are mapped where there is none.
    """

    write: Callable[[list[Sample]], bytes]
    name: str
    first: int = 1
    unit: bool = True
    samples: Callable[[list[Sample]], list[Sample]] = list
    label: str | None = None


def dumped(value: object) -> bytes:
    return json.dumps(value).encode()


def jsonl(samples: list[Sample]) -> bytes:
    return "".join(json.dumps(dict(zip(NAMES, s, strict=True))) + "\n" for s in samples).encode()


def influx(samples: list[Sample]) -> bytes:
    def escaped(text: str) -> str:
        return text.replace(",", "\\,").replace(" ", "\\ ").replace("=", "\\=")

    lines = []
    for host, metric, instance, _, ts, value in samples:
        tags = f",host={escaped(host)}" + (f",mountpoint={escaped(instance)}" if instance else "")
        lines.append(f'{metric}{tags} note="a, b=\\"c\\"",value={value!r} {ts}000000000\n')
    return "".join(lines).encode()


def openmetrics(samples: list[Sample]) -> bytes:
    lines = ["# TYPE disk_used_pct gauge\n", "# UNIT disk_used_pct percent\n"]
    for host, metric, instance, _, ts, value in samples:
        text = instance.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
        lines.append(f'{metric}{{host="{host}",mountpoint="{text}"}} {value!r} {ts}.0\n')
    return "".join([*lines, "# EOF\n"]).encode()


def labels(host: str, instance: str) -> dict[str, str]:
    return {"host": host, **({"mountpoint": instance} if instance else {})}


def prometheus_json(samples: list[Sample]) -> bytes:
    result = [
        {"metric": {"__name__": m, **labels(h, i)}, "values": [[ts, repr(value)]]} for h, m, i, _, ts, value in samples
    ]
    return dumped({"status": "success", "data": {"resultType": "matrix", "result": result}})


def otlp(samples: list[Sample]) -> bytes:
    def attributes(found: dict[str, str]) -> list[object]:
        return [{"key": key, "value": {"stringValue": value}} for key, value in found.items()]

    metrics = []
    for host, metric, instance, _, ts, value in samples:
        point = {
            "asDouble": value,
            "timeUnixNano": f"{ts}000000000",
            "attributes": attributes(labels(host, instance)),
        }
        metrics.append({"name": metric, "unit": "%", "gauge": {"dataPoints": [point]}})
    resource = {"attributes": attributes({"os.type": "linux"})}
    return dumped({"resourceMetrics": [{"resource": resource, "scopeMetrics": [{"metrics": metrics}]}]})


def graphite(samples: list[Sample]) -> bytes:
    found = [
        {"target": f"{m};host={h}", "tags": {"name": m, **labels(h, i)}, "datapoints": [[value, ts]]}
        for h, m, i, _, ts, value in samples
    ]
    return dumped(found)


def cloudwatch(samples: list[Sample]) -> bytes:
    lines = []
    for host, metric, instance, _, ts, value in samples:
        record = {
            "metric_stream_name": "s",
            "namespace": "n",
            "metric_name": metric,
            "dimensions": {"InstanceId": host, **({"mountpoint": instance} if instance else {})},
            "timestamp": ts * 1000,
            "value": {"max": value, "min": value, "sum": value, "count": 1},
            "unit": "Percent",
        }
        lines.append(json.dumps(record) + "\n")
    return "".join(lines).encode()


def parquet(samples: list[Sample]) -> bytes:
    import io

    file = io.BytesIO()
    pl.DataFrame(samples, schema=list(NAMES), orient="row").write_parquet(file)
    return file.getvalue()


def delimited(samples: list[Sample]) -> bytes:
    return pl.DataFrame(samples, schema=list(NAMES), orient="row").write_csv().encode()


FORMATS: dict[str, Format] = {
    "delimited": Format(delimited, "data.csv", first=2),
    "jsonl": Format(jsonl, "data.jsonl"),
    "parquet": Format(parquet, "data.parquet"),
    "influx": Format(influx, "data.influx", unit=False, label="mountpoint"),
    "openmetrics": Format(openmetrics, "data.prom", first=3, label="mountpoint"),
    "prometheus-json": Format(prometheus_json, "data.json", unit=False, label="mountpoint"),
    "otlp": Format(otlp, "data.json", label="mountpoint"),
    "graphite": Format(graphite, "data.json", unit=False, label="mountpoint"),
    "cloudwatch": Format(cloudwatch, "data.json", label="mountpoint"),
}


def expressed(name: str, samples: list[Sample]) -> list[Sample]:
    """Return what the format of a source can express of samples."""
    found = FORMATS[name].samples(samples)
    return found if FORMATS[name].unit else [(*s[:3], "", *s[4:]) for s in found]  # type: ignore[misc]


def written(folder: Path, name: str, samples: list[Sample]) -> str:
    """Write samples in the format of a source."""
    assert name in FORMATS, f"say here how a test file of source {name!r} is written"
    path = folder / FORMATS[name].name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(FORMATS[name].write(FORMATS[name].samples(samples)))
    return str(path)
