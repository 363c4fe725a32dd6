"""Pool, weights, paths and quantiles: everything that is said once for all models."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from capforecast.kernels.combination import combine, weigh
from capforecast.kernels.origins import fill_gaps, naive_errors, place_origins, seasonal_scale
from capforecast.kernels.paths import covered, make_paths, weighted_quantiles
from capforecast.kernels.trend import cut_history
from capforecast.models import Model, Past
from capforecast.panel import DAY_US, WEEK_US, Floats, Forecast, Panel

CHANGE_STEPS = 4
LEAST_AFTER_CHANGE = 21
"""A lasting jump divides four steps from four, and cuts the history when three weeks are left after it."""


TESTED_STEPS = 24
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
    members = tuple(name for m in models for name in m.members(seasons))
    bounds = panel.lower, panel.upper
    past = Past(filled, first, back, seasons, *bounds)
    candidates = _candidates(models, past, len(members), reach)
    buckets = buckets_of(reach, season)
    edges = np.array([0, *(last for _, last in buckets)], np.int64)
    shape = (len(panel), len(buckets))
    weights, error = np.empty((*shape, len(members))), np.empty((*shape, len(members)))
    scored = np.empty(shape, np.int64)
    scale = np.empty(len(panel))
    seasonal_scale(filled, first, season, scale)
    prior = _prior(members)
    weigh(
        candidates,
        panel.values,
        back,
        edges,
        scale,
        *bounds,
        prior,
        recipe.temperature,
        _plain(members),
        recipe.doubt,
        recipe.trust,
        weights,
        error,
        scored,
    )
    combined = np.empty((len(panel), back.shape[1], reach))
    combine(candidates, weights, edges, *bounds, combined)
    mean = np.ascontiguousarray(combined[:, 0])
    if horizon > reach:
        # Beyond one long season nothing is scored; the weights of the last bucket go on.
        edges_far = np.append(edges[:-1], horizon)
        long = np.empty((len(panel), 1, horizon))
        now = replace(past, back=np.zeros((len(panel), 1), np.int64))
        combine(_candidates(models, now, len(members), horizon), weights, edges_far, *bounds, long)
        mean = np.ascontiguousarray(long[:, 0])
    paths = np.empty((len(panel), recipe.blocks + 2 * recipe.origins, horizon))
    chances = np.empty(paths.shape[:2])
    make_paths(
        filled, first, back, combined, mean, recipe.widen, recipe.mirror, recipe.share,
        1 if daily else season, seasons[-1], 3 if daily else season, recipe.climate,
        recipe.blocks, paths, chances,
    )  # fmt: skip
    np.clip(paths, panel.lower[:, None, None], panel.upper[:, None, None], out=paths)
    coverage = np.empty(shape)
    covered(panel.values, back, combined, edges, recipe.widen, TESTED_STEPS, coverage)
    errors = np.empty((2, *shape))
    naive_errors(panel.values, filled, first, back, combined, season, edges, errors)
    return Forecast(
        mean=mean, paths=paths, path_weights=chances, members=members, weights=weights, error=errors[0],
        error_naive=errors[1], coverage=coverage, origins=scored, buckets=buckets, step_us=panel.step_us,
    )  # fmt: skip


def _candidates(models: Sequence[Model], past: Past, members: int, horizon: int) -> Floats:
    """Return the forecasts of all members of all models, (S, O, K, H)."""
    out = np.empty((*past.back.shape, members, horizon))
    start = 0
    for model in models:
        model.forecast(past, out, start)
        start += len(model.members(past.seasons))
    return out


def quantiles(result: Forecast, probabilities: Sequence[float]) -> Floats:
    """Return the quantiles of a forecast's paths at each step, float64 (S, H, Q), rising along Q."""
    out = np.empty((result.paths.shape[0], result.paths.shape[2], len(probabilities)))
    weighted_quantiles(result.paths, result.path_weights, np.array(probabilities, float), out)
    return out


def _plain(members: tuple[str, ...]) -> int:
    """Return the place of the last value, the member that is taken when in doubt; the first without it."""
    return members.index("last") if "last" in members else 0


def _prior(members: tuple[str, ...]) -> Floats:
    """Return the weights without any evidence: the last value, its season and their mean, else all alike."""
    plain = np.array([float(name in ("last", "season", "season_mean")) for name in members])
    return plain if plain.any() else np.ones(len(members))
