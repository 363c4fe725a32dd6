"""Names of members, grades, patterns, drivers and inputs in words."""

from __future__ import annotations

from capforecast.grades import FULL_GRADE_DAYS

MEMBERS = {
    "last": "the last value",
    "season": "the last season again",
    "season_mean": "the mean of the last season",
    "season_growing": "the last season again, growing as the seasons before it did",
    "long_season_median": "the usual level of the last long season",
    "smooth": "smoothing of level and seasons",
    "log": "smoothing of level and seasons on a log scale",
    "drift": "the line from the first day to the last",
    "drift28": "the line from 28 days ago to the last day",
    "suffix_line": "the line of the longest steady stretch",
    "suffix_damped": "the line of the longest steady stretch, flattening",
    "half_slope": "half of the usual daily growth",
    "theta": "smoothed level with half of the long growth",
    "damped_trend": "smoothed growth, flattening",
}
"""What a member does; those with settings are named up to the bracket."""

REASONS = {
    "excluded": "the configuration excludes it",
    "error": "no forecast could be made for this history",
    "stale": "no samples have come for too long",
    "too_short": "the history is too short to forecast from",
    "short_history": f"the history is shorter than the {FULL_GRADE_DAYS[0]:.0f} days that the best grade needs",
    "gaps": "more than 5 % of its steps are missing",
    "long_gaps": "more than 20 % of its steps are missing",
    "worse_than_naive": "in tests on its own step it was further off than repeating the season before",
    "no_skill": "in tests on its own step it was no nearer than repeating the season before (this costs no grade)",
    "band_too_narrow": "in tests on its own step the 80 % band held less than 70 % of what came",
    "band_too_wide": "in tests on its own step the 80 % band held more than 95 % of what came (this costs no grade)",
    "untested": "the history leaves no room for tests on its own past",
}
"""Why a grade is not better."""

PATTERNS = {
    "steady": "no season, jumps or bursts to speak of",
    "daily": "the same wave every day",
    "weekly": "the same wave every week, weekdays and weekends differ",
    "sawtooth": "it rises and is cleaned up, again and again",
    "stepped": "it keeps its level, and then jumps to another for good",
    "leak": "it climbs in a line, until it is started anew",
    "month_end": "the days around the end of each month stand out",
    "bursty": "short bursts out of a quiet level",
    "flat": "it never moves",
}
"""What a pattern looks like."""

DRIVERS = {
    "trend": "trend",
    "level_shift": "level shift",
    "daily_season": "daily season",
    "weekly_season": "weekly season",
    "month_end": "end of the month",
    "residual": "rest",
}
"""Names of the parts of a rise."""

INPUTS = {
    "paths": "the forecast alone says {}",
    "past_windows": "{} of past stretches as long crossed",
    "past_windows_same_hour": "{} of past stretches as long crossed",
    "past_windows_same_weekday": "{} of past stretches from this weekday on crossed",
    "past_windows_shifted": "{} of past stretches cross when moved to the level of now",
    "past_windows_scaled": "{} of past stretches cross when scaled to the level of now",
    "past_windows_same_wait": "{} of past stretches crossed that began as long after a crossing",
    "since_last_crossing": "the last crossing is {} old",
    "wait_against_longest": "the wait since then is {} times the longest before",
    "crossings": "{} so far",
    "share_beyond_week": "over the threshold for {} of the last week",
    "slack_in_spreads": "the way to the threshold is {} times the usual spread",
    "growth_over_slack": "growth as lately makes {} of the way",
    "level_now": "the last peak is {}",
    "highest_day": "the last peak is {}",
    "highest_week": "the highest peak of the last week is {}",
    "highest_ever": "the highest peak so far is {}",
    "mean_day": "the last peak is {}",
    "mean_recent": "the mean of recent peaks is {}",
    "spread": "recent peaks vary by {}",
    "history": "{} of history",
    "hour": "the hour of the day",
    "weekday": "the day of the week",
    "highest_just_now": "the last peak is {}",
    "doubt": "doubt, since few stretches of time were seen",
}
"""What is known when a probability is corrected, by day; the bracket stands for its value."""


def member_words(name: str) -> str:
    """Return what a member of a forecast does; the name of one that is not known here."""
    return MEMBERS.get(name.partition("(")[0], name)
