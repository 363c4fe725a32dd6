"""What to ask a Prometheus that scrapes node_exporter, and which capacities it knows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from glob import escape

from capforecast.errors import SourceError
from capforecast.exchange import Exchange
from capforecast.servers import Pull
from capforecast.servers.prometheus import answered, identity
from capforecast.times import SECOND_US

_DISKS = (
    'fstype!~"tmpfs|ramfs|devtmpfs|overlay|squashfs|iso9660|nsfs|autofs|fuse.*|nfs.*|cifs",'
    'mountpoint!~"/run.*|/snap/.*"'
)
_LINKS = 'device!~"lo|veth.*|docker.*|br-.*|cni.*|flannel.*|cali.*|virbr.*|tun.*|tap.*"'
_DEVICES = 'device!~"loop.*|ram.*|sr.*|fd.*|dm-.*|md.*"'


@dataclass(frozen=True, slots=True)
class ServerRecipe:
    """A metric, its unit, the query that gives it, and the one that gives its capacity."""

    metric: str
    unit: str
    query: str
    capacity: str = ""


NODE_EXPORTER = (
    ServerRecipe(
        "cpu_util_pct",
        "percent",
        "100 * (1 - avg by (instance) (sum by (instance, cpu) "
        '(rate(node_cpu_seconds_total{mode=~"idle|iowait"}[{step}]))))',
    ),
    ServerRecipe(
        "mem_used_pct",
        "percent",
        "100 * (1 - node_memory_MemAvailable_bytes / node_memory_MemTotal_bytes)",
        "node_memory_MemTotal_bytes",
    ),
    # What only root may use is counted as used: 100 % is where programs get no more.
    ServerRecipe(
        "disk_used_bytes",
        "byte",
        f"max by (instance, mountpoint) "
        f"(node_filesystem_size_bytes{{{_DISKS}}} - node_filesystem_avail_bytes{{{_DISKS}}})",
        f"max by (instance, mountpoint) (node_filesystem_size_bytes{{{_DISKS}}}) > 0",
    ),
    ServerRecipe(
        "net_rx_bytes_per_s",
        "byte/s",
        f"sum by (instance, device) (rate(node_network_receive_bytes_total{{{_LINKS}}}[{{step}}]))",
        f"max by (instance, device) (node_network_speed_bytes{{{_LINKS}}}) > 0",
    ),
    ServerRecipe(
        "net_tx_bytes_per_s",
        "byte/s",
        f"sum by (instance, device) (rate(node_network_transmit_bytes_total{{{_LINKS}}}[{{step}}]))",
        f"max by (instance, device) (node_network_speed_bytes{{{_LINKS}}}) > 0",
    ),
    ServerRecipe(
        "disk_io_util_pct",
        "percent",
        f"100 * sum by (instance, device) (rate(node_disk_io_time_seconds_total{{{_DEVICES}}}[{{step}}]))",
    ),
    ServerRecipe(
        "disk_read_bytes_per_s",
        "byte/s",
        f"sum by (instance, device) (rate(node_disk_read_bytes_total{{{_DEVICES}}}[{{step}}]))",
    ),
    ServerRecipe(
        "disk_write_bytes_per_s",
        "byte/s",
        f"sum by (instance, device) (rate(node_disk_written_bytes_total{{{_DEVICES}}}[{{step}}]))",
    ),
)
"""Queries over a step, so that no second of a counter is left out."""


@dataclass(frozen=True, slots=True)
class Offer:
    """A recipe that a server has data for, and capacities: host glob, instance glob, capacity."""

    recipe: ServerRecipe
    capacities: tuple[tuple[str, str, float], ...]


def discovered(pull: Pull, step: str) -> list[Offer]:
    """Return the recipes that a server can answer at the end of the pull's range.

    Parameters
    ----------
    pull : Pull
        Where the server is and what it is shown; its query is not asked.
    step : str
        Distance of the samples, such as 5m.

    Raises
    ------
    SourceError
        The server fails, or knows no metric of node_exporter.
    """
    with Exchange(pull.address.http_url(), pull.access, pull.limits, pull.address.location) as exchange:
        found = []
        for recipe in NODE_EXPORTER:
            if any(_instant(exchange, recipe.query.replace("{step}", step), pull)):
                sizes = _instant(exchange, recipe.capacity, pull) if recipe.capacity else ()
                found.append(Offer(recipe, tuple(sorted(sizes))))
    if not found:
        raise SourceError(
            "the server must have metrics of node_exporter", got="none of them", where=pull.address.location,
            do="Write queries of your own; capforecast init shows where",
        )  # fmt: skip
    return found


def _instant(exchange: Exchange, query: str, pull: Pull) -> Iterator[tuple[str, str, float]]:
    """Yield host, instance and value of each series at the end of the range."""
    fields = {"query": query, "time": str(pull.to_us // SECOND_US), "partial_response": "false"}
    for one in exchange.ask("/api/v1/query", fields, partial(answered, kind="vector")):
        try:
            labels, value = {str(name): str(text) for name, text in one["metric"].items()}, float(one["value"][1])
        except (TypeError, KeyError, ValueError, AttributeError, IndexError, OverflowError) as error:
            raise SourceError(
                "a series must have labels and a value", got=pull.access.hidden(str(one))[:80],
                where=pull.address.location,
            ) from error  # fmt: skip
        host, instance = identity(labels, pull)
        if host:
            yield escape(host), escape(instance), value
