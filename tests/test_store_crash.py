"""Kills and refused writes at every durable step: the state before or the one after, and the next run is right."""

import errno
import os
import random
import shutil
import signal
import subprocess
import sys
import types
from pathlib import Path

import duckdb
import polars as pl
import pytest
from store_rows import AS_OF, DAY, MINUTE, START, Row, batch, die, put, sha, state
from tables import RUN, breach_tables

from capforecast.errors import CapforecastError, StoreError
from capforecast.store import Store, database, durable, publish, read_published

STEPS = ("fsync", "replace", "rename", "mkdir", "open", "link")
OLD = [Row("a", START + i * 5 * MINUTE, float(i)) for i in range(40)]
NEW = [Row(h, START + i * 7 * MINUTE, float(i)) for h in ("a", "b") for i in range(40)] + [
    Row("c", START + 400 * DAY, 1.0)
]


class Killed(BaseException):
    pass


class Faults:
    """Counts the durable steps and stops at the n-th one: for good (a kill), or once with an error."""

    def __init__(self, monkeypatch, *, at=None, error=None):
        self.count, self.at, self.error = 0, at, error
        fake = types.SimpleNamespace(**{name: getattr(os, name) for name in dir(os) if not name.startswith("__")})
        for name in STEPS:
            setattr(fake, name, self._wrap(getattr(os, name)))
        monkeypatch.setattr(durable, "os", fake)
        for module, name in ((database, "commit"), (durable, "remove"), (database, "checkpoint")):
            monkeypatch.setattr(module, name, self._wrap(getattr(module, name), own=True))

    def _wrap(self, function, *, own=False):
        def step(*args, **kwargs):
            self.count += 1
            if self.at is not None and (self.count == self.at or (self.count > self.at and self.error is None)):
                if self.error is None:
                    raise Killed
                raise StoreError("refused") if own else OSError(self.error, os.strerror(self.error))
            return function(*args, **kwargs)

        return step


@pytest.fixture(scope="module")
def start(tmp_path_factory):
    """A store with some rows, and its state before and after the ingest of the tests."""
    path = tmp_path_factory.mktemp("crash") / "store"
    with Store.create(path, created_us=START) as store:
        put(store, "old", batch(OLD, [(1, "bad", "raw")]))
        put(store, "new", batch([], [(9, "bad", "earlier")]))
        before = state(store)
    after_path = path.with_name("after")
    shutil.copytree(path, after_path)
    with Store.open(after_path, writable=True) as store:
        change(store)
        after = state(store)
    return path, before, after


def change(store):
    put(store, "new", batch(NEW[:50]), batch(NEW[50:], [(2, "bad", "raw")]))


def steps(path, tmp_path, work):
    """Return the number of durable steps of `work` on a copy of a store."""
    shutil.copytree(path, tmp_path / "count")
    with Store.open(tmp_path / "count", writable=True) as store, pytest.MonkeyPatch.context() as patch:
        faults = Faults(patch)
        work(store)
    return faults.count


EVERY = pytest.mark.parametrize("stride", [13, pytest.param(1, marks=pytest.mark.slow)])
"""The fast run takes some of the steps, the slow one all."""


def some(total, stride):
    return sorted({*range(1, total + 1, stride), total})


@EVERY
def test_a_kill_at_any_step_of_an_ingest_leaves_the_old_or_the_new_state(start, tmp_path, stride):
    path, before, after = start
    total = steps(path, tmp_path, change)
    assert total > 20
    seen = []
    for n in some(total, stride):
        copy = tmp_path / f"kill-{n}"
        shutil.copytree(path, copy)
        store = Store.open(copy, writable=True)
        with pytest.MonkeyPatch.context() as patch:
            Faults(patch, at=n)
            with pytest.raises((Killed, CapforecastError)):
                change(store)
        die(store)
        with Store.open(copy) as reader:
            found = state(reader)
        assert found in (before, after), n
        seen.append(found == after)
        with Store.open(copy, writable=True) as writer:
            assert writer.verify() == [], n
            change(writer)
            assert state(writer) == after, n
            assert writer.verify() == [], n
    assert seen == sorted(seen)
    assert {True, False} == set(seen)


