"""What sysstat, collectd and Zabbix leave behind: text, data files, directories, dumps."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from source_files import COMPRESS, START_S, START_US, load, write
from source_formats import SADF, with_sadf

from capforecast.errors import SourceError
from capforecast.sources import Batch, ReadOptions, sysstat_binary
from capforecast.sources.content import head
from capforecast.sources.recognise import choose, resolve

DATA = b"\x96\xd5# hostname;interval;timestamp;CPU;%idle\nh;60;1704067200;-1;97.5\nh;-1;1704067200;LINUX-RESTART\t(2)\n"


def rows(found: Batch, *columns: str) -> list[tuple[object, ...]]:
    return found.rows.select(columns or ("host", "metric", "instance", "value")).rows()


# --- sar ----------------------------------------------------------------------------------------

SAR = """Linux 6.1.0 (db-1) \t{date} \t_x86_64_\t(2 CPU)

{pm}        CPU     %user     %idle
{pm}        all      1.50     98.50
{am}        all      2.50     97.50
Average:        all      2.00     98.00

{pm}    LINUX RESTART\t(2 CPU)

{pm}     MBfsused   %fsused FILESYSTEM
{pm}          100     10.00 /mnt/two words
"""


def test_the_text_of_sar_passes_midnight(tmp_path: Path) -> None:
    for pm, am in (("23:50:01", "00:00:01"), ("11:50:01 PM", "12:00:01 AM")):
        found = load(write(tmp_path / "s", SAR.format(date="2023-12-31", pm=pm, am=am)))
        assert rows(found) == [
            ("db-1", "cpu_user_pct", "all", 1.5), ("db-1", "cpu_idle_pct", "all", 98.5),
            ("db-1", "cpu_user_pct", "all", 2.5), ("db-1", "cpu_idle_pct", "all", 97.5),
            ("db-1", "disk_used_bytes", "/mnt/two words", 100.0), ("db-1", "disk_used_pct", "/mnt/two words", 10.0),
        ]  # fmt: skip
        assert found.rejects.is_empty()
        before, after = START_US - 599_000_000, START_US + 1_000_000
        assert found.rows["ts"].to_list() == [before, before, after, after, before, before]


@pytest.mark.parametrize(
    ("date", "days"),
    [
        ("12/31/23", 0),
        ("31/12/2023", 0),
        ("31.12.2023", 0),
        ("2024/01/01", 1),
        ("01/01/24", 1),
        ("02/01/24", None),
        ("02/01/2024", None),
    ],
)
def test_a_date_of_sar_that_could_be_of_two_days_is_refused(tmp_path: Path, date: str, days: int | None) -> None:
    path = write(tmp_path / "s", SAR.format(date=date, pm="10:00:00", am="10:10:00"))
    if days is None:
        year = "%y" if date.endswith("/24") else "%Y"
        with pytest.raises(SourceError, match=f"--time-format %m/%d/{year} .*%d/%m/{year} "):
            load(path)
        assert load(path, time_format=f"%d/%m/{year}").rows["ts"].min() == START_US + 86_400_000_000 + 36_000_000_000
    else:
        assert load(path).rows["ts"].min() == START_US + (days - 1) * 86_400_000_000 + 36_000_000_000


def test_rows_that_fit_no_header_are_rejects(tmp_path: Path) -> None:
    lines = ["10:00:00 all 1 2 3", "25:00:00 all 1 2", "noon all 1 2", "13:00:00 PM all 1 2"]
    text = SAR.format(date="2023-12-31", pm="10:00:00", am="10:10:00") + "10:00:00 CPU %user %idle\n" + "\n".join(lines)
    found = load(write(tmp_path / "s", text))
    assert found.rejects["raw"].to_list() == lines


def test_local_times_of_sar_are_of_the_zone(tmp_path: Path) -> None:
    path = write(tmp_path / "s", SAR.format(date="2024-03-31", pm="02:30:00", am="03:30:00"))
    found = load(path, timezone="Europe/Berlin")
    assert set(found.rows["ts"]) == {1_711_848_600_000_000}
    assert "skipped by a clock change" in found.rejects["reason"][0]


# --- data files ---------------------------------------------------------------------------------


@pytest.mark.parametrize("ending", sorted(COMPRESS))
@pytest.mark.parametrize("name", ["sa01", "-rf", "$(touch x)", "a;b"])
def test_data_files_go_through_sadf_and_names_are_data(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, ending: str
) -> None:
    with_sadf(tmp_path, monkeypatch)
    monkeypatch.chdir(tmp_path)
    write(tmp_path / name, COMPRESS[ending](DATA))
    found = load(name)
    assert rows(found) == [("h", "cpu_idle_pct", "all", 97.5)]
    assert found.rejects.is_empty()
    assert {name, "programs"} == set(os.listdir(tmp_path))


def test_without_sadf_the_error_names_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SourceError, match=r"sadf, which must be installed.*package sysstat"):
        load(write(tmp_path / "sa01", DATA))


def test_what_sadf_says_of_a_file_it_cannot_read_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with_sadf(tmp_path, monkeypatch, "#!/bin/sh\necho 'Invalid system activity file' >&2\nexit 3\n")
    with pytest.raises(SourceError, match=r"exit code 3.*Invalid system activity file.*sadf -c"):
        load(write(tmp_path / "sa01", DATA))


def test_sadf_is_ended_after_its_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with_sadf(tmp_path, monkeypatch, "#!/bin/sh\nexec sleep 600\n")
    monkeypatch.setattr(sysstat_binary, "TIME_LIMIT_S", 0.2)
    with pytest.raises(SourceError, match=r"within 0\.2 seconds"):
        load(write(tmp_path / "sa01", DATA))


def test_a_data_file_of_this_machine_is_read(tmp_path: Path) -> None:
    collector = next((p for p in ("/usr/lib/sysstat/sadc", "/usr/lib64/sa/sadc") if os.path.exists(p)), None)
    if collector is None or shutil.which("sadf") is None:
        pytest.skip("sysstat is not installed")
    path = tmp_path / "sa"
    subprocess.run([collector, "-S", "XALL", "1", "2", str(path)], check=True, timeout=60)
    assert choose(str(path), head(str(path)), ReadOptions()) == "sysstat"
    found = load(path)
    assert {"cpu_idle_pct", "mem_used_pct", "load_1", "disk_used_pct"} <= set(found.rows["metric"])
    assert found.rejects.is_empty()
    assert not found.rows.select("host", "metric", "instance", "ts").is_duplicated().any()


# --- collectd -----------------------------------------------------------------------------------


def test_a_directory_of_collectd_is_read_file_by_file(tmp_path: Path) -> None:
    texts = {
        "db-1/df-var/df_complex-used-2024-01-01": f"epoch,value\n{START_S}.000,5.000000\n{START_S}.5,nan\n",
        "db-1/interface-eth0/if_octets-2024-01-01": f"epoch,rx,tx\n{START_S},10,20\n{START_S},1,\nx,1,2\n",
        "db-1/load/load-2024-01-01": f"epoch,shortterm,midterm,longterm\n{START_S},0.10,0.20,0.30\n",
    }
    for name, text in texts.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        write(tmp_path / name, text)
    files = resolve(str(tmp_path))
    assert [choose(f, head(f), ReadOptions()) for f in files] == ["collectd"] * 3
    used, octets, load_ = (load(file) for file in files)
    assert rows(used, "host", "metric", "instance", "unit", "nature")[0] == (
        "db-1", "disk_used_bytes", "var", "byte", "gauge",
    )  # fmt: skip
    assert rows(octets, "metric", "instance", "value", "nature") == [
        ("interface.if_octets.rx", "eth0", 10.0, "counter"),
        ("interface.if_octets.tx", "eth0", 20.0, "counter"),
        ("interface.if_octets.rx", "eth0", 1.0, "counter"),
    ]
    assert octets.rejects["line"].to_list() == [3, 4]
    assert load_.rows["metric"].to_list() == ["load_1", "load_5", "load_15"]


# --- Zabbix -------------------------------------------------------------------------------------

ITEM = {"itemid": "7", "key_": "vfs.fs.size[/var,pused]", "units": "%", "hosts": [{"hostid": "1", "host": "db-1"}]}
FOUND = [("db-1", "disk_used_pct", "/var", 81.5)]


def test_items_name_the_values_that_follow(tmp_path: Path) -> None:
    history = {"itemid": "7", "clock": str(START_S), "value": "81.5", "ns": "500000000"}
    answers = [{"jsonrpc": "2.0", "result": result, "id": 1} for result in ([ITEM], [history])]
    found = load(write(tmp_path / "z.json", "\n".join(map(json.dumps, answers))))
    assert (rows(found), found.rows["ts"][0]) == (FOUND, START_US + 500_000)
    alone = load(write(tmp_path / "z.json", json.dumps(answers[1])), host="h")
    assert rows(alone) == [("h", "item.7", "", 81.5)]
    trend = {"itemid": "7", "clock": START_S, "num": 60, "value_min": 1, "value_avg": 2, "value_max": 3}
    assert rows(load(write(tmp_path / "z.json", json.dumps([trend]))))[0][3] == 2.0


def test_lines_of_the_real_time_export(tmp_path: Path) -> None:
    line = {"host": {"host": "db-1", "name": "DB"}, "itemid": 7, "name": "Load", "clock": START_S, "ns": 0, "value": 2}
    text = "".join(json.dumps({**line, **more}) + "\n" for more in ({}, {"value": "text"}))
    found = load(write(tmp_path / "history-history-syncer-1.ndjson", text))
    assert (rows(found), found.rejects.height) == ([("db-1", "Load", "", 2.0)], 1)


POSTGRES = f"""--
-- PostgreSQL database dump
--
SET statement_timeout = 0;
COPY public.hosts (hostid, proxyid, host, name) FROM stdin;
1\t\\N\tdb-1\tDB
\\.
COPY public.items (itemid, hostid, key_, units) FROM stdin;
7\t1\tvfs.fs.size[/var,pused]\t%
\\.
COPY public.history (itemid, clock, value, ns) FROM stdin;
7\t{START_S}\t81.5\t0
7\t{START_S}
\\.
COPY public.users (userid, name) FROM stdin;
1\tAdmin
\\.
"""
MYSQL = (
    "-- MySQL dump\nINSERT INTO `hosts` (`hostid`,`host`) VALUES (1,'db-1');\n"
    "INSERT INTO `items` (`itemid`,`hostid`,`key_`,`units`) VALUES (7,1,'vfs.fs.size[/var,pused]','%'),"
    "(8,1,'a\\'b(,;)',NULL);\n"
    f"INSERT INTO `history` VALUES (7,{START_S},81.5,0),(8,{START_S},'x',0);\n"
)


def test_dumps_and_tables(tmp_path: Path) -> None:
    found = load(write(tmp_path / "z.sql", POSTGRES))
    assert (rows(found), found.rejects["line"].to_list()) == (FOUND, [13])
    found = load(write(tmp_path / "z.sql", MYSQL))
    assert (rows(found), found.rejects["reason"].to_list()) == (FOUND, ["value is not a number"])
    for delimiter in ",;\t|":
        text = f"itemid,clock,num,value_min,value_avg,value_max\n7,{START_S},60,1,2.5,3\n7,x,1,1,1,1\n7\n"
        found = load(write(tmp_path / "t.csv", text.replace(",", delimiter)))
        assert (rows(found), found.rejects["line"].to_list()) == ([("t", "item.7", "", 2.5)], [3, 4])


@pytest.mark.parametrize("tail", ["(" + "''" * 3_000, "(1,2,'" + "\\'" * 3_000, "(" * 3_000, "('a' 'b',2,3,4);"])
def test_inserts_that_never_end_are_told_soon(tmp_path: Path, tail: str) -> None:
    first = MYSQL.splitlines()[-1].partition(",(8,")[0]
    found = load(write(tmp_path / "z.sql", f"{first},{tail}\n"))
    assert (found.rows.height, found.rejects.height) == (1, 1)


def test_the_stand_in_for_sadf_is_called_as_the_real_one() -> None:
    assert '"$1 $2 $4" = "-d -U --"' in SADF
