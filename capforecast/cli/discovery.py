"""What ``init --from`` finds out from a server, as text for its two files."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

from capforecast.access import access_of
from capforecast.address import parse_address
from capforecast.errors import ConfigError
from capforecast.limits_csv import COLUMNS
from capforecast.pulling import STEP
from capforecast.recipes import Offer, discovered
from capforecast.servers import Pull
from capforecast.settings_server import ServerSettings

THRESHOLDS = {
    "disk_used_bytes": (("warning", "80%"), ("critical", "90%"), ("full", "100%")),
    "net_rx_bytes_per_s": (("warning", "80%"),),
    "net_tx_bytes_per_s": (("warning", "80%"),),
}
"""Thresholds of metrics whose kind has none, as shares of the capacity."""


def found_at(url: str, shown: dict[str, str | None], now_us: int) -> tuple[str, str]:
    """Return the source and the lines of limits.csv that fit a Prometheus.

    Parameters
    ----------
    url : str
        ``http://host:9090``, ``https://...`` or a location.
    shown : dict
        user, secret_env, secret_file and ca_file, as settings of the source.
    now_us : int
        The clock.

    Raises
    ------
    ConfigError
        The address is none, or the secret has two places.
    SourceError
        The server fails, or has no metrics of node_exporter.
    """
    location = url.replace("http://", "prometheus://", 1).replace("https://", "prometheus+https://", 1).rstrip("/")
    settings = {name: text for name, text in shown.items() if text is not None}
    if "secret_env" in settings and "secret_file" in settings:
        raise ConfigError("a secret must come from one place", got="--secret-env and --secret-file", do="Leave one out")
    settings |= {name: str(Path(settings[name]).absolute()) for name in ("secret_file", "ca_file") if name in settings}
    access = access_of(ServerSettings.model_validate(settings))
    pull = Pull(parse_address(location), "", "", now_us, now_us, access=access)
    found = discovered(pull, STEP)
    lines = [f"location = {json.dumps(location)}", f'step = "{STEP}"']
    lines += [f"{name} = {json.dumps(text)}" for name, text in settings.items()]
    for one in found:
        lines += ["", "[[sources.queries]]", f"metric = {json.dumps(one.recipe.metric)}"]
        lines += [f"unit = {json.dumps(one.recipe.unit)}", f"query = {json.dumps(one.recipe.query)}"]
    return "\n".join(lines), _limits(found)


def _limits(found: list[Offer]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(COLUMNS), restval="", lineterminator="\n")
    for one in found:
        metric = one.recipe.metric
        if one.capacities:
            for name, share in THRESHOLDS.get(metric, ()):
                writer.writerow({"host": "*", "metric": metric, "threshold_name": name, "threshold": share})
        for host, instance, capacity in one.capacities:
            writer.writerow({"host": host, "metric": metric, "instance": instance, "capacity": f"{capacity:.17g}"})
    # A line that begins with # would be a comment.
    return "".join(f'"{line.partition(",")[0]}"{line[line.index(",") :]}' if line.startswith("#") else line
                   for line in text.getvalue().splitlines(keepends=True))  # fmt: skip
