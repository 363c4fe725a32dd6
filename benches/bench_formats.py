"""How fast the texts of other programs are read: rows a second by format, on made-up files of one host fleet each.

Prints one line per format, by the processor time of the best of three readings. Nothing is stored;
`bench_ingest.py` measures what follows.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from capforecast.sources import ReadOptions
from capforecast.sources.recognise import read

BEGIN_S = 1_767_225_600
HOSTS = 50
FIELDS = ("usage_user", "usage_system", "usage_idle", "usage_iowait", "usage_steal")


def influx(rows: int) -> Iterator[str]:
    """Yield lines of Telegraf: five fields of one processor of a host."""
    for k in range(rows // len(FIELDS)):
        fields = ",".join(f"{name}={(k * 7 + i) % 1000 / 10}" for i, name in enumerate(FIELDS))
        yield f"cpu,cpu=cpu{k % 4},host=web-{k % HOSTS:02d} {fields} {BEGIN_S + k // HOSTS * 10}000000000\n"


def openmetrics(rows: int) -> Iterator[str]:
    """Yield a metric with three labels and a time."""
    yield "# TYPE node_network_receive_bytes gauge\n"
    for k in range(rows):
        labels = f'device="eth{k % 3}",instance="web-{k % HOSTS:02d}:9100",job="node"'
        yield f"node_network_receive_bytes{{{labels}}} {k * 7 % 1000 / 10} {BEGIN_S + k // HOSTS * 15}.5\n"


def prometheus(rows: int) -> Iterator[str]:
    """Yield the answer to a query over a range of time."""
    each = rows // HOSTS
    series = [
        {
            "metric": {"__name__": "load1", "instance": f"web-{host:02d}:9100", "job": "node"},
            "values": [[BEGIN_S + 60 * k, str(k * 7 % 1000 / 10)] for k in range(each)],
        }
        for host in range(HOSTS)
    ]
    yield json.dumps({"status": "success", "data": {"resultType": "matrix", "result": series}})


def graphite(rows: int) -> Iterator[str]:
    """Yield the answer to a target."""
    each = rows // HOSTS
    yield json.dumps(
        [
            {"target": f"web-{h:02d}.load", "datapoints": [[k * 7 % 1000 / 10, BEGIN_S + 60 * k] for k in range(each)]}
            for h in range(HOSTS)
        ]
    )


def otlp(rows: int) -> Iterator[str]:
    """Yield one request a line, of forty points each."""
    for k in range(rows // 40):
        points = [
            {
                "attributes": [{"key": "device", "value": {"stringValue": f"sd{i % 4}"}}],
                "timeUnixNano": f"{BEGIN_S + k * 10 + i // 4}000000000",
                "asDouble": (k * 7 + i) % 1000 / 10,
            }
            for i in range(40)
        ]
        host = [{"key": "host.name", "value": {"stringValue": f"web-{k % HOSTS:02d}"}}]
        metrics = [{"name": "disk.used", "unit": "By", "gauge": {"dataPoints": points}}]
        request = {"resource": {"attributes": host}, "scopeMetrics": [{"metrics": metrics}]}
        yield json.dumps({"resourceMetrics": [request]}) + "\n"


FORMATS = {
    "influx": influx, "openmetrics": openmetrics, "prometheus-json": prometheus, "graphite": graphite, "otlp": otlp,
}  # fmt: skip


def measured(path: Path, name: str) -> tuple[int, float]:
    begin = time.process_time()
    rows = sum(batch.rows.height for batch in read(str(path), ReadOptions(format=name)))
    return rows, time.process_time() - begin


def main() -> None:
    arguments = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    arguments.add_argument("--rows", type=int, default=300_000)
    arguments.add_argument("--only", choices=list(FORMATS))
    asked = arguments.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for name, made in FORMATS.items():
            if asked.only in (None, name):
                path = Path(folder) / name
                with path.open("w") as file:
                    file.writelines(made(asked.rows))
                rows, seconds = min((measured(path, name) for _ in range(3)), key=lambda one: one[1])
                print(f"{name:16} {rows:9,} rows {path.stat().st_size / 1e6:6.1f} MB {rows / seconds:11,.0f} rows/s")


if __name__ == "__main__":
    main()
