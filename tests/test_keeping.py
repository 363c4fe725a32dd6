"""The file of kept forecasts: damage is told, never met by a decoder, and never more than a loss of time."""

from io import BufferedWriter, FileIO

import pytest

from capforecast.errors import StoreError
from capforecast.schema import RUN
from capforecast.store import durable
from capforecast.store.keeping import FILE, KeepingFile, KeptForecasts, KeptPiece, read_kept
from capforecast.store.tablefile import TableFile


@pytest.fixture
def pieces(tmp_path):
    """Two pieces, in a file."""
    made = [KeptPiece(k, k + 1, bytes([k] * 40), b"cross", b"", ["naive", "level"]) for k in (0, 2)]
    file = KeepingFile(tmp_path / FILE, {"version": "1"})
    for piece in made:
        file.write(piece)
    file.finish()
    return made


def test_pieces_come_back_as_they_were(pieces, tmp_path):
    """Those that hold some of the wanted series."""
    kept = KeptForecasts(tmp_path / FILE)
    assert (kept.about, kept.between(0, 9), kept.between(3, 3), kept.between(4, 9)) == (
        {"version": "1"}, pieces, pieces[1:], [],
    )  # fmt: skip
    assert kept.damaged == 0


@pytest.mark.parametrize("bit", [0, 3, 6, 7])
def test_no_flipped_bit_is_taken_for_what_was_written(pieces, tmp_path, bit):
    """Each byte in turn: the index is refused, or one piece is left out and the other is there."""
    good = (tmp_path / FILE).read_bytes()
    for at in range(len(good)):
        torn = bytearray(good)
        torn[at] ^= 1 << bit
        (tmp_path / FILE).write_bytes(torn)
        try:
            kept = read_kept(tmp_path, ".")
        except StoreError:
            continue
        found = kept.between(0, 9)
        assert (len(found), kept.damaged, found[0] in pieces) == (1, 1, True), at


def test_a_file_that_was_cut_is_refused(pieces, tmp_path):
    """Wherever it ends."""
    good = (tmp_path / FILE).read_bytes()
    for end in range(len(good)):
        (tmp_path / FILE).write_bytes(good[:end])
        with pytest.raises(StoreError, match="as they were written"):
            read_kept(tmp_path, ".")


def test_what_the_disk_does_not_give_back_is_damaged(pieces, tmp_path):
    """Also where it fails when the file is open already."""
    kept = KeptForecasts(tmp_path / FILE)
    (tmp_path / FILE).unlink()
    assert (kept.between(0, 9), kept.damaged) == ([], 2)


def test_files_that_found_no_room_can_be_abandoned(tmp_path, monkeypatch):
    """What is still buffered must not fail again and hide the error that tells what to do."""
    monkeypatch.setattr(durable, "new_file", lambda path, mode=0: BufferedWriter(FileIO("/dev/full", "w")))
    file = KeepingFile(tmp_path / FILE, {})
    file.write(KeptPiece(0, 0, b"some", b"", b"", []))
    with pytest.raises(StoreError, match="ENOSPC"):
        file.finish()
    file.abandon()
    table = TableFile(RUN, tmp_path / "run.parquet")
    with pytest.raises(StoreError, match="ENOSPC"):
        table.finish()
    table.abandon()
