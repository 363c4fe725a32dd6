"""Locations that are none: refused before anything is read, and no secret in them is repeated."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from click.testing import CliRunner

from capforecast.cli import main
from capforecast.errors import ConfigError
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
