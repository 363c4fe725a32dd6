"""Which series a metric with labels is.

Rules
-----
* The host is the label that ``--map host=LABEL`` names; else the first of `HOSTS` that is there; else the
  label ``instance`` without its port, as Prometheus writes it; else ``--host`` or the file's name.
* The instance is the label that ``--map instance=LABEL`` names; else what is left of the labels: nothing, the
  value of the only one, or all as ``name=value`` in the order of their names, with commas between.
* Labels that only describe another one are left out: device, file system type and mode of a mount point, and
  the job of a scrape, but for what every exporter tells of itself (`OF_EXPORTERS`).

Label sets that differ must not become one series: the first one is the series, rows of the others are rejects
that say so.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from capforecast.errors import ConfigError, SchemaError, UnknownNameError
from capforecast.sources import ReadOptions
from capforecast.sources.canonical import METRICS, UNITS
from capforecast.sources.content import shown, stem

HOSTS = ("host", "hostname", "host.name", "host_name", "nodename", "node", "k8s.node.name", "InstanceId")
OF_EXPORTERS = ("up", "scrape_", "process_", "go_", "python_", "promhttp_")
_STATES = ("state", "cpu.mode", "system.memory.state", "system.filesystem.state")
_MOUNTS = ("mountpoint", "path")
_OF_MOUNTS = frozenset({"device", "fstype", "type", "mode", "label", "device_error"})


@dataclass(frozen=True, slots=True)
class Series:
    """One series as the rows name it; `wrong` says why its rows are rejects."""

    host: str
    metric: str
    instance: str
    unit: str
    wrong: str | None = None


class Labels:
    """The series of one source, found by their labels.

    Parameters
    ----------
    location : str
        Its stem is the host where no label names one.
    options : ReadOptions
        `mapping` may name the labels of host and instance.

    Raises
    ------
    UnknownNameError
        `options.mapping` names another role: labels can only be hosts and instances.
    """

    def __init__(self, location: str, options: ReadOptions):
        for role in options.mapping:
            if role not in ("host", "instance"):
                raise UnknownNameError("label to map", role, ("host", "instance"))
        self._location, self._options = location, options
        self._host = options.host or stem(location)
        self._found: dict[object, Series] = {}
        self._taken: dict[tuple[str, str, str], object] = {}
        self._mapped = False

    def series(self, metric: str, labels: Mapping[str, str], unit: str = "", canonical: str | None = None) -> Series:
        """Return the series of a metric with these labels; `canonical` is its name in `canonical.METRICS`."""
        key = (metric, tuple(sorted(labels.items())))
        found = self._found.get(key)
        if found is None:
            found = self._found[key] = self._named(key, metric, labels, unit, canonical or metric)
        return found

    def check(self) -> None:
        """Raise SchemaError where a label that ``--map`` names was in no series at all."""
        if self._options.mapping and self._found and not self._mapped:
            raise SchemaError(
                "--map must name labels of the source",
                got=", ".join(f"{role}={label}" for role, label in sorted(self._options.mapping.items())),
                where=shown(self._location),
            )

    def _named(self, key: object, metric: str, labels: Mapping[str, str], unit: str, canonical: str) -> Series:
        rest = {name: value for name, value in labels.items() if value != ""}
        host = self._taken_label(rest, "host")
        if host is None:
            # A node that is a number is a part of the memory of a host.
            host = next((rest.pop(name) for name in HOSTS if name in rest and not rest[name].isdigit()), None)
        if host is None and "instance" in rest:
            host = _without_port(rest.pop("instance"))
        name, known = METRICS.get(canonical, (metric, ""))
        for label in _STATES:
            if label in rest and (found := METRICS.get(f"{canonical}{{state={rest[label]}}}")):
                (name, known), _ = found, rest.pop(label)
        series = named(
            host or self._host,
            name,
            self._instance(metric, rest),
            known or UNITS.get(unit, unit) or self._options.unit or "",
        )
        if series.wrong is not None:
            return series
        first = self._taken.setdefault((series.host, series.metric, series.instance), key)
        if first == key:
            return series
        wrong = "labels differ from those of another series with this host, metric and instance (see --map instance=)"
        return Series(series.host, series.metric, series.instance, series.unit, wrong)

    def _taken_label(self, rest: dict[str, str], role: str) -> str | None:
        label = self._options.mapping.get(role)
        if label is None or label not in rest:
            return None
        self._mapped = True
        return rest.pop(label)

    def _instance(self, metric: str, rest: dict[str, str]) -> str:
        named = self._taken_label(rest, "instance")
        if named is not None:
            return named
        if not metric.startswith(OF_EXPORTERS):
            rest.pop("job", None)
        mount = next((name for name in _MOUNTS if name in rest and (name == "mountpoint" or "fstype" in rest)), None)
        if mount is not None:
            rest = {name: value for name, value in rest.items() if name not in _OF_MOUNTS}
        if len(rest) < 2:
            return next(iter(rest.values()), "")
        return ",".join(f"{_escaped(name)}={_escaped(rest[name])}" for name in sorted(rest))


def no_labels(options: ReadOptions, location: str) -> None:
    """Raise ConfigError where ``--map`` is given for a source whose series have neither labels nor columns."""
    if options.mapping:
        raise ConfigError(
            "--map is for columns and labels",
            got="a format that has neither",
            where=shown(location),
            do="Leave it out; --host names the host where the source does not",
        )


def named(host: str, metric: str, instance: str, unit: str) -> Series:
    """Return a series whose names come from JSON, where they may be no text: its rows are rejects then."""
    try:
        (host + metric + instance + unit).encode()
    except UnicodeEncodeError:
        return Series("", "", "", "", "a name holds half of a surrogate pair, which is no text")
    return Series(host, metric, instance, unit)


def _without_port(address: str) -> str:
    host, colon, port = address.rpartition(":")
    return host if colon and host and port.isascii() and port.isdigit() else address


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace(",", "\\,").replace("=", "\\=")
