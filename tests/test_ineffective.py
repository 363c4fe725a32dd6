"""What matches no series, and natures that wait for samples, is told and never more than that."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from past_stores import END, END_US, frame, quiet, stored
from source_files import START_US

import capforecast
from capforecast.config import Config, load
from capforecast.globs import Names
from capforecast.ineffective import otherwise, sentences, unmatched
from capforecast.limits import read
from capforecast.store import Store

SERIES = pl.DataFrame(
    [("db-1", "disk_used_bytes", "/data", ""), ("db-2", "disk_used_bytes", "/", ""), ("web", "cpu_util_pct", "", "")],
    schema=["host", "metric", "instance", "nature"],
    orient="row",
)
HEADER = "host,metric,instance,capacity\n"


def settings(folder: Path, text: str) -> Config:
    (folder / "capforecast.toml").write_text(text, encoding="utf-8")
    return load(folder / "capforecast.toml", environ={})


def found(folder: Path, lines: str, text: str = "") -> list[str]:
    (folder / "limits.csv").write_text(HEADER + lines, encoding="utf-8")
    return unmatched(SERIES, read(folder / "limits.csv"), settings(folder, text), START_US)


def test_lines_that_match_nothing_are_named_with_their_place_and_the_metric_that_may_be_meant(tmp_path: Path) -> None:
    lines = "*,disk_used_byts,,1\ndb-*,,/data,1\n\nweb,disk_*,,1\n*,*,/backup,1\ndb-1,disk_used_bytes,/data,1\n"
    assert found(tmp_path, lines) == [
        "limits.csv:2 (*,disk_used_byts,*: did you mean disk_used_bytes?)",
        "limits.csv:5 (web,disk_*,*)",
        "limits.csv:6 (*,*,/backup)",
    ]
    assert unmatched(SERIES.clear(), read(tmp_path / "limits.csv"), load(None, environ={}), START_US) == []


def test_marks_and_exclusions_that_match_nothing_are_named_but_for_the_default(tmp_path: Path) -> None:
    text = """
[[windows]]
host = "dbx-*"
start = 2026-01-01
end = 2026-01-02
[[windows]]
host = "db-*"
start = 2026-01-01
end = 2026-01-02
[[resets]]
host = "gone"
at = 2026-01-01
[[renames]]
old = "db-1"
new = "planned"
at = 2999-01-01
[[renames]]
old = "web-old"
new = "late"
at = 2020-01-01
"""
    told = ["[[windows]] 1 (dbx-*,*,*)", "[[resets]] 1 (gone,*,*)", "[[renames]] 2 (old = 'web-old')"]
    assert found(tmp_path, "", text) == [*told, "[[renames]] 2 (new = 'late')"]
    text = '[[exclude]]\ninstance = "/snap/*"\n[[exclude]]\nhost = "lab-*"\n'
    assert found(tmp_path, "", text) == ["[[exclude]] 2 (lab-*,*,*)"]


NAME = st.sampled_from(["a", "b", "ab", "c"])
GLOB = st.sampled_from(["*", "a", "b*", "?b", "c", "x", "[ab]"])


@given(st.lists(st.tuples(NAME, NAME, NAME), max_size=6), st.tuples(GLOB, GLOB, GLOB))
def test_any_row_matches_when_one_does(rows: list[tuple[str, str, str]], globs: tuple[str, str, str]) -> None:
    series = pl.DataFrame(rows, schema=dict.fromkeys(("host", "metric", "instance"), pl.String), orient="row")
    names = Names(series)
    assert names.any(*globs) == bool(names.match(*globs).size)


def test_a_sentence_names_a_few_and_counts_the_others(tmp_path: Path) -> None:
    (tmp_path / "limits.csv").write_text(HEADER + "".join(f"gone-{i},,,1\n" for i in range(7)), encoding="utf-8")
    (said,) = sentences(SERIES, read(tmp_path / "limits.csv"), load(None, environ={}), START_US)
    assert said.startswith("7 lines match no series and so have no effect: limits.csv:2 (gone-0,*,*), limits.csv:3 ")
    assert "limits.csv:6 (gone-4,*,*) and 2 more; " in said


KIND = '[[kinds]]\nname = "traffic"\npatterns = ["*_octets"]\nnature = "counter"\n'


def test_a_nature_that_waits_for_samples_is_told_until_they_come(tmp_path: Path) -> None:
    rows = frame("sw", "if_octets", 1e6 * pl.int_range(480, eager=True).to_numpy().astype(float))
    path = stored(tmp_path, rows, quiet("a"))
    config = settings(tmp_path, KIND)
    with Store.open(path) as store:
        assert list(otherwise(store.series(), config)) == [
            ("if_octets", "1 series are stored as gauge, and [[kinds]] says counter")
        ]
        assert list(otherwise(store.series(), load(None, environ={}))) == []
    result = capforecast.run(path, config=config, as_of=END)
    (said,) = [message for message in result.messages if "if_octets: " in message]
    assert said.startswith("natures that do not hold yet: if_octets: 1 series")
    capforecast.ingest(tmp_path / "samples.parquet", path, config=config, as_of=END)
    with Store.open(path) as store:
        assert list(otherwise(store.series(), config)) == []
        assert store.series().filter(metric="if_octets")["nature"].to_list() == ["counter"]


@pytest.mark.parametrize("renamed", [False, True])
def test_a_run_tells_lines_without_series_and_is_silent_about_series_that_are_gone(
    tmp_path: Path, renamed: bool
) -> None:
    path = stored(
        tmp_path, quiet("new"), quiet("old").filter(pl.col("ts").dt.epoch("us") < END_US - 30 * 86_400_000_000)
    )
    lines = ["old,cpu_util_pct,,4", "ex,cpu_util_pct,,4"]
    (tmp_path / "limits.csv").write_text(HEADER + "\n".join(lines) + "\n", encoding="utf-8")
    text = '[[exclude]]\nhost = "new"\n'
    if renamed:
        text += '[[renames]]\nold = "old"\nnew = "new"\nat = 2026-04-20\n'
    result = capforecast.run(path, config=settings(tmp_path, text), as_of=END)
    (said,) = [message for message in result.messages if "no series" in message]
    assert said.startswith("1 line matches no series and so has no effect: limits.csv:3 (ex,cpu_util_pct,*); ")
