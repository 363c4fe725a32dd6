"""Mutated files of every format: our errors or rows and rejects, never anything else, and no row is lost.

`benches/faults/fuzz.py` does the same with 200,000 inputs for each format.
"""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from source_files import write
from source_formats import FORMATS, with_sadf, written
from source_mutations import DOCUMENTS, LINED, SAMPLES, assert_every_line_counts, grafted, mutated, taken

FUZZED = [name for name in FORMATS if name != "sysstat"]
"""sysstat's data files are read by another program, and its answer by the source of delimited text."""


@pytest.mark.parametrize("name", DOCUMENTS)
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32))
def test_documents_of_another_shape_give_rows_rejects_or_our_errors(tmp_path: Path, name: str, seed: int) -> None:
    chosen = random.Random(seed)
    path = Path(written(tmp_path, name, SAMPLES))
    value = json.loads(path.read_text().splitlines()[0])
    for _ in range(chosen.choice((1, 1, 2, 4))):
        value = grafted(value, chosen)
    taken(write(path, json.dumps(value)), name)


@pytest.mark.parametrize("name", FUZZED)
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32))
def test_mutated_files_give_rows_rejects_or_our_errors(tmp_path: Path, name: str, seed: int) -> None:
    chosen = random.Random(seed)
    path = Path(written(tmp_path, name, SAMPLES))
    data = mutated(path.read_bytes(), chosen)
    found = taken(write(path, data), name)
    if found is not None and name in LINED:
        assert_every_line_counts(found, data, name)


def test_what_sadf_writes_is_not_trusted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with_sadf(tmp_path, monkeypatch)
    chosen = random.Random(3)
    path = Path(written(tmp_path, "sysstat", SAMPLES))
    data = path.read_bytes()
    for _ in range(25):
        taken(write(path, data[:2] + mutated(data[2:], chosen)), "sysstat")
