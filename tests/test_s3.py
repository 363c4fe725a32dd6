"""Objects of a bucket as a source: what is new or changed is read as a file is, and what fails stops nothing else."""

from __future__ import annotations

import gzip
import io
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from bad_server import Behaviour, Handler, bad_server, drips_headers, hangs_up, says, silent
from prometheus_server import free_port
from s3_server import BUCKET, S3Server, s3_server
from source_files import zstd

from capforecast.access import Access
from capforecast.bucket import parse_place
from capforecast.cli import main
from capforecast.config import Config, load
from capforecast.errors import ConfigError, SourceError
from capforecast.exchange import Limits
from capforecast.storages import Bucket, Stored, UnreachableError, s3
from capforecast.storages.s3 import S3
from capforecast.store import Store
from capforecast.taking import Taken, take

DAY_US = 86_400_000_000
NOW_US = 1_704_067_200_000_000 + 10 * DAY_US
VARIABLE = "CAPFORECAST_TEST_S3_SECRET"


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(s3, "FIRST_WAIT", 0.01)


@pytest.fixture(scope="module")
def running() -> Iterator[S3Server]:
    with s3_server() as server:
        yield server


@pytest.fixture
def server(running: S3Server, monkeypatch: pytest.MonkeyPatch) -> S3Server:
    running.empty()
    monkeypatch.setenv(VARIABLE, running.secret)
    return running


def csv_of(host: str, hours: int = 24, plus: float = 0.0) -> bytes:
    lines = [f"{host},cpu_util_pct,{1_704_067_200 + 3600 * k},{k + plus}" for k in range(hours)]
    return "\n".join(["host,metric,ts,value", *lines, ""]).encode()


def parquet_of(host: str) -> bytes:
    out = io.BytesIO()
    pl.read_csv(csv_of(host)).with_columns(pl.col("value").cast(pl.Float64)).write_parquet(out)
    return out.getvalue()


def settings_for(server: S3Server, path: str = "", more: str = "", bucket: str = BUCKET) -> str:
    return (
        f'[[sources]]\nlocation = "s3://{bucket}/{path}"\nendpoint = "{server.endpoint}"\n'
        f'region = "us-east-1"\nuser = "{server.key}"\nsecret_env = "{VARIABLE}"\n{more}\n'
    )


def config_of(folder: Path, text: str) -> Config:
    (folder / "capforecast.toml").write_text(text)
    return load(folder / "capforecast.toml", environ={})


def night(folder: Path, text: str, as_of_us: int = NOW_US) -> Taken:
    config = config_of(folder, text)
    path = folder / "store"
    opened = Store.open(path, writable=True) if path.exists() else Store.create(path, created_us=NOW_US)
    with opened as store:
        return take(store, config, as_of_us, None)


def hosts(folder: Path) -> list[str]:
    with Store.open(folder / "store") as store:
        return sorted(store.series()["host"].to_list())


# --- what a location means ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "held", "left"),
    [
        ("", ["a.csv", "x/a.csv"], [".hidden", "_x/a.csv", "x/_a"]),
        ("x", ["x", "x/a.csv", "x/y/a"], ["xy", "xy/a.csv", "x/.a"]),
        ("x/", ["x/a.csv"], ["xy", "y/x"]),
        ("x/_a.csv", ["x/_a.csv"], ["x/a.csv"]),
        ("x/*.csv", ["x/a.csv", "x/*.csv", "x/\n.csv"], ["x/y/a.csv", "x/a.csv.gz", "x/.csv", "a.csv"]),
        ("x/**/*.csv", ["x/a.csv", "x/y/z/a.csv"], ["x/y/_z/a.csv", "x/a"]),
        ("**.parquet", ["a.parquet", "x/a.parquet"], ["x/a.csv"]),
        ("day=?/m[1].csv", ["day=1/m[1].csv"], ["day=1/m1.csv", "day=12/m[1].csv"]),
    ],
)
def test_a_path_is_a_key_a_prefix_or_a_glob(path: str, held: list[str], left: list[str]) -> None:
    place = parse_place(f"s3://bucket/{path}")
    assert [key for key in held + left if place.holds(key)] == held
    assert all(key == place.folder or key.startswith(place.folder and f"{place.folder}/") for key in held)


