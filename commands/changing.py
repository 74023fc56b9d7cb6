"""Changing: a change is shown, asked for and made, in this order, and only of what was shown."""

import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Mapping
from typing import Any

from build_admin.commands.errors import CHANGED, USAGE, CommandError
from build_admin.commands.http_client import Answer, Client, Refusal
from build_admin.commands.service import Stored
from build_admin.commands.text import differences


def add_changing(parser: ArgumentParser) -> None:
    """Let a command be told to only show, or not to ask."""
    group = parser.add_mutually_exclusive_group()
    group.add_argument("--dry-run", action="store_true", help="show what would be changed, and change nothing")
    group.add_argument("--yes", action="store_true", help="do not ask; where there is no terminal, it takes this")


def require_consent(options: Namespace) -> None:
    """Raise CommandError where a change can neither be asked for nor is agreed to beforehand."""
    if not options.dry_run and not options.yes and not (sys.stdin and sys.stdin.isatty()):
        raise CommandError("Nothing was changed: there is no terminal to ask at. Add --yes, or --dry-run.", USAGE)


def agreed(options: Namespace, question: str) -> bool:
    """Ask if it has to be asked; return False for a dry run. Raises CommandError for any other answer than yes."""
    if options.dry_run or options.yes:
        return bool(options.yes)
    require_consent(options)
    print(f"{question} [y/N] ", end="", file=sys.stderr, flush=True)
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise CommandError("Nothing was changed.")
    return True


def compared(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return what differs between two builds, as a revision has it."""
    return {
        name: {"from": before.get(name), "to": after.get(name)}
        for name in {**before, **after}
        if before.get(name) != after.get(name)
    }


def change(
    client: Client, options: Namespace, stored: Stored, send: Callable[..., Answer], mine: Mapping[str, Any] | None
) -> None:
    """Show what a request changes of a build, ask, and make it.

    Args:
        client: the service.
        options: what `add_changing` has added.
        stored: the build, as it was read.
        send: makes the request with the build's tag; with `dry_run=True` it only tells what the build would be.
        mine: what the build is meant to become, to be compared with what somebody else has made of it meanwhile.

    Raises CommandError; with the status CHANGED if somebody else was faster.

    """
    try:
        changes = compared(stored.build, send(dry_run=True).json)
        print(f"{stored.name} at {client.url}")
        if not changes:
            print("It is so already; there is nothing to change.")
            return
        print(differences(changes), flush=True)
        fields = "1 field" if len(changes) == 1 else f"{len(changes)} fields"
        if agreed(options, f"Change {fields} of {stored.name} at {client.url}?"):
            send()
            print(f"Changed. To see it, and what was there: build-admin history {stored.build['id']}")
    except Refusal as refusal:
        if refusal.code == 412:
            _tell_conflict(client, stored, mine or stored.build)
        raise


def _tell_conflict(client: Client, stored: Stored, mine: Mapping[str, Any]) -> None:
    """Raise CommandError if the build is not any more as it was read, and show what it is now."""
    now = client.get(stored.path).json
    if now == stored.build:
        return
    _, newest = client.list(f"{stored.path}/revisions", 1)
    who = "".join(f" by {revision['by']} in revision {revision['revision']}" for revision in newest)
    print(f"- is what you have, + what {stored.name} is now:\n{differences(compared(mine, now))}", flush=True)
    raise CommandError(f"{stored.name} has been changed since it was read{who}; nothing of yours was stored.", CHANGED)
