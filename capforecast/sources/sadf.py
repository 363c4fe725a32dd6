"""What ``sadf -d`` writes between its tables' samples.

Restarts and comments of the user stand among the rows of any table, and the list of USB devices measures
nothing; they are left out, as of the text of sar. The table of interrupts has a column for each processor that is
on (``CPU*``), without its number: of it the first is read, which is the sum of all.
"""

from __future__ import annotations

import re

_BEGINS = ("hostname", "interval", "timestamp")
_EACH = "CPU*"
_USB = "idvendor"
_EVENT = re.compile(rb"^[^;\n]*;-1;[^;\n]*;(?:LINUX-RESTART|COM )[^\n]*$", re.MULTILINE)
_LINE = re.compile(rb"[^\n]+")


def begins_sadf(line: str) -> bool:
    """Tell whether a text that begins with this line was written by ``sadf -d``."""
    return line.startswith(f"# {';'.join(_BEGINS)};")


def _is_table(names: tuple[str, ...]) -> bool:
    """Tell whether columns are those of a table of ``sadf -d``."""
    return names[:3] == _BEGINS


def _open_ended(names: tuple[str, ...]) -> bool:
    """Tell whether rows may have more cells than there are columns."""
    return _is_table(names) and names[-1] == _EACH


def columns_of(names: tuple[str, ...]) -> tuple[str, ...]:
    """Return the names of a table's columns; that of the sum of all processors is called as sar calls it."""
    return (*names[:-1], "intr/s") if _open_ended(names) else names


def samples_of(names: tuple[str, ...], data: bytes) -> bytes:
    """Return the rows of a table, whose header is `names`; lines that are none are empty."""
    if not _is_table(names):
        return data
    if _USB in names:
        return _LINE.sub(b"", data)
    if b";LINUX-RESTART" in data or b";COM " in data:
        data = _EVENT.sub(b"", data)
    if _open_ended(names):
        cells = rb"[^;\n]*;" * (len(names) - 1)
        data = re.sub(rb"^(" + cells + rb"[^;\n]*);[^\n]*$", rb"\1", data, flags=re.MULTILINE)
    return data
