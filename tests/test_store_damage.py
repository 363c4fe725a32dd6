"""One damaged file: the rest works, what is affected says so, and `doctor --repair` makes rollups again."""

import hashlib
import json
import random
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest
from click.testing import CliRunner
from store_rows import DAY, HOUR, START, Row, batch, put, state

from capforecast.cli import main
from capforecast.config import load
from capforecast.errors import DamagedError
from capforecast.run import nightly
from capforecast.sources import NATURE, Batch
from capforecast.store import Store, layout, spans

DAYS = 12


def damage(path: Path) -> None:
    """Change every byte of a file but those that say what it is."""
    data = path.read_bytes()
    path.write_bytes(data[:4] + bytes(byte ^ 0x55 for byte in data[4:-8]) + data[-8:])


@pytest.fixture
def two_blocks(tmp_path, monkeypatch):
    """A store whose series are in two blocks of files."""
    monkeypatch.setattr(spans, "BLOCK", 2)
    rows = [
        Row(host, START + i * HOUR, float(i % 24), metric="cpu_util_pct")
        for host in "abcd"
        for i in range(24 * DAYS)
    ]  # fmt: skip
    with Store.create(tmp_path / "store", created_us=START) as store:
        put(store, "f", batch(rows))
    return tmp_path / "store"


def settings(store: Path, source: str = ""):
    options = {"store.path": str(store), "limits.file": str(store.parent / "limits.csv"), "run.threads": 1}
    file = store.parent / "capforecast.toml"
    file.write_text(f"[[sources]]\nlocation = '{source}'\n" if source else "")
    (store.parent / "limits.csv").write_text("host,metric,threshold_name,threshold\n*,*,critical,90\n")
    return load(file, {**options, "run.shard_series": 2, "run.horizon": "7d"}, environ={})


def parts(store: Path, family: str) -> list[Path]:
    return sorted((store / family).rglob("*.parquet"))


def test_series_of_a_damaged_part_are_errors_and_the_others_are_forecast(two_blocks):
    damaged = next(path for path in parts(two_blocks, "rollups") if ".b001." in path.name)
    now = START + DAYS * DAY
    whole = nightly(two_blocks, settings(two_blocks), now_us=now)
    first = whole.tables["breaches"].sort("host", "threshold_name")
    assert first["status"].is_in(["error"]).sum() == 0
    damage(damaged)
    result = nightly(two_blocks, settings(two_blocks), now_us=now)
    rows = result.tables["breaches"].sort("host", "threshold_name")
    assert rows.height == first.height
    lost = pl.col("host").is_in(["c", "d"])
    assert set(rows.filter(lost)["status"]) == {"error"}
    same = ["host", "threshold_name", "status", "current", "p_breach_7d"]
    assert rows.filter(~lost).select(same).equals(first.filter(~lost).select(same))
    (said,) = (message for message in result.messages if "cannot be forecast" in message)
    assert said.startswith("2 series")
    assert damaged.name in said


def test_doctor_repairs_rollups_out_of_samples_and_keeps_what_was_damaged(two_blocks):
    with Store.open(two_blocks) as store:
        before = state(store)
    torn, lost = parts(two_blocks, "rollups")[:2]
    damage(torn)
    bad = torn.read_bytes()
    lost.unlink()
    call = ["doctor", "--store", str(two_blocks), "--json"]
    assert CliRunner().invoke(main, call).exit_code == 1
    assert torn.read_bytes() == bad
    told = CliRunner().invoke(main, [*call, "--repair"])
    found = {check["check"]: check for check in json.loads(told.stdout)["checks"]}
    assert found["repair"]["detail"].count("computed anew from samples") == 2
    assert found["store"]["state"] == "ok"
    assert (two_blocks / layout.DAMAGED / torn.name).read_bytes() == bad
    with Store.open(two_blocks, writable=True) as store:
        assert (store.verify(), state(store)) == ([], before)
        assert store.repair() == ([], [])


def test_what_nothing_else_holds_is_named_and_left(two_blocks):
    """A damaged part of samples, and rollups of its days."""
    sample, rolled = parts(two_blocks, "samples")[0], parts(two_blocks, "rollups")[0]
    damage(sample)
    damage(rolled)
    bad = sample.read_bytes(), rolled.read_bytes()
    with Store.open(two_blocks, writable=True) as store:
        done, left = store.repair()
    assert done == []
    assert [path.name in one for path, one in zip((sample, rolled), left, strict=True)] == [True, True]
    assert bad == (sample.read_bytes(), rolled.read_bytes())


