"""Amazon S3 and what speaks its API, such as MinIO and Ceph.

The client tries again what may pass, resumes objects that were cut off, and verifies certificates; each
request ends at the deadline, however slowly its answer drips. Buckets are addressed by path at an
endpoint that is set, and by host name at Amazon's.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

from capforecast import __version__
from capforecast.errors import SourceError
from capforecast.exchange import ATTEMPTS, FIRST_WAIT, LONGEST_WAIT
from capforecast.storages import Bucket, Stored, UnreachableError

try:
    from obstore import exceptions, get, head
    from obstore import list as list_objects
    from obstore.store import S3Store
except ImportError as error:
    raise SourceError("s3:// needs the extra: pip install capforecast[s3]") from error

ENDPOINT_VARIABLES = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL")
MOST_OBJECTS = 1_000_000
"""Most objects of one source."""
_PIECE = 4 << 20
_PAGE = 1000
_GOT_CHARS = 300
_TOLD = re.compile(r"<Code>([^<]{1,100})</Code>(?:.*?<Message>([^<]{1,300})</Message>)?", re.DOTALL)
_STATUS = re.compile(r"status code: (\d{3})")
_REFUSING = ("HTTP 401", "HTTP 403")
_CAUSE = re.compile(r"InvalidCertificate\(\s*(\w+)|message: \"([^\"]+)\"|(TimedOut)|error: \"([^\"]+)\"")


class S3:
    """``s3://BUCKET/PATH``."""

    name = "s3"

    def __init__(self, bucket: Bucket):
        self._bucket = bucket
        with self._failing(bucket.place.location):
            self._store = S3Store(bucket.place.bucket, **_settings(bucket, os.environ))

    def listed(self) -> list[Stored]:
        """Return the objects that are meant, sorted by key; empty ones are signs of directories and left out.

        Raises
        ------
        SourceError
            None is there, there are too many, or the storage fails; the message holds no secret.
        """
        place = self._bucket.place
        found = [] if place.wild or not place.path or place.location.endswith("/") else self._one(place.path)
        if not found:
            with self._failing(place.location):
                for page in list_objects(self._store, place.folder or None, chunk_size=_PAGE):
                    found += [_stored(meta) for meta in page if meta["size"] and place.holds(meta["path"])]
                    if len(found) > MOST_OBJECTS:
                        raise SourceError(
                            f"a source may be at most {MOST_OBJECTS} objects", got="more", where=place.location,
                            do="Make the prefix longer, or use a glob",
                        )  # fmt: skip
        if not found:
            raise SourceError(
                "a location must name objects that hold something", got="none", where=place.location,
                do="Check bucket, prefix and glob; parts that begin with . or _ do not count",
            )  # fmt: skip
        return sorted(found, key=lambda one: one.key)

    def copy(self, stored: Stored, path: Path) -> None:
        """Bring the bytes of an object to a new file.

        Raises
        ------
        UnreachableError
            The storage cannot be reached, refuses us, or takes too long.
        SourceError
            The object is gone, was changed since it was listed, or does not come whole.
        """
        where, size = self._bucket.place.object(stored.key), 0
        tag = stored.version if stored.version.endswith('"') else None
        with self._failing(where):
            pieces = get(self._store, stored.key, options={"if_match": tag}).stream(min_chunk_size=_PIECE)
            with _writing(path):
                file = path.open("xb", buffering=0)
            with file:
                while size <= stored.size and (piece := next(pieces, None)) is not None:
                    size += len(piece)
                    with _writing(path):
                        file.write(piece)
        if size != stored.size:
            raise SourceError(
                f"an object must have the {stored.size} bytes that it was listed with", got=str(size), where=where,
                do="Nothing of it was taken; was it replaced meanwhile?",
            )  # fmt: skip

    def _one(self, key: str) -> list[Stored]:
        try:
            with self._failing(self._bucket.place.location):
                meta = head(self._store, key)
        except UnreachableError:
            raise
        except SourceError:
            # No such key, or not for us to know: perhaps there are keys below it.
            return []
        return [_stored(meta)] if meta["size"] else []

    @contextmanager
    def _failing(self, where: str) -> Iterator[None]:
        """Turn what the client raises into errors without secrets."""
        try:
            yield
        except SourceError:
            raise
        except FileNotFoundError as error:
            raise SourceError("an object must be there", got=self._got(error), where=where) from None
        except exceptions.PreconditionError:
            raise SourceError(
                "an object must not change while it is read", where=where, do="Nothing of it was taken; run again"
            ) from None
        except exceptions.InvalidPathError as error:
            raise SourceError(
                "parts of keys must not be empty, . or ..", got=self._got(error), where=where,
                do="Name a prefix without such keys",
            ) from None  # fmt: skip
        except (exceptions.BaseError, OSError, ValueError) as error:
            raise self._failed(error, where) from None

    def _failed(self, error: Exception, where: str) -> SourceError:
        got = self._got(error)
        if got.startswith(_REFUSING):
            return SourceError(
                "a storage must let us read", got=got, where=where,
                do="Check user, secret_env or secret_file, region and the rights of the key",
            )  # fmt: skip
        total = self._bucket.limits.total
        return UnreachableError(
            f"a storage must answer what it is asked, whole and within {total:g} seconds", got=got, where=where,
            do="Check bucket, endpoint, region and the network",
        )  # fmt: skip

    def _got(self, error: BaseException) -> str:
        """Return in one line what a failure comes from: the code of an answer, or the last cause."""
        text, _, origin = str(error).partition("\n\nDebug source")
        status, told = _STATUS.search(text), _TOLD.search(text)
        if told is not None or status is not None:
            said = ": ".join(part for part in told.groups() if part) if told is not None else ""
            text = f"HTTP {status[1] if status is not None else ''} {said}"
        elif causes := _CAUSE.findall(origin):
            text = next(part for part in causes[-1] if part)
        return self._bucket.access.hidden(" ".join(text.split())[:_GOT_CHARS].strip())


