"""Settings: precedence, checks, paths and the hash."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from capforecast.config import Config, load, variables
from capforecast.errors import ConfigError
from capforecast.settings import usable_cpus


def write(folder: Path, text: str) -> Path:
    path = folder / "capforecast.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_without_a_file_the_defaults_hold() -> None:
    """The defaults are those of the design."""
    config = load(environ={})
    assert (config.run.horizon, config.run.target_probability) == ("90d", 0.1)
    assert (config.run.stale_after_us, config.run.min_history_us) == (172_800_000_000, 172_800_000_000)
    assert (config.forecast.model, config.ingest.timezone, config.ingest.samples_days) == (
        "pool",
        "UTC",
        None,
    )
    assert config.store.path == str(Path.cwd() / "capforecast-store")
    assert config.run.threads == usable_cpus() >= 1
    assert "/snap/*" in [rule.instance for rule in config.exclude]


def test_options_beat_environment_beats_file_beats_default(tmp_path: Path) -> None:
    """And each setting says where it comes from."""
    path = write(tmp_path, '[run]\nhorizon = "10d"\nmin_history = "3d"\nstale_after = "4d"\n')
    environ = {
        "CAPFORECAST_RUN_HORIZON": "20d",
        "CAPFORECAST_RUN_MIN_HISTORY": "5d",
        "CAPFORECAST_STORE": "s",
    }
    config = load(path, {"run.horizon": "30d", "run.threads": None}, environ=environ)
    assert (config.run.horizon, config.run.min_history, config.run.stale_after) == ("30d", "5d", "4d")
    assert config.store.path == str(Path.cwd() / "s")
    assert [config.origin(f"run.{key}") for key in ("horizon", "min_history", "stale_after", "threads")] == [
        "option",
        "CAPFORECAST_RUN_MIN_HISTORY",
        str(path),
        "default",
    ]


def test_paths_of_the_file_are_relative_to_the_file(tmp_path: Path) -> None:
    """Also those that are left at their default; addresses and stdin stay as they are."""
    server = 'prometheus://host:9090/x"\nsecret_file = "token"\nqueries = [{metric = "m", query = "up"}]\n#'
    text = '[store]\npath = "data/store"\n' + "".join(
        f'[[sources]]\nlocation = "{location}"\n' for location in ("in/*.csv", server, "-")
    )
    config = load(write(tmp_path, text), environ={})
    assert config.store.path == str(tmp_path / "data/store")
    assert config.limits.file == str(tmp_path / "limits.csv")
    locations = [source.location for source in config.sources]
    assert locations == [str(tmp_path / "in/*.csv"), "prometheus://host:9090/x", "-"]
    assert config.sources[1].secret_file == str(tmp_path / "token")


def test_all_problems_are_told_together_with_key_value_and_nearest_name(tmp_path: Path) -> None:
    """One error, one line, every finding in it."""
    path = write(
        tmp_path,
        'stor = 3\n[run]\nhorizn = "9d"\nthreads = true\nhorizon = "fortnight"\n'
        '[forecast]\nmodel = "seasonal_naiv"\n[ingest]\ntimezone = "Mars/Phobos"\n'
        '[[sources]]\nformt = "csv"\n[[kinds]]\nname = "k"\nlower = 3\nupper = 2\n'
        '[[kinds]]\nname = "c"\nnature = "conter"\n',
    )
    environ = {"CAPFORECAST_RUN_HORIZN": "9d"}
    with pytest.raises(ConfigError) as caught:
        load(path, {"run.target_probability": 3}, environ=environ)
    text = str(caught.value)
    assert "\n" not in text
    for said in (
        "(12 problems)",
        "stor is not known (did you mean 'store'?)",
        "run.horizn is not known (did you mean 'horizon'?)",
        "run.threads: must be a number, not true or false, got True",
        "run.horizon: horizon must be a whole number and a unit (s, m, h, d, w); got 'fortnight'",
        "run.target_probability (option): Input should be less than 1, got 3",
        "forecast.model: model must be a known name; got 'seasonal_naiv'. Did you mean 'seasonal_naive'?",
        "ingest.timezone: timezone must be a name of the time zone database; got 'Mars/Phobos'",
        "sources[0].formt is not known (did you mean 'format'?)",
        "sources[0].location must be given",
        "kinds[0]: lower must be less than upper",
        "kinds[1].nature: Input should be 'counter' or 'gauge', got 'conter' (did you mean 'counter'?)",
        "CAPFORECAST_RUN_HORIZN is not known (did you mean 'CAPFORECAST_RUN_HORIZON'?)",
        str(path),
    ):
        assert said in text


@pytest.mark.parametrize(
    ("content", "said"),
    [(b"a = ", "must be TOML"), (b"\xff", "must be UTF-8"), (None, "must be a readable file")],
)
def test_an_unreadable_file_is_a_configuration_error(tmp_path: Path, content: bytes | None, said: str) -> None:
    """Broken, foreign and missing files are told apart."""
    path = tmp_path / "capforecast.toml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigError, match=said):
        load(path, environ={})


def test_sources_carry_their_reading_options(tmp_path: Path) -> None:
    """A TOML date is a moment, and column names map from the canonical name."""
    text = '[[sources]]\nlocation = "a"\nstart = 2026-01-01T00:00:00Z\nstep = "5m"\n'
    text += 'map = {host = "vm", ts = "0"}\n'
    (source,) = load(write(tmp_path, text), environ={}).sources
    assert (source.start, source.step, source.map) == (
        "2026-01-01T00:00:00+00:00",
        "5m",
        {"host": "vm", "ts": "0"},
    )
    with pytest.raises(ConfigError, match=r"sources\[0\]\.map: column must be a known name; got 'hots'"):
        load(write(tmp_path, '[[sources]]\nlocation = "a"\nmap = {hots = "vm"}\n'), environ={})


def test_kinds_become_metric_kinds_in_the_order_of_the_file(tmp_path: Path) -> None:
    """Patterns are lower-cased since names are compared in lower case; names are distinct."""
    text = '[[kinds]]\nname = "queue"\npatterns = ["*_Depth"]\nupper = 10\n'
    text += "thresholds = {full = 9}\nsustain = [1, 2]\n"
    (kind,) = load(write(tmp_path, text), environ={}).metric_kinds
    assert (kind.name, kind.patterns, kind.upper, kind.thresholds) == (
        "queue",
        ("*_depth",),
        10.0,
        (("full", 9.0),),
    )
    assert kind.lower == float("-inf")
    assert kind.sustain == (1, 2)
    with pytest.raises(ConfigError, match="distinct names"):
        load(write(tmp_path, text + text), environ={})


def test_the_hash_follows_what_can_change_a_result_and_nothing_else(tmp_path: Path) -> None:
    """Moving the project or using more threads keeps it; another horizon does not."""
    hashes = []
    for name in ("here", "there"):
        folder = tmp_path / name
        folder.mkdir()
        path = write(folder, '[run]\nhorizon = "10d"\n[[sources]]\nlocation = "in.csv"\n')
        same = {"store.path": name, "run.threads": len(name), "run.shard_series": len(name)}
        hashes.append(load(path, same, environ={}).sha256())
    assert hashes[0] == hashes[1]
    assert load(path, {"run.horizon": "11d"}, environ={}).sha256() != hashes[0]


def test_settings_cannot_be_changed() -> None:
    """A configuration is frozen to its leaves."""
    with pytest.raises(ValidationError, match="frozen"):
        Config().run.horizon = "1d"  # type: ignore[misc]


def test_every_scalar_setting_has_one_variable() -> None:
    """The store has its short name and no other."""
    known = variables()
    assert known["CAPFORECAST_STORE"] == "store.path"
    assert known["CAPFORECAST_INGEST_SAMPLES_DAYS"] == "ingest.samples_days"
    assert len(set(known.values())) == len(known)


def test_an_empty_variable_is_one_that_is_not_set() -> None:
    """As shells do it."""
    assert load(environ={"CAPFORECAST_RUN_HORIZON": ""}).run.horizon == "90d"


def test_variables_of_others_are_left_alone_and_mistyped_ones_are_not() -> None:
    """A name that no setting resembles belongs to something else."""
    assert load(environ={"CAPFORECAST_CI_VENV": "x", "CAPFORECAST": "x"}).run.horizon == "90d"
    for variable in ("CAPFORECAST_HORIZON", "CAPFORECAST_RUN_X", "CAPFORECAST_STORES"):
        with pytest.raises(ConfigError, match=f"{variable} is not known"):
            load(environ={variable: "1d"})


@pytest.mark.parametrize(("horizon", "fits"), [("1d", 1), ("48h", 1), ("730d", 1), ("36h", 0), ("731d", 0), ("1h", 0)])
def test_the_horizon_of_a_run_is_whole_days(horizon: str, fits: int) -> None:
    """Its tables count days, so half of one would be dropped without a word."""
    if fits:
        assert load(None, {"run.horizon": horizon}, environ={}).run.horizon == horizon
    else:
        with pytest.raises(ConfigError, match=f"must be whole days, 1d to 730d; got '{horizon}'"):
            load(None, {"run.horizon": horizon}, environ={})


@pytest.mark.parametrize(
    "text",
    ["[run]\nthreads = " + "9" * 5000, "x = " + "[" * 2000, "\0", "[store]\npath = '~nobody-of-that-name/x'\nx = 1"],
)
def test_settings_that_no_parser_takes_are_an_error_of_settings(tmp_path: Path, text: str) -> None:
    """Found by mutating files of settings."""
    path = tmp_path / "capforecast.toml"
    path.write_text(text)
    with pytest.raises(ConfigError):
        load(path, {}, environ={})
