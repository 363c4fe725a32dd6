"""Conditions on rows: what they mean, held against DuckDB, and that nothing but columns and values gets in."""

from __future__ import annotations

from datetime import date, timedelta

import duckdb
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from capforecast.conditions import changed, parse
from capforecast.errors import ConfigError, UnknownNameError
from capforecast.schema import BREACHES, OUTCOMES, WORDS
from tests.tables import AS_OF, HOSTILE, breach_tables, frame_of

TEAMS = ("db", "web", None, "o'hara", "a%b_c", "DB")


def _rows() -> pl.DataFrame:
    changes = ("new", "worse", "better", "cleared", "same", None)
    return breach_tables(
        [
            {
                "team": TEAMS[i % 6],
                "host": f"db-{i:02d}" if i % 3 else f"web-{i:02d}",
                "p_breach_30d": None if i % 5 == 0 else i / 20,
                "lead_time_days": None if i % 7 == 0 else i,
                "start_by_date": None if i % 4 == 0 else date(2026, 6, 20) + timedelta(days=i),
                "as_of": AS_OF + timedelta(hours=i),
                "change_class": changes[i % 6],
            }
            for i in range(20)
        ]
    )["breaches"]


ROWS = _rows()


def _ids(text: str) -> list[str]:
    return ROWS.filter(parse(text, BREACHES))["risk_id"].to_list()


@pytest.mark.parametrize(
    "text",
    [
        "team = 'db'",
        "team != 'db'",
        "team <> 'db' or team is null",
        "not team = 'db'",
        "not (team = 'db' or p_breach_30d > 0.4)",
        "team in ('db', 'web') and not host like 'web-%'",
        "team not in ('db', 'web')",
        "team not like 'd%'",
        "team like '%b'",
        "team like 'a_b%'",
        "host like '%-_5'",
        "host glob 'db-1*'",
        "host glob '??-0?'",
        "team = 'o''hara'",
        "p_breach_30d >= 0.5 and lead_time_days < 14",
        "p_breach_30d >= .5 or lead_time_days <= 3 and team = 'web'",
        "(p_breach_30d >= 5e-1 or lead_time_days <= 3) and team = 'web'",
        "lead_time_days = 4.0",
        "lead_time_days in (1, 2, 3)",
        "headroom > -1",
        "start_by_date <= '2026-07-01'",
        "start_by_date is not null AND Start_By_Date > '2026-06-25'".replace("Start_By_Date", "start_by_date"),
        "as_of >= '2026-03-01T09:00:00Z'",
        "team = 'db' or team = 'web' or team is null",
        "host < 'm' and severity_rank <= 3",
    ],
)
def test_conditions_mean_what_they_mean_in_sql(text: str) -> None:
    """The same rows as in DuckDB, also where values are missing."""
    connection = duckdb.connect()
    connection.execute("SET TimeZone='UTC'")
    connection.register("rows", ROWS.to_arrow())
    sql = f"SELECT risk_id FROM rows WHERE {text} ORDER BY risk_id"  # noqa: S608
    expected = [row[0] for row in connection.execute(sql).fetchall()]
    assert _ids(text) == expected
    assert 0 < len(expected) < ROWS.height or text == "team like 'a_b%'" or text.startswith("headroom")


def test_words_need_no_quotes_and_stars_are_globs() -> None:
    """What people type in a shell does what it says."""
    assert _ids("team=db") == _ids("team = 'db'")
    assert _ids('team == "db"') == _ids("team = 'db'")
    assert _ids("host=db-*") == _ids("host glob 'db-*'")
    assert _ids("host!=db-*") == _ids("not host glob 'db-*'")
    assert _ids("host='db-*'") == []
    assert _ids("start_by_date<=2026-07-01") == _ids("start_by_date <= '2026-07-01'")
    assert _ids('"team" = db') == _ids("team = 'db'")
    assert _ids("NOT team IS NULL") == _ids("team is not null")


def test_patterns_of_closed_columns_need_no_word() -> None:
    """A glob and a LIKE may hold a part of a word, and every word of such a column is taken."""
    assert _ids("status=will*") == _ids("status like 'will%'") == _ids("status = will_breach") != []
    for column in BREACHES.columns:
        for word in WORDS.get(column.name, ()):
            assert _ids(f"{column.name} = '{word}'") == _ids(f"{column.name} in ('{word}')")


