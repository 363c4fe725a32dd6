"""Units in the store: rows of one series in several of them mean the same in whatever order they come."""

from itertools import pairwise

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from store_rows import MINUTE, START, Row, batch, put, state

from capforecast.store import Store
from capforecast.units import contradict, factor, known

NAMED = ["GB", "MiB", "byte", "percent", "ratio", "widgets", "Mb", None]


@st.composite
def rows_in_units(draw):
    """Rows of one series that name units of two quantities, units that nobody knows, and none."""
    units = draw(st.lists(st.sampled_from(NAMED), min_size=1, max_size=8))
    return [Row("a", START + MINUTE * i, float(i + 1), metric="m", unit=unit) for i, unit in enumerate(units)]


def in_its_unit(store):
    """Return what the samples of the one series are in the unit that its values came in, by their moment."""
    ((given, scale),) = store.series().select("given", "scale").rows()
    samples = store.samples("a", "m").select(pl.col("ts").dt.epoch("us"), pl.col("value") / scale).rows()
    return given, dict(samples)


@given(rows=rows_in_units(), chance=st.randoms(use_true_random=False))
@settings(max_examples=30)
def test_the_order_of_rows_with_other_units_changes_nothing(rows, chance, tmp_path_factory):
    """One ingest takes, converts and refuses the same rows in the same unit, whichever comes first."""
    found = []
    for _ in range(2):
        with Store.create(tmp_path_factory.mktemp("store") / "s", created_us=START) as store:
            taken = put(store, "f", batch(rows))
            refused = sorted(store.quarantine().select("reason", "raw").rows())
            found.append((state(store)["samples"], store.series().rows(), refused, taken.warnings))
        chance.shuffle(rows)
    assert found[0] == found[1]


@given(rows=rows_in_units(), cuts=st.sets(st.integers(1, 7)))
@settings(max_examples=30)
def test_what_a_sample_means_does_not_change_with_what_comes_later(rows, cuts, tmp_path_factory):
    """Ingest by ingest, each row is converted exactly or refused with a reason; what was taken stays what it was."""
    bounds = [0, *sorted(cut for cut in cuts if cut < len(rows)), len(rows)]
    with Store.create(tmp_path_factory.mktemp("store") / "s", created_us=START) as store:
        before = ("", {})
        for k, (start, stop) in enumerate(pairwise(bounds)):
            put(store, f"f{k}", batch(rows[start:stop]))
            given_unit, values = in_its_unit(store)
            if known(before[0]) is not None and before[0]:
                assert given_unit == before[0]
            assert values | before[1] == pytest.approx(values)
            before = (given_unit, values)
        refused = {raw.split(",")[4] for raw in store.quarantine()["raw"]}
        for row in rows:
            told = str(row.ts) in refused
            quantity = known(row.unit or "")
            if told:
                assert contradict(row.unit or "", given_unit)
            elif row.unit and quantity is not None:
                assert values[row.ts] == pytest.approx(row.value * factor(row.unit, given_unit))
            else:
                # A unit that is not known, or none: as the rows say that name one.
                assert values[row.ts] == pytest.approx(row.value)
