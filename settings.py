"""Settings: read from the environment once, at start.

Each setting is a field of `Settings`; the comment above it documents it, as the table in docs/reference.md does.
"""

import ipaddress
import os
import re
import select
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

PREFIX = "BUILD_ADMIN_"

#: Windows has no poll, and its select takes at most 512 sockets; the server uses a few for itself.
_MOST_CONNECTIONS = 10_000 if hasattr(select, "poll") else 500


class SettingsError(Exception):
    """A setting that cannot be used; the message is one sentence that names it."""


@dataclass(frozen=True)
class Settings:
    """The settings of a process; `Settings.from_environment` reads them."""

    # BUILD_ADMIN_DATA: the folder of builds.sqlite3 and signing.key; created if it does not exist.
    data: Path = Path("data")

    # BUILD_ADMIN_DATABASE_URL: postgresql://user:password@host:port/name, postgres:// too; empty for the SQLite file.
    database_url: str = field(default="", repr=False)

    # BUILD_ADMIN_SIGNING_KEY: the key that tokens are signed with (HS256), at least 32 bytes; empty to use the file.
    signing_key: str = field(default="", repr=False)

    # BUILD_ADMIN_SIGNING_KEY_FILE: the file with that key; empty for signing.key in the data folder, which the first
    # start creates.
    signing_key_file: Path | None = None

    # BUILD_ADMIN_PREVIOUS_SIGNING_KEY: a second key whose tokens are accepted too, while the key is being changed.
    previous_signing_key: str = field(default="", repr=False)

    # BUILD_ADMIN_LISTEN: host:port to serve on; [::1]:8080 for IPv6, port 0 for any free one.
    host: str = "127.0.0.1"
    port: int = 8080

    # BUILD_ADMIN_THREADS: how many requests are worked on at once.
    threads: int = 8

    # BUILD_ADMIN_TRUSTED_PROXY: the address of a reverse proxy whose X-Forwarded-For is used; empty for none.
    trusted_proxy: str = ""

    # BUILD_ADMIN_PREFIX: the path at which a reverse proxy publishes the service, such as /build-admin; empty for none.
    prefix: str = ""

    # BUILD_ADMIN_LOG_FORMAT: text or json.
    log_format: Literal["text", "json"] = "text"

    # BUILD_ADMIN_LOG_LEVEL: the least severe level that is logged.
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"

    # BUILD_ADMIN_GRACE: seconds that a stop waits for the requests that were accepted before it.
    grace: int = 10

    # BUILD_ADMIN_CONNECTIONS: how many connections can be open at once. When all are in use and another client waits, a
    # connection without a request is closed, first one of an address that has more than half of all connections. The
    # trusted proxy may have all of them.
    connections: int = 100

    # BUILD_ADMIN_IDLE_TIMEOUT: seconds after which a connection without a request is closed.
    idle_timeout: int = 120

    # BUILD_ADMIN_REQUEST_TIMEOUT: seconds from the first to the last byte of a request. The client must read the answer
    # within as many seconds, and one more for each 16 KB of it.
    request_timeout: int = 30

    # BUILD_ADMIN_MAX_HEADER: the maximum size of the request line and the headers together, in bytes.
    max_header: int = 32 * 1024

    # BUILD_ADMIN_MAX_BODY: the maximum size of a body, in bytes; no build needs more than the default.
    max_body: int = 256 * 1024

    # BUILD_ADMIN_URL: the service that the client commands use; empty for the address in BUILD_ADMIN_LISTEN.
    url: str = ""

    # BUILD_ADMIN_TOKEN: the administrator's token that the client commands send.
    token: str = field(default="", repr=False)

    # BUILD_ADMIN_TOKEN_FILE: a file with that token, read again for each request.
    token_file: Path | None = None

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] = os.environ) -> "Settings":
        """Read the settings from environment variables that begin with `BUILD_ADMIN_`.

        Raises SettingsError for a value that does not parse, and for a name that no setting has: a mistyped name
        must not leave a default in force unnoticed. Names that begin with `BUILD_ADMIN_TEST_` are left alone.
        """
        given = {
            name: value.strip()
            for name, value in environ.items()
            if name.startswith(PREFIX) and not name.startswith(PREFIX + "TEST_")
        }
        values: dict[str, object] = {}
        for name, value in given.items():
            parse = _PARSERS.get(name)
            if parse is None:
                raise SettingsError(f"{name} is not a setting; known are {', '.join(sorted(_PARSERS))}.")
            if value:
                try:
                    values |= parse(value)
                except ValueError as error:
                    raise SettingsError(f"{name} {error}.") from None
        return cls(**values)  # type: ignore[arg-type]