@EVERY
@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EIO])
def test_a_refused_write_is_a_store_error_and_the_same_store_goes_on(start, tmp_path, error, stride):
    path, before, after = start
    total = steps(path, tmp_path, change)
    for n in some(total, stride):
        copy = tmp_path / f"refuse-{n}"
        shutil.copytree(path, copy)
        with Store.open(copy, writable=True) as store:
            with pytest.MonkeyPatch.context() as patch:
                Faults(patch, at=n, error=error)
                with pytest.raises(StoreError):
                    change(store)
            assert state(store) in (before, after), n
            change(store)
            assert state(store) == after, n
            assert store.verify() == [], n


def test_a_kill_while_a_store_is_made_leaves_nothing_that_stops_making_it(tmp_path):
    with pytest.MonkeyPatch.context() as patch:
        faults = Faults(patch)
        Store.create(tmp_path / "count", created_us=START).close()
    for n in range(1, faults.count + 1):
        path = tmp_path / f"make-{n}"
        with pytest.MonkeyPatch.context() as patch:
            Faults(patch, at=n)
            with pytest.raises(Killed):
                Store.create(path, created_us=START).close()
        if Store.exists(path):
            Store.open(path, writable=True).close()
        else:
            with Store.create(path, created_us=START) as store:
                assert put(store, "f", batch(OLD)).accepted == 40
                assert store.verify() == []


def test_an_error_after_the_commit_was_durable_is_resolved_by_looking(start, tmp_path, monkeypatch):
    path, _, after = start
    shutil.copytree(path, tmp_path / "s")
    real = database.commit

    def commit(con, where):
        real(con, where)
        raise duckdb.Error("COMMIT succeeded and is durable, but the autocheckpoint failed")

    with Store.open(tmp_path / "s", writable=True) as store:
        monkeypatch.setattr(database, "commit", commit)
        change(store)
        assert state(store) == after
        assert store.ledger().height == 3


def test_an_error_before_the_commit_leaves_the_old_state(start, tmp_path, monkeypatch):
    path, before, _ = start
    shutil.copytree(path, tmp_path / "s")

    def commit(con, where):
        raise duckdb.Error("no space left")

    with Store.open(tmp_path / "s", writable=True) as store:
        monkeypatch.setattr(database, "commit", commit)
        with pytest.raises(StoreError, match="able to commit"):
            change(store)
        assert state(store) == before
        assert store.verify() == []


def _publish(store):
    run = {"run_id": RUN["run_id"], "run_date": RUN["run_date"], "as_of_us": AS_OF, "run_us": AS_OF}
    store.publish(run, breach_tables(3), {"report.html": b"<p>new</p>"})


@EVERY
def test_a_kill_at_any_step_of_publishing_leaves_one_whole_run_to_read(start, tmp_path, stride):
    path = tmp_path / "store"
    shutil.copytree(start[0], path)
    empty = {"run_id": "earlier", "run_date": RUN["run_date"], "as_of_us": AS_OF - DAY, "run_us": AS_OF}
    with Store.open(path, writable=True) as store:
        store.publish(empty, {}, {"report.html": b"<p>old</p>"})
        assert store.published()["breaches"].is_empty()
    total = steps(path, tmp_path, _publish)
    seen = []
    for n in some(total, stride):
        copy = tmp_path / f"kill-{n}"
        shutil.copytree(path, copy)
        store = Store.open(copy, writable=True)
        with pytest.MonkeyPatch.context() as patch:
            Faults(patch, at=n)
            with pytest.raises((Killed, CapforecastError)):
                _publish(store)
        die(store)
        with Store.open(copy) as reader:
            heights = {name: frame.height for name, frame in reader.published().items()}
        seen.append(heights["breaches"] > 0)
        assert seen[-1] or not any(heights.values()), n
        with Store.open(copy, writable=True) as writer:
            _publish(writer)
            assert writer.verify() == [], n
            assert writer.published()["breaches"].equals(breach_tables(3)["breaches"])
    assert seen == sorted(seen)
    assert {True, False} == set(seen)


