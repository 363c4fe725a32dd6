"""The page of a fleet: seconds, peak memory and bytes of report.html, three thresholds a series.

Usage: python benches/bench_page.py [SERIES] [--directory DIR]

Takes the store of `bench_million.py` (made if it is not there) of SERIES, 10000 by default, and runs a night on it
with the thresholds warning, critical and full; then renders the page alone, in a process of its own. The
samples reach back 60 days; a page of 120 days of history is about a sixth larger.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from bench_million import child, make

LIMITS = """host,metric,instance,capacity,threshold_name,threshold,direction,lead_time_days,valid_from,service,team
*,cpu_util_pct,,100,warning,80,,14,,,
*,cpu_util_pct,,100,critical,90,,14,,,
*,cpu_util_pct,,100,full,100,,14,,,
""" + "".join(f"host-*{i}{j},cpu_util_pct,,,,,,,,service-{i}{j},team-{i}\n" for i in range(10) for j in range(10))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("series", nargs="?", type=int, default=10_000)
    parser.add_argument("--directory", type=Path, default=Path(tempfile.gettempdir()) / "capforecast-million")
    options = parser.parse_args()
    options.directory.mkdir(parents=True, exist_ok=True)
    store = options.directory.resolve() / f"store-{options.series}"
    make(store, options.series)
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        (place / "limits.csv").write_text(LIMITS, encoding="utf-8")
        child("-m", "capforecast", "run", "--store", str(store), "--quiet", cwd=place)
        page = place / "report.html"
        seconds, _, memory, _ = child(
            "-m", "capforecast", "report", "--store", str(store), "--output", str(page), "--quiet", cwd=place
        )
        print(
            f"{options.series} series x 3 thresholds: {seconds:.1f} s with the start of Python, peak {memory:.0f} MB, "
            f"{page.stat().st_size / 1e6:.2f} MB"
        )


if __name__ == "__main__":
    main()
