"""``python -m capforecast.simulate DIR`` writes the small sample in the input format."""

from __future__ import annotations

import sys
from pathlib import Path

from capforecast.simulate.files import sample, write


def main(arguments: list[str]) -> int:
    """Write the sample into the one directory that is named; return the exit code."""
    if len(arguments) != 1 or arguments[0].startswith("-"):
        print("Usage: python -m capforecast.simulate DIR", file=sys.stderr)
        return 2
    for path in write(sample(), Path(arguments[0])):
        print(path)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