def _parsers() -> "dict[str, _Parser]":
    def whole(name: str, least: int, most: int) -> _Parser:
        def parse(value: str) -> dict[str, object]:
            if not re.fullmatch(r"[0-9]{1,9}", value) or not least <= int(value) <= most:
                raise ValueError(f"must be a whole number from {least} to {most}, not {value!r}")
            return {name: int(value)}

        return parse

    def one_of(name: str, *choices: str) -> _Parser:
        def parse(value: str) -> dict[str, object]:
            for choice in choices:
                if value.lower() == choice.lower():
                    return {name: choice}
            raise ValueError(f"must be one of {', '.join(choices)}, not {value!r}")

        return parse

    def text(name: str) -> _Parser:
        return lambda value: {name: value}

    def path(name: str) -> _Parser:
        return lambda value: {name: Path(value)}

    return {
        PREFIX + "DATA": path("data"),
        PREFIX + "DATABASE_URL": text("database_url"),
        PREFIX + "SIGNING_KEY": text("signing_key"),
        PREFIX + "SIGNING_KEY_FILE": path("signing_key_file"),
        PREFIX + "PREVIOUS_SIGNING_KEY": text("previous_signing_key"),
        PREFIX + "LISTEN": _address,
        PREFIX + "THREADS": whole("threads", 1, 64),
        PREFIX + "TRUSTED_PROXY": _proxy,
        PREFIX + "PREFIX": _path,
        PREFIX + "LOG_FORMAT": one_of("log_format", "text", "json"),
        PREFIX + "LOG_LEVEL": one_of("log_level", "DEBUG", "INFO", "WARNING", "ERROR"),
        PREFIX + "GRACE": whole("grace", 0, 3600),
        PREFIX + "CONNECTIONS": whole("connections", 1, _MOST_CONNECTIONS),
        PREFIX + "IDLE_TIMEOUT": whole("idle_timeout", 1, 86_400),
        PREFIX + "REQUEST_TIMEOUT": whole("request_timeout", 1, 3600),
        PREFIX + "MAX_HEADER": whole("max_header", 4096, 1024 * 1024),
        PREFIX + "MAX_BODY": whole("max_body", 4096, 256 * 1024),
        PREFIX + "URL": _url,
        PREFIX + "TOKEN": text("token"),
        PREFIX + "TOKEN_FILE": path("token_file"),
    }


def _proxy(value: str) -> dict[str, object]:
    try:
        return {"trusted_proxy": str(ipaddress.ip_address(value))}
    except ValueError:
        raise ValueError(f"must be an IP address, not {value!r}") from None


def _path(value: str) -> dict[str, object]:
    if not re.fullmatch(r"(/[A-Za-z0-9._~-]+)+/?", value):
        raise ValueError(
            f"must be a path of letters, digits, '.', '_', '~' and '-', such as /build-admin, not {value!r}"
        )
    return {"prefix": value.rstrip("/")}


def _address(value: str) -> dict[str, object]:
    match = re.fullmatch(r"(\[[0-9A-Fa-f:.%a-z]+\]|[^\[\]:/\s]+):([0-9]{1,5})", value)
    if match is None or int(match[2]) > 65535:
        raise ValueError(f"must be host:port, for example 127.0.0.1:8080, not {value!r}")
    return {"host": match[1].strip("[]"), "port": int(match[2])}


def _url(value: str) -> dict[str, object]:
    try:
        parts = urlsplit(value)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable or re.search(r"[@?#]|[^!-~]", value):
        raise ValueError("must be http:// or https://, a host, perhaps a port and a path, and no password or query")
    return {"url": value.rstrip("/")}


_Parser = Callable[[str], dict[str, object]]
_PARSERS = _parsers()
