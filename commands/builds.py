"""Builds: how a person names a build, and what it is called."""

import re
import sys
from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Iterable
from typing import Any, NamedTuple

from build_admin.commands.errors import NOT_THERE, CommandError
from build_admin.commands.http_client import API, BUILDS, Client, Refusal
from build_admin.commands.text import printable


class Stored(NamedTuple):
    """A build as the service has it: its fields, its path and entity tag, and what it is called, for people."""

    build: dict[str, Any]
    path: str
    tag: str
    name: str


def add_build(parser: ArgumentParser) -> None:
    """Let a command take a build."""
    parser.add_argument("build", metavar="BUILD", type=_reference, help="its id, or octocat/hello-world/12")


def _reference(text: str) -> str:
    if not re.fullmatch(r"[0-9]+|.+/.+/[0-9]+", text):
        raise ArgumentTypeError(f"must be an id, or a repository and a number as octocat/hello-world/12, not {text!r}")
    return text


def path_of(client: Client, reference: str) -> str:
    """Return the path of the build that is meant; whether there is one with an id is not asked. Raises CommandError."""
    repo, _, number = reference.rpartition("/")
    if not repo:
        return f"{BUILDS}/{number}"
    try:
        for build in client.get(BUILDS, repo=repo, number=number).json:
            return f"{BUILDS}/{build['id']}"
    except Refusal as refusal:
        if refusal.code == 400:
            raise CommandError(f"{refusal} A build is known by its id too.", NOT_THERE) from refusal
        raise
    raise CommandError(f"There is no build {number} of {printable(repo)} at {client.url}.", NOT_THERE)


def find(client: Client, reference: str) -> Stored:
    """Return the build that is meant; say so where it is not shown exactly as it is stored. Raises CommandError."""
    path = path_of(client, reference)
    headers, build = client.get(path)
    if unreadable := headers.get("X-Unreadable"):
        print(f"Shown as far as it can be, for what is stored is not valid: {printable(unreadable)}.", file=sys.stderr)
    repo = repositories(client, [build]).get(build["repo_id"])
    name = f"build {build['id']}" + (f" ({repo}/{build['number']})" if repo else "")
    return Stored(build, path, headers.get("ETag", ""), name)


def repositories(client: Client, builds: Iterable[dict[str, Any]]) -> dict[int, str]:
    """Return the names of the builds' repositories by id, as far as they are known, printable. Raises CommandError."""
    # A broken row may have any number, and asking for one that no repository can have is refused.
    ids = sorted({build["repo_id"] for build in builds if build["repo_id"] > 0})
    found: dict[int, str] = {}
    for first in range(0, len(ids), 100):
        some = ",".join(map(str, ids[first : first + 100]))
        found |= {repo["id"]: printable(repo["full_name"]) for repo in client.get(f"{API}/repos", id=some).json}
    return found


def called(build: dict[str, Any], names: dict[int, str]) -> str:
    """Return what a build is called where its repository's name is known, as a command takes it; else its number."""
    repo = names.get(build["repo_id"])
    return f"{repo}/{build['number']}" if repo else f"{build['number']} of repo_id {build['repo_id']}"
