"""JSON lines: one object per row, NULL as null, dates and moments in ISO 8601, floats exact."""

from __future__ import annotations

import json
import re

import polars as pl

from capforecast.report import RenderOptions, Tables

# Legal inside a JSON string, but terminals obey some of them and line readers break at others.
_UNSAFE = re.compile("[\x7f-\x9f\xad\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]")


def render(tables: Tables, options: RenderOptions) -> bytes:
    """Return the chosen table as JSON lines."""
    frame = options.chosen(tables).with_columns(
        pl.col(pl.Date).dt.strftime("%Y-%m-%d"),
        pl.col(pl.Datetime).dt.strftime("%Y-%m-%dT%H:%M:%S%.fZ"),
    )
    encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode
    text = "".join(encode(row) + "\n" for row in frame.iter_rows(named=True))
    return _UNSAFE.sub(lambda match: f"\\u{ord(match[0]):04x}", text).encode()