def test_rollups_of_removed_samples_are_not_made_smaller(two_blocks):
    with Store.open(two_blocks, writable=True) as store:
        store.prune_samples(-400)
    damage(parts(two_blocks, "rollups")[0])
    with Store.open(two_blocks, writable=True) as store:
        done, left = store.repair()
    assert (done, len(left)) == ([], 1)
    assert "samples were removed" in left[0]


def test_a_source_whose_days_are_damaged_fails_and_the_run_goes_on(two_blocks, tmp_path):
    """Older data are still forecast; the source is named, and taken when the file is whole again."""
    moment = datetime.fromtimestamp((START + DAYS * DAY) // 1_000_000 - 1800, UTC)
    late = tmp_path / "late.csv"
    late.write_text(f"host,metric,ts,value\na,cpu_util_pct,{moment:%Y-%m-%dT%H:%M:%SZ},1\n")
    sample = parts(two_blocks, "samples")[0]
    whole = sample.read_bytes()
    damage(sample)
    config = settings(two_blocks, str(late))
    result = nightly(two_blocks, config, now_us=START + DAYS * DAY)
    assert set(result.tables["breaches"]["host"]) == set("abcd")
    (why,) = result.sources_failed
    assert sample.name in why
    sample.write_bytes(whole)
    again = nightly(two_blocks, config, now_us=START + DAYS * DAY)
    assert (again.sources_failed, again.tables["run"]["rows_accepted"].item()) == ((), 1)


def test_a_damaged_run_of_before_costs_changes_and_nothing_else(two_blocks):
    config = settings(two_blocks)
    first = nightly(two_blocks, config, now_us=START + (DAYS - 1) * DAY)
    damage(two_blocks / first.published.path / "breaches.parquet")
    second = nightly(two_blocks, config, now_us=START + DAYS * DAY)
    assert set(second.tables["breaches"]["host"]) == set("abcd")
    assert any("no changes since" in message for message in second.messages)


def test_fixed_names_are_taken_from_history_again(two_blocks):
    result = nightly(two_blocks, settings(two_blocks), now_us=START + DAYS * DAY)
    table = two_blocks / layout.LATEST / "breaches.parquet"
    table.unlink()
    table.write_bytes(b"PAR1 not")
    with Store.open(two_blocks, writable=True) as store:
        assert store.repair() == ([f"{layout.LATEST}/breaches.parquet: taken from history"], [])
        assert store.verify() == []
    assert pl.read_parquet(table).equals(result.tables["breaches"])


def test_every_flipped_bit_of_a_published_file_is_found(two_blocks):
    """Flips all over the published files and the parts of rollups."""
    nightly(two_blocks, settings(two_blocks), now_us=START + DAYS * DAY)
    chance = random.Random(11)
    files = sorted({*two_blocks.rglob("reports/**/*.parquet"), *parts(two_blocks, "rollups")})
    with Store.open(two_blocks) as store:
        for number in range(30):
            path = files[number % len(files)]
            good = path.read_bytes()
            place = chance.randrange(len(good))
            with open(path, "r+b") as file:
                file.seek(place)
                file.write(bytes([good[place] ^ 1 << chance.randrange(8)]))
            assert any(path.name in problem for problem in store.verify()), (path, place)
            with open(path, "r+b") as file:
                file.write(good)
        assert store.verify() == []


def test_a_damaged_file_is_an_error_of_its_own(two_blocks):
    damage(parts(two_blocks, "rollups")[0])
    with Store.open(two_blocks) as store, pytest.raises(DamagedError, match="doctor --repair"):
        store.rollups(None, ["mean"])


def test_rollups_of_counters_are_made_again_as_rates(two_blocks):
    """Beside series that are none, and over the bounds of parts."""
    rows = [Row(host, START + i * HOUR, 1000.0 * i, metric="bytes_total") for host in "ef" for i in range(24 * DAYS)]
    told = batch(rows)
    with Store.open(two_blocks, writable=True) as store:
        put(store, "counters", Batch(told.rows.with_columns(nature=pl.lit("counter").cast(NATURE)), told.rejects))
        before = state(store)
    hashes = [hashlib.sha256(path.read_bytes()).hexdigest() for path in parts(two_blocks, "rollups")]
    for path in parts(two_blocks, "rollups"):
        damage(path)
    with Store.open(two_blocks, writable=True) as store:
        done, left = store.repair()
        assert (len(done), left, store.verify(), state(store)) == (len(hashes), [], [], before)
    again = [hashlib.sha256(path.read_bytes()).hexdigest() for path in parts(two_blocks, "rollups")]
    assert sorted(again) == sorted(hashes)
