"""The same samples as every source reads them: how a test writes a file of each format."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

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
    line : function
        Line of the k-th sample, from 0.
    unit : bool
        Does the format carry units.
    samples : function
        What the format can express of samples.
    label : str, optional
        The label that holds the instance; "" where there are columns, None where there is nothing to map.
    """

    write: Callable[[list[Sample]], bytes]
    name: str
    line: Callable[[int], int] = lambda k: k + 1
    unit: bool = True
    samples: Callable[[list[Sample]], list[Sample]] = list
    label: str | None = ""


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


def influx_csv(samples: list[Sample]) -> bytes:
    lines = [
        "#group,false,false,false,false,true,true,true,true",
        "#datatype,string,long,dateTime:RFC3339,double,string,string,string,string",
        "#default,_result,,,,,,,",
        ",result,table,_time,_value,_field,_measurement,host,mountpoint",
    ]
    for host, metric, instance, _, ts, value in samples:
        cells = ("value", metric, host, instance)
        quoted = ",".join('"' + cell.replace('"', '""') + '"' for cell in cells)
        lines.append(f",,0,{datetime.fromtimestamp(ts, UTC):%Y-%m-%dT%H:%M:%SZ},{value!r},{quoted}")
    return "".join(f"{line}\n" for line in lines).encode()


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
    file = io.BytesIO()
    pl.DataFrame(samples, schema=list(NAMES), orient="row").write_parquet(file)
    return file.getvalue()


def delimited(samples: list[Sample]) -> bytes:
    return pl.DataFrame(samples, schema=list(NAMES), orient="row").write_csv().encode()


def clock(ts: int) -> str:
    return datetime.fromtimestamp(ts, UTC).strftime("%H:%M:%S")


def sar(samples: list[Sample]) -> bytes:
    lines = []
    for host, _, instance, _, ts, value in samples:
        lines.append(f"Linux 6.1.0 ({host}) \t2024-01-01 \t_x86_64_\t(2 CPU)\n")
        lines.append("00:00:00     %fsused FILESYSTEM\n")
        lines.append(f"{clock(ts)}     {value!r} {instance}\n")
    return "".join(lines).encode()


def sysstat_json(samples: list[Sample]) -> bytes:
    hosts = []
    for host, _, instance, _, ts, value in samples:
        time = {"date": "2024-01-01", "time": clock(ts), "tz": "UTC", "interval": 60}
        report = {"timestamp": time, "filesystems": [{"filesystem": instance, "%fsused": value}]}
        hosts.append({"nodename": host, "statistics": [report]})
    return dumped({"sysstat": {"hosts": hosts}})


def sysstat_binary(samples: list[Sample]) -> bytes:
    """What begins as a data file, followed by the text that the program of `SADF` writes for it."""
    lines = ["# hostname;interval;timestamp;FILESYSTEM;%fsused\n"]
    lines += [f"{host};60;{ts};{instance};{value!r}\n" for host, _, instance, _, ts, value in samples]
    return b"\x96\xd5" + "".join(lines).encode()


SADF = """#!/bin/sh
[ "$1 $2 $4" = "-d -U --" ] || exit 1
tail -c +3 "$3"
"""
"""Stands for sadf where tests need one that is always there."""


def collectd(samples: list[Sample]) -> bytes:
    return ("epoch,value\n" + "".join(f"{ts}.000,{value!r}\n" for *_, ts, value in samples)).encode()


def zabbix(samples: list[Sample]) -> bytes:
    rows = []
    for host, metric, instance, _, ts, value in samples:
        quoted = instance.replace('"', '\\"')
        key = f'{metric}["{quoted}"]' if instance else metric
        item = {"host": host, "key_": key, "units": "%"}
        rows.append({"itemid": "7", "clock": str(ts), "value": repr(value), "ns": "0", "hosts": [item], **item})
    return dumped({"jsonrpc": "2.0", "result": rows, "id": 1})


def on_devices(samples: list[Sample]) -> list[Sample]:
    """Return the samples with instances that stand in the tables of sysstat."""
    return [(h, m, "/dev/sda1" if i else "/dev/sdb1", *rest) for h, m, i, *rest in samples]  # type: ignore[misc]


def of_one_file(samples: list[Sample]) -> list[Sample]:
    """Return the samples as those of the one series that a file of collectd holds."""
    return [("web-0", metric, "root", *rest) for _, metric, _, *rest in samples]  # type: ignore[misc]


FORMATS: dict[str, Format] = {
    "delimited": Format(delimited, "data.csv", line=lambda k: k + 2),
    "jsonl": Format(jsonl, "data.jsonl"),
    "parquet": Format(parquet, "data.parquet"),
    "influx": Format(influx, "data.influx", unit=False, label="mountpoint"),
    "influx-csv": Format(influx_csv, "data.csv", lambda k: k + 5, unit=False, label="mountpoint"),
    "openmetrics": Format(openmetrics, "data.prom", line=lambda k: k + 3, label="mountpoint"),
    "prometheus-json": Format(prometheus_json, "data.json", unit=False, label="mountpoint"),
    "otlp": Format(otlp, "data.json", label="mountpoint"),
    "graphite": Format(graphite, "data.json", unit=False, label="mountpoint"),
    "cloudwatch": Format(cloudwatch, "data.json", label="mountpoint"),
    "sar": Format(sar, "sar01", line=lambda k: 3 * k + 3, samples=on_devices, label=None),
    "sysstat-json": Format(sysstat_json, "data.json", samples=on_devices, label=None),
    "sysstat": Format(sysstat_binary, "sa01", line=lambda k: k + 2, samples=on_devices, label="FILESYSTEM"),
    "collectd": Format(
        collectd,
        "web-0/df-root/percent_bytes-used-2024-01-01",
        line=lambda k: k + 2,
        samples=of_one_file,
        label=None,
    ),
    "zabbix": Format(zabbix, "data.json", label=None),
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


def with_sadf(folder: Path, monkeypatch: pytest.MonkeyPatch, text: str = SADF) -> None:
    """Put a program before all others that stands for sadf."""
    program = folder / "programs" / "sadf"
    program.parent.mkdir(exist_ok=True)
    program.write_text(text)
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")
