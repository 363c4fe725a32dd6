"""What the commands do, on the small sample of data/ and a short demonstration."""

from __future__ import annotations

import gzip
import json
import os
import shutil
from datetime import UTC, date, datetime, timedelta
from importlib import import_module
from pathlib import Path

import polars as pl
import pytest
from click.testing import CliRunner, Result

import capforecast
from capforecast.cli import main
from capforecast.cli.files import csv_text, jsonl_text
from capforecast.errors import LockedError
from capforecast.schema import BREACHES, TABLES

DATA = Path(__file__).parents[1] / "data"
AS_OF = "2026-05-20"


def call(*arguments: object, stdin: str | None = None) -> Result:
    result = CliRunner().invoke(main, [str(a) for a in arguments], prog_name="capforecast", input=stdin)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with settings, limits, samples and a store with one run."""
    folder = tmp_path_factory.mktemp("project")
    for name in ("samples.csv", "limits.csv"):
        shutil.copy(DATA / name, folder / name)
    (folder / "capforecast.toml").write_text('[[sources]]\nlocation = "samples.csv"\n', encoding="utf-8")
    result = call("run", "--config", folder / "capforecast.toml", "--as-of", AS_OF)
    assert result.exit_code == 0, result.stderr
    sums = result.stdout.splitlines()[:2]
    assert sums[0].endswith(" UTC: 9 series")
    assert sums[1].endswith(" errors, 0 stale")
    assert max(map(len, sums)) < 80
    return folder


@pytest.fixture
def with_project(project: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The same, as the current directory."""
    monkeypatch.chdir(project)
    return project


def test_run_makes_the_store_and_publishes(with_project: Path) -> None:
    """Settings and store are found in the current directory; the paths that are printed are there."""
    first = json.loads(call("run", "--as-of", AS_OF, "--json").stdout)
    again = json.loads(call("run", "--as-of", AS_OF, "--json").stdout)
    assert first == again
    assert first["rows_quarantined"] == 0
    assert set(first["published"]) == {"report.html", *(f"{name}.parquet" for name in TABLES)}
    assert all(Path(path).is_file() for path in first["published"].values())


def test_run_without_words_prints_nothing(with_project: Path) -> None:
    """A night that went well sends no mail."""
    result = call("run", "--as-of", AS_OF, "--quiet")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "")


@pytest.fixture
def copied(with_project: Path, tmp_path: Path) -> Path:
    """A store for runs as of other moments, which would be the latest ones of the store of all tests."""
    return Path(shutil.copytree(with_project / "capforecast-store", tmp_path / "store"))


def test_a_night_without_samples_is_told_also_with_quiet(copied: Path) -> None:
    """Collection that died must not look like a fleet that is well."""
    result = call("run", "--store", copied, "--as-of", "2026-11-01", "--quiet")
    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr.startswith("Warning: all ")
    assert result.stderr.count("\n") == 1


def test_a_run_names_the_files_that_hold_it(copied: Path) -> None:
    """One as of an earlier moment than the latest lies in history alone."""
    assert call("run", "--store", copied, "--as-of", AS_OF, "--quiet").exit_code == 0
    earlier = json.loads(call("run", "--store", copied, "--as-of", "2026-05-10", "--json").stdout)
    paths = earlier["published"]
    assert {Path(path).parent.parent.name for path in paths.values()} == {"run_date=2026-05-10"}
    held = pl.read_parquet(paths["run.parquet"])
    assert held["run_id"].to_list() == [earlier["run_id"]]


def test_run_says_where_the_time_went_when_asked(with_project: Path) -> None:
    """With --verbose: on stderr for people, in the JSON for programs; nothing of it otherwise."""
    told = call("run", "--as-of", AS_OF, "--json", "--verbose")
    seconds = json.loads(told.stdout)["seconds"]
    assert {"read", "panel", "kernels", "breach", "tables", "write", "all"} <= set(seconds)
    assert f"all {seconds['all']:.1f}" in told.stderr
    assert "seconds" not in json.loads(call("run", "--as-of", AS_OF, "--json").stdout)


def test_fail_on_is_exit_3_only_when_it_is_met(with_project: Path) -> None:
    """The severity that is named and all that is worse."""
    ranks = pl.read_parquet("capforecast-store/reports/latest/breaches.parquet").get_column("severity_rank")
    for rank, severity in enumerate(("critical", "high", "medium", "low"), start=1):
        expected = 3 if (ranks <= rank).any() else 0
        assert call("run", "--as-of", AS_OF, "--fail-on", severity, "-q").exit_code == expected


