"""The command repairs: what was repaired, by whom and why, and which builds have changed since."""

from argparse import ArgumentParser, Namespace
from typing import Any

from build_admin.commands.http_client import REPAIRS
from build_admin.commands.output import add_output, print_list
from build_admin.commands.service import connect, number
from build_admin.commands.text import exactly, printable, table
from build_admin.commands.times import ago
from build_admin.settings import Settings


def add_arguments(parser: ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.description = "List the repairs, the newest first, or the builds of one and whether they have changed since."
    parser.epilog = "build-admin repairs 7"
    parser.add_argument("repair", metavar="REPAIR", type=number, nargs="?", help="the builds of this one")
    add_output(parser)


def run(settings: Settings, options: Namespace) -> None:
    """List repairs, or the builds of one. Raises CommandError."""
    client = connect(settings)
    if options.repair is None:
        print_list(client, options, REPAIRS, _repairs, f"Nothing was repaired at {client.url} yet.")
        return
    path = f"{REPAIRS}/{options.repair}"
    if options.output == "table":
        repair = client.get(path).json
        print(_repairs([repair]))
        for what in ("where", "set"):
            for name, value in (repair[what] or {}).items():
                print(f"{what} {printable(name)}: {exactly(name, value)}")
    print_list(client, options, f"{path}/builds", _builds, "It changed no build.")


def _repairs(repairs: list[dict[str, Any]]) -> str:
    names = ("repair", "at", "by", "changed", "undoes", "undone_by", "reason")
    rows = [[ago(one[name]) if name == "at" else one[name] or "" for name in names] for one in repairs]
    return table(["REPAIR", "WHEN", "BY", "BUILDS", "UNDOES", "UNDONE BY", "REASON"], rows)


def _builds(builds: list[dict[str, Any]]) -> str:
    rows = [[one["id"], one["revision"], one["state"], one.get("by", "")] for one in builds]
    return table(["ID", "REVISION", "STATE", "BY"], rows)
