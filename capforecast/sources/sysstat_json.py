"""JSON of sysstat: ``sadf -j`` and ``iostat -o JSON``, named as the columns of ``sadf -d`` (see `canonical`).

iostat writes no times without ``-t``: then its first report is of ``--start``, the others follow by ``--step``.
USB devices, restarts and comments are no samples and left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import polars as pl

from capforecast.errors import SchemaError
from capforecast.sources import Batch, ReadOptions
from capforecast.sources.canonical import sysstat_metric
from capforecast.sources.content import shown, stem
from capforecast.sources.documents import Points, begins, read_documents, word
from capforecast.sources.labels import Series, named, no_labels
from capforecast.sources.moments import Clock, clock_for, read
from capforecast.sources.samples import joined

_BEGINS = re.compile(r'\{\s*"sysstat"\s*:')
_NAMES = ("cpu", "disk-device", "disk_device", "iface", "filesystem", "line", "intr", "number", "fchost", "device")
_SHARES = {
    "memused-percent": "%memused", "commit-percent": "%commit", "swpused-percent": "%swpused",
    "swpcad-percent": "%swpcad", "hugused-percent": "%hugused", "ifutil-percent": "%ifutil", "util-percent": "%util",
    "percent-capacity": "%cap", "util": "%util",
}  # fmt: skip
_KB = {
    "memfree", "memused", "buffers", "cached", "commit", "active", "inactive", "dirty", "anonpg", "slab", "kstack",
    "pgtbl", "vmused", "swpfree", "swpused", "swpcad", "hugfree", "hugused", "hugrsvd", "hugsurp", "avail",
}  # fmt: skip
_OTHER = {"inactive": "kbinact", "shared": "kbshmem", "frequency": "MHz", "variation": "cap/min"}
_SHARES_OF_CPU = ("cpu-load", "cpu-load-all", "avg-cpu")
_RATES = ("process-and-context-switch", "swap-pages", "paging", "io", "serial", "interrupts")
_LEVELS = ("net-sock", "net-sock6")
_DEVICES = ("usb-devices",)
_PSI = re.compile(r"(some|full)_avg(\d*)")


class SysstatJson:
    """JSON of sadf and iostat."""

    name = "sysstat-json"
    general = False

    def claims(self, location: str, head: bytes) -> bool:
        """Tell whether the text begins as sysstat's JSON."""
        return bool(_BEGINS.match(begins(head)))

    def read(self, location: str, options: ReadOptions) -> Iterator[Batch]:
        """Yield the location's samples.

        Raises
        ------
        SourceError
            The text is unreadable or no JSON.
        SchemaError
            The reports have no times, and there is no ``--start``, or no ``--step`` for several of them.
        """
        parsing = _Parsing(location, options)
        yield from joined(read_documents(location, options, parsing.parse), options.chunk_rows)


class _Parsing:
    def __init__(self, location: str, options: ReadOptions):
        no_labels(options, location)
        self._location, self._options = location, options
        self._series: dict[tuple[str, ...], Series] = {}
        self._last: tuple[str, int | None] = ("", None)

    def parse(self, document: Any, points: Points) -> Iterator[None]:
        """Add the points of all reports."""
        found = document.get("sysstat") if isinstance(document, dict) else None
        if not isinstance(found, dict):
            points.reject("the document has no sysstat", document)
            return
        for host in points.objects(found, "hosts"):
            name = word(host.get("nodename")) or self._options.host or stem(self._location)
            for number, report in enumerate(points.objects(host, "statistics")):
                us = self._moment(report.pop("timestamp", None), number)
                for section, content in report.items():
                    self._walk(name, (section,), content, us, points)
                yield

    def _walk(self, host: str, path: tuple[str, ...], content: Any, us: int | None, points: Points) -> None:
        """Add the numbers of a section: an object, a list of objects with a name each, or nested ones."""
        if path[-1] in _DEVICES:
            return
        if isinstance(content, list):
            for one in points.those(content, path[-1]):
                name = next((key for key in _NAMES if key in one), None)
                instance = "" if name is None else word(one.pop(name))
                self._numbers(host, path, instance, one, us, points)
        elif isinstance(content, dict):
            self._numbers(host, path, "", content, us, points)
        else:
            points.reject(f"{path[-1]} is not an object", content)

    def _numbers(
        self, host: str, path: tuple[str, ...], instance: str, found: dict[str, Any], us: int | None, points: Points
    ) -> None:
        for key, value in found.items():
            if isinstance(value, dict | list):
                if len(path) > 4:
                    points.reject("sections are nested too deep", value)
                else:
                    self._walk(host, (*path, key), value, us, points)
            elif not (isinstance(value, str) and key == "status"):
                series = self._named(host, path, key, instance)
                points.add(series, us, value, {key: value}, "gauge")

    def _named(self, host: str, path: tuple[str, ...], key: str, instance: str) -> Series:
        series = self._series.get((host, *path, key, instance))
        if series is None:
            if path[0] == "interrupts":
                # Interrupts of one line, summed or of one processor.
                instance = instance if key == "all" else f"{instance} {key}"
                key = "intr"
            header = _header(path, key)
            # sadf writes retrseg also where sar still says retrans.
            metric, unit = sysstat_metric(header, ())
            series = named(host, metric, instance, unit)
            self._series[host, *path, key, instance] = series
        return series

    def _moment(self, found: Any, number: int) -> int | None:
        if isinstance(found, dict):
            text = f"{word(found.get('date'))} {word(found.get('time'))}"
            utc = word(found.get("tz")) in ("UTC", "GMT") or found.get("utc") == 1
            return self._iso(text, "UTC" if utc else self._options.timezone)
        if isinstance(found, str):
            where = f"{shown(self._location)}, timestamp"
            return _first(read(_cells(found), clock_for(_cells(found), self._options, where)).us)
        start, step = self._options.start_us, self._options.step_us
        if start is None or (number and step is None):
            raise SchemaError(
                "reports must have times",
                got="none",
                where=shown(self._location),
                do="Add --start TIME" if start is None else "Add --step DURATION, the interval between the reports",
            )
        return start + number * (step or 0)

    def _iso(self, text: str, zone: str) -> int | None:
        key = f"{zone} {text}"
        if self._last[0] != key:
            self._last = key, _first(read(_cells(text), Clock("iso", timezone=zone)).us)
        return self._last[1]


def _cells(text: str) -> pl.Series:
    return pl.Series([text.encode(errors="replace").decode()], dtype=pl.String)


def _first(us: pl.Series) -> int | None:
    found = us[0]
    return None if found is None else int(found)


def _header(path: tuple[str, ...], key: str) -> str:
    """Return the header that sadf -d gives to a key of the JSON."""
    section = path[-1]
    psi = _PSI.fullmatch(key)
    if psi and section.startswith("psi-"):
        return f"%{psi[1][0]}{section[4:]}" + (f"-{psi[2]}" if psi[2] else "")
    if path[0] in _SHARES_OF_CPU:
        return f"%{key}"
    if key in _SHARES:
        return _SHARES[key]
    if path[0] in ("memory", "hugepages"):
        return _OTHER.get(key) or (f"kb{key}" if key in _KB else key)
    if path[0] in _RATES or (path[0] == "network" and section not in _LEVELS and key != "blg_len"):
        return key if key.endswith("tps") else f"{key}/s"
    if path[0] == "disk" and key in ("rd_sec", "wr_sec", "dc_sec", "rkB", "wkB", "dkB"):
        return f"{key}/s"
    return _OTHER.get(key, key)
