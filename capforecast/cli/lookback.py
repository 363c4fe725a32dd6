"""What `replay` prints of a store's own past: how warnings did, and the cases that matter most."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from capforecast.cli.options import Common
from capforecast.cli.output import aligned, folded, print_json, progress, terminal_width
from capforecast.errors import printable

if TYPE_CHECKING:
    import polars as pl

    from capforecast.lookback import Lookback
    from capforecast.questions import Asking

SHOWN = 5
LISTED = ("host", "metric", "instance", "threshold_name", "threshold", "direction", "cutoff", "horizon_s", "level")
FIGURES = ("metric", "cases", "crossed", "warned", "missed", "false", "alarms", "lead", "Brier", "skill", "AUC")
WRONG = ("host", "metric", "instance", "threshold", "night", "ahead", "p", "crossed")
NAMES = ("host", "metric", "instance")


def look_back_at_store(common: Common, model: str | None, asking: Asking, warn_at: float, output: str | None) -> None:
    """Replay the store's own past and print how warnings would have done.

    Parameters
    ----------
    common : Common
        Common options.
    model : str, optional
        Model instead of that of the settings.
    asking : Asking
        Which nights and horizons.
    warn_at : float
        Probability from which on a case warns.
    output : str, optional
        File for all cases.
    """
    from capforecast.cli.files import check_ending, write_frame
    from capforecast.lookback import look_back
    from capforecast.phrases import count

    if output is not None:
        check_ending(output)
    config = common.settings(forecast__model=model)
    with progress(common) as report:
        report("replay", 0, None)
        found = look_back(config.store.path, config, asking, warn_at=warn_at, progress=report)
    for message in found.messages:
        common.say(folded(printable(message)))
    if output is not None:
        write_frame(output, found.cases)
        common.say(f"{output}: {count(found.cases.height, 'case')}")
    if common.json:
        print_json(_plain(found))
    else:
        common.say(folded(_words(found, warn_at)))
        click.echo(_text(found, terminal_width()))


def _plain(found: Lookback) -> dict[str, Any]:
    """Return figures and the worst cases as JSON values."""
    from capforecast.warned import worst

    listed = {
        verdict: worst(found.cases, verdict, SHOWN)
        .select(*LISTED, "fell", "crossed_at", "p_breach", "breach_p50")
        .to_dicts()
        for verdict in ("missed", "false")
    }
    return {"figures": found.figures.to_dicts(), **listed, "messages": found.messages}


def _words(found: Lookback, warn_at: float) -> str:
    """Say what the table counts."""
    nights = found.cases.get_column("cutoff").unique().sort().dt.strftime("%Y-%m-%d").to_list()
    when = f"{len(nights)} past nights, {nights[0]} to {nights[-1]}" if len(nights) > 1 else f"the night of {nights[0]}"
    return (
        f"Each threshold as of {when}, forecast from what came before. A case is a threshold on a night on which it "
        f"was not crossed; several nights may see one crossing. Warned: a probability of {warn_at:g} or more."
    )


def _text(found: Lookback, width: int) -> str:
    """Return the tables for people."""
    from capforecast.phrases import count
    from capforecast.times import format_duration

    lines: list[str] = []
    for (seconds,), part in found.figures.partition_by("horizon_s", as_dict=True).items():
        rows = part.to_dicts()
        total = rows[0]
        unsaid = [f"{total[name]} {name}" for name in ("unknown", "unforecast") if total[name]]
        if total["fell"]:
            unsaid.append(f"{total['fell']} of the false fell clearly")
        head = (
            f"{format_duration(int(seconds) * 1_000_000)} ahead: {count(total['cases'], 'case')} of {total['series']} "
            f"series, {count(total['events'], 'distinct crossing')}" + (f"; {', '.join(unsaid)}" if unsaid else "")
        )
        lines += [
            folded(head),
            *aligned([FIGURES, *map(_figures, rows)], width, flexible=("metric",)),
            "",
        ]
    return "\n".join([*lines, *_worst(found.cases, width)]).rstrip("\n")


def _figures(row: dict[str, Any]) -> tuple[str, ...]:
    def number(name: str, form: str) -> str:
        return "-" if row[name] is None else format(row[name], form)

    counts = (str(row[name]) for name in ("cases", "crossings", "warned", "missed", "false"))
    return (
        "all" if row["every"] else printable(row["metric"]), *counts, number("alarm_rate", ".1%"),
        number("lead_days", ".1f") + ("" if row["lead_days"] is None else "d"), number("brier", ".4f"),
        number("brier_skill", "+.2f"), number("auc", ".3f"),
    )  # fmt: skip


def _worst(cases: pl.DataFrame, width: int) -> list[str]:
    """Return the missed and the false cases that matter most."""
    from capforecast.warned import worst

    lines: list[str] = []
    for verdict, head in (("missed", "Missed, the least expected first"), ("false", "False, the surest first")):
        rows = worst(cases, verdict, SHOWN).to_dicts()
        if rows:
            lines += [
                f"{head}:",
                *aligned([WRONG, *map(_wrong, rows)], width, flexible=NAMES, left=("threshold", "night")),
                "",
            ]
    return lines


def _wrong(row: dict[str, Any]) -> tuple[str, ...]:
    from capforecast.numbers import number, probability
    from capforecast.times import format_duration

    crossed = row["crossed_at"]
    return (
        *(printable(row[name]) for name in NAMES),
        printable(f"{number(row['threshold'], row['unit'] or '')} {row['threshold_name']}"),
        f"{row['cutoff']:%Y-%m-%d}", format_duration(row["horizon_s"] * 1_000_000), probability(row["p_breach"]),
        ("fell" if row["fell"] else "no") if crossed is None else f"{crossed:%Y-%m-%d}",
    )  # fmt: skip
