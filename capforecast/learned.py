"""What was learned from a fleet's past windows, as plain numbers: applied, explained and kept without the library."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from capforecast.errors import SchemaError
from capforecast.kernels.trees import reshaped, tree_contributions, tree_scores
from capforecast.panel import Floats, Ints

FORMAT = 2
"""Version of the plain form; another one is refused."""

LEAST_CHANCE = 1e-3
"""Probabilities are taken within this much of 0 and 1 before they are put on the scale of log-odds."""


def log_odds(chance: Floats) -> Floats:
    """Return the log-odds of probabilities, those near 0 and 1 taken at LEAST_CHANCE from them."""
    inside = np.clip(chance, LEAST_CHANCE, 1.0 - LEAST_CHANCE)
    out: Floats = np.log(inside / (1.0 - inside))
    return out


def chance(odds: Floats) -> Floats:
    """Return the probabilities of log-odds."""
    out: Floats = 1.0 / (1.0 + np.exp(-np.clip(odds, -50.0, 50.0)))
    return out


def mixed(x: Floats, mix: tuple[float, ...]) -> Floats:
    """Return the weighted sum of inputs; without weights the first of them, the paths."""
    out = np.zeros(x.shape[0])
    # Column by column, so that a row's sum does not depend on how many rows there are.
    for i, weight in enumerate(mix or (1.0,)):
        if weight != 0.0:
            out += weight * x[:, i]
    return out


@dataclass(frozen=True, slots=True)
class Trees:
    """A sum of decision trees on log-odds; see `kernels.trees`."""

    roots: Ints
    feature: Ints
    cut: Floats
    left: Ints
    right: Ints
    value: Floats

    def _arrays(self) -> tuple[Ints, Ints, Floats, Ints, Ints, Floats]:
        return self.roots, self.feature, self.cut, self.left, self.right, self.value

    def scores(self, x: Floats) -> Floats:
        """Return the sum of each row of inputs, float64 (W,)."""
        out = np.empty(x.shape[0])
        tree_scores(np.ascontiguousarray(x), *self._arrays(), out)
        return out

    def contributions(self, x: Floats) -> Floats:
        """Return the exact share of each input in each sum and last the mean, float64 (W, F + 1)."""
        out = np.empty((x.shape[0], x.shape[1] + 1))
        tree_contributions(np.ascontiguousarray(x), *self._arrays(), out)
        return out


NO_TREES = Trees(*(np.empty(0, kind) for kind in (np.int64, np.int64, float, np.int64, np.int64, float)))


@dataclass(frozen=True, slots=True)
class Learned:
    """P(breach) of one metric kind and horizon as a function of inputs, the first of them the log-odds of the paths.

    The log-odds are ``shift + slope * ((1 - share) * beside + share * trees)``, where ``beside`` is the paths, or a mix
    of them and plain rules; the probability is then moved by ``doubt`` of its way towards the usual one. No mix, share
    0, shift 0, slope 1 and doubt 0 leave the paths as they are.

    Attributes
    ----------
    inputs : tuple of str
        Names of the inputs, in their order.
    trees : Trees
        What the trees say.
    mix : tuple of float
        Weight of each input in what stands beside the trees; they sum to 1. Empty for the paths alone.
    share : float
        Weight of the trees, from 0 to 1.
    shift, slope : float
        Calibration.
    doubt : float
        Little was seen where a few periods were, however many series there are: all of them may share a cause.
    usual : float
        Share of the windows that crossed, as they were weighed.
    windows, crossings, hosts : int
        Past windows, how many of them crossed, and hosts that ever did.
    tested : int
        Windows that were forecast without being learned from; the scores below are theirs.
    loss_paths, loss : float
        Mean log loss of the paths and of what is applied; NaN without tests.
    until_us : int
        Every window had ended by this moment.
    """

    inputs: tuple[str, ...]
    trees: Trees = NO_TREES
    mix: tuple[float, ...] = ()
    share: float = 0.0
    shift: float = 0.0
    slope: float = 1.0
    doubt: float = 0.0
    usual: float = 0.0
    windows: int = 0
    crossings: int = 0
    hosts: int = 0
    tested: int = 0
    loss_paths: float = float("nan")
    loss: float = float("nan")
    until_us: int = 0

    @property
    def corrects(self) -> bool:
        """Does it change what the paths say."""
        return bool(self.mix) or (self.share, self.shift, self.slope, self.doubt) != (0.0, 0.0, 1.0, 0.0)

    def beside(self, x: Floats) -> Floats:
        """Return the log-odds of what stands beside the trees, float64 (W,)."""
        return mixed(x, self.mix)

    def chances(self, x: Floats) -> Floats:
        """Return P(breach) of each row of inputs, float64 (W,); NaN where the log-odds of the paths are."""
        blend = (1.0 - self.share) * self.beside(x)
        if self.share > 0.0:
            blend = blend + self.share * self.trees.scores(x)
        return self._doubted(chance(self.shift + self.slope * blend))

    def _doubted(self, chances: Floats) -> Floats:
        return (1.0 - self.doubt) * chances + self.doubt * self.usual

    def contributions(self, x: Floats) -> Floats:
        """Return what each input adds to the log-odds, then what the doubt adds, then what all windows have in common.

        Parameters
        ----------
        x : float64 (W, F)
            Inputs.

        Returns
        -------
        float64 (W, F + 2)
            A row sums to the log-odds of its probability.
        """
        out = np.zeros((x.shape[0], x.shape[1] + 2))
        if self.share > 0.0:
            parts = self.slope * self.share * self.trees.contributions(x)
            out[:, :-2], out[:, -1] = parts[:, :-1], parts[:, -1]
        for i, weight in enumerate(self.mix or (1.0,)):
            out[:, i] += self.slope * (1.0 - self.share) * weight * x[:, i]
        out[:, -1] += self.shift
        odds = out.sum(axis=1)
        doubted = self._doubted(chance(odds))
        out[:, -2] = np.log(doubted / (1.0 - doubted)) - odds
        return out

    def plain(self) -> dict[str, Any]:
        """Return the same as numbers, texts and lists, for JSON; NULL for what is not known."""
        out: dict[str, Any] = {"format": FORMAT}
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, Trees):
                value = {name: array.tolist() for name, array in zip(_TREE_FIELDS, value._arrays(), strict=True)}
            elif isinstance(value, tuple):
                value = list(value)
            elif isinstance(value, float) and np.isnan(value):
                value = None
            out[field.name] = value
        return out


_TREE_FIELDS = tuple(field.name for field in fields(Trees))


def from_plain(plain: Mapping[str, Any]) -> Learned:
    """Return what `Learned.plain` wrote down.

    Raises
    ------
    SchemaError
        It was written by another version.
    """
    if plain.get("format") != FORMAT:
        raise SchemaError(
            f"what was learned must be in format {FORMAT}", got=f"format {plain.get('format')!r}",
            do="Learn again: it is done by every run",
        )  # fmt: skip
    values = {field.name: plain[field.name] for field in fields(Learned)}
    kept = plain["trees"]
    roots, feature, left, right = (np.array(kept[name], np.int64) for name in ("roots", "feature", "left", "right"))
    values["trees"] = Trees(roots, feature, np.array(kept["cut"], float), left, right, np.array(kept["value"], float))
    values["inputs"], values["mix"] = tuple(values["inputs"]), tuple(values["mix"])
    for name in ("loss_paths", "loss"):
        values[name] = float("nan") if values[name] is None else values[name]
    return Learned(**values)


def bent(curves: Floats, days: Ints, chances: Floats) -> Floats:
    """Bend curves of cumulative probability through given probabilities, so that dates and probabilities agree.

    Parameters
    ----------
    curves : float64 (R, D)
        P(crossed by step d), steps counted from 1; NaN throughout where nothing is known.
    days : int64 (K,)
        Rising steps within 1 .. D.
    chances : float64 (R, K)
        Probabilities by these steps; NaN leaves a curve as it is.

    Returns
    -------
    float64 (R, D)
        Never falling along D.
    """
    out = np.full_like(curves, np.nan)
    known = ~np.isnan(curves[:, 0])
    part = np.empty((int(known.sum()), curves.shape[1]))
    reshaped(np.ascontiguousarray(curves[known]), days, np.ascontiguousarray(chances[known]), part)
    out[known] = part
    return out
