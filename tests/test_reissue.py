"""Published files that were lost or changed: named, worked around, and made again where something else holds them."""

import json
import shutil
from datetime import UTC, datetime

import pytest
from click.testing import CliRunner
from store_rows import DAY, START

from capforecast.cli import main
from capforecast.errors import DamagedError
from capforecast.schema import TABLES
from capforecast.store import Store, layout, read_published
from capforecast.store.pointer import RUN_MANIFEST


def run(day: int) -> dict:
    """Return a run of a day."""
    moment = START + day * DAY
    date = datetime.fromtimestamp(moment // 1_000_000, UTC).date()
    return {"run_id": f"night-{day}", "run_date": date, "as_of_us": moment, "run_us": moment}


@pytest.fixture
def store(tmp_path):
    """A store with two published runs."""
    path = tmp_path / "store"
    with Store.create(path, created_us=START) as opened:
        for day in (1, 2):
            opened.publish(run(day), {}, {"report.html": b"<p>page"})
    return path


def folder(store, day):
    return next((store / layout.HISTORY).glob(f"*/run_id=night-{day}"))


def repaired(store):
    with Store.open(store, writable=True) as opened:
        return opened.repair()


def torn(path, how):
    """Damage a file, which loses the other names that it has."""
    data = path.read_bytes()
    path.unlink()
    if how != "gone":
        path.write_bytes({"empty": b"", "cut": data[: len(data) // 2], "other": data.replace(b"0", b"1")}[how])


@pytest.mark.parametrize("how", ["gone", "empty", "cut", "other"])
def test_a_damaged_pointer_is_named_and_written_again(store, how):
    """It says what the catalog knows, so it must not stand in the way of whoever opens the store."""
    pointer = store / layout.POINTER
    torn(pointer, how)
    bad = b"" if how == "gone" else pointer.read_bytes()
    told = CliRunner().invoke(main, ["doctor", "--store", str(store), "--json"])
    assert told.exit_code == 1
    assert layout.POINTER in told.stdout
    done, left = repaired(store)
    assert (len(done), left) == (1, [])
    assert "night-2" in done[0]
    with Store.open(store) as opened:
        assert opened.verify() == []
    assert json.loads(pointer.read_text())["run_id"] == "night-2"
    if bad:
        assert (store / layout.DAMAGED / "latest.json").read_bytes() == bad


@pytest.mark.parametrize("how", ["gone", "empty", "cut"])
def test_the_next_run_takes_the_place_of_a_damaged_pointer(store, how):
    """Without anybody's repair; what it may have named is not taken for a leftover before."""
    stray = store / layout.HISTORY / "run_date=2024-10-01" / "run_id=unknown"
    stray.mkdir(parents=True)
    torn(store / layout.POINTER, how)
    with Store.open(store, writable=True) as opened:
        assert stray.exists() == (how != "gone")
        assert opened.publish(run(3), {}, {"report.html": b"<p>page"}).latest
        assert [one for one in opened.verify() if "unknown" not in one] == []
    assert read_published(store)["run"].is_empty()
    Store.open(store, writable=True).close()
    assert not stray.exists()


def test_a_pointer_to_a_run_that_is_not_there_is_damaged(store):
    """As is one that tells of other files than were published."""
    pointer = store / layout.POINTER
    whole = json.loads(pointer.read_text())
    for change in ({"path": whole["path"] + "x"}, {"files": {**whole["files"], "run.parquet": {"sha256": "0"}}}):
        pointer.write_text(json.dumps({**whole, **change}))
        with Store.open(store) as opened:
            assert any(one.startswith(f"{layout.POINTER}: names") for one in opened.verify())
        assert repaired(store)[1] == []
        now = json.loads(pointer.read_text())
        assert {key: now[key] for key in ("path", "files")} == {key: whole[key] for key in ("path", "files")}


@pytest.mark.parametrize("how", ["gone", "empty", "cut", "other"])
@pytest.mark.parametrize("day", [1, 2])
def test_the_manifest_of_a_run_is_checked_and_written_again(store, how, day):
    """It is all that tells readers of history which files are whole."""
    path = folder(store, day) / RUN_MANIFEST
    before = path.read_bytes()
    torn(path, how)
    with Store.open(store) as opened:
        (problem,) = opened.verify()
    assert problem.startswith(path.relative_to(store).as_posix())
    done, left = repaired(store)
    assert (len(done), left, path.read_bytes()) == (1, [], before)


def test_tables_of_the_latest_run_come_back_from_its_fixed_names(store):
    """Where history lost them, and not the file that both names lead to."""
    lost = folder(store, 2) / "breaches.parquet"
    torn(lost, "empty")
    done, left = repaired(store)
    assert (done, left) == ([f"{lost.relative_to(store).as_posix()}: taken from {layout.LATEST}"], [])
    with Store.open(store) as opened:
        assert opened.verify() == []


def test_a_run_whose_directory_is_gone_comes_back_from_its_fixed_names(store):
    """With its manifest."""
    path = folder(store, 2)
    manifest = (path / RUN_MANIFEST).read_bytes()
    shutil.rmtree(path.parent)
    done, left = repaired(store)
    assert (len(done), left, (path / RUN_MANIFEST).read_bytes()) == (len(TABLES) + 1, [], manifest)
    with Store.open(store) as opened:
        assert opened.verify() == []


@pytest.mark.parametrize("gone", [layout.LATEST, layout.HISTORY, "reports"])
def test_directories_of_reports_that_are_gone_stop_nobody(store, gone):
    """What was published is named or made again, and the next run publishes."""
    shutil.rmtree(store / gone)
    done, left = repaired(store)
    assert bool(left) == (gone != layout.LATEST)
    with Store.open(store, writable=True) as opened:
        assert opened.publish(run(3), {}, {"report.html": b"<p>page"}).latest
    assert read_published(store)["run"].is_empty()


def test_what_nothing_else_holds_is_told_with_what_to_do(store):
    """A table of a former run, and the page, which the next run renders."""
    lost = folder(store, 1) / "breaches.parquet"
    torn(lost, "cut")
    (store / layout.LATEST / "report.html").write_bytes(b"")
    done, left = repaired(store)
    assert done == []
    assert [one.partition(":")[0] for one in left] == [
        lost.relative_to(store).as_posix(), f"{layout.LATEST}/report.html",
    ]  # fmt: skip
    assert "backup" in left[0]
    assert "capforecast run" in left[1]
    with Store.open(store, writable=True) as opened:
        opened.publish(run(2), {}, {"report.html": b"<p>page"})
        assert len(opened.verify()) == 1


@pytest.mark.parametrize(
    "change",
    [
        {"files": {"run.parquet": {"bytes": 5}}},
        {"files": {"rum.parquet": {"sha256": ""}}},
        {"pages": {"report.html": 5}},
        {"as_of": "2024-10-66"},
    ],
)
def test_readers_are_told_of_a_pointer_that_was_changed(store, change):
    """Whatever of it they would need."""
    pointer = store / layout.POINTER
    pointer.write_text(json.dumps({**json.loads(pointer.read_text()), **change}))
    with pytest.raises(DamagedError, match="latest.json"):
        read_published(store)
    assert repaired(store)[1] == []
    assert read_published(store)["run"].is_empty()
