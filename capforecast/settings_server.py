"""Settings of a source that is elsewhere, a server or objects; `capforecast.settings` joins them to those of files."""

from __future__ import annotations

from typing import Annotated, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from capforecast.address import names_server, parse_address
from capforecast.bucket import names_storage, parse_place
from capforecast.errors import ConfigError
from capforecast.location import check_location
from capforecast.times import parse_duration

SECRET_HEADERS = ("authorization", "cookie", "proxy-authorization", "x-api-key", "x-auth-token")

_LAST = 255


def _duration(text: str) -> str:
    parse_duration(text)
    return text


def _public(headers: dict[str, str]) -> dict[str, str]:
    for name, value in headers.items():
        if name.lower() in SECRET_HEADERS:
            raise ConfigError(
                "headers must hold no secret",
                got=repr(name),
                do="Use secret_env or secret_file, with user for a password",
            )
        if not name.isascii() or not name.replace("-", "").isalnum() or not value.isprintable():
            raise ConfigError("a header must be a name and printable text", got=repr(name))
        if any(ord(letter) > _LAST for letter in value):
            raise ConfigError("the text of a header must be of the characters of Latin-1", got=repr(name))
    return headers


def _endpoint(url: str) -> str:
    try:
        parts = urlsplit(url)
        right = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        right, parts = False, urlsplit("")
    if not right or "@" in parts.netloc or parts.query or parts.fragment or not url.isprintable() or " " in url:
        raise ConfigError("an endpoint must be http://HOST:PORT or https://HOST:PORT", do="Set user and secret beside")
    return url.rstrip("/")


Duration = Annotated[str, AfterValidator(_duration)]


class QuerySettings(BaseModel):
    """What a server is asked for."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    metric: str = Field(min_length=1, description="metric that the answer is; for SQL the name where no column says it")
    query: str = Field(
        min_length=1, description="in the server's language; {step}, {since} and {until} stand for what is asked for"
    )
    unit: str | None = Field(default=None, description="unit of the values, where the data name none")


class ServerSettings(BaseModel):
    """What a source needs that is a server, or objects in a bucket."""

    queries: tuple[QuerySettings, ...] = Field(
        default=(), description="of a server: [[sources.queries]] with metric, query and unit"
    )
    history: Duration = Field(default="90d", description="of a server: how far back the first reading goes")
    overlap: Duration = Field(
        default="6h",
        description="of a server: how much before the last sample later readings begin, for what came late",
    )
    timeout: Duration = Field(default="30s", description="of a server: longest silence")
    deadline: Duration = Field(
        default="15m", description="of a server: longest time for one query or object, with all retries"
    )
    endpoint: Annotated[str, AfterValidator(_endpoint)] | None = Field(
        default=None, description="of s3://: http(s)://HOST:PORT of a storage that is not Amazon's"
    )
    region: str | None = Field(default=None, min_length=1, description="of s3://: region of the bucket")
    user: str | None = Field(
        default=None,
        description="of a server: name for a password; without it a token is sent; of s3:// the access key",
    )
    secret_env: str | None = Field(default=None, description="of a server: variable that holds the password or token")
    secret_file: str | None = Field(default=None, description="of a server: file that holds it, mode 0600")
    ca_file: str | None = Field(default=None, description="of a server: authorities to trust in place of the system's")
    headers: Annotated[dict[str, str], AfterValidator(_public)] = Field(
        default={}, description="of a server: further fields of requests, such as X-Scope-OrgID; no secrets"
    )

    @model_validator(mode="after")
    def _of_a_server(self) -> Self:
        location = str(getattr(self, "location", ""))
        if self.secret_env is not None and self.secret_file is not None:
            raise ValueError("only one of secret_env and secret_file may be given")
        check_location(location)
        if names_server(location):
            parse_address(location)
            if not self.queries:
                raise ValueError("a server must have queries: add [[sources.queries]] with metric and query")
            doubled = sorted({q.metric for q in self.queries if [p.metric for p in self.queries].count(q.metric) > 1})
            if doubled:
                raise ValueError(f"queries of a source must have distinct metrics, got {doubled} twice")
        elif self.queries:
            raise ValueError("only a server has queries; the location names files")
        self._of_a_bucket(location)
        return self

    def _of_a_bucket(self, location: str) -> None:
        if not names_storage(location):
            if self.endpoint is not None or self.region is not None:
                raise ValueError("only objects (s3://BUCKET/PATH) have endpoint and region")
            return
        parse_place(location)
        if (self.user is None) != (self.secret_env is None and self.secret_file is None):
            raise ValueError("objects need user (the access key) and secret_env or secret_file, or none of them")
        if self.headers:
            raise ValueError("objects are asked for without headers of your own")
