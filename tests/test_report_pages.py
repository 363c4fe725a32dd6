"""The renderings for people: table, html, md."""

from __future__ import annotations

import html.parser
import re
from base64 import b64encode
from datetime import date
from hashlib import sha256

import polars as pl
import pytest
from rich.cells import cell_len

from capforecast import registry
from capforecast.report import RenderOptions
from capforecast.report import html as page
from tests.tables import HOSTILE, RUN, breach_tables, empty_tables, frame_of


def _text(name: str, tables: dict[str, pl.DataFrame], **options: object) -> str:
    return registry.load("report", name)(tables, RenderOptions(**options)).decode()


@pytest.mark.parametrize("width", [40, 80, 100, 160])
def test_table_stays_within_its_width(width: int) -> None:
    """Numbers need 76 columns; narrower than that only they may stick out."""
    hosts = [{"host": h, "threshold_name": h, "unit": "widgets per fortnight"} for h in HOSTILE]
    text = _text("table", breach_tables([{}] * 6 + hosts), width=width)
    assert max(cell_len(line) for line in text.splitlines()) <= max(width, 80)


def test_table_says_everything_about_a_row_at_80_columns() -> None:
    text = _text("table", breach_tables([{"host": "web-01.dc1.example.com"}]), width=80)
    for part in ("critical", "web-01.dc1.example.com", "disk_used_pct", "/var", "90 %", "81.2 %", "8.75 %"):
        assert part in text
    for part in ("97 %", "2026-03-04..03-19", "2026-02-18", "B\n"):
        assert part in text


def test_table_at_160_columns_has_one_line_per_row() -> None:
    text = _text("table", breach_tables(5), width=160)
    assert [line.split()[0] for line in text.splitlines()[1:6]] == [
        "critical",
        "critical",
        "high",
        "medium",
        "(ok)",
    ]


def test_table_gives_reasons_of_the_urgent_rows_only() -> None:
    text = _text("table", breach_tables(12), width=160)
    assert text.count("growing 0.33") == 4
    assert "too little history" not in text


def test_table_counts_all_rows_also_those_not_listed() -> None:
    last = _text("table", breach_tables(7), width=160, top=2).splitlines()[-1]
    assert last == (
        "2 of 7 rows; status: ok 1, will_breach 3, breached 1, too_short 2; "
        "days to the median breach: 0-7 1, 8-30 2, 31-60 1, none 3"
    )


def test_table_colours_add_nothing_but_colours() -> None:
    tables = breach_tables([{"host": h} for h in ("web", "[red]x[/red]", "[/]")])
    plain, coloured = (_text("table", tables, width=160, colour=c) for c in (False, True))
    assert "\x1b" not in plain
    assert "\x1b[1;31mcritical\x1b[0m" in coloured
    stripped = [line.rstrip() for line in re.sub(r"\x1b\[[\d;]*m", "", coloured).splitlines()]
    assert stripped == plain.splitlines()


def test_table_shortens_a_long_name_in_its_middle() -> None:
    text = _text("table", breach_tables([{"host": "a" * 200 + "z"}]), width=160)
    assert re.search("a+…a+z", text.splitlines()[1])


def test_markdown_cells_survive_hostile_names() -> None:
    """Every row has the same number of cells, and nothing in it is markup."""
    tables = breach_tables([dict.fromkeys(("host", "metric", "reason", "threshold_name"), h) for h in HOSTILE])
    rows = [line for line in _text("md", tables).splitlines() if line.startswith("|")]
    assert len(rows) == len(HOSTILE) + 2
    assert {len(re.findall(r"(?<!\\)\|", row)) for row in rows} == {13}
    for sign in "<>`[]":
        assert not [row for row in rows if re.search(rf"(?<!\\)(\\\\)*{re.escape(sign)}", row) and sign in "`[]<>"]


def test_markdown_lists_what_changed() -> None:
    rows = [{"change_class": "new", "days_slipped": None}, {}, {"change_class": "cleared", "days_slipped": 2}]
    text = _text("md", breach_tables(rows))
    assert "## New: 1\n\n- On host-0000 disk_used_pct /var: critical\n" in text
    assert "## Worse: 1\n\n- On host-0000 disk_used_pct /var: critical, median date 3 days sooner\n" in text
    assert "## Cleared: 1\n\n- On host-0001 disk_used_pct /var: critical, median date 2 days later\n" in text


