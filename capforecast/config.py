"""Settings: capforecast.toml, environment and options, merged into one frozen tree.

Defaults < file < environment (``CAPFORECAST_*``) < options. All problems are reported together.
"""

from __future__ import annotations

import difflib
import hashlib
import json
import os
import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Self, get_args

from pydantic import BaseModel, Field, PrivateAttr, ValidationError, model_validator

from capforecast.errors import ConfigError
from capforecast.kinds import Kind
from capforecast.mark_settings import Rename, ResetEvent, Window
from capforecast.settings import (
    Exclusion,
    ForecastSettings,
    IngestSettings,
    KindSettings,
    LimitsSettings,
    RunSettings,
    Section,
    SourceSettings,
    StoreSettings,
)

STORE_VARIABLE = "CAPFORECAST_STORE"
CONFIG_VARIABLE = "CAPFORECAST_CONFIG"
_PREFIX = "CAPFORECAST_"

VIRTUAL = (
    "/snap/*", "/var/snap/*", "/proc", "/proc/*", "/sys", "/sys/*", "/run", "/run/*",
    "/dev", "/dev/shm", "/dev/pts", "/dev/mqueue", "/dev/hugepages", "/dev/loop*", "loop*",
    "*tmpfs", "shm", "udev", "overlay", "squashfs", "iso9660", "/dev/sr*", "sr0", "/media/cdrom*", "/mnt/cdrom*",
    "/var/lib/docker/overlay2/*", "/var/lib/docker/containers/*", "/var/lib/containers/storage/overlay*",
)  # fmt: skip
"""Instances that no one buys capacity for: virtual and read-only mounts and their devices."""


class Config(Section):
    """All settings."""

    store: StoreSettings = StoreSettings()
    run: RunSettings = Field(default_factory=RunSettings)
    forecast: ForecastSettings = ForecastSettings()
    ingest: IngestSettings = IngestSettings()
    limits: LimitsSettings = LimitsSettings()
    exclude: tuple[Exclusion, ...] = Field(
        tuple(Exclusion(instance=pattern) for pattern in VIRTUAL),
        description="series that are not forecast; replaces the default, which names virtual mounts",
    )
    sources: tuple[SourceSettings, ...] = Field((), description="what the nightly job reads")
    kinds: tuple[KindSettings, ...] = Field((), description="metric kinds of your own")
    windows: tuple[Window, ...] = Field((), description="times that do not count, such as maintenance")
    resets: tuple[ResetEvent, ...] = Field((), description="moments from which series are other ones")
    renames: tuple[Rename, ...] = Field((), description="hosts that got another name")

    _origins: dict[str, str] = PrivateAttr(default_factory=dict)
    _base: str | None = PrivateAttr(default=None)
    _file: str | None = PrivateAttr(default=None)

    @model_validator(mode="after")
    def _distinct_kinds(self) -> Self:
        doubled = {kind.name for kind in self.kinds if [k.name for k in self.kinds].count(kind.name) > 1}
        if doubled:
            raise ValueError(f"kinds must have distinct names, got {sorted(doubled)} twice")
        return self

    @property
    def metric_kinds(self) -> tuple[Kind, ...]:
        """The metric kinds of the file."""
        return tuple(kind.kind() for kind in self.kinds)

    def origin(self, key: str) -> str:
        """Return where a setting (``run.horizon``) comes from: default, a file, a variable or option."""
        return self._origins.get(key, "default")

    @property
    def own_paths(self) -> tuple[str, ...]:
        """Where store, limits and settings are: a directory of samples may hold them, but they are none."""
        return (self.store.path, self.limits.file, *([self._file] if self._file is not None else []))

    def sha256(self) -> str:
        """Return a hash of all settings that can change a result.

        Where the store lies and how long it keeps runs, how many threads work and how many series they take
        at a time cannot; paths below the file's directory count relative to it, so that a moved project keeps its hash.
        """
        settings = self.model_dump(
            mode="json", exclude={"store": {"path", "history_days"}, "run": {"threads", "shard_series"}}
        )
        settings["limits"]["file"] = self._portable(self.limits.file)
        for source in settings["sources"]:
            for name in ("location", "secret_file", "ca_file"):
                source[name] = source[name] and self._portable(source[name])
        text = json.dumps(settings, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()

    def _portable(self, location: str) -> str:
        path = Path(location)
        base = Path(self._base) if self._base is not None else Path.cwd()
        return path.relative_to(base).as_posix() if path.is_relative_to(base) else location


def load(
    path: str | Path | None = None,
    overrides: Mapping[str, object] | None = None,
    *,
    environ: Mapping[str, str] = os.environ,
) -> Config:
    """Return the effective settings.

    Parameters
    ----------
    path : path, optional
        A capforecast.toml. Its relative paths, and those left at their default, are relative to it.
    overrides : mapping, optional
        Options: dotted key (``run.horizon``) to value; None means not given.
    environ : mapping
        Where ``CAPFORECAST_*`` variables are looked up.

    Raises
    ------
    ConfigError
        The file cannot be read, or any key or value is wrong; all of them are named.
    """
    raw = _read(Path(path)) if path is not None else {}
    base = Path(path).absolute().parent if path is not None else Path.cwd()
    origins = {key: str(path) for key in _leaves(raw)}
    problems: list[str] = []
    here = Path.cwd()
    later: list[tuple[str, object, str]] = [*_variables(environ, problems)]
    later += [(key, value, "option") for key, value in (overrides or {}).items() if value is not None]
    for key, value, origin in later:
        section, _, name = key.partition(".")
        table = raw.setdefault(section, {})
        if isinstance(table, dict):
            table[name] = _absolute(str(value), here) if key in ("store.path", "limits.file") else value
            origins[key] = origin
    _locate(raw, base)
    try:
        config = Config.model_validate(raw)
    except ValidationError as error:
        problems = [*(_problem(dict(item), origins, path) for item in error.errors()), *problems]
    if problems:
        where = f"{path}" if path is not None else None
        must = "settings must be known and valid" + (f" ({len(problems)} problems)" if len(problems) > 1 else "")
        raise ConfigError(must, got="; ".join(problems), where=where)
    config._origins = origins
    config._base = str(base)
    config._file = None if path is None else str(Path(path).absolute())
    return config


def variables() -> dict[str, str]:
    """Return the environment variable of each setting that has one, to its dotted key."""
    known = {STORE_VARIABLE: "store.path"}
    for section, field in Config.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, Section):
            keys = [f"{section}.{name}" for name in field.annotation.model_fields]
            known |= {_PREFIX + key.upper().replace(".", "_"): key for key in keys if key != "store.path"}
    return known


