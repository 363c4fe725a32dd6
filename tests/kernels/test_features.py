"""What is known at an origin, against a plain twin written from the meaning of each column."""

from __future__ import annotations

import math
from statistics import fmean, pstdev

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from capforecast.kernels.features import FEATURES, window_features

NAN = math.nan


def described(x: list[float], end: int, limit: float, horizon: int, per_day: int) -> dict[str, float]:
    out = np.empty((1, len(FEATURES)))
    window_features(np.array([x]), np.array([0]), np.array([end]), np.array([limit]), np.array([horizon]), per_day, out)
    return dict(zip(FEATURES, out[0].tolist(), strict=True))


def odds(crossed: float, seen: float, looks: float, prior: float, strength: float) -> float:
    share = (crossed / seen if seen else 0.0) * looks
    share = min(max((share + prior * strength) / (looks + strength), 1e-3), 1 - 1e-3)
    return math.log(share / (1 - share))


def known(x: list[float]) -> list[float]:
    return [v for v in x if not math.isnan(v)]


def twin(x: list[float], limit: float, h: int, per_day: int) -> dict[str, float]:  # noqa: C901 - one column after the other
    """Describe a history that ends at the origin."""
    while len(x) > 1 and math.isnan(x[0]):
        x = x[1:]
    n, week = len(x), 7 * per_day if per_day > 1 else 7
    now = known(x)[-1]
    day = known(x[-per_day:]) or [now]
    recent = known(x[-(week if per_day > 1 else 30) :]) or [now]
    above = [i for i, v in enumerate(x) if v >= limit]
    gaps = [b - a for a, b in zip(above, above[1:], strict=False)]
    since = n - above[-1] if above else 0
    wait, longest = since or n, max([g for g in gaps if g > 1], default=n)
    seen, hour, weekday, like, moved = [], [], [], [], []
    share = scaled = 0.0
    for s in range(1, n - h + 1):
        before, top = x[s - 1], max(known(x[s : s + h]), default=NAN)
        if math.isnan(before) or math.isnan(top):
            continue
        then = fmean(known(x[max(s - per_day, 0) : s]))
        plus = top - then + fmean(day)
        if s >= n - h - 365 * per_day:
            moved.append(plus >= limit)
            scaled += (top * fmean(day) / then if then > 0 and fmean(day) > 0 else plus) >= limit
        if before >= limit:
            continue
        hit = top >= limit
        seen.append(hit)
        if (n - s) % per_day == 0:
            hour.append(hit)
            if (n - s) % week == 0:
                weekday.append(hit)
        last = max((i for i in above if i < s), default=None)
        stood = s if last is None else s - last
        if (last is None) == (since == 0) and wait <= 2 * stood and stood <= 2 * wait:
            like.append(hit)
    share = (sum(seen) / h + 0.05) / (len(seen) / h + 0.1) if seen else 0.5
    same = (sum(hour) + share) / (len(hour) + 1)
    size, spread = abs(limit) + 1e-12, pstdev(recent)
    half = min(n, week if per_day > 1 else 90) // 2
    late, early = known(x[n - half :]) if half else [], known(x[n - 2 * half : n - half]) if half else []
    growth = (fmean(late) - fmean(early)) / half * h if late and early else 0.0
    return {
        "past_windows": odds(sum(seen), len(seen), len(seen) / h, 0.5, 0.1),
        "past_windows_same_hour": odds(sum(hour), len(hour), len(hour), share, 1),
        "past_windows_same_weekday": odds(sum(weekday), len(weekday), len(weekday), same, 1),
        "past_windows_shifted": odds(sum(moved), len(moved), len(moved) / h, 0.5, 0.1),
        "past_windows_scaled": odds(scaled, len(moved), len(moved) / h, 0.5, 0.1),
        "past_windows_same_wait": odds(sum(like), len(like), len(like) / h, share, 0.5),
        "since_last_crossing": math.log(wait),
        "wait_against_longest": math.log(wait / longest),
        "crossings": math.log(1 + (1 + sum(g > 1 for g in gaps) if above else 0)),
        "share_beyond_week": sum(i >= n - week for i in above) / week,
        "slack_in_spreads": (limit - now) / (spread + 1e-9 * size),
        "growth_over_slack": growth / (abs(limit - now) + 1e-9 * size),
        "level_now": (now - limit) / size,
        "highest_day": (max(day) - limit) / size,
        "highest_week": (max(known(x[-week:]) or [now]) - limit) / size,
        "highest_ever": (max(known(x)) - limit) / size,
        "mean_day": (fmean(day) - limit) / size,
        "mean_recent": (fmean(recent) - limit) / size,
        "spread": spread / size,
        "history": math.log(n),
    }


@given(
    st.lists(st.sampled_from([NAN, 10.0, 20.0, 30.0, 41.0, 55.0, 62.0]), min_size=1, max_size=60).filter(known),
    st.integers(1, 9),
    st.sampled_from([1, 4]),
)
def test_every_column_is_what_it_says(x: list[float], horizon: int, per_day: int) -> None:
    """Gaps, short histories, series that never cross and such that always do."""
    got, want = described(x, len(x), 40.0, horizon, per_day), twin(x, 40.0, horizon, per_day)
    wide = {name: max(min(value, 1e6), -1e6) for name, value in want.items()}
    wide["growth_over_slack"] = max(min(want["growth_over_slack"], 1e3), -1e3)
    assert got == pytest.approx(wide, abs=1e-9, rel=1e-6)


def test_nothing_after_the_origin_is_seen() -> None:
    """What follows the column of the origin leaves no trace."""
    rng = np.random.default_rng(1)
    x = rng.normal(50, 10, 60)
    assert described([*x, *rng.normal(90, 1, 40)], 60, 70.0, 6, 24) == described(list(x), 60, 70.0, 6, 24)


def test_how_a_level_moved_is_counted_over_a_year() -> None:
    """Stretches that rose far enough more than a year ago count for what is high, not for how the level moves."""
    rng = np.random.default_rng(6)
    old = np.where(np.arange(200) % 20 < 10, 10.0, 45.0)
    x = [*old, *rng.normal(10.0, 0.1, 400)]
    got = described(x, len(x), 40.0, 30, 1)
    assert got["past_windows"] > got["past_windows_shifted"]
    assert got["past_windows_shifted"] == described(x[-396:], 396, 40.0, 30, 1)["past_windows_shifted"]
    assert got["crossings"] > 0.0
