"""SVG to PNG without a browser: the one place that knows the library of the extra capforecast[png]."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from capforecast.errors import ConfigError

try:
    import resvg_py
except ImportError:
    _draw: Any = None
else:
    _draw = resvg_py.svg_to_bytes

AVAILABLE = _draw is not None
FONT = "DejaVu Sans"
FILE = Path(__file__).parent / "fonts" / "DejaVuSans.ttf"
SCALE = 2
_DRAWN = ((0x20, 0x17F), (0x370, 0x45F), (0x2010, 0x2026), (0x20AC, 0x20AC), (0x2190, 0x2193), (0x2212, 0x2265))
"""Characters that our font draws; others are looked for in the fonts of the machine."""


def require() -> None:
    """Check that the extra is installed.

    Raises
    ------
    ConfigError
        It is not.
    """
    if not AVAILABLE:
        raise ConfigError("png needs the extra: pip install capforecast[png]")


def png(svg: str) -> bytes:
    """Return a drawing as PNG with `SCALE` pixels for each of its own; texts that our font draws are alike everywhere.

    Raises
    ------
    ConfigError
        The extra is not installed.
    """
    require()
    known = all(any(low <= ord(character) <= high for low, high in _DRAWN) for character in svg if character != "\n")
    drawn = _draw(
        svg_string=svg,
        zoom=SCALE,
        font_files=[str(FILE)],
        font_family=FONT,
        sans_serif_family=FONT,
        skip_system_fonts=known,
    )
    return bytes(drawn)
