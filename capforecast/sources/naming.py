"""Names of columns: which role a name stands for, and which metric and unit.

`metric_name` makes a metric of a header: lower case, everything but letters and digits becomes ``_``, ``%``
becomes ``pct`` (a leading one goes to the end), ``/s`` at the end becomes ``per_s``. A unit in brackets
stays in the name and is the unit too: ``CPU usage [%]`` is ``cpu_usage_pct`` in percent. What Metricbeat calls
percents, ``system.cpu.total.pct``, are shares.
"""

from __future__ import annotations

import re

ROLES = ("host", "metric", "instance", "unit", "ts", "value")
ALIASES: dict[str, tuple[str, ...]] = {
    "host": (
        "host", "hostname", "host_name", "host_id", "instance_id", "vm", "vm_id", "vm_name", "vmid",
        "node", "nodename", "node_name", "node_id", "server", "server_name", "server_id", "machine",
        "machine_id", "machine_name", "series_id", "unique_id", "fqdn",
    ),
    "metric": ("metric", "metric_name", "name", "measurement", "counter", "variable"),
    "instance": (
        "instance", "device", "dev", "mount", "mountpoint", "mount_point", "interface", "iface",
    ),
    "unit": ("unit", "units", "uom"),
    "ts": (
        "ts", "timestamp", "time", "ds", "date", "datetime", "date_time", "time_stamp", "epoch",
        "unix_time", "unixtime", "unix_timestamp", "timestamp_s", "timestamp_ms", "timestamp_us",
        "timestamp_ns", "time_ms", "epoch_s", "epoch_ms", "event_time", "timegenerated",
    ),
    "value": ("value", "y", "val", "reading", "countervalue"),
}  # fmt: skip
ELASTIC = {"host": "host.name", "ts": "@timestamp"}
"""Fields of Elastic's common schema, beside which others stand whose names are usual, too: ``host.id``."""
TEXT_ALIASES: dict[str, tuple[str, ...]] = {
    "host": ("computer", "computername", "computer_name", "vmname", "entity", "resource", "resourceid", "series"),
    "metric": ("metricname", "metricid", "metric_id", "countername", "counter_name", "item"),
    "instance": ("instancename", "instance_name"),
}
"""Of columns of text, where no column has one of the `ALIASES`: what Azure Monitor, PowerCLI, Zabbix and Grafana
call them."""
NOT_METRICS = (
    "", "index", "interval", "row", "label", "manufact", "product", "bus", "idvendor", "idprod", "maxpower",
)  # fmt: skip
"""Numbers that measure nothing: row numbers, class labels, the identifiers in sysstat's list of USB devices."""
_SHARE = re.compile(r"(?:system|host|docker|kubernetes|process)\.(?:\w+\.)*pct$")
"""Fields of Metricbeat that are called percents and are shares of one."""
_BRACKETS = re.compile(r"^(.*?)\s*[\[(]([^\[\]()]*)[\])]\s*$", re.DOTALL)


def plain(header: str) -> str:
    """Return a header as it is compared: lower case, without unit, punctuation as single ``_``."""
    found = _BRACKETS.match(header)
    return _snake(found[1] if found and found[1].strip() else header)


def metric_name(header: str) -> tuple[str, str]:
    """Return the metric and the unit a header stands for."""
    if _SHARE.match(header):
        return _snake(header), "fraction"
    found = _BRACKETS.match(header)
    if found and found[1].strip() and found[2].strip():
        unit = found[2].strip()
        return f"{_snake(found[1])}_{_snake(unit)}", "percent" if unit == "%" else unit
    return _snake(header) or header.strip(), "percent" if "%" in header else ""


def _snake(text: str) -> str:
    text = text.strip()
    if text.startswith("%"):
        text = text[1:] + " pct"
    if text.endswith("/s"):
        text = text[:-2] + " per s"
    text = text.replace("%", " pct ").lower()
    return "_".join("".join(c if c.isalnum() else " " for c in text).split())
