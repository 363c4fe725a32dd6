"""Why rows were rejected: the most frequent reason with its first place, and how many there are of others."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from capforecast.rejected import Rejected


def test_the_most_frequent_reason_over_all_sources_is_named_with_the_first_place() -> None:
    found = Rejected()
    assert (str(found), found.rows) == ("none", 0)
    found.add("a.csv", {"late": 2, "odd": 1}, {"late": 7, "odd": 3})
    assert str(found) == '2 x "late", first at a.csv:7; 1 for 1 other reason'
    found.add("b.csv", {"odd": 4, "dull": 1}, {})
    assert str(found) == '5 x "odd", first at a.csv:3; 3 for 2 other reasons'
    found.add("c.csv", {"new": 6}, {})
    assert str(found) == '6 x "new", first at c.csv; 8 for 3 other reasons'


@given(st.lists(st.dictionaries(st.sampled_from("abcd"), st.integers(1, 5), max_size=4), max_size=5))
def test_no_row_is_lost(sources: list[dict[str, int]]) -> None:
    found = Rejected()
    for number, reasons in enumerate(sources):
        found.add(str(number), reasons, {})
    assert found.rows == sum(sum(reasons.values()) for reasons in sources)
    assert set(found.places) == set(found.reasons) == set().union(*sources)
