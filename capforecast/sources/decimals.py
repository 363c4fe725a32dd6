"""Numbers as people of a country write them: ``1.234,5`` and ``1,234.5``.

What a lone sign means is not in the number, so such numbers are told apart, and read only where it is said
(``--decimal``): the other signs then group thousands.
"""

from __future__ import annotations

import polars as pl

DECIMALS = ("point", "comma")
FORMATTED = (
    r"^[-+]?(?:(?:\d+|\d{1,3}(?:[. '\u{a0}\u{202f}\u{2019}]\d{3})+),\d+"
    r"|\d{1,3}(?:[,'\u{a0}\u{202f}\u{2019}]\d{3})+(?:\.\d+)?)$"
)
"""Numbers with a comma, or with thousands that are grouped; by points alone they are, those of addresses are, too."""
_SIGNS = {"point": (r"[, '\u{a0}\u{202f}\u{2019}]", r"\."), "comma": (r"[. '\u{a0}\u{202f}\u{2019}]", ",")}


def pointed(cells: pl.Series, decimal: str) -> pl.Series:
    """Return numbers, with what follows them, as they are written with a point and without groups.

    Parameters
    ----------
    cells : Series of text
        Without outer blanks.
    decimal : str
        "point" or "comma": which sign the decimals of the cells have.

    Returns
    -------
    Series of text
        Null where a number is written otherwise; text without a number is as it was.
    """
    group, sign = _SIGNS[decimal]
    form = rf"^([-+]?)(\d{{1,3}}(?:{group}\d{{3}})+|\d*)(?:{sign}(\d*))?((?:[eE][-+]?\d+)?(?:\s*[^0-9\s.,'+-].*)?)$"
    parts = cells.str.extract_groups(form).struct.unnest()
    first, whole, part, rest = (parts[name] for name in parts.columns)
    point = pl.when(part.is_null()).then(pl.lit("")).otherwise(pl.lit(".") + part)
    return pl.select(first + whole.str.replace_all(r"[^0-9]", "") + point + rest).to_series()
