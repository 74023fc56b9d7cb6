"""Changing a build: a change is shown, confirmed, and made only if the build is still as it was shown."""

import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from build_admin.commands.builds import Stored, add_build, find
from build_admin.commands.errors import CHANGED, NOT_THERE, USAGE, CommandError
from build_admin.commands.http_client import API, Answer, Client, Refusal
from build_admin.commands.service import connect
from build_admin.commands.text import differences, printable
from build_admin.commands.values import add_values, number, values
from build_admin.settings import Settings


def add_set(parser: ArgumentParser) -> None:
    """Add the arguments of the command set."""
    parser.epilog = "build-admin set octocat/hello-world/12 status=error error='the worker died' finished=now"
    add_build(parser)
    add_values(parser)
    add_changing(parser)


def run_set(settings: Settings, options: Namespace) -> None:
    """Change fields of a build: show the difference, ask, and overwrite what was read, or nothing.

    Raises CommandError.
    """
    client = connect(settings)
    stored = find(client, options.build)
    mine = stored.build | values(client, options.values)
    change(client, options, stored, partial(client.send, "PUT", f"{API}/build", mine, tag=stored.tag), mine)


def add_undo(parser: ArgumentParser) -> None:
    """Add the arguments of the command undo."""
    parser.epilog = "build-admin undo octocat/hello-world/12"
    add_build(parser)
    parser.add_argument("revision", metavar="REVISION", type=number, nargs="?", help="default: the newest")
    add_changing(parser)


def run_undo(settings: Settings, options: Namespace) -> None:
    """Put a build back exactly as it was before a revision; later changes are undone too. Raises CommandError."""
    client = connect(settings)
    stored = find(client, options.build)
    revisions = f"{stored.path}/revisions"
    newest = [one["revision"] for one in client.get(revisions, per_page=1).json]
    if not newest:
        raise CommandError(f"{stored.name} has never been changed here; there is nothing to undo.", NOT_THERE)
    path = f"{revisions}/{options.revision or newest[0]}/undo"
    change(client, options, stored, partial(client.send, "POST", path, tag=stored.tag), stored.build)


def add_changing(parser: ArgumentParser) -> None:
    """Add the options --dry-run and --yes."""
    group = parser.add_mutually_exclusive_group()
    group.add_argument("--dry-run", action="store_true", help="show what would be changed, and change nothing")
    group.add_argument("--yes", action="store_true", help="do not ask; without a terminal nothing is changed otherwise")


def require_consent(options: Namespace) -> None:
    """Raise CommandError if the user can neither be asked nor has chosen --yes or --dry-run."""
    if not options.dry_run and not options.yes and not (sys.stdin and sys.stdin.isatty()):
        raise CommandError("Nothing was changed: there is no terminal to ask at. Add --yes, or --dry-run.", USAGE)


def agreed(options: Namespace, what: str) -> bool:
    """Return whether to make a change, False for a dry run; ask the user if necessary.

    Raises CommandError if the user does not answer yes.
    """
    require_consent(options)
    if options.dry_run or options.yes:
        return bool(options.yes)
    print(f"Change {what}? [y/N] ", end="", file=sys.stderr, flush=True)
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise CommandError("Nothing was changed.")
    return True


def change(
    client: Client, options: Namespace, stored: Stored, send: Callable[..., Answer], mine: Mapping[str, Any]
) -> None:
    """Show what a request changes in a build, ask, and make it.

    `send` makes the request with the build's tag, and with `dry_run=True` returns the build that would result. `mine`
    is the build that the user wants; after a conflict its differences from the stored one are shown.

    Raises CommandError, with the status CHANGED if another client has changed the build since it was read.
    """
    if mine["id"] != stored.build["id"]:
        raise CommandError(
            f"Nothing was changed: {stored.name} keeps its id. Correct the id, or name the other build.", USAGE
        )
    try:
        changes = _compared(stored.build, send(dry_run=True).json)
        print(f"{stored.name} at {client.url}")
        if not changes:
            print("There is nothing to change.")
            return
        print(differences(changes), flush=True)
        if agreed(options, f"{counted(len(changes), 'field')} of {stored.name} at {client.url}"):
            send()
            print(f"Changed. To undo this: build-admin undo {stored.build['id']}")
    except Refusal as refusal:
        if refusal.code == 412:
            _tell_conflict(client, stored, mine)
        raise


def _tell_conflict(client: Client, stored: Stored, mine: Mapping[str, Any]) -> None:
    """If the build has changed since it was read, show its differences from `mine` and raise CommandError."""
    now = client.get(stored.path).json
    if now == stored.build:
        return
    newest = client.get(f"{stored.path}/revisions", per_page=1).json
    who = "".join(f" by {printable(one['by'])} in revision {one['revision']}" for one in newest)
    print(f"- is what you have, + what {stored.name} is now:\n{differences(_compared(mine, now))}", flush=True)
    raise CommandError(f"{stored.name} has been changed since it was read{who}; nothing of yours was stored.", CHANGED)


def _compared(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the differences between two builds, as in a revision's `changes`."""
    pairs = {name: {"from": before.get(name), "to": after.get(name)} for name in {**before, **after}}
    return {name: change for name, change in pairs.items() if change["from"] != change["to"]}


def counted(number: int, what: str) -> str:
    """Return a number and its noun, in the plural where it needs one."""
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
