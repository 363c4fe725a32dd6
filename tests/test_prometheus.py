"""Prometheus as a source: windows without double edges, hosts from labels, nights that go on where the last ended."""

from __future__ import annotations

import json
import os
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from bad_server import BadServer, Handler, bad_server, right, right_for, says, silent, whole
from prometheus_server import BEGIN_S, DAYS, GIB, STEP_S, PrometheusServer, prometheus_server

from capforecast import exchange, limits_csv
from capforecast.access import access_of
from capforecast.address import parse_address
from capforecast.cli import main
from capforecast.config import Config, load
from capforecast.errors import ConfigError, SchemaError, SourceError
from capforecast.pulling import pulled
from capforecast.recipes import NODE_EXPORTER
from capforecast.servers import Pull, prometheus
from capforecast.servers.prometheus import LAG_US, MOST_POINTS, Prometheus, identity
from capforecast.store import Ingested, Store

MINUTE_US = 60_000_000
DAY_US = 1440 * MINUTE_US
NOW_US = 1_790_000_000_000_000 // DAY_US * DAY_US


def pull_from(server: BadServer, **settings: Any) -> Pull:
    address = parse_address(f"prometheus://127.0.0.1:{server.port}")
    given: dict[str, Any] = {"from_us": NOW_US - DAY_US, "to_us": NOW_US, "step_us": MINUTE_US, **settings}
    return Pull(address, "cpu_util_pct", "up", **given)


def rows_of(pull: Pull) -> pl.DataFrame:
    return pl.concat([batch.rows for batch in Prometheus().read(pull)])


def test_windows_cover_each_step_once_and_stay_below_the_limit() -> None:
    with bad_server(right) as server:
        rows = rows_of(pull_from(server, from_us=NOW_US - 9 * DAY_US + 7))
        spans = [(float(form["start"]), float(form["end"])) for _, _, form in server.requests]
    stamps = rows["ts"].to_list()
    assert stamps == list(range(NOW_US - 9 * DAY_US + MINUTE_US, NOW_US - LAG_US, MINUTE_US))
    assert rows["line"].to_list() == list(range(1, len(stamps) + 1))
    assert max((end - start) / 60 + 1 for start, end in spans) <= MOST_POINTS < 11_000
    assert rows["value"].to_list() == [stamp / 1e9 for stamp in stamps]
    assert all(form["partial_response"] == "false" for _, _, form in server.requests)


