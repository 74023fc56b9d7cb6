"""Builds: how a command line names one, how it is read, and what it is called in the output."""

import re
from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Iterable
from typing import Any, NamedTuple

from build_admin.commands.errors import NOT_THERE, CommandError
from build_admin.commands.http_client import API, BUILDS, Client, Refusal, warn_of_unreadable
from build_admin.commands.text import printable


class Stored(NamedTuple):
    """A build as the service stores it: its fields, its path and entity tag, and its printable name."""

    build: dict[str, Any]
    path: str
    tag: str
    name: str


def add_build(parser: ArgumentParser) -> None:
    """Add the argument BUILD."""
    parser.add_argument("build", metavar="BUILD", type=_reference, help="its id, or octocat/hello-world/12")


def _reference(text: str) -> str:
    if not re.fullmatch(r"[0-9]+|.+/.+/[0-9]+", text):
        raise ArgumentTypeError(f"must be an id, or a repository and a number as octocat/hello-world/12, not {text!r}")
    return text


def path_of(client: Client, reference: str) -> str:
    """Return a build's path. A repository and number are looked up, an id is not. Raises CommandError."""
    repo, _, number = reference.rpartition("/")
    if not repo:
        return f"{BUILDS}/{number}"
    try:
        for build in client.get(BUILDS, repo=repo, number=number).json:
            return f"{BUILDS}/{build['id']}"
    except Refusal as refusal:
        if refusal.code == 400:
            raise CommandError(f"{refusal} You can also name a build by its id.", NOT_THERE) from refusal
        raise
    raise CommandError(f"There is no build {number} of {printable(repo)} at {client.url}.", NOT_THERE)


def find(client: Client, reference: str) -> Stored:
    """Return a build; warn on stderr if the service cannot show it exactly as it is stored. Raises CommandError."""
    path = path_of(client, reference)
    headers, build = answer = client.get(path)
    warn_of_unreadable(answer)
    repo = repositories(client, [build]).get(build["repo_id"])
    name = f"build {build['id']}" + (f" ({repo}/{build['number']})" if repo else "")
    return Stored(build, path, headers.get("ETag", ""), name)


def repositories(client: Client, builds: Iterable[dict[str, Any]]) -> dict[int, str]:
    """Return the printable names, by id, of those of the builds' repositories that are known. Raises CommandError."""
    # A broken row may hold any number, and the service refuses to look up one that is no id.
    ids = sorted({build["repo_id"] for build in builds if build["repo_id"] > 0})
    found: dict[int, str] = {}
    for first in range(0, len(ids), 100):
        some = ",".join(map(str, ids[first : first + 100]))
        found |= {repo["id"]: printable(repo["full_name"]) for repo in client.get(f"{API}/repos", id=some).json}
    return found


def called(build: dict[str, Any], names: dict[int, str]) -> str:
    """Return a build's name as a command takes it, or its number if its repository's name is not known."""
    repo = names.get(build["repo_id"])
    return f"{repo}/{build['number']}" if repo else f"{build['number']} of repo_id {build['repo_id']}"
