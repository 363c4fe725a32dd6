"""Ingest: what is acceptable, the reasons why not, units, and sources that fail."""

import dataclasses
import errno
import hashlib
import math
import os
import sys

import polars as pl
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from store_rows import AS_OF, DAY, HOUR, START, Row, batch, state

from capforecast.acceptance import check
from capforecast.cli import main
from capforecast.cli.files import read_samples
from capforecast.config import load
from capforecast.errors import DataError, SourceError
from capforecast.ingest import ingest
from capforecast.kinds import Kind, kind_of
from capforecast.settings import KindSettings
from capforecast.sources import NATURE, Batch, ReadOptions
from capforecast.store import Store


class Given:
    """A source that yields what it was given."""

    name = "given"

    def __init__(self, *batches, error=None):
        self.batches, self.error = batches, error

    def claims(self, location, head):
        return True

    def read(self, location, options):
        yield from self.batches
        if self.error is not None:
            raise self.error


@pytest.fixture
def store(tmp_path):
    with Store.create(tmp_path / "store", created_us=START) as opened:
        yield opened


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "source.csv"
    path.write_text("content")
    return str(path)


def run(store, location, *batches, options=None, error=None, settings=None, kinds=(), **more):
    source = Given(*batches, error=error)
    config = load(None, settings).model_copy(update={"kinds": tuple(kinds)})
    return ingest(store, location, source, options or ReadOptions(), config, as_of_us=AS_OF, run_id="run", **more)


LONG = "x" * 1025
CASES = [
    (Row("", START, 1.0), "host is missing"),
    (Row(None, START, 1.0), "host is missing"),
    (Row("a", START, 1.0, metric=""), "metric is missing"),
    (Row("a", START, 1.0, metric=None), "metric is missing"),
    (Row(LONG, START, 1.0), "host is longer than 1024 bytes"),
    (Row("\U0001f600" * 257, START, 1.0), "host is longer than 1024 bytes"),
    (Row("a", START, 1.0, metric=LONG), "metric is longer than 1024 bytes"),
    (Row("a", START, 1.0, instance=LONG), "instance is longer than 1024 bytes"),
    (Row("a", START, 1.0, unit=LONG), "unit is longer than 1024 bytes"),
    (Row("a\0b", START, 1.0), "host contains a NUL character"),
    (Row("a", START, 1.0, instance="\0"), "instance contains a NUL character"),
    (Row("a", START, math.nan), "value is not a finite number"),
    (Row("a", START, math.inf), "value is not a finite number"),
    (Row("a", START, -math.inf), "value is not a finite number"),
    (Row("a", START, None), "value is missing"),
    (Row("a", None, 1.0), "timestamp is missing"),
    (Row("a", -1, 1.0), "timestamp before 1970"),
    (Row("a", AS_OF + DAY + 1, 1.0), "timestamp in the future"),
]


def test_every_unacceptable_row_is_quarantined_with_its_line_reason_and_text(store, file):
    rows = [row for row, _ in CASES]
    good = [
        Row("a", 0, 1.0),
        Row("a", AS_OF + DAY, 1.0),
        Row("\U0001f600" * 256, START, -1e308),
        Row(" ", START, 5e-324),
    ]
    result = run(store, file, batch([*rows, *good], [(99, "too few columns", "a,b")]))
    assert (result.rows_in, result.accepted, result.quarantined) == (len(CASES) + 5, 4, len(CASES) + 1)
    found = store.quarantine()
    assert found["source"].unique().to_list() == [file]
    assert found.select("line", "reason").rows() == [
        *((line, reason) for line, (_, reason) in enumerate(CASES, 1)), (99, "too few columns"),
    ]  # fmt: skip
    assert found["raw"][-1] == "a,b"
    assert found["raw"].str.len_chars().max() <= 2000
    assert found["raw"][16] == "a,cpu_pct,,percent,-1,1.0"
    assert store.series().height == 3
    assert store.verify() == []


