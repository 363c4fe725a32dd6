"""Quarantine: the same file however the rejected rows came, and never all of them in memory."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from capforecast.store import quarantine
from capforecast.store.parquet import ROW_GROUP, Part
from capforecast.store.quarantine import Rejects, read_quarantine, write_quarantine

SHA256 = "a" * 64


def frame(lines: list[int], raw: str = "x,y,{}") -> pl.DataFrame:
    texts = [raw.format(k) for k in range(len(lines))]
    reasons = [("no time", "no value")[line % 2] for line in lines]
    return pl.DataFrame({"line": lines, "reason": reasons, "raw": texts}, schema=quarantine.REJECTS)


def written(folder: Path, frames: list[pl.DataFrame]) -> tuple[bytes, list[Part], Rejects]:
    rejects = Rejects(folder / ".staging")
    for one in frames:
        rejects.add(one)
    parts = write_quarantine(folder, "s.csv", SHA256, 7, rejects)
    return b"".join((folder / part.path).read_bytes() for part in parts), parts, rejects


@given(lines=st.lists(st.lists(st.integers(1, 40), max_size=12), max_size=8), group=st.integers(1, 9))
def test_rows_that_waited_in_scratch_files_make_the_same_file(
    lines: list[list[int]], group: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """By line, those of a line as they came: in whatever order lines come, and however large a row group is."""
    frames = [frame(one, f"batch {k}, {{}}") for k, one in enumerate(lines)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(quarantine, "ROW_GROUP", group)
        patch.setattr("capforecast.store.parquet.ROW_GROUP", group)
        held, parts, _ = written(tmp_path_factory.mktemp("held"), frames)
        patch.setattr(quarantine, "HELD_BYTES", 0)
        folder = tmp_path_factory.mktemp("spilled")
        spilled, _, rejects = written(folder, frames)
    assert spilled == held
    expected = pl.concat([frame([]), *frames]).sort("line", maintain_order=True)
    assert read_quarantine(folder, parts, SHA256).drop("source").equals(expected)
    assert sum(rejects.reasons.values()) == expected.height == sum(part.rows for part in parts)


def test_few_rejects_wait_in_memory_and_many_do_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rejects = Rejects(tmp_path / ".staging")
    rejects.add(frame([3, 1, 2]))
    assert not (tmp_path / ".staging").exists()
    monkeypatch.setattr(quarantine, "HELD_BYTES", 100_000)
    for k in range(20):
        rejects.add(frame(list(range(1000 * k, 1000 * k + 1000))))
    assert len(list((tmp_path / ".staging").iterdir())) >= 3
    assert [one.height for one in rejects.tables()] == [20_003]


def test_row_groups_have_one_size(tmp_path: Path) -> None:
    count = 2 * ROW_GROUP + 5
    rejects = Rejects(tmp_path / ".staging")
    rejects.add(frame(list(range(count, 0, -1))))
    assert [one.height for one in rejects.tables()] == [ROW_GROUP, ROW_GROUP, 5]
