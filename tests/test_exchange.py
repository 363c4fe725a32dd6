"""Servers that misbehave cost bounded time and memory, learn no secret twice, and never count as answered."""

from __future__ import annotations

import gzip
import json
import time
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
from bad_server import (
    Behaviour,
    Handler,
    bad_server,
    cut,
    cut_chunks,
    drips_body,
    drips_headers,
    endless,
    half_json,
    hangs_up,
    right,
    says,
    silent,
    whole,
)

from capforecast import exchange
from capforecast.access import Access
from capforecast.errors import SourceError
from capforecast.exchange import Exchange, Limits, RefusedError, TooLargeError
from capforecast.servers.prometheus import answered

SECRET = "s3cr3t-t0ken"
FIELDS = {"start": "0", "end": "600", "step": "60", "query": "up"}


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exchange, "FIRST_WAIT", 0.01)


def ask(
    port: int, *, total: float = 5.0, silence: float = 0.4, access: Access | None = None, scheme: str = "http"
) -> Any:
    access = access or Access(secret=SECRET)
    with Exchange(f"{scheme}://127.0.0.1:{port}", access, Limits(1.0, silence, total), "here#up") as asking:
        return asking.ask("/api/v1/query_range", FIELDS, answered)


@pytest.mark.parametrize("first", [says(500), says(503), says(429), cut, cut_chunks, half_json, hangs_up, silent])
def test_what_passes_is_asked_again(first: Behaviour) -> None:
    with bad_server(first, first, right) as server:
        (series,) = ask(server.port)
    assert len(series["values"]) == 11
    assert len(server.requests) == 3


@pytest.mark.parametrize("always", [says(500), says(429), cut, cut_chunks, half_json, hangs_up, silent])
def test_what_does_not_pass_ends_after_some_attempts(always: Behaviour) -> None:
    began = time.monotonic()
    with bad_server(always) as server, pytest.raises(SourceError, match=r"here#up.*Nothing was taken"):
        ask(server.port)
    assert time.monotonic() - began < 5
    assert len(server.requests) == exchange.ATTEMPTS