def test_a_batch_that_is_checked_in_parts_gives_the_same(store, file, tmp_path, monkeypatch):
    """Also where settings say of some rows alone what they are."""
    rows = [row for row, _ in CASES] + [Row("a", START + k, float(k), metric=f"m{k % 3}") for k in range(20)]
    told = [batch(rows, [(99, "too few columns", "a,b")])]
    kinds = [KindSettings(name="m", patterns=("m1",), nature="counter")]
    whole = run(store, file, *told, kinds=kinds)
    monkeypatch.setattr(sys.modules[check.__module__], "PART_ROWS", 4)
    with Store.create(tmp_path / "other", created_us=AS_OF) as other:
        assert run(other, file, *told, kinds=kinds) == whole
        assert other.quarantine().equals(store.quarantine())
        assert other.series().equals(store.series())
        assert (other.series()["nature"] == "counter").sum() == 1


@settings(max_examples=30, deadline=None)
@given(rows=st.lists(st.sampled_from([row for row, _ in CASES] + [Row("a", START, 1.0), Row("b", START, 2.0)])))
def test_good_rows_pass_whatever_stands_beside_them(rows):
    given_ = batch(rows)
    out = check(given_, AS_OF + DAY)
    reasons = dict((repr(row), reason) for row, reason in CASES)
    want = [reasons.get(repr(row)) for row in rows]
    assert out.rows["line"].to_list() == [i for i, reason in enumerate(want, 1) if reason is None]
    assert out.rejects.select("line", "reason").rows() == [(i, r) for i, r in enumerate(want, 1) if r is not None]


def test_the_tolerance_for_clocks_that_are_ahead_can_be_set(store, file):
    ahead = batch([Row("a", AS_OF + HOUR, 1.0)])
    assert run(store, file, ahead, settings={"ingest.future_tolerance": "1m"}).quarantined == 1
    assert run(store, file, ahead, settings={"ingest.future_tolerance": "1h"}).accepted == 1
    assert store.quarantine().is_empty()


def test_the_unit_comes_from_the_data_else_from_the_kind(store, file):
    rows = [
        Row("a", START, 1.0, metric="disk_used_pct", unit="%"), Row("b", START, 1.0, metric="disk_used_pct", unit=None),
        Row("c", START, 1.0, metric="strange", unit=""), Row("d", START, 1.0, metric="widgets", unit=None),
    ]  # fmt: skip
    run(store, file, batch(rows), kinds=[KindSettings(name="widget", unit="pieces", patterns=("widget*",))])
    assert store.series()["unit"].to_list() == ["percent", "percent", "", "pieces"]


@pytest.mark.parametrize(
    ("metric", "unit", "value"),
    [("disk_used_gb", "", 2e9), ("mem_used_MiB", "", 2.0 * 2**20), ("x_tb", "", 2e12), ("disk_used_gb", "MB", 2e6),
     ("disk_used_bytes", "", 2.0), ("gb", "", 2.0)],
)  # fmt: skip
def test_a_name_that_ends_with_a_unit_of_bytes_tells_it(store, file, metric, unit, value):
    """The unit of the data goes before the name, and the name before its kind."""
    run(store, file, batch([Row("a", START, 2.0, metric=metric, unit=unit)]))
    assert store.samples("a", metric)["value"].to_list() == [value]
    own = kind_of(metric, "", [Kind("own", "byte", patterns=("*_gb",))])
    assert own.unit == ("byte" if metric.endswith("_gb") else kind_of(metric).unit)


def test_a_missing_instance_is_the_empty_one(store, file):
    result = run(store, file, batch([Row("a", START, 1.0), Row("a", START, 1.0, instance="")]))
    assert (result.accepted, result.duplicate) == (1, 1)
    assert store.series()["instance"].to_list() == [""]


def test_the_same_file_again_is_all_duplicates_and_replaces_its_quarantine(store, file):
    rows = [Row("a", START + i, 1.0) for i in range(5)] + [Row("a", START, math.nan)]
    first = run(store, file, batch(rows))
    before = state(store)
    second = run(store, file, batch(rows))
    assert (second.accepted, second.duplicate, second.quarantined) == (0, 5, 1)
    assert state(store) == before
    assert first.ingest_id != second.ingest_id
    assert store.ledger()["sha256"].n_unique() == 1


