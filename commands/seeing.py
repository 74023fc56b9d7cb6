"""Seeing: the commands that only read, for builds that are stuck, lists, one build, and its history."""

import time
from argparse import ArgumentParser, Namespace
from typing import Any

from build_admin.commands.builds import add_build, called, find, path_of, repositories
from build_admin.commands.http_client import BUILDS, Client
from build_admin.commands.output import add_output, print_json, print_list
from build_admin.commands.service import connect
from build_admin.commands.text import ago, differences, exactly, printable, table
from build_admin.commands.values import number, seconds
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
    before = int(time.time()) - options.older if options.older else None
    filters = {"host": options.host, "repo": options.repo, "before": before}
    none = f"Nothing is stuck at {client.url}."
    print_list(client, options, f"{BUILDS}/stuck", lambda found: _stuck_table(client, found), none, **filters)


def _stuck_table(client: Client, found: list[dict[str, Any]]) -> str:
    names = repositories(client, [item["build"] for item in found])
    rows = []
    for item in found:
        build = item["build"]
        rows.append([build["id"], called(build, names), build["status"], ago(item["since"]), build["host"]])
    heading, *lines = table(["ID", "BUILD", "STATUS", "SINCE", "HOST"], rows).splitlines()
    return "\n".join([heading, *(line + _why(item) for line, item in zip(lines, found, strict=True))])


def _why(item: dict[str, Any]) -> str:
    """Return the evidence but the age, which the table has already, as a line of its own."""
    evidence = "; ".join(map(printable, item["evidence"][1:]))
    return f"\n    {'alive: ' if item['alive'] else ''}{evidence}" if evidence else ""


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
    after = int(time.time()) - options.since - 1 if options.since else None
    filters = {name: getattr(options, name) for name in ("status", "repo", "branch", "host")} | {"after": after}
    none = f"No build at {client.url} passes these filters."
    print_list(client, options, BUILDS, lambda found: _build_table(client, found), none, **filters)


def _build_table(client: Client, found: list[dict[str, Any]]) -> str:
    names = repositories(client, found)
    rows = [
        [build["id"], called(build, names), build["status"], ago(build["created"])]
        + [build[name] for name in ("branch", "host", "title")]
        for build in found
    ]
    return table(["ID", "BUILD", "STATUS", "CREATED", "BRANCH", "HOST", "TITLE"], rows)


def add_show(parser: ArgumentParser) -> None:
    """Add the arguments of the command show."""
    parser.epilog = "build-admin show octocat/hello-world/12"
    add_build(parser)
    add_output(parser, limit=False)


def run_show(settings: Settings, options: Namespace) -> None:
    """Show a build. Raises CommandError."""
    client = connect(settings)
    stored = find(client, options.build)
    if options.output == "json":
        print_json(stored.build)
        return
    print(f"{stored.name} at {client.url}")
    for field, value in stored.build.items():
        print(f"{printable(field):14} {exactly(field, value)}")


def add_history(parser: ArgumentParser) -> None:
    """Add the arguments of the command history."""
    parser.epilog = "build-admin history octocat/hello-world/12"
    add_build(parser)
    parser.add_argument(
        "revision", metavar="REVISION", type=number, nargs="?",
        help="this one alone; -o json has the build as it was before, too",
    )  # fmt: skip
    add_output(parser)


def run_history(settings: Settings, options: Namespace) -> None:
    """Show who changed what in a build, the newest first. Raises CommandError."""
    client = connect(settings)
    path = f"{path_of(client, options.build)}/revisions"
    if options.revision is None:
        print_list(client, options, path, _revisions, "It has never been changed here.")
        return
    revision = client.get(f"{path}/{options.revision}").json
    if options.output == "json":
        print_json(revision)
    else:
        print(_revisions([revision]))


def _revisions(revisions: list[dict[str, Any]]) -> str:
    lines = []
    for revision in revisions:
        changes, repair = revision["changes"], revision.get("repair")
        # Only a creation changes the id. It changes every field, so they are not listed.
        created = "id" in changes
        head = f"revision {revision['revision']}: {'created' if created else 'changed'} {ago(revision['at'])}"
        lines.append(f"{head} by {printable(revision['by'])}" + (f", in repair {repair}" if repair else ""))
        if not created:
            lines.append(differences(changes))
    return "\n".join(lines)
