"""The command undo-repair: puts the builds of a repair back."""

from argparse import ArgumentParser, Namespace

from build_admin.commands.changing import add_changing, change_many
from build_admin.commands.http_client import REPAIRS
from build_admin.commands.service import connect, number
from build_admin.settings import Settings


def add_arguments(parser: ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.description = "Put back every build of a repair that is still as the repair has left it, and no other."
    parser.epilog = "build-admin undo-repair 7 --reason 'worker-3 was only slow'"
    parser.add_argument("repair", metavar="REPAIR", type=number, help="its number, from `repairs`")
    parser.add_argument("--reason", required=True, help="why; it is kept with the undo, which is a repair too")
    add_changing(parser)


def run(settings: Settings, options: Namespace) -> None:
    """Undo a repair. Raises CommandError."""
    change_many(connect(settings), options, f"{REPAIRS}/{options.repair}/undo", {"reason": options.reason})
