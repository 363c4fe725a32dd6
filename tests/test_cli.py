"""The command line itself: help, wrong options, errors, signals, start-up. What commands do: test_cli_commands.py."""

from __future__ import annotations

import io
import json
import os
import re
import signal
import subprocess
import sys
import time
import tomllib
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from capforecast import __version__
from capforecast.cli import COMMANDS, checks, main
from capforecast.cli.group import LazyGroup, Stop
from capforecast.cli.options import Common
from capforecast.cli.output import columns, progress
from capforecast.cli.templates import limits_text, settings_text
from capforecast.config import Config, load
from capforecast.errors import LockedError, SourceError
from capforecast.limits import read

ROOT = Path(__file__).parents[1]
HEAVY = ("polars", "pyarrow", "numpy", "pandas", "duckdb", "numba", "pydantic", "rich", "jinja2", "narwhals")


def call(*arguments: str, **environment: str) -> Result:
    return CliRunner(env=environment).invoke(main, list(arguments), prog_name="capforecast")


def python(code: str, **options: object) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(  # type: ignore[call-overload,no-any-return]
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=60, **options
    )


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_with_an_example_and_the_common_options(name: str) -> None:
    """Help is the first documentation a user meets."""
    result = call(name, "--help")
    assert result.exit_code == 0
    assert f"\n    capforecast {name}" in result.stdout
    for option in ("--store", "--config", "--json", "--quiet", "--verbose", "--no-color"):
        assert option in result.stdout
    assert ("--as-of" in result.stdout) == (name in ("demo", "ingest", "lint", "run", "forecast", "explain"))


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_says_what_it_is_and_what_holds_without_it(name: str) -> None:
    """A default, or that it only narrows, adds or redirects what is done anyway."""
    command = main.get_command(click.Context(main), name)
    assert command is not None
    options = [one for one in command.params if isinstance(one, click.Option) and not one.hidden]
    assert [one.opts for one in options if not one.help] == []
    valued = [one for one in options if not one.is_flag and not one.show_default]
    plain = [one for one in valued if "default" not in str(one.help)]
    narrowing = ("Only ", "HOST: ", "Draw ", "Write ")
    assert [one.opts for one in plain if not str(one.help).startswith(narrowing)] == []


def test_the_help_names_every_command_whole() -> None:
    """No description is cut off."""
    result = call("--help")
    assert result.exit_code == 0
    assert re.findall(r"^  (\w+)  ", result.stdout, re.M) == list(COMMANDS)
    assert "..." not in result.stdout.partition("Commands:")[2]
    assert call("-h").stdout == result.stdout