def test_many_series_make_short_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer holds so many samples, however many series there are."""
    monkeypatch.setattr(prometheus, "MOST_SAMPLES", 4000)
    with bad_server(right_for(40)) as server:
        rows = rows_of(pull_from(server, from_us=NOW_US - DAY_US // 4))
        points = [(float(f["end"]) - float(f["start"])) / 60 + 1 for _, _, f in server.requests]
    assert rows.height == 40 * (360 - 2)
    assert points[0] == 60
    assert points[1:] == [100, 100, 98]


def test_an_answer_that_is_too_much_is_asked_for_in_halves() -> None:
    def at_most_ten(handler: Handler) -> None:
        points = (float(handler.form["end"]) - float(handler.form["start"])) / 60 + 1
        handler.reply(422, b"{}") if points > 10 else right(handler)

    with bad_server(at_most_ten) as server:
        assert rows_of(pull_from(server, from_us=NOW_US - 100 * MINUTE_US)).height == 98
    with (
        bad_server(says(422, b'{"error": "many-to-many"}')) as server,
        pytest.raises(SourceError, match="many-to-many"),
    ):
        rows_of(pull_from(server))
    assert len(server.requests) < 10


@pytest.mark.parametrize(
    "result",
    [
        [{"metric": {}, "values": [[0, "1"]]}],
        [{"metric": {}, "values": [["x", "1"]]}],
        [{"metric": {}, "values": [[1]]}],
        [{"metric": [], "values": []}],
        [{"values": [[0, "1"]]}],
        [{"metric": {}, "values": [[0, "one"]]}],
        [3],
    ],
)
def test_what_was_not_asked_for_is_no_answer(result: Any) -> None:
    body = json.dumps({"status": "success", "data": {"resultType": "matrix", "result": result}}).encode()
    with bad_server(says(200, body)) as server, pytest.raises(SourceError):
        rows_of(pull_from(server))


@pytest.mark.parametrize(
    ("labels", "mapping", "expected"),
    [
        ({"__name__": "up", "instance": "db-1:9100", "job": "node"}, {}, ("db-1", "")),
        ({"instance": "[::1]:9100", "device": "eth0"}, {}, ("[::1]", "eth0")),
        ({"nodename": "n1", "instance": "x:1", "a": "b"}, {}, ("n1", "a=b,instance=x:1")),
        ({"vm": "v1", "instance": "x:1", "mountpoint": "/"}, {"host": "vm", "instance": "mountpoint"}, ("v1", "/")),
        ({"mountpoint": "/"}, {}, (None, "/")),
    ],
)
def test_labels_become_host_and_instance(labels: Any, mapping: Any, expected: Any) -> None:
    address = parse_address("prometheus://h")
    assert identity(labels, Pull(address, "m", "q", 0, 1, mapping=mapping)) == expected


def test_two_series_are_never_made_one() -> None:
    def doubled(handler: Handler) -> None:
        answer = json.loads(whole(handler.form, 2))
        answer["data"]["result"][1]["metric"] = {"instance": "h0:9187", "job": "pg"}
        handler.reply(200, json.dumps(answer).encode())

    with bad_server(doubled) as server, pytest.raises(SchemaError, match="of its own"):
        rows_of(pull_from(server))


@pytest.mark.parametrize(
    "location",
    ["prometheus://me:hunter2@h", "prometheus://h/?token=hunter2", "prometheus://h#hunter2", "prometheus://h:hunter2"],
)
def test_a_secret_in_a_location_is_refused_and_not_repeated(location: str, tmp_path: Path) -> None:
    file = tmp_path / "capforecast.toml"
    file.write_text(f'[[sources]]\nlocation = "{location}"\nqueries = [{{metric = "m", query = "up"}}]\n')
    with pytest.raises(ConfigError) as caught:
        load(file, environ={})
    assert "hunter2" not in str(caught.value)


def test_secrets_come_from_private_files_and_the_environment(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("hunter2\n")
    source = source_settings("prometheus://h", f'secret_file = "{file}"')
    file.chmod(0o644)
    with pytest.raises(SourceError, match="chmod 600"):
        access_of(source)
    file.chmod(0o600)
    assert access_of(source).authorization() == "Bearer hunter2"
    os.mkfifo(tmp_path / "pipe", 0o600)
    with pytest.raises(SourceError, match="plain file"):
        access_of(source_settings("prometheus://h", f'secret_file = "{tmp_path}/pipe"'))
    named = source_settings("prometheus://h", 'user = "me"\nsecret_env = "PW"')
    assert access_of(named, {"PW": "x"}).authorization() == "Basic bWU6eA=="
    with pytest.raises(SourceError, match="PW"):
        access_of(named, {})
    with pytest.raises(ConfigError, match="no secret"):
        source_settings("prometheus://h", 'headers = {Authorization = "x"}')


def source_settings(location: str, more: str = "") -> Any:
    return settings_with(location, more).sources[0]


def settings_with(location: str, more: str = "", query: str = "up", folder: Path | None = None) -> Config:
    """Return the settings of one server; their file is left in a folder that is given."""
    text = f'[[sources]]\nlocation = "{location}"\nstep = "5m"\nhistory = "10d"\n{more}\n'
    text += f"[[sources.queries]]\nmetric = 'cpu_util_pct'\nquery = '''{query}'''\n"
    with tempfile.TemporaryDirectory() as temporary:
        file = (folder or Path(temporary)) / "capforecast.toml"
        file.write_text(text, encoding="utf-8")
        return load(file, environ={})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    Store.create(tmp_path / "store", created_us=NOW_US - 20 * DAY_US).close()
    return tmp_path


def read_in(folder: Path, config: Config, as_of_us: int) -> Ingested:
    """Ask the only query of the settings as of a moment."""
    with Store.open(folder / "store", writable=True) as store:
        (one,) = pulled(store, config.sources[0], config, as_of_us)
    assert isinstance(one, Ingested), one
    return one


def test_a_night_goes_on_where_the_last_one_ended(folder: Path) -> None:
    with bad_server(right) as server:
        config = settings_with(f"prometheus://127.0.0.1:{server.port}")
        read_in(folder, config, NOW_US - DAY_US)
        first = len(server.requests)
        one = read_in(folder, config, NOW_US)
        start = float(server.requests[first][2]["start"]) * 1e6
    # Six hours before the last stamp that the first night had.
    last = (NOW_US - DAY_US - 1 - LAG_US) // (5 * MINUTE_US) * 5 * MINUTE_US
    assert start == last - 360 * MINUTE_US
    assert (one.rows_in, one.accepted, one.duplicate, one.quarantined) == (288 + 73, 288, 73, 0)
    with Store.open(folder / "store") as store:
        rows = store.samples("h0", "cpu_util_pct")
        assert store.ledger()["source"].unique().len() == 1
    assert rows.height == rows["ts"].n_unique() == 11 * 288


@pytest.mark.parametrize(
    ("more", "query"),
    [
        ("", "up * 1"),
        ('unit = "bytes"', "up"),
        ('timezone = "Asia/Tokyo"', "up"),
        ('headers = {X-Scope-OrgID = "b"}', "up"),
        ('user = "b"', "up"),
        ('secret_env = "CAPFORECAST_TEST_TOKEN"', "up"),
    ],
)
def test_a_changed_query_reads_its_history(
    more: str, query: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So do the same query of another tenant and one whose answers are read another way."""
    monkeypatch.setenv("CAPFORECAST_TEST_TOKEN", "hunter2")
    with bad_server(right) as server:
        location = f"prometheus://127.0.0.1:{server.port}"
        read_in(folder, settings_with(location), NOW_US)
        first = len(server.requests)
        read_in(folder, settings_with(location, more, query), NOW_US)
        assert float(server.requests[first][2]["start"]) * 1e6 == NOW_US - 10 * DAY_US