def test_other_bytes_or_other_options_are_another_source(store, file, tmp_path):
    run(store, file, batch([], [(1, "bad", "x")]))
    run(store, file, batch([], [(1, "bad", "x")]), options=ReadOptions(timezone="Europe/Berlin"))
    (tmp_path / "source.csv").write_text("other content")
    run(store, file, batch([], [(1, "bad", "x")]))
    assert store.quarantine().height == 3


def test_what_can_be_read_once_only_never_replaces_the_quarantine_of_another_reading(store):
    for _ in range(2):
        run(store, "-", batch([], [(1, "bad", "x")]))
    assert store.quarantine()["source"].to_list() == ["-", "-"]


def test_a_source_without_any_row_is_an_error(store, file):
    for batches in ((), (batch([]),)):
        with pytest.raises(DataError, match="at least one row") as caught:
            run(store, file, *batches)
        assert file in str(caught.value)
    assert store.ledger().is_empty()


def test_an_error_in_the_middle_of_a_source_leaves_the_store_untouched(store, file):
    before = state(store)
    good = batch([Row("a", START, 1.0)], [(1, "bad", "x")])
    with pytest.raises(SourceError, match="truncated"):
        run(store, file, good, good, error=SourceError("it must be whole; got a truncated file"))
    assert state(store) == before
    assert store.ledger().is_empty()
    assert store.verify() == []


def test_a_file_that_changes_while_it_is_read_is_refused(store, file, tmp_path):
    class Changing(Given):
        def read(self, location, options):
            yield batch([Row("a", START, 1.0)])
            (tmp_path / "source.csv").write_text("it grew in the meantime")

    with pytest.raises(SourceError, match="must not change"):
        ingest(store, file, Changing(), ReadOptions(), load(None), as_of_us=AS_OF, run_id="r")
    assert store.series().is_empty()


@pytest.mark.parametrize("change", ["hashed", "replaced", "removed"])
def test_a_file_is_what_was_hashed_to_its_end(store, file, tmp_path, monkeypatch, change):
    """One that grows before it is read, one that another takes the name of, one that somebody removes."""
    path = tmp_path / "source.csv"

    class Changing(Given):
        def read(self, location, options):
            yield batch([Row("a", START, 1.0)])
            if change == "replaced":
                about = path.stat()
                (tmp_path / "new").write_bytes(path.read_bytes())
                os.utime(tmp_path / "new", ns=(about.st_atime_ns, about.st_mtime_ns))
                (tmp_path / "new").replace(path)
            elif change == "removed":
                path.unlink()

    if change == "hashed":
        hashed = hashlib.file_digest
        monkeypatch.setattr(
            hashlib, "file_digest", lambda *what: (hashed(*what), path.write_text("it grew in the meantime"))[0]
        )
    with pytest.raises(SourceError, match="must not change|No such file"):
        ingest(store, file, Changing(), ReadOptions(), load(None), as_of_us=AS_OF, run_id="r")
    assert store.series().is_empty()


def test_what_the_system_refuses_in_the_middle_is_an_error_of_the_source(store, file):
    """Such as room for what a program writes for it: other sources can still be taken."""
    with pytest.raises(SourceError, match=r"readable to its end; got No space.*source\.csv"):
        run(store, file, batch([Row("a", START, 1.0)]), error=OSError(errno.ENOSPC, "No space left on device"))
    assert store.series().is_empty()


def test_progress_tells_the_rows_read_so_far(store, file):
    told = []
    run(
        store,
        file,
        batch([Row("a", START, 1.0)]),
        batch([Row("b", START, math.nan)], [(2, "bad", "")]),
        progress=told.append,
    )
    assert told == [1, 3]


def test_a_good_batch_passes_as_it_is():
    given_ = batch([Row(f"h{i}", START, 1.0, instance=None) for i in range(3)])
    assert check(given_, AS_OF) is given_
    assert check(Batch(given_.rows.clear(), given_.rejects), AS_OF).rows.is_empty()
    assert check(given_, AS_OF).rows.schema == pl.Schema(given_.rows.schema)


