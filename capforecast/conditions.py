"""Conditions on the rows of a published table: ``team = 'db' and p_breach_30d >= 0.5``.

::

    condition   any of         all { "or" all }
    all         each of        one { "and" one }
    one         "not" one | "(" condition ")" | COLUMN test
    test        ( = | != | <> | < | <= | > | >= ) VALUE
                | [ "not" ] "in" "(" VALUE { "," VALUE } ")"
                | [ "not" ] "like" VALUE          % is any text, _ any character
                | [ "not" ] "glob" VALUE          * is any text, ? any character
                | "is" [ "not" ] "null"

A value is text in quotes, or a word: a number, a date, true, false or plain text; after = and != a word with ``*`` or
``?`` for a text column is a glob, so that ``host=db-*`` does what it says. As in SQL, a row without a value passes no
test of it but ``is null``. There is nothing else: no function, no other table, no file.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterator
from datetime import date
from functools import reduce
from typing import Any

import polars as pl

from capforecast.errors import ConfigError, UnknownNameError
from capforecast.schema import CHANGES, WORDS, Column, Table
from capforecast.times import from_us, parse_moment

LONGEST = 2000
DEEPEST = 40
EXAMPLE = "Write team = 'db' and p_breach_30d >= 0.5"
_TOKEN = re.compile(
    r"""\s*(?:(?P<quoted>'(?:[^']|'')*'|"(?:[^"]|"")*")|(?P<sign><=|>=|<>|!=|==|[=<>(),])|(?P<word>[^\s'"<>=!(),]+))"""
)
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,3})?")
_COMPARE: dict[str, Callable[[pl.Expr, Any], pl.Expr]] = {
    "=": operator.eq, "==": operator.eq, "!=": operator.ne, "<>": operator.ne,
    "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
}  # fmt: skip
_PATTERNS = {"like": {"%": ".*", "_": "."}, "glob": {"*": ".*", "?": "."}}
_WANTED = {
    "double": "a number", "int64": "a number", "bool": "true or false", "date": "a date such as 2026-07-01",
    "timestamp": "a moment such as 2026-07-01T02:00:00Z", "text": "text",
}  # fmt: skip


def parse(text: str, table: Table) -> pl.Expr:
    """Return a condition on the rows of a table as an expression.

    Raises
    ------
    UnknownNameError
        The table has no such column, or the column never holds such a word; the nearest is proposed.
    ConfigError
        The text is no condition, or a value does not fit its column.
    """
    if len(text) > LONGEST:
        raise ConfigError(f"a condition must have at most {LONGEST} characters", got=len(text))
    return _Parser(text, table).whole()


def changed() -> pl.Expr:
    """Return the condition that a breach row changed against the run before."""
    return pl.col("change_class").is_in(CHANGES)


def matching(column: str, pattern: str, kind: str = "glob") -> pl.Expr:
    """Return the condition that the text of a column matches a whole pattern, by `kind` a glob or one of LIKE."""
    special = _PATTERNS[kind]
    letters = "".join(special.get(letter) or re.escape(letter) for letter in pattern)
    return pl.col(column).str.contains(f"(?s)^{letters}$")