@EVERY
@pytest.mark.parametrize("as_of_us", [AS_OF, AS_OF + DAY])
def test_a_kill_while_another_content_is_published_leaves_the_older_generation_as_it_is(tmp_path, as_of_us, stride):
    """Also where a later run is the latest, so that only history changes."""
    path = tmp_path / "store"
    older = {"run_id": RUN["run_id"], "run_date": RUN["run_date"], "as_of_us": AS_OF, "run_us": AS_OF}
    with Store.create(path, created_us=START) as store:
        first = store.publish(older, breach_tables(2), {}).path
        store.publish({**older, "run_id": "latest", "as_of_us": as_of_us}, breach_tables(1), {})
    kept = {p.name: p.read_bytes() for p in (path / first).iterdir()}
    total = steps(path, tmp_path, _publish)
    for n in some(total, stride):
        copy = tmp_path / f"kill-{n}"
        shutil.copytree(path, copy)
        store = Store.open(copy, writable=True)
        with pytest.MonkeyPatch.context() as patch:
            Faults(patch, at=n)
            with pytest.raises((Killed, CapforecastError)):
                _publish(store)
        die(store)
        assert read_published(copy)["breaches"].height in ((1, 3) if as_of_us == AS_OF else (1,)), n
        assert read_published(copy, RUN["run_id"])["breaches"].height in (2, 3), n
        with Store.open(copy, writable=True) as writer:
            _publish(writer)
            assert writer.verify() == [], n
            assert writer.published(RUN["run_id"])["breaches"].height == 3, n
            assert writer.published()["breaches"].height == (3 if as_of_us == AS_OF else 1), n
        assert {p.name: p.read_bytes() for p in (copy / first).iterdir()} == kept, n
        assert len(list((copy / first).parent.glob(f"*{RUN['run_id']}*"))) == 2, n


@pytest.mark.parametrize("file", ["latest.json", "breaches.parquet"])
def test_the_pointer_is_written_after_everything_it_names(start, tmp_path, monkeypatch, file):
    shutil.copytree(start[0], tmp_path / "s")
    written = []

    def telling(real):
        def step(source, target):
            real(source, target)
            written.append(Path(target).relative_to(tmp_path / "s").as_posix())

        return step

    with Store.open(tmp_path / "s", writable=True) as store:
        for name in ("replace", "rename"):
            monkeypatch.setattr(os, name, telling(getattr(os, name)))
        _publish(store)
    latest = [name for name in written if name.startswith("reports/latest")]
    assert latest[-1] == f"{publish.LATEST}/latest.json"
    assert f"{publish.LATEST}/{file}" in latest
    history = [i for i, name in enumerate(written) if name.startswith("reports/history")]
    assert max(history) < written.index(latest[0])


@pytest.mark.parametrize(("call", "at"), [("fsync", 1), ("fsync", 2), ("link", 1), ("link", 4), ("link", 9)])
def test_a_disk_that_is_full_leaves_the_latest_run_as_it_was(start, tmp_path, monkeypatch, call, at):
    """No name in reports/latest changes before all that is to stand there is ready."""
    shutil.copytree(start[0], tmp_path / "s")
    with Store.open(tmp_path / "s", writable=True) as store:
        earlier = {"run_id": "before", "run_date": RUN["run_date"], "as_of_us": AS_OF - DAY, "run_us": AS_OF - DAY}
        store.publish(earlier, breach_tables(1), {"report.html": b"<html>"})
    latest = tmp_path / "s" / publish.LATEST
    before = {path.name: path.read_bytes() for path in latest.iterdir()}
    shown, count = publish.write_latest, [0]

    def full(*arguments):
        count[0] += 1
        if count[0] >= at:
            raise OSError(errno.ENOSPC, "no space left")
        return real(*arguments)

    def showing(*arguments):
        monkeypatch.setattr(os, call, full)
        return shown(*arguments)

    real = getattr(os, call)
    monkeypatch.setattr(publish, "write_latest", showing)
    with Store.open(tmp_path / "s", writable=True) as store, pytest.raises(StoreError, match="space"):
        _publish(store)
    monkeypatch.undo()
    assert count[0] >= at
    assert {path.name: path.read_bytes() for path in latest.iterdir()} == before


