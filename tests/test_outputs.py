"""Files that commands are told to write: whole or not at all, and what is no file stays what it is."""

from __future__ import annotations

import os
import socket
import stat
import threading
from pathlib import Path

import pytest

from capforecast.cli.files import write_bytes
from capforecast.errors import SourceError


def test_a_pipe_is_written_to_and_not_replaced(tmp_path: Path) -> None:
    """As with /dev/null, which a run as root would take from the whole machine."""
    pipe, got = tmp_path / "pipe", []
    os.mkfifo(pipe)
    reader = threading.Thread(target=lambda: got.append(pipe.read_bytes()), daemon=True)
    reader.start()
    write_bytes(pipe, b"content")
    reader.join(10)
    assert got == [b"content"]
    assert stat.S_ISFIFO(pipe.stat().st_mode)
    assert os.listdir(tmp_path) == ["pipe"]


def test_names_of_open_files_are_written_to(tmp_path: Path) -> None:
    """Such as /dev/stdout, whether it leads to a pipe or to a file."""
    reading, writing = os.pipe()
    write_bytes(Path(f"/dev/fd/{writing}"), b"to a pipe")
    assert os.read(reading, 100) == b"to a pipe"
    os.close(reading)
    os.close(writing)
    with open(tmp_path / "file", "w+b") as file:
        write_bytes(Path(f"/dev/fd/{file.fileno()}"), b"to a file")
        assert file.read() == b"to a file"


def test_a_link_is_replaced_and_what_it_leads_to_is_left(tmp_path: Path) -> None:
    """Somebody else may have put it there."""
    (tmp_path / "other").write_bytes(b"theirs")
    (tmp_path / "link").symlink_to("other")
    write_bytes(tmp_path / "link", b"ours")
    assert (tmp_path / "other").read_bytes() == b"theirs"
    assert (tmp_path / "link").read_bytes() == b"ours"
    assert not (tmp_path / "link").is_symlink()


def test_what_cannot_be_written_to_is_an_error(tmp_path: Path) -> None:
    """A directory, a socket; nothing is left beside."""
    (tmp_path / "folder").mkdir()
    with socket.socket(socket.AF_UNIX) as here:
        here.bind(str(tmp_path / "socket"))
        for path in (tmp_path / "folder", tmp_path / "socket"):
            with pytest.raises(SourceError, match="must be writable"):
                write_bytes(path, b"content")
    assert sorted(os.listdir(tmp_path)) == ["folder", "socket"]
