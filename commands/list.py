"""The command list: the builds that pass some filters."""

import time
from argparse import ArgumentParser, Namespace
from typing import Any

from build_admin.commands import service
from build_admin.commands.http_client import Client
from build_admin.commands.output import add_limit, add_output, print_list
from build_admin.commands.text import table
from build_admin.commands.times import ago, seconds
from build_admin.settings import Settings


def add_arguments(parser: ArgumentParser) -> None:
    """Say what the command takes."""
    parser.description = "List builds, the newest first."
    parser.epilog = "example:\n  build-admin list --status running,pending --repo octocat/hello-world --since 2d"
    parser.add_argument("--status", metavar="S", help="with this status; several are separated by commas")
    parser.add_argument("--repo", metavar="R", help="of this repository, such as octocat/hello-world")
    parser.add_argument("--branch", metavar="B", help="of this branch")
    parser.add_argument("--host", metavar="H", help="of this worker")
    parser.add_argument("--since", metavar="AGE", type=seconds, help="created at most so long ago: 90s, 15m, 8h, 2d")
    add_limit(parser)
    add_output(parser)


def run(settings: Settings, options: Namespace) -> None:
    """List builds. Raises CommandError."""
    client = service.connect(settings)
    print_list(
        client,
        options,
        "/builds",
        lambda builds: _table(client, builds),
        f"No build at {client.url} passes these filters.",
        status=options.status,
        repo=options.repo,
        branch=options.branch,
        host=options.host,
        after=int(time.time()) - options.since - 1 if options.since else None,
    )


def _table(client: Client, builds: list[dict[str, Any]]) -> str:
    names = service.repositories(client, builds)
    return table(
        ["ID", "BUILD", "STATUS", "CREATED", "BRANCH", "HOST", "TITLE"],
        (
            (
                build["id"],
                service.reference(build, names),
                build["status"],
                ago(build["created"]),
                build["branch"],
                build["host"],
                build["title"],
            )
            for build in builds
        ),
    )
