"""Which column of a table holds the host, the metric, the instance, the unit, the time and the value.

A role is taken from ``--map``; else from the column whose name is the role itself; else from the only
column whose name is one of its `ALIASES`; else from the only one of text whose name is one of
`TEXT_ALIASES`. Names are compared without case, units in brackets and punctuation. A time column may also be
the only one whose cells are times.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from capforecast.errors import SchemaError, UnknownNameError
from capforecast.sources import ReadOptions
from capforecast.sources.content import shown
from capforecast.sources.naming import ALIASES, ELASTIC, ROLES, TEXT_ALIASES, plain

_LISTED = 24


@dataclass(frozen=True, slots=True)
class Column:
    """One column: its name, and what its first cells are.

    That is number, measured (with units), formatted, time, text, empty or other.
    """

    name: str
    kind: str


def roles_of(columns: Sequence[Column], options: ReadOptions, location: str, *, header: bool) -> dict[str, int]:
    """Return the number of the column of each role that has one.

    Parameters
    ----------
    columns : sequence of Column
        All of the table.
    options : ReadOptions
        What is mapped, and the layout that is asked for.
    location : str
        What messages name.
    header : bool
        Have the columns names.

    Raises
    ------
    SchemaError
        A column that is mapped is missing, or one is doubled or could be several; the message lists the columns.
    """
    if header:
        _refuse_doubled(columns, location)
    roles = _mapped(columns, options, location)
    if header:
        # Where each column is a host, a header is no name of anything else.
        _aliased(roles, columns, location, ("ts",) if options.layout == "hosts" else ROLES)
    elif not options.mapping and options.layout is None and not _guessed(roles, columns):
        raise SchemaError(
            "columns without a header must be named",
            got=listed(columns),
            where=shown(location),
            do="Add --map ts=0,value=1 (host, metric and instance likewise), by number from 0",
        )
    if "ts" not in roles:
        times = [i for i, c in enumerate(columns) if c.kind == "time" and i not in roles.values()]
        if len(times) == 1:
            roles["ts"] = times[0]
    return roles


def listed(columns: Sequence[Column]) -> str:
    """Return the first columns by number and name, as messages show them."""
    names = ", ".join(f"{i} {c.name!r}" for i, c in enumerate(columns[:_LISTED]))
    return f"columns {names}" + (f" and {len(columns) - _LISTED} more" if len(columns) > _LISTED else "")


def _refuse_doubled(columns: Sequence[Column], location: str) -> None:
    seen: set[str] = set()
    for column in columns:
        if column.name and column.name in seen:
            raise SchemaError(
                "column names must differ",
                got=f"{column.name!r} twice",
                where=shown(location),
                do="Rename one of them; which one is meant cannot be told",
            )
        seen.add(column.name)


def _mapped(columns: Sequence[Column], options: ReadOptions, location: str) -> dict[str, int]:
    roles: dict[str, int] = {}
    names = [column.name for column in columns]
    for role, wanted in options.mapping.items():
        if role not in ROLES:
            raise UnknownNameError("column to map", role, ROLES)
        alike = [i for i, name in enumerate(names) if name.lower() == wanted.lower()]
        if wanted in names:
            roles[role] = names.index(wanted)
        elif len(alike) == 1:
            roles[role] = alike[0]
        elif wanted.isascii() and wanted.isdigit() and int(wanted) < len(columns):
            roles[role] = int(wanted)
        else:
            raise SchemaError(
                f"--map {role}=... must name a column, or its number from 0",
                got=f"{wanted!r}; {listed(columns)}",
                where=shown(location),
            )
    return roles


def _aliased(roles: dict[str, int], columns: Sequence[Column], location: str, wanted: Sequence[str]) -> None:
    names = [plain(column.name) for column in columns]
    for role in wanted:
        free = [i for i in range(len(names)) if i not in roles.values()]
        if role in roles:
            continue
        # The very name comes first: one damaged row of JSON, whose key is `;host`, must not make it a question.
        found = (
            [i for i in free if columns[i].name == role]
            or [i for i in free if names[i] == role]
            or [i for i in free if columns[i].name == ELASTIC.get(role)]
            or [i for i in free if names[i] in ALIASES[role]]
            or [i for i in free if names[i] in TEXT_ALIASES.get(role, ()) and columns[i].kind == "text"]
        )
        if len(found) > 1:
            several = " and ".join(repr(columns[i].name) for i in found)
            raise SchemaError(
                f"one column must hold the {role}",
                got=several,
                where=shown(location),
                do=f"Add --map {role}={columns[found[0]].name}",
            )
        if found:
            roles[role] = found[0]


def _guessed(roles: dict[str, int], columns: Sequence[Column]) -> bool:
    """Give roles to the columns of a table without a header, if they can only mean one thing."""
    kinds = [column.kind for column in columns]
    if kinds == ["number"]:
        roles["value"] = 0
    elif len(kinds) == 2 and kinds[0] in ("time", "number") and kinds[1] == "number":
        roles["ts"], roles["value"] = 0, 1
    return bool(roles)
