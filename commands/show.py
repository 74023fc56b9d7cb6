"""The command show: a build, field by field."""

from argparse import ArgumentParser, Namespace
from typing import Any

from build_admin.commands import service
from build_admin.commands.output import add_output, print_json
from build_admin.commands.text import printable
from build_admin.commands.times import TIMES, ago, exact
from build_admin.settings import Settings


def add_arguments(parser: ArgumentParser) -> None:
    """Say what the command takes."""
    parser.description = "Show a build."
    parser.epilog = "example:\n  build-admin show octocat/hello-world/12"
    service.add_build(parser)
    add_output(parser)


def run(settings: Settings, options: Namespace) -> None:
    """Show a build. Raises CommandError."""
    client = service.connect(settings)
    stored = service.find(client, options.build)
    if options.output == "json":
        print_json(stored.build)
        return
    print(f"{stored.name} at {client.url}")
    for field, value in stored.build.items():
        print(f"{printable(field):14} {_shown(field, value)}".rstrip())


def _shown(field: str, value: Any) -> str:
    if field in TIMES and value:
        return f"{value}  {exact(value)}, {ago(value)}"
    return printable(str(value))
