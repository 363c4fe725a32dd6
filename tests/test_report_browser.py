"""The page in a real browser, without a network: what its script shows, finds, sorts and draws."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from capforecast import registry
from capforecast.report import RenderOptions
from tests.tables import AS_OF, HOSTILE, breach_row, breach_tables, frame_of

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed"),
]
COLUMNS = {
    "#": 0,
    "Severity": 1,
    "Host": 2,
    "Threshold": 5,
    "Now": 6,
    "P(30 days)": 7,
    "Breach, p10..p90": 8,
    "To add": 10,
}
CONTRAST = """(selector) => {
  const channel = (c) => (c /= 255, c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
  const light = (colour) => colour.match(/[\\d.]+/g).slice(0, 3).map(Number).map(channel)
    .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
  return [...document.querySelectorAll(selector)].map((node) => {
    let ground = node;
    while (ground && getComputedStyle(ground).backgroundColor === "rgba(0, 0, 0, 0)") ground = ground.parentElement;
    const style = getComputedStyle(node);
    const ink = node instanceof SVGElement ? style.fill : style.color;
    const [a, b] = [light(ink), light(getComputedStyle(ground || document.body).backgroundColor)];
    return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
  });
}"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    driver = pytest.importorskip("playwright.sync_api", reason="capforecast[browser] is not installed")
    with driver.sync_playwright() as play:
        running = play.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield running
        running.close()


class Opened:
    """A page opened from a file, and all it asked for and complained of."""

    def __init__(self, browser: Any, path: Path, tables: dict[str, pl.DataFrame], first: str = "", **how: Any):
        file = path / "report.html"
        file.write_bytes(registry.load("report", "html")(tables, RenderOptions()))
        how = {"viewport": {"width": 1280, "height": 900}, "offline": True, **how}
        self.page = browser.new_context(**how).new_page()
        self.page.add_init_script(first)
        self.said: list[str] = []
        self.asked: list[str] = []
        self.page.on("console", lambda message: self.said.append(message.text))
        self.page.on("pageerror", lambda error: self.said.append(str(error)))
        self.page.on("dialog", lambda dialog: self.said.append(dialog.message))
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.goto(file.as_uri())
        if how.get("java_script_enabled", True) and not first:
            self.page.locator("html[data-ready]").wait_for(state="attached")

    def left(self, text: str) -> None:
        """Wait until the page says so of how many rows are left."""
        self.page.locator("#left", has_text=re.compile(f"^{text}$")).wait_for()

    def column(self, name: str) -> list[str]:
        place = COLUMNS[name] + 1
        return self.page.locator(f"#rows tbody tr:first-child > :nth-child({place})").all_inner_texts()

    def rows(self) -> int:
        """Return how many rows are shown, open or not."""
        return self.page.locator("#rows tbody").count()


def _ranked(count: int, **fields: object) -> list[dict[str, object]]:
    return [
        {
            "host": f"host-{i:03d}", "current": float((i * 37) % 100), "p_breach_30d": (i % 50) / 50,
            "breach_date_p10": AS_OF.date() + timedelta(days=i % 80) if i % 3 else None, **fields,
        }
        for i in range(count)
    ]  # fmt: skip


def test_the_page_opens_without_a_network_and_without_a_complaint(browser: Any, tmp_path: Path) -> None:
    opened = Opened(browser, tmp_path, breach_tables(12))
    assert [url for url in opened.asked if not url.startswith("file:")] == []
    assert len(opened.asked) == 1
    assert opened.said == []


def test_script_and_page_write_the_same_rows(browser: Any, tmp_path: Path) -> None:
    """Levels, dates, chances and facts read alike, whether the page wrote them or its script did."""
    levels = (0.0, 1.0, -3.27, 999.4, 999.6, 12345.0, 1.23e13, 5e-5, 0.1234, 8765.4321)
    some, large = ("percent", "bytes", "ms", "count", "KiB"), ("byte", "kB/s", "1/s", "widgets")
    pairs = [(level, unit) for level in levels for unit in (some if level < 1e6 else large)]
    rows = [
        {
            "host": f"host-{i}", "unit": unit, "current": level, "threshold": level * 1.5, "growth_per_day": level / 90,
            "p_breach_30d": (0.0, 0.004, 0.5, 0.996, 1.0)[i % 5], "headroom": -level / 7, "add_needed_90d": level,
                "days_slipped": i - 4,
            "change_class": ("new", "worse", "better", "same", None)[i % 5], "direction": ("above", "below")[i % 2],
        }
        for i, (level, unit) in enumerate(pairs)
    ]  # fmt: skip
    tables = breach_tables(rows)
    still = Opened(browser, tmp_path, tables, java_script_enabled=False)
    live = Opened(browser, tmp_path, tables)
    assert still.rows() == len(rows)
    for box in live.page.locator("#rows details").all():
        box.evaluate("node => { node.open = true; }")
    live.page.wait_for_function(f"() => document.querySelectorAll('#rows dl').length === {len(rows)}")
    texts = """nodes => nodes.map((row) => [...row.querySelectorAll("tr:first-child > *, summary, dt, dd")]
      .map((part) => part.textContent.replace(/\\s+/g, " ").trim()))"""
    written, shown = (opened.page.locator("#rows tbody").evaluate_all(texts) for opened in (still, live))
    assert shown == written


def test_without_script_rows_and_charts_are_there(browser: Any, tmp_path: Path) -> None:
    opened = Opened(browser, tmp_path, breach_tables(_ranked(320)), java_script_enabled=False)
    assert opened.rows() == 300
    opened.page.locator("#rows summary").first.click()
    assert opened.page.locator("#rows svg").first.is_visible()
    assert "shows the first 300 of 320 rows" in opened.page.locator("noscript").inner_text()
    assert not opened.page.locator("form.find").is_visible()


def test_a_browser_that_cannot_unpack_shows_what_is_written_and_says_so(browser: Any, tmp_path: Path) -> None:
    opened = Opened(browser, tmp_path, breach_tables(_ranked(320)), first="delete window.DecompressionStream;")
    assert opened.page.locator("#old").is_visible()
    assert opened.rows() == 300
    assert not opened.page.locator("form.find").is_visible()
    assert opened.said == []


def test_hostile_names_stay_text(browser: Any, tmp_path: Path) -> None:
    fields = ("host", "metric", "instance", "unit", "team", "threshold_name", "threshold_source", "reason", "model")
    opened = Opened(browser, tmp_path, breach_tables([dict.fromkeys(fields, text) for text in HOSTILE]))
    page = opened.page
    for box in page.locator("#rows details").all():
        box.evaluate("node => { node.open = true; }")
    page.wait_for_function(f"() => document.querySelectorAll('#rows svg').length === {len(HOSTILE)}")
    assert page.locator("img").count() == 0
    assert page.locator("script").count() == 3
    assert opened.said == []
    assert "<script>alert(1)</script>" in opened.column("Host")
    assert "=cmd|' /C calc'!A0" in opened.column("Host")


def test_rows_are_sorted_by_any_column_with_the_keyboard(browser: Any, tmp_path: Path) -> None:
    opened = Opened(browser, tmp_path, breach_tables(_ranked(90)))
    head = opened.page.get_by_role("button", name="Now", exact=True)
    head.focus()
    opened.page.keyboard.press("Enter")
    levels = [float(text.split(" ")[0]) for text in opened.column("Now")]
    assert levels == sorted(levels)
    assert opened.page.locator("th[aria-sort]").get_attribute("aria-sort") == "ascending"
    opened.page.keyboard.press("Space")
    assert [float(text.split(" ")[0]) for text in opened.column("Now")] == sorted(levels, reverse=True)
    opened.page.get_by_role("button", name="Breach, p10..p90").click()
    dates = [text.partition("\n")[0][:10] for text in opened.column("Breach, p10..p90")]
    known = [text for text in dates if text[:2] == "20"]
    assert dates[: len(known)] == sorted(known)
    assert len(known) == 60


def test_rows_are_found_by_words_and_picked_by_what_they_are(browser: Any, tmp_path: Path) -> None:
    rows = [
        *_ranked(130, team="db"),
        *[{**row, "host": f"web-{i}", "team": "web"} for i, row in enumerate(_ranked(20))],
    ]
    opened = Opened(browser, tmp_path, breach_tables(rows))
    page = opened.page
    opened.left("150 of 150 rows, 100 shown")
    page.get_by_role("button", name="Show more").click()
    assert len(opened.column("Host")) == 150
    page.get_by_label("Find").fill("WEB-1 disk")
    assert set(opened.column("Host")) == {"web-1", *(f"web-{i}" for i in range(10, 20))}
    opened.left("11 of 150 rows")
    page.get_by_role("button", name="Show all").click()
    opened.left("150 of 150 rows, 100 shown")
    page.get_by_text("Filters").click()
    page.locator("select[name=team]").select_option("web")
    opened.left("20 of 150 rows")
    tile = page.get_by_role("button", name="too short")
    tile.click()
    opened.left("[1-9][0-9]* of 150 rows")
    assert tile.get_attribute("aria-pressed") == "true"
    tile.click()
    opened.left("20 of 150 rows")
    page.get_by_role("button", name="Show all").click()
    page.locator("summary", has_text="By team").click()
    page.get_by_role("button", name="web", exact=True).click()
    opened.left("20 of 150 rows")


def test_a_row_opens_with_the_keyboard_and_draws_its_chart(browser: Any, tmp_path: Path) -> None:
    names = (("warning", 80.0), ("full", 100.0))
    opened = Opened(
        browser, tmp_path, breach_tables([{"host": "a", "threshold_name": n, "threshold": v} for n, v in names])
    )
    opened.page.locator("#rows summary").first.focus()
    opened.page.keyboard.press("Enter")
    chart = opened.page.get_by_role("img", name="a disk_used_pct /var: history, forecast and thresholds")
    chart.wait_for()
    texts = chart.locator("text").all_text_contents()
    assert {"warning 80 %", "full 100 %", "2025-12-31", "2026-05-29"} <= set(texts)
    for part in ("actual", "median", "band", "window", "likely", "now"):
        assert chart.locator(f".{part}").count() == 1


def test_the_days_of_a_chart_are_told_under_the_pointer_and_by_arrow_keys(browser: Any, tmp_path: Path) -> None:
    opened = Opened(browser, tmp_path, breach_tables(1))
    opened.page.locator("#rows summary").first.click()
    plot, told = opened.page.locator(".plot"), opened.page.locator(".readout")
    plot.locator("svg").wait_for()
    plot.focus()
    assert told.inner_text() == "2026-03-01: median about 81 %, 8 of 10 futures 78 % to 84 %"
    opened.page.keyboard.press("ArrowLeft")
    assert told.inner_text() == "2026-02-28: measured about 80.6 %"
    plot.hover(position={"x": 850, "y": 50})
    assert told.inner_text().startswith("2026-05-")
    assert plot.locator(".cross").count() == 1


def test_charts_of_page_and_script_show_the_same(browser: Any, tmp_path: Path) -> None:
    """Where lines begin, end and peak agree within two hundredths of the picture."""
    box = """(chart, part) => {
      const [whole, one] = [chart.getBoundingClientRect(), chart.querySelector("." + part).getBoundingClientRect()];
      return [one.left - whole.left, one.right - whole.left, one.top - whole.top, one.bottom - whole.top]
        .map((edge, i) => edge / (i < 2 ? whole.width : whole.height));
    }"""
    boxes = []
    for script in (False, True):
        opened = Opened(browser, tmp_path, breach_tables(2), java_script_enabled=script)
        opened.page.locator("#rows summary").first.click()
        chart = opened.page.locator("#rows svg").first
        chart.wait_for()
        boxes.append([chart.evaluate(box, part) for part in ("actual", "median", "band", "limit", "window")])
    for still, live in zip(*boxes, strict=True):
        assert live == pytest.approx(still, abs=0.04)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_texts_stand_out_from_their_ground(browser: Any, tmp_path: Path, scheme: str) -> None:
    """Contrast is 4.5 to 1 and more, also of small print and in charts."""
    opened = Opened(browser, tmp_path, breach_tables(12), color_scheme=scheme)
    opened.page.locator("#rows summary").first.click()
    opened.page.locator("#rows svg").first.wait_for()
    selector = "p, h1, h2, dt, dd, td, th, small, summary, caption, button, input, .s, svg text"
    contrasts = opened.page.evaluate(CONTRAST, selector)
    assert len(contrasts) > 200
    assert min(contrasts) >= 4.5


@pytest.mark.parametrize("width", [400, 800, 1280])
def test_the_page_fits_its_window(browser: Any, tmp_path: Path, width: int) -> None:
    opened = Opened(browser, tmp_path, breach_tables(12), viewport={"width": width, "height": 900})
    opened.page.locator("#rows summary").first.click()
    opened.page.locator("#rows svg").first.wait_for()
    assert opened.page.evaluate("document.documentElement.scrollWidth") <= width
    table = opened.page.get_by_role("table", name="All 12 rows")
    assert table.get_by_role("row").count() >= 12
    if width >= 1280:
        wide = "document.querySelector('#rows').closest('.wide')"
        assert opened.page.evaluate(f"{wide}.scrollWidth <= {wide}.clientWidth")


def test_everything_to_press_has_a_name(browser: Any, tmp_path: Path) -> None:
    page = Opened(browser, tmp_path, breach_tables(_ranked(120))).page
    page.get_by_text("Filters").click()
    snapshot = page.locator("body").aria_snapshot()
    pressed = re.findall(r"- (button|combobox|searchbox|link|textbox)\b([^\n]*)", snapshot)
    assert len(pressed) > 15
    assert [line for line in pressed if '"' not in line[1]] == []


def test_a_print_shows_the_rows_and_what_is_open_but_nothing_to_press(browser: Any, tmp_path: Path) -> None:
    opened = Opened(browser, tmp_path, breach_tables(8))
    opened.page.locator("summary", has_text="By team").click()
    opened.page.emulate_media(media="print")
    assert not opened.page.locator("form.find").is_visible()
    assert opened.page.locator("#rows tbody").last.is_visible()
    assert opened.page.locator(".more table").first.is_visible()


def test_ten_thousand_series_of_three_thresholds_open_and_answer(browser: Any, tmp_path: Path) -> None:
    """The page of 30,000 rows stays below 3 MB, and every row of it can be found, with its chart."""
    series, names = 10_000, {"warning": 80.0, "critical": 90.0, "full": 100.0}
    host = pl.format("host-{}.dc1.example.com", pl.int_range(series).cast(pl.String).str.zfill(5)).alias("host")
    hosts = pl.select(host).with_columns(seed=pl.int_range(series))
    noise = (pl.col("seed") * 7919 + pl.col("step") * 104_729).hash(3) % 1000 / 50.0
    steps = pl.select(step=pl.int_range(-120, 90))
    days = hosts.join(steps, how="cross").with_columns(noise=noise)
    level = 30 + pl.col("seed") % 40 + pl.col("step") / 10 + pl.col("noise")
    ahead = pl.col("step") >= 0
    key = {
        "metric": pl.lit("cpu_util_pct"),
        "instance": pl.lit(""),
        "direction": pl.lit("above"),
        "unit": pl.lit("percent"),
    }
    forecasts = days.with_columns(
        **key, day=pl.lit(date(2026, 3, 1)) + pl.duration(days="step"), actual=pl.when(~ahead).then(level),
        q10=pl.when(ahead).then(level - 9), q50=pl.when(ahead).then(level), q90=pl.when(ahead).then(level + 9),
    )  # fmt: skip
    limits = pl.DataFrame({"threshold_name": list(names), "threshold": list(names.values())})
    like = frame_of("breaches", [breach_row(2)]).drop("host", "metric", "instance", "threshold_name", "threshold")
    text = pl.format("At {} % it is expected to cross {} % around 2026-04-{}, with {} %.", "seed", "threshold",
                     pl.col("seed") % 28 + 1, pl.col("seed") * 31 % 997)  # fmt: skip
    rows = hosts.join(limits, how="cross").with_columns(
        metric=pl.lit("cpu_util_pct"), instance=pl.lit(""), reason=text,
        current=30.0 + pl.col("seed") * 31 % 4999 / 100,
        growth_per_day=pl.col("seed") * 17 % 7919 / 10_000, risk_id=pl.format("{}-{}", "seed", "threshold_name"),
    )  # fmt: skip
    rows = rows.join(like.drop("current", "growth_per_day", "reason", "risk_id"), how="cross")
    tables = breach_tables(0)
    tables["breaches"] = rows.select(tables["breaches"].columns)
    tables["forecasts"] = pl.concat([tables["forecasts"], forecasts], how="diagonal_relaxed")
    opened = Opened(browser, tmp_path, tables)
    assert (tmp_path / "report.html").stat().st_size < 3_000_000
    opened.page.get_by_label("Find").fill("host-09999 full")
    assert opened.column("Host") == ["host-09999.dc1.example.com"]
    opened.page.locator("#rows summary").first.click()
    opened.page.locator("#rows svg .actual").wait_for()
    assert opened.said == []
