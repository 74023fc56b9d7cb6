"""The command list: the builds that pass some filters."""

import time
from argparse import ArgumentParser, Namespace
from typing import Any

from build_admin.commands import builds
from build_admin.commands.http_client import BUILDS, Client
from build_admin.commands.output import add_output, print_list
from build_admin.commands.service import connect
from build_admin.commands.text import ago, table
from build_admin.commands.values import seconds
from build_admin.settings import Settings


def add_list(parser: ArgumentParser) -> None:
    """Add the arguments of the command list."""
    parser.epilog = "build-admin list --status running,pending --repo octocat/hello-world --since 2d"
    parser.add_argument("--status", metavar="S", help="with this status; several are separated by commas")
    parser.add_argument("--repo", metavar="R", help="of this repository, such as octocat/hello-world")
    parser.add_argument("--branch", metavar="B", help="of this branch")
    parser.add_argument("--host", metavar="H", help="of this worker")
    parser.add_argument("--since", metavar="AGE", type=seconds, help="created at most so long ago: 90s, 15m, 8h, 2d")
    add_output(parser)


def run_list(settings: Settings, options: Namespace) -> None:
    """List builds, the newest first. Raises CommandError."""
    client = connect(settings)
    filters = {name: getattr(options, name) for name in ("status", "repo", "branch", "host")}
    after = int(time.time()) - options.since - 1 if options.since else None
    none = f"No build at {client.url} passes these filters."
    print_list(client, options, BUILDS, lambda found: _table(client, found), none, **filters, after=after)


def _table(client: Client, found: list[dict[str, Any]]) -> str:
    names = builds.repositories(client, found)
    rows = [
        [build["id"], builds.called(build, names), build["status"], ago(build["created"])]
        + [build[name] for name in ("branch", "host", "title")]
        for build in found
    ]
    return table(["ID", "BUILD", "STATUS", "CREATED", "BRANCH", "HOST", "TITLE"], rows)
