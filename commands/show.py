"""The command show: a build, field by field."""

from argparse import ArgumentParser, Namespace

from build_admin.commands import builds
from build_admin.commands.output import add_output, print_json
from build_admin.commands.service import connect
from build_admin.commands.text import exactly, printable
from build_admin.settings import Settings


def add_show(parser: ArgumentParser) -> None:
    """Add the arguments of the command show."""
    parser.epilog = "build-admin show octocat/hello-world/12"
    builds.add_build(parser)
    add_output(parser, limit=False)


def run_show(settings: Settings, options: Namespace) -> None:
    """Show a build. Raises CommandError."""
    client = connect(settings)
    stored = builds.find(client, options.build)
    if options.output == "json":
        print_json(stored.build)
        return
    print(f"{stored.name} at {client.url}")
    for field, value in stored.build.items():
        print(f"{printable(field):14} {exactly(field, value)}")
