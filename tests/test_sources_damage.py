"""Damaged, hostile and random input: refused as a whole or accounted for row by row."""

from __future__ import annotations

import gzip
import random
import resource
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from source_files import COMPRESS, START_S, load, together, write

from capforecast.errors import CapforecastError, SourceError
from capforecast.sources import ReadOptions, content
from capforecast.sources.delimited import Delimited

LINES = 2_000
TABLE = "host,metric,ts,value\n" + "".join(
    f"web-{i % 7},cpu_util_pct,{START_S + i},{(i * 7919) % 9973 / 100}\n" for i in range(LINES)
)
SMALL = "host,metric,ts,value\n" + "".join(f"h{i},cpu,{START_S + i},{i}\n" for i in range(8))


@pytest.mark.parametrize("ending", [".gz", ".zst"])
def test_a_file_cut_anywhere_is_refused(tmp_path: Path, ending: str) -> None:
    data = COMPRESS[ending](TABLE.encode())
    cuts = sorted({*range(1, 24), *range(len(data) - 24, len(data)), *range(24, len(data) - 24, len(data) // 60)})
    for cut in cuts:
        path = write(tmp_path / f"a.csv{ending}", data[:cut])
        with pytest.raises(SourceError):
            load(path)
    assert load(write(tmp_path / f"a.csv{ending}", data)).rows.height == LINES


def test_a_damaged_gzip_file_is_refused_or_the_same(tmp_path: Path) -> None:
    """Every byte of a gzip member but those of its header is under its CRC."""
    data = gzip.compress(TABLE.encode(), mtime=0)
    whole = load(write(tmp_path / "a.csv.gz", data)).rows.rows()
    chosen = random.Random(5)
    for place in [*range(10), *chosen.sample(range(10, len(data)), 60), *range(len(data) - 8, len(data))]:
        damaged = bytearray(data)
        damaged[place] ^= 1 << chosen.randrange(8)
        try:
            found = load(write(tmp_path / "a.csv.gz", bytes(damaged)))
        except SourceError:
            continue
        assert place < 10
        assert whole == found.rows.rows()


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs /proc, which tells the memory in use")
def test_damaged_zstd_files_leave_no_memory_behind(tmp_path: Path) -> None:
    """Room for a block is a megabyte: two hundred of them would show."""
    path = write(tmp_path / "a.csv.zst", COMPRESS[".zst"](b"")[:4] + b"\x00" + b"[" * 3000)

    def held() -> int:
        for _ in range(200):
            with pytest.raises(SourceError):
                list(content.chunks(str(path)))
        return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * resource.getpagesize()

    first = held()
    assert held() - first < 50_000_000


@pytest.mark.parametrize("ending", [".gz", ".zst"])
def test_several_members_are_read_as_one_and_rubbish_after_them_is_refused(tmp_path: Path, ending: str) -> None:
    data = b"".join(COMPRESS[ending](part.encode()) for part in (TABLE[:1000], TABLE[1000:]))
    assert load(write(tmp_path / f"a.csv{ending}", data)).rows.height == LINES
    with pytest.raises(SourceError):
        load(write(tmp_path / f"a.csv{ending}", data + b"rubbish"))


def test_other_compression_and_wrong_endings_are_named(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="gzip or zstd.*bzip2"):
        load(write(tmp_path / "a.csv", b"BZh91AY&SY" + bytes(20)), format="delimited")
    with pytest.raises(SourceError, match=r"named \*\.gz"):
        load(write(tmp_path / "a.csv.gz", TABLE))


@pytest.mark.parametrize("ending", [".gz", ".zst"])
def test_a_bomb_is_refused_while_it_unfolds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ending: str) -> None:
    data = COMPRESS[ending]((SMALL + "h,cpu,1704067200,1\n" * 400_000).encode())
    path = write(tmp_path / f"a.csv{ending}", data)
    assert load(path).rows.height == 400_008
    monkeypatch.setattr(content, "FREE_BYTES", 1 << 20)
    monkeypatch.setattr(content, "MAX_RATIO", 20)
    with pytest.raises(SourceError, match="20 for each compressed one"):
        load(path)
    monkeypatch.setattr(content, "MAX_RATIO", 10**9)
    monkeypatch.setattr(content, "MAX_BYTES", 3 << 20)
    with pytest.raises(SourceError, match="at most 3145728 bytes"):
        load(path)


def test_nothing_is_yielded_after_the_damage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("capforecast.sources.text.TEXT_BYTES", 1 << 12)
    path = write(tmp_path / "a.csv.gz", gzip.compress(TABLE.encode(), mtime=0)[:-4])
    batches = Delimited().read(str(path), ReadOptions(chunk_rows=100))
    with pytest.raises(SourceError):
        list(batches)
    assert next(batches, None) is None


def mutations(alphabet: bytes) -> st.SearchStrategy[list[tuple[int, int, bytes]]]:
    """Return edits: place, bytes removed there, bytes put there."""
    letters = st.lists(st.sampled_from(list(alphabet)), max_size=4).map(bytes)
    return st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 12), letters), min_size=1, max_size=4)


