"""Pictures of series: what is drawn, that names stay text, and that the bytes are always the same."""

from __future__ import annotations

import struct
import xml.etree.ElementTree as ElementTree
from datetime import date, timedelta

import polars as pl
import pytest

from capforecast import raster
from capforecast.errors import ConfigError, DataError, printable
from capforecast.picture import HISTORY_DAYS, MOST_TICKS, _marks, picture, pictures, stacked
from tests.tables import AS_OF, HOSTILE, breach_row, breach_tables, empty_tables

SVG = "{http://www.w3.org/2000/svg}"


def _drawn(tables: dict[str, pl.DataFrame], place: int = 0) -> ElementTree.Element:
    return ElementTree.fromstring(pictures(tables)[place].svg())


def _texts(drawing: ElementTree.Element) -> list[str]:
    return [element.text or "" for element in drawing.iter(f"{SVG}text")]


def _count(drawing: ElementTree.Element, kind: str) -> int:
    """Return how many paths of a class the plot has; the one of the legend apart."""
    return [element.get("class") for element in drawing.iter(f"{SVG}path")].count(kind) - 1


def test_a_picture_says_which_series_what_is_to_come_and_when() -> None:
    """Title, sentence, thresholds with their levels, dates of the crossing and of the axis are words in it."""
    texts = _texts(_drawn(breach_tables([{"status": "will_breach"}])))
    told = " ".join(texts)
    assert "host-0000  disk_used_pct  /var" in texts
    assert "/var crosses 90 % in 3 to 18 days, growing 0.33 percent a day." in told
    assert {"critical 90 %", "crossing 2026-03-04..03-19", "Feb 2026", "now"} <= set(texts)
    assert "as of 2026-03-01 02:00 UTC, daily peaks" in texts


def test_every_threshold_is_a_line_and_a_bar_where_it_is_crossed() -> None:
    """The window of the most urgent one is over the whole height; what is crossed already has neither."""
    levels = [("warning", 80.0, "breached"), ("critical", 90.0, "will_breach"), ("full", 100.0, "ok")]
    rows = [breach_row(1, host="h", threshold_name=n, threshold=level, status=s) for n, level, s in levels]
    days = breach_tables(1)["forecasts"]
    drawing = ElementTree.fromstring(picture(days, rows).svg())
    assert [_count(drawing, kind) for kind in ("limit", "bar", "window")] == [3, 2, 0]
    drawing = ElementTree.fromstring(picture(days, rows[1:]).svg())
    assert [_count(drawing, kind) for kind in ("limit", "bar", "window")] == [2, 2, 1]
    drawing = ElementTree.fromstring(picture(days, rows[2:]).svg())
    assert "1 in 10 by 2026-03-15" in _texts(drawing)
    assert _count(drawing, "window") == 0


def test_a_threshold_of_zero_is_drawn() -> None:
    """Zero is a level like any other."""
    texts = _texts(_drawn(breach_tables([{"threshold": 0.0}])))
    assert "critical 0 %" in texts


def test_names_stay_text() -> None:
    """Nothing in a name becomes an element, an attribute or a control character."""
    fields = ("host", "metric", "instance", "unit", "threshold_name", "reason")
    tables = breach_tables([dict.fromkeys(fields, text) for text in HOSTILE])
    drawn = pictures(tables)
    assert len(drawn) == len(HOSTILE)
    plain = {element.tag for element in _drawn(breach_tables(1)).iter()}
    for text, one in zip(HOSTILE, drawn, strict=True):
        drawing = ElementTree.fromstring(one.svg())
        assert {element.tag for element in drawing.iter()} <= plain
        assert drawing.findtext(f"{SVG}title") == printable("  ".join([text] * 3)).replace("\n", "\\n")
        assert not set(one.svg()) & set("\x00\x1b\x9b\r\t\u202e\u2028")


def test_the_most_urgent_series_comes_first_and_each_once() -> None:
    """The order is that of the table breaches; series without a threshold follow, with their status."""
    tables = breach_tables([{"host": h} for h in ("b", "a", "b", "c")])
    tables["breaches"] = tables["breaches"].filter(pl.col("host") != "a")
    titles = [one.title.split()[0] for one in pictures(tables)]
    assert titles == ["b", "c", "a"]
    tables["forecasts"] = tables["forecasts"].filter(pl.col("host") != "a")
    last = _texts(_drawn(tables, 2))
    assert {"Status ok, grade B.", "nothing was measured"} <= set(last)


