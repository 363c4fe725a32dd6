"""Locations that are none: refused before anything is read, and no secret in them is repeated."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
from click.testing import CliRunner

from capforecast.cli import main
from capforecast.errors import ConfigError, SourceError
from capforecast.sources.recognise import resolve

SECRET = "hunter2"
WRONG = [
    f"http://u:{SECRET}@h/x",
    f"https://h/x?api_key={SECRET}",
    f"postgres://u:{SECRET}@h/db",
    f"mysql://u:{SECRET}@h/db",
    f"s3://KEY:{SECRET}@bucket/x",
    f"prometheus://u:{SECRET}@h/",
]


@pytest.mark.parametrize("location", WRONG)
@pytest.mark.parametrize("verb", ["ingest", "lint", "run"])
def test_a_location_that_is_none_is_a_usage_error_without_its_secret(
    tmp_path: Path, location: str, verb: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    words = [verb, location]
    if verb == "run":
        (tmp_path / "capforecast.toml").write_text(f"[[sources]]\nlocation = '{location}'\n")
        words = [verb]
    done = CliRunner().invoke(main, [*words, "--store", "store", "--verbose"])
    assert (done.exit_code, type(done.exception)) == (2, SystemExit)
    assert SECRET not in done.output


def test_the_nearest_name_is_told() -> None:
    with pytest.raises(ConfigError, match="got 'postgres'. Did you mean 'postgresql'"):
        resolve("postgres://h/db")


def test_a_file_of_such_a_name_is_that_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    os.makedirs("http:/h")
    (tmp_path / "http:" / "h" / "x.csv").write_text("a")
    assert resolve("http://h/x.csv") == ["http://h/x.csv"]


def test_a_directory_that_cannot_be_looked_into_fails_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Such as the lost+found of a file system: files beside it are taken, and it is named."""
    for name in ("a", "lost+found", "z"):
        (tmp_path / "in" / name).mkdir(parents=True)
        (tmp_path / "in" / name / "x.csv").write_text(f"host,metric,ts,value\n{name},m,2026-01-01T00:00:00Z,1\n")
    real = os.scandir

    def scandir(path):
        if str(path).endswith("lost+found"):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)
    done = CliRunner().invoke(main, ["ingest", str(tmp_path / "in"), "--store", str(tmp_path / "store")])
    assert done.exit_code == 4
    assert done.stdout.count("1 accepted") == 2
    assert done.stderr.count("lost+found") == 1
    with pytest.raises(SourceError, match="Permission denied"):
        resolve(str(tmp_path / "in" / "lost+found"))


def test_two_places_of_a_secret_are_a_usage_error(tmp_path: Path) -> None:
    words = ["init", str(tmp_path), "--from", "prometheus", "http://h", "--secret-env", "A", "--secret-file", "b"]
    done = CliRunner().invoke(main, words)
    assert (done.exit_code, type(done.exception)) == (2, SystemExit)
    assert "one place" in done.stderr
