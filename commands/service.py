"""Service: which one a client command speaks to, and as whom."""

import getpass
import os
import re
from argparse import ArgumentTypeError
from pathlib import Path

from build_admin.commands.errors import CommandError
from build_admin.commands.http_client import Client
from build_admin.settings import Settings

#: Seconds that a token is good for which a command makes for itself, once for each request.
_OWN_TOKEN = 600

#: The addresses that stand for all of a machine's own, and how it reaches itself then.
_ANY = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104

_SET_IT = "set BUILD_ADMIN_TOKEN, or BUILD_ADMIN_TOKEN_FILE to a file that has it."


def connect(settings: Settings) -> Client:
    """Return a client of the service that the settings name, or of the one on this machine. Raises CommandError."""
    if not settings.url and not settings.port:
        raise CommandError("BUILD_ADMIN_LISTEN has port 0, which is any free one; say in BUILD_ADMIN_URL where it is.")
    host = _ANY.get(settings.host, settings.host)
    here = f"http://{f'[{host}]' if ':' in host else host}:{settings.port}"
    return Client(settings.url or here, lambda: _token(settings))


def _token(settings: Settings) -> str:
    if settings.token_file and not settings.token:
        token = _read(settings.token_file)
    else:
        token = settings.token or os.environ.get("VELA_TOKEN", "").strip()
    # What the key on this machine signs is for the service on this machine, and is sent to no other.
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
    """Return a token of this machine's key for whoever runs the command; he could have made one with `token` too."""
    from build_admin import tokens  # PyJWT takes as long to import as all the rest

    file = tokens.key_file(settings)
    if not settings.signing_key and not os.access(file, os.R_OK):
        raise CommandError(
            f"There is no token, and no signing key that can be read in {file} to make one with; {_SET_IT}"
        )
    try:
        # Under sudo the person is not who the process runs as.
        subject = os.environ.get("SUDO_USER") or getpass.getuser()
    except (ImportError, KeyError, OSError):
        raise CommandError(f"There is no token, and the system has no name for this user; {_SET_IT}") from None
    return tokens.from_settings(settings).issue(subject, _OWN_TOKEN)


def number(text: str) -> int:
    """Return the number that is typed. Raises ArgumentTypeError."""
    if not re.fullmatch(r"[1-9][0-9]{0,18}", text):
        raise ArgumentTypeError(f"must be a number, not {text!r}")
    return int(text)
