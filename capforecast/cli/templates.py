"""The files that `init` and `demo` write; their words and values come from the settings themselves."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import get_args

from pydantic.fields import FieldInfo

from capforecast.config import VIRTUAL, Config
from capforecast.limits_csv import COLUMNS
from capforecast.settings import Section

HEAD = """\
# Settings of capforecast. Lines that begin with # and no space show the default, or an example.
# Options beat environment variables (CAPFORECAST_RUN_HORIZON=30d), which beat this file.
# Relative paths are relative to this file.
"""

WRITTEN = ("store.path", "limits.file")
"""Settings that are written out rather than commented out."""
SOURCE = 'location = "metrics.csv.gz"'
KIND = 'name = "queue"\npatterns = ["*queue_depth*"]\nthresholds = {warning = 1000, critical = 5000}'
WINDOW = 'host = "db-*"\nstart = 2026-03-01T22:00:00Z\nend = 2026-03-02T02:00:00Z\nevery = "7d"'
RESET = 'host = "db-1"\nmetric = "disk_*"\nat = 2026-03-01'
RENAME = 'old = "web-01"\nnew = "shop-01"\nat = 2026-03-01'

LIMITS_HEAD = """\
# Capacities, thresholds, lead times and labels. Of lines that say the same thing the one with the latest
# valid_from holds, then the last one. host, metric and instance are globs; empty or * is all.
"""
LIMITS_EXAMPLES = (
    {"host": "*", "metric": "disk_used_bytes", "instance": "/", "capacity": "100e9", "lead_time_days": "14"},
    {"host": "*", "metric": "disk_used_bytes", "threshold_name": "critical", "threshold": "90%"},
    {"host": "db-*", "metric": "cpu_util_pct", "threshold_name": "warning", "threshold": "70"},
    {"host": "build-*", "metric": "cpu_util_pct", "threshold_name": "critical", "threshold": "off"},
    {"host": "web-*", "service": "shop", "team": "web", "env": "prod", "criticality": "high"},
)


def settings_text(source: str | None = None, store: str | None = None) -> str:
    """Return a capforecast.toml with every setting, its meaning and its default.

    Parameters
    ----------
    source : str, optional
        Lines of a source that the file names.
    store : str, optional
        Where the store is, if not where it is by default.
    """
    lines = [HEAD]
    for name, field in Config.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, Section):
            lines += _section(name, field.annotation, store)
    lines += [f"# {_words(Config.model_fields['exclude'])}"]
    lines += [f'#[[exclude]]\n#instance = "{pattern}"' for pattern in VIRTUAL]
    lines += ["", *_array("sources", SOURCE, source), *_array("kinds", KIND, None), *_array("windows", WINDOW, None)]
    lines += [*_array("resets", RESET, None), *_array("renames", RENAME, None)]
    return "\n".join(lines)


def limits_text(known: str = "") -> str:
    """Return a limits.csv with its columns explained, examples commented out, and lines that are known."""
    width = max(map(len, COLUMNS))
    lines = [LIMITS_HEAD + "#"]
    lines += [f"#   {name:<{width}}  {meaning}" for name, meaning in COLUMNS.items()]
    lines += ["#", "# Examples; remove the # in front of a line to use it.", ",".join(COLUMNS)]
    lines += ["# " + ",".join(example.get(name, "") for name in COLUMNS) for example in LIMITS_EXAMPLES]
    return "\n".join(lines) + "\n" + known


def _section(section: str, model: type[Section], store: str | None) -> Iterator[str]:
    yield f"# {(model.__doc__ or '').strip()}"
    yield f"[{section}]"
    for name, field in model.model_fields.items():
        yield f"# {_words(field)}"
        mark = "" if f"{section}.{name}" in WRITTEN else "#"
        value = (field.examples or [field.default])[0]
        if store is not None and f"{section}.{name}" == "store.path":
            value = store
        yield f"{mark}{name} = {json.dumps(value, ensure_ascii=False)}"
    yield ""


def _array(name: str, example: str, given: str | None) -> Iterator[str]:
    """Yield an array of tables: one entry, and what its other keys mean."""
    (item, *_) = get_args(Config.model_fields[name].annotation)
    mark = "#" if given is None else ""
    yield f"# {_words(Config.model_fields[name])}; as often as needed. Further keys:"
    written = {line.partition(" ")[0] for line in example.split("\n")}
    width = max(map(len, item.model_fields))
    for key, field in item.model_fields.items():
        if key not in written:
            yield f"#   {key:<{width}}  {_words(field)}"
    yield f"{mark}[[{name}]]"
    yield given if given is not None else "#" + example.replace("\n", "\n#")
    yield ""


def _words(field: FieldInfo) -> str:
    return field.description or ""
