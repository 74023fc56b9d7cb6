"""Settings: read from the environment once, at start.

Each setting is a field of `Settings` with its default and its parser. The comment above it documents it, and so does
the table in docs/reference.md. The variable of the field `threads` is BUILD_ADMIN_THREADS.
"""

import ipaddress
import os
import re
import select
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, NamedTuple, TypeVar
from urllib.parse import urlsplit

T = TypeVar("T")

PREFIX = "BUILD_ADMIN_"

#: Windows has no poll, and its select takes at most 512 sockets; the server uses a few for itself.
_MOST_CONNECTIONS = 10_000 if hasattr(select, "poll") else 500


class SettingsError(Exception):
    """A setting that cannot be used; the message is one sentence that names it."""


class Address(NamedTuple):
    """A host, which may be an IPv6 address, and a port. Its text is that of a URL: `[::1]:8080`."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def _setting(default: T, parse: Callable[[str], T], *, secret: bool = False) -> T:
    """Return a field of `Settings`. `parse` raises ValueError with the words that follow the variable's name."""
    made: Any = field(default=default, repr=not secret, metadata={"parse": parse})
    return made  # type: ignore[no-any-return]


def _whole(least: int, most: int) -> Callable[[str], int]:
    def parse(value: str) -> int:
        if not re.fullmatch(r"[0-9]{1,9}", value) or not least <= int(value) <= most:
            raise ValueError(f"must be a whole number from {least} to {most}, not {value!r}")
        return int(value)

    return parse


def _one_of(*choices: str) -> Callable[[str], str]:
    def parse(value: str) -> str:
        for choice in choices:
            if value.lower() == choice.lower():
                return choice
        raise ValueError(f"must be one of {', '.join(choices)}, not {value!r}")

    return parse


def _ip_address(value: str) -> str:
    try:
        return str(ipaddress.ip_address(value))
    except ValueError:
        raise ValueError(f"must be an IP address, not {value!r}") from None


def _path(value: str) -> str:
    if not re.fullmatch(r"(/[A-Za-z0-9._~-]+)+/?", value):
        raise ValueError(
            f"must be a path of letters, digits, '.', '_', '~' and '-', such as /build-admin, not {value!r}"
        )
    return value.rstrip("/")


def _address(value: str) -> Address:
    match = re.fullmatch(r"(\[[0-9A-Fa-f:.%a-z]+\]|[^\[\]:/\s]+):([0-9]{1,5})", value)
    if match is None or int(match[2]) > 65535:
        raise ValueError(f"must be host:port, for example 127.0.0.1:8080, not {value!r}")
    return Address(match[1].strip("[]"), int(match[2]))


def _url(value: str) -> str:
    try:
        parts = urlsplit(value)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable or re.search(r"[@?#]|[^!-~]", value):
        raise ValueError("must be http:// or https://, a host, perhaps a port and a path, and no password or query")
    return value.rstrip("/")


@dataclass(frozen=True)
class Settings:
    """The settings of a process; `Settings.from_environment` reads them."""

    # BUILD_ADMIN_DATA: the folder of builds.sqlite3 and signing.key; created if it does not exist.
    data: Path = _setting(Path("data"), Path)

    # BUILD_ADMIN_DATABASE_URL: postgresql://user:password@host:port/name, postgres:// too; empty for the SQLite file.
    database_url: str = _setting("", str, secret=True)

    # BUILD_ADMIN_SIGNING_KEY: the key that tokens are signed with (HS256), at least 32 bytes; empty to use the file.
    signing_key: str = _setting("", str, secret=True)

    # BUILD_ADMIN_SIGNING_KEY_FILE: the file with that key; empty for signing.key in the data folder, which the first
    # start creates.
    signing_key_file: Path | None = _setting(None, Path)

    # BUILD_ADMIN_PREVIOUS_SIGNING_KEY: a second key whose tokens are accepted too, while the key is being changed.
    previous_signing_key: str = _setting("", str, secret=True)

    # BUILD_ADMIN_LISTEN: host:port to serve on; [::1]:8080 for IPv6, port 0 for any free one.
    listen: Address = _setting(Address("127.0.0.1", 8080), _address)

    # BUILD_ADMIN_THREADS: how many requests are worked on at once.
    threads: int = _setting(8, _whole(1, 64))

    # BUILD_ADMIN_TRUSTED_PROXY: the address of a reverse proxy whose X-Forwarded-For is used; empty for none.
    trusted_proxy: str = _setting("", _ip_address)

    # BUILD_ADMIN_PREFIX: the path at which a reverse proxy publishes the service, such as /build-admin; empty for none.
    prefix: str = _setting("", _path)

    # BUILD_ADMIN_LOG_FORMAT: text or json.
    log_format: str = _setting("text", _one_of("text", "json"))

    # BUILD_ADMIN_LOG_LEVEL: the least severe level that is logged.
    log_level: str = _setting("INFO", _one_of("DEBUG", "INFO", "WARNING", "ERROR"))

    # BUILD_ADMIN_GRACE: seconds that a stop waits for the requests that were accepted before it.
    grace: int = _setting(10, _whole(0, 3600))

    # BUILD_ADMIN_CONNECTIONS: how many connections can be open at once. When all are in use and another client waits, a
    # connection without a request is closed, first one of an address that has more than half of all connections. The
    # trusted proxy may have all of them.
    connections: int = _setting(100, _whole(1, _MOST_CONNECTIONS))

    # BUILD_ADMIN_IDLE_TIMEOUT: seconds after which a connection without a request is closed.
    idle_timeout: int = _setting(120, _whole(1, 86_400))

    # BUILD_ADMIN_REQUEST_TIMEOUT: seconds from the first to the last byte of a request. The client must read the answer
    # within as many seconds, and one more for each 16 KB of it.
    request_timeout: int = _setting(30, _whole(1, 3600))

    # BUILD_ADMIN_MAX_HEADER: the maximum size of the request line and the headers together, in bytes.
    max_header: int = _setting(32 * 1024, _whole(4096, 1024 * 1024))

    # BUILD_ADMIN_MAX_BODY: the maximum size of a body, in bytes; no build needs more than the default.
    max_body: int = _setting(256 * 1024, _whole(4096, 256 * 1024))

    # BUILD_ADMIN_URL: the service that the client commands use; empty for the address in BUILD_ADMIN_LISTEN.
    url: str = _setting("", _url)

    # BUILD_ADMIN_TOKEN: the administrator's token that the client commands send.
    token: str = _setting("", str, secret=True)

    # BUILD_ADMIN_TOKEN_FILE: a file with that token, read again for each request.
    token_file: Path | None = _setting(None, Path)

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] = os.environ) -> "Settings":
        """Read the settings from environment variables that begin with `BUILD_ADMIN_`.

        Raises SettingsError for a value that does not parse, and for a name that no setting has: a mistyped name
        must not leave a default in force unnoticed. Names that begin with `BUILD_ADMIN_TEST_` are left alone.
        """
        known = {PREFIX + setting.name.upper(): setting for setting in fields(cls)}
        values: dict[str, Any] = {}
        for variable, value in environ.items():
            if not variable.startswith(PREFIX) or variable.startswith(PREFIX + "TEST_"):
                continue
            if variable not in known:
                raise SettingsError(f"{variable} is not a setting; known are {', '.join(sorted(known))}.")
            if value.strip():
                setting = known[variable]
                try:
                    values[setting.name] = setting.metadata["parse"](value.strip())
                except ValueError as error:
                    raise SettingsError(f"{variable} {error}.") from None
        return cls(**values)
