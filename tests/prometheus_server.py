"""A real Prometheus with some days of node_exporter's metrics, on the loopback address."""

from __future__ import annotations

import math
import shutil
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

BEGIN_S = 1_788_220_800
"""2026-09-01T00:00:00Z."""
DAYS = 6
STEP_S = 300
HOSTS = ("db-1", "web-1")
GIB = 2**30


@dataclass(frozen=True)
class PrometheusServer:
    port: int

    @property
    def location(self) -> str:
        return f"prometheus://127.0.0.1:{self.port}"


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def program(name: str, package: str) -> str:
    """Return the path of a program, or skip."""
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed (apt-get install {package})")
    return found


@contextmanager
def prometheus_server(folder: Path) -> Iterator[PrometheusServer]:
    """Start a Prometheus that holds `DAYS` days of `HOSTS`; it ends with the block."""
    server, tool = program("prometheus", "prometheus"), program("promtool", "prometheus")
    (folder / "backfill.om").write_text(openmetrics(), encoding="utf-8")
    make = [tool, "tsdb", "create-blocks-from", "openmetrics", "--max-block-duration=2160h", "-q"]
    subprocess.run([*make, folder / "backfill.om", folder / "data"], check=True, capture_output=True, timeout=120)
    (folder / "prometheus.yml").write_text("global: {scrape_interval: 1h}\n")
    port = free_port()
    running = subprocess.Popen(
        [
            server, f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/data",
            "--storage.tsdb.retention.time=50y", f"--web.listen-address=127.0.0.1:{port}", "--log.level=error",
        ],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        wait_for(f"http://127.0.0.1:{port}/-/ready", running)
        yield PrometheusServer(port)
    finally:
        running.terminate()
        running.wait(20)


def wait_for(url: str, running: subprocess.Popen[bytes], seconds: float = 60) -> None:
    """Return when a server answers."""
    end = time.monotonic() + seconds
    while time.monotonic() < end and running.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=2):
                return
        except OSError:
            time.sleep(0.05)
    raise AssertionError(f"{url} does not answer; the process ended with {running.poll()}")


def openmetrics() -> str:
    """Return the history as OpenMetrics text: families one after the other, each in order of time."""
    stamps = range(BEGIN_S, BEGIN_S + DAYS * 86_400, STEP_S)
    lines = []
    for family, kind, series in families():
        lines.append(f"# TYPE {family} {kind}")
        name = f"{family}_total" if kind == "counter" else family
        for stamp in stamps:
            seconds = stamp - BEGIN_S
            lines += [f"{name}{{{labels}}} {value(seconds)!r} {stamp}" for labels, value in series]
    return "\n".join([*lines, "# EOF", ""])


def families() -> Iterator[tuple[str, str, list[tuple[str, object]]]]:
    """Yield name, type and series (labels, value at a second) of each family."""
    each = [f'instance="{host}:9100",job="node"' for host in HOSTS]

    def everywhere(more: str, value: object) -> list[tuple[str, object]]:
        return [(f"{one}{more}", value) for one in each]

    idle, user, wait = 0.6, 0.3, 0.1
    shares = {"idle": idle, "user": user, "iowait": wait}
    cpu = [
        (f'{one},cpu="{core}",mode="{mode}"', lambda s, share=share: share * s)
        for one in each
        for core in "01"
        for mode, share in shares.items()
    ]
    yield "node_cpu_seconds", "counter", cpu
    yield "node_memory_MemTotal_bytes", "gauge", everywhere("", lambda s: 8 * GIB)
    yield "node_memory_MemAvailable_bytes", "gauge", everywhere("", lambda s: 6 * GIB)
    disk = ',device="/dev/sda1",fstype="ext4",mountpoint="/"'
    virtual = ',device="tmpfs",fstype="tmpfs",mountpoint="/run"'
    yield "node_filesystem_size_bytes", "gauge", [
        *everywhere(disk, lambda s: 100 * GIB), *everywhere(virtual, lambda s: GIB)
    ]  # fmt: skip
    yield "node_filesystem_avail_bytes", "gauge", [
        *everywhere(disk, lambda s: 60 * GIB - s * GIB // 86_400), *everywhere(virtual, lambda s: GIB)
    ]  # fmt: skip
    yield "node_network_receive_bytes", "counter", [
        *everywhere(',device="eth0"', lambda s: 1000 * s), *everywhere(',device="lo"', lambda s: 5 * s)
    ]  # fmt: skip
    yield "node_network_transmit_bytes", "counter", everywhere(',device="eth0"', lambda s: 500 * s)
    yield "node_network_speed_bytes", "gauge", everywhere(',device="eth0"', lambda s: 125_000_000)
    yield "node_disk_io_time_seconds", "counter", everywhere(',device="sda"', lambda s: 0.25 * s)
    yield "node_disk_read_bytes", "counter", everywhere(',device="sda"', lambda s: 4096 * s)
    yield "node_disk_written_bytes", "counter", everywhere(',device="sda"', lambda s: 8192 * s)
    yield "node_load1", "gauge", everywhere("", lambda s: 1 + math.sin(s / 86_400))