def test_a_reading_without_a_good_row_does_not_end_the_history(folder: Path) -> None:
    def not_yet(handler: Handler) -> None:
        handler.reply(200, re.sub(rb'"[0-9.]+"', b'"NaN"', whole(handler.form)))

    with bad_server(not_yet) as server:
        config = settings_with(f"prometheus://127.0.0.1:{server.port}")
        none = read_in(folder, config, NOW_US - DAY_US)
        assert none.rows_in == none.quarantined > 0
        server.behaviours, first = [right], len(server.requests)
        read_in(folder, config, NOW_US)
        assert float(server.requests[first][2]["start"]) * 1e6 == NOW_US - 10 * DAY_US


def test_an_answer_without_series_is_a_failure_that_names_the_query(folder: Path) -> None:
    with bad_server(right_for(0)) as server, Store.open(folder / "store", writable=True) as store:
        config = settings_with(f"prometheus://127.0.0.1:{server.port}")
        (failure,) = pulled(store, config.sources[0], config, NOW_US)
    assert "#cpu_util_pct" in str(failure)
    assert "at least one row" in str(failure)


def test_a_server_that_is_silent_fails_and_older_data_are_forecast(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """The night ends with 4 in bounded time, names the query, and says stale of what did not come."""
    monkeypatch.setattr(exchange, "FIRST_WAIT", 0.01)
    monkeypatch.setenv("CAPFORECAST_TEST_TOKEN", "hunter2")
    with bad_server(right) as server:
        more = 'timeout = "1s"\ndeadline = "2s"\nsecret_env = "CAPFORECAST_TEST_TOKEN"'
        settings_with(f"prometheus://127.0.0.1:{server.port}", more, folder=folder)
        common = ["--config", str(folder / "capforecast.toml"), "--store", str(folder / "store")]
        with pytest.raises(SystemExit) as end:
            main(["run", *common, "--as-of", "2026-09-01"])
        assert end.value.code == 0
        server.behaviours = [silent]
        with pytest.raises(SystemExit) as end:
            main(["run", *common, "--as-of", "2026-09-10"])
    assert end.value.code == 4
    assert all(headers["Authorization"] == "Bearer hunter2" for _, headers, _ in server.requests)
    out, err = capfd.readouterr()
    assert "#cpu_util_pct" in err
    assert "hunter2" not in out + err
    breaches = pl.read_parquet(folder / "store/reports/latest/breaches.parquet")
    assert set(breaches["status"]) == {"stale"}
    for path in folder.rglob("*"):
        assert not path.is_file() or b"hunter2" not in path.read_bytes()


def test_ingest_asks_a_server_what_the_settings_say(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with bad_server(right) as server:
        location = f"prometheus://127.0.0.1:{server.port}"
        settings_with(location, folder=folder)
        common = [
            "--config",
            str(folder / "capforecast.toml"),
            "--store",
            str(folder / "store"),
            "--as-of",
            "2026-09-01",
        ]
        codes = []
        for name in (location, "prometheus://127.0.0.1:1", "prometheus://me:hunter2@127.0.0.1:1"):
            with pytest.raises(SystemExit) as end:
                main(["ingest", name, *common])
            codes.append(end.value.code)
    assert codes == [0, 1, 2]
    out, err = capfd.readouterr()
    assert "2880 rows in: 2880 accepted" in out
    assert "must be a source of the settings" in err
    assert "hunter2" not in out + err


def test_ingest_asks_every_source_of_a_location(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """One server may be a source of each tenant."""
    with bad_server(right) as server:
        location = f"prometheus://127.0.0.1:{server.port}"
        for tenant in "ab":
            settings_with(location, f'headers = {{X-Scope-OrgID = "{tenant}"}}', folder=folder)
            (folder / "capforecast.toml").rename(folder / tenant)
        (folder / "both.toml").write_text((folder / "a").read_text() + (folder / "b").read_text())
        with pytest.raises(SystemExit) as end:
            main([
                "ingest", location, "--config", str(folder / "both.toml"), "--store", str(folder / "store"),
                "--as-of", "2026-09-01",
            ])  # fmt: skip
        asked = {headers["X-Scope-OrgID"] for _, headers, _ in server.requests}
    assert (end.value.code, asked) == (0, {"a", "b"})
    assert capfd.readouterr().out.count("2880 rows in") == 2


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrometheusServer]:
    with prometheus_server(tmp_path_factory.mktemp("prometheus")) as server:
        yield server


def test_a_real_prometheus_gives_what_was_put_in(real: PrometheusServer) -> None:
    address = parse_address(real.location)
    begin, end = BEGIN_S * 1_000_000, (BEGIN_S + DAYS * 86_400) * 1_000_000
    for step_us in (STEP_S * 1_000_000, 3600 * 1_000_000):
        pull = Pull(address, "mem", "node_memory_MemTotal_bytes", begin, end, step_us=step_us)
        rows = rows_of(pull).sort("host", "ts")
        assert rows["host"].unique(maintain_order=True).to_list() == ["db-1", "web-1"]
        expected = list(range(begin, end - LAG_US, step_us))
        assert rows.filter(pl.col("host") == "db-1")["ts"].to_list() == expected
        assert rows["value"].unique().to_list() == [8 * 2**30]


def test_a_real_prometheus_refuses_what_is_wrong(real: PrometheusServer) -> None:
    pull = Pull(parse_address(real.location), "m", "rate(", 0, NOW_US, step_us=3600 * 1_000_000)
    with pytest.raises(SourceError, match=r"HTTP 400 .*parse error"):
        rows_of(pull)


def test_init_from_a_real_prometheus_writes_settings_that_work(
    real: PrometheusServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every recipe is found, its numbers are those that were put in, and sizes are capacities."""
    end = (BEGIN_S + DAYS * 86_400 - STEP_S) * 1_000_000
    monkeypatch.setattr("capforecast.cli.nightly._now_us", lambda: end)
    with pytest.raises(SystemExit) as done:
        main(["init", "--from", "prometheus", f"http://127.0.0.1:{real.port}", str(tmp_path)])
    assert done.value.code == 0
    config = load(tmp_path / "capforecast.toml", environ={})
    (source,) = config.sources
    assert [query.metric for query in source.queries] == [recipe.metric for recipe in NODE_EXPORTER]
    limits = limits_csv.read(tmp_path / "limits.csv")
    sizes = limits.filter(pl.col("capacity").is_not_null())
    sizes = sizes.select("pattern_host", "pattern_metric", "pattern_instance", "capacity")
    assert sizes.filter(pl.col("pattern_host") == "db-1").rows() == [
        ("db-1", "mem_used_pct", "*", 8 * GIB),
        ("db-1", "disk_used_bytes", "/", 100 * GIB),
        ("db-1", "net_rx_bytes_per_s", "eth0", 125e6),
        ("db-1", "net_tx_bytes_per_s", "eth0", 125e6),
    ]
    with Store.create(tmp_path / "store", created_us=end) as store:
        told = list(pulled(store, source, config, end))
        assert all(isinstance(one, Ingested) and not one.quarantined for one in told), told
        series = store.series().select("host", "metric", "instance", "unit")
        values = {m: store.samples("web-1", m)["value"].to_list()[-1] for m in series["metric"].unique().to_list()}
    assert series.filter(pl.col("host") == "web-1").sort("metric")["instance"].to_list() == [
        "", "sda", "sda", "/", "sda", "", "eth0", "eth0",
    ]  # fmt: skip
    expected = {
        "cpu_util_pct": 30.0, "mem_used_pct": 25.0, "net_rx_bytes_per_s": 1000.0, "net_tx_bytes_per_s": 500.0,
        "disk_io_util_pct": 25.0, "disk_read_bytes_per_s": 4096.0, "disk_write_bytes_per_s": 8192.0,
    }  # fmt: skip
    disk = values.pop("disk_used_bytes")
    assert values == pytest.approx(expected)
    assert 45 * GIB < disk < 46 * GIB
