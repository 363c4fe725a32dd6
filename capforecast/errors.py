"""Every error a user can cause or meet.

::

    CapforecastError                      exit 1
    ├── ConfigError (ValueError)          exit 2   unknown key, value out of range
    │   └── UnknownNameError              exit 2   names the nearest known one
    ├── SourceError (OSError)             exit 1   unreadable, truncated, wrong encoding, not recognised
    ├── SchemaError (ValueError)          exit 1   column missing, wrong type, doubled column
    ├── StoreError (RuntimeError)         exit 1   not a store, damaged, newer format
    │   ├── LockedError                   exit 75  another process holds the lock
    │   └── DamagedError                  exit 1   one file is missing or not what was written
    └── DataError (ValueError)            exit 1   nothing left to work on

A message says what must hold, what was got, where, and what to do. Anything that is not a
``CapforecastError`` is a bug and keeps its traceback.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class CapforecastError(Exception):
    """The root of all errors of this package.

    Parameters
    ----------
    must : str
        What must hold, as a sentence without a final stop.
    got : object, optional
        What was found instead; printed with ``repr`` unless it is text.
    where : str, optional
        File and line, series or column.
    do : str, optional
        What the user can do about it.
    """

    exit_code = 1

    def __init__(self, must: str, *, got: object = None, where: str | None = None, do: str | None = None):
        self.must, self.got, self.where, self.do = must, got, where, do
        parts = [must]
        if got is not None:
            parts.append(f"got {got}")
        if where is not None:
            parts.append(f"in {where}")
        message = "; ".join(parts)
        if do is not None:
            message += f". {do}"
        self.message = printable(message)
        super().__init__(self.message)

    def __str__(self) -> str:
        return self.message

    def about(self, location: str) -> str:
        """Return the message with the location in it, once."""
        return self.message if printable(location) in self.message else f"{printable(location)}: {self.message}"


class ConfigError(CapforecastError, ValueError):
    """A setting, option or file of settings is wrong."""

    exit_code = 2


class UnknownNameError(ConfigError):
    """A name is not known; the message proposes the nearest one."""

    def __init__(self, kind: str, name: str, known: Iterable[str]):
        names = sorted(known)
        near = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
        hint = f"Did you mean {near[0]!r}? " if near else ""
        listed = ", ".join(names[:12]) + (" ..." if len(names) > 12 else "")
        super().__init__(f"{kind} must be a known name", got=repr(name), do=f"{hint}Known: {listed or 'none'}")
        self.name = name


class SourceError(CapforecastError, OSError):
    """A source cannot be read, or what it is cannot be recognised."""


class SchemaError(CapforecastError, ValueError):
    """A table lacks a column, has one twice, or has it in the wrong type."""


class StoreError(CapforecastError, RuntimeError):
    """A directory is not a store, or the store is damaged or of a newer format."""


class LockedError(StoreError):
    """Another process holds the lock of the store."""

    exit_code = 75


class DamagedError(StoreError):
    """A file of the store is missing or is not what was written; what does not need it works."""


class DataError(CapforecastError, ValueError):
    """There is nothing left that could be worked on."""


def printable(text: str) -> str:
    r"""Return `text` with control characters shown as escapes (``\x1b``), since names are data."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c == "\n" else c.encode("unicode_escape").decode() for c in text)