def test_the_version() -> None:
    """One line, on stdout."""
    assert call("--version").stdout == f"capforecast {__version__}\n"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["rnu"], "Did you mean 'run'?"),
        ([], "Usage: capforecast"),
        (["run", "--hoirzon", "3d"], "--horizon"),
        (["run", "--horizon", "soon"], "horizon must be a whole number and a unit"),
        (["run", "--horizon", "36h"], "must be whole days, 1d to 730d; got '36h'"),
        (["run", "--model", "polo"], "Did you mean 'pool'?"),
        (["run", "--fail-on", "critcal"], "Did you mean 'critical'?"),
        (["run", "--as-of", "yesterday"], "must be an ISO 8601 date or time"),
        (["run", "--threads", "0"], "--threads"),
        (["report", "--format", "htm"], "Did you mean 'html'?"),
        (["report", "--table", "breach"], "Did you mean 'breaches'?"),
        (["schema", "breach"], "Did you mean 'breaches'?"),
        (["forecast", "x.csv", "--step", "1s", "--output", "o.csv"], "step must lie between 1m and 7d"),
        (["forecast", "x.csv", "--quantiles", "0.5,2", "--output", "o.csv"], "quantiles must be rising numbers"),
        (["forecast", "x.csv", "--output", "o.xls"], "the output must end in .parquet, .csv, .jsonl"),
        (["forecast", "x.csv", "cpu", "--output", "o.csv"], "a file must stand alone"),
        (["forecast", "host", "--step", "1h"], "--step must go with a file"),
        (["forecast", "host", "--output", "o.csv"], "--output must go with a file; got 'host', which is none"),
        (["forecast", "host", "cpu", "--quantiles", "0.5"], "--quantiles must go with a file"),
        (["forecast", "x.csv", "--html", "o.html"], "--html must go with a host; got the file 'x.csv'"),
        (["forecast", "x.csv", "--png", "o.png"], "--png must go with a host; got the file 'x.csv'"),
        (["forecast", "-", "cpu"], "a file must stand alone; got 'cpu' behind it"),
        (["forecast", "x.csv", "--step", "1m"], "at most 100000 steps per series; got 129600 (90d in steps of 1m)"),
        (["forecast", "host", "--horizon", "36h"], "must be whole days"),
        (["report", "--as-of", "2026-01-01"], "--as-of must go with another command than report. A report renders"),
        (["replay", "c.csv", "--as-of", "2026-01-01"], "Each case has a cutoff of its own"),
        (["replay", "c.csv", "--tz", "UTC"], "--timezone must go with --input"),
        (["replay", "c.csv", "--map", "cutof=at"], "Did you mean 'cutoff'?"),
        (["report", "--table", "run"], "--table must go with a format for any table; got table"),
        (["report", "--table", "run", "-o", "x.html"], "--table must go with a format for any table; got html"),
        (["report", "--table", "run", "--json", "--changed-only"], "must go with the table breaches; got run"),
        (["report", "-o", "x.doc"], "the output must end in one of .csv,"),
        (["demo", "--config", "mine.toml"], "a demonstration must have settings of its own"),
        (["report", "--json", "--format", "csv"], "--json must not go with another format; got csv"),
        (["ingest"], "Missing argument"),
        (["ingest", "x.csv", "--map", "hots=vm"], "Did you mean 'host'?"),
        (["ingest", "x.csv", "--map", "host"], "a mapping must be COLUMN=NAME"),
        (["ingest", "x.csv", "--tz", "Mars/Phobos"], "timezone must be a name"),
        (["status", "--config", "no-such.toml"], "the settings must be a readable file"),
    ],
)
def test_a_wrong_word_is_exit_2_and_says_what_is_right(arguments: list[str], said: str, tmp_path: Path) -> None:
    """Nothing is printed on stdout, and no traceback."""
    result = call(*arguments, CAPFORECAST_STORE=str(tmp_path / "store"))
    assert (result.exit_code, result.stdout) == (2, "")
    assert said in " ".join(result.stderr.split())
    assert "Traceback" not in result.stderr


def test_a_missing_store_is_one_line_and_exit_1(tmp_path: Path) -> None:
    """The message names the directory and the next step."""
    result = call("status", "--store", str(tmp_path / "none"))
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: ")
    assert result.stderr.count("\n") == 1
    assert str(tmp_path / "none") in result.stderr


def test_wrong_settings_are_exit_2_with_all_problems_in_one_line(tmp_path: Path) -> None:
    """A typing error in the file stops the command before it does anything."""
    path = tmp_path / "c.toml"
    path.write_text('[run]\nhorizn = "3d"\nthreads = 0\n', encoding="utf-8")
    result = call("status", "--config", str(path))
    assert result.exit_code == 2
    assert "did you mean 'horizon'" in result.stderr
    assert "run.threads" in result.stderr
    assert result.stderr.count("\n") == 1


def fails(error: BaseException) -> Result:
    """Run a group whose only command raises."""

    @click.command("boom")
    def boom_command() -> None:
        raise error

    group = LazyGroup("main", commands_in={})
    group.add_command(boom_command)
    group.get_command = lambda ctx, name: boom_command  # type: ignore[method-assign]
    return CliRunner().invoke(group, ["boom"])


