"""What the configured sources give: one file, or one whole source, that cannot be read stops none of the others."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from source_files import START_S, START_US

from capforecast.config import load
from capforecast.store import Store
from capforecast.taking import Taken, files_of, take
from capforecast.times import DAY_US


def rows_of(host: str) -> str:
    return f"host,metric,ts,value\n{host},cpu_util_pct,{START_S},1\n"


def night(folder: Path, settings: str, as_of_us: int = START_US) -> Taken:
    (folder / "capforecast.toml").write_text(settings)
    config = load(folder / "capforecast.toml", environ={})
    path = folder / "store"
    opened = Store.open(path, writable=True) if path.exists() else Store.create(path, created_us=START_US)
    with opened as store:
        return take(store, config, as_of_us, None)


def test_a_file_of_a_directory_that_cannot_be_read_stops_none_after_it(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    for name, text in (
        ("a.csv", rows_of("a")),
        ("b.csv", "what is this"),
        ("c.csv", "x,y\n1,2\n3,4\n"),
        ("d.csv", rows_of("d")),
    ):
        (folder / name).write_text(text)
    settings = f'[[sources]]\nlocation = "gone"\n[[sources]]\nlocation = "{folder}"\n'
    first = night(tmp_path, settings)
    told = zip(("gone", "b.csv", "c.csv"), first.failed, strict=True)
    assert all(name in failure for name, failure in told)
    assert first.rows["accepted"] == 2
    second = night(tmp_path, settings)
    assert (len(second.failed), second.rows["in"]) == (3, 0)


def test_a_file_whose_name_is_no_text_fails_alone(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    for name in (b"a.csv", b"caf\xe9.csv", b"d.csv"):
        (folder / os.fsdecode(name)).write_text(rows_of(name[:1].decode()))
    found = night(tmp_path, f'[[sources]]\nlocation = "{folder}"\n')
    (failure,) = found.failed
    assert r"caf\xe9.csv" in failure
    assert "UTF-8" in failure
    assert found.rows["accepted"] == 2


def test_a_file_with_rows_of_the_future_is_read_again_until_they_are_past(tmp_path: Path) -> None:
    ahead = START_S + 5 * 86_400
    (tmp_path / "a.csv").write_text(rows_of("a") + f"a,cpu_util_pct,{ahead},2\n")
    settings = f'[[sources]]\nlocation = "{tmp_path}/a.csv"\n'
    rows = [night(tmp_path, settings, START_US + day * DAY_US).rows for day in (0, 1, 6, 7)]
    assert [one["in"] for one in rows] == [2, 2, 2, 0]
    assert [one["accepted"] for one in rows] == [1, 0, 1, 0]


def test_a_file_with_rows_that_no_run_will_see_is_not_read_again(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(rows_of("a") + "a,cpu_util_pct,9999-12-31T00:00:00Z,2\n")
    settings = f'[[sources]]\nlocation = "{tmp_path}/a.csv"\n'
    rows = [night(tmp_path, settings, START_US + day * DAY_US).rows for day in (0, 1)]
    assert [(one["in"], one["quarantined"]) for one in rows] == [(2, 1), (0, 0)]


def test_the_ledger_is_read_once_a_source_and_copies_are_one_content(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    for name, host in (("a", "a"), ("b", "b"), ("copy of a", "a"), ("d", "d")):
        (folder / f"{name}.csv").write_text(rows_of(host))
    read, ledger = [], Store.ledger
    monkeypatch.setattr(Store, "ledger", lambda store: read.append(store) or ledger(store))
    settings = f'[[sources]]\nlocation = "{folder}"\n'
    assert [night(tmp_path, settings).rows["in"] for _ in range(2)] == [3, 0]
    assert len(read) == 2


@pytest.mark.parametrize("name", ["tab", "\\t"])
def test_a_source_may_name_the_delimiters_that_the_option_takes(name: str, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(rows_of("a").replace(",", "\t"))
    found = night(tmp_path, f'[[sources]]\nlocation = "{tmp_path}/a.csv"\ndelimiter = {json.dumps(name)}\n')
    assert (found.failed, found.rows["accepted"]) == ([], 1)


@pytest.mark.parametrize(
    ("setting", "told"),
    [
        ('encoding = "none-such"', "--encoding must name a text encoding"),
        ('delimiter = "ab"', "--delimiter must be one"),
        ('metric = "m"', "--metric names one metric"),
        ('format = "influx"\nmap = {ts = "when"}', "label to map must be a known name"),
    ],
)
def test_settings_that_do_not_fit_one_source_fail_it_alone(setting: str, told: str, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(f"host,ts,cpu,mem\na,{START_S},1,2\n")
    (tmp_path / "b.csv").write_text(rows_of("b"))
    sources = (f'{tmp_path}/a.csv"\n{setting}', f'{tmp_path}/b.csv"')
    found = night(tmp_path, "".join(f'[[sources]]\nlocation = "{one}\n' for one in sources))
    (failure,) = found.failed
    assert told in failure
    assert f"{tmp_path}/a.csv" in failure
    assert found.rows["accepted"] == 1


def test_a_night_does_not_wait_for_a_pipe(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "b.csv").write_text(rows_of("b"))
    sources = "".join(f'[[sources]]\nlocation = "{tmp_path}/{name}"\n' for name in ("pipe", "b.csv"))
    found = night(tmp_path, sources)
    assert "got a named pipe" in found.failed[0]
    assert found.rows["accepted"] == 1


def test_a_directory_of_samples_may_hold_the_store_the_limits_and_the_settings(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(rows_of("a"))
    (tmp_path / "limits.csv").write_text("host,metric,capacity,valid_from\na,cpu_util_pct,4,2026-01-01\n")
    other = tmp_path / "sub" / "another"
    Store.create(other, created_us=START_US).close()
    (other / "samples.csv").write_text(rows_of("b"))
    settings = f'[store]\npath = "store"\n[[sources]]\nlocation = "."\n[[sources]]\nlocation = "{other}"\n'
    taken = night(tmp_path, settings)
    assert (taken.rows["in"], taken.rows["accepted"]) == (1, 1)
    (failure,) = taken.failed
    assert "got a store of capforecast" in failure
    with Store.open(tmp_path / "store") as store:
        assert store.watermark_us() == START_US


def test_a_file_of_the_settings_counts_where_it_is_named_and_one_of_its_name_elsewhere_does(tmp_path: Path) -> None:
    for name in ("limits.csv", "sub/limits.csv", "sub/capforecast.toml"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(rows_of("a"))
    (tmp_path / "capforecast.toml").write_text("")
    config = load(tmp_path / "capforecast.toml", environ={})
    assert files_of(str(tmp_path), config) == [str(tmp_path / "sub" / n) for n in ("capforecast.toml", "limits.csv")]
    assert files_of(str(tmp_path / "limits.csv"), config) == [str(tmp_path / "limits.csv")]
