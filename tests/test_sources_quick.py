"""What is read quickly where it is plain says what a closer look says: the same samples, rejects and line numbers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from source_files import START_S, load, write

from capforecast.sources import Batch, influx, openmetrics
from capforecast.sources.documents import Points

NUMBERS = [
    "1", "1.5", "+2", "-3.25", ".5", "7.", "1e3", "1E-3", "2i", "-2i", "3u", "1_0", "nan", "inf", "-inf", "0x1",
    "1.2.3", "t", "False", '"text"', "", "i", "-", "٣", "1٣2", "9" * 400, "1e999",
]  # fmt: skip
TIMES = [f"{START_S + k}000000000" for k in range(3)] + ["9" * 19, "-5", "", "x", "٣", "1" * 20]
LINES = st.lists(
    st.builds(
        "{} {}{}{}".format,
        st.sampled_from(["cpu,host=a", "cpu,host=b", "cpu", "m\\ x,host=a", "cpu,host=ü", "#cpu", "cpu,"]),
        st.lists(st.tuples(st.sampled_from("xyz"), st.sampled_from(NUMBERS)), min_size=1, max_size=3).map(
            lambda fields: ",".join(f"{name}={text}" for name, text in fields)
        ),
        st.sampled_from([" ", "  ", ""]),
        st.sampled_from(TIMES),
    ),
    min_size=1,
    max_size=12,
)
SCRAPES = st.lists(
    st.one_of(
        st.builds(
            "{}{}{}".format,
            st.sampled_from(['m{a="1",instance="h:1"}', 'm{a="} 1",instance="h:1"}', "m", 'm_total{a="1"}', 'm{a="1"']),
            st.sampled_from([" ", "  ", "\t"]),
            st.tuples(
                st.sampled_from([*NUMBERS, "1 # {x=\"y\"} 2"]),
                st.sampled_from(["", f" {START_S}", f" {START_S}.5", f" -{START_S}", " 1e9", " x"]),
            ).map("".join),
        ),
        st.sampled_from(["# TYPE m counter", "# TYPE m gauge", "# UNIT m bytes", "# HELP m x"]),
    ),
    min_size=1,
    max_size=12,
)  # fmt: skip


class Forgetful(dict[Any, Any]):
    """Keeps nothing."""

    def __setitem__(self, key: Any, value: Any) -> None:
        """Forget it."""


def same(one: Batch, other: Batch) -> None:
    assert one.rows.equals(other.rows, null_equal=True)
    assert one.rejects.equals(other.rejects)


@given(lines=LINES)
def test_lines_of_plain_fields(lines: list[str], tmp_path_factory: pytest.TempPathFactory) -> None:
    path = write(
        tmp_path_factory.mktemp("quick") / "a", "\n".join([*lines, *lines]) + f"\nlast x=1 {START_S}000000000\n"
    )
    quick = load(path, format="influx", epoch="ns")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(influx._Lines, "_added", lambda *_: False)
        same(quick, load(path, format="influx", epoch="ns"))


@given(lines=SCRAPES)
def test_lines_of_known_labels(lines: list[str], tmp_path_factory: pytest.TempPathFactory) -> None:
    path = write(tmp_path_factory.mktemp("quick") / "a", "\n".join([*lines, *lines, f"last 1 {START_S}"]) + "\n")
    quick = load(path, format="openmetrics", epoch="s")
    with pytest.MonkeyPatch.context() as patch:
        made = openmetrics._Lines.__init__

        def forgetful(self: Any, *given: Any) -> None:
            made(self, *given)
            self._known = Forgetful()

        patch.setattr(openmetrics._Lines, "__init__", forgetful)
        same(quick, load(path, format="openmetrics", epoch="s"))


CELLS = st.one_of(
    st.none(), st.booleans(), st.integers(-10, 2**70), st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from(["1", "2.5", "nan", "1_0", "٣", "x", " 1 "]), st.just([1]),
)  # fmt: skip
PAIRS = st.lists(
    st.one_of(
        st.tuples(st.integers(START_S, START_S + 9), st.floats(0, 9)).map(list),
        st.tuples(st.integers(START_S, START_S + 9), st.sampled_from(["1", "2.5", "NaN"])).map(list),
        st.lists(CELLS, max_size=3),
        CELLS,
    ),
    max_size=6,
)


@given(pairs=st.one_of(PAIRS, st.lists(st.tuples(st.integers(START_S, START_S + 9), st.floats(0, 9)), max_size=6)))
def test_pairs_of_documents(pairs: list[Any], tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("quick")
    turned = [list(pair[::-1]) if isinstance(pair, list | tuple) else pair for pair in pairs]
    graphite = [{"target": "a.b", "datapoints": turned}, {"target": "c", "datapoints": [[1.5, START_S]]}]
    answer = {"status": "success", "data": {"resultType": "matrix", "result": [
        {"metric": {"__name__": "m", "instance": "a"}, "values": pairs},
        {"metric": {"__name__": "m", "instance": "b"}, "values": [[START_S, "1"]]},
    ]}}  # fmt: skip
    for name, document in (("graphite", graphite), ("prometheus-json", answer)):
        path: Path = write(folder / name, json.dumps(document))
        quick = load(path, format=name)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Points, "add_many", lambda *_: False)
            same(quick, load(path, format=name))


def test_most_lines_take_the_quick_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The comparisons above would hold without one, too."""
    looked: list[str] = []
    fields, sample = influx._fields, openmetrics._sample
    monkeypatch.setattr(influx, "_fields", lambda text, place: looked.append(text) or fields(text, place))
    monkeypatch.setattr(openmetrics, "_sample", lambda text: looked.append(text) or sample(text))
    monkeypatch.setattr(Points, "add", lambda *_: looked.append("point"))
    lines = [f"cpu,host=a x={k}.5,y={k}i {START_S + k}000000000" for k in range(50)]
    scrapes = [f'm{{instance="a:1"}} {k} {START_S + k}.5' for k in range(50)]
    graphite = json.dumps([{"target": "a", "datapoints": [[k, START_S + k] for k in range(50)]}])
    for name, text in (("influx", "\n".join(lines)), ("openmetrics", "\n".join(scrapes)), ("graphite", graphite)):
        looked.clear()
        rows = load(write(tmp_path / name, text), format=name).rows
        assert rows.filter(pl.col("ts") > 0).height == (100 if name == "influx" else 50)
        assert len(looked) <= 2
