"""Asking a server over HTTP: whole answers within bounded time and memory, or an error.

TLS certificates are always verified. A redirect to another origin is refused, so that nothing that was meant
for one server reaches another. What may pass is asked again after a while; the whole takes no longer than its
deadline, whatever the other side does.
"""

from __future__ import annotations

import hashlib
import platform
import socket
import ssl
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from threading import Timer
from types import TracebackType
from typing import Any, Self, TypeVar
from urllib.parse import urlencode, urljoin, urlsplit

from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, Timeout
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import HTTPError, LocationParseError
from urllib3.response import BaseHTTPResponse

from capforecast import __version__
from capforecast.access import Access
from capforecast.errors import SourceError

ATTEMPTS = 5
"""How often one question is asked at most."""
FIRST_WAIT, LONGEST_WAIT = 0.5, 30.0
"""Seconds before the second attempt, doubled for each further one, and the most of them."""
MAX_BODY = 128 << 20
"""Most bytes of one answer, decompressed."""
_REDIRECTS = 3
_PASSING = (408, 425, 429, 500, 502, 503, 504)
_PIECE = 1 << 16
_EXCERPT = 200
Out = TypeVar("Out")
Held = Callable[[Any], None]


@dataclass(frozen=True, slots=True)
class Limits:
    """How long a server may take, in seconds: for a connection, in silence, and for one query in all."""

    connect: float = 10.0
    silence: float = 30.0
    total: float = 900.0


class RefusedError(SourceError):
    """The server answered that it will not; `status` is its number."""

    status = 0


class TooLargeError(SourceError):
    """The answer is larger than `MAX_BODY`."""


class UnfinishedError(ValueError):
    """An answer ends before it is complete; the question is asked again."""


class _Line(HTTPConnection):
    """A connection that shows its socket to who may have to cut it."""

    held: Held

    def connect(self) -> None:
        super().connect()
        self.held(self.sock)


class _SafeLine(HTTPSConnection):
    held: Held

    def connect(self) -> None:
        super().connect()
        self.held(self.sock)


