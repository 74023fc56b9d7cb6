"""The command undo: puts back what a revision replaced."""

from argparse import ArgumentParser, Namespace
from functools import partial

from build_admin.commands.builds import add_build, find
from build_admin.commands.changing import add_changing, change
from build_admin.commands.errors import NOT_THERE, CommandError
from build_admin.commands.service import connect, number
from build_admin.settings import Settings


def add_arguments(parser: ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.description = "Put a build back exactly as it was before a revision; later changes are undone too."
    parser.epilog = "build-admin undo octocat/hello-world/12"
    add_build(parser)
    parser.add_argument("revision", metavar="REVISION", type=number, nargs="?", help="default: the newest")
    add_changing(parser)


def run(settings: Settings, options: Namespace) -> None:
    """Undo a revision. Raises CommandError."""
    client = connect(settings)
    stored = find(client, options.build)
    revisions = f"{stored.path}/revisions"
    newest = [one["revision"] for one in client.get(revisions, per_page=1).json]
    if not newest:
        raise CommandError(f"{stored.name} has never been changed here; there is nothing to undo.", NOT_THERE)
    path = f"{revisions}/{options.revision or newest[0]}/undo"
    change(client, options, stored, partial(client.send, "POST", path, tag=stored.tag), stored.build)
