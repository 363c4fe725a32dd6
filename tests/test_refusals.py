"""File systems that refuse: read-only ones, other people's files, full ones, and a umask that allows everything."""

from __future__ import annotations

import errno
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from capforecast.store.refusals import advice

SCRIPT = """import json, sys
from capforecast.cli import main
for words in json.loads(sys.argv[1]):
    try:
        main(words, prog_name="capforecast")
    except SystemExit as done:
        print("\\nexit", done.code, file=sys.stderr)
"""
AS_OF = ("--as-of", "2026-01-09")
OTHER = 4321


def said(folder: Path, commands: Sequence[Sequence[str]], *before: str) -> list[tuple[int, str]]:
    """Run commands in one process of a directory; return the exit code and the words of each."""
    done = subprocess.run(
        [*before, sys.executable, "-c", SCRIPT, json.dumps([list(words) for words in commands])],
        cwd=folder,
        env={**os.environ, "HOME": str(folder), "XDG_CACHE_HOME": str(folder / "cache")},
        capture_output=True,
        text=True,
        check=False,
    )
    found, words = [], ""
    for line in done.stderr.splitlines():
        if line.startswith("exit "):
            found.append((int(line.split()[1]), words.strip()))
            words = ""
        else:
            words += line + "\n"
    assert len(found) == len(commands), done.stderr
    return found


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with a store and a published run, and a day that it does not have."""
    folder = tmp_path_factory.mktemp("refusals")
    for name, days in (("before", range(1, 9)), ("day", (9,))):
        rows = [f"h,cpu_util_pct,2026-01-{d:02}T{h:02}:00:00Z,{40 + h % 7}" for d in days for h in range(24)]
        (folder / f"{name}.csv").write_text("\n".join(["host,metric,ts,value", *rows]))
    ended = said(folder, [("ingest", "before.csv", *AS_OF), ("run", *AS_OF)])
    assert [code for code, _ in ended] == [0, 0], ended
    return folder


@pytest.fixture
def site(published: Path, tmp_path: Path) -> Iterator[Path]:
    """A copy that may be made unreadable."""
    folder = Path(shutil.copytree(published, tmp_path / "site"))
    yield folder
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o700)


def bound_by_modes() -> list[str]:
    """Return what stands before a command so that modes of files bind it, also where root runs the tests."""
    if os.geteuid():
        return []
    if shutil.which("setpriv") is None:
        pytest.skip("root is bound by no mode, and there is no setpriv")
    names = ",".join(f"-{name}" for name in ("dac_override", "dac_read_search", "fowner", "chown"))
    return ["setpriv", f"--bounding-set={names}", "--inh-caps=-all"]


WRITING = [("ingest", "day.csv", *AS_OF), ("run", *AS_OF)]
READING = [("status",), ("report",), ("forecast", "h", "cpu_util_pct", *AS_OF)]


def test_a_read_only_file_system_can_be_read_and_says_what_it_is(site: Path) -> None:
    mount = f"mount --bind {site} {site} && mount -o remount,ro,bind {site} && cd {site} && exec"
    before = ["unshare", "-m", "sh", "-c", f'{mount} "$@"', "sh"]
    tried = subprocess.run([*before, "true"], capture_output=True, check=False) if shutil.which("unshare") else None
    if tried is None or tried.returncode:
        pytest.skip("no file system can be mounted here")
    *read, ingest, run = said(site, [*READING, *WRITING], *before)
    assert [code for code, _ in read] == [0, 0, 0], read
    for code, words in (ingest, run):
        assert code == 1
        assert "EROFS" in words
        assert "read-only: mount it for writing" in words


def test_a_store_that_may_not_be_written_can_be_read_and_says_whose_it_is(site: Path) -> None:
    before = bound_by_modes()
    for path in (site / "capforecast-store").rglob("*"):
        path.chmod(0o500 if path.is_dir() else 0o400)
    (site / "capforecast-store").chmod(0o500)
    *read, ingest, run = said(site, [*READING, *WRITING], *before)
    assert [code for code, _ in read] == [0, 0, 0], read
    for code, words in (ingest, run):
        assert (code, words.count("\n")) == (1, 0)
        assert "It belongs to user " in words


@pytest.mark.parametrize("what", ["capforecast-store", "capforecast-store/catalog.duckdb", "capforecast-store/lock"])
def test_files_of_another_user_are_told_in_one_line_that_names_the_user(site: Path, what: str) -> None:
    before = bound_by_modes()
    if os.geteuid():
        pytest.skip("only root can give files away")
    (site / what).chmod(0o700)
    os.chown(site / what, OTHER, OTHER)
    for code, words in said(site, [("status",), *WRITING], *before):
        assert (code, words.count("\n")) == (1, 0), words
        assert f"It belongs to user {OTHER} and this process to user root" in words


def test_nothing_that_a_command_makes_can_be_written_by_everybody(site: Path) -> None:
    words = [
        *WRITING,
        ("report", "--format", "html", "--output", "report.html"),
        ("report", "--format", "csv", "--output", "report.csv"),
        ("forecast", "day.csv", "--horizon", "24h", "--step", "1h", "--output", "out.parquet"),
        ("init", "new"),
    ]
    ended = said(site, words, "sh", "-c", 'umask 000 && exec "$@"', "sh")
    assert [code for code, _ in ended] == [0] * len(words), ended
    made = [path for path in site.rglob("*") if not path.is_symlink()]
    assert {"report.html", "report.csv", "out.parquet", "new"} <= {path.name for path in made}
    assert [str(path) for path in made if path.stat().st_mode & 0o002] == []


@pytest.mark.parametrize(
    ("number", "words"), [(errno.ENOSPC, "Make room"), (errno.EDQUOT, "Make room"), (errno.EIO, "the disk")]
)
def test_each_refusal_has_its_advice(tmp_path: Path, number: int, words: str) -> None:
    assert words in advice(OSError(number, os.strerror(number)), tmp_path / "not" / "there")
