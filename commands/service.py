"""The service that a client command connects to, and the token that it sends."""

import getpass
import os
import re
from pathlib import Path

from build_admin.commands.errors import CommandError
from build_admin.commands.http_client import Client
from build_admin.settings import Address, Settings

#: Lifetime in seconds of the tokens that a command makes for itself, one for each request.
_OWN_TOKEN = 600

#: The addresses that a server listens on for all interfaces, and the loopback addresses to connect to instead.
_ANY = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104

_SET_IT = "set BUILD_ADMIN_TOKEN, or BUILD_ADMIN_TOKEN_FILE to a file that has it."


def connect(settings: Settings) -> Client:
    """Return a client of the service that the settings name, or of the one on this machine. Raises CommandError."""
    if not settings.url and not settings.listen.port:
        raise CommandError("BUILD_ADMIN_LISTEN has port 0, which is any free one; say in BUILD_ADMIN_URL where it is.")
    host, port = settings.listen
    here = Address(_ANY.get(host, host), port)
    return Client(settings.url or f"http://{here}", lambda: _token(settings))


def _token(settings: Settings) -> str:
    if settings.token_file and not settings.token:
        token = _read(settings.token_file)
    else:
        token = settings.token or os.environ.get("VELA_TOKEN", "").strip()
    # A token that is made with this machine's key is never sent to another machine.
    if not token and not settings.url:
        token = _own_token(settings)
    if not re.fullmatch(r"[A-Za-z0-9._~+/-]+=*", token):
        raise CommandError(f"{'The token is not one' if token else 'There is no token'}; {_SET_IT}")
    return token


def _read(file: Path) -> str:
    try:
        content = file.read_bytes()
        # Windows PowerShell writes UTF-16 where it redirects what a command prints.
        return content.decode("utf-16" if content[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise CommandError(f"The token in {file} cannot be read: {getattr(error, 'strerror', error)}.") from error


def _own_token(settings: Settings) -> str:
    """Return a token signed with this machine's key for the current user, who could run the command `token` too."""
    from build_admin import tokens  # PyJWT takes as long to import as all the rest

    file = tokens.key_file(settings)
    if not settings.signing_key and not os.access(file, os.R_OK):
        raise CommandError(
            f"There is no token, and no signing key that can be read in {file} to make one with; {_SET_IT}"
        )
    try:
        # Under sudo the process runs as root; revisions and logs must name the user who called it.
        subject = os.environ.get("SUDO_USER") or getpass.getuser()
    except (ImportError, KeyError, OSError):
        raise CommandError(f"There is no token, and the system has no name for this user; {_SET_IT}") from None
    return tokens.from_settings(settings).issue(subject, _OWN_TOKEN)
