"""What is written in limits.csv and the settings and has no effect: names that match no series, natures to come."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence

import polars as pl

from capforecast.acceptance import natures
from capforecast.config import Config
from capforecast.globs import Names
from capforecast.settings import Exclusion

TOLD = 5
"""Lines, or metrics, that a sentence names; the others are counted."""
_PATTERNS = ("pattern_host", "pattern_metric", "pattern_instance")


def unmatched(series: pl.DataFrame, limits: pl.DataFrame, config: Config, as_of_us: int) -> list[str]:
    """Return what matches no series: the place of each line and its names, such as ``limits.csv:4 (*,disc_pct,*)``.

    Parameters
    ----------
    series : DataFrame
        All rows of ``store.series()``: also series that are excluded, gone or have another name now are matched.
    limits : DataFrame
        Lines of limits.csv, those of the future too.
    config : Config
        Windows, resets, renames, and exclusions but for those of the default.
    as_of_us : int
        A new name may be missing until then.
    """
    if series.is_empty():
        return []
    names = Names(series)
    lines = limits.select("line", *_PATTERNS)
    found = [_named(f"limits.csv:{line}", globs, names) for line, *globs in lines.iter_rows() if not names.any(*globs)]
    # The default exclusions name mounts that a fleet may have, not those that it has.
    usual = Config.model_fields["exclude"].default
    rules: Mapping[str, Sequence[Exclusion]] = {
        "exclude": config.exclude,
        "windows": config.windows,
        "resets": config.resets,
    }
    for key, those in rules.items():
        for number, rule in enumerate(those, start=1):
            globs = [rule.host, rule.metric, rule.instance]
            if rule not in usual and not names.any(*globs):
                found.append(_named(f"[[{key}]] {number}", globs, names))
    for number, rename in enumerate(config.renames, start=1):
        wanted = {rename.old: "old", rename.new: "new"} if rename.at_us <= as_of_us else {rename.old: "old"}
        found += [
            f"[[renames]] {number} ({word} = {name!r})" for name, word in wanted.items() if not names.is_host(name)
        ]
    return found


def otherwise(series: pl.DataFrame, config: Config) -> Iterator[tuple[str, str]]:
    """Yield metrics that are stored with another nature than the settings say, and what to know of each."""
    told = natures(series.get_column("metric").unique().to_list(), config.metric_kinds)
    stored = pl.when(pl.col("nature") == "").then(pl.lit("gauge")).otherwise("nature")
    said = series.select("metric", stored=stored).filter(pl.col("metric").is_in(list(told)))
    for metric, nature, count in said.group_by("metric", "stored").len().sort("metric", "stored").iter_rows():
        if nature != told[metric]:
            yield metric, f"{count} series are stored as {nature}, and [[kinds]] says {told[metric]}"


def sentences(series: pl.DataFrame, limits: pl.DataFrame, config: Config, as_of_us: int) -> list[str]:
    """Say in a sentence each what matches no series, and which natures are stored otherwise."""
    said = []
    lines = unmatched(series, limits, config, as_of_us)
    if lines:
        one = len(lines) == 1
        count = "1 line matches no series and so has" if one else f"{len(lines)} lines match no series and so have"
        said.append(f"{count} no effect: {_listed(lines)}; correct or remove what is mistyped")
    natured = [f"{metric}: {what}" for metric, what in otherwise(series, config)]
    if natured:
        said.append(f"natures that do not hold yet: {_listed(natured)}; {NATURE_HOLDS}")
    return said


NATURE_HOLDS = "it holds from the next samples of a series on, for all that it has; ingesting a file again does it, too"
"""When a nature of the settings begins to hold."""


def _named(place: str, globs: list[str], names: Names) -> str:
    """Return a place with its names, and the metric that may be meant."""
    near = [] if names.any("*", globs[1], "*") else difflib.get_close_matches(globs[1], names.metrics(), n=1)
    return f"{place} ({','.join(globs)}{f': did you mean {near[0]}?' if near else ''})"


def _listed(parts: list[str]) -> str:
    return ", ".join(parts[:TOLD]) + (f" and {len(parts) - TOLD} more" if len(parts) > TOLD else "")
