"""What every source of the registry promises: the same samples give the same batches."""

from __future__ import annotations

import math
from pathlib import Path

import polars as pl
import pytest
from source_formats import FORMATS, Sample, expressed, with_sadf, written

from capforecast import registry
from capforecast.acceptance import check
from capforecast.errors import CapforecastError, ConfigError
from capforecast.sources import NATURE, REJECTS, ROWS, Batch, ReadOptions
from capforecast.sources.content import head
from capforecast.sources.recognise import choose

START_S = 1_704_067_200
SAMPLES: list[Sample] = [
    (f"web-{i % 3}", "disk_used_pct", '/vär, "x"' if i % 2 else "", "percent", START_S + 60 * i, i / 7)
    for i in range(100)
]
SOURCES = registry.names("source")


@pytest.fixture(params=SOURCES)
def name(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    with_sadf(tmp_path, monkeypatch)
    return str(request.param)


def test_a_source_bears_the_name_of_its_registry_line(name: str) -> None:
    assert name == registry.load("source", name)().name


def test_samples_come_back_as_they_were_written(tmp_path: Path, name: str) -> None:
    (batch,) = registry.load("source", name)().read(written(tmp_path, name, SAMPLES), ReadOptions())
    assert (pl.Schema(ROWS), pl.Schema(REJECTS)) == (batch.rows.select(*ROWS).schema, batch.rejects.schema)
    assert set(batch.rows.columns) - set(ROWS) <= {"nature"}
    samples, line = expressed(name, SAMPLES), FORMATS[name].line
    expected = [(*s[:4], s[4] * 1_000_000, s[5], line(k)) for k, s in enumerate(samples)]
    assert expected == batch.rows.select(*ROWS).rows()
    assert batch.nature.dtype == NATURE
    assert batch.rejects.is_empty()


def test_what_is_not_known_of_rows_is_null_and_what_is_known_goes_through_the_check() -> None:
    rows = pl.DataFrame(
        [("h", "m_total", "", "", START_S * 1_000_000, value, 1) for value in (1.0, 2.0, math.nan)],
        schema=ROWS,
        orient="row",
    )
    none = pl.DataFrame(schema=REJECTS)
    assert Batch(rows, none).nature.to_list() == [None] * 3
    assert Batch(rows, none).nature.dtype == NATURE
    known = Batch(rows.with_columns(nature=pl.Series(["counter", "gauge", None], dtype=NATURE)), none)
    checked = check(known, START_S * 2_000_000)
    assert (checked.nature.to_list(), checked.rejects.height) == (["counter", "gauge"], 1)


def test_exactly_one_source_is_chosen_for_a_file(tmp_path: Path, name: str) -> None:
    path = written(tmp_path, name, SAMPLES)
    sources = [registry.load("source", n)() for n in SOURCES]
    claiming = [source.name for source in sources if source.claims(path, head(path))]
    special = [n for n in claiming if not registry.load("source", n)().general]
    assert [name] == (special or claiming)
    assert name == choose(path, head(path), ReadOptions())


def test_batches_hold_at_most_chunk_rows_and_nothing_is_lost(tmp_path: Path, name: str) -> None:
    path = written(tmp_path, name, SAMPLES)
    source = registry.load("source", name)()
    (whole,) = source.read(path, ReadOptions())
    parts = [batch.rows for batch in source.read(path, ReadOptions(chunk_rows=33))]
    assert max(part.height for part in parts) <= 33
    assert whole.rows.rows() == pl.concat(parts).rows()


def test_what_the_data_call_otherwise_is_mapped(tmp_path: Path, name: str) -> None:
    path = written(tmp_path, name, SAMPLES[1:2])
    label, source = FORMATS[name].label, registry.load("source", name)()
    options = ReadOptions(mapping={"host": label} if label else {"host": "metric", "metric": "host"})
    if label is None:
        with pytest.raises(ConfigError, match="--map is for columns and labels"):
            list(source.read(path, options))
        return
    (batch,) = source.read(path, options)
    sample = expressed(name, SAMPLES[1:2])[0]
    expected = (sample[2], sample[1]) if label else (sample[1], sample[0])
    assert expected == batch.rows.select("host", "metric").row(0)


def test_a_file_that_is_missing_or_of_another_kind_is_refused(tmp_path: Path, name: str) -> None:
    source = registry.load("source", name)()
    with pytest.raises(CapforecastError):
        list(source.read(str(tmp_path / "missing"), ReadOptions()))
    with pytest.raises(CapforecastError):
        list(source.read(str(tmp_path), ReadOptions()))
    other = tmp_path / "other"
    other.write_bytes(bytes(range(256)) * 8)
    with pytest.raises(CapforecastError):
        list(source.read(str(other), ReadOptions()))
