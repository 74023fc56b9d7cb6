"""The command stuck: the builds that wait or run for too long, and why they are thought dead."""

import time
from argparse import ArgumentParser, Namespace
from typing import Any

from build_admin.commands import builds
from build_admin.commands.http_client import BUILDS, Client
from build_admin.commands.output import add_output, print_list
from build_admin.commands.service import connect
from build_admin.commands.text import ago, printable, table
from build_admin.commands.values import seconds
from build_admin.settings import Settings


def add_stuck(parser: ArgumentParser) -> None:
    """Add the arguments of the command stuck."""
    parser.epilog = "build-admin stuck --older 2d --host worker-3"
    add_filters(parser)
    add_output(parser)


def add_filters(parser: ArgumentParser) -> None:
    """Add the filters of the stuck builds."""
    parser.add_argument("--older", metavar="AGE", type=seconds, help="pending or running for longer: 90s, 8h, 2d (24h)")
    parser.add_argument("--host", metavar="H", help="on this worker")
    parser.add_argument("--repo", metavar="R", help="of this repository, such as octocat/hello-world")


def run_stuck(settings: Settings, options: Namespace) -> None:
    """List the builds that are pending or running for too long, with the evidence for each. Raises CommandError."""
    client = connect(settings)
    filters = {"host": options.host, "repo": options.repo}
    before = int(time.time()) - options.older if options.older else None
    none = f"Nothing is stuck at {client.url}."
    print_list(client, options, f"{BUILDS}/stuck", lambda found: _table(client, found), none, **filters, before=before)


def _table(client: Client, found: list[dict[str, Any]]) -> str:
    names = builds.repositories(client, [item["build"] for item in found])
    rows = []
    for item in found:
        build = item["build"]
        rows.append([build["id"], builds.called(build, names), build["status"], ago(item["since"]), build["host"]])
    heading, *lines = table(["ID", "BUILD", "STATUS", "SINCE", "HOST"], rows).splitlines()
    return "\n".join([heading, *(line + _why(item) for line, item in zip(lines, found, strict=True))])


def _why(item: dict[str, Any]) -> str:
    """Return the evidence but the age, which the table has already, as a line of its own."""
    evidence = "; ".join(map(printable, item["evidence"][1:]))
    return f"\n    {'alive: ' if item['alive'] else ''}{evidence}" if evidence else ""