def test_an_error_at_any_step_of_showing_a_run_leaves_the_latest_one_as_it_was(start, tmp_path):
    """Also between two names, so that no program reads tables of two runs until somebody has repaired the disk."""
    shutil.copytree(start[0], tmp_path / "s")
    latest = tmp_path / "s" / publish.LATEST
    shown, at, refused = publish.write_latest, 0, True
    with Store.open(tmp_path / "s", writable=True) as store:
        earlier = {"run_id": "before", "run_date": RUN["run_date"], "as_of_us": AS_OF - DAY, "run_us": AS_OF - DAY}
        store.publish(earlier, breach_tables(1), {"report.html": b"<html>"})
    before = {path.name: path.read_bytes() for path in latest.iterdir()}
    while refused:
        at += 1
        with pytest.MonkeyPatch.context() as monkeypatch:

            def showing(*arguments, monkeypatch=monkeypatch, at=at):
                Faults(monkeypatch, at=at, error=errno.EIO)
                shown(*arguments)
                monkeypatch.undo()

            monkeypatch.setattr(publish, "write_latest", showing)
            with Store.open(tmp_path / "s", writable=True) as store:
                try:
                    _publish(store)
                    refused = False
                except StoreError:
                    pass
        if refused:
            assert {path.name: path.read_bytes() for path in latest.iterdir()} == before, at
    assert at > 3 * len(before)
    with Store.open(tmp_path / "s") as store:
        assert store.verify() == []


def test_every_file_is_on_disk_before_it_gets_its_name_and_its_name_before_the_next_step(tmp_path, monkeypatch):
    """Order of the calls: fsync of the file, rename, open and fsync of the directory."""
    calls = []
    fake = types.SimpleNamespace(**{name: getattr(os, name) for name in dir(os) if not name.startswith("__")})

    def wrap(name):
        def call(*args, **kwargs):
            calls.append((name, str(args[0])))
            return getattr(os, name)(*args, **kwargs)

        return call

    for name in STEPS:
        setattr(fake, name, wrap(name))
    monkeypatch.setattr(durable, "os", fake)
    durable.atomic_write(tmp_path / "f", b"x")
    assert [name for name, _ in calls] == ["open", "fsync", "replace", "open", "fsync"]
    assert calls[3][1] == str(tmp_path)
    calls.clear()
    (tmp_path / "d").mkdir()
    durable.rename_directory(tmp_path / "d", tmp_path / "e")
    assert calls[2][0] == "rename"
    assert [path for name, path in calls if name == "open"] == [str(tmp_path / "d"), str(tmp_path)]
    calls.clear()
    database.create_catalog(tmp_path / "c", ["CREATE TABLE t (x INTEGER)"])
    assert [name for name, _ in calls] == ["open", "fsync", "replace", "open", "fsync"]


@pytest.mark.slow
def test_100_random_kills_of_a_writing_process_lose_and_double_nothing(tmp_path):
    """Each round ingests files one after another; acknowledged ones are in, exactly once, after a SIGKILL."""
    seed = 7
    rng = random.Random(seed)
    path = tmp_path / "store"
    Store.create(path, created_us=START).close()
    code = (
        "import sys; sys.path.insert(0, sys.argv[2])\n"
        "from store_rows import *\n"
        "s = Store.open(sys.argv[1], writable=True)\n"
        "def rows(n): return [Row(f'h{n % 5}', START + n * HOUR + i, float(i)) for i in range(20)]\n"
        "print('ready', flush=True)\n"
        "for n in range(int(sys.argv[3]), 10**9):\n"
        "    put(s, f'f{n}', batch(rows(n), [(n, 'bad', '')]))\n"
        "    print(n, flush=True)\n"
    )
    done = -1
    for round_ in range(100):
        child = subprocess.Popen(
            [sys.executable, "-c", code, str(path), os.path.dirname(__file__), str(done + 1)],
            stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        with child:
            assert child.stdout.readline() == "ready\n"
            lines = [child.stdout.readline() for _ in range(rng.randrange(4))]
            try:
                child.wait(timeout=rng.random() * 0.05)
            except subprocess.TimeoutExpired:
                child.send_signal(signal.SIGKILL)
            lines += child.stdout.readlines()
        done = max([done, *(int(line) for line in lines if line.endswith("\n"))])
        with Store.open(path, writable=True) as store:
            assert store.verify() == [], f"seed {seed}, round {round_}"
            accepted = store.ledger()["accepted"]
            assert accepted.is_in([0, 20]).all()
            stored = int(accepted.sum()) // 20
            assert stored in (done + 1, done + 2), f"seed {seed}, round {round_}"
            assert store.quarantine().height == stored
            done = stored - 1
    assert sha("f0") in store_sources(path)


def store_sources(path):
    with Store.open(path) as store:
        return pl.Series(store.ledger()["sha256"]).to_list()
