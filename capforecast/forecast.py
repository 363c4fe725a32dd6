"""Pool, weights, paths and quantiles: everything that is said once for all models."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from capforecast.kernels.combination import combine, weigh
from capforecast.kernels.origins import fill_gaps, naive_errors, place_origins, seasonal_scale
from capforecast.kernels.paths import covered, make_paths
from capforecast.kernels.quantiles import weighted_quantiles
from capforecast.kernels.trend import cut_history
from capforecast.models import Model, Past
from capforecast.monthly import monthly
from capforecast.panel import DAY_US, WEEK_US, Floats, Forecast, Ints, Panel

CHANGE_STEPS = 4
LEAST_AFTER_CHANGE = 21
"""A lasting jump divides four steps from four, and cuts the history when three weeks are left after it."""


TILE = 16
"""Series whose candidates are made, weighed and combined together."""

TESTED_STEPS = 12
"""Steps of each bucket of the horizon on which coverage is measured."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """Settings of the combination.

    Attributes
    ----------
    origins : int
        Rolling origins.
    temperature : float
        Sharpness of the weights.
    doubt : float
        Standard errors by which a member must be better than the plain one.
    trust : float
        Factor on the weight of the plain member, the last value.
    widen : float
        Factor on residual paths.
    mirror : float
        Weight of a mirrored residual path against 1 of the path itself.
    share : float
        Probability of the blocks of history together.
    climate : float
        How far the blocks take over where levels return at once: 0 not at all, 1 wholly.
    unsure : float
        How much of a difference of level is taken to be kept where the history is too short to tell.
    blocks : int
        Most blocks of history.
    """

    origins: int = 10
    temperature: float = 15.0
    doubt: float = 0.0
    trust: float = 1.0
    widen: float = 1.0
    mirror: float = 1.0
    share: float = 0.2
    climate: float = 0.15
    unsure: float = 0.4
    blocks: int = 20


def seasons_of(step_us: int) -> tuple[int, ...]:
    """Return the season lengths of a step, in steps, shortest first.

    Steps below a day have a day and a week where both are whole; daily steps have a week; longer steps
    have a year.
    """
    if step_us < DAY_US:
        day, week = DAY_US // step_us, WEEK_US // step_us
        return (day, week) if day > 1 else (week,)
    if step_us < WEEK_US:
        return (WEEK_US // step_us,)
    return (52 * WEEK_US // step_us,)


def buckets_of(horizon: int, season: int) -> tuple[tuple[int, int], ...]:
    """Split a horizon into buckets that are weighed apart: one season, a week of seasons, a month, the rest."""
    edges = [0]
    for edge in (season, 7 * season, 30 * season):
        if edge < horizon:
            edges.append(edge)
    edges.append(horizon)
    return tuple((a + 1, b) for a, b in zip(edges, edges[1:], strict=False))


def forecast(panel: Panel, models: Sequence[Model], horizon: int, recipe: Recipe | None = None) -> Forecast:
    """Forecast every series of a panel.

    Parameters
    ----------
    panel : Panel
        Series on one grid, S of them.
    models : sequence of Model
        Families whose members compete and are combined.
    horizon : int
        Steps ahead.
    recipe : Recipe, optional
        Settings of the combination.

    Returns
    -------
    Forecast
        Every path inside the bounds of its series; NaN and weight zero where nothing can be forecast.
    """
    recipe = recipe or Recipe()
    added = monthly(panel, horizon)
    if added is not None:
        panel = replace(panel, values=added.without(panel.values))
    seasons = seasons_of(panel.step_us)
    season = seasons[0]
    daily = panel.step_us >= DAY_US
    reach = horizon if daily else min(horizon, seasons[-1])
    filled = np.empty_like(panel.values)
    first = np.empty(len(panel), np.int64)
    fill_gaps(panel.values, 1 if daily else season, filled, first)
    if daily:
        cut_history(filled, CHANGE_STEPS, LEAST_AFTER_CHANGE, first)
    back = np.empty((len(panel), recipe.origins + 1), np.int64)
    spacing = min(season, max(reach // 2, 1)) if daily else season
    place_origins(first, panel.values.shape[1], reach, spacing, 10 if daily else 2 * season, back)
    # Origins that no series has room for cost nothing.
    back = np.ascontiguousarray(back[:, : 1 + int((back[:, 1:] >= 0).sum(axis=1).max(initial=0))])
    past = Past(filled, first, back, seasons, panel.lower, panel.upper)
    buckets = buckets_of(reach, season)
    edges = np.array([0, *(last for _, last in buckets)], np.int64)
    tested = _compete(models, panel, past, edges, recipe)
    mean = np.ascontiguousarray(tested.combined[:, 0])
    if horizon > reach:
        mean = _continue(models, past, tested.weights, np.append(edges[:-1], horizon))
    paths = np.empty((len(panel), recipe.blocks + 2 * recipe.origins, horizon))
    chances = np.empty(paths.shape[:2])
    make_paths(
        panel.values, filled, first, back, tested.combined, mean, recipe.widen, recipe.mirror, recipe.share,
        1 if daily else season, seasons[-1], 3 if daily else season, recipe.climate,
        recipe.unsure, recipe.blocks, paths, chances,
    )  # fmt: skip
    if added is not None:
        added.onto(mean, paths)
        np.clip(mean, panel.lower[:, None], panel.upper[:, None], out=mean)
    np.clip(paths, panel.lower[:, None, None], panel.upper[:, None, None], out=paths)
    coverage = np.empty((len(panel), len(buckets)))
    covered(panel.values, back, tested.combined, edges, recipe.widen, TESTED_STEPS, coverage)
    errors = np.empty((2, *coverage.shape))
    naive_errors(panel.values, filled, first, back, tested.combined, season, edges, errors)
    return Forecast(
        mean=mean, paths=paths, path_weights=chances, members=_members(models, seasons), weights=tested.weights,
        error=errors[0], error_naive=errors[1], coverage=coverage, origins=tested.scored, buckets=buckets,
        step_us=panel.step_us,
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Tested:
    """Weights of the members, their combination at every origin, and how many origins were scored."""

    weights: Floats
    combined: Floats
    scored: Ints


def _compete(models: Sequence[Model], panel: Panel, past: Past, edges: Ints, recipe: Recipe) -> _Tested:
    """Let all members of all models forecast from every origin, weigh and combine them.

    A few series at a time: their candidates then stay in the processor's cache.
    """
    members = _members(models, past.seasons)
    prior, plain = _prior(members), _plain(members)
    scale = np.empty(len(panel))
    seasonal_scale(past.values, past.first, past.short, scale)
    reach = int(edges[-1])
    shape = (len(panel), edges.size - 1)
    out = _Tested(np.empty((*shape, len(members))), np.empty((*past.back.shape, reach)), np.empty(shape, np.int64))
    error = np.empty((*shape, len(members)))
    room = np.empty((min(TILE, len(panel)), past.back.shape[1], len(members), reach))
    for start in range(0, len(panel), TILE):
        part = slice(start, min(start + TILE, len(panel)))
        candidates = room[: part.stop - start]
        _forecast_members(models, past.rows(part), candidates)
        bounds = past.lower[part], past.upper[part]
        weigh(
            candidates, panel.values[part], past.back[part], edges, scale[part], *bounds, prior, recipe.temperature,
            plain, recipe.doubt, recipe.trust, out.weights[part], error[part], out.scored[part],
        )  # fmt: skip
        combine(candidates, out.weights[part], edges, *bounds, out.combined[part])
    return out


def _continue(models: Sequence[Model], past: Past, weights: Floats, edges: Ints) -> Floats:
    """Return the combination from now over a longer horizon: the weights of the last bucket go on."""
    now = replace(past, back=np.zeros((past.first.size, 1), np.int64))
    out = np.empty((past.first.size, 1, int(edges[-1])))
    candidates = np.empty((past.first.size, 1, weights.shape[2], out.shape[2]))
    _forecast_members(models, now, candidates)
    combine(candidates, weights, edges, past.lower, past.upper, out)
    return np.ascontiguousarray(out[:, 0])


def _forecast_members(models: Sequence[Model], past: Past, out: Floats) -> None:
    """Fill ``out`` (S, O, K, H) with the forecasts of all members of all models."""
    start = 0
    for model in models:
        model.forecast(past, out, start)
        start += len(model.members(past.seasons))


def _members(models: Sequence[Model], seasons: tuple[int, ...]) -> tuple[str, ...]:
    return tuple(name for model in models for name in model.members(seasons))


def quantiles(result: Forecast, probabilities: Sequence[float]) -> Floats:
    """Return the quantiles of a forecast's paths at each step, float64 (S, H, Q), rising along Q."""
    out = np.empty((result.paths.shape[0], result.paths.shape[2], len(probabilities)))
    weighted_quantiles(result.paths, result.path_weights, np.array(probabilities, float), 0, out)
    return out


def _plain(members: tuple[str, ...]) -> int:
    """Return the place of the last value, the member that is taken when in doubt; the first without it."""
    return members.index("last") if "last" in members else 0


def _prior(members: tuple[str, ...]) -> Floats:
    """Return the weights without any evidence: the last value, its season and their mean, else all alike."""
    plain = np.array([float(name in ("last", "season", "season_mean")) for name in members])
    return plain if plain.any() else np.ones(len(members))