def test_a_source_that_fails_is_exit_4_and_the_rest_is_published(project: Path, tmp_path: Path) -> None:
    """One bad source stops nothing."""
    path = tmp_path / "capforecast.toml"
    path.write_text(
        f'[limits]\nfile = "{project}/limits.csv"\n[[sources]]\nlocation = "gone.csv"\n'
        f'[[sources]]\nlocation = "{project}/samples.csv"\n',
        encoding="utf-8",
    )
    result = call("run", "--config", path, "--as-of", AS_OF, "--json", "--quiet")
    assert result.exit_code == 4
    facts = json.loads(result.stdout)
    assert facts["sources_failed"] == 1
    assert "gone.csv" in facts["failed_sources"][0]
    assert facts["series"] == 9
    assert result.stderr.startswith("Warning: 1 source could not be read (")
    assert "gone.csv" in result.stderr
    assert result.stderr.count("\n") == 1


def test_rows_in_quarantine_are_counted_on_stderr_also_with_quiet(tmp_path: Path) -> None:
    """The exit code 4 never comes without its reason."""
    bad = tmp_path / "bad.csv"
    shutil.copy(DATA / "samples.csv", bad)
    with bad.open("a", encoding="utf-8") as file:
        file.write("web-01,cpu_util_pct,,never,1,percent\n")
    (tmp_path / "capforecast.toml").write_text('[[sources]]\nlocation = "bad.csv"\n', encoding="utf-8")
    result = call("run", "--config", tmp_path / "capforecast.toml", "--as-of", AS_OF, "--quiet")
    folder = tmp_path / "capforecast-store" / "quarantine"
    why = f'1 x "time is not an ISO 8601 time", first at {bad}:3026'
    said = f"Warning: 1 row quarantined ({why}), with reasons in {folder}\n"
    assert (result.exit_code, result.stdout, result.stderr) == (4, "", said)
    assert folder.is_dir()


def test_a_source_that_cannot_be_read_stops_no_other(tmp_path: Path) -> None:
    """A damaged and a missing file are named once, the others are taken; exit 1 when none could be."""
    good, damaged = DATA / "samples.csv", tmp_path / "damaged.csv.gz"
    damaged.write_bytes(gzip.compress(good.read_bytes())[:2000])
    store = ("--store", tmp_path / "store")
    result = call("ingest", tmp_path / "gone.csv", damaged, good, *store, "--json")
    assert result.exit_code == 4
    facts = json.loads(result.stdout)
    assert [(one["source"], one["accepted"]) for one in facts["sources"]] == [(str(good), 3024)]
    assert len(facts["failed_sources"]) == 2
    first, *each = result.stderr.splitlines()
    assert first == "Warning: 2 sources could not be read, told below"
    assert [(line[:2], name in line) for line, name in zip(each, ("gone.csv", "damaged.csv.gz"), strict=True)] == [
        ("  ", True)
    ] * 2
    none = call("ingest", tmp_path / "gone.csv", damaged, *store, "--quiet")
    assert (none.exit_code, none.stdout) == (1, "")
    assert none.stderr.startswith("Error: 2 sources could not be read, told below\n")


def test_of_many_sources_that_fail_some_are_told_and_the_others_counted(tmp_path: Path) -> None:
    """Each on a line of its own, however many a directory has."""
    names = [f"{number:02d}.txt" for number in range(13)]
    for name in names:
        (tmp_path / name).write_text("words that are no table\n", encoding="utf-8")
    result = call("ingest", tmp_path, "--store", tmp_path / "store")
    first, *each = result.stderr.splitlines()
    assert (result.exit_code, first) == (1, "Error: 13 sources could not be read, told below")
    assert [name in line for name, line in zip(names, each, strict=False)] == [True] * 10 + [False]
    assert each[-1] == "  3 more"
    assert result.stderr.count("Readable are CSV") == 1


def test_the_most_frequent_reason_is_told_with_its_first_place(tmp_path: Path) -> None:
    """Nobody has to open the quarantine to learn what it is about; programs get all reasons."""
    header = "host,metric,ts,value"
    (tmp_path / "a.csv").write_text(
        f"{header}\nb,cpu_pct,2026-05-01T00:00:00Z,1\nb,cpu_pct,never,1\n", encoding="utf-8"
    )
    rows = [f"a,cpu_pct,2026-05-01T0{hour}:00:00Z,{'x' if hour % 2 else hour}" for hour in range(6)]
    (tmp_path / "b.csv").write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    result = call("ingest", tmp_path, "--store", tmp_path / "store", "--json")
    why = f'3 x "value is not a number", first at {tmp_path}/b.csv:3; 1 for 1 other reason'
    assert result.stderr == f"Warning: 4 rows quarantined ({why}), with reasons in {tmp_path}/store/quarantine\n"
    told = [one["reasons"] for one in json.loads(result.stdout)["sources"]]
    assert told == [{"time is not an ISO 8601 time": 1}, {"value is not a number": 3}]