def test_errors_of_the_package_have_their_exit_codes() -> None:
    """Also those that are kinds of OSError, and over several lines."""
    result = fails(SourceError("a source must be\nreadable", where="x"))
    assert (result.exit_code, result.stderr) == (1, "Error: a source must be readable; in x\n")
    assert fails(LockedError("the store must be free")).exit_code == 75


def test_any_other_exception_is_a_bug_and_keeps_its_traceback() -> None:
    """It is not turned into a message."""
    assert isinstance(fails(ZeroDivisionError("x")).exception, ZeroDivisionError)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_a_command_even_when_its_exception_was_swallowed(number: int, code: int) -> None:
    """Foreign code may turn the interruption into another error: the exit code is that of the signal."""
    code_text = f"""
import os, click
from capforecast.cli import main
from capforecast.cli.group import LazyGroup
@click.command("work")
def work_command():
    try:
        os.kill(os.getpid(), {int(number)})
    except KeyboardInterrupt:
        raise RuntimeError("Query interrupted")
LazyGroup.get_command = lambda self, ctx, name: work_command
main(["work"])
"""
    result = python(code_text)
    assert (result.returncode, result.stdout) == (code, "")
    assert result.stderr == f"Interrupted by {signal.Signals(number).name}.\n"


LONG_WORK = {
    "a query that hears nothing": """import duckdb
    duckdb.sql('SELECT sum(sin(i)) FROM range(1000000000000) t(i)').fetchall()""",
    "threads that go on": """from concurrent.futures import ThreadPoolExecutor
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(time.sleep, [60, 60, 60]))""",
    "an error that is swallowed": """while True:
        try:
            time.sleep(60)
        except BaseException:
            pass""",
}


