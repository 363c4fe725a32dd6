"""What a location may be: a path, or a name with ``://`` that is that of a server or a storage."""

from __future__ import annotations

import os
import re

from capforecast.address import names_server
from capforecast.bucket import names_storage
from capforecast.errors import UnknownNameError
from capforecast.registry import names

_NAME = re.compile(r"([a-z][a-z0-9+.-]*)://", re.IGNORECASE)


def check_location(location: str) -> None:
    """Refuse what looks like a server or a storage and is none that is known, unless a file has that name.

    Raises
    ------
    UnknownNameError
        It is refused. What stands behind the name is not repeated in the message, since it may be a secret.
    """
    found = _NAME.match(location)
    if found is None or names_server(location) or names_storage(location) or os.path.lexists(location):
        return
    raise UnknownNameError("what stands before ://", found[1].lower(), {*names("server"), *names("storage")})
