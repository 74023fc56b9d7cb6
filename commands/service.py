"""Service: which one a client command speaks to, as whom, and how its builds are named."""

import getpass
import os
import re
import sys
from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from build_admin.commands.errors import NOT_THERE, CommandError
from build_admin.commands.http_client import Client, Refusal
from build_admin.commands.text import printable
from build_admin.settings import Settings

#: Seconds that a token is good for which a command makes for itself, once for each request.
_OWN_TOKEN = 600

#: The addresses that stand for all of a machine's own, and how it reaches itself then.
_ANY = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104


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
        lack = "The token is not one" if token else "There is no token"
        raise CommandError(f"{lack}; set BUILD_ADMIN_TOKEN, or BUILD_ADMIN_TOKEN_FILE to a file that has it.")
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
            f"There is no token, and no signing key that can be read in {file} to make one with; "
            "set BUILD_ADMIN_TOKEN, or BUILD_ADMIN_TOKEN_FILE to a file that has it."
        )
    try:
        # Under sudo the person is not who the process runs as.
        subject = os.environ.get("SUDO_USER") or getpass.getuser()
    except (ImportError, KeyError, OSError):
        raise CommandError("The system has no name for this user; set BUILD_ADMIN_TOKEN.") from None
    return tokens.from_settings(settings).issue(subject, _OWN_TOKEN)


@dataclass(frozen=True)
class Stored:
    """A build as the service has it.

    Attributes:
        build: its fields.
        etag: its entity tag.
        name: what it is called, for people.

    """

    build: dict[str, Any]
    etag: str
    name: str

    @property
    def path(self) -> str:
        """Its path below the API."""
        return f"/builds/{self.build['id']}"


def add_build(parser: ArgumentParser) -> None:
    """Let a command take a build."""
    parser.add_argument("build", metavar="BUILD", type=_reference, help="its id, or octocat/hello-world/12")


def add_revision(parser: ArgumentParser, what: str) -> None:
    """Let a command take a revision."""
    parser.add_argument("revision", metavar="REVISION", type=number, nargs="?", help=what)


def number(text: str) -> int:
    """Return the number that is typed. Raises ArgumentTypeError."""
    if not re.fullmatch(r"[0-9]{1,19}", text):
        raise ArgumentTypeError(f"must be a number, not {text!r}")
    return int(text)


def _reference(text: str) -> str:
    if not re.fullmatch(r"[0-9]+|.+/.+/[0-9]+", text):
        raise ArgumentTypeError(f"must be an id, or a repository and a number as octocat/hello-world/12, not {text!r}")
    return text


def identify(client: Client, reference: str) -> int:
    """Return the id of the build that is meant; an id is taken as it is. Raises CommandError."""
    repo, _, number = reference.rpartition("/")
    if not repo:
        return int(number)
    try:
        _, found = client.list("/builds", 1, repo=repo, number=number)
    except Refusal as refusal:
        if refusal.code != 400:
            raise
        raise CommandError(f"{refusal} A build is known by its id too.", NOT_THERE) from refusal
    for build in found:
        return int(build["id"])
    raise CommandError(f"There is no build {number} of {printable(repo)} at {client.url}.", NOT_THERE)


def find(client: Client, reference: str) -> Stored:
    """Return the build that is meant; say so where it is not shown exactly as it is stored. Raises CommandError."""
    answer = client.get(f"/builds/{identify(client, reference)}")
    build = answer.json
    repo = repositories(client, [build]).get(build["repo_id"])
    if unreadable := answer.headers.get("X-Unreadable"):
        print(f"Not shown as stored, for it holds what is not valid: {printable(unreadable)}.", file=sys.stderr)
    return Stored(build, answer.etag, f"build {build['id']}" + (f" ({repo}/{build['number']})" if repo else ""))


def reference(build: dict[str, Any], names: dict[int, str]) -> str:
    """Return what a build is called where its repository's name is known, as a command takes it; else its number."""
    repo = names.get(build["repo_id"])
    return f"{repo}/{build['number']}" if repo else f"number {build['number']} of repo_id {build['repo_id']}"


def repositories(client: Client, builds: Iterable[dict[str, Any]]) -> dict[int, str]:
    """Return the names of the builds' repositories by id, as far as they are known, printable. Raises CommandError."""
    ids = sorted({build["repo_id"] for build in builds})
    found: dict[int, str] = {}
    for first in range(0, len(ids), 100):
        some = ",".join(map(str, ids[first : first + 100]))
        found |= {repo["id"]: printable(repo["full_name"]) for repo in client.get("/repos", id=some).json}
    return found