@pytest.mark.parametrize("work", LONG_WORK.values(), ids=LONG_WORK)
def test_a_signal_ends_work_that_does_not_listen_within_two_seconds(work: str) -> None:
    """The bar of a second more is for machines that are busy."""
    number = signal.SIGTERM
    code_text = f"""
import threading, time, click
from capforecast.cli import main
from capforecast.cli.group import LazyGroup
@click.command("work")
def work_command():
    print("at work", flush=True)
    {work}
LazyGroup.get_command = lambda self, ctx, name: work_command
main(["work"])
"""
    with subprocess.Popen(
        [sys.executable, "-c", code_text], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "at work\n"
        time.sleep(0.3)
        begin = time.monotonic()
        child.send_signal(number)
        _, said = child.communicate(timeout=30)
        assert time.monotonic() - begin < 3
    assert child.returncode == 128 + number
    assert said == f"Interrupted by {number.name}.\n"


def test_progress_notices_a_signal_that_nobody_raised() -> None:
    """A run asks between its steps."""
    common = Common(None, None, None, False, True, False, False)
    stop = Stop()
    with click.Context(click.Command("x"), obj=stop), progress(common) as report:
        report("forecast", 1, 2)
        stop.received = signal.SIGTERM
        with pytest.raises(KeyboardInterrupt):
            report("forecast", 2, 2)


class Terminal(io.StringIO):
    """Standard error of somebody who watches."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(("quiet", "term"), [(False, "xterm"), (True, "xterm"), (False, "dumb")])
def test_progress_is_one_line_of_the_stage_that_goes_on(
    monkeypatch: pytest.MonkeyPatch, quiet: bool, term: str
) -> None:
    """Stage and how much of it is done; nothing with --quiet or where lines cannot be drawn over."""
    monkeypatch.setenv("TERM", term)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setattr(sys, "stderr", watched := Terminal())
    common = Common(None, None, None, False, quiet, False, False)
    with click.Context(click.Command("x")), progress(common) as report:
        report("learn", 0, None)
        report("forecast", 0, 1200)
        report("forecast", 1200, 1200)
    told = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", watched.getvalue())
    if quiet or term == "dumb":
        assert told == ""
        return
    last = [line for line in told.replace("\r", "\n").splitlines() if line.strip()][-1]
    assert last.startswith("forecast")
    assert "1,200 of 1,200" in last
    assert "/s" in last
    assert len(last) <= 80


def test_a_reader_that_leaves_is_no_error() -> None:
    """``capforecast schema | head -1`` is silent."""
    command = f"{sys.executable} -m capforecast schema | head -1; exit ${{PIPESTATUS[0]}}"
    result = subprocess.run(["bash", "-c", command], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.startswith("breaches: ")


@pytest.mark.parametrize(
    "code", ["import capforecast", "from capforecast.cli import main; main(['--help'], standalone_mode=False)"]
)
def test_starting_imports_nothing_heavy(code: str) -> None:
    """Help, completion and import cost milliseconds."""
    result = python(f"import sys\n{code}\nprint([m for m in {HEAVY!r} if m in sys.modules])")
    assert result.stdout.splitlines()[-1] == "[]", result.stderr


def test_public_names_are_there_and_survive_imports_of_their_modules() -> None:
    """``capforecast.forecast`` is the function, whatever was imported before."""
    code = (
        "import capforecast.forecast, capforecast.run, capforecast\n"
        "from capforecast.api import forecast\n"
        "assert capforecast.forecast is forecast\n"
        "assert all(callable(getattr(capforecast, n)) for n in ('run', 'ingest', 'replay', 'Store', 'load'))\n"
        "assert callable(capforecast.simulate.fleet)\n"
        "try: capforecast.nothing\n"
        "except AttributeError as error: print(error)\n"
    )
    result = python(code)
    assert result.stdout == "module 'capforecast' has no attribute 'nothing'\n", result.stderr


def test_init_writes_files_that_mean_the_defaults(tmp_path: Path) -> None:
    """What init writes can be read, and changes nothing."""
    result = call("init", str(tmp_path / "new"))
    assert (result.exit_code, result.stderr) == (0, "")
    path, limits = (Path(line) for line in result.stdout.splitlines())
    config = load(path, environ={})
    assert config.store.path == str(tmp_path / "new" / "capforecast-store")
    defaults = load(None, environ={})
    assert config.model_dump(exclude={"store", "limits"}) == defaults.model_dump(exclude={"store", "limits"})
    assert read(limits).is_empty()


def test_init_names_the_store_it_is_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for given, expected in (('/srv/"fc" é 𝄞', '/srv/"fc" é 𝄞'), ("st", str(tmp_path / "st"))):
        assert call("init", "new", "--store", given, "--force").exit_code == 0
        assert load(tmp_path / "new" / "capforecast.toml", environ={}).store.path == expected


def test_init_replaces_nothing_without_force(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file of the user's is named and kept."""
    (tmp_path / "limits.csv").write_text("mine", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    result = call("init")
    assert result.exit_code == 2
    assert f"got limits.csv; in {tmp_path}. Add --force" in result.stderr
    assert (tmp_path / "limits.csv").read_text(encoding="utf-8") == "mine"
    assert not (tmp_path / "capforecast.toml").exists()
    assert call("init", str(tmp_path), "--force", "--json").exit_code == 0
    assert (tmp_path / "limits.csv").read_text(encoding="utf-8") == limits_text()


def test_the_template_uncommented_is_valid_and_names_every_setting(tmp_path: Path) -> None:
    """Template, defaults and settings cannot drift apart."""
    text = re.sub(r"^#(?=\S)", "", settings_text(), flags=re.M)
    raw = tomllib.loads(text)
    settings = load(None, environ={}).model_dump(exclude_none=True)
    for section in ("store", "run", "forecast", "ingest", "limits"):
        assert raw[section].keys() == Config.model_fields[section].annotation.model_fields.keys()  # type: ignore[union-attr]
        for key, value in raw[section].items():
            if key not in ("path", "file", "threads", "samples_days"):
                assert value == settings[section][key]
    path = tmp_path / "capforecast.toml"
    path.write_text(text, encoding="utf-8")
    config = load(path, environ={})
    assert config.exclude == Config().exclude
    assert [kind.name for kind in config.kinds] == ["queue"]


def test_the_examples_of_limits_csv_are_valid(tmp_path: Path) -> None:
    """Each commented line can be used as it stands."""
    header, *examples = limits_text().partition("in front of a line to use it.\n")[2].splitlines()
    path = tmp_path / "limits.csv"
    path.write_text("\n".join([header, *(line.removeprefix("# ") for line in examples)]), encoding="utf-8")
    assert read(path).height == len(examples) >= 3


def test_schema_prints_every_column_with_its_meaning() -> None:
    """As text for people and as JSON for programs."""
    from capforecast.schema import TABLES

    whole, content = " ".join(call("schema").stdout.split()), json.loads(call("schema", "--json").stdout)
    assert list(content["tables"]) == list(TABLES)
    for name, table in TABLES.items():
        assert f"{name}: {table.meaning}" in whole
        assert [column["name"] for column in content["tables"][name]["columns"]] == list(table.names)
        assert all(column.meaning in whole for column in table.columns)


def test_the_store_option_beats_the_environment(tmp_path: Path) -> None:
    """Options come last."""
    result = call("status", "--store", str(tmp_path / "option"), CAPFORECAST_STORE=str(tmp_path / "environment"))
    assert str(tmp_path / "option") in result.stderr
    assert str(tmp_path / "environment") in call("status", CAPFORECAST_STORE=str(tmp_path / "environment")).stderr


def test_names_in_columns_cannot_reach_the_terminal() -> None:
    """Control characters come out as escapes, and lines stay lines."""
    assert columns([("a\x1b[31m", "b"), ("c\nd", None)]) == "a\\x1b[31m  b\nc d        -"


@pytest.mark.parametrize(
    ("found", "fits"), [("2.1.0", True), ("2", True), ("1.9.9", False), ("3.0.0", False), ("2.10.0rc1", True)]
)
def test_doctor_compares_versions_as_numbers(found: str, fits: bool) -> None:
    """2.10 is newer than 2.9."""
    package, bounds = checks._split("polars>=2,<3")
    assert package == "polars"
    assert all(checks._fits(found, sign, limit) for sign, limit in bounds) is fits


@pytest.mark.parametrize("arguments", ["schema", "--help", "--version", "schema --json"])
def test_output_that_cannot_be_written_is_one_line_and_exit_1(arguments: str) -> None:
    """A full disk and a closed stdout, also where click itself prints."""
    for target, reason in ((">/dev/full", "No space left on device"), (">&-", "Bad file descriptor")):
        command = f"{sys.executable} -m capforecast {arguments} {target}"
        result = subprocess.run(["bash", "-c", command], cwd=ROOT, capture_output=True, text=True, timeout=60)
        assert result.returncode == 1
        assert result.stderr == f"Error: what is printed must be writable; got {reason}; in standard output\n"


def test_closed_streams_are_occupied() -> None:
    """No file that is opened later gets the number of a standard stream; what needs none of them works."""
    code = (
        "import os, sys; from capforecast.cli.group import _open_streams; _open_streams(); "
        "fd = os.open(os.devnull, os.O_RDONLY); sys.exit(fd if sys.stdin.read() == '' else 99)"
    )
    command = f'{sys.executable} -c "{code}" <&- >&- 2>&-'
    result = subprocess.run(["bash", "-c", command], cwd=ROOT, timeout=60, check=False)
    assert 3 <= result.returncode < 99


@pytest.mark.parametrize("command", ["init", "demo"])
@pytest.mark.parametrize(("place", "code"), [("file", 2), ("file/below", 2), ("/proc/none", 1)])
def test_a_place_that_cannot_be_a_directory_is_one_line(tmp_path: Path, command: str, place: str, code: int) -> None:
    """A file in its way is the user's mistake; what the system refuses is a failure."""
    (tmp_path / "file").write_text("", encoding="utf-8")
    result = call(command, str(tmp_path / place))
    assert (result.exit_code, result.stdout, result.stderr.count("\n")) == (code, "", 1)
    assert result.stderr.startswith("Error: ")
    assert place in result.stderr
