"""Rates of counters: what two samples that follow each other tell of the time between them.

The rate of an interval is that of its two samples alone, so it does not depend on the order in which
samples came, nor on the files they were in.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from capforecast.compiler import kernel

Ints32 = NDArray[np.int32]
Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


RANGES = (4294967296.0, 18446744073709551616.0)
"""What counters of 32 and of 64 bits count up to."""


@kernel()
def _increase(before: float, after: float) -> float:
    """Return by how much a counter rose; NaN where it began anew and nothing is known of the interval."""
    if after >= before:
        # The difference of numbers near the end of the double range overflows.
        rise = float(after - before)
        return rise if np.isfinite(rise) else float(np.nan)
    for size in RANGES:
        # A counter that wraps is near its end before and near zero after.
        if size > before >= 0.875 * size and 0.0 <= after < 0.125 * size:
            return (size - before) + after
    return float(np.nan)


@kernel()
def rates(
    series: Ints32, ts: Ints, value: Floats, newest_us: Ints, newest: Floats, longest_us: int, out: Floats
) -> None:
    """Turn samples of counters, sorted by (series, ts), into what they rose a second since the sample before.

    Parameters
    ----------
    series : int32 (N,)
        Series of each sample, from 0 to S - 1; equal ones adjacent.
    ts : int64 (N,)
        Microseconds since the epoch, rising within a series.
    value : float64 (N,)
        What the counter showed.
    newest_us, newest : int64, float64 (S,)
        The sample of each series before these, -1 where there is none; overwritten by the newest of these.
    longest_us : int
        Two samples further apart than this tell nothing.
    out : float64 (N,)
        Rate of the interval that ends at each sample; NaN where there is none: at the first sample, after
        a drop, which is a restart from zero at an unknown moment, and after a long gap. A drop from the
        last eighth of the range of 32 or 64 bits to its first eighth is a wrap.
    """
    for i in range(ts.size):
        s = series[i]
        out[i] = np.nan
        if newest_us[s] >= 0 and ts[i] - newest_us[s] <= longest_us:
            rise = _increase(newest[s], value[i])
            out[i] = rise / ((ts[i] - newest_us[s]) / 1e6)
        newest_us[s] = ts[i]
        newest[s] = value[i]
