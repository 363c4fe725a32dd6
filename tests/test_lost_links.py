"""Links that lead nowhere are files that are missing, and never taken for files that nobody wrote."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from click.testing import CliRunner

from capforecast.cli import main
from capforecast.errors import StoreError
from capforecast.store import Store


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory with settings, limits and a store."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "s.csv").write_text("host,metric,ts,value\na,cpu_util_pct,2026-01-01T00:00:00Z,1\n")
    (tmp_path / "capforecast.toml").write_text("[run]\nhorizon = '7d'\n[[sources]]\nlocation = 's.csv'\n")
    (tmp_path / "limits.csv").write_text("host,metric,threshold_name,threshold\n*,*,critical,90\n")
    Store.create(tmp_path / "capforecast-store", created_us=0).close()
    return tmp_path


@pytest.mark.parametrize("name", ["capforecast.toml", "limits.csv"])
@pytest.mark.parametrize("how", ["nowhere", "itself", "folder"])
def test_settings_and_limits_that_are_lost_are_told(project: Path, name: str, how: str) -> None:
    (project / name).unlink()
    if how == "folder":
        (project / name).mkdir()
    else:
        os.symlink("nowhere" if how == "nowhere" else name, project / name)
    done = CliRunner().invoke(main, ["run", "--as-of", "2026-01-01T05:00:00Z"])
    assert (done.exit_code, type(done.exception)) == (2, SystemExit)
    assert name in done.stderr


def test_a_store_that_duckdb_could_not_keep_is_refused_with_the_reason(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="question mark"):
        Store.create(tmp_path / "a?b", created_us=0)
