"""Decision trees, grown by LightGBM and written down as arrays."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import lightgbm
import numpy as np

from capforecast.learned import Trees
from capforecast.panel import Floats

MANY_CROSSINGS = 200
"""With fewer crossings the trees are kept smaller and fewer."""

SETTINGS: dict[str, Any] = {
    "objective": "binary", "learning_rate": 0.08, "num_leaves": 8, "min_data_in_leaf": 60, "lambda_l2": 20.0,
    "max_bin": 63, "min_sum_hessian_in_leaf": 1e-3, "feature_pre_filter": False,
    "deterministic": True, "force_row_wise": True, "num_threads": 1, "seed": 1, "verbosity": -1,
}  # fmt: skip
ROUNDS, FEW_ROUNDS = 60, 30


def grow(x: Floats, crossed: np.ndarray, weight: Floats) -> Trees:
    """Grow trees whose sum is the log-odds of a crossing.

    Parameters
    ----------
    x : float64 (W, F)
        Inputs, never NaN.
    crossed : bool (W,)
        Outcomes, both of them present.
    weight : float64 (W,)
        Positive weights.

    Returns
    -------
    Trees
        The same for the same windows in the same order, on any number of threads.
    """
    few = int(crossed.sum()) < MANY_CROSSINGS
    settings = {**SETTINGS, "num_leaves": 4} if few else SETTINGS
    data = lightgbm.Dataset(x, crossed.astype(float), weight=weight, params=settings)
    grown = lightgbm.train(settings, data, num_boost_round=FEW_ROUNDS if few else ROUNDS)
    return _plain(grown.dump_model()["tree_info"])


def _plain(grown: Sequence[dict[str, Any]]) -> Trees:
    """Write trees down as arrays; the value of an inner node is the mean of the leaves below it, by their windows."""
    roots: list[int] = []
    feature: list[int] = []
    cut: list[float] = []
    left: list[int] = []
    right: list[int] = []
    value: list[float] = []

    def put(node: dict[str, Any]) -> tuple[int, float]:
        place = len(feature)
        inner = "split_feature" in node
        feature.append(node["split_feature"] if inner else -1)
        cut.append(node["threshold"] if inner else 0.0)
        left.append(-1)
        right.append(-1)
        value.append(0.0 if inner else node["leaf_value"])
        if not inner:
            return place, float(node.get("leaf_count", 1))
        (left[place], a), (right[place], b) = put(node["left_child"]), put(node["right_child"])
        value[place] = (a * value[left[place]] + b * value[right[place]]) / (a + b)
        return place, a + b

    for tree in grown:
        roots.append(put(tree["tree_structure"])[0])
    whole = [np.array(column, np.int64) for column in (roots, feature, left, right)]
    return Trees(whole[0], whole[1], np.array(cut, float), whole[2], whole[3], np.array(value, float))
