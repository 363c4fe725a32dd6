"""Kept kernels: read whole or not at all, written where that can be done, never an error."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capforecast import kernel_cache as cache

NAME = "shape.cpython-311.0123456789ab-describe-fedcba9876543210.kernel"
CONTENT = bytes(range(256)) * 4
BIT = st.integers(0, 8 * (len(CONTENT) + 32) - 1)


@pytest.fixture(autouse=True)
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The variable names a place, and the others lie in the test's directory too."""
    monkeypatch.setenv(cache.VARIABLE, str(tmp_path / "named"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    monkeypatch.setattr(cache, "_warned", False)
    monkeypatch.setattr(cache, "_used", set())


def only_file(folder: Path) -> Path:
    (found,) = (path for path in folder.rglob("*") if path.is_file())
    return found


def make_foreign(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Give a directory to somebody else, or be somebody else."""
    if os.getuid() == 0:
        os.chown(folder, 4242, -1)
    else:
        monkeypatch.setattr(os, "getuid", lambda: 4242)


def test_what_is_kept_comes_back(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The content, under its name alone, from the directory that the variable names."""
    assert cache.load(NAME) is None
    assert cache.save(NAME, CONTENT)
    assert cache.load(NAME) == CONTENT
    assert cache.load(NAME.replace("describe", "newest")) is None
    assert cache.kept() == {NAME}
    assert cache.used() == [only_file(tmp_path).parent]
    assert only_file(tmp_path).is_relative_to(tmp_path / "named")
    assert capsys.readouterr() == ("", "")


@given(bit=BIT)
def test_a_changed_bit_is_found(tmp_path_factory: pytest.TempPathFactory, bit: int) -> None:
    """Wherever it is: what is executed is what was compiled."""
    assert cache.save(NAME, CONTENT)
    path = only_file(Path(os.environ[cache.VARIABLE]))
    data = bytearray(path.read_bytes())
    data[bit // 8] ^= 1 << bit % 8
    path.write_bytes(data)
    assert cache.load(NAME) is None


@pytest.mark.parametrize("length", [0, 1, 31, 32, 33, 500, 1055])
def test_a_cut_file_is_none_and_told_once(tmp_path: Path, length: int, capsys: pytest.CaptureFixture[str]) -> None:
    """One warning per process, however many files are damaged; the next one that is kept is whole."""
    cache.save(NAME, CONTENT)
    path = only_file(tmp_path)
    os.truncate(path, length)
    assert [cache.load(NAME), cache.load(NAME)] == [None, None]
    assert capsys.readouterr().err == f"Warning: {path} is damaged: the kernel is compiled again\n"
    cache.save(NAME, CONTENT)
    assert cache.load(NAME) == CONTENT
    assert capsys.readouterr().err == ""


def test_a_file_that_cannot_be_read_is_none_and_replaced_elsewhere(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Here a directory stands in its place; then the next place holds it, and nobody warns again."""
    cache.save(NAME, CONTENT)
    path = only_file(tmp_path)
    path.unlink()
    path.mkdir()
    assert cache.load(NAME) is None
    assert capsys.readouterr().err.startswith(f"Warning: {path} cannot be read (Is a directory)")
    assert cache.save(NAME, CONTENT)
    assert only_file(tmp_path).is_relative_to(tmp_path / "home" / "capforecast" / "kernels")
    cache._warned = False
    assert cache.load(NAME) == CONTENT
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("wrong", ["file", "foreign", "open", "link", "link to a foreign one"])
def test_a_directory_that_is_not_ours_is_neither_read_nor_written(
    tmp_path: Path, wrong: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What lies in it could have been put there by anybody: the next place is taken, with one line."""
    cache.save(NAME, b"put there by somebody else")
    folder = only_file(tmp_path).parent
    if wrong == "file":
        only_file(tmp_path).unlink()
        folder.rmdir()
        folder.write_text("")
    elif wrong == "open":
        folder.chmod(0o777)
    elif wrong.startswith("link"):
        folder.rename(tmp_path / "elsewhere")
        folder.symlink_to(tmp_path / "elsewhere")
    if "foreign" in wrong:
        make_foreign(folder, monkeypatch)
    assert cache.load(NAME) is None
    assert cache.kept() == set()
    assert cache.save(NAME, CONTENT)
    assert cache.load(NAME) == CONTENT
    told = capsys.readouterr().err
    assert told.startswith(f"Warning: compiled kernels cannot be kept in {folder}")
    assert told.endswith(" is taken\n")
    assert told.count("\n") == 1


def test_private_places_are_for_the_owner_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What another user can write to is passed over there too; what the variable names may be read by all."""
    cache.save(NAME, CONTENT)
    assert stat.S_IMODE(only_file(tmp_path / "named").parent.stat().st_mode) == 0o755
    monkeypatch.setenv(cache.VARIABLE, "/proc/none")
    cache.save(NAME, CONTENT)
    path = only_file(tmp_path / "home")
    assert [stat.S_IMODE(folder.stat().st_mode) for folder in (path.parent, path.parent.parent)] == [0o700, 0o700]
    path.parent.parent.chmod(0o777)
    assert cache.load(NAME) is None
    cache.save(NAME, CONTENT)
    assert only_file(tmp_path / "tmp").parent.parent.name == f"capforecast-kernels-{os.getuid()}"


def test_without_any_place_one_line_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A read-only file system, and no home: nothing is kept, and nothing fails."""
    for name in (cache.VARIABLE, "XDG_CACHE_HOME", "TMPDIR"):
        monkeypatch.setenv(name, "/proc/none")
    assert [cache.save(NAME, CONTENT), cache.save(NAME, CONTENT)] == [False, False]
    assert (cache.load(NAME), cache.kept(), cache.used(), cache.choose()) == (None, set(), [], None)
    told = capsys.readouterr().err
    assert told.startswith("Warning: compiled kernels cannot be kept anywhere, such as /proc/none/capforecast-")
    assert told.endswith("set NUMBA_CACHE_DIR to a directory of your own\n")
    assert told.count("\n") == 1


def test_a_full_disk_leaves_nothing_half_written(tmp_path: Path) -> None:
    """The limit of a file's size stands for it."""
    code = (
        "import resource, sys; from capforecast import kernel_cache as c\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))\n"
        f"print(c.save({NAME!r}, bytes(1000)), c.load({NAME!r}), c.save({NAME!r}, b'less'), c.load({NAME!r}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False None True b'less'\n"
    assert "File too large" in done.stderr
    assert done.stderr.count("\n") == 1
    assert only_file(tmp_path).name == NAME


def test_the_package_s_own_folder_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Read where it cannot be written to: an image is made by one user and run by another."""
    monkeypatch.delenv(cache.VARIABLE)
    monkeypatch.setattr(cache, "_KERNELS", tmp_path / "package")
    (tmp_path / "package").mkdir()
    assert cache.choose() == (tmp_path / "package" / "__pycache__", "beside the package")
    cache.save(NAME, CONTENT)
    assert only_file(tmp_path / "package").parent.name == "__pycache__"
    monkeypatch.setattr(cache, "_make", refuse(cache._make, tmp_path / "package"))
    assert cache.load(NAME) == CONTENT
    other = NAME.replace("describe", "newest")
    cache.save(other, CONTENT)
    assert only_file(tmp_path / "home").name == other
    assert cache.kept() == {NAME, other}
    chosen = cache.choose()
    assert chosen is not None
    assert chosen[1] == "the folder of the package cannot be written to"


def refuse(make, below: Path):  # type: ignore[no-untyped-def]
    """Return `make` for a file system that is read-only below a directory."""

    def made(place: cache._Place) -> None:
        if place.folder.is_relative_to(below):
            raise OSError(30, "Read-only file system")
        make(place)

    return made


def test_older_sources_of_a_file_are_cleared_away() -> None:
    """Other files, and the same one under another Python, are left."""
    older = [NAME.replace("0123456789ab", "ba9876543210"), NAME.replace("0123456789ab-describe", "ba9876543210-gone")]
    others = [NAME.replace("shape", "grid"), NAME.replace("311", "312"), NAME.replace("describe", "newest")]
    for name in (*older, *others, NAME):
        assert cache.save(name, CONTENT)
    assert cache.kept() == {*others, NAME}


def test_many_at_the_same_time_do_no_harm(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Whoever reads meanwhile finds all of it or nothing."""

    def work(number: int) -> bytes | None:
        assert cache.save(NAME, CONTENT)
        return cache.load(NAME)

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(work, range(200))) == {CONTENT}
    assert only_file(tmp_path).name == NAME
    assert capsys.readouterr().err == ""