@pytest.mark.parametrize(
    "lines",
    [
        'location = "s3://me:hunter2@bucket/x"',
        'location = "s3://"',
        'location = "s3://bucket"\nendpoint = "http://me:hunter2@host"',
        'location = "s3://bucket"\nendpoint = "ftp://host"',
        'location = "s3://bucket"\nuser = "me"',
        'location = "s3://bucket"\nsecret_env = "X"',
        'location = "s3://bucket"\nheaders = {X = "y"}',
        'location = "s3://bucket"\n[[sources.queries]]\nmetric = "m"\nquery = "q"',
        'location = "file.csv"\nendpoint = "http://host"',
    ],
)
def test_settings_that_cannot_hold_are_refused_without_their_secrets(lines: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        config_of(tmp_path, f"[[sources]]\n{lines}\n")
    assert "hunter2" not in str(caught.value).replace(lines.partition("\n")[0], "")


# --- nights against a real server ------------------------------------------------------------------


def test_every_format_and_compression_is_read_and_only_once(server: S3Server, tmp_path: Path) -> None:
    server.put(
        **{
            "in/plain.csv": csv_of("plain"),
            "in/deep/er/gz.csv.gz": gzip.compress(csv_of("gz")),
            "in/zst.csv.zst": zstd(csv_of("zst")),
            "in/table.parquet": parquet_of("parquet"),
            "in/lines.jsonl": b'{"host": "jsonl", "metric": "m", "ts": 1704067200, "value": 1}\n',
            "in/": b"",
            "in/_temporary.csv": csv_of("temporary"),
            "other/plain.csv": csv_of("other"),
        }
    )
    first = night(tmp_path, settings_for(server, "in"))
    assert first.failed == []
    assert first.rows == {"in": 97, "accepted": 97, "duplicate": 0, "quarantined": 0}
    assert hosts(tmp_path) == ["gz", "jsonl", "parquet", "plain", "zst"]
    with Store.open(tmp_path / "store") as store:
        sources = sorted(store.ledger()["source"].to_list())
        values = store.samples("parquet", "cpu_util_pct")["value"].to_list()
    assert sources[0] == f"s3://{BUCKET}/in/deep/er/gz.csv.gz"
    assert values == list(map(float, range(24)))

    second = night(tmp_path, settings_for(server, "in"))
    assert (second.rows["in"], second.failed) == (0, [])
    server.put(**{"in/plain.csv": csv_of("plain", 30), "in/new.csv": csv_of("new")})
    third = night(tmp_path, settings_for(server, "in"))
    assert third.rows == {"in": 54, "accepted": 30, "duplicate": 24, "quarantined": 0}


def test_how_a_source_is_read_holds_for_objects_too(server: S3Server, tmp_path: Path) -> None:
    server.put(**{"vm/db-7.csv": b"when;load\n2024-01-01 00:00;1\n2024-01-01 01:00;2\n"})
    taken = night(tmp_path, settings_for(server, "vm/*.csv", 'metric = "load"\nmap = {ts = "when"}'))
    assert taken.failed == []
    assert hosts(tmp_path) == ["db-7"]
    again = night(tmp_path, settings_for(server, "vm/*.csv", 'host = "x"\nmetric = "load"\nmap = {ts = "when"}'))
    assert again.rows["accepted"] == 2


def test_an_object_that_cannot_be_read_is_named_and_the_others_are_taken(server: S3Server, tmp_path: Path) -> None:
    table = parquet_of("cut")
    server.put(
        **{"a.csv": csv_of("a"), "b.parquet": table[: len(table) // 2], "c.csv.gz": gzip.compress(csv_of("c"))[:50],
           "<b>'x'.csv": csv_of("<b>"), "z.csv": csv_of("z")}
    )  # fmt: skip
    taken = night(tmp_path, settings_for(server))
    assert hosts(tmp_path) == ["<b>", "a", "z"]
    assert [failure.count(f"s3://{BUCKET}/") for failure in taken.failed] == [1, 1]
    assert "capforecast-object" not in str(taken.failed)


def test_an_object_with_more_new_series_than_may_come_is_refused(server: S3Server, tmp_path: Path) -> None:
    many = csv_of("a", 1) + b"".join(csv_of(host, 1).split(b"\n")[1] + b"\n" for host in "bc")
    server.put(**{"many.csv": many, "z.csv": csv_of("z")})
    taken = night(tmp_path, settings_for(server) + "[ingest]\nmax_new_series = 2\n")
    assert "ingest.max_new_series" in taken.failed[0]
    assert f"s3://{BUCKET}/many.csv" in taken.failed[0]
    assert hosts(tmp_path) == ["z"]


def test_at_most_20_failures_are_told_and_the_others_counted(server: S3Server, tmp_path: Path) -> None:
    server.put(**{f"{k:02}.csv": b"what is this" for k in range(23)}, **{"z.csv": csv_of("z")})
    taken = night(tmp_path, settings_for(server))
    assert len(taken.failed) == 21
    assert taken.failed[-1] == f"s3://{BUCKET}/: 3 more objects could not be read"
    assert hosts(tmp_path) == ["z"]


def test_without_room_for_copies_objects_fail_and_other_sources_are_taken(
    server: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.put(**{"a.csv": csv_of("a")})
    (tmp_path / "file.csv").write_bytes(csv_of("file"))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "nowhere"))
    taken = night(tmp_path, f"{settings_for(server)}[[sources]]\nlocation = '{tmp_path}/file.csv'\n")
    assert [failure.partition(":")[0] for failure in taken.failed] == ["s3"]
    assert "TMPDIR" in taken.failed[0]
    assert hosts(tmp_path) == ["file"]


def test_keys_that_no_file_can_have_are_refused(server: S3Server, tmp_path: Path) -> None:
    server.put(**{"x/../../escape.csv": csv_of("escape")})
    taken = night(tmp_path, settings_for(server))
    assert "must not be empty, . or .." in taken.failed[0]
    server.empty()
    server.put(**{"n" * 300: csv_of("long"), "a.csv": csv_of("a")})
    taken = night(tmp_path, settings_for(server))
    assert "names that files can have" in taken.failed[0]
    assert hosts(tmp_path) == ["a"]


def test_a_wrong_secret_a_missing_bucket_and_a_dead_endpoint_fail_alone(
    server: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CAPFORECAST_TEST_S3_WRONG", "hunter2-hunter2")
    server.put(**{"a.csv": csv_of("a")})
    good = settings_for(server, "a.csv")
    wrong = settings_for(server, "*").replace(VARIABLE, "CAPFORECAST_TEST_S3_WRONG")
    unset = settings_for(server, "x").replace(VARIABLE, "CAPFORECAST_TEST_S3_UNSET")
    missing, none = settings_for(server, bucket="nowhere"), settings_for(server, "no/such/key")
    dead = settings_for(server, "a").replace(server.endpoint, "http://127.0.0.1:9")
    taken = night(tmp_path, "\n".join([wrong, unset, missing, none, dead, good]))
    assert hosts(tmp_path) == ["a"]
    told = ["HTTP 403 SignatureDoesNotMatch", "CAPFORECAST_TEST_S3_UNSET", "HTTP 404 NoSuchBucket",
            "got none", "Connection refused"]  # fmt: skip
    assert [word in failure for word, failure in zip(told, taken.failed, strict=True)] == [True] * 5, taken.failed
    assert "hunter2" not in str(taken)
    assert server.secret not in str(taken)


def test_ingest_takes_what_the_environment_names(
    server: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    server.put(**{"a.csv": csv_of("a"), "b.parquet": parquet_of("b"), "c.csv": b"what is this"})
    for name, text in {
        "ENDPOINT_URL": server.endpoint, "ACCESS_KEY_ID": server.key, "SECRET_ACCESS_KEY": server.secret,
        "REGION": "us-east-1",
    }.items():  # fmt: skip
        monkeypatch.setenv(f"AWS_{name}", text)
    codes = []
    for place in (f"s3://{BUCKET}/a.csv", f"s3://{BUCKET}/a.csv", f"s3://{BUCKET}", "s3://nowhere/x"):
        with pytest.raises(SystemExit) as end:
            main(["ingest", place, "--store", str(tmp_path / "store")])
        codes.append(end.value.code)
    assert codes == [0, 0, 4, 1]
    out, err = capfd.readouterr()
    assert f"s3://{BUCKET}/b.parquet: 24 rows in: 24 accepted" in out
    assert "24 rows in: 24 accepted, 0 duplicate" in out
    assert "24 rows in: 0 accepted, 24 duplicate" in out
    assert f"s3://{BUCKET}/c.csv" in err
    assert server.secret not in out + err
    assert hosts(tmp_path) == ["a", "b"]
    with pytest.raises(SystemExit):
        main(["forecast", f"s3://{BUCKET}/a.csv", "--step", "1h", "--horizon", "24h"])
    assert "Bring it into a store first" in capfd.readouterr().err


def test_ingest_takes_the_objects_of_every_source_of_a_location(
    server: S3Server, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Buckets of one name may lie in several storages; that one of them fails stops no other."""
    server.put(**{"a.csv": csv_of("a")})
    here = settings_for(server, "a.csv")
    elsewhere = here.replace(server.endpoint, f"http://127.0.0.1:{free_port()}")
    config_of(tmp_path, elsewhere + here)
    with pytest.raises(SystemExit) as end:
        main([
            "ingest", f"s3://{BUCKET}/a.csv", "--store", str(tmp_path / "store"),
            "--config", str(tmp_path / "capforecast.toml"),
        ])  # fmt: skip
    out, err = capfd.readouterr()
    assert end.value.code == 4
    assert "24 rows in: 24 accepted" in out
    assert "Connection refused" in err


# --- servers that misbehave ------------------------------------------------------------------------

LISTING = (
    b'<?xml version="1.0"?><ListBucketResult><IsTruncated>false</IsTruncated><Contents><Key>a.csv</Key>'
    b'<LastModified>2024-01-01T00:00:00.000Z</LastModified><ETag>"e"</ETag><Size>1000</Size></Contents>'
    b"</ListBucketResult>"
)
HEADERS = {"ETag": '"e"', "Last-Modified": "Mon, 01 Jan 2024 00:00:00 GMT"}
OBJECT = Stored("a.csv", 1000, '"e"')


def sends(handler: Handler, body: bytes, length: int = 1000) -> None:
    handler.reply(200, body, HEADERS, length)
    handler.close_connection = True


def drips(handler: Handler) -> None:
    sends(handler, b"h")
    while not handler.server.stopped.wait(0.02):
        handler.wfile.write(b"x")


def bucket_at(port: int, **more: Any) -> Bucket:
    shown = {"access": Access("key", "hunter2"), "limits": Limits(0.5, 0.5, 1.5), **more}
    return Bucket(parse_place("s3://bucket"), endpoint=f"http://127.0.0.1:{port}", region="us-east-1", **shown)


@pytest.mark.parametrize(
    "behaviour",
    [silent, hangs_up, drips_headers, drips, lambda h: sends(h, b"x" * 500), says(500), says(429), says(307)],
    ids=["silent", "hangs up", "drips headers", "drips", "cut off", "500", "429", "redirects nowhere"],
)
def test_nothing_lasts_longer_than_its_deadline(behaviour: Behaviour, tmp_path: Path) -> None:
    begin = time.monotonic()
    with bad_server(behaviour) as server:
        with pytest.raises(UnreachableError, match=r"s3://bucket/a\.csv") as caught:
            S3(bucket_at(server.port)).copy(OBJECT, tmp_path / "copy")
        if behaviour not in (drips,):
            with pytest.raises(UnreachableError):
                S3(bucket_at(server.port)).listed()
    assert "hunter2" not in str(caught.value)
    # Twice the deadline of each, since the last attempt may begin just before it.
    assert time.monotonic() - begin < 8


@pytest.mark.parametrize(
    ("behaviour", "told"),
    [
        (says(412, b"<Error><Code>PreconditionFailed</Code></Error>"), "must not change while it is read"),
        (says(404, b"<Error><Code>NoSuchKey</Code></Error>"), "HTTP 404 NoSuchKey"),
        (lambda h: sends(h, b"x" * 900, 900), "1000 bytes .*got 900"),
        (lambda h: sends(h, b"x" * 9000, 9000), "1000 bytes"),
    ],
    ids=["changed", "gone", "shorter", "longer"],
)
def test_an_object_that_is_not_what_was_listed_fails_alone(behaviour: Behaviour, told: str, tmp_path: Path) -> None:
    with bad_server(behaviour) as server, pytest.raises(SourceError, match=told) as caught:
        S3(bucket_at(server.port)).copy(OBJECT, tmp_path / "copy")
    assert not isinstance(caught.value, UnreachableError)


def test_an_object_that_is_cut_off_is_taken_up_where_it_ended(tmp_path: Path) -> None:
    def rest(handler: Handler) -> None:
        first = int(handler.headers["Range"].removeprefix("bytes=").partition("-")[0])
        body = b"y" * (1000 - first)
        handler.reply(206, body, {**HEADERS, "Content-Range": f"bytes {first}-999/1000"})

    with bad_server(lambda h: sends(h, b"x" * 400), rest) as server:
        S3(bucket_at(server.port)).copy(OBJECT, tmp_path / "copy")
        asked = [headers.get("If-Match", headers.get("if-match")) for _, headers, _ in server.requests]
    assert (tmp_path / "copy").read_bytes() == b"x" * 400 + b"y" * 600
    assert asked == ['"e"', '"e"']


def test_another_origin_that_an_answer_points_to_is_shown_no_signature(tmp_path: Path) -> None:
    """Storages send clients to the right region so; the signature, which names the key, is for the first one alone."""
    with bad_server(lambda h: sends(h, b"x" * 1000)) as other:
        with bad_server(says(307, Location=f"http://127.0.0.1:{other.port}/a.csv")) as server:
            S3(bucket_at(server.port)).copy(OBJECT, tmp_path / "copy")
        ((_, shown, _),) = other.requests
    assert (tmp_path / "copy").read_bytes() == b"x" * 1000
    assert "if-match" in shown
    assert not {"authorization", "cookie", "x-amz-security-token"} & {name.lower() for name in shown}


def test_no_copy_lies_where_something_is(tmp_path: Path) -> None:
    (tmp_path / "copy").write_text("mine")
    with bad_server(lambda h: sends(h, b"x" * 1000)) as server, pytest.raises(SourceError, match="room for a copy"):
        S3(bucket_at(server.port)).copy(OBJECT, tmp_path / "copy")
    assert (tmp_path / "copy").read_text() == "mine"


def test_a_certificate_must_be_trusted(tmp_path: Path) -> None:
    with bad_server(says(200, LISTING)) as server:
        certificate = server.speak_tls(tmp_path)
        secure = {"endpoint": f"https://127.0.0.1:{server.port}"}

        def listed(**more: Any) -> list[Stored]:
            return S3(Bucket(parse_place("s3://bucket"), region="us-east-1", **secure, **more)).listed()

        with pytest.raises(UnreachableError, match="UnknownIssuer"):
            listed(access=Access("key", "hunter2"))
        assert server.requests == []
        assert listed(access=Access("key", "hunter2", str(certificate))) == [OBJECT]
        with pytest.raises(SourceError, match="ca_file must be"):
            listed(access=Access("key", "hunter2", str(tmp_path / "none.pem")))


def test_a_token_of_another_identity_is_not_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SESSION_TOKEN", "of-another")
    with bad_server(says(200, LISTING)) as server:
        assert S3(bucket_at(server.port)).listed() == [OBJECT]
        (headers,) = [headers for _, headers, _ in server.requests]
    assert "of-another" not in str(headers)
    assert "Credential=key/" in str(headers)
    assert "hunter2" not in str(headers)
