"""Text in blocks of whole lines: decoded, with LF as the only end of a line, and line numbers.

The encoding is told by a byte-order mark, or by the zero bytes of UTF-16 without one; everything else
must be UTF-8. Another encoding is used only when it is asked for: guessing one turns names into others
without a word. Lines may end with LF, CRLF or CR, also mixed.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain

from capforecast.errors import ConfigError, SourceError
from capforecast.sources.content import chunks, shown

TEXT_BYTES = 16 << 20
"""Bytes of text handled at once, and the longest line there may be."""
_SNIFF_BYTES = 4096
_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)


@dataclass(frozen=True, slots=True)
class Block:
    """Whole lines of UTF-8 text, each ended by LF; `line` is the number of the first, from 1."""

    data: bytes
    line: int

    def first_lines(self, count: int) -> list[str]:
        """Return the first `count` lines without their ends."""
        place = 0
        found: list[str] = []
        while len(found) < count and (end := self.data.find(b"\n", place)) >= 0:
            found.append(self.data[place:end].decode())
            place = end + 1
        return found


def recognised_encoding(start: bytes, encoding: str | None = None) -> tuple[str, int]:
    """Return the encoding of a text that begins with `start`, and the length of its byte-order mark.

    Raises
    ------
    ConfigError
        `encoding` is not the name of a text encoding.
    """
    asked = None if encoding is None else _text_encoding(encoding)
    for mark, name in _MARKS:
        if start.startswith(mark) and asked in (None, name, name[:6]):
            return name, len(mark)
    if asked is not None:
        return asked, 0
    pairs = len(start) // 2
    even, odd = start[0 : 2 * pairs : 2].count(0), start[1 : 2 * pairs : 2].count(0)
    if odd > 0.4 * pairs and even <= 0.05 * pairs:
        return "utf-16-le", 0
    if even > 0.4 * pairs and odd <= 0.05 * pairs:
        return "utf-16-be", 0
    return "utf-8", 0


def _text_encoding(encoding: str) -> str:
    try:
        name = codecs.lookup(encoding).name
        codecs.getincrementaldecoder(name)().decode(b"", final=False)
        "".encode(name)
    except (LookupError, TypeError, ValueError) as error:
        raise ConfigError(
            "--encoding must name a text encoding", got=repr(encoding), do="Write utf-8, latin-1 or utf-16"
        ) from error
    return name


def blocks(location: str, encoding: str | None = None) -> Iterator[Block]:
    """Yield the location's text in blocks of about `TEXT_BYTES`.

    Raises
    ------
    SourceError
        The bytes are not text of the encoding, or a line is longer than `TEXT_BYTES`.
    """
    buffer = bytearray()
    line = 1
    for piece in _unix_lines(decoded(location, encoding)):
        buffer += piece
        if len(buffer) < TEXT_BYTES:
            continue
        cut = buffer.rfind(b"\n") + 1
        if cut == 0:
            raise SourceError(
                f"a line must be shorter than {TEXT_BYTES} bytes",
                where=f"{shown(location)}:{line}",
                do="Is this a text table? One row must stand on one line",
            )
        data = bytes(buffer[:cut])
        del buffer[:cut]
        yield Block(data, line)
        line += data.count(b"\n")
    if buffer:
        if not buffer.endswith(b"\n"):
            buffer += b"\n"
        yield Block(bytes(buffer), line)


def _unix_lines(pieces: Iterator[bytes]) -> Iterator[bytes]:
    held = b""
    for piece in pieces:
        text = held + piece
        held = b"\r" if text.endswith(b"\r") else b""
        if held:
            text = text[:-1]
        yield text.replace(b"\r\n", b"\n").replace(b"\r", b"\n") if b"\r" in text else text
    if held:
        yield b"\n"


def decoded(location: str, encoding: str | None) -> Iterator[bytes]:
    """Yield UTF-8 in pieces, whatever the encoding of the location; ends of lines are as they stand.

    Raises
    ------
    SourceError
        The bytes are not text of the encoding.
    """
    source = chunks(location)
    start = b""
    for piece in source:
        start += piece
        if len(start) >= _SNIFF_BYTES:
            break
    name, mark = recognised_encoding(start, encoding)
    decoder = codecs.getincrementaldecoder(name)()
    plain = name in ("utf-8", "ascii")
    offset, lines = mark, 1
    for piece in chain((start[mark:],), source, (b"",)):
        pending = decoder.getstate()[0]
        try:
            if plain and not pending and piece.isascii():
                text = piece
            else:
                text = decoder.decode(piece, final=not piece).encode()
        except UnicodeError as error:
            raise _undecodable(location, name, (offset - len(pending), lines), pending + piece, error) from error
        offset += len(piece)
        lines += text.count(b"\n") or text.count(b"\r")
        yield text


def _undecodable(location: str, name: str, place: tuple[int, int], data: bytes, error: UnicodeError) -> SourceError:
    offset, lines = place
    at = getattr(error, "start", 0)
    before = data[:at].decode(name, errors="ignore")
    line = lines + (before.count("\n") or before.count("\r"))
    found = f"byte 0x{data[at]:02x}" if at < len(data) else "an incomplete character at the end"
    return SourceError(
        f"text must be valid {name}",
        got=found,
        where=f"{shown(location)}:{line} (byte {offset + at})",
        do="Add --encoding latin-1, or the encoding the file was written in",
    )
