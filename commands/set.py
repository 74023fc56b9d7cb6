"""The command set: changes fields of a build."""

from argparse import ArgumentParser, Namespace
from functools import partial

from build_admin.commands.builds import add_build, find
from build_admin.commands.changing import add_changing, change
from build_admin.commands.http_client import API
from build_admin.commands.service import connect
from build_admin.commands.values import add_values, values
from build_admin.settings import Settings


def add_arguments(parser: ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.description = "Change fields of a build: show the difference, ask, and overwrite what was read, or nothing."
    parser.epilog = "build-admin set octocat/hello-world/12 status=error error='the worker died' finished=now"
    add_build(parser)
    add_values(parser)
    add_changing(parser)


def run(settings: Settings, options: Namespace) -> None:
    """Change fields of a build. Raises CommandError."""
    client = connect(settings)
    stored = find(client, options.build)
    mine = stored.build | values(client, options.values)
    change(client, options, stored, partial(client.send, "PUT", f"{API}/build", mine, tag=stored.tag), mine)