def test_an_ingest_that_the_store_stops_tells_what_was_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was reported stays in the store."""
    from capforecast.cli import intake

    whole, calls = intake.ingest_sources, []

    def second_time_busy(*arguments: object, **options: object) -> object:
        calls.append(arguments)
        if len(calls) == 2:
            raise LockedError("the lock of the store must be free", got="held by process 1")
        return whole(*arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(intake, "ingest_sources", second_time_busy)
    result = call("ingest", DATA / "samples.csv", DATA / "samples.csv", "--store", tmp_path / "store")
    assert result.exit_code == 75
    assert result.stdout.count("3024 accepted") == 1
    assert result.stderr == "Error: the lock of the store must be free; got held by process 1\n"


def test_ingest_counts_every_row_and_is_exit_4_with_quarantine(tmp_path: Path) -> None:
    """Rows in are accepted, duplicate or quarantined; a second time nothing is new."""
    text = "vm,metric,ts,value\na,cpu_pct,2026-05-01T00:00:00Z,1\na,cpu_pct,never,1\n"
    store = tmp_path / "store"
    result = call("ingest", "-", "--map", "host=vm", "--store", store, "--json", stdin=text)
    assert result.exit_code == 4
    assert json.loads(result.stdout)["sources"] == [
        {"source": "-", "rows_in": 2, "accepted": 1, "duplicate": 0, "conflict": 0,
         "quarantined": 1, "reasons": {"time is not an ISO 8601 time": 1}, "warnings": []}
    ]  # fmt: skip
    good = tmp_path / "good.csv"
    good.write_text("host,metric,ts,value\na,cpu_pct,2026-05-01T00:00:00Z,1\n", encoding="utf-8")
    result = call("ingest", good, "--store", store)
    assert result.exit_code == 0
    assert result.stdout == f"{good}: 1 row in: 0 accepted, 1 duplicate, 0 quarantined\n"


def test_columns_left_out_and_values_that_gave_way_are_told_by_what_takes_files(tmp_path: Path) -> None:
    """Files alike are told in one line; --quiet tells neither."""
    lines = [f"a,x,2026-05-{day:02d},{day},much" for day in range(1, 21)]
    for name, more in (("one.csv", []), ("two.csv", []), ("three.csv", ["a,x,2026-05-01,7,more"])):
        text = "\n".join(["host,team,ts,load,used", *lines, *more])
        (tmp_path / name).write_text(text + "\n", encoding="utf-8")
    one, two, three = (tmp_path / name for name in ("one.csv", "two.csv", "three.csv"))
    role = "are left out; --map gives one a role, such as instance=team"
    told = f"Note: {one}: the columns 'team', 'used' {role}\n"
    result = call("ingest", one, two, "--store", tmp_path / "store")
    assert result.exit_code == 0
    assert result.stderr == told.replace(f"{one}:", f"{one} and 1 more file:")
    result = call("ingest", three, "--store", tmp_path / "store")
    gave_way = "1 duplicate has another value than the sample of that series and time; the larger value stays"
    assert result.stderr == told.replace("one.csv", "three.csv") + f"Note: {three}: {gave_way}\n"
    assert call("ingest", one, "--store", tmp_path / "other", "--quiet").stderr == ""
    facts = json.loads(call("ingest", three, "--store", tmp_path / "third", "--json").stdout)
    assert facts["columns_left_out"] == {str(three): ["team", "used"]}
    assert facts["sources"][0]["conflict"] == 1
    assert told in call("lint", one).stderr
    assert told in call("forecast", one, "--step", "1d", "--horizon", "2d").stderr


def test_a_store_that_another_holds_is_exit_75(tmp_path: Path, project: Path) -> None:
    """The message says who; --wait waits no longer than it was told."""
    store = tmp_path / "store"
    shutil.copytree(project / "capforecast-store", store)
    with capforecast.Store.open(store, writable=True):
        result = call("run", "--store", store, "--as-of", AS_OF, "--wait", "0.1")
    assert result.exit_code == 75
    assert result.stderr.count("\n") == 1
    assert call("run", "--store", store, "--as-of", AS_OF).exit_code == 0


def test_status_says_what_is_there(with_project: Path) -> None:
    """As text and as JSON."""
    facts = json.loads(call("status", "--json").stdout)
    assert facts["series"] == 9
    assert facts["rows_in"] == facts["rows_accepted"] + facts["rows_duplicate"] + facts["rows_quarantined"]
    assert facts["last_run"]["as_of"] == "2026-05-20T00:00:00Z"
    assert "last run" in call("status").stdout


def test_status_and_run_count_renamed_series_alike(tmp_path: Path) -> None:
    """Three series in the store, two of them one: status says why a run tells of two."""
    store, settings = tmp_path / "store", tmp_path / "capforecast.toml"
    days = [(datetime(2026, 5, 1, tzinfo=UTC) + timedelta(hours=h)).isoformat() for h in range(0, 480, 6)]
    lines = [f"{host},cpu_util_pct,{day},{i % 50}" for i, day in enumerate(days) for host in ("b", "ac"[i > 40])]
    text = "\n".join(["host,metric,ts,value", *lines])
    settings.write_text('[[renames]]\nold = "a"\nnew = "c"\nat = 2026-05-11T06:00:00Z\n', encoding="utf-8")
    options = ("--store", store, "--config", settings)
    assert call("ingest", "-", *options, stdin=text).exit_code == 0
    assert call("run", *options, "--as-of", days[-1]).exit_code == 0
    facts = json.loads(call("status", *options, "--json").stdout)
    told = call("status", *options).stdout.splitlines()

    assert (facts["series"], facts["series_renamed"]) == (3, 1)
    assert pl.read_parquet(store / "reports/latest/run.parquet").item(0, "series") == 2
    assert "3, of which 1 went on under a new name and are told under that" in " ".join(told[1].split())


def test_status_says_how_past_predictions_did(with_project: Path, tmp_path: Path) -> None:
    """The sentence of the report, a line a month and horizon, and all numbers with --json."""
    store = tmp_path / "store"
    shutil.copytree("capforecast-store", store)
    before = json.loads(call("status", "--store", store, "--json").stdout)["record"]
    assert before == {"sentence": "No prediction has fallen due yet; the next will on 2026-05-27.", "months": []}
    assert call("run", "--store", store, "--as-of", "2026-05-13").exit_code == 0
    assert call("run", "--store", store, "--as-of", AS_OF, "--model", "trend").exit_code == 0
    record = json.loads(call("status", "--store", store, "--json").stdout)["record"]
    text = call("status", "--store", store).stdout.splitlines()
    rolling, month = record["months"]

    assert "for the next 7 days that fell due in the last 30 nights" in record["sentence"]
    assert (rolling["period"], month["period"], month["horizon_days"]) == ("last_30d", "2026-05", 7)
    assert month["predictions"] == sum(one["predictions"] for one in month["reliability"]) > 0
    at = text.index(record["sentence"])
    known = month["predictions"] - month["predictions_averted"] - month["predictions_unknown"]
    assert known == month["predictions_known"] == sum(one["predictions_known"] for one in month["reliability"])
    assert text[at + 1].split()[:5] == ["due", "in", "ahead", "predictions", "known"]
    assert text[at + 2].split()[:5] == ["2026-05", "7", "d", f"{month['predictions']:,}", f"{known:,}"]
    assert record["sentence"] in call("report", "--store", store, "--format", "html").stdout
    assert record["sentence"] in call("report", "--store", store, "--format", "md").stdout.replace("\\", "")
    (store / "reports/latest/run.parquet").unlink()
    shutil.rmtree(store / "reports/history")
    lost = json.loads(call("status", "--store", store, "--json").stdout)
    assert lost["record"]["sentence"].startswith("The record cannot be read: every data file of the store")
    assert lost["series"] == 9


@pytest.mark.parametrize("name", ["table", "html", "csv", "jsonl", "md", "xlsx", "parquet"])
def test_report_renders_every_format_to_a_file_and_to_stdout(with_project: Path, tmp_path: Path, name: str) -> None:
    """The same bytes both ways (a workbook carries its own time)."""
    output = tmp_path / f"out.{name}"
    result = call("report", "--format", name, "--output", output)
    assert (result.exit_code, result.stdout) == (0, "")
    printed = call("report", "--format", name).stdout_bytes
    assert len(printed) > 100
    if name != "xlsx":
        assert printed == output.read_bytes()


@pytest.mark.parametrize(("ending", "name"), [("html", "html"), ("MD", "md"), ("txt", "table"), ("jsonl", "jsonl")])
def test_the_ending_of_the_output_names_the_format(with_project: Path, tmp_path: Path, ending: str, name: str) -> None:
    """A format that is given comes first."""
    output = tmp_path / f"out.{ending}"
    assert call("report", "-o", output).exit_code == 0
    assert output.read_bytes() == call("report", "--format", name).stdout_bytes
    assert call("report", "-o", output, "--format", "csv").exit_code == 0
    assert output.read_bytes() == call("report", "--format", "csv").stdout_bytes


def test_report_keeps_the_order_of_the_table_and_takes_other_tables(with_project: Path) -> None:
    """CSV has the columns of the schema."""
    assert call("report", "--json", "--table", "run").stdout.count("\n") == 1
    lines = call("report", "--format", "csv", "--top", "2").stdout.splitlines()
    assert lines[0].split(",") == list(BREACHES.names)
    assert len(lines) == 3
    assert len(call("report", "--format", "csv", "--table", "series").stdout.splitlines()) == 10
    run_id = json.loads(call("status", "--json").stdout)["last_run"]["run_id"]
    assert call("report", "--run", run_id).stdout == call("report").stdout
    assert call("report", "--run", "other").exit_code == 2


def test_forecast_of_a_host_is_a_chart_and_a_sentence_per_threshold(with_project: Path) -> None:
    """A mistyped host is answered with the nearest."""
    result = call("forecast", "db-02", "disk_used_bytes", "--as-of", AS_OF)
    assert result.exit_code == 0
    assert result.stdout.startswith("db-02 disk_used_bytes /data: ")
    assert "└" in result.stdout
    wrong = call("forecast", "db-2")
    assert wrong.exit_code == 2
    assert "Did you mean 'db-02'?" in wrong.stderr
    tables = json.loads(call("forecast", "db-02", "--json", "--as-of", AS_OF).stdout)
    assert {row["host"] for row in tables["breaches"]} == {"db-02"}


@pytest.mark.parametrize("width", [80, 100])
@pytest.mark.parametrize(
    "arguments",
    [
        "forecast db-02 disk_used_bytes",
        "backtest",
        "replay --since 7d --horizon 7d",
        "schema breaches",
        "schema record",
    ],
)
def test_no_line_is_wider_than_the_terminal(
    with_project: Path, monkeypatch: pytest.MonkeyPatch, arguments: str, width: int
) -> None:
    """Sentences, footers and meanings are folded; names of columns and tables stay whole."""
    monkeypatch.setenv("COLUMNS", str(width))
    result = call(*arguments.split())
    lines = f"{result.stdout}\n{result.stderr}".splitlines()
    assert [line for line in lines if len(line) > width] == []
    assert len(lines) > 5


def test_the_page_of_a_host_is_that_of_the_report(with_project: Path, tmp_path: Path) -> None:
    """One file, with the facts of the forecast; nothing is published."""
    before = call("status", "--json").stdout
    output = tmp_path / "page.html"
    result = call("forecast", "db-02", "--as-of", AS_OF, "--html", output, "--quiet")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "")
    page = output.read_text(encoding="utf-8")
    assert page.startswith("<!doctype html>")
    assert "db-02" in page
    assert "web-01" not in page
    assert "as_of from option, model pool" in page
    assert "2026-05-20 00:00 UTC" in page
    assert call("status", "--json").stdout == before


def test_pictures_of_a_host_are_one_file_per_series(with_project: Path, tmp_path: Path) -> None:
    """Most urgent first, told on stderr; explain draws the series that it explains."""
    output = tmp_path / "db-02.svg"
    result = call("forecast", "db-02", "--as-of", AS_OF, "--svg", output)
    assert (result.exit_code, result.stdout) == (0, "")
    names = [line.rpartition(": ")[0] for line in result.stderr.splitlines()]
    assert names == [str(output)] + [str(tmp_path / f"db-02-{i}.svg") for i in range(2, len(names) + 1)]
    first = output.read_text(encoding="utf-8")
    assert "<title>db-02  disk_used_bytes  /data</title>" in first
    drawn = tmp_path / "why.svg"
    result = call("explain", "db-02", "disk_used_bytes", "--as-of", AS_OF, "--svg", drawn, "--quiet")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "")
    assert drawn.read_text(encoding="utf-8") == first


def test_a_host_without_samples_before_the_moment_is_an_error(with_project: Path) -> None:
    """Silence would mean that all is well."""
    result = call("forecast", "db-02", "--as-of", "2001-01-01")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "must hold samples of 'db-02'" in result.stderr
    assert "none before 2001-01-01T00:00:00Z" in result.stderr


def test_the_chart_of_a_host_is_linear_in_days() -> None:
    """Weekly points of the past take as much room as the days between them."""
    from capforecast.cli.host import picture

    first = date(2026, 1, 1)
    past = [{"day": first + timedelta(days=7 * i), "actual": 50.0} for i in range(13)]
    future = [{"day": first + timedelta(days=85 + i), "q10": 49.0, "q50": 50.0, "q90": 51.0} for i in range(85)]
    days = pl.DataFrame([*past, *future], schema_overrides=dict.fromkeys(("actual", "q10", "q50", "q90"), pl.Float64))
    label = picture(days, {"full": 90.0}, "percent").splitlines()[-1]
    place = (label.index("now") - label.index("2026")) / (len(label) - label.index("2026"))
    assert 0.45 < place < 0.55


def wave(host: str, hours: int = 24 * 20) -> pl.DataFrame:
    start = datetime(2026, 5, 1, tzinfo=UTC)
    return pl.DataFrame(
        {
            "host": host,
            "metric": "cpu_util_pct",
            "ts": [start + timedelta(hours=i) for i in range(hours)],
            "value": [40.0 + 20.0 * (i % 24 >= 12) for i in range(hours)],
        }
    )


@pytest.mark.parametrize("ending", [".parquet", ".csv", ".jsonl"])
def test_forecast_of_a_file_needs_no_store(tmp_path: Path, ending: str) -> None:
    """One row per series and future step, with the quantiles that were asked for."""
    source, output = tmp_path / "in.parquet", tmp_path / f"out{ending}"
    wave("a").rename({"host": "vm"}).write_parquet(source)
    result = call(
        "forecast", source, "--step", "1h", "--horizon", "48h", "--quantiles", "0.25,0.75", "--map", "host=vm",
        "--output", output, "--store", tmp_path / "none",
    )  # fmt: skip
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", f"{output}: 48 rows\n")
    readers = {".parquet": pl.read_parquet, ".csv": pl.read_csv, ".jsonl": pl.read_ndjson}
    found = readers[ending](output)
    assert found.columns == ["host", "metric", "instance", "ts", "mean", "q0.25", "q0.75", "status"]
    assert found.height == 48
    assert list(tmp_path.glob(".out*")) == []


def test_numbers_of_csv_have_no_digits_of_the_machine() -> None:
    """644 is not told as 643.9999999999998; other formats keep every digit, as do large whole numbers here."""
    values = [643.9999999999998, 0.1 + 0.2, 1125899906842625.0, 1e-9, None]
    frame = pl.DataFrame({"value": values, "host": list("abcde")})
    assert csv_text(frame).split() == ["value,host", "644.0,a", "0.3,b", "1125899906842625.0,c", "1e-9,d", ",e"]
    assert json.loads(jsonl_text(frame).splitlines()[0])["value"] == values[0]


def test_forecast_of_a_file_without_output_is_csv_on_stdout(tmp_path: Path) -> None:
    """Data to stdout, and nothing on stderr."""
    source = tmp_path / "in.parquet"
    wave("a").write_parquet(source)
    result = call("forecast", source, "--step", "1d", "--horizon", "3d")
    assert result.exit_code == 0
    assert result.stdout.splitlines()[0] == "host,metric,instance,ts,mean,q0.1,q0.5,q0.9,status"
    assert result.stdout.splitlines()[1].split(",")[3] == "2026-05-21T00:00:00Z"
    assert result.stderr == ""


def test_forecast_of_a_file_says_why_rows_could_not_be_read(tmp_path: Path) -> None:
    """With exit 4 beside the forecast of the others; where no row could be, it is the error."""
    source = tmp_path / "de.csv"
    text = wave("a").write_csv(separator=";")
    source.write_text(text + "a;cpu_util_pct;2026-06-01T00:00:00Z;3,5\n", encoding="utf-8")
    why = f'(1 x "value has a decimal comma or grouped thousands (see --decimal)", first at {source}:482)'
    result = call("forecast", source, "--horizon", "1h")
    assert (result.exit_code, result.stderr) == (4, f"Warning: {source}: 1 row could not be read {why}\n")
    source.write_text("host;metric;ts;value\na;cpu_util_pct;2026-06-01T00:00:00Z;3,5\n", encoding="utf-8")
    result = call("forecast", source, "--horizon", "1h")
    why = why.replace(":482", ":2")
    said = f"Error: some row must be readable; got none of 1 {why}; in {source}\n"
    assert (result.exit_code, result.stdout, result.stderr) == (1, "", said)


def test_forecast_of_standard_input(with_project: Path) -> None:
    """A dash is a file; times in JSON end in Z, on stdout and in a file."""
    text = Path("samples.csv").read_text(encoding="utf-8")
    options = ("--step", "1h", "--horizon", "2h")
    result = call("forecast", "-", *options, "--json", stdin=text)
    assert result.exit_code == 0
    assert result.stdout.count("\n") == 18
    assert json.loads(result.stdout.splitlines()[0])["ts"] == "2026-05-20T00:00:00Z"
    assert call("forecast", "samples.csv", *options, "--output", "out.jsonl").exit_code == 0
    assert Path("out.jsonl").read_text(encoding="utf-8") == result.stdout


def test_a_host_with_a_file_of_its_name(with_project: Path) -> None:
    """With a metric behind it the host is meant, and a dotted name is no file."""
    Path("db-02").write_text("host,metric,ts,value\n", encoding="utf-8")
    try:
        host = call("forecast", "db-02", "cpu_util_pct", "--as-of", AS_OF)
        assert host.stdout.startswith("db-02 cpu_util_pct: ")
        assert "at least one sample" in call("forecast", "db-02").stderr
    finally:
        Path("db-02").unlink()
    assert "host must be a known name; got 'db-02.example.com'" in call("forecast", "db-02.example.com").stderr


def test_limits_that_cannot_be_read_are_a_configuration_error(project: Path, tmp_path: Path) -> None:
    """Exit 2 with file and line; nothing is published."""
    limits = tmp_path / "limits.csv"
    limits.write_text("host,metric,threshold_name,threshold\n*,*,full,-10%\n", encoding="utf-8")
    path = tmp_path / "capforecast.toml"
    path.write_text(f'[[sources]]\nlocation = "{project}/samples.csv"\n', encoding="utf-8")
    result = call("run", "--config", path, "--as-of", AS_OF)
    assert (result.exit_code, result.stdout) == (2, "")
    assert f"must not be negative; got '-10%'; in {limits}:2" in result.stderr


def test_an_output_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    """The directory is missing."""
    source = tmp_path / "in.parquet"
    wave("a").write_parquet(source)
    result = call("forecast", source, "--horizon", "2h", "--output", tmp_path / "no" / "out.csv")
    assert result.exit_code == 1
    assert "the output must be writable" in result.stderr


def test_replay_answers_every_case_in_order(with_project: Path, tmp_path: Path) -> None:
    """From a file and from the store, case by case the same."""
    cases = tmp_path / "cases.csv"
    cases.write_text(
        "case_id,host,metric,threshold,cutoff,horizon_s\n"
        "007,db-02,cpu_util_pct,99.9,2026-05-15T00:00:00Z,86400\n"
        "1,nobody,cpu_util_pct,80,2026-05-15,86400\n"
        "2,db-02,cpu_util_pct,0.5,2026-05-15,86400\n",
        encoding="utf-8",
    )
    result = call("replay", cases, "--input", "samples.csv")
    assert result.exit_code == 0
    rows = pl.read_csv(result.stdout_bytes, schema_overrides={"case_id": pl.String})
    assert rows.get_column("case_id").to_list() == ["007", "1", "2"]
    assert rows.get_column("status").to_list()[1] == "unknown_series"
    low, _, high = rows.get_column("p_breach").to_list()
    assert low < 0.5 < high
    assert call("replay", cases).stdout == result.stdout
    # So few hosts teach nothing, and the paths stand.
    assert call("replay", cases, "--input", "samples.csv", "--no-learning").stdout == result.stdout


def test_one_setting_says_whether_to_learn(with_project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """That of the nightly run holds for cases as well, and the option for them comes first."""
    cases = tmp_path / "cases.csv"
    cases.write_text("case_id,host,metric,threshold,cutoff,horizon_s\n1,db-02,cpu_util_pct,0.5,2026-05-15,86400\n")
    learned: list[int] = []

    def taught(known: pl.DataFrame, answers: object, *_: object) -> tuple[object, None]:
        learned.append(known.height)
        return answers, None

    monkeypatch.setattr(import_module("capforecast.replay"), "taught", taught)
    for setting, options, counts in ((True, (), [1]), (False, (), []), (False, ("--learning",), [1])):
        learned.clear()
        monkeypatch.setenv("CAPFORECAST_RUN_LEARNING", str(setting).lower())
        assert call("replay", cases, *options).exit_code == 0
        assert learned == counts


def test_learning_is_for_cases(with_project: Path) -> None:
    """The nights of the store are told by the paths alone, and the command says so."""
    result = call("replay", "--no-learning")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "--learning must go with CASES" in result.stderr


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "No such file"),
        ("case_id,host\n", "cases must have the columns"),
    ],
)
def test_cases_that_cannot_be_read_are_one_line(
    with_project: Path, tmp_path: Path, content: str | None, said: str
) -> None:
    """And exit 1."""
    cases = tmp_path / "cases.csv"
    if content is not None:
        cases.write_text(content, encoding="utf-8")
    result = call("replay", cases, "--input", "samples.csv")
    assert result.exit_code == 1
    assert said in result.stderr
    assert result.stderr.count("\n") == 1


def test_a_case_whose_cutoff_is_no_moment_stops_no_other(with_project: Path, tmp_path: Path) -> None:
    """Its status is error, and a line names it."""
    cases = tmp_path / "cases.csv"
    lines = ["case_id,host,metric,threshold,cutoff,horizon_s", "1,db-02,cpu_util_pct,80,soon,3600"]
    lines += ["2,db-02,cpu_util_pct,80,2026-05-15,3600"]
    cases.write_text("\n".join(lines) + "\n", encoding="utf-8")
    result = call("replay", cases, "--input", "samples.csv", "--json")
    assert result.exit_code == 0
    assert [json.loads(line)["status"] for line in result.stdout.splitlines()] == ["error", "ok"]
    assert result.stderr.startswith(f"Warning: {cases}, case 1: cutoff must be an ISO 8601 date or time; got 'soon'")
    assert result.stderr.count("\n") == 1


def test_the_columns_of_cases_and_samples_can_be_renamed(with_project: Path, tmp_path: Path) -> None:
    """In the cases, in the samples or in both; the cases come out under their own names."""
    row = "2,db-02,cpu_util_pct,99.9,2026-05-15,86400"
    (tmp_path / "plain.csv").write_text(f"case_id,host,metric,threshold,cutoff,horizon_s\n{row}\n", encoding="utf-8")
    (tmp_path / "other.csv").write_text(f"id,box,metric,level,at,ahead\n{row}\n", encoding="utf-8")
    samples = pl.read_csv("samples.csv")
    samples.rename({"host": "box"}).write_csv(tmp_path / "box.csv")
    expected = pl.read_csv(call("replay", tmp_path / "plain.csv", "--input", "samples.csv").stdout_bytes)
    names = ("--map", "case_id=id,threshold=level,cutoff=at,horizon_s=ahead,host=box")
    for source in (("--input", "samples.csv"), ("--input", tmp_path / "box.csv"), ()):
        result = call("replay", tmp_path / "other.csv", *source, *names)
        assert result.exit_code == 0, result.stderr
        found = pl.read_csv(result.stdout_bytes)
        assert found.columns[:6] == ["id", "box", "metric", "level", "at", "ahead"]
        assert found.rename(dict(zip(found.columns[:6], expected.columns[:6], strict=True))).equals(expected)
    (tmp_path / "series.csv").write_text(
        f"case_id,series_id,metric,threshold,cutoff,horizon_s\n{row}\n", encoding="utf-8"
    )
    for more in ((), ("--map", "host=series_id")):
        found = pl.read_csv(call("replay", tmp_path / "series.csv", *more).stdout_bytes)
        assert found.rename({"series_id": "host"}).equals(expected)


@pytest.mark.parametrize(
    ("mapping", "said"),
    [
        ("cutoff=at", "--map cutoff=... must name a column; got 'at' of case_id, host"),
        ("host=vm", "--map host=... must name a column, or its number from 0; got 'vm'; columns 0"),
        ("host=case_id", "--map host=... must not name a second column; got 'case_id' beside 'host'"),
    ],
)
def test_a_column_of_cases_that_is_not_there_is_named(
    with_project: Path, tmp_path: Path, mapping: str, said: str
) -> None:
    """In the cases where only they can have it, else in the samples."""
    cases = tmp_path / "cases.csv"
    cases.write_text("case_id,host,metric,threshold,cutoff,horizon_s\n", encoding="utf-8")
    result = call("replay", cases, "--input", "samples.csv", "--map", mapping)
    assert result.exit_code == 1
    assert said in result.stderr


def test_doctor_says_that_a_store_is_busy(project: Path) -> None:
    """Nothing is wrong with a store in which a run works; status names who holds it."""
    store = project / "capforecast-store"
    with capforecast.Store.open(store, writable=True):
        doctor, status = call("doctor", "--store", store, "--json"), call("status", "--store", store)
        report = call("report", "--store", store, "--format", "csv")
    assert doctor.exit_code == 75
    states = {check["check"]: check["state"] for check in json.loads(doctor.stdout)["checks"]}
    assert states["store"] == "busy"
    assert set(states.values()) == {"ok", "busy"}
    assert (status.exit_code, status.stdout) == (75, "")
    assert f"held by process {os.getpid()} " in status.stderr
    assert report.exit_code == 0
    assert report.stdout == call("report", "--store", store, "--format", "csv").stdout


def test_doctor_finds_a_whole_store_and_a_damaged_one(project: Path, tmp_path: Path) -> None:
    """A flipped byte is exit 1."""
    store = tmp_path / "store"
    shutil.copytree(project / "capforecast-store", store)
    result = call("doctor", "--store", store)
    assert result.exit_code == 0, result.stdout
    (damaged, *_) = sorted(store.glob("rollups/**/*.parquet"))
    content = bytearray(damaged.read_bytes())
    content[len(content) // 2] ^= 1
    damaged.write_bytes(bytes(content))
    result = call("doctor", "--store", store, "--json")
    assert result.exit_code == 1
    wrong = [check for check in json.loads(result.stdout)["checks"] if not check["ok"]]
    assert [check["check"] for check in wrong] == ["store"]
    assert damaged.name in wrong[0]["detail"]


def test_the_demonstration_shows_its_report_and_keeps_off_other_stores(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Everything lies in its directory, which must be empty."""
    monkeypatch.setenv("CAPFORECAST_STORE", str(tmp_path / "everyday"))
    result = call("demo", tmp_path / "demo", "--days", "3")
    assert result.exit_code == 0, result.stderr
    latest = tmp_path / "demo" / "capforecast-store" / "reports" / "latest"
    assert str(latest / "report.html") in result.stdout
    assert (latest / "breaches.parquet").is_file()
    assert not (tmp_path / "everyday").exists()
    again = call("demo", tmp_path / "demo")
    assert again.exit_code == 2
    assert "must be new or empty" in again.stderr