class _Parser:
    """Reads a condition from left to right."""

    def __init__(self, text: str, table: Table):
        self.text, self.table = text, table
        self.columns = {column.name: column for column in table.columns}
        self.tokens = list(self._tokens())
        self.at = 0
        self.depth = 0

    def _tokens(self) -> Iterator[tuple[str, str]]:
        end = len(self.text.rstrip())
        place = 0
        while place < end:
            found = _TOKEN.match(self.text, place)
            if not found:
                raise self.wrong("a word, a sign or a text in quotes", self.text[place:].strip())
            place = found.end()
            kind = str(found.lastgroup)
            yield kind, found[kind]

    def wrong(self, must: str, got: str) -> ConfigError:
        """Return the error for what stands where something else must."""
        return ConfigError(
            f"a condition must have {must} there",
            got=repr(got) if got else "its end",
            where=repr(self.text),
            do=EXAMPLE,
        )

    def peek(self) -> tuple[str, str]:
        """Return the kind and the text of the next token; words of the grammar in small letters."""
        kind, text = self.tokens[self.at] if self.at < len(self.tokens) else ("end", "")
        return kind, text

    def take(self, *wanted: str) -> str:
        """Return the next token if it is one of these signs or words, and go on; else nothing."""
        kind, text = self.peek()
        if kind in ("sign", "word") and text.lower() in wanted:
            self.at += 1
            return text.lower()
        return ""

    def must(self, *wanted: str) -> str:
        """Return the next token, which must be one of these."""
        found = self.take(*wanted)
        if not found:
            raise self.wrong(" or ".join(wanted), self.peek()[1])
        return found

    def whole(self) -> pl.Expr:
        """Return all of the condition."""
        found = self.either()
        if self.peek()[0] != "end":
            raise self.wrong("and, or, or its end", self.peek()[1])
        return found

    def either(self) -> pl.Expr:
        """Return any of its parts."""
        found = self.each()
        while self.take("or"):
            found = found | self.each()
        return found

    def each(self) -> pl.Expr:
        """Return parts that must all hold."""
        found = self.one()
        while self.take("and"):
            found = found & self.one()
        return found

    def one(self) -> pl.Expr:
        """Return a test, or a condition in brackets."""
        self.depth += 1
        if self.depth > DEEPEST:
            raise self.wrong(f"at most {DEEPEST} levels", self.peek()[1])
        if self.take("not"):
            found = ~self.one()
        elif self.take("("):
            found = self.either()
            self.must(")")
        else:
            found = self.test(self.column())
        self.depth -= 1
        return found

    def column(self) -> Column:
        """Return the column that is named."""
        kind, text = self.peek()
        if kind not in ("word", "quoted"):
            raise self.wrong("the name of a column", text)
        name = _unquoted(text) if kind == "quoted" else text
        if name not in self.columns:
            raise UnknownNameError(f"column of {self.table.name}", name, self.columns)
        self.at += 1
        return self.columns[name]

    def test(self, column: Column) -> pl.Expr:
        """Return what is asked of a column."""
        value = pl.col(column.name)
        if self.take("is"):
            denied = self.take("not")
            self.must("null")
            return value.is_not_null() if denied else value.is_null()
        denied = self.take("not")
        kind = self.must("in", "like", "glob", *(() if denied else _COMPARE))
        if kind in _COMPARE:
            return self.compared(column, kind)
        found = self.among(column) if kind == "in" else self.matched(column, kind)
        return ~found if denied else found

    def compared(self, column: Column, sign: str) -> pl.Expr:
        """Return a comparison, or a glob where a word looks like one."""
        kind, text = self.peek()
        if column.type == "text" and kind == "word" and sign in ("=", "==", "!=", "<>") and set(text) & set("*?"):
            found = self.matched(column, "glob")
            return found if sign in ("=", "==") else ~found
        return _COMPARE[sign](pl.col(column.name), self.word(column))

    def among(self, column: Column) -> pl.Expr:
        """Return whether it is one of the values in brackets."""
        self.must("(")
        found = [pl.col(column.name) == self.word(column)]
        while self.must(",", ")") == ",":
            found.append(pl.col(column.name) == self.word(column))
        among: pl.Expr = reduce(operator.or_, found)
        return among

    def matched(self, column: Column, kind: str) -> pl.Expr:
        """Return whether a text matches a pattern."""
        if column.type != "text":
            raise ConfigError(f"{kind} must go with a column of text", got=f"{column.name}, which is {column.type}")
        return matching(column.name, str(self.value(column)), kind)

    def word(self, column: Column) -> Any:
        """Return a value in the type of its column, which must be one that the column may hold."""
        value = self.value(column)
        if column.name in WORDS and value not in WORDS[column.name]:
            raise UnknownNameError(column.name, value, WORDS[column.name])
        return value

    def value(self, column: Column) -> Any:
        """Return a value in the type of its column."""
        kind, text = self.peek()
        if kind not in ("word", "quoted"):
            raise self.wrong(_WANTED[column.type], text)
        self.at += 1
        plain = _unquoted(text) if kind == "quoted" else text
        value = _value(plain, column.type)
        if value is None:
            raise ConfigError(f"{column.name} must be compared with {_WANTED[column.type]}", got=repr(plain))
        return value


def _unquoted(text: str) -> str:
    return text[1:-1].replace(text[0] * 2, text[0])


def _value(text: str, kind: str) -> Any:
    """Return a value of a column's type, None where the text is none."""
    if kind == "text":
        return text
    if kind in ("double", "int64"):
        return float(text) if _NUMBER.fullmatch(text) else None
    if kind == "bool":
        return {"true": True, "false": False}.get(text.lower())
    try:
        if kind == "date":
            return date.fromisoformat(text)
        return from_us(parse_moment(text))
    except ValueError:
        return None
