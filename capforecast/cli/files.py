"""Files of the user's own that commands read and write."""

from __future__ import annotations

import os
import stat
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from capforecast.errors import ConfigError, DataError, SchemaError, SourceError

if TYPE_CHECKING:
    import polars as pl

    from capforecast.config import Config
    from capforecast.ingest import LeftOut
    from capforecast.rejected import Rejected
    from capforecast.sources import ReadOptions

ENDINGS = (".parquet", ".csv", ".jsonl")


def make_folder(path: Path) -> None:
    """Make a directory and its parents, if it is not there yet.

    Raises
    ------
    ConfigError
        A file is where the directory, or one above it, must be.
    SourceError
        The operating system refuses.
    """
    try:
        # Whatever the umask is, not everybody may write there.
        for missing in reversed([one for one in (path, *path.parents) if not one.exists()]):
            missing.mkdir(0o775, exist_ok=True)
        os.listdir(path)
    except (FileExistsError, NotADirectoryError) as error:
        raise ConfigError("this must be a directory", got="a file", where=str(path)) from error
    except OSError as error:
        raise SourceError(
            "the directory must be one that can be used",
            got=error.strerror,
            where=str(path),
            do="Name one in which you may write",
        ) from error


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file whole: under another name first, then renamed; what is no file, such as /dev/null, stays what it is.

    Raises
    ------
    SourceError
        It cannot be written.
    """
    try:
        if _is_stream(path):
            with open(path, "wb") as stream:
                stream.write(content)
            return
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
            umask = os.umask(0)
            os.umask(umask)
            os.chmod(temporary, 0o664 & ~umask)
            os.replace(temporary, path)
        except BaseException:
            os.unlink(temporary)
            raise
    except OSError as error:
        raise SourceError("the output must be writable", got=error.strerror, where=str(path)) from error


def _is_stream(path: Path) -> bool:
    """Tell whether a name stands for a device, a pipe or an open file, in whose place no file must come."""
    try:
        mode = path.stat().st_mode
    except OSError:
        return False
    of_the_system = Path(os.path.realpath(path.parent)).parts[1:2] in (("dev",), ("proc",))
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)) or (path.is_symlink() and of_the_system)


def check_ending(path: str) -> None:
    """Refuse an output whose ending names no format.

    Raises
    ------
    ConfigError
        The ending is none of `ENDINGS`.
    """
    if not path.endswith(ENDINGS):
        raise ConfigError(f"the output must end in {', '.join(ENDINGS)}", got=repr(path))


def write_frame(path: str, frame: pl.DataFrame) -> None:
    """Write a frame in the format of the file's ending."""
    import io

    check_ending(path)
    content = io.BytesIO()
    if path.endswith(".parquet"):
        frame.write_parquet(content, compression="snappy")
    elif path.endswith(".csv"):
        content.write(csv_text(frame).encode())
    else:
        content.write(jsonl_text(frame).encode())
    write_bytes(Path(path), content.getvalue())


def jsonl_text(frame: pl.DataFrame) -> str:
    """Return a frame as JSON lines; moments are UTC and end in Z."""
    import polars as pl

    return frame.with_columns(pl.col(pl.Datetime).dt.strftime("%Y-%m-%dT%H:%M:%S%.fZ")).write_ndjson()


def csv_text(frame: pl.DataFrame) -> str:
    """Return a frame as CSV; moments are UTC and end in Z, and no text is a formula to a spreadsheet.

    Numbers have the 15 digits that every decimal number keeps on its way through a double: 644 and not
    643.9999999999998. Those that have more before the point, or are very small, keep all digits, as in other formats.
    """
    import polars as pl

    from capforecast.report.csv import guarded

    number = pl.col(pl.Float64)
    told = number.abs().is_between(1e-6, 1e15, closed="left")
    rounded = pl.when(told).then(number.round_sig_figs(15)).otherwise(number).name.keep()
    return frame.with_columns(guarded()).with_columns(rounded).write_csv(datetime_format="%Y-%m-%dT%H:%M:%S%.fZ")


def read_samples(
    location: str, options: ReadOptions, config: Config, tell: LeftOut | None = None
) -> tuple[pl.DataFrame, Rejected]:
    """Return the samples of a file or directory, counters as their rates, and which rows could not be read.

    Parameters
    ----------
    location : str
        File or directory.
    options : ReadOptions
        How it is read.
    config : Config
        Its metric kinds say what is a counter where they have a nature, else the source does.
    tell : callable, optional
        Called for each file that has columns of which nothing was read.

    Raises
    ------
    SourceError, SchemaError
        No source recognises the location, or it cannot be read.
    DataError
        None of its rows can be read.
    """
    import polars as pl

    from capforecast.acceptance import natures
    from capforecast.ingest import readable
    from capforecast.rejected import Rejected, by_reason
    from capforecast.run import files_of
    from capforecast.sources import ROWS
    from capforecast.sources.recognise import read
    from capforecast.store import with_rates

    natured, rejected = [], Rejected()
    for name in files_of(location, config):
        left_out: dict[str, None] = {}
        for batch in readable(read(name, options), name):
            left_out |= dict.fromkeys(batch.left_out)
            natured.append(batch.rows.select(*ROWS, batch.nature.cast(pl.String)))
            rejected.add(name, *by_reason(batch.rejects))
        if left_out and tell is not None:
            tell(name, tuple(left_out))
    rows = pl.concat([pl.DataFrame(schema={**ROWS, "nature": pl.String()}), *natured])
    if rows.is_empty() and rejected.rows:
        raise DataError("some row must be readable", got=f"none of {rejected.rows} ({rejected})", where=location)
    told = natures(rows["metric"].drop_nulls().unique().to_list(), config.metric_kinds)
    said = pl.col("metric").replace_strict(told, default=None, return_dtype=pl.String)
    rows = rows.with_columns(ts=pl.col("ts").cast(pl.Datetime("us", "UTC")), nature=pl.coalesce(said, "nature"))
    return with_rates(rows), rejected


def stored_samples(store_path: str, cases: pl.DataFrame) -> pl.DataFrame:
    """Return the samples that a store holds of the hosts and metrics of some cases, counters as their rates.

    Values are in the unit that they came in, as the thresholds of cases are.

    Raises
    ------
    SchemaError
        The cases name no host or no metric.
    """
    import polars as pl

    from capforecast.store import Store, as_rates

    host = "host" if "host" in cases.columns else "series_id"
    for name in (host, "metric"):
        if name not in cases.columns:
            raise SchemaError("cases must have the columns host and metric", got=", ".join(cases.columns))
    wanted = cases.select(pl.col(host, "metric").cast(pl.String)).unique(maintain_order=True)
    with Store.open(store_path) as store:
        found = [store.samples(name, metric) for name, metric in wanted.iter_rows()]
        series = store.series().select("host", "metric", "instance", "unit", "nature", "given", "scale")
    if not found:
        raise DataError("there must be cases", got="none")
    rows = pl.concat(found).join(series, on=["host", "metric", "instance"], how="left", maintain_order="left")
    rows = pl.concat([rows.filter(pl.col("nature") == ""), as_rates(rows.filter(pl.col("nature") != ""))])
    came = pl.when(pl.col("nature") == "").then("given").otherwise(pl.col("given") + "/s")
    return rows.with_columns(
        value=pl.col("value") / pl.col("scale"), unit=pl.when(pl.col("scale") == 1.0).then("unit").otherwise(came)
    ).drop("nature", "given", "scale")
