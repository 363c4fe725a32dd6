"""The limits.csv of the simulated fleet: labels, dated capacities and thresholds."""

from __future__ import annotations

from collections.abc import Collection
from fnmatch import fnmatchcase

from capforecast.simulate.hosts import DATA, DISK_THRESHOLDS_PCT, LINK_THRESHOLDS, LINKS_KBPS, MOUNTS
from capforecast.simulate.plan import CPU, DISK, DISK_PCT, MEMORY, NETWORK, Window
from capforecast.simulate.plants import RESIZE_DAY, RESIZED, RESIZED_TO
from capforecast.times import DAY_US, from_us

COLUMNS = (
    "host", "metric", "instance", "capacity", "threshold_name", "threshold", "direction", "lead_time_days",
    "valid_from", "service", "team", "env", "site", "criticality",
)  # fmt: skip
DISK_LEAD_DAYS = 21
LINK_LEAD_DAYS = 45
OTHER_LEAD_DAYS = {CPU: 30, MEMORY: 14, DISK_PCT: DISK_LEAD_DAYS}
_LABELS = (
    ("web-*", "webshop", "team-web", "prod", "fra1", "high"),
    ("app-*", "webshop", "team-web", "prod", "fra1", "medium"),
    ("cache-*", "webshop", "team-web", "prod", "fra1", "medium"),
    ("db-*", "orders", "team-data", "prod", "fra1", "high"),
    ("dwh-*", "reporting", "team-data", "prod", "fra1", "medium"),
    ("batch-*", "reporting", "team-data", "prod", "ams2", "low"),
    ("build-*", "build", "team-dev", "test", "ams2", "low"),
    ("file-*", "files", "team-office", "prod", "ams2", "medium"),
)

Row = dict[str, str]


def limits_text(window: Window, hosts: Collection[str]) -> str:
    """Return the text of limits.csv with every line that matches one of the hosts."""
    blocks = (
        ("Labels: the same for all metrics of a host.", _labels()),
        ("Capacities; without valid_from they have always held.", _capacities(window)),
        ("Thresholds: a number in the unit of the metric, or a percentage of the capacity.", _thresholds()),
        ("Days needed to act, where the metric's own default thresholds hold.", _lead_times()),
    )
    lines = [",".join(COLUMNS)]
    for title, rows in blocks:
        lines.append(f"# {title}")
        for row in rows:
            if any(fnmatchcase(host, row["host"]) for host in hosts):
                lines.append(",".join(row.get(column, "") for column in COLUMNS))
    return "\n".join(lines) + "\n"


def _row(host: str, metric: str, instance: str, **cells: str) -> Row:
    return {"host": host, "metric": metric, "instance": instance, **cells}


def _labels() -> list[Row]:
    names = ("service", "team", "env", "site", "criticality")
    return [_row(host, "*", "*", **dict(zip(names, labels, strict=True))) for host, *labels in _LABELS]


def _capacities(window: Window) -> list[Row]:
    rows = [_row("*", DISK, mount, capacity=f"{size:.0f}") for mount, size in MOUNTS.items()]
    rows += [_row(f"{role}-*", DISK, "/data", capacity=f"{size:.0f}") for role, size in DATA.items()]
    resized_on = from_us(window.end_us + round(window.event(RESIZE_DAY) * DAY_US)).date().isoformat()
    # A share is told in the size of now, so its metric needs the size as well.
    rows.append(_row(RESIZED, DISK_PCT, "/data", capacity=f"{DATA['dwh']:.0f}"))
    for metric in (DISK, DISK_PCT):
        rows.append(_row(RESIZED, metric, "/data", capacity=f"{RESIZED_TO:.0f}", valid_from=resized_on))
    rows += [_row(f"{role}-*", NETWORK, "eth0", capacity=f"{size:.0f}") for role, size in LINKS_KBPS.items()]
    return rows


def _thresholds() -> list[Row]:
    disk_lead, link_lead = str(DISK_LEAD_DAYS), str(LINK_LEAD_DAYS)
    rows = [
        _row(
            "*",
            DISK,
            "*",
            threshold_name=name,
            threshold=f"{share}%",
            direction="above",
            lead_time_days=disk_lead,
        )
        for name, share in DISK_THRESHOLDS_PCT
    ]
    rows += [
        _row(
            f"{role}-*",
            NETWORK,
            "eth0",
            threshold_name=name,
            threshold=f"{level:.0f}",
            direction="above",
            lead_time_days=link_lead,
        )
        for role, thresholds in LINK_THRESHOLDS.items()
        for name, level in thresholds
    ]
    return rows


def _lead_times() -> list[Row]:
    return [_row("*", metric, "*", lead_time_days=str(days)) for metric, days in OTHER_LEAD_DAYS.items()]