def _variables(environ: Mapping[str, str], problems: list[str]) -> Iterator[tuple[str, str, str]]:
    """Yield key, value and variable; what looks like a mistyped variable is a problem, others are not ours."""
    known = variables()
    for variable in sorted(environ):
        if not variable.startswith(_PREFIX) or variable == CONFIG_VARIABLE or not environ[variable]:
            continue
        if variable in known:
            yield known[variable], environ[variable], variable
        elif _looks_mistyped(variable.removeprefix(_PREFIX), known):
            problems.append(f"environment variable {variable} is not known{_nearest(variable, known)}")


def _looks_mistyped(name: str, known: Mapping[str, str]) -> bool:
    section = name.partition("_")[0].lower()
    bare = [variable.removeprefix(_PREFIX) for variable in known]
    return section in Config.model_fields or bool(difflib.get_close_matches(name, bare, n=1, cutoff=0.75))


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise ConfigError("the settings must be a readable file", got=error.strerror, where=str(path)) from error
    except UnicodeDecodeError as error:
        raise ConfigError("the settings must be UTF-8 text", got=error.reason, where=str(path)) from error
    except (ValueError, RecursionError) as error:
        # Numbers of thousands of digits and brackets a thousand deep end otherwise than as no TOML.
        raise ConfigError("the settings must be TOML", got=str(error), where=str(path)) from error


def _locate(raw: dict[str, Any], base: Path) -> None:
    """Make the paths of the file, and those left at their default, absolute."""
    for section, name in (("store", "path"), ("limits", "file")):
        table = raw.setdefault(section, {})
        default = Config.model_fields[section].default.model_dump()[name]
        if isinstance(table, dict) and isinstance(table.setdefault(name, default), str) and table[name]:
            table[name] = _absolute(table[name], base)
    sources = raw.get("sources")
    for source in sources if isinstance(sources, list) else []:
        if not isinstance(source, dict):
            continue
        if isinstance(location := source.get("location"), str) and location:
            source["location"] = location if "://" in location or location == "-" else _absolute(location, base)
        for name in ("secret_file", "ca_file"):
            if isinstance(path := source.get(name), str) and path:
                source[name] = _absolute(path, base)


def _absolute(text: str, base: Path) -> str:
    return os.path.normpath(base / os.path.expanduser(text))


def _leaves(table: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    for key, value in table.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{prefix}{key}.")
        else:
            yield prefix + key


def _problem(item: dict[str, Any], origins: Mapping[str, str], path: str | Path | None) -> str:
    """Return one finding of pydantic in the words of this package."""
    location: tuple[int | str, ...] = item["loc"]
    key = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in location).lstrip(".")
    origin = origins.get(key)
    place = f"{key} ({origin})" if origin not in (None, str(path)) else key or "the file"
    if item["type"] == "extra_forbidden":
        return f"{place} is not known{_nearest(str(location[-1]), _keys(location[:-1]))}"
    if item["type"] == "missing":
        return f"{place} must be given"
    cause = item.get("ctx", {}).get("error")
    if isinstance(cause, ConfigError):
        return f"{place}: {cause}"
    got = "" if isinstance(item["input"], Mapping | Section) else f", got {item['input']!r}"
    if item["type"] == "literal_error":
        got += _meant(str(item["input"]), re.findall(r"'([^']*)'", item["ctx"]["expected"]))
    return f"{place}: {item['msg'].removeprefix('Value error, ')}{got}"


def _keys(location: tuple[int | str, ...]) -> list[str]:
    """Return the known keys of the table at `location`."""
    table: type[BaseModel] = Config
    for part in location:
        if isinstance(part, str) and part in table.model_fields:
            annotation = table.model_fields[part].annotation
            inner = [a for a in (annotation, *get_args(annotation)) if isinstance(a, type) and issubclass(a, Section)]
            if inner:
                table = inner[0]
    return list(table.model_fields)


def _nearest(name: str, known: Mapping[str, str] | list[str]) -> str:
    return _meant(name, list(known)) or f" (known: {', '.join(known)})"


def _meant(name: str, known: list[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    return f" (did you mean {near[0]!r}?)" if near else ""
