"""Windows that do not count, resets and renamed hosts: what is read of a store's history, and what stays in it."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from past_stores import DAYS, END, END_US, filling, frame, quiet, stored
from store_rows import DAY, HOUR

import capforecast
from capforecast.config import load
from capforecast.errors import ConfigError, DataError
from capforecast.inquiry import adhoc
from capforecast.mark_settings import Rename, ResetEvent, Window
from capforecast.marks import Hidden, Marks
from capforecast.store import Store
from capforecast.times import format_moment

BEGIN = END_US - DAYS * DAY


def moment(days: float) -> str:
    return format_moment(int(BEGIN + days * DAY))


def settings_(**tables):
    return load(None, {}, environ={}).model_copy(update=tables)


def read(store, marks, host, column="max"):
    """Return hours since the begin, values, and how many do not count, of a host's first series."""
    sid = store.series().filter(host=host)["sid"].to_numpy()[:1]
    found, hidden = marks.read(store, sid, [column], from_us=BEGIN, to_us=END_US)
    assert found.starts.tolist() == [0, found.bucket.size]
    return (found.bucket - BEGIN // HOUR).tolist(), found.values[column].tolist(), hidden.tolist()


@given(
    start=st.integers(0, 50), lasts=st.integers(1, 9), every=st.integers(0, 20), step=st.sampled_from([1, 3, 6]),
    number=st.integers(0, 60),
)  # fmt: skip
def test_a_step_is_covered_when_it_shares_a_moment_with_an_occurrence(start, lasts, every, step, number):
    every = every and max(every, lasts)
    begin = number * step
    wanted = any(
        begin < first + lasts and begin + step > first
        for first in ([start] if not every else range(start, begin + step + 1, every))
    )
    one = Hidden(np.empty(0, np.int64), start, start + lasts, every)
    assert bool(one.covers(np.array([begin]), step)[0]) == wanted


def test_windows_and_resets_leave_out_what_they_cover_and_samples_stay(tmp_path):
    path = stored(tmp_path / "s", quiet("db-1"), quiet("web-1"))
    config = settings_(
        windows=(Window(host="db-*", start=moment(10), end=moment(11.1)),),
        resets=(ResetEvent(host="db-1", metric="cpu_*", at=moment(3)),),
    )
    with Store.open(path) as store:
        marks = Marks.of(store.series(), config)
        hours, _, hidden = read(store, marks, "db-1")
        gone = [h for h in range(DAYS * 24) if h < 72 or 240 <= h < 267]
        assert hours == [h for h in range(DAYS * 24) if h not in gone]
        assert hidden == [len(gone)]
        assert read(store, marks, "web-1")[2] == [0]
        assert store.samples("db-1", "cpu_util_pct").height == DAYS * 24


def test_a_renamed_host_has_the_history_of_its_old_name_up_to_the_date(tmp_path):
    old, new = quiet("old"), quiet("new").with_columns(value=pl.col("value") + 100)
    path = stored(tmp_path / "s", old, new.filter(pl.col("ts").dt.epoch("us") >= BEGIN + 40 * DAY), quiet("other"))
    config = settings_(
        renames=(Rename(old="old", new="new", at=moment(50)), Rename(old="none", new="old", at=moment(1)))
    )
    with Store.open(path) as store:
        series = store.series()
        marks = Marks.of(series, config)
        hours, values, _ = read(store, marks, "new")
        assert hours == list(range(DAYS * 24))
        assert values[: 40 * 24] == old["value"].to_list()[: 40 * 24]
        assert values[40 * 24 :] == new["value"].to_list()[40 * 24 :]
        # The old name has samples after the date: those are another host's, which stays.
        assert marks.current(series)["host"].to_list() == ["new", "old", "other"]
        late = Marks.of(series, settings_(renames=(Rename(old="old", new="new", at=moment(DAYS)),))).current(series)
        assert late["host"].to_list() == ["new", "other"]
        assert late["first_ts"].dt.epoch("us").to_list() == [BEGIN, BEGIN]


def test_names_that_follow_each_other_end_in_the_last_one(tmp_path):
    parts = [quiet(name).filter(pl.col("ts").dt.epoch("us").is_between(BEGIN + a * DAY, BEGIN + b * DAY, closed="left"))
             for name, a, b in (("a", 0, 20), ("b", 20, 40), ("c", 40, DAYS))]  # fmt: skip
    path = stored(tmp_path / "s", *parts)
    renames = (Rename(old="b", new="c", at=moment(40)), Rename(old="a", new="b", at=moment(20)))
    with Store.open(path) as store:
        marks = Marks.of(store.series(), settings_(renames=renames))
        assert read(store, marks, "c")[0] == list(range(DAYS * 24))
        assert marks.current(store.series())["host"].to_list() == ["c"]


def test_a_run_does_not_see_a_breach_inside_a_window_and_says_what_it_left_out(tmp_path):
    high = frame(
        "db-1", "cpu_util_pct", np.where(np.arange(DAYS * 24) >= DAYS * 24 - 12, 99.0, 20.0 + np.arange(DAYS * 24) % 7)
    )
    path = stored(tmp_path / "s", high)
    plain = capforecast.run(path, as_of=END)
    window = {"windows": [{"host": "db-1", "start": moment(DAYS - 0.5), "end": moment(DAYS)}]}
    toml = tmp_path / "capforecast.toml"
    toml.write_text(
        f'[[windows]]\nhost = "db-1"\nstart = {window["windows"][0]["start"]}\nend = {window["windows"][0]["end"]}\n'
    )
    masked = capforecast.run(path, config=toml, as_of=END)
    assert set(plain.tables["breaches"]["status"]) == {"breached"}
    assert "breached" not in set(masked.tables["breaches"]["status"])
    assert plain.tables["series"]["rollups_hidden"].to_list() == [0]
    assert masked.tables["series"]["rollups_hidden"].to_list() == [12]


def test_one_host_is_told_as_the_nightly_run_tells_it_also_renamed(tmp_path):
    """Under its new name it has its old history, in all that is asked of it alone; under its old name it is no more."""
    at = 73
    level = filling("old", 0.0)["value"].to_numpy() - 12.0
    hour = np.arange(level.size) // 24
    old = frame("old", "disk_used_pct", np.where(hour < at, level, np.nan))
    new = frame("new", "disk_used_pct", np.where(hour >= at, level, np.nan))
    path = stored(tmp_path / "s", old, new, quiet("other"))
    toml = tmp_path / "capforecast.toml"
    toml.write_text(f'[[renames]]\nold = "old"\nnew = "new"\nat = {moment(at)}\n')
    every = capforecast.run(path, config=toml, as_of=END).tables["breaches"].filter(host="new")
    assert set(every["history_days"]) == {float(DAYS)}
    assert "will_breach" in every["status"]

    columns = ["threshold_name", "status", "grade", "history_days", "breach_date_p50", "p_breach_90d"]
    found = adhoc(path, load(toml, {}, environ={}), host="new", now_us=END_US, as_of_us=END_US)
    assert found["breaches"].select(columns).equals(every.select(columns))
    for one in capforecast.explain("new", store=path, config=toml, as_of=END):
        assert one.evidence.history_days == DAYS
        assert one.split is not None

    with pytest.raises(DataError, match="'old', which is renamed to 'new'"):
        capforecast.explain("old", store=path, config=toml, as_of=END)
    # As of a moment before it was renamed, it had its old name.
    assert capforecast.explain("old", store=path, config=toml, as_of=moment(60))


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[[windows]]\nstart = 2026-03-02\nend = 2026-03-01", "end must be later than start"),
        ('[[windows]]\nstart = 2026-03-01\nend = 2026-03-09\nevery = "7d"', "every must be no less"),
        ('[[renames]]\nold = "a"\nnew = "a"\nat = 2026-03-01', "must differ"),
        ('[[resets]]\nhost = "a"', "at must be given"),
    ],
)
def test_marks_that_make_no_sense_are_refused(tmp_path, text, problem):
    path = tmp_path / "capforecast.toml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=problem):
        load(path, {}, environ={})