def test_settings_name_counters_and_overrule_the_source(store, file):
    rows = [
        Row(host, START + t * HOUR, 3600.0 * t, metric=m)
        for host, m in (("a", "x_total"), ("b", "y"))
        for t in range(3)
    ]
    told = batch([dataclasses.replace(r, unit=None if r.metric == "y" else "byte") for r in rows])
    said = pl.when(pl.col("metric") == "y").then(pl.lit("counter")).cast(NATURE)
    told = Batch(told.rows.with_columns(nature=said), told.rejects)
    kinds = [
        KindSettings(name="traffic", patterns=("x_*",), nature="counter"),
        KindSettings(name="level", patterns=("y",), nature="gauge"),
    ]
    result = run(store, file, told, kinds=kinds)
    assert (result.rows_in, result.accepted) == (6, 6)
    assert store.series().select("unit", "nature").rows() == [("byte/s", "counter"), ("", "")]
    assert store.rollups(None, ["mean"]).values["mean"].tolist() == [1.0, 1.0, 0.0, 3600.0, 7200.0]


def test_what_is_told_per_second_is_a_rate_whatever_its_name_says():
    assert kind_of("node_network_receive_bytes_total", "byte/s").name == "rate"
    assert kind_of("disk_used_bytes", "byte").name == "bytes"
    assert kind_of("x_total", "1/s", [Kind("own", patterns=("x_*",))]).name == "own"


def test_too_many_new_series_are_refused_as_a_whole_and_what_they_have_in_common_is_named(store, file):
    """A changing part of a name makes a series of each row; known series and second rows of one count as nothing."""
    run(store, file, batch([Row(f"old-{i}", START, 1.0) for i in range(5)]))
    rows = [Row(f"pod-{i}", START, 1.0) for i in range(4)]
    known = [Row(f"old-{i}", START + HOUR, 1.0) for i in range(5)]
    before = state(store)
    with pytest.raises(DataError, match=r"at most 3 .*at least 4: 4 of metric .* 4 values of host, such as 'pod-0'"):
        run(store, "stream", batch([*known, *rows]), settings={"ingest.max_new_series": 3})
    # Over several batches, too.
    with pytest.raises(DataError, match="at least 4"):
        run(store, "stream", batch([*known, *rows[:2]]), batch(rows[2:]), settings={"ingest.max_new_series": 3})
    assert state(store) == before
    found = run(store, "stream", batch([*known, *rows, *rows]), settings={"ingest.max_new_series": 4})
    assert (found.series_new, found.accepted, found.duplicate) == (4, 9, 4)


def test_the_command_line_names_the_setting_and_takes_the_other_sources(tmp_path):
    for name, count in (("wide", 30), ("fine", 3)):
        lines = [f"pod-{name}-{i},cpu_util_pct,2026-01-01,1" for i in range(count)]
        (tmp_path / f"{name}.csv").write_text("\n".join(["host,metric,ts,value", *lines]))
    (tmp_path / "capforecast.toml").write_text("[ingest]\nmax_new_series = 20\n")
    words = ["ingest", str(tmp_path / "wide.csv"), str(tmp_path / "fine.csv"), "--store", str(tmp_path / "store")]
    done = CliRunner().invoke(main, [*words, "--config", str(tmp_path / "capforecast.toml"), "--as-of", "2026-01-01"])
    assert done.exit_code == 4
    assert "ingest.max_new_series" in done.stderr
    assert "wide.csv" in done.stderr
    with Store.open(tmp_path / "store") as opened:
        assert opened.series().height == 3


def test_a_file_that_forecast_reads_may_go_as_well(tmp_path, monkeypatch):
    path = tmp_path / "a.csv"
    path.write_text("host,ts,value\na,1704067200,1\n")

    def going(*_):
        raise OSError(errno.EIO, "Input/output error")
        yield

    monkeypatch.setattr("capforecast.sources.recognise.read", going)
    with pytest.raises(SourceError, match=r"readable to its end; got Input/output error.*a\.csv"):
        read_samples(str(path), ReadOptions(), load(None))