class _Page(html.parser.HTMLParser):
    """All tags, attributes and texts of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.texts: dict[str, list[str]] = {}
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]

    def handle_data(self, data: str) -> None:
        self.texts.setdefault(self.tags[-1] if self.tags else "", []).append(data)


def test_html_says_growth_in_points_members_in_words_and_no_dust_of_rounding() -> None:
    """As the sentence and `explain` do; an error that is nothing beside the level is none."""
    row = {
        "unit": "percent", "growth_per_day": 0.476, "current": 81.25,
        "model": "suffix_line 60%, smooth(0,0.05,0.3,0) 20%, smooth(0.2,0,0,0) 20% | damped_trend 100%",
    }  # fmt: skip
    test = {
        **RUN, "host": "host-0000", "metric": "disk_used_pct", "instance": "/var", "direction": "above",
        "step": "1h", "horizon": "1-24", "mae": 2.03e-14, "mae_naive": 0.5,
    }  # fmt: skip
    tables = breach_tables([row]) | {"backtests": frame_of("backtests", [test])}
    page = " ".join(_Page(_text("html", tables)).texts["dd"])
    assert "0.476 points per day" in page
    members = "60 % the line of the longest steady stretch, 40 % smoothing of level and seasons"
    assert f"{members}; further ahead 100 % smoothed growth, flattening" in page
    assert "1-24 x 1h: 0 %, naive 0.5 %" in page


def _hostile() -> dict[str, pl.DataFrame]:
    fields = ("host", "metric", "instance", "unit", "team", "threshold_name", "threshold_source", "reason")
    return breach_tables([dict.fromkeys((*fields, "model", "grade_reasons"), text) for text in HOSTILE])


def test_html_has_no_tag_or_attribute_that_the_data_brought() -> None:
    tame, hostile = (_Page(_text("html", t)) for t in (breach_tables(len(HOSTILE)), _hostile()))
    assert set(hostile.tags) <= set(tame.tags)
    assert {(t, a) for t, a, _ in hostile.attributes} <= {(t, a) for t, a, _ in tame.attributes}
    kinds = [value for tag, name, value in hostile.attributes if (tag, name) == ("script", "type")]
    assert hostile.tags.count("script") == 3
    assert kinds == ["text/plain"] * 2


def test_html_asks_for_nothing() -> None:
    found = _Page(_text("html", _hostile()))
    assert not {"link", "img", "iframe", "object", "embed", "base"} & set(found.tags)
    assert not {name for _, name, _ in found.attributes} & {
        "src",
        "href",
        "style",
        "srcset",
        "action",
        "onclick",
    }
    styles = "".join(found.texts["style"])
    assert "url(" not in styles
    assert "@import" not in styles


def test_html_policy_allows_exactly_the_style_and_script_of_the_page() -> None:
    text = _text("html", breach_tables(2))
    policy = dict(part.split(" ", 1) for part in re.search('content="(default-src[^"]*)"', text)[1].split("; "))
    assert policy["default-src"] == "'none'"
    for tag in ("style", "script"):
        inside = re.search(f"<{tag}>(.*?)</{tag}>", text, re.DOTALL)[1]
        digest = b64encode(sha256(inside.encode()).digest()).decode()
        assert policy[f"{tag}-src"] == f"'sha256-{digest}'"


def test_html_says_the_facts_of_the_run() -> None:
    text = _text("html", breach_tables(6))
    assert "<h1>Capacity forecast of 2026-03-01 02:00 UTC</h1>" in text
    assert "Newest data: 2026-03-01 01:55 UTC. 3 series, 3 with a forecast." in text
    assert "3 rows were rejected and are kept in quarantine." in text
    assert "<dt>will breach</dt><dd>3<small>2 hosts</small></dd>" in text
    assert "<dt>8-30</dt><dd>2<small>2 hosts</small></dd>" in text
    assert "prefers-color-scheme:dark" in text


def test_html_row_holds_chart_reason_grade_and_model() -> None:
    body = _text("html", breach_tables(1)).split("<tbody>")[1]
    assert "<summary>/var crosses 90 % in 3 to 18 days" in body
    assert "<title>host-0000 disk_used_pct /var: history, forecast and thresholds</title>" in body
    assert "critical 90 %" in body
    assert "<dt>Grade<dd>B: more than 5 % of its steps are missing; few_origins" in body
    assert "<dt>Members of the forecast<dd>trend 0.71, double_seasonal 0.29" in body
    assert "<dt>Belongs to<dd>storage" in body


def test_html_chart_shows_all_thresholds_of_the_series() -> None:
    rows = [{"host": "a", "threshold_name": n, "threshold": v} for n, v in (("warning", 80.0), ("full", 100.0))]
    first = _text("html", breach_tables(rows)).split("<tbody>")[1]
    assert "warning 80 %</text>" in first
    assert "full 100 %</text>" in first


def test_html_chart_shows_when_the_threshold_is_crossed() -> None:
    """The span of a crossing is drawn from its early to its late date, up to the horizon where that is unknown."""
    crossing, never = (
        _text("html", breach_tables([dict.fromkeys(("breach_date_p10", "breach_date_p50", "breach_date_p90")) | day]))
        for day in ({"breach_date_p10": date(2026, 3, 20)}, {})
    )
    assert crossing.split("<script")[0].count('class="window"') == 1
    assert 'class="likely"' not in crossing.split("<script")[0]
    assert 'class="window"' not in never.split("<script")[0]


def test_html_of_a_thousand_series_stays_small_and_says_what_it_writes_out() -> None:
    names = (("warning", 80.0), ("critical", 90.0), ("full", 100.0))
    reason = "It crosses its threshold in 40 to 60 days as it grows by 0.33 percent a day, and has for weeks."
    rows = [
        {"host": f"host-{i:04d}.dc1.example.com", "threshold_name": n, "threshold": v, "reason": reason}
        for i in range(1000)
        for n, v in names
    ]
    tables = breach_tables(rows, history=1, horizon=0)
    tables["forecasts"] = breach_tables(rows[:450], history=120)["forecasts"]
    text = _text("html", tables)
    assert len(text.encode()) < 1_500_000
    assert text.count("<svg") == 60
    assert text.count("<tbody>") == 300
    assert "All 3000 rows, most urgent first, each with a chart;" in text
    assert "Without its script the page shows the first 300 of 3000 rows, 60 of them with a chart and details." in text


def test_html_lists_no_more_rows_than_asked_for_and_counts_all() -> None:
    text = _text("html", breach_tables(6), top=2)
    assert "The first 2 of 6 rows" in text
    assert text.count("<tbody>") == 2
    assert "<dt>will breach</dt><dd>3<" in text


def test_html_of_a_fleet_with_more_rows_than_are_listed_draws_the_first_series_only(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(page, "ROWS", 4)
    monkeypatch.setattr(page, "FEW_CHARTS", 2)
    text = _text("html", breach_tables([{"host": f"host-{i}"} for i in range(5)]))
    assert "The first 4 of 5 rows, most urgent first, charts of the first 2 series;" in text
    assert text.count("<tbody>") == 4
    assert text.count("<svg") == 2


def test_html_of_the_three_tables_of_an_ad_hoc_forecast_needs_no_others() -> None:
    tables = {name: breach_tables(2)[name] for name in ("breaches", "forecasts", "run")}
    assert "All 2 rows" in _text("html", tables)


def test_html_shows_how_the_groups_are_and_adds_up_what_their_series_need() -> None:
    need = {"unit": "byte", "team": "storage", "change_class": "new"}
    rows = [
        {**need, "host": "a", "threshold_name": "warning", "add_needed_90d": 3e12},
        {**need, "host": "a", "threshold_name": "full", "add_needed_90d": 1e12},
        {**need, "host": "b", "add_needed_90d": 2e12},
        {"host": "c", "team": "web", "unit": "percent", "add_needed_90d": 20.0},
    ]
    text = _text("html", breach_tables(rows))
    storage, web = (
        text.split("<summary>By team</summary>")[1].split("</tbody>")[0].split("</table>")[0].split("<tr>")[2:]
    )
    assert "5 TB on 2 series" in storage
    assert '<td class="n">2</td><td class="n">2</td><td class="n">1</td>' in storage
    assert "TB" not in web
    assert "all of them together may need less" in text


def test_html_shows_the_record_and_what_was_said_against_what_came() -> None:
    counts = {"predictions": 40, "predictions_averted": 0, "predictions_unknown": 0, "horizon_days": 30}
    rows = [
        {
            "period": "last_30d",
            "p_range": "all",
            "horizon_days": 30,
            "warnings": 8,
            "warnings_true": 6,
            "precision": 0.75,
        },
        {**counts, "period": "2026-02", "p_range": "all"},
        {**counts, "period": "2026-02", "p_range": "0.7-0.8", "p_mean": 0.74, "breached_share": 0.7},
    ]
    text = _text("html", breach_tables(1) | {"record": frame_of("record", rows)})
    assert '<th scope="row">last 30 days</th><td class="n">30</td><td class="n">8</td><td class="n">6</td>' in text
    assert '<td class="n">75%</td>' in text
    assert '<th scope="row">0.7-0.8</th><td class="n">70 % of 40</td>' in text


def test_html_tells_how_far_off_the_forecasts_of_a_series_were_in_tests() -> None:
    score = {"host": "host-0000", "metric": "disk_used_pct", "instance": "/var", "direction": "above", "mae": 1.25}
    scores = [score | {"step": "1h", "horizon": "1-24", "mae_naive": 4.0}, score | {"step": "1d", "horizon": "1-7"}]
    text = _text("html", breach_tables(4) | {"backtests": frame_of("backtests", [*scores, score | {"mae": None}])})
    assert text.count("by steps ahead<dd>1-24 x 1h: 1.25 %, naive 4 %; 1-7 x 1d: 1.25 %, naive -</div>") == 2


def test_html_tells_what_became_of_earlier_predictions_of_a_row() -> None:
    past = [{"risk_id": "risk-00000", "outcome": outcome} for outcome in ("hit", "late", "hit", "quiet")]
    text = _text("html", breach_tables(2) | {"outcomes": frame_of("outcomes", past)})
    assert text.count("<dt>Earlier predictions that fell due lately<dd>hit 2, late 1</div>") == 1


def test_html_without_rows_still_says_so() -> None:
    text = _text("html", empty_tables())
    assert "The table of the run is empty." in text
    assert "All 0 rows" in text


def test_groups_show_what_their_series_need_together() -> None:
    """Levels, chances and dates of the table totals, below the counts of their label; names stay text."""
    key = {"label": "team", "name": HOSTILE[0], "metric": "disk_used_bytes", "unit": "byte", "threshold_name": "full"}
    told = {
        "series": 12, "series_left_out": 3, "current": 3.1e12, "threshold": 4e12, "p_breach_30d": 0.25,
        "forecast_30d_p50": 3.5e12, "forecast_30d_p90": 3.9e12, "breach_date_p10": date(2026, 3, 20),
    }  # fmt: skip
    rows = [key | told, key | {"label": "site", "name": "nowhere"}]
    text = _text("html", breach_tables([{"team": HOSTILE[0]}]) | {"totals": frame_of("totals", rows)})
    table = text[text.index("need together: futures") :].partition("</table>")[0]
    for part in (
        "12<small>3 left out",
        "3.1 TB",
        "4 TB",
        "3.5 TB<small>up to 3.9 TB",
        "25 %<small>30 days",
        "2026-03-20..",
    ):
        assert part in table
    assert HOSTILE[0] not in table
    assert "nowhere" not in text
    some = registry.load("report", "html")(
        breach_tables([{"team": "a"}]) | {"totals": frame_of("totals", [row | {"name": "a"} for row in rows])},
        RenderOptions(only="where host = x"),
    )
    assert b"need together: futures" not in some


def test_totals_that_are_not_listed_are_counted() -> None:
    """Of a label with many totals the page says how many it leaves to the table."""
    key = {"label": "team", "name": "a", "metric": "disk_used_bytes", "unit": "byte", "series": 2}
    for count, said in (
        (40, "left out. The table totals holds"),
        (41, "The first 40 of 41 are listed; the table totals"),
    ):
        rows = [key | {"threshold_name": f"t{number}"} for number in range(count)]
        text = _text("html", breach_tables([{"team": "a"}]) | {"totals": frame_of("totals", rows)})
        assert said in text