def test_history_alone_is_a_picture() -> None:
    """Without a forecast there is neither a band nor a mark of now."""
    tables = breach_tables(1)
    tables["forecasts"] = tables["forecasts"].filter(pl.col("actual").is_not_null())
    texts = _texts(_drawn(tables))
    assert "measured" in texts
    assert not {"now", "80 % band"} & set(texts)


def test_old_history_is_left_out() -> None:
    """What is long ago takes no room from what is to come."""
    long, short = breach_tables(1, history=400), breach_tables(1, history=400)
    first = AS_OF.date() - timedelta(days=HISTORY_DAYS)
    short["forecasts"] = short["forecasts"].filter(pl.col("day") >= first)
    assert pictures(long)[0].svg() == pictures(short)[0].svg()


@pytest.mark.parametrize("span", [1, 5, 9, 17, 60, 100, 210, 900, 5000])
def test_dates_of_the_axis_are_few_and_inside(span: int) -> None:
    """Days, weeks or first days of months, in order, at most so many."""
    first = date(2026, 2, 17)
    marks = _marks(first, first + timedelta(days=span))
    assert 1 <= len(marks) <= MOST_TICKS
    assert marks == sorted(set(marks))
    assert all(first - timedelta(days=14) < day <= first + timedelta(days=span) for day in marks)


def test_long_texts_stay_inside() -> None:
    """A title gives up its middle, a sentence its end."""
    for name in ("h" * 60, "h" * 75, "ホ" * 40):
        title = _texts(_drawn(breach_tables([{"host": name}])))[0]
        assert len(title) + title.count("ホ") <= 66
        assert title.startswith(name[0])
        assert "…" in title
        assert title.endswith("/var")
    texts = _texts(_drawn(breach_tables([{"host": "h" * 300, "reason": "word " * 200}])))
    assert max(map(len, texts)) <= 112
    assert sum(text.startswith("word") for text in texts) == 3
    units = _texts(_drawn(breach_tables([{"unit": "u" * 300}])))
    assert all(len(text) <= 12 for text in units if text.startswith(("20", "40", "60", "80")))
    assert any(text.startswith("hhh") and "…" in text and text.endswith("/var") for text in texts)


def test_pictures_can_be_stacked() -> None:
    """Several are one, as high as all of them; none is refused."""
    both = pictures(breach_tables([{"host": "a"}, {"host": "b"}]))
    one = stacked(both)
    assert one.height == sum(picture.height for picture in both)
    assert [text for text in _texts(ElementTree.fromstring(one.svg())) if text.startswith(("a ", "b "))] == [
        "a  disk_used_pct  /var",
        "b  disk_used_pct  /var",
    ]
    with pytest.raises(DataError, match="must be a series"):
        stacked(pictures(empty_tables()))


def test_png_is_twice_as_wide_the_same_every_time_and_not_empty() -> None:
    """The texts are drawn with our own font: without it there would be hardly any dark dots."""
    pytest.importorskip("resvg_py", reason="the extra png is not installed")
    one = pictures(breach_tables(1))[0]
    page = one.png()
    assert page == pictures(breach_tables(1))[0].png()
    assert page[:8] == b"\x89PNG\r\n\x1a\n"
    assert struct.unpack(">II", page[16:24]) == (1600, 2 * one.height)
    assert len(page) > 1.2 * len(raster.png(one.svg().replace("<text", "<desc").replace("</text", "</desc")))


@pytest.mark.parametrize("name", ["ホスト", "\U0001f4a5", "host"])
def test_png_of_names_that_our_font_does_not_have(name: str) -> None:
    """Other fonts are looked for only then."""
    pytest.importorskip("resvg_py", reason="the extra png is not installed")
    assert pictures(breach_tables([{"host": name}]))[0].png()


def test_png_without_the_extra_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """SVG needs nothing; a notebook is not offered what cannot be made."""
    monkeypatch.setattr(raster, "AVAILABLE", False)
    one = pictures(breach_tables(1))[0]
    with pytest.raises(ConfigError, match=r"pip install capforecast\[png\]"):
        one.png()
    assert one._repr_png_() is None
    assert one._repr_svg_() == one.svg()
