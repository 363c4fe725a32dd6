"""Who we are to a server: the secret comes from the environment or a file that nobody else can read.

It is kept out of every text: it is not in the object's repr, and `Access.hidden` takes it out of what a
server says.
"""

from __future__ import annotations

import os
import stat
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from capforecast.errors import SourceError
from capforecast.settings_server import ServerSettings

HIDDEN = "***"
_MOST = 16_384


@dataclass(frozen=True, slots=True)
class Access:
    """What is shown to a server, and what of it must be trusted.

    Attributes
    ----------
    user : str, optional
        Name for a password; without one a secret is a bearer token.
    secret : str, optional
        Password or token.
    ca_file : str, optional
        Certificates of authorities to trust in place of the system's.
    headers : tuple of (str, str)
        Further fields of each request, such as X-Scope-OrgID; none of them is a secret.
    """

    user: str | None = None
    secret: str | None = field(default=None, repr=False)
    ca_file: str | None = None
    headers: tuple[tuple[str, str], ...] = ()

    def authorization(self) -> str | None:
        """Return the field of a request that shows the secret, None without one."""
        if self.secret is None:
            return None
        if self.user is None:
            return f"Bearer {self.secret}"
        return "Basic " + b64encode(f"{self.user}:{self.secret}".encode()).decode()

    def hidden(self, text: str) -> str:
        """Return a text in which the secret, also as it is sent, is replaced by ``***``."""
        if not self.secret:
            return text
        sent = (self.authorization() or "").partition(" ")[2]
        for secret in (sent, self.secret):
            text = text.replace(secret, HIDDEN)
        return text


def access_of(settings: ServerSettings, environ: Mapping[str, str] = os.environ) -> Access:
    """Return what the settings of a source let us show.

    Raises
    ------
    SourceError
        The variable is not set, or the file cannot be read, is empty, or others can read it.
    """
    secret = None
    if settings.secret_env is not None:
        secret = environ.get(settings.secret_env)
        if not secret:
            raise SourceError(
                "the secret of a source must be set in the environment",
                got="nothing",
                where=settings.secret_env,
                do="Export the variable, or use secret_file",
            )
    elif settings.secret_file is not None:
        secret = _from_file(Path(settings.secret_file))
    if secret is not None and not secret.isprintable():
        raise SourceError(
            "a secret must be one line of printable text", do="Write it again, without control characters"
        )
    return Access(settings.user, secret, settings.ca_file, tuple(sorted(settings.headers.items())))


def _from_file(path: Path) -> str:
    try:
        # A pipe without a writer would be waited for.
        with open(path, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK)) as file:
            about = os.fstat(file.fileno())
            if not stat.S_ISREG(about.st_mode) or about.st_mode & 0o077 or about.st_uid not in (0, os.geteuid()):
                raise SourceError(
                    "the file of a secret must be a plain file of this user or root that no one else can read",
                    got=f"mode {stat.S_IMODE(about.st_mode):04o}, user {about.st_uid}",
                    where=str(path),
                    do="chmod 600",
                )
            content = file.read(_MOST).decode()
    except OSError as error:
        if isinstance(error, SourceError):
            raise
        raise SourceError("the file of a secret must be readable", got=error.strerror, where=str(path)) from error
    except UnicodeDecodeError as error:
        # The cause would show the bytes.
        raise SourceError("the file of a secret must be UTF-8 text", where=str(path)) from error.with_traceback(None)
    if not content.strip():
        raise SourceError("the file of a secret must not be empty", where=str(path))
    return content.strip()
