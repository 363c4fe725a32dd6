"""The JSON that a server answered: whole, and text that can be kept."""

from __future__ import annotations

import json
import re
from typing import Any

from capforecast.errors import SourceError
from capforecast.exchange import UnfinishedError

_HALF = re.compile(rb"\\u[dD][89a-fA-F]")
"""Stands for half of a character beyond the first 65,536; such halves must come in pairs."""


def decoded(body: bytes) -> Any:
    """Return what an answer says.

    Raises
    ------
    UnfinishedError
        It is no JSON to the end.
    SourceError
        A name in it is no text.
    """
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise UnfinishedError(f"{len(body)} bytes that are no JSON") from error
    if _HALF.search(body):
        try:
            json.dumps(answer, ensure_ascii=False).encode()
        except (UnicodeEncodeError, RecursionError) as error:
            raise SourceError("names in an answer must be text", got="half of a surrogate pair") from error
    return answer
