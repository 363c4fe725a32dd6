"""Statuses that do not flap: what the run before said holds until it is clearly over.

A threshold that was breached stays breached until it recovers: no sustained peak of three days meets it,
or that of the last day is on its good side by 2 % of it. A breach to come is one from even odds on, and
stays one until its probability within the horizon is below 0.4. Whether there is no trend or all is well
is said as the run before did where it is a close call.
"""

from __future__ import annotations

import numpy as np

from capforecast.breach import SPANS
from capforecast.changes import Before
from capforecast.expected import levels
from capforecast.findings import BREACHED_HOLDS, COMING_HOLDS, NEVER, TREND_HOLDS
from capforecast.grades import severity, status_code
from capforecast.panel import Ints
from capforecast.tables import Found, risks


def settle(found: Found, before: Before | None) -> None:
    """Let statuses of the run before hold where they may; `holds` then tells which ones do.

    Parameters
    ----------
    found : Found
        What the run found; its verdicts are changed in place.
    before : Before, optional
        Statuses of the run before; nothing holds without them.
    """
    verdicts = found.verdicts
    rows = np.flatnonzero(verdicts["holds"])
    may = verdicts["holds"][rows].astype(np.int64)
    verdicts["holds"] = 0
    if before is None or not rows.size:
        return
    then = before.statuses(risks(found, rows))
    breached = ((may & BREACHED_HOLDS) > 0) & (then == status_code("breached"))
    # What has just recovered may be about to cross again: it is watched as if it had been coming.
    coming = (
        ((may & COMING_HOLDS) > 0) & ~breached & np.isin(then, [status_code("will_breach"), status_code("breached")])
    )
    quiet = ((may & TREND_HOLDS) > 0) & np.isin(then, [status_code("ok"), status_code("no_trend")])
    verdicts["status"][rows[quiet]] = then[quiet]
    _stay_breached(found, rows[breached])
    _stay_coming(found, rows[coming])


def _stay_breached(found: Found, rows: Ints) -> None:
    verdict = found.verdicts[rows]
    verdict["holds"], verdict["status"], verdict["severity"] = BREACHED_HOLDS, status_code("breached"), 1
    verdict["chance"] = np.where(np.isnan(verdict["chance"]), np.nan, 1.0)
    verdict["days"], verdict["p_reach"] = 0, 1.0
    found.verdicts[rows] = verdict


def _stay_coming(found: Found, rows: Ints) -> None:
    verdict = found.verdicts[rows]
    verdict["holds"], verdict["status"] = COMING_HOLDS, status_code("will_breach")
    days = np.where(verdict["days"] == NEVER, np.nan, verdict["days"])
    chance = {span: verdict["chance"][:, place] for place, span in enumerate(SPANS)}
    dates = {0.1: days[:, 0], 0.5: days[:, 1]}
    lead = levels(found.expected.thresholds.get_column("lead_time_days")[rows])
    verdict["severity"] = severity(verdict["status"], chance, dates, lead)
    found.verdicts[rows] = verdict