def edited(text: str, edits: list[tuple[int, int, bytes]]) -> bytes:
    data = bytearray(text.encode())
    first = text.index("\n") + 1
    for place, removed, put in edits:
        at = first + place % (len(data) - first + 1)
        data[at : at + removed] = put
    return bytes(data)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(mutations(b"0123456789.,;\t|-+eE ahnif#{}[]:/_%\r\n\x00\x0b\x1c\x7f"))
@example([(0, 0, b"\n\r\n\r")])
@example([(3, 0, b"\x0b"), (9, 0, b"\x1c")])
def test_every_line_of_a_mutated_table_is_a_row_or_a_reject(
    tmp_path: Path, edits: list[tuple[int, int, bytes]]
) -> None:
    data = edited(SMALL, edits)
    lines = data.decode().replace("\r\n", "\n").replace("\r", "\n").split("\n")
    try:
        found = load(write(tmp_path / "a.csv", data), format="delimited")
    except CapforecastError:
        return
    # What `str.strip` takes for blank is what a human does; such lines hold nothing.
    expected = [number for number, line in enumerate(lines[1:], 2) if line.strip()]
    assert expected == sorted([*found.rows["line"], *found.rejects["line"]])
    assert [lines[n - 1] for n in found.rejects["line"]] == found.rejects["raw"].to_list()


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.sampled_from(["csv", "quoted", "wide", "sections", "jsonl"]),
    mutations(bytes(range(256)) + b'""""\n\n\n,,;#'),
    st.booleans(),
)
def test_random_bytes_raise_nothing_but_our_errors(
    tmp_path: Path, kind: str, edits: list[tuple[int, int, bytes]], anywhere: bool
) -> None:
    text = {
        "csv": SMALL,
        "quoted": SMALL.replace("cpu", '"c""p,u"'),
        "wide": "time;cpu [%];mem\n" + "".join(f"{START_S + i};{i};{i}\n" for i in range(8)),
        "sections": f"# hostname;interval;timestamp;CPU;%usr\nh;6;{START_S};-1;1\n" * 3,
        "jsonl": "".join(f'{{"ts": {START_S + i}, "host": "h", "value": {i}}}\n' for i in range(8)),
    }[kind]
    data = edited("\n" + text, edits)[1:] if anywhere else edited(text, edits)
    try:
        found = load(write(tmp_path / "a.dat", data))
    except CapforecastError:
        return
    numbers = [*found.rows["line"], *found.rejects["line"]]
    ends = data.count(b"\n") + data.count(b"\r") + data.count(b"\x00")
    assert all(1 <= number <= ends + 1 for number in numbers)


def test_many_blocks_of_mutated_text_give_what_one_block_gives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    chosen = random.Random(11)
    for _ in range(30):
        edits = [
            (chosen.randrange(10_000), chosen.randrange(9), chosen.choice([b'"', b"\n", b",", b'"\n']))
            for _ in range(6)
        ]
        path = write(tmp_path / "a.csv", edited(SMALL + SMALL[21:] * 4, edits))
        options = ReadOptions(format="delimited")
        monkeypatch.undo()
        whole = together(list(Delimited().read(str(path), options)))
        monkeypatch.setattr("capforecast.sources.content.BLOCK_BYTES", 11)
        monkeypatch.setattr("capforecast.sources.text.TEXT_BYTES", 300)
        parts = together(list(Delimited().read(str(path), options)))
        assert whole.rows.rows() == parts.rows.rows()
        assert whole.rejects.rows() == parts.rejects.rows()