def test_truth_is_a_value() -> None:
    """Columns of type bool take true and false."""
    rows = frame_of("outcomes", [{"risk_id": str(i), "breached": value} for i, value in enumerate((True, False, None))])
    assert rows.filter(parse("breached = true", OUTCOMES))["risk_id"].to_list() == ["0"]
    assert rows.filter(parse("breached = False", OUTCOMES))["risk_id"].to_list() == ["1"]


@pytest.mark.parametrize("text", [*HOSTILE, "a[b", "(?i)db", "^db$", ".*", "\\d+", "*", "%", "_"])
def test_quoted_values_are_text(text: str) -> None:
    """No character of a value has a meaning but those of the pattern that is asked for."""
    rows = breach_tables([{"team": text}, {"team": "else"}])["breaches"]
    quoted = "'" + text.replace("'", "''") + "'"
    assert rows.filter(parse(f"team = {quoted}", BREACHES)).height == 1
    if not set(text) & set("*?"):
        assert rows.filter(parse(f"team glob {quoted}", BREACHES)).height == 1


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("taem = 'db'", "Did you mean 'team'"),
        ("status = 'wil_breach'", "status must be a known name; got 'wil_breach'. Did you mean 'will_breach'"),
        ("severity in (critical, hihg)", "severity must be a known name; got 'hihg'. Did you mean 'high'"),
        ("change_class != wrose", "Did you mean 'worse'"),
        ("grade = G", "Known: A, B, C, D, E, F"),
        ("", "the name of a column there; got its end"),
        ("team", "= or .* there; got its end"),
        ("team = ", "text there; got its end"),
        ("team = 'db", "text in quotes there"),
        ("team = 'db' team = 'web'", "and, or, or its end there; got 'team'"),
        ("team = 'db' and", "the name of a column"),
        ("(team = 'db'", "must have [)] there"),
        ("team in 'db'", "must have [(] there"),
        ("team in ()", "text there"),
        ("team ~ 'db'", "there; got '~'"),
        ("team not = 'db'", "in or like or glob there"),
        ("team is db", "null there"),
        ("p_breach_30d > high", "p_breach_30d must be compared with a number; got 'high'"),
        ("p_breach_30d > 'nan'", "must be compared with a number"),
        ("lead_time_days = 1_000", "must be compared with a number"),
        ("start_by_date < soon", "a date such as"),
        ("start_by_date < 2026-02-30", "a date such as"),
        ("as_of < soon", "a moment such as"),
        ("p_breach_30d like '0%'", "like must go with a column of text; got p_breach_30d, which is double"),
        ("x" * 2001, "at most 2000 characters"),
        ("(" * 60 + "team = 'db'" + ")" * 60, "at most 40 levels"),
        ("not " * 60 + "team = 'db'", "at most 40 levels"),
        ("team = read_text('/etc/passwd')", "and, or, or its end"),
        ("host in (select host from series)", "must have , or [)] there; got 'host'"),
        ("1 = 1", "column of breaches must be a known name; got '1'"),
        ("team = 'db'; drop table x", "and, or, or its end there; got ';'"),
    ],
)
def test_what_is_no_condition_is_refused_with_the_place(text: str, said: str) -> None:
    """A usage error, before anything is read."""
    with pytest.raises(ConfigError, match=said) as caught:
        parse(text, BREACHES)
    assert caught.value.exit_code == 2
    assert ("taem" not in text) or isinstance(caught.value, UnknownNameError)


_PIECES = ["team", "host", "p_breach_30d", "as_of", "and", "or", "not", "(", ")", ",", "in", "like", "is", "null", "=",
           "<", "'x'", '"', "'", "0.5", "*", "2026-07-01", "\\", "[", "é", "\0", "\n"]  # fmt: skip


@given(st.lists(st.sampled_from(_PIECES), max_size=12).map(" ".join) | st.text(max_size=30))
def test_any_text_is_a_condition_or_an_error_of_ours(text: str) -> None:
    """What parses also filters."""
    try:
        condition = parse(text, BREACHES)
    except ConfigError:
        return
    assert ROWS.filter(condition).height <= ROWS.height


def test_changed_is_what_the_next_reader_has_not_seen() -> None:
    """New, worse, better and cleared; the same and the unknown are left out."""
    assert set(ROWS.filter(changed())["change_class"]) == {"new", "worse", "better", "cleared"}


def test_long_conditions_are_read_in_time() -> None:
    """As many tests as fit."""
    text = " or ".join(["lead_time_days=1"] * 100)
    assert _ids(text) == _ids("lead_time_days=1")
