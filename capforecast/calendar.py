"""The calendar as integers: days since the epoch to weekdays and ends of months."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import numpy as np

from capforecast.panel import DAY_US, Ints


def weekday(days: Ints | int) -> Any:
    """Return the weekday of days since the epoch: 0 for Monday to 6 for Sunday."""
    return (np.asarray(days) + 3) % 7


def last_of_month(days: Ints | int) -> Any:
    """Tell which days since the epoch are the last of their month."""
    dates = np.asarray(days).astype("datetime64[D]")
    months = dates.astype("datetime64[M]")
    return (dates + np.timedelta64(1, "D")).astype("datetime64[M]") != months


def date_of(day: int) -> date:
    """Return the date of a day since the epoch."""
    return date(1970, 1, 1) + timedelta(days=int(day))


def day_up_to(moment_us: int) -> int:
    """Return the day since the epoch by whose date the day's length that ends at a moment is called: of its middle.

    The days ahead of the moment follow it: the first ends a day later, and is called by the next date.
    """
    return (moment_us - DAY_US // 2) // DAY_US
