"""What a notebook shows: pictures, runs and explanations as text of a page, with names as text."""

from __future__ import annotations

import html.parser
from pathlib import Path

import polars as pl
import pytest

import capforecast as cf
from capforecast import raster
from capforecast.errors import ConfigError, UnknownNameError
from capforecast.glance import ROWS, glance
from tests.tables import HOSTILE, breach_tables

DATA = Path(__file__).parents[1] / "data"
AS_OF = "2026-05-20"


class _Cells(html.parser.HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.cells: list[str] = []
        self.tags: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        if tag == "td":
            self.cells.append("")

    def handle_data(self, data: str) -> None:
        if self.cells:
            self.cells[-1] += data


def _cells(page: str) -> _Cells:
    parser = _Cells()
    parser.feed(page)
    return parser


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with the small sample."""
    path = tmp_path_factory.mktemp("notebook") / "store"
    cf.ingest(DATA / "samples.csv", path)
    return path


def test_plot_draws_what_the_command_draws(store: Path) -> None:
    """One series, or all of a host below each other; a wrong name proposes the nearest."""
    one = cf.plot("db-02", "disk_used_bytes", store=store, as_of=AS_OF)
    assert one._repr_svg_().startswith("<svg ")
    assert repr(one) == f"<Picture of {one.title}>"
    both = cf.plot("db-02", store=store, as_of=AS_OF)
    assert both.height > 2 * one.height
    assert one.title in both.title
    shorter = cf.plot("db-02", "disk_used_bytes", store=store, as_of=AS_OF, horizon="5d")
    assert shorter.svg() != one.svg()
    with pytest.raises(UnknownNameError, match="Did you mean 'db-02'"):
        cf.plot("db-2", store=store)
    with pytest.raises(ConfigError, match="whole days"):
        cf.plot("db-02", store=store, horizon="36h")


def test_a_notebook_is_offered_png_only_where_it_can_be_made(store: Path) -> None:
    """With the extra it is."""
    page = cf.plot("db-02", "disk_used_bytes", store=store, as_of=AS_OF)._repr_png_()
    assert (page is not None) == raster.AVAILABLE


def test_a_picture_styles_nothing_but_itself(store: Path) -> None:
    """Its rules stand in the page of the notebook."""
    drawn = cf.plot("db-02", "disk_used_bytes", store=store, as_of=AS_OF).svg()
    rules = drawn.partition("<style>")[2].partition("</style>")[0].split("}")
    assert all(rule.startswith(".capforecast-picture ") for rule in rules if rule)


def test_a_glance_counts_all_rows_and_shows_the_first() -> None:
    """In the order of the table."""
    breaches = breach_tables([{"host": f"host-{i:02d}"} for i in range(ROWS + 5)])["breaches"]
    page = glance("Run r-1", breaches, ["a message"])
    assert f"The first {ROWS} of {ROWS + 5} rows; status: ok 1, will_breach 3, breached 1, too_short 15" in page
    assert [cell for cell in _cells(page).cells if cell.startswith("host-")] == [f"host-{i:02d}" for i in range(ROWS)]
    assert page.endswith("<p>a message</p></div>")


def test_names_in_a_glance_stay_text() -> None:
    """Nothing in them becomes an element."""
    for text in HOSTILE:
        breaches = breach_tables([dict.fromkeys(("host", "metric", "instance", "unit", "threshold_name"), text)])
        found = _cells(glance(text, breaches["breaches"], [text]))
        assert found.tags == {"div", "p", "b", "table", "thead", "tbody", "tr", "th", "td"}
        assert not set("".join(found.cells)) & set("\x00\x1b\x9b\r\t\u202e\u2028")


def test_runs_and_explanations_show_themselves(store: Path, tmp_path: Path) -> None:
    """A run says where it is; its page and that of an explanation name the host."""
    result = cf.run(store, as_of=AS_OF, config=cf.load(None, {"limits.file": str(DATA / "limits.csv")}))
    assert repr(result) == f"<RunResult {result.run_id}: published in {result.published.path}>"
    assert "db-02" in result._repr_html_()
    told = cf.explain("db-02", store=store, as_of=AS_OF)[0]
    page = told._repr_html_()
    assert page.startswith("<div><svg ")
    assert "db-02" in page
    assert isinstance(result.tables["breaches"], pl.DataFrame)
