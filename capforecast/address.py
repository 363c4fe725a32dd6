"""Where a server is: ``prometheus+https://metrics.example:9090/path``, taken apart and never with a password in it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from capforecast.errors import ConfigError, UnknownNameError
from capforecast.registry import names

_SCHEME = re.compile(r"([a-z][a-z0-9]*)(?:\+([a-z]+))?://", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Address:
    """A location that names a server.

    Attributes
    ----------
    location : str
        As it was written.
    server : str
        Name of the server's line in the registry.
    variant : str
        What follows the name after ``+``, such as https; empty where nothing does.
    host : str
        Empty for a database in a file.
    port : int, optional
        None where the usual one is meant.
    path : str
        From the slash after host and port on; empty where there is none.
    """

    location: str
    server: str
    variant: str
    host: str
    port: int | None
    path: str

    def file(self) -> str:
        """Return the path of a database that is a file.

        Raises
        ------
        ConfigError
            There is a host, or no path from the root on.
        """
        if self.host or self.variant or not self.path.strip("/"):
            raise ConfigError(
                "a database in a file must be named from the root on", got=repr(self.location),
                do=f"Write {self.server}:///path/to/file",
            )  # fmt: skip
        return unquote(self.path)

    def http_url(self) -> str:
        """Return the base of what is asked for over HTTP.

        Raises
        ------
        ConfigError
            The variant is neither http nor https, or there is no host.
        """
        if self.variant not in ("", "http", "https") or not self.host:
            raise ConfigError(
                "the address must be NAME://HOST:PORT or NAME+https://HOST:PORT", got=repr(self.location),
                do=f"Write {self.server}:// or {self.server}+https://",
            )  # fmt: skip
        host = f"[{self.host}]" if ":" in self.host else self.host
        port = "" if self.port is None else f":{self.port}"
        return f"{self.variant or 'http'}://{host}{port}{self.path}"


def names_server(location: str) -> bool:
    """Tell whether a location names a server rather than a file."""
    found = _SCHEME.match(location)
    return found is not None and found[1].lower() in names("server")


def parse_address(location: str) -> Address:
    """Take the location of a server apart.

    Raises
    ------
    UnknownNameError
        No server of the registry has this name.
    ConfigError
        The location has a user, a password or anything after the path. What it holds is not repeated in the
        message, since it may be a secret.
    """
    found = _SCHEME.match(location)
    if found is None or found[1].lower() not in names("server"):
        raise UnknownNameError("server", found[1] if found else "", names("server"))
    name, variant = found[1].lower(), (found[2] or "").lower()
    try:
        parts = urlsplit(location)
        port = parts.port
    except ValueError as error:
        raise ConfigError("the address of a server must be NAME://HOST:PORT/PATH", do="Check host and port") from error
    if "@" in parts.netloc or parts.query or parts.fragment or not location.isprintable() or " " in location:
        raise ConfigError(
            "the address of a server must be NAME://HOST:PORT/PATH and nothing else",
            got="a user, a password, or something after the path",
            where=f"{name}://{parts.hostname or ''}",
            do="Set user, and secret_env or secret_file, beside the location",
        )
    return Address(location, name, variant, parts.hostname or "", port, parts.path)