class Exchange:
    """Questions to one server until a deadline; a context manager.

    Parameters
    ----------
    base : str
        ``http://host:port/path`` or https.
    access : Access
        What is shown to the server.
    limits : Limits
        How long all questions together may take, and each of them.
    where : str
        What messages name.
    """

    def __init__(self, base: str, access: Access, limits: Limits, where: str):
        self._base, self._access, self._where = base.rstrip("/"), access, where
        self._end = time.monotonic() + limits.total
        self._total = limits.total
        silence = min(limits.silence, limits.total)
        self._timeout = Timeout(connect=min(limits.connect, silence), read=silence)
        self._socket: Any = None
        self._over = False

    def __enter__(self) -> Self:
        origin = urlsplit(self._base)
        try:
            self._pool = self._connected(origin.scheme, origin.hostname or "", origin.port)
        except (OSError, ssl.SSLError, LocationParseError) as error:
            raise SourceError(
                "ca_file must be a readable file of certificates"
                if self._access.ca_file
                else "a server must have a host",
                got=str(error),
                where=self._access.ca_file or self._where,
            ) from error
        self._watch = Timer(self._total, self._cut)
        self._watch.daemon = True
        self._watch.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._watch.cancel()
        self._pool.close()

    def ask(self, path: str, fields: Mapping[str, str], read: Callable[[bytes], Out], *, get: bool = False) -> Out:
        """Return what `read` makes of an answer.

        Parameters
        ----------
        path : str
            Below the base, with a leading slash.
        fields : mapping
            Of the form that is sent, or of the address where `get`.
        read : callable
            Takes the body; raises `UnfinishedError` where it ends too early.
        get : bool
            Ask with GET rather than POST.

        Raises
        ------
        RefusedError
            The server says no, or elsewhere.
        TooLargeError
            The answer does not end in time to be held.
        SourceError
            No whole answer came before the deadline or within `ATTEMPTS`.
        """
        reason = ""
        for attempt in range(ATTEMPTS):
            try:
                with self._answer(path, fields, get=get) as response:
                    body = self._body(response)
                    if response.status in _PASSING:
                        reason = f"HTTP {response.status} {self._excerpt(body)}"
                        least = _retry_after(response.headers.get("Retry-After"))
                    else:
                        self._check(response.status, body)
                        return self._taken(read, body)
            except UnfinishedError as error:
                reason, least = str(error), 0.0
            except (HTTPError, OSError) as error:
                if isinstance(error, SourceError):
                    raise
                self._raise_lasting(error)
                reason, least = _cause(error), 0.0
            if attempt + 1 < ATTEMPTS:
                self._wait(attempt, least, path + urlencode(fields), reason)
        raise self._failed(f"{reason}, {ATTEMPTS} times")

    def _connected(self, scheme: str, host: str, port: int | None) -> HTTPConnectionPool:
        settings: dict[str, Any] = {"maxsize": 1, "timeout": self._timeout, "retries": False}
        if scheme == "https":
            context = ssl.create_default_context(cafile=self._access.ca_file)
            safe = HTTPSConnectionPool(host, port, ssl_context=context, **settings)
            safe.ConnectionCls = type("_Held", (_SafeLine,), {"held": staticmethod(self._hold)})
            return safe
        plain = HTTPConnectionPool(host, port, **settings)
        plain.ConnectionCls = type("_Held", (_Line,), {"held": staticmethod(self._hold)})
        return plain

    def _hold(self, sock: Any) -> None:
        self._socket = sock
        if self._over:
            self._cut()

    def _cut(self) -> None:
        self._over = True
        if self._socket is not None:
            try:
                # The plain method: that of TLS would first change what the reading thread is using.
                socket.socket.shutdown(self._socket, socket.SHUT_RDWR)
            except OSError:
                return  # It is closed already.

    @contextmanager
    def _answer(self, path: str, fields: Mapping[str, str], *, get: bool) -> Iterator[BaseHTTPResponse]:
        form = urlencode(fields)
        headers = dict(self._access.headers)
        headers |= {"User-Agent": f"capforecast/{__version__}", "Accept": "application/json", "Accept-Encoding": "gzip"}
        authorization = self._access.authorization()
        if authorization is not None:
            if not authorization.isascii():
                raise SourceError(
                    "a token must be ASCII text", where=self._where, do="Write it again, or set user for a password"
                )
            headers["Authorization"] = authorization
        if not get:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        url = self._base + path
        for _ in range(_REDIRECTS + 1):
            whole = f"{url}?{form}" if get and "?" not in url else url
            target = urlsplit(whole)
            response = self._pool.urlopen(
                "GET" if get else "POST", target._replace(scheme="", netloc="").geturl() or "/",
                body=None if get else form.encode(), headers=headers,
                redirect=False, preload_content=False, assert_same_host=False,
            )  # fmt: skip
            to = response.headers.get("Location")
            if response.status not in (301, 302, 303, 307, 308) or not to:
                try:
                    yield response
                finally:
                    response.close()
                return
            response.close()
            url = self._same_origin(whole, to)
        raise self._refused(310, f"more than {_REDIRECTS} redirects")

    def _same_origin(self, url: str, to: str) -> str:
        try:
            there = urljoin(url, to)
            goal = urlsplit(there)
        except ValueError:
            raise self._refused(300, "a redirect to what is no address") from None
        if goal[:2] != urlsplit(self._base)[:2]:
            raise self._refused(
                300,
                f"a redirect to {goal.scheme}://{goal.hostname}",
                "Nothing was sent there. If it is right, set it as location",
            )
        return there

    def _body(self, response: BaseHTTPResponse) -> bytes:
        pieces, size = [], 0
        while piece := response.read1(_PIECE, decode_content=True):
            size += len(piece)
            if size > MAX_BODY:
                raise TooLargeError(
                    f"an answer must have at most {MAX_BODY} bytes",
                    got="more",
                    where=self._where,
                    do="Ask for less at once",
                )
            pieces.append(piece)
        if self._over:
            raise self._failed("the end of the time that it may take")
        return b"".join(pieces)

    def _check(self, status: int, body: bytes) -> None:
        if 200 <= status < 300:
            return
        do = "Check user, secret_env and secret_file" if status in (401, 403) else None
        raise self._refused(status, f"HTTP {status} {self._excerpt(body)}", do)

    def _taken(self, read: Callable[[bytes], Out], body: bytes) -> Out:
        try:
            return read(body)
        except SourceError as error:
            # What a server says may hold what it was shown.
            got = None if error.got is None else self._access.hidden(str(error.got))
            raise SourceError(error.must, got=got, where=self._where, do=error.do) from None

    def _refused(self, status: int, got: str, do: str | None = None) -> RefusedError:
        error = RefusedError("a server must answer what it is asked", got=got, where=self._where, do=do)
        error.status = status
        return error

    def _excerpt(self, body: bytes) -> str:
        text = " ".join(body[: 4 * _EXCERPT].decode(errors="replace").split())
        return self._access.hidden(text)[:_EXCERPT]

    def _raise_lasting(self, error: BaseException) -> None:
        """Raise where asking again cannot help: the time is over, or the server is not who it should be."""
        if self._over or time.monotonic() >= self._end:
            raise self._failed(f"the end of the time that it may take ({_cause(error)})") from error
        seen: BaseException | None = error
        while seen is not None:
            if isinstance(seen, ssl.SSLCertVerificationError):
                raise SourceError(
                    "the certificate of a server must be valid and for this host", got=seen.verify_message,
                    where=self._where, do="Set ca_file to the authority that issued it",
                ) from error  # fmt: skip
            seen = seen.args[0] if seen.args and isinstance(seen.args[0], BaseException) else seen.__cause__

    def _failed(self, got: str) -> SourceError:
        return SourceError(
            f"a server must answer whole within {self._total:g} seconds",
            got=self._access.hidden(got), where=self._where,
            do="Nothing was taken. Check the server, or set timeout and deadline",
        )  # fmt: skip

    def _wait(self, attempt: int, least: float, question: str, reason: str) -> None:
        """Wait before the next attempt: longer each time, and not at the pace of other machines."""
        seed = f"{platform.node()}\0{self._where}\0{question}\0{attempt}".encode()
        share = int.from_bytes(hashlib.sha256(seed).digest()[:4], "big") / (1 << 32)
        seconds = max(least, min(LONGEST_WAIT, FIRST_WAIT * 2**attempt) * (0.5 + 0.5 * share))
        if time.monotonic() + seconds >= self._end:
            wanted = f", to be asked again in {least:g} seconds" if least else ""
            raise self._failed(f"{reason}{wanted}")
        time.sleep(seconds)


def _retry_after(text: str | None) -> float:
    """Return how many seconds a server wants to be left alone."""
    if text is None:
        return 0.0
    if text.strip().isdecimal():
        return float(text)
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return 0.0
    aware = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
    return max(0.0, (aware - datetime.now(UTC)).total_seconds())


def _cause(error: BaseException) -> str:
    """Return what went wrong, without the objects that urllib3 puts in front of it."""
    text = str(error).rpartition(">: ")[2] or type(error).__name__
    return " ".join(text.split())[:_EXCERPT]
