"""Asking for a long range of time portion by portion, each as wide as answers of a bounded size allow."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import polars as pl

from capforecast.exchange import TooLargeError
from capforecast.sources import Batch
from capforecast.sources.samples import rejected
from capforecast.times import DAY_US, HOUR_US

FIRST_US, LONGEST_US = 6 * HOUR_US, 32 * DAY_US
"""Width of the first portion, and of the widest."""
MOST_SAMPLES = 400_000
"""Samples that an answer should have at most."""
_WIDER = 4.0


def portions(start_us: int, end_us: int, step_us: int, ask: Callable[[int, int], pl.DataFrame]) -> Iterator[Batch]:
    """Yield what is known of the whole steps of a range, in the order of time.

    No portion cuts a step, so that nothing that is counted or averaged over one is of a part of it.

    Parameters
    ----------
    start_us, end_us : int
        First moment that is wanted, and the first that is not any more; both are moved back to a whole step.
    step_us : int
        What no portion may cut.
    ask : callable
        Returns the rows (`capforecast.sources.ROWS`; their lines are numbered here) from a moment on up to
        another. Where it raises TooLargeError, half as much is asked for.

    Raises
    ------
    TooLargeError
        One step alone is too large.
    """
    start, last, line = start_us // step_us * step_us, end_us // step_us * step_us, 1
    width = _whole(FIRST_US, step_us)
    while start < last:
        end = min(last, start + width)
        try:
            rows = ask(start, end)
        except TooLargeError:
            if width <= step_us:
                raise
            width = _whole(width // 2, step_us)
            continue
        yield Batch(rows.with_columns(line=pl.int_range(line, line + pl.len(), dtype=pl.Int64)), rejected([]))
        line += rows.height
        start = end
        share = MOST_SAMPLES / max(1, rows.height)
        width = _whole(min(LONGEST_US, int(width * min(_WIDER, share))), step_us)


def _whole(width: int, step: int) -> int:
    return max(1, width // step) * step