@pytest.mark.parametrize("always", [silent, drips_headers, drips_body, endless, says(503)])
def test_no_server_takes_longer_than_the_deadline(always: Behaviour, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also one that sends a byte now and then, which never is silence."""
    monkeypatch.setattr(exchange, "MAX_BODY", 1 << 40)
    monkeypatch.setattr(exchange, "FIRST_WAIT", 1.0)
    began = time.monotonic()
    with bad_server(always) as server, pytest.raises(SourceError, match="within 1 seconds"):
        ask(server.port, total=1.0, silence=30.0)
    assert time.monotonic() - began < 3


def test_an_endless_answer_is_cut_at_a_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exchange, "MAX_BODY", 1 << 20)
    with bad_server(endless) as server, pytest.raises(TooLargeError, match="at most 1048576 bytes"):
        ask(server.port, total=60, silence=5)


def test_a_compressed_bomb_is_cut_at_the_same_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exchange, "MAX_BODY", 1 << 20)
    bomb = gzip.compress(b" " * (20 << 20), 9)
    with bad_server(says(200, bomb, Content_Encoding="gzip")) as server, pytest.raises(TooLargeError):
        ask(server.port, total=60, silence=5)


def test_retry_after_is_honoured_up_to_the_deadline() -> None:
    with bad_server(says(429, Retry_After="1"), right) as server:
        began = time.monotonic()
        assert ask(server.port)
        assert time.monotonic() - began >= 1
    with bad_server(says(429, Retry_After="86400")) as server:
        began = time.monotonic()
        with pytest.raises(SourceError, match="asked again in 86400 seconds"):
            ask(server.port)
        assert time.monotonic() - began < 1
    with (
        bad_server(says(503, Retry_After="Wed, 21 Oct 2099 07:28:00 GMT")) as server,
        pytest.raises(SourceError, match="again in"),
    ):
        ask(server.port)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 418, 422])
def test_a_no_is_told_at_once_without_the_secret(status: int) -> None:
    body = json.dumps({"status": "error", "error": f"bad token {SECRET}\x1b[31m"}).encode()
    with bad_server(says(status, body)) as server, pytest.raises(RefusedError) as caught:
        ask(server.port)
    assert (status, 1) == (caught.value.status, len(server.requests))
    assert "bad token ***" in str(caught.value)
    assert SECRET not in repr(caught.value) + str(caught.value.args)
    assert "\x1b" not in str(caught.value)


def test_an_error_in_a_good_answer_hides_the_secret_in_all_its_forms() -> None:
    access = Access("me", SECRET)
    sent = (access.authorization() or "").partition(" ")[2]
    body = json.dumps({"status": "error", "error": f"{SECRET} {sent}"}).encode()
    with bad_server(says(200, body)) as server, pytest.raises(SourceError, match=r"got \*\*\* \*\*\*; in here#up"):
        ask(server.port, access=access)
    assert SECRET not in repr(access)


@pytest.mark.parametrize("more", [{"warnings": ["store is down"]}, {"isPartial": True}])
def test_a_partial_answer_is_no_answer(more: dict[str, Any]) -> None:
    def partial(handler: Handler) -> None:
        handler.reply(200, whole(handler.form, **more))

    with bad_server(partial) as server, pytest.raises(SourceError, match="must be whole"):
        ask(server.port)


def test_another_origin_gets_neither_question_nor_secret() -> None:
    with bad_server(right) as other:
        elsewhere = says(307, Location=f"http://127.0.0.1:{other.port}/api/v1/query_range")
        with bad_server(elsewhere) as server, pytest.raises(RefusedError, match="redirect to http://127.0.0.1"):
            ask(server.port)
        with bad_server(says(301, Location="file:///etc/passwd")) as server, pytest.raises(RefusedError):
            ask(server.port)
        assert other.requests == []


def test_the_same_origin_may_send_to_another_path_a_few_times() -> None:
    with bad_server(says(308, Location="/there"), right) as server:
        assert ask(server.port)
    assert [path for path, _, _ in server.requests] == ["/api/v1/query_range", "/there"]
    assert server.requests[1][1]["Authorization"] == f"Bearer {SECRET}"
    with bad_server(says(308, Location="/round")) as server, pytest.raises(RefusedError, match="more than 3 redirects"):
        ask(server.port)


def test_nobody_there_is_an_error_in_bounded_time() -> None:
    with bad_server(right) as server:
        port = server.port
    with pytest.raises(SourceError, match="refused"):
        ask(port)


def test_waits_grow_and_are_the_same_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[list[float]] = []
    monkeypatch.setattr(exchange, "FIRST_WAIT", 0.5)
    for _ in range(2):
        waits.append([])
        monkeypatch.setattr(exchange.time, "sleep", waits[-1].append)
        with bad_server(says(500)) as server, pytest.raises(SourceError):
            ask(server.port, total=600)
    assert waits[0] == waits[1]
    assert all(0.25 * 2**k <= wait <= 0.5 * 2**k for k, wait in enumerate(waits[0]))


def test_a_certificate_must_be_trusted(tmp_path: Path) -> None:
    """No option turns this off; ca_file adds trust."""
    with bad_server(right) as server:
        certificate = server.speak_tls(tmp_path)
        with pytest.raises(SourceError, match="certificate of a server must be valid"):
            ask(server.port, scheme="https")
        assert server.requests == []
        trusting = Access(secret=SECRET, ca_file=str(certificate))
        assert ask(server.port, scheme="https", access=trusting)
        with pytest.raises(SourceError, match="ca_file must be a readable file"):
            ask(server.port, scheme="https", access=Access(ca_file=str(tmp_path / "key.pem")))


@pytest.mark.parametrize("to", ["http://[bad", "//[", "http://]/"])
def test_a_redirect_to_what_is_no_address_is_refused(to: str) -> None:
    with bad_server(says(302, b"", Location=to)) as server, pytest.raises(RefusedError, match="no address"):
        ask(server.port)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        (None, 0.0),
        ("7", 7.0),
        ("-7", 0.0),
        ("9" * 400, float("inf")),
        ("soon", 0.0),
        ("Mon, 01 Jan 2001 00:00:00 GMT", 0.0),
        ("Wed, 21 Oct 2015 07:28:00 +999999999999999999999", 0.0),
        ("Wed, 99 Oct 99999 07:28:00 GMT", 0.0),
    ],
)
def test_every_text_is_some_time_to_wait(text: str | None, seconds: float) -> None:
    assert exchange._retry_after(text) == seconds


def test_a_token_that_no_request_can_carry_is_refused_without_being_shown() -> None:
    with bad_server(right) as server, pytest.raises(SourceError, match="token must be ASCII") as caught:
        ask(server.port, access=Access(secret="t\u20acken"))
    assert "\u20ac" not in str(caught.value)
    with bad_server(right) as server:
        assert ask(server.port, access=Access(user="u", secret="t\u20acken"))


@pytest.mark.parametrize("layers", [1, 2, 3])
def test_a_bomb_of_several_layers_is_cut_at_the_same_size(layers: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exchange, "MAX_BODY", 1 << 20)
    body = b" " * (64 << 20)
    for _ in range(layers):
        body = gzip.compress(body)
    told = ", ".join(["gzip"] * layers)
    tracemalloc.start()
    with bad_server(says(200, body, Content_Encoding=told)) as server, pytest.raises(TooLargeError):
        ask(server.port)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 16 << 20
