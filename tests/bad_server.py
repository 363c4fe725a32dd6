"""A server that misbehaves in one way after the other, and remembers what it was sent."""

from __future__ import annotations

import json
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest

Behaviour = Callable[["Handler"], None]


class Handler(BaseHTTPRequestHandler):
    """Answers each request with the next behaviour; the last one stays."""

    protocol_version = "HTTP/1.1"
    server: BadServer

    def do_POST(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        self.form = {key: value[0] for key, value in parse_qs(self.rfile.read(length).decode()).items()}
        self._answer()

    def do_GET(self) -> None:
        self.form = {key: value[0] for key, value in parse_qs(self.path.partition("?")[2]).items()}
        self._answer()

    do_HEAD = do_GET  # noqa: N815 - the name that the library looks for

    def _answer(self) -> None:
        self.server.requests.append((self.path, dict(self.headers), self.form))
        behaviours = self.server.behaviours
        with suppress(BrokenPipeError, ConnectionResetError):
            (behaviours.pop(0) if len(behaviours) > 1 else behaviours[0])(self)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""

    def reply(self, status: int, body: bytes, headers: dict[str, str] | None = None, length: int | None = None) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body) if length is None else length), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


class BadServer(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.behaviours: list[Behaviour] = []
        self.requests: list[tuple[str, dict[str, str], dict[str, str]]] = []
        self.stopped = threading.Event()

    @property
    def port(self) -> int:
        return int(self.server_address[1])

    def speak_tls(self, folder: Path) -> Path:
        """Show a certificate that nobody vouches for, or skip; return its file (the key's is key.pem)."""
        key, certificate = folder / "key.pem", folder / "cert.pem"
        made = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1"]
        made += ["-addext", "subjectAltName=IP:127.0.0.1", "-addext", "basicConstraints=critical,CA:FALSE"]
        try:
            subprocess.run(["openssl", *made, "-keyout", key, "-out", certificate], check=True, capture_output=True)
        except FileNotFoundError:
            pytest.skip("openssl, which makes the certificate, is not installed")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        self.socket = context.wrap_socket(self.socket, server_side=True)
        return certificate


@contextmanager
def bad_server(*behaviours: Behaviour) -> Iterator[BadServer]:
    """Run a server on the loopback address; it ends with the block."""
    server = BadServer()
    server.behaviours = list(behaviours)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.stopped.set()
        server.shutdown()
        server.server_close()
        thread.join(5)


def series(form: dict[str, str], hosts: int = 1) -> list[dict[str, Any]]:
    """Return the series that a right answer to a question for a range has: value = seconds / 1000."""
    start, end, step = (float(form[key]) for key in ("start", "end", "step"))
    times = [start + k * step for k in range(int((end - start) // step) + 1)]
    pairs = [[t, repr(t / 1000)] for t in times]
    return [{"metric": {"instance": f"h{k}:9100", "job": "node"}, "values": pairs} for k in range(hosts)]


def whole(form: dict[str, str], hosts: int = 1, **more: Any) -> bytes:
    data = {"resultType": "matrix", "result": series(form, hosts)}
    return json.dumps({"status": "success", "data": data, **more}).encode()


def right(handler: Handler) -> None:
    handler.reply(200, whole(handler.form))


def right_for(hosts: int) -> Behaviour:
    return lambda handler: handler.reply(200, whole(handler.form, hosts))


def says(status: int, body: bytes = b"no", **headers: str) -> Behaviour:
    return lambda handler: handler.reply(status, body, {name.replace("_", "-"): text for name, text in headers.items()})


def silent(handler: Handler) -> None:
    handler.server.stopped.wait(20)


def drips_headers(handler: Handler) -> None:
    handler.wfile.write(b"HTTP/1.1 200 OK\r\n")
    while not handler.server.stopped.wait(0.05):
        handler.wfile.write(b"X: y\r\n" if handler.server.stopped.wait(0.05) else b"X")


def drips_body(handler: Handler) -> None:
    handler.reply(200, b"{", length=1 << 30)
    while not handler.server.stopped.wait(0.05):
        handler.wfile.write(b" ")


def cut(handler: Handler) -> None:
    body = whole(handler.form)
    handler.reply(200, body[: len(body) // 2], length=len(body))
    handler.close_connection = True


def cut_chunks(handler: Handler) -> None:
    handler.send_response(200)
    handler.send_header("Transfer-Encoding", "chunked")
    handler.end_headers()
    handler.wfile.write(b"10\r\n" + whole(handler.form)[:16] + b"\r\n")
    handler.close_connection = True


def half_json(handler: Handler) -> None:
    body = whole(handler.form)
    handler.reply(200, body[: len(body) // 2])


def endless(handler: Handler) -> None:
    handler.send_response(200)
    handler.end_headers()
    handler.close_connection = True
    while not handler.server.stopped.is_set():
        handler.wfile.write(b" " * (1 << 20))


def hangs_up(handler: Handler) -> None:
    handler.close_connection = True