def _stored(meta: Any) -> Stored:
    return Stored(meta["path"], meta["size"], meta["e_tag"] or meta["last_modified"].isoformat())


def _settings(bucket: Bucket, environ: Mapping[str, str]) -> dict[str, Any]:
    """Return what the client is told; who we are and the region may also stand in the variables ``AWS_*``."""
    limits, access = bucket.limits, bucket.access
    total = timedelta(seconds=limits.total)
    waits = {"init_backoff": timedelta(seconds=FIRST_WAIT), "max_backoff": timedelta(seconds=LONGEST_WAIT), "base": 2}
    endpoint = bucket.endpoint or next((environ[name] for name in ENDPOINT_VARIABLES if environ.get(name)), None)
    client: dict[str, Any] = {
        "allow_http": endpoint is not None and endpoint.startswith("http://"),
        "allow_invalid_certificates": False,
        "connect_timeout": timedelta(seconds=limits.connect),
        "read_timeout": timedelta(seconds=min(limits.silence, limits.total)),
        "timeout": total,
        "user_agent": f"capforecast/{__version__}",
    }
    if access.ca_file is not None:
        client["root_certificate"] = _certificates(access.ca_file)
    settings: dict[str, Any] = {
        "client_options": client,
        "retry_config": {
            "max_retries": ATTEMPTS - 1,
            "retry_timeout": total,
            "backoff": waits,
        },
    }
    if endpoint is not None:
        settings |= {"endpoint": endpoint, "virtual_hosted_style_request": False}
    if bucket.region is not None:
        settings["region"] = bucket.region
    if access.user is not None:
        # Given so, the session's token of another identity in the environment is not sent along.
        shown = {
            "access_key_id": access.user, "secret_access_key": access.secret or "", "token": None, "expires_at": None,
        }  # fmt: skip
        settings["credential_provider"] = lambda: shown
    return settings


def _certificates(path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise SourceError("ca_file must be a readable file of certificates", got=error.strerror, where=path) from error


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise SourceError(
            "there must be room for a copy of an object", got=error.strerror, where=str(path.parent),
            do="Set TMPDIR to a larger directory",
        ) from error  # fmt: skip
